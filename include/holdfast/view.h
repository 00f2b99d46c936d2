/* SPDX-License-Identifier: MIT */
/*
 * Reading: a view is a store and a moment. The live mount reads at HF_TID_HEAD, `.history/at/T` at T's tid;
 * it is one path for both. A view is a plain value; it holds nothing and need not be released. A past view
 * never changes.
 *
 * Permissions are not checked here: the caller (the kernel, with default_permissions) does that. Errors
 * common to all: -ESTALE (no such inode at that moment), -EUCLEAN, -EIO, -ENOMEM.
 */
#ifndef HOLDFAST_VIEW_H
#define HOLDFAST_VIEW_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HF_TID_HEAD UINT64_MAX

struct hf_view {
	struct hf_store *store;
	/* the tree as it was just after this operation; 0: empty but for the root; HF_TID_HEAD: now */
	uint64_t tid;
};

struct hf_attr {
	uint64_t ino;
	uint64_t size_bytes;
	uint64_t blocks; /* of 512 bytes, really allocated */
	uint32_t mode;   /* type and permissions, as st_mode */
	uint32_t nlink;
	uint32_t uid, gid;
	uint64_t rdev;
	uint32_t generation;
	struct timespec atime, mtime, ctime, btime;
	uint64_t tid; /* the operation that made this state of the inode */
};

int hf_view_getattr(const struct hf_view *view, uint64_t ino, struct hf_attr *ret, struct hf_error *err);

/* -ENOENT: no such name; -ENOTDIR; -ENAMETOOLONG. "." and ".." work. */
int hf_view_lookup(const struct hf_view *view, uint64_t parent, const char *name, struct hf_attr *ret,
		   struct hf_error *err);

/* Walk a path of `/`-separated names from the root, not following links. "" or "/" is the root. */
int hf_view_walk(const struct hf_view *view, const char *path, struct hf_attr *ret, struct hf_error *err);

/*
 * Entries of a directory from behind `cookie` (0: the beginning) on, "." and ".." not among them, until
 * `each` returns non-zero (which then did not take that entry) or the end. An entry's cookie stays valid and
 * means the same place whatever is made or removed meanwhile; cookies are 1 < cookie < 2^63. With attr wanted
 * (HF_READDIR_ATTR) attr is filled, else it is NULL. `type` is the file type bits of st_mode.
 */
enum { HF_READDIR_ATTR = 1 };
typedef int hf_readdir_fn(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
			  const struct hf_attr *attr);
int hf_view_readdir(const struct hf_view *view, uint64_t ino, uint64_t cookie, unsigned flags,
		    hf_readdir_fn *each, void *arg, struct hf_error *err);

/* The directory above a directory (the root's is the root). */
int hf_view_parent(const struct hf_view *view, uint64_t ino, uint64_t *ret_parent, struct hf_error *err);

/*
 * Target of a symbolic link into out (terminated when it fits); returns its length, or -ERANGE when size is
 * too small. -EINVAL: not a link.
 */
ssize_t hf_view_readlink(const struct hf_view *view, uint64_t ino, char *out, size_t size,
			 struct hf_error *err);

/*
 * Up to len bytes at offset; short only at the end of the file; 0 behind it. -EISDIR, -EINVAL (not a regular
 * file).
 */
ssize_t hf_view_read(const struct hf_view *view, uint64_t ino, uint64_t offset, void *out, size_t len,
		     struct hf_error *err);

/* SEEK_DATA or SEEK_HOLE of lseek(2); -ENXIO as there. */
int64_t hf_view_seek(const struct hf_view *view, uint64_t ino, uint64_t offset, int whence,
		     struct hf_error *err);

/* As getxattr(2) and listxattr(2): size 0 asks for the length; -ENODATA, -ERANGE;
 * -EOPNOTSUPP, -EINVAL: no attribute has such a name (hf_setxattr). */
ssize_t hf_view_getxattr(const struct hf_view *view, uint64_t ino, const char *name, void *out, size_t size,
			 struct hf_error *err);
ssize_t hf_view_listxattr(const struct hf_view *view, uint64_t ino, char *out, size_t size,
			  struct hf_error *err);

/* For statfs: bytes live files take, bytes that can still be written, inodes in use. */
struct hf_space {
	uint64_t live_bytes, available_bytes, inodes;
};
int hf_store_space(struct hf_store *store, struct hf_space *ret, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
