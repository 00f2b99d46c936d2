/* SPDX-License-Identifier: MIT */
/* Operations on names: making, linking, removing, renaming. */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "store/tree/acl.h"
#include "store/volume/guard.h"
#include "store/volume/volume.h"

static struct span text_span(const char *text)
{
	return (struct span){ (const uint8_t *)text, text ? strlen(text) : 0 };
}

static int check_name(const char *name, struct hf_error *err)
{
	int r = name_check(name, strlen(name));

	if (r == -ENAMETOOLONG)
		return hf_error_set(err, r, "a name has at most %d bytes", NAME_BYTES_MAX);
	return r < 0 ? hf_error_set(err, r, "\"%s\" cannot be a name", name) : 0;
}

static int check_kind(uint32_t mode, const char *target, struct hf_error *err)
{
	size_t len = target ? strlen(target) : 0;

	if (S_ISLNK(mode) && len == 0)
		return hf_error_set(err, -ENOENT, "a symbolic link needs a target");
	if (S_ISLNK(mode) && len > TARGET_BYTES_MAX)
		return hf_error_set(err, -ENAMETOOLONG, "a symbolic link's target has at most %d bytes",
				    TARGET_BYTES_MAX);
	if (!S_ISREG(mode) && !S_ISDIR(mode) && !S_ISLNK(mode) && !S_ISFIFO(mode) && !S_ISSOCK(mode) &&
	    !S_ISCHR(mode) && !S_ISBLK(mode))
		return hf_error_set(err, -EINVAL, "there is no file type %o", mode & S_IFMT);
	return 0;
}

/*
 * What comes down from the directory: group, setgid, default ACL. acl: two buffers that live as long as op.
 */
static int inherit(struct hf_store *s, uint64_t parent, uint32_t umask, const struct hf_cred *cred,
		   struct op *op, struct buf *acl_access, struct buf *acl_default, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf given = BUF_INIT;
	struct hf_attr dir;
	int r;

	r = tree_getattr(&s->tree, HF_TID_HEAD, parent, &dir, err);
	if (r < 0)
		return r == -ESTALE ? hf_error_set(err, -ENOENT, "the directory is gone") : r;
	if (S_ISDIR(dir.mode) && dir.nlink == 0) /* of what gets no name applying it would not tell */
		return hf_error_set(err, -ENOENT, "the directory is removed");
	op->create.uid = cred->uid;
	op->create.gid = cred->gid;
	if (dir.mode & S_ISGID) {
		op->create.gid = dir.gid;
		if (S_ISDIR(op->create.mode))
			op->create.mode |= S_ISGID;
	}
	r = tree_xattr(&s->tree, HF_TID_HEAD, parent, ACL_DEFAULT_NAME, &given, err);
	if (r < 0)
		return r;
	if (r == 0 || S_ISLNK(op->create.mode)) {
		if (!S_ISLNK(op->create.mode))
			op->create.mode &= ~(umask & 0777);
		return 0;
	}
	r = acl_inherit((struct span){ given.data, given.len }, &op->create.mode, acl_access, acl_default);
	if (r < 0)
		return hf_error_set(err, r, "the directory's default ACL is damaged");
	op->create.acl_access = (struct span){ acl_access->data, acl_access->len };
	op->create.acl_default = (struct span){ acl_default->data, acl_default->len };
	return 0;
}

static int create(struct hf_store *s, uint64_t parent, const char *name, uint32_t mode, uint32_t umask,
		  uint64_t rdev, const char *target, const struct hf_cred *cred, struct hf_attr *ret,
		  struct hf_error *err)
{
	CLEANUP(buf_release) struct buf acl_access = BUF_INIT;
	CLEANUP(buf_release) struct buf acl_default = BUF_INIT;
	struct op op = { .type = OP_CREATE };
	int r;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	r = check_kind(mode, target, err);
	if (r == 0)
		r = op_begin(s, 0, true, err);
	if (r < 0)
		return r;
	op.create.parent = name ? parent : 0;
	op.create.name = text_span(name);
	op.create.mode = S_ISLNK(mode) ? S_IFLNK | 0777 : mode & (S_IFMT | 07777);
	op.create.rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0;
	op.create.target = S_ISLNK(mode) ? text_span(target) : (struct span){ NULL, 0 };
	op.create.ino = s->state.next_ino;
	r = inherit(s, parent, umask, cred, &op, &acl_access, &acl_default, err);
	if (r == 0)
		r = op_run(s, &op, err);
	if (r == 0 && name && S_ISREG(op.create.mode))
		guard_made(s, &op, parent, name, op.create.ino);
	if (r == 0 && !name) {
		hf_ref(s, op.create.ino, 1);
		refs_orphaned(s, op.create.ino);
	}
	if (r == 0 && ret)
		r = tree_getattr(&s->tree, HF_TID_HEAD, op.create.ino, ret, err);
	op_end(s);
	return r;
}

