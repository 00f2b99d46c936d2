/* SPDX-License-Identifier: MIT */
/* Operations on attributes, extended attributes and tags. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "holdfast/moment.h"
#include "store/tree/acl.h"
#include "store/tree/inode.h"
#include "store/volume/guard.h"
#include "store/volume/volume.h"

static struct span text_span(const char *text)
{
	return (struct span){ (const uint8_t *)text, strlen(text) };
}

static struct file_time file_time(struct timespec t)
{
	return (struct file_time){ t.tv_sec, (uint32_t)t.tv_nsec };
}

/* A chmod carries over to the access ACL, if there is one. Requires sequence. */
static int chmod_acl(struct hf_store *s, struct op *op, struct buf *acl, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	int r = tree_xattr(&s->tree, HF_TID_HEAD, op->setattr.ino, ACL_ACCESS_NAME, &old, err);

	if (r <= 0)
		return r;
	r = acl_chmod((struct span){ old.data, old.len }, op->setattr.mode, acl);
	if (r < 0)
		return hf_error_set(err, r, "the file's ACL is damaged");
	op->setattr.mask |= SETATTR_ACL;
	op->setattr.acl = (struct span){ acl->data, acl->len };
	return 0;
}

static void fill_setattr(const struct hf_store *s, const struct hf_setattr *change, struct op *op)
{
	op->setattr.mode = change->mode & 07777;
	op->setattr.uid = change->uid;
	op->setattr.gid = change->gid;
	op->setattr.size = change->size_bytes;
	op->setattr.atime =
		change->mask & HF_SET_ATIME_NOW ? file_time_of(op_time(s, op)) : file_time(change->atime);
	op->setattr.mtime =
		change->mask & HF_SET_MTIME_NOW ? file_time_of(op_time(s, op)) : file_time(change->mtime);
	op->setattr.ctime = file_time(change->ctime);
	op->setattr.mask = change->mask & (SETATTR_MODE | SETATTR_UID | SETATTR_GID | SETATTR_SIZE |
					   SETATTR_ATIME | SETATTR_MTIME | SETATTR_CTIME);
	if (change->mask & HF_SET_ATIME_NOW)
		op->setattr.mask |= SETATTR_ATIME;
	if (change->mask & HF_SET_MTIME_NOW)
		op->setattr.mask |= SETATTR_MTIME;
	if (change->mask & HF_SET_KILL_PRIV)
		op->setattr.mask |= SETATTR_KILL_PRIV;
}

static bool times_valid(const struct hf_setattr *c)
{
	return (!(c->mask & HF_SET_ATIME) || (c->atime.tv_nsec >= 0 && c->atime.tv_nsec < 1000000000)) &&
	       (!(c->mask & HF_SET_MTIME) || (c->mtime.tv_nsec >= 0 && c->mtime.tv_nsec < 1000000000)) &&
	       (!(c->mask & HF_SET_CTIME) || (c->ctime.tv_nsec >= 0 && c->ctime.tv_nsec < 1000000000));
}

/* What setting a length takes away, or may take away; asked before. Requires sequence. */
static struct hf_attr before_cut(struct hf_store *s, const struct op *op)
{
	struct hf_attr before = { .size_bytes = 0 };

	if (s->guard && op->setattr.mask & SETATTR_SIZE &&
	    tree_getattr(&s->tree, HF_TID_HEAD, op->setattr.ino, &before, NULL) < 0)
		before.size_bytes = 0;
	return before;
}

/* Bytes that a hole had do not count. */
static void tell_cut(struct hf_store *s, const struct op *op, const struct hf_attr *before)
{
	const uint64_t size = op->setattr.size, had = before->blocks * 512;
	uint64_t lost;

	if (!(op->setattr.mask & SETATTR_SIZE) || before->size_bytes <= size)
		return;
	lost = before->size_bytes - size;
	guard_cut(s, op, before, size, lost < had ? lost : had);
}

int hf_setattr(struct hf_store *s, uint64_t ino, const struct hf_setattr *change, struct hf_attr *ret,
	       struct hf_error *err)
{
	CLEANUP(buf_release) struct buf acl = BUF_INIT;
	struct op op = { .type = OP_SETATTR };
	struct hf_attr before;
	int r, cut = 0;

