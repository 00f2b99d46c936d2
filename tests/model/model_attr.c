/* SPDX-License-Identifier: MIT */
/* Attributes, extended attributes, tags. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tests/model/arena.h"
#include "tests/model/model.h"

enum { XATTR_NAME_MAX_BYTES = 255, XATTR_VALUE_MAX_BYTES = 65536, TAG_MAX_BYTES = 128 };

static void replace_xattr(struct model_inode *i, const char *name, const void *value, size_t len, bool keep)
{
	struct model_xattr *all = arena_alloc((i->n_xattrs + 1) * sizeof(*all));
	size_t n = 0;

	for (size_t k = 0; k < i->n_xattrs; k++) {
		if (strcmp(i->xattrs[k].name, name) != 0)
			all[n++] = i->xattrs[k];
	}
	if (keep)
		all[n++] = (struct model_xattr){ arena_text(name), arena_copy(value, len), len };
	i->xattrs = all;
	i->n_xattrs = n;
}

void model_put_xattr(struct model_inode *i, const char *name, const void *value, size_t len)
{
	replace_xattr(i, name, value, len, true);
}

void model_drop_xattr(struct model_inode *i, const char *name)
{
	replace_xattr(i, name, NULL, 0, false);
}

void model_kill_priv(struct model_inode *i)
{
	i->mode &= ~(uint32_t)S_ISUID;
	if (i->mode & S_IXGRP)
		i->mode &= ~(uint32_t)S_ISGID;
	model_drop_xattr(i, "security.capability");
}

static bool bad_time(const struct hf_setattr *c, unsigned mask, struct timespec t)
{
	return c->mask & mask && (t.tv_nsec < 0 || t.tv_nsec > 999999999);
}

static void change_mode(struct model_inode *i, uint32_t mode)
{
	const struct model_xattr *x = model_xattr(i, MODEL_ACL_ACCESS);
	uint8_t raw[4 + 8 * MODEL_ACL_ENTRIES_MAX];
	struct model_acl acl;

	i->mode = (i->mode & S_IFMT) | (mode & 07777);
	if (x && model_acl_parse(x->value, x->len, &acl) == 0) {
		model_acl_set_mode(&acl, mode, false);
		model_put_xattr(i, MODEL_ACL_ACCESS, raw, model_acl_print(&acl, raw));
	}
}

int model_setattr(const struct model *m, uint64_t ino, const struct hf_setattr *c, const struct model **ret)
{
	const struct model_inode *old = model_find(m, ino);
	struct model_inode *i;
	struct model *next;

	if (bad_time(c, HF_SET_ATIME, c->atime) || bad_time(c, HF_SET_MTIME, c->mtime) ||
	    bad_time(c, HF_SET_CTIME, c->ctime))
		return -EINVAL;
	if (!old)
		return -ESTALE;
	if (c->mask & HF_SET_SIZE && !S_ISREG(old->mode))
		return S_ISDIR(old->mode) ? -EISDIR : -EINVAL;
	if (c->mask & HF_SET_SIZE && c->size_bytes > INT64_MAX)
		return -EFBIG;
	next = model_next(m);
	i = model_edit(next, ino);
	i->ctime = MODEL_NOW;
	if (c->mask & HF_SET_SIZE) {
		model_set_size(i, c->size_bytes);
		i->mtime = MODEL_NOW;
	}
	if (c->mask & HF_SET_KILL_PRIV)
		model_kill_priv(i);
	if (c->mask & HF_SET_MODE)
		change_mode(i, c->mode);
	if (c->mask & HF_SET_UID)
		i->uid = c->uid;
	if (c->mask & HF_SET_GID)
		i->gid = c->gid;
	if (c->mask & (HF_SET_ATIME | HF_SET_ATIME_NOW))
		i->atime = c->mask & HF_SET_ATIME_NOW ? MODEL_NOW : c->atime;
	if (c->mask & (HF_SET_MTIME | HF_SET_MTIME_NOW))
		i->mtime = c->mask & HF_SET_MTIME_NOW ? MODEL_NOW : c->mtime;
	if (c->mask & HF_SET_CTIME)
		i->ctime = c->ctime;
	*ret = next;
	return 0;
}

static int check_xattr_name(const char *name)
{
	static const char *const spaces[] = { "user.", "trusted.", "security." };

	if (strcmp(name, MODEL_ACL_ACCESS) == 0 || strcmp(name, MODEL_ACL_DEFAULT) == 0)
		return 0;
	for (size_t k = 0; k < sizeof(spaces) / sizeof(spaces[0]); k++) {
		if (strncmp(name, spaces[k], strlen(spaces[k])) == 0) {
			if (strlen(name) > XATTR_NAME_MAX_BYTES)
				return -ERANGE;
			return strcmp(name, spaces[k]) == 0 ? -EINVAL : 0;
		}
	}
	return -EOPNOTSUPP;
}

/* An access ACL is the mode, and kept beside it only when it says more. */
static int set_access_acl(const struct model *m, uint64_t ino, const void *value, size_t len, int kill_sgid,
			  const struct model **ret)
{
	struct model *next = model_next(m);
	struct model_inode *i = model_edit(next, ino);
	struct model_acl acl;

	if (model_acl_parse(value, len, &acl) < 0)
		return -EINVAL;
	i->mode = (i->mode & ~(uint32_t)0777) | model_acl_mode(&acl);
	if (kill_sgid)
		i->mode &= ~(uint32_t)S_ISGID;
	if (acl.n > 3)
		model_put_xattr(i, MODEL_ACL_ACCESS, value, len);
	else
		model_drop_xattr(i, MODEL_ACL_ACCESS);
	i->ctime = MODEL_NOW;
	*ret = next;
	return 0;
}

