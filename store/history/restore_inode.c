/* SPDX-License-Identifier: MIT */
/* Making one inode what it was (restore.h). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/restore.h"
#include "store/tree/view_internal.h"

enum { COPY_BYTES = 1 << 20, XATTR_BYTES_MAX = 64 << 10 };

/* --- extended attributes, ACLs among them */

struct xattrs {
	struct buf names; /* a NUL behind each */
};

static void xattrs_release(struct xattrs *x)
{
	buf_release(&x->names);
}

static int xattrs_list(const struct hf_view *v, uint64_t ino, struct xattrs *ret, struct hf_error *err)
{
	ssize_t n = hf_view_listxattr(v, ino, NULL, 0, err);

	if (n <= 0)
		return (int)n;
	if (buf_reserve(&ret->names, (size_t)n) < 0)
		return -ENOMEM;
	n = hf_view_listxattr(v, ino, (char *)ret->names.data, (size_t)n, err);
	ret->names.len = n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : 0;
}

static const char *xattrs_next(const struct xattrs *x, const char *name)
{
	const char *first = (const char *)x->names.data, *next = name ? name + strlen(name) + 1 : first;

	return first && next < first + x->names.len ? next : NULL;
}

static bool xattrs_has(const struct xattrs *x, const char *name)
{
	for (const char *n = xattrs_next(x, NULL); n; n = xattrs_next(x, n)) {
		if (strcmp(n, name) == 0)
			return true;
	}
	return false;
}

/* What is set where it differs, and taken away where it was not. set false: is there any of it? 1, 0. */
static int xattrs_make(struct restore *r, uint64_t then_ino, uint64_t now_ino, bool set)
{
	CLEANUP(xattrs_release) struct xattrs was = { BUF_INIT };
	CLEANUP(xattrs_release) struct xattrs is = { BUF_INIT };
	CLEANUP(cleanup_free) char *values = NULL;
	int code = xattrs_list(&r->then, then_ino, &was, r->err);

	if (code == 0)
		code = xattrs_list(&r->now, now_ino, &is, r->err);
	if (code == 0 && was.names.len > 0 && !(values = malloc(2 * XATTR_BYTES_MAX)))
		code = -ENOMEM;
	for (const char *name = xattrs_next(&was, NULL); code == 0 && name; name = xattrs_next(&was, name)) {
		ssize_t n = hf_view_getxattr(&r->then, then_ino, name, values, XATTR_BYTES_MAX, r->err),
			m = -1;

		if (n < 0)
			return (int)n;
		if (xattrs_has(&is, name))
			m = hf_view_getxattr(&r->now, now_ino, name, values + XATTR_BYTES_MAX,
					     XATTR_BYTES_MAX, NULL);
		if (m == n && memcmp(values, values + XATTR_BYTES_MAX, (size_t)n) == 0)
			continue;
		if (!set)
			return 1;
		code = hf_setxattr(r->s, now_ino, name, values, (size_t)n, 0, 0, r->err);
	}
	for (const char *name = xattrs_next(&is, NULL); code == 0 && name; name = xattrs_next(&is, name)) {
		if (xattrs_has(&was, name))
			continue;
		if (!set)
			return 1;
		code = hf_removexattr(r->s, now_ino, name, r->err);
	}
	return code;
}

/* --- attributes */

static bool same_time(struct timespec x, struct timespec y)
{
	return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
}

int restore_attributes_differ(struct restore *r, const struct hf_attr *was, const struct hf_attr *is)
{
	if (was->ino == is->ino && was->tid == is->tid)
		return 0;
	if (was->mode != is->mode || was->uid != is->uid || was->gid != is->gid)
		return 1;
	if (!S_ISDIR(was->mode) && !same_time(was->mtime, is->mtime))
		return 1;
	return xattrs_make(r, was->ino, is->ino, false);
}

int restore_attributes(struct restore *r, const struct hf_attr *was, uint64_t ino)
{
	struct hf_setattr set = {
		.mask = HF_SET_MODE | HF_SET_UID | HF_SET_GID | HF_SET_ATIME | HF_SET_MTIME,
		.mode = was->mode & 07777,
		.uid = was->uid,
		.gid = was->gid,
		.atime = was->atime,
		.mtime = was->mtime,
	};
	struct hf_attr is;
	int code = xattrs_make(r, was->ino, ino, true);

	if (code == 0)
		code = hf_view_getattr(&r->now, ino, &is, r->err);
	if (code < 0)
		return code;
	if (S_ISREG(was->mode) && is.size_bytes != was->size_bytes) {
		set.mask |= HF_SET_SIZE;
		set.size_bytes = was->size_bytes;
	}
	return hf_setattr(r->s, ino, &set, NULL, r->err);
}

