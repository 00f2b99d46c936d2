/* SPDX-License-Identifier: MIT */
/*
 * From an inode to its names. A directory's entries lead from names to inodes; which names an inode has it
 * keeps itself, for one of them: the directory, and the hash of the name in it. The further ones of a file
 * with hard links are rows (keys.h, l). All of it is versioned as the entries are, so that an inode's names
 * are found at any moment.
 */
#include <errno.h>
#include <sys/stat.h>

#include "store/tree/tx.h"
#include "store/tree/view_internal.h"

static int damaged(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index of names is damaged: mount with -o rebuild");
}

static int put_link(struct tx *tx, uint64_t ino, uint64_t dir, uint64_t hash)
{
	struct key key = key_link(ino, dir, hash);

	buf_clear(&tx->value);
	buf_add_varint(&tx->value, tx->op->tid);
	if (buf_status(&tx->value) < 0)
		return -ENOMEM;
	return tx_put(tx, &key, (struct span){ NULL, 0 }, span_of(&tx->value));
}

static int delete_link(struct tx *tx, uint64_t ino, uint64_t dir, uint64_t hash)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	struct key key = key_link(ino, dir, hash);
	int r = tx_get(tx, &key, &old);

	return r <= 0 ? r : tx_delete(tx, &key, span_of(&old));
}

int tx_name_added(struct tx *tx, struct inode *i, uint32_t others, uint64_t dir, struct span name)
{
	const uint64_t hash = key_name_hash(tx->t->keys, name.data, name.len);

	if (others > 0)
		return put_link(tx, i->ino, dir, hash);
	i->parent = dir;
	i->name_hash = hash;
	return 0;
}

/* Another name of it becomes the one that it keeps itself. */
static int adopt_link(struct tx *tx, struct inode *i)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key from = key_number('l', i->ino), to = key_after_prefix(from);
	int r = index_batch_scan(tx->batch, INDEX_HEAD, key_span(&from), key_span(&to), 1, 0, &rows, tx->err);

	if (r < 0)
		return r;
	if (rows.n != 1 || rows.entries[0].key.len != LINK_KEY_BYTES)
		return damaged(tx->err);
	i->parent = get_be64(rows.entries[0].key.data + LINK_KEY_PREFIX);
	i->name_hash = get_be64(rows.entries[0].key.data + LINK_KEY_PREFIX + 8);
	return delete_link(tx, i->ino, i->parent, i->name_hash);
}

int tx_name_removed(struct tx *tx, struct inode *i, uint32_t others, uint64_t dir, struct span name)
{
	if (others == 0)
		return 0; /* it was the one that the inode keeps */
	const uint64_t hash = key_name_hash(tx->t->keys, name.data, name.len);

	return i->parent == dir && i->name_hash == hash ? adopt_link(tx, i) :
							  delete_link(tx, i->ino, dir, hash);
}

/* The entry of this inode among those of one hash in a directory. */
struct seek {
	uint64_t ino;
	char *out;      /* of NAME_BYTES_MAX + 1 */
	uint64_t since; /* of the entry that was found */
};

static int seek_entry(void *arg, struct span key, struct span value)
{
	struct seek *s = arg;
	struct entry entry;

	if (key.len <= ENTRY_KEY_PREFIX + 1 || key.len - ENTRY_KEY_PREFIX > NAME_BYTES_MAX + 1 ||
	    entry_decode(value, &entry) < 0)
		return -EUCLEAN;
	if (entry.ino != s->ino)
		return 0;
	memcpy(s->out, key.data + ENTRY_KEY_PREFIX, key.len - ENTRY_KEY_PREFIX); /* with the NUL */
	s->since = entry.tid;
	return 1;
}

int tree_name_in(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t dir, uint64_t hash,
		 char out[NAME_BYTES_MAX + 1], uint64_t *ret_since, struct hf_error *err)
{
	struct seek s = { ino, out, 0 };
	struct key from = key_number('d', dir), to;
	int r;

	key_add_be64(&from, hash);
	to = key_after_prefix(from);
	r = past_scan(t->index, tid, key_span(&from), key_span(&to), seek_entry, &s, err);
	if (r == -EUCLEAN)
		return damaged(err);
	if (r <= 0)
		return r;
	*ret_since = s.since;
	return 1;
}

int tree_name(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t *ret_dir,
	      char out[NAME_BYTES_MAX + 1], uint64_t *ret_since, struct hf_error *err)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r = view_inode(t, tid, ino, &n, err);

	if (r < 0 || n.i.parent == 0)
		return r < 0 ? r : 0;
	*ret_dir = n.i.parent;
	return tree_name_in(t, tid, ino, n.i.parent, n.i.name_hash, out, ret_since, err);
}

struct names_walk {
	const struct tree *t;
	uint64_t tid, ino;
	tree_name_fn *each;
	void *arg;
	struct hf_error *err;
};

static int walk_name(struct names_walk *w, uint64_t dir, uint64_t hash)
{
	char name[NAME_BYTES_MAX + 1];
	uint64_t since;
	int r = tree_name_in(w->t, w->tid, w->ino, dir, hash, name, &since, w->err);

	return r == 1 ? w->each(w->arg, dir, name) : r;
}

static int walk_link(void *arg, struct span key, struct span value)
{
	(void)value;
	if (key.len != LINK_KEY_BYTES)
		return -EUCLEAN;
	return walk_name(arg, get_be64(key.data + LINK_KEY_PREFIX), get_be64(key.data + LINK_KEY_PREFIX + 8));
}

int tree_names(const struct tree *t, uint64_t tid, uint64_t ino, tree_name_fn *each, void *arg,
	       struct hf_error *err)
{
	struct names_walk w = { t, tid, ino, each, arg, err };
	struct key from = key_number('l', ino), to = key_after_prefix(from);
	CLEANUP(node_release) struct node n = NODE_INIT;
	int r = view_inode(t, tid, ino, &n, err);

	if (r < 0 || n.i.parent == 0)
		return r < 0 ? r : 0;
	r = walk_name(&w, n.i.parent, n.i.name_hash);
	if (r != 0 || n.i.nlink < 2 || S_ISDIR(n.i.mode))
		return r;
	r = past_scan(t->index, tid, key_span(&from), key_span(&to), walk_link, &w, err);
	return r == -EUCLEAN && err && !err->code ? damaged(err) : r;
}
