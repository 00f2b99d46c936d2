/* SPDX-License-Identifier: MIT */
#include "store/tree/apply.h"

#include <errno.h>
#include <sys/stat.h>

static int no_entry(struct tx *tx, struct span name)
{
	return hf_error_set(tx->err, -ENOENT, "there is no %.*s", (int)name.len, (const char *)name.data);
}

static void touch(struct tx *tx, struct inode *dir)
{
	dir->mtime = dir->ctime = tx_now(tx);
}

/* Is there nothing in this directory? */
static int check_empty(struct tx *tx, uint64_t dir)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key from = key_number('d', dir), to = key_after_prefix(from);
	int r;

	r = index_batch_scan(tx->batch, INDEX_HEAD, key_span(&from), key_span(&to), 1, INDEX_KEYS_ONLY, &rows,
			     tx->err);
	if (r < 0)
		return r;
	return rows.n == 0 ? 0 : hf_error_set(tx->err, -ENOTEMPTY, "the directory is not empty");
}

static int put_acls(struct tx *tx, struct inode *i)
{
	int r = 0;

	if (tx->op->create.acl_access.len > 0)
		r = tx_put_xattr(tx, i, span_text("system.posix_acl_access"), tx->op->create.acl_access);
	if (r == 0 && tx->op->create.acl_default.len > 0)
		r = tx_put_xattr(tx, i, span_text("system.posix_acl_default"), tx->op->create.acl_default);
	return r;
}

static int create_inode(struct tx *tx)
{
	struct node n = NODE_INIT;
	struct file_time now = tx_now(tx);
	int r;

	n.i = (struct inode){
		.ino = tx->op->create.ino,
		.mode = tx->op->create.mode,
		.nlink = tx->op->create.parent == 0   ? 0 :
			 S_ISDIR(tx->op->create.mode) ? 2 :
							1,
		.uid = tx->op->create.uid,
		.gid = tx->op->create.gid,
		.rdev = tx->op->create.rdev,
		.size = tx->op->create.target.len,
		.flags = tx->op->create.parent == 0 ? INODE_NAMELESS : 0,
		.atime = now,
		.mtime = now,
		.ctime = now,
		.btime = now,
		.target = tx->op->create.target,
	};
	if (tx->op->create.ino < tx->state.next_ino)
		return hf_error_set(tx->err, -EUCLEAN, "inode %llu is made twice",
				    (unsigned long long)tx->op->create.ino);
	tx->note.ino = n.i.ino;
	tx->state.next_ino = tx->op->create.ino + 1;
	tx->state.live_inodes++;
	r = 0;
	if (n.i.nlink == 0)
		tx_orphan(tx, &n.i);
	else
		r = tx_name_added(tx, &n.i, 0, tx->op->create.parent, tx->op->create.name);
	if (r == 0)
		r = put_acls(tx, &n.i);
	if (r == 0)
		r = tx_put_inode(tx, &n);
	node_release(&n);
	return r;
}

int apply_create(struct tx *tx)
{
	CLEANUP(node_release) struct node dir = NODE_INIT;
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	const struct span name = tx->op->create.name;
	struct entry entry;
	int r;

	if (tx->op->create.parent == 0)
		return create_inode(tx);
	r = tx_directory(tx, tx->op->create.parent, &dir);
	if (r == 0)
		r = tx_entry(tx, dir.i.ino, name, &entry, &raw);
	if (r < 0)
		return r;
	if (r == 1)
		return hf_error_set(tx->err, -EEXIST, "%.*s exists", (int)name.len, (const char *)name.data);
	r = create_inode(tx);
	if (r == 0)
		r = tx_put_entry(tx, dir.i.ino, name, (struct span){ NULL, 0 }, tx->op->create.ino,
				 tx->op->create.mode);
	if (r < 0)
		return r;
	if (S_ISDIR(tx->op->create.mode))
		dir.i.nlink++;
	touch(tx, &dir.i);
	return tx_put_inode(tx, &dir);
}

