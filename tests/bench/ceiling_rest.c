/* SPDX-License-Identifier: MIT */
/*
 * What the mount asks a store besides what ceiling.c does: there is no past, and there are no extended
 * attributes.
 */
#include <errno.h>
#include <string.h>

#include "holdfast/history.h"
#include "holdfast/moment.h"
#include "holdfast/op.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

/* ---- the store */

void hf_act_for(uint32_t uid)
{
}

const char *hf_store_path(const struct hf_store *s)
{
	return "ceiling";
}

void hf_store_status(struct hf_store *s, struct hf_status *ret)
{
	memset(ret, 0, sizeof(*ret));
}

int hf_store_space(struct hf_store *s, struct hf_space *ret, struct hf_error *err)
{
	*ret = (struct hf_space){ .available_bytes = UINT64_C(1) << 40 };
	return 0;
}

/* ---- what no figure asks for, or the kernel or the program does without */

int64_t hf_view_seek(const struct hf_view *view, uint64_t ino, uint64_t offset, int whence,
		     struct hf_error *err)
{
	return -EINVAL;
}

int hf_create_nameless(struct hf_store *s, uint64_t parent, uint32_t mode, uint32_t umask,
		       const struct hf_cred *cred, struct hf_attr *ret, struct hf_error *err)
{
	return -EOPNOTSUPP;
}

int hf_fallocate(struct hf_store *s, uint64_t ino, int mode, uint64_t offset, uint64_t len, unsigned flags,
		 struct hf_error *err)
{
	return -EOPNOTSUPP;
}

ssize_t hf_copy_range(struct hf_store *s, uint64_t src_ino, uint64_t src_offset, uint64_t ino,
		      uint64_t offset, size_t len, unsigned flags, struct hf_error *err)
{
	return -EOPNOTSUPP;
}

int hf_setxattr(struct hf_store *s, uint64_t ino, const char *name, const void *value, size_t len, int flags,
		int kill_sgid, struct hf_error *err)
{
	return -EOPNOTSUPP;
}

int hf_removexattr(struct hf_store *s, uint64_t ino, const char *name, struct hf_error *err)
{
	return -ENODATA;
}

ssize_t hf_view_getxattr(const struct hf_view *view, uint64_t ino, const char *name, void *out, size_t size,
			 struct hf_error *err)
{
	return -ENODATA;
}

ssize_t hf_view_listxattr(const struct hf_view *view, uint64_t ino, char *out, size_t size,
			  struct hf_error *err)
{
	return 0;
}

/* ---- the past */

int hf_changes(struct hf_store *s, uint64_t since, uint64_t until, unsigned flags, hf_change_fn *each,
	       void *arg, struct hf_error *err)
{
	return 0;
}

int hf_versions(struct hf_store *s, uint64_t ino, uint64_t since, uint64_t until, unsigned flags,
		hf_version_fn *each, void *arg, struct hf_error *err)
{
	return 0;
}

int hf_life(struct hf_store *s, const char *path, hf_stretch_fn *each, void *arg, struct hf_error *err)
{
	return -ENOENT;
}

int hf_had(struct hf_store *s, uint64_t dir, uint64_t from, uint64_t until, uint64_t cookie, hf_had_fn *each,
	   void *arg, struct hf_error *err)
{
	return 0;
}

int hf_had_name(struct hf_store *s, uint64_t dir, const char *name, uint64_t from, uint64_t until,
		struct hf_error *err)
{
	return 0;
}

int hf_gone(struct hf_store *s, uint64_t dir, uint64_t cookie, hf_gone_fn *each, void *arg,
	    struct hf_error *err)
{
	return 0;
}

int hf_gone_find(struct hf_store *s, uint64_t dir, const char *name, uint64_t *ret_ino, uint32_t *ret_type,
		 uint64_t *ret_last_tid, struct hf_error *err)
{
	return -ENOENT;
}

int hf_moment_parse(const char *text, uint64_t now_ns, struct hf_moment *ret, struct hf_error *err)
{
	return -EINVAL;
}

char *hf_moment_format(uint64_t time_ns, char *out, size_t size)
{
	*out = '\0';
	return out;
}

int hf_moment_resolve(struct hf_store *s, const struct hf_moment *moment, struct hf_point *ret,
		      struct hf_error *err)
{
	return -ENOENT;
}

int hf_moment_find(struct hf_store *s, const char *text, struct hf_point *ret, struct hf_error *err)
{
	return -ENOENT;
}

int hf_point_of_tid(struct hf_store *s, uint64_t tid, struct hf_point *ret, struct hf_error *err)
{
	return -ENOENT;
}

int hf_point_of_time(struct hf_store *s, uint64_t time_ns, struct hf_point *ret, struct hf_error *err)
{
	return -ENOENT;
}

ssize_t hf_moments_list(struct hf_store *s, struct hf_point *ret, size_t max, struct hf_error *err)
{
	return 0;
}

int hf_tags_list(struct hf_store *s, int (*each)(void *arg, const char *name, const struct hf_point *point),
		 void *arg, struct hf_error *err)
{
	return 0;
}