/* --- contents */

int restore_contents_differ(struct restore *r, const struct hf_attr *was, const struct hf_attr *is)
{
	int code;

	if (S_ISDIR(was->mode) || (was->ino == is->ino && was->tid == is->tid))
		return 0;
	code = hf_same_contents(&r->then, was->ino, &r->now, is->ino, r->err);
	if (code == -EUCLEAN || code == -EIO) { /* what cannot be read is not what it was */
		*r->err = (struct hf_error)HF_ERROR_INIT;
		return 1;
	}
	return code < 0 ? code : !code;
}

/* Chunks that were given up may be there all the same: their bytes are then written anew. */
static int copy_bytes(struct restore *r, const struct hf_attr *was, uint64_t ino, uint64_t offset)
{
	const struct hf_setattr cut = { .mask = HF_SET_SIZE, .size_bytes = offset };
	CLEANUP(cleanup_free) char *data = malloc(COPY_BYTES);
	int code = data ? hf_setattr(r->s, ino, &cut, NULL, r->err) : -ENOMEM;

	while (code == 0 && offset < was->size_bytes) {
		int64_t at = hf_view_seek(&r->then, was->ino, offset, SEEK_DATA, NULL), hole = 0;
		ssize_t n;

		if (at >= 0)
			hole = hf_view_seek(&r->then, was->ino, (uint64_t)at, SEEK_HOLE, NULL);
		if (at < 0 || hole < 0)
			return at == -ENXIO ? 0 : (int)(at < 0 ? at : hole); /* a hole to the end */
		offset = (uint64_t)at;
		n = hf_view_read(&r->then, was->ino, offset, data,
				 hole - at < COPY_BYTES ? (size_t)(hole - at) : COPY_BYTES, r->err);
		if (n > 0)
			n = hf_write(r->s, ino, offset, data, (size_t)n, 0, r->err);
		if (n <= 0)
			return (int)n;
		offset += (uint64_t)n;
	}
	return code;
}

int restore_contents(struct restore *r, const struct hf_attr *was, uint64_t ino)
{
	int64_t at = 0;

	while (at >= 0 && (uint64_t)at < was->size_bytes) {
		const uint64_t from = (uint64_t)at;

		at = hf_copy_past(&r->then, was->ino, ino, from, r->err);
		if (at == -ENODATA) {
			*r->err = (struct hf_error)HF_ERROR_INIT;
			return copy_bytes(r, was, ino, from);
		}
	}
	return at < 0 ? (int)at : 0;
}

/* --- new */

int restore_look_back(struct restore *r, uint64_t ino, struct hf_attr *ret)
{
	int code = view_inode(&r->s->tree, r->then.tid, ino, &r->was, r->err);

	if (code == 0)
		inode_to_attr(&r->was.i, ret);
	return code;
}

int restore_create(struct restore *r, const struct hf_attr *was, const struct restore_spot *spot,
		   struct hf_attr *ret)
{
	const struct hf_cred cred = { was->uid, was->gid };
	/* closed until it is whole, so that nobody gets at something of it that he may not */
	const uint32_t mode = (was->mode & S_IFMT) | (S_ISDIR(was->mode) ? was->mode & 0700 : 0);
	char target[TARGET_BYTES_MAX + 1];
	ssize_t n = 0;
	struct hf_attr looked;
	int code = r->was.i.ino == was->ino ? 0 : restore_look_back(r, was->ino, &looked);

	if (code == 0)
		code = past_create(&r->then, &r->was.i, spot->parent, spot->name, &ret->ino, r->err);
	if (code != 0)
		return code < 0 ? code : 0;
	if (S_ISLNK(was->mode))
		n = hf_view_readlink(&r->then, was->ino, target, sizeof(target), r->err);
	if (n < 0)
		return (int)n;
	code = hf_create(r->s, spot->parent, spot->name, mode, 0, was->rdev,
			 S_ISLNK(was->mode) ? target : NULL, &cred, ret, r->err);
	if (code == 0 && S_ISREG(was->mode))
		code = restore_contents(r, was, ret->ino);
	if (code == 0 && !S_ISDIR(was->mode)) /* a folder's come last */
		code = restore_attributes(r, was, ret->ino);
	return code;
}