	_Static_assert((int)HF_SET_MODE == SETATTR_MODE && (int)HF_SET_CTIME == SETATTR_CTIME &&
			       (int)HF_SET_SIZE == SETATTR_SIZE && (int)HF_SET_MTIME == SETATTR_MTIME,
		       "the public mask is the record's for what both have");
	if (!times_valid(change))
		return hf_error_set(err, -EINVAL, "a second has fewer than 1000000000 nanoseconds");
	if (change->mask & HF_SET_SIZE)
		cut = cut_in_steps(s, ino, change->size_bytes, err);
	r = cut < 0 ? cut : op_begin(s, 0, false, err);
	if (r < 0)
		return r;
	op.setattr.ino = ino;
	fill_setattr(s, change, &op);
	if (op.setattr.mask & SETATTR_MODE)
		r = chmod_acl(s, &op, &acl, err);
	before = before_cut(s, &op);
	if (r == 0)
		r = op_run(s, &op, err);
	if (r == 0 && !cut)
		tell_cut(s, &op, &before);
	if (r == 0 && ret)
		r = tree_getattr(&s->tree, HF_TID_HEAD, ino, ret, err);
	op_end(s);
	return r;
}

static int check_xattr(const char *name, size_t len, struct hf_error *err)
{
	int r = tree_check_xattr_name(name, err);

	if (r == 0 && len > XATTR_VALUE_BYTES_MAX)
		r = hf_error_set(err, -E2BIG, "an attribute has at most %d bytes", XATTR_VALUE_BYTES_MAX);
	return r;
}

static int check_present(struct hf_store *s, uint64_t ino, const char *name, int flags, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	int r;

	if (!(flags & (XATTR_CREATE | XATTR_REPLACE)))
		return 0;
	r = tree_xattr(&s->tree, HF_TID_HEAD, ino, name, &old, err);
	if (r < 0)
		return r;
	if (r == 1 && flags & XATTR_CREATE)
		return hf_error_set(err, -EEXIST, "the attribute %s is there already", name);
	if (r == 0 && flags & XATTR_REPLACE)
		return hf_error_set(err, -ENODATA, "there is no attribute %s", name);
	return 0;
}

/* An ACL: check it, find the mode it stands for. *ret_drop: the mode says it all. Requires sequence. */
static int prepare_acl(struct hf_store *s, struct op *op, bool access, int kill_sgid, bool *ret_drop,
		       struct hf_error *err)
{
	const struct span acl = op->setxattr.value;
	struct hf_attr attr;
	uint32_t mode;
	int r;

	*ret_drop = false;
	r = tree_getattr(&s->tree, HF_TID_HEAD, op->setxattr.ino, &attr, err);
	if (r < 0)
		return r;
	if (S_ISLNK(attr.mode))
		return hf_error_set(err, -EOPNOTSUPP, "a symbolic link has no ACL");
	if (!access && !S_ISDIR(attr.mode))
		return hf_error_set(err, -EACCES, "only a directory has a default ACL");
	mode = attr.mode;
	r = access ? acl_to_mode(acl, &mode) : acl_check(acl);
	if (r < 0)
		return hf_error_set(err, r, "this is not a valid ACL");
	if (!access)
		return 0;
	*ret_drop = r == 1;
	if (kill_sgid)
		mode &= ~(uint32_t)S_ISGID;
	op->setxattr.mode_plus_1 = (mode & 07777) + 1;
	return 0;
}

/* An access ACL that says no more than the mode is kept as the mode alone. Requires sequence. */
static int set_mode_only(struct hf_store *s, uint64_t ino, uint32_t mode, struct hf_error *err)
{
	struct op op = { .type = OP_SETATTR };

	op.setattr.ino = ino;
	op.setattr.mask = SETATTR_MODE | SETATTR_ACL;
	op.setattr.mode = mode;
	return op_run(s, &op, err);
}