int model_setxattr(const struct model *m, uint64_t ino, const char *name, const void *value, size_t len,
		   int flags, int kill_sgid, const struct model **ret)
{
	const struct model_inode *old = model_find(m, ino);
	struct model_acl acl;
	struct model_inode *i;
	struct model *next;
	int r = check_xattr_name(name);

	if (r < 0)
		return r;
	if (len > XATTR_VALUE_MAX_BYTES)
		return -E2BIG;
	if (!old)
		return -ESTALE;
	if (flags & XATTR_CREATE && model_xattr(old, name))
		return -EEXIST;
	if (flags & XATTR_REPLACE && !model_xattr(old, name))
		return -ENODATA;
	if (strncmp(name, "system.", 7) == 0 && S_ISLNK(old->mode))
		return -EOPNOTSUPP;
	if (strcmp(name, MODEL_ACL_ACCESS) == 0)
		return set_access_acl(m, ino, value, len, kill_sgid, ret);
	if (strcmp(name, MODEL_ACL_DEFAULT) == 0) {
		if (!S_ISDIR(old->mode))
			return -EACCES;
		if (model_acl_parse(value, len, &acl) < 0)
			return -EINVAL;
	}
	next = model_next(m);
	i = model_edit(next, ino);
	model_put_xattr(i, name, value, len);
	i->ctime = MODEL_NOW;
	*ret = next;
	return 0;
}

int model_removexattr(const struct model *m, uint64_t ino, const char *name, const struct model **ret)
{
	const struct model_inode *old = model_find(m, ino);
	struct model_inode *i;
	struct model *next;
	int r = check_xattr_name(name);

	if (r < 0)
		return r;
	if (!old)
		return -ESTALE;
	if (!model_xattr(old, name)) {
		*ret = m;
		return strncmp(name, "system.", 7) == 0 ? 0 : -ENODATA;
	}
	next = model_next(m);
	i = model_edit(next, ino);
	model_drop_xattr(i, name);
	i->ctime = MODEL_NOW;
	*ret = next;
	return 0;
}

static int check_tag(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > TAG_MAX_BYTES || name[0] == '.' || name[0] == '-')
		return -EINVAL;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len ?
		       0 :
		       -EINVAL;
}

static bool has_tag(const struct model *m, const char *name)
{
	for (size_t k = 0; k < m->n_tags; k++) {
		if (strcmp(m->tags[k].name, name) == 0)
			return true;
	}
	return false;
}

static void replace_tag(struct model *m, const char *name, uint64_t tid, bool keep)
{
	struct model_tag *all = arena_alloc((m->n_tags + 1) * sizeof(*all));
	size_t n = 0;

	for (size_t k = 0; k < m->n_tags; k++) {
		if (strcmp(m->tags[k].name, name) != 0)
			all[n++] = m->tags[k];
	}
	if (keep)
		all[n++] = (struct model_tag){ arena_text(name), tid };
	m->tags = all;
	m->n_tags = n;
}

int model_tag(const struct model *m, const char *name, uint64_t tid, const struct model **ret)
{
	struct model *next;
	int r = check_tag(name);

	if (r < 0)
		return r;
	if (has_tag(m, name))
		return -EEXIST;
	next = model_next(m);
	replace_tag(next, name, tid, true);
	*ret = next;
	return 0;
}

int model_untag(const struct model *m, const char *name, const struct model **ret)
{
	struct model *next;
	int r = check_tag(name);

	if (r < 0)
		return r;
	if (!has_tag(m, name))
		return -ENOENT;
	next = model_next(m);
	replace_tag(next, name, 0, false);
	*ret = next;
	return 0;
}