int apply_link(struct tx *tx)
{
	CLEANUP(node_release) struct node dir = NODE_INIT;
	CLEANUP(node_release) struct node n = NODE_INIT;
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	const struct span name = tx->op->link.name;
	struct entry entry;
	int r;

	r = tx_directory(tx, tx->op->link.parent, &dir);
	if (r == 0)
		r = tx_inode(tx, tx->op->link.ino, &n);
	if (r == 0)
		r = tx_entry(tx, dir.i.ino, name, &entry, &raw);
	if (r < 0)
		return r;
	if (r == 1)
		return hf_error_set(tx->err, -EEXIST, "%.*s exists", (int)name.len, (const char *)name.data);
	if (S_ISDIR(n.i.mode))
		return hf_error_set(tx->err, -EPERM, "a directory has one name");
	if (n.i.nlink >= LINK_MAX)
		return hf_error_set(tx->err, -EMLINK, "a file has at most %d names", LINK_MAX);
	if (n.i.nlink == 0 && !(n.i.flags & INODE_NAMELESS))
		return hf_error_set(tx->err, -ENOENT, "inode %llu has been removed",
				    (unsigned long long)n.i.ino);
	if (n.i.nlink == 0)
		tx_adopt(tx, &n.i);
	tx->note.ino = n.i.ino;
	n.i.flags &= ~(uint32_t)INODE_NAMELESS;
	n.i.nlink++;
	n.i.ctime = tx_now(tx);
	r = tx_put_entry(tx, dir.i.ino, name, (struct span){ NULL, 0 }, n.i.ino, n.i.mode);
	if (r == 0)
		r = tx_name_added(tx, &n.i, n.i.nlink - 1, dir.i.ino, name);
	if (r == 0)
		r = tx_put_inode(tx, &n);
	if (r < 0)
		return r;
	touch(tx, &dir.i);
	return tx_put_inode(tx, &dir);
}

/* A name of it is gone: a file loses a link, a directory all of its own. */
static int drop_link(struct tx *tx, struct inode *i, uint64_t dir, struct span name)
{
	i->nlink = S_ISDIR(i->mode) ? 0 : i->nlink - 1;
	i->ctime = tx_now(tx);
	if (i->nlink == 0)
		tx_orphan(tx, i);
	return tx_name_removed(tx, i, i->nlink, dir, name);
}

int apply_unlink(struct tx *tx)
{
	CLEANUP(node_release) struct node dir = NODE_INIT;
	CLEANUP(node_release) struct node n = NODE_INIT;
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	const struct span name = tx->op->unlink.name;
	const bool want_dir = tx->op->unlink.flags & UNLINK_DIR;
	struct entry entry;
	int r;

	r = tx_directory(tx, tx->op->unlink.parent, &dir);
	if (r == 0)
		r = tx_entry(tx, dir.i.ino, name, &entry, &raw);
	if (r < 0)
		return r;
	if (r == 0)
		return no_entry(tx, name);
	if (want_dir != S_ISDIR(entry.type))
		return hf_error_set(tx->err, want_dir ? -ENOTDIR : -EISDIR, "%.*s is %s directory",
				    (int)name.len, (const char *)name.data, want_dir ? "not a" : "a");
	if (entry.ino != tx->op->unlink.ino)
		return hf_error_set(tx->err, -EUCLEAN, "%.*s is not inode %llu", (int)name.len,
				    (const char *)name.data, (unsigned long long)tx->op->unlink.ino);
	r = want_dir ? check_empty(tx, entry.ino) : 0;
	if (r == 0)
		r = tx_inode(tx, entry.ino, &n);
	if (r == 0)
		r = tx_delete_entry(tx, dir.i.ino, name, span_of(&raw));
	if (r < 0)
		return r;
	tx->note.ino = n.i.ino;
	r = drop_link(tx, &n.i, dir.i.ino, name);
	if (r == 0)
		r = tx_put_inode(tx, &n);
	if (r < 0)
		return r;
	if (want_dir)
		dir.i.nlink--;
	touch(tx, &dir.i);
	return tx_put_inode(tx, &dir);
}

/* --- rename: what is known of its two ends */

