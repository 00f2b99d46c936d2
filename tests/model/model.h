/* SPDX-License-Identifier: MIT */
/*
 * A model of the tree: what include/holdfast/op.h says each operation does, written down a second time with
 * plain arrays, so that a store can be held against it. It shares no code with the store.
 *
 * A `struct model` is one state of the whole tree and never changes once its operation is over: an operation
 * makes a new one that shares whatever did not change, so every moment can be remembered. All memory is the
 * arena's (arena.h).
 *
 * An operation returns 0 and the new state, or the negative errno that the store must give for it. Times that
 * the store chooses are MODEL_NOW in the new state until they have been learned from it.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "holdfast/op.h"

enum { MODEL_PAGE_BYTES = 4096, MODEL_EDITS_MAX = 8 };
#define MODEL_BLOCK_BYTES UINT64_C(65536) /* what a store keeps contents in */

#define MODEL_NOW ((struct timespec){ .tv_nsec = -1 })
static inline bool model_is_now(struct timespec t)
{
	return t.tv_nsec == -1;
}

/* A page of a file: its bytes (zero where nothing was written) and which of them take space. */
struct model_page {
	uint8_t bytes[MODEL_PAGE_BYTES];
	uint8_t taken[MODEL_PAGE_BYTES / 8];
};

struct model_extent {
	uint64_t number; /* of the page in its file */
	const struct model_page *page;
};

struct model_entry {
	const char *name;
	uint64_t ino;
};

struct model_xattr {
	const char *name;
	const uint8_t *value;
	size_t len;
};

struct model_inode {
	uint64_t ino;
	uint32_t mode, nlink, uid, gid;
	uint64_t rdev, size;
	struct timespec atime, mtime, ctime, btime;
	uint64_t tid;                     /* learned from the store */
	uint64_t parent;                  /* of a directory */
	const char *target;               /* of a symbolic link */
	bool nameless;                    /* made by O_TMPFILE and not named yet: may be linked */
	const struct model_extent *pages; /* ascending */
	size_t n_pages;
	const struct model_entry *entries; /* in no order */
	size_t n_entries;
	const struct model_xattr *xattrs;
	size_t n_xattrs;
};

struct model_tag {
	const char *name;
	uint64_t tid;
};

struct model {
	uint64_t next_ino; /* inode numbers are given in order: needed to know a file made in the instant of a
			      crash */
	const struct model_inode **inodes; /* ascending */
	size_t n;
	const struct model_tag *tags;
	size_t n_tags;
	uint64_t edited[MODEL_EDITS_MAX]; /* which inodes the operation that made this state touched */
	size_t n_edited;
};

/* The state of a new volume, the root's times not known. */
struct model *model_new(void);
const struct model_inode *model_find(const struct model *m, uint64_t ino); /* NULL: there is none */
const struct model_entry *model_entry(const struct model_inode *dir, const char *name);
const struct model_xattr *model_xattr(const struct model_inode *i, const char *name);
bool model_is_below(const struct model *m, uint64_t dir,
		    uint64_t above); /* dir is above, or somewhere in it */
/* Without inodes that have no name and of which keep says false. The same m when there are none. */
const struct model *model_without_orphans(const struct model *m, bool (*keep)(void *arg, uint64_t ino),
					  void *arg);
uint8_t model_byte(const struct model_inode *i, uint64_t offset, bool *ret_taken);
const struct model_page *model_page(const struct model_inode *i, uint64_t number); /* NULL: nothing in it */
uint64_t model_taken_bytes(const struct model_inode *i);

/* --- operations; arguments as in holdfast/op.h */

int model_create(const struct model *m, uint64_t parent, const char *name, uint32_t mode, uint32_t umask,
		 uint64_t rdev, const char *target, const struct hf_cred *cred, const struct model **ret);
/* name NULL in model_create: hf_create_nameless. */
int model_link(const struct model *m, uint64_t ino, uint64_t parent, const char *name,
	       const struct model **ret);
int model_remove(const struct model *m, uint64_t parent, const char *name, bool directory,
		 const struct model **ret);
int model_rename(const struct model *m, uint64_t parent, const char *name, uint64_t new_parent,
		 const char *new_name, unsigned flags, const struct model **ret);
int model_setattr(const struct model *m, uint64_t ino, const struct hf_setattr *change,
		  const struct model **ret);
int model_write(const struct model *m, uint64_t ino, uint64_t offset, const void *data, size_t len,
		unsigned flags, const struct model **ret);
int model_fallocate(const struct model *m, uint64_t ino, int mode, uint64_t offset, uint64_t len,
		    unsigned flags, const struct model **ret);
/* Returns how many bytes are copied. */
ssize_t model_copy_range(const struct model *m, uint64_t src_ino, uint64_t src_offset, uint64_t ino,
			 uint64_t offset, size_t len, unsigned flags, const struct model **ret);
int model_setxattr(const struct model *m, uint64_t ino, const char *name, const void *value, size_t len,
		   int flags, int kill_sgid, const struct model **ret);
int model_removexattr(const struct model *m, uint64_t ino, const char *name, const struct model **ret);
int model_tag(const struct model *m, const char *name, uint64_t tid, const struct model **ret);
int model_untag(const struct model *m, const char *name, const struct model **ret);

/* --- for the files of the model */

struct model *model_next(const struct model *m);               /* a copy to change, nothing edited yet */
struct model_inode *model_edit(struct model *m, uint64_t ino); /* its own copy of an inode that is there */
struct model_inode *model_add(struct model *m);                /* a new inode */
void model_touch(struct model_inode *i);                       /* its contents changed now */
void model_put_xattr(struct model_inode *i, const char *name, const void *value, size_t len);
void model_drop_xattr(struct model_inode *i, const char *name); /* a missing one is fine */
void model_kill_priv(struct model_inode *i);
void model_set_size(struct model_inode *i, uint64_t size);
int model_directory(const struct model *m, uint64_t ino, const struct model_inode **ret);
int model_file(const struct model *m, uint64_t ino, const struct model_inode **ret);

/* ACLs, in the form of the xattrs. */
#define MODEL_ACL_ACCESS "system.posix_acl_access"
#define MODEL_ACL_DEFAULT "system.posix_acl_default"
struct model_acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
enum { MODEL_ACL_ENTRIES_MAX = 32 };
struct model_acl {
	size_t n;
	struct model_acl_entry e[MODEL_ACL_ENTRIES_MAX];
};
int model_acl_parse(const void *value, size_t len, struct model_acl *ret); /* -EINVAL */
size_t model_acl_print(const struct model_acl *acl, uint8_t *out);         /* 4 + 8 n bytes */
uint32_t model_acl_mode(const struct model_acl *acl);                      /* its nine bits */
void model_acl_set_mode(struct model_acl *acl, uint32_t mode, bool and_only);

#endif