int hf_create(struct hf_store *s, uint64_t parent, const char *name, uint32_t mode, uint32_t umask,
	      uint64_t rdev, const char *target, const struct hf_cred *cred, struct hf_attr *ret,
	      struct hf_error *err)
{
	int r = check_name(name, err);

	return r < 0 ? r : create(s, parent, name, mode, umask, rdev, target, cred, ret, err);
}

int hf_create_nameless(struct hf_store *s, uint64_t parent, uint32_t mode, uint32_t umask,
		       const struct hf_cred *cred, struct hf_attr *ret, struct hf_error *err)
{
	return create(s, parent, NULL, S_IFREG | (mode & 07777), umask, 0, NULL, cred, ret, err);
}

int hf_link(struct hf_store *s, uint64_t ino, uint64_t parent, const char *name, struct hf_attr *ret,
	    struct hf_error *err)
{
	struct op op = { .type = OP_LINK };
	int r = check_name(name, err);

	if (r == 0)
		r = op_begin(s, 0, true, err);
	if (r < 0)
		return r;
	op.link.ino = ino;
	op.link.parent = parent;
	op.link.name = text_span(name);
	r = op_run(s, &op, err);
	if (r == 0) {
		guard_made(s, &op, parent, name, ino);
		refs_named(s, ino);
	}
	if (r == 0 && ret)
		r = tree_getattr(&s->tree, HF_TID_HEAD, ino, ret, err);
	op_end(s);
	return r;
}

/* After a name was taken away: is anything left that names the inode? Requires sequence. */
static void note_orphan(struct hf_store *s, uint64_t ino)
{
	struct hf_attr attr;

	if (tree_getattr(&s->tree, HF_TID_HEAD, ino, &attr, NULL) == 0 && attr.nlink == 0)
		refs_orphaned(s, ino);
}

static int remove_name(struct hf_store *s, uint64_t parent, const char *name, uint32_t flags,
		       uint64_t *ret_ino, struct hf_error *err)
{
	struct op op = { .type = OP_UNLINK };
	struct hf_attr attr;
	int r = check_name(name, err);

	if (r == 0)
		r = op_begin(s, 0, false, err);
	if (r < 0)
		return r;
	r = tree_lookup(&s->tree, HF_TID_HEAD, parent, name, &attr, err);
	if (r == 0) {
		op.unlink.parent = parent;
		op.unlink.name = text_span(name);
		op.unlink.ino = attr.ino;
		op.unlink.flags = flags;
		r = op_run(s, &op, err);
	}
	if (r == 0) {
		guard_removed(s, &op, parent, name, &attr);
		note_orphan(s, attr.ino);
		if (ret_ino)
			*ret_ino = attr.ino;
	}
	op_end(s);
	return r;
}

int hf_unlink(struct hf_store *s, uint64_t parent, const char *name, uint64_t *ret_ino, struct hf_error *err)
{
	return remove_name(s, parent, name, 0, ret_ino, err);
}

int hf_rmdir(struct hf_store *s, uint64_t parent, const char *name, uint64_t *ret_ino, struct hf_error *err)
{
	if (strcmp(name, ".") == 0)
		return hf_error_set(err, -EINVAL, "a directory is not removed by the name .");
	if (strcmp(name, "..") == 0)
		return hf_error_set(err, -ENOTEMPTY, "a directory is not removed by the name ..");
	return remove_name(s, parent, name, UNLINK_DIR, ret_ino, err);
}

int hf_rename(struct hf_store *s, uint64_t parent, const char *name, uint64_t new_parent,
	      const char *new_name, unsigned flags, struct hf_error *err)
{
	struct op op = { .type = OP_RENAME };
	struct hf_attr other;
	bool has_other;
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    (flags & RENAME_NOREPLACE && flags & RENAME_EXCHANGE))
		return hf_error_set(err, -EINVAL, "rename knows NOREPLACE or EXCHANGE");
	r = check_name(name, err);
	if (r == 0)
		r = check_name(new_name, err);
	if (r == 0)
		r = op_begin(s, 0, false, err);
	if (r < 0)
		return r;
	op.rename.parent = parent;
	op.rename.name = text_span(name);
	op.rename.new_parent = new_parent;
	op.rename.new_name = text_span(new_name);
	op.rename.flags = (flags & RENAME_EXCHANGE ? RENAME_OP_EXCHANGE : 0) |
			  (flags & RENAME_NOREPLACE ? RENAME_OP_NOREPLACE : 0);
	has_other = tree_lookup(&s->tree, HF_TID_HEAD, new_parent, new_name, &other, NULL) == 0;
	r = op_run(s, &op, err);
	if (r == 0)
		guard_renamed(s, &op, name, new_parent, new_name, has_other ? &other : NULL);
	if (r == 0 && has_other)
		note_orphan(s, other.ino);
	op_end(s);
	return r;
}