struct rename {
	struct node from_dir, to_dir; /* to_dir unused when they are one */
	struct node moved, other;     /* other: what the new name was of */
	struct entry from, to;
	struct buf from_raw, to_raw;
	bool has_other, same_dir;
};

static void rename_release(struct rename *m)
{
	node_release(&m->from_dir);
	node_release(&m->to_dir);
	node_release(&m->moved);
	node_release(&m->other);
	buf_release(&m->from_raw);
	buf_release(&m->to_raw);
}

static struct node *rename_to_dir(struct rename *m)
{
	return m->same_dir ? &m->from_dir : &m->to_dir;
}

static int rename_find(struct tx *tx, struct rename *m)
{
	int r;

	m->same_dir = tx->op->rename.parent == tx->op->rename.new_parent;
	r = tx_directory(tx, tx->op->rename.parent, &m->from_dir);
	if (r == 0 && !m->same_dir)
		r = tx_directory(tx, tx->op->rename.new_parent, &m->to_dir);
	if (r == 0)
		r = tx_entry(tx, tx->op->rename.parent, tx->op->rename.name, &m->from, &m->from_raw);
	if (r < 0)
		return r;
	if (r == 0)
		return no_entry(tx, tx->op->rename.name);
	r = tx_entry(tx, tx->op->rename.new_parent, tx->op->rename.new_name, &m->to, &m->to_raw);
	if (r < 0)
		return r;
	m->has_other = r == 1;
	r = tx_inode(tx, m->from.ino, &m->moved);
	if (r == 0 && m->has_other && m->to.ino != m->from.ino)
		r = tx_inode(tx, m->to.ino, &m->other);
	return r;
}

/* A directory must not come to lie below itself. */
static int check_loop(struct tx *tx, const struct inode *moved, uint64_t dir)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r;

	if (!S_ISDIR(moved->mode))
		return 0;
	while (dir != ROOT_INO) {
		if (dir == moved->ino)
			return hf_error_set(tx->err, -EINVAL, "a directory cannot be moved into itself");
		r = tx_inode(tx, dir, &n);
		if (r < 0)
			return r;
		dir = n.i.parent;
	}
	return 0;
}

static int rename_check(struct tx *tx, struct rename *m)
{
	const uint32_t flags = tx->op->rename.flags;
	int r;

	if (flags & RENAME_OP_EXCHANGE) {
		if (!m->has_other)
			return no_entry(tx, tx->op->rename.new_name);
		r = m->to.ino == m->from.ino ? 0 : check_loop(tx, &m->other.i, tx->op->rename.parent);
		return r < 0 ? r : check_loop(tx, &m->moved.i, tx->op->rename.new_parent);
	}
	r = check_loop(tx, &m->moved.i, tx->op->rename.new_parent);
	if (r < 0 || !m->has_other)
		return r;
	if (flags & RENAME_OP_NOREPLACE)
		return hf_error_set(tx->err, -EEXIST, "the new name exists");
	if (m->to.ino == m->from.ino)
		return 0;
	if (S_ISDIR(m->other.i.mode) && !S_ISDIR(m->moved.i.mode))
		return hf_error_set(tx->err, -EISDIR, "the new name is a directory");
	if (!S_ISDIR(m->other.i.mode) && S_ISDIR(m->moved.i.mode))
		return hf_error_set(tx->err, -ENOTDIR, "the new name is not a directory");
	return S_ISDIR(m->other.i.mode) ? check_empty(tx, m->other.i.ino) : 0;
}

/* Of its names the rename's old one becomes the new one, or, of an exchange, the new one the old. */
static int move_name(struct tx *tx, struct inode *i, bool back)
{
	const uint64_t dirs[2] = { tx->op->rename.parent, tx->op->rename.new_parent };
	const struct span names[2] = { tx->op->rename.name, tx->op->rename.new_name };
	const uint32_t others = S_ISDIR(i->mode) ? 0 : i->nlink - 1;
	int r = tx_name_removed(tx, i, others, dirs[back], names[back]);

	return r < 0 ? r : tx_name_added(tx, i, others, dirs[!back], names[!back]);
}