int hf_setxattr(struct hf_store *s, uint64_t ino, const char *name, const void *value, size_t len, int flags,
		int kill_sgid, struct hf_error *err)
{
	const bool access = strcmp(name, ACL_ACCESS_NAME) == 0;
	struct op op = { .type = OP_SETXATTR };
	bool drop = false;
	int r = check_xattr(name, len, err);

	if (r == 0)
		r = op_begin(s, len, true, err);
	if (r < 0)
		return r;
	op.setxattr.ino = ino;
	op.setxattr.name = text_span(name);
	op.setxattr.value = (struct span){ value, len };
	r = check_present(s, ino, name, flags, err);
	if (r == 0 && (access || strcmp(name, ACL_DEFAULT_NAME) == 0))
		r = prepare_acl(s, &op, access, kill_sgid, &drop, err);
	if (r == 0)
		r = drop ? set_mode_only(s, ino, op.setxattr.mode_plus_1 - 1, err) : op_run(s, &op, err);
	op_end(s);
	return r;
}

/* An ACL that is not there is removed already: that is no operation. Requires sequence. */
static int is_removed_acl(struct hf_store *s, uint64_t ino, const char *name, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	int r;

	if (strcmp(name, ACL_ACCESS_NAME) != 0 && strcmp(name, ACL_DEFAULT_NAME) != 0)
		return 0;
	r = tree_xattr(&s->tree, HF_TID_HEAD, ino, name, &old, err);
	return r < 0 ? r : r == 0;
}

int hf_removexattr(struct hf_store *s, uint64_t ino, const char *name, struct hf_error *err)
{
	struct op op = { .type = OP_REMOVEXATTR };
	int r = tree_check_xattr_name(name, err);

	if (r == 0)
		r = op_begin(s, 0, false, err);
	if (r < 0)
		return r;
	op.removexattr.ino = ino;
	op.removexattr.name = text_span(name);
	r = is_removed_acl(s, ino, name, err);
	if (r == 0)
		r = op_run(s, &op, err);
	op_end(s);
	return r < 0 ? r : 0;
}

static int tag(struct hf_store *s, const char *name, uint64_t tid_plus_1, struct hf_error *err)
{
	struct op op = { .type = OP_TAG };
	uint64_t old;
	int r;

	if (tag_name_check(name, strlen(name)) < 0)
		return hf_error_set(err, -EINVAL,
				    "a tag is 1 to %d of A-Z a-z 0-9 . _ - and does not begin with . or -",
				    TAG_BYTES_MAX);
	r = op_begin(s, 0, tid_plus_1 != 0, err);
	if (r < 0)
		return r;
	r = tree_tag_find(s->tree.index, name, &old, err);
	if (r == 0 && tid_plus_1)
		r = hf_error_set(err, -EEXIST, "there is a tag %s already", name);
	else if (r == -ENOENT && tid_plus_1)
		r = 0;
	if (r == 0) {
		op.tag.name = text_span(name);
		op.tag.tid_plus_1 = tid_plus_1 == UINT64_MAX ? s->state.tid + 1 : tid_plus_1;
		if (tid_plus_1 && op.tag.tid_plus_1 > s->state.tid + 1)
			r = hf_error_set(err, -ENOENT, "operation %llu has not happened yet",
					 (unsigned long long)tid_plus_1 - 1);
		else
			r = op_run(s, &op, err);
	}
	op_end(s);
	return r;
}

/* A name that is a moment already would be taken for that wherever it is said. */
static bool is_moment(const char *name)
{
	struct hf_moment m;

	return tag_name_check(name, strlen(name)) == 0 &&
	       (hf_moment_parse(name, 0, &m, NULL) < 0 || m.kind != HF_MOMENT_TAG);
}

int hf_tag(struct hf_store *s, const char *name, uint64_t tid, struct hf_error *err)
{
	if (is_moment(name))
		return hf_error_set(
			err, -EINVAL,
			"%s cannot be the name of a moment, for it means one by itself; choose a name "
			"that is no time, as before-the-move",
			name);
	return tag(s, name, tid == HF_TID_HEAD ? UINT64_MAX : tid + 1, err);
}

int hf_untag(struct hf_store *s, const char *name, struct hf_error *err)
{
	return tag(s, name, 0, err);
}
