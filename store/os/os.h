/* SPDX-License-Identifier: MIT */
/*
 * The I/O and clock seam (layer 0): every file, directory, clock and random byte of the store passes
 * through a `struct os`, so that a test can put a simulated disk and clock in its place.
 *
 * Calls return 0, a count or a descriptor on success and -errno on failure; they restart on EINTR and
 * never come up short silently: os_pread_full and os_pwrite_full below loop. Paths are as for the
 * system calls. All calls are thread-safe. RocksDB does its own I/O: the index is derived, and its
 * faults are tested by damaging its files.
 */
#ifndef STORE_OS_OS_H
#define STORE_OS_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "holdfast/error.h"
#include "store/base/buf.h"
#include "store/base/cleanup.h"

struct os {
	void *state; /* given to every call; owned by who made the table */

	int (*open)(void *state, const char *path, int flags, mode_t mode);
	int (*close)(void *state, int fd);
	ssize_t (*pread)(void *state, int fd, void *data, size_t len, uint64_t offset);
	ssize_t (*pwrite)(void *state, int fd, const void *data, size_t len, uint64_t offset);
	int (*fdatasync)(void *state, int fd);
	int (*fsync)(void *state, int fd);
	int (*truncate)(void *state, int fd, uint64_t len);
	int (*allocate)(void *state, int fd, uint64_t offset, uint64_t len); /* fallocate, size grows */
	int (*size)(void *state, int fd, uint64_t *ret);
	int (*rename)(void *state, const char *from, const char *to);
	int (*unlink)(void *state, const char *path);
	int (*mkdir)(void *state, const char *path, mode_t mode);
	int (*sync_dir)(void *state, const char *path); /* makes names in it durable */
	int (*list)(void *state, const char *path, void (*each)(void *arg, const char *name), void *arg);
	int (*free_bytes)(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total);
	uint64_t (*now_ns)(void *state);       /* wall clock */
	uint64_t (*monotonic_ns)(void *state); /* never goes back */
	/* Begin to write a range back, without waiting: only a hint that a sync will follow. May be NULL. */
	void (*write_back)(void *state, int fd, uint64_t offset, uint64_t len);
	/* Begin to read a range, without waiting: only a hint that it will be wanted. May be NULL. */
	void (*read_ahead)(void *state, int fd, uint64_t offset, uint64_t len);
	/* A range that is synced will not be read soon: only a hint that memory for it is wasted. May be
	 * NULL. */
	void (*forget)(void *state, int fd, uint64_t offset, uint64_t len);
};

/*
 * In a mode given to open or mkdir: what is made stays the process's own. Without it what root makes gets the
 * owner and group of the folder that it is made in, so that whoever a store belongs to can go on using it.
 * For what begins a store, and for secrets that lie outside of one.
 */
enum { OS_OWN = 1 << 20 };

/* The real thing. Never fails; immutable, shared. */
const struct os *os_posix(void);

/*
 * The same for files that others made in a folder, one level deep: those of root in a folder that is somebody
 * else's become his. Does nothing when this is not root. Real files only.
 */
void os_give_to_owner(const char *dir);
/* A real file, made so if it is not there: for a lock, which is no file of a table's. A descriptor, or
 * -errno. */
MUST_USE int os_open_lock(const char *path);
/* A real folder, for what is written by others (the index). 0, or -errno. */
MUST_USE int os_make_real_folder(const char *path);

/* All of [offset, offset + len), or -errno. A read past the end is -ENODATA. */
MUST_USE int os_pread_full(const struct os *os, int fd, void *data, size_t len, uint64_t offset);
MUST_USE int os_pwrite_full(const struct os *os, int fd, const void *data, size_t len, uint64_t offset);
/*
 * Give a file this length so that the next sync makes it durable, also where it seems to have it: what is
 * seen may be of a truncation whose sync failed, which the disk never got and a sync that follows says
 * nothing of.
 */
MUST_USE int os_set_length(const struct os *os, int fd, uint64_t len);

/* Read a whole small file (at most max bytes: more is -EFBIG) into out (appended). */
MUST_USE int os_read_file(const struct os *os, const char *path, size_t max, struct buf *out);

/*
 * Replace `path` by a file of these bytes, durably: written beside it, synced, renamed over it, the
 * directory synced. After a crash it is the old file or the new, never a part.
 */
MUST_USE int os_write_file(const struct os *os, const char *path, const void *data, size_t len, mode_t mode);

/* "dir/name" into out (cleared first). Returns the terminated string, or NULL for memory. */
const char *os_join(struct buf *out, const char *dir, const char *name);

#endif