static int rename_exchange(struct tx *tx, struct rename *m)
{
	struct node *to_dir = rename_to_dir(m);
	int r;

	if (m->to.ino == m->from.ino)
		return 0;
	r = tx_put_entry(tx, tx->op->rename.parent, tx->op->rename.name, span_of(&m->from_raw), m->to.ino,
			 m->to.type);
	if (r == 0)
		r = tx_put_entry(tx, tx->op->rename.new_parent, tx->op->rename.new_name, span_of(&m->to_raw),
				 m->from.ino, m->from.type);
	if (r < 0)
		return r;
	if (S_ISDIR(m->moved.i.mode)) {
		m->from_dir.i.nlink--;
		to_dir->i.nlink++;
	}
	if (S_ISDIR(m->other.i.mode)) {
		to_dir->i.nlink--;
		m->from_dir.i.nlink++;
	}
	r = move_name(tx, &m->other.i, true);
	if (r < 0)
		return r;
	m->other.i.ctime = tx_now(tx);
	return tx_put_inode(tx, &m->other);
}

static int rename_replace(struct tx *tx, struct rename *m)
{
	struct node *to_dir = rename_to_dir(m);
	int r;

	r = tx_delete_entry(tx, tx->op->rename.parent, tx->op->rename.name, span_of(&m->from_raw));
	if (r == 0)
		r = tx_put_entry(tx, tx->op->rename.new_parent, tx->op->rename.new_name,
				 m->has_other ? span_of(&m->to_raw) : (struct span){ NULL, 0 }, m->from.ino,
				 m->from.type);
	if (r == 0 && m->has_other) {
		if (S_ISDIR(m->other.i.mode))
			to_dir->i.nlink--;
		r = drop_link(tx, &m->other.i, tx->op->rename.new_parent, tx->op->rename.new_name);
		if (r == 0)
			r = tx_put_inode(tx, &m->other);
	}
	if (r < 0)
		return r;
	if (S_ISDIR(m->moved.i.mode)) {
		m->from_dir.i.nlink--;
		to_dir->i.nlink++;
	}
	return 0;
}

int apply_rename(struct tx *tx)
{
	CLEANUP(rename_release) struct rename m = { 0 };
	int r;

	r = rename_find(tx, &m);
	if (r == 0)
		r = rename_check(tx, &m);
	if (r < 0)
		return r;
	if (m.has_other && m.to.ino == m.from.ino)
		return 0; /* two names of one file: POSIX asks that nothing be done */
	tx->note.ino = m.from.ino;
	tx->note.other = m.has_other ? m.to.ino : 0;
	r = tx->op->rename.flags & RENAME_OP_EXCHANGE ? rename_exchange(tx, &m) : rename_replace(tx, &m);
	if (r == 0)
		r = move_name(tx, &m.moved.i, false);
	if (r < 0)
		return r;
	m.moved.i.ctime = tx_now(tx);
	r = tx_put_inode(tx, &m.moved);
	if (r < 0)
		return r;
	touch(tx, &m.from_dir.i);
	r = tx_put_inode(tx, &m.from_dir);
	if (r < 0 || m.same_dir)
		return r;
	touch(tx, &m.to_dir.i);
	return tx_put_inode(tx, &m.to_dir);
}

int apply_reap(struct tx *tx)
{
	for (size_t k = 0; k < tx->op->reap.n; k++) {
		CLEANUP(node_release) struct node n = NODE_INIT;
		struct key key = key_inode(tx->op->reap.inos[k]);
		struct key orphan = key_number('o', tx->op->reap.inos[k]);
		int r;

		r = tx_inode(tx, tx->op->reap.inos[k], &n);
		if (r < 0)
			return r;
		if (n.i.nlink > 0)
			return hf_error_set(tx->err, -EUCLEAN, "inode %llu still has a name",
					    (unsigned long long)n.i.ino);
		r = tx_delete(tx, &key, span_of(&n.raw));
		if (r < 0)
			return r;
		index_batch_delete(tx->batch, INDEX_META, orphan.bytes, orphan.len);
	}
	return 0;
}
