/* SPDX-License-Identifier: MIT */
/*
 * What the kernel has asked of a mount, counted: how many requests of each kind and how long they took,
 * errors answered, bytes. Each thread that answers has counters of its own, which it alone changes: no
 * instruction of it waits for another processor's. Who wants to know adds them up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fuse.h>

#include "fs/mount/mount_internal.h"

enum kind {
	KIND_LOOKUP,
	KIND_FORGET,
	KIND_GETATTR,
	KIND_SETATTR,
	KIND_READLINK,
	KIND_CREATE,
	KIND_REMOVE,
	KIND_RENAME,
	KIND_READ,
	KIND_WRITE,
	KIND_FSYNC,
	KIND_STATFS,
	KIND_XATTR,
	KIND_READDIR,
	KIND_ALLOCATE,
	KIND_SEEK,
	KIND_OPEN,
	KIND_OTHER,
};
_Static_assert(KIND_OTHER + 1 == MOUNT_REQUEST_KINDS, "all kinds");

static const char *const kind_names[MOUNT_REQUEST_KINDS] = {
	"lookup", "forget", "getattr", "setattr", "readlink", "create",   "remove", "rename", "read",
	"write",  "fsync",  "statfs",  "xattr",   "readdir",  "allocate", "seek",   "open",   "other",
};

/* What errno.c lets out, the frequent ones first. */
static const struct {
	int error;
	const char *name;
} errors[MOUNT_ERRORS] = {
#define ERROR(e)      \
	{             \
		e, #e \
	}
	ERROR(ENOENT), ERROR(ENODATA), ERROR(EIO),    ERROR(ENOSPC),     ERROR(ENOMEM),       ERROR(EACCES),
	ERROR(EAGAIN), ERROR(EBUSY),   ERROR(EEXIST), ERROR(EFBIG),      ERROR(EINTR),        ERROR(EINVAL),
	ERROR(EISDIR), ERROR(ELOOP),   ERROR(EMLINK), ERROR(ENOTDIR),    ERROR(ENOTEMPTY),    ERROR(ENXIO),
	ERROR(EPERM),  ERROR(ERANGE),  ERROR(EROFS),  ERROR(EOPNOTSUPP), ERROR(ENAMETOOLONG), ERROR(ESTALE),
	ERROR(EXDEV),  ERROR(E2BIG),
#undef ERROR
};

/* Of one thread. Others read. */
struct tally {
	struct {
		_Atomic uint64_t counts[HF_BOUNDS_MAX + 1], sum_ns;
	} requests[MOUNT_REQUEST_KINDS];
	_Atomic uint64_t errors[MOUNT_ERRORS];
	_Atomic uint64_t read_bytes, written_bytes;
};

static _Thread_local struct tally *mine; /* NULL: what this thread answers is not counted */

/* Nobody else adds to it. */
static void add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t before = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, before + n, memory_order_relaxed);
}

static enum kind kind_of(uint32_t opcode)
{
	static const uint8_t kinds[] = {
		[FUSE_LOOKUP] = KIND_LOOKUP + 1,       [FUSE_FORGET] = KIND_FORGET + 1,
		[FUSE_BATCH_FORGET] = KIND_FORGET + 1, [FUSE_GETATTR] = KIND_GETATTR + 1,
		[OPCODE_STATX] = KIND_GETATTR + 1,     [FUSE_SETATTR] = KIND_SETATTR + 1,
		[FUSE_READLINK] = KIND_READLINK + 1,   [FUSE_SYMLINK] = KIND_CREATE + 1,
		[FUSE_MKNOD] = KIND_CREATE + 1,        [FUSE_MKDIR] = KIND_CREATE + 1,
		[FUSE_LINK] = KIND_CREATE + 1,         [FUSE_CREATE] = KIND_CREATE + 1,
		[OPCODE_TMPFILE] = KIND_CREATE + 1,    [FUSE_UNLINK] = KIND_REMOVE + 1,
		[FUSE_RMDIR] = KIND_REMOVE + 1,        [FUSE_RENAME] = KIND_RENAME + 1,
		[FUSE_RENAME2] = KIND_RENAME + 1,      [FUSE_READ] = KIND_READ + 1,
		[FUSE_WRITE] = KIND_WRITE + 1,         [FUSE_FSYNC] = KIND_FSYNC + 1,
		[FUSE_FSYNCDIR] = KIND_FSYNC + 1,      [FUSE_STATFS] = KIND_STATFS + 1,
		[FUSE_SETXATTR] = KIND_XATTR + 1,      [FUSE_GETXATTR] = KIND_XATTR + 1,
		[FUSE_LISTXATTR] = KIND_XATTR + 1,     [FUSE_REMOVEXATTR] = KIND_XATTR + 1,
		[FUSE_READDIR] = KIND_READDIR + 1,     [FUSE_READDIRPLUS] = KIND_READDIR + 1,
		[FUSE_FALLOCATE] = KIND_ALLOCATE + 1,  [FUSE_COPY_FILE_RANGE] = KIND_ALLOCATE + 1,
		[FUSE_LSEEK] = KIND_SEEK + 1,          [FUSE_OPEN] = KIND_OPEN + 1,
		[FUSE_OPENDIR] = KIND_OPEN + 1,        [FUSE_FLUSH] = KIND_OPEN + 1,
		[FUSE_RELEASE] = KIND_OPEN + 1,        [FUSE_RELEASEDIR] = KIND_OPEN + 1,
	};

	return opcode < sizeof(kinds) && kinds[opcode] ? (enum kind)(kinds[opcode] - 1) : KIND_OTHER;
}

/* --- counting */

void tally_join(struct mount *m)
{
	struct tally *t = NULL;
	unsigned place;

	mine = NULL;
	if (posix_memalign((void **)&t, TALLY_ALIGN,
			   (sizeof(*t) + TALLY_ALIGN - 1) / TALLY_ALIGN * TALLY_ALIGN) != 0)
		return;
	memset(t, 0, sizeof(*t));
	place = atomic_fetch_add(&m->tallies.n, 1);
	if (place >= TALLIES_MAX) {
		free(t);
		return;
	}
	atomic_store_explicit(&m->tallies.v[place], t, memory_order_release);
	mine = t;
}

void tally_request(uint32_t opcode, uint64_t ns)
{
	enum kind kind = kind_of(opcode);

	if (!mine)
		return;
	add(&mine->requests[kind].counts[hf_bounds_place(&hf_bounds_duration, ns)], 1);
	add(&mine->requests[kind].sum_ns, ns);
}

void tally_error(int error)
{
	if (!mine || error == 0)
		return;
	for (size_t i = 0; i < MOUNT_ERRORS; i++) {
		if (errors[i].error == error) {
			add(&mine->errors[i], 1);
			return;
		}
	}
}

void tally_read(size_t bytes)
{
	if (mine)
		add(&mine->read_bytes, bytes);
}

void tally_written(size_t bytes)
{
	if (mine)
		add(&mine->written_bytes, bytes);
}

void tally_release(struct mount *m)
{
	for (size_t i = 0; i < TALLIES_MAX; i++)
		free(atomic_load(&m->tallies.v[i]));
}

/* --- adding up */

const char *mount_request_name(unsigned kind)
{
	return kind < MOUNT_REQUEST_KINDS ? kind_names[kind] : NULL;
}

const char *mount_error_name(unsigned error)
{
	return error < MOUNT_ERRORS ? errors[error].name : NULL;
}

static uint64_t value_of(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_up(const struct tally *t, struct mount_counts *ret)
{
	for (unsigned k = 0; k < MOUNT_REQUEST_KINDS; k++) {
		for (unsigned i = 0; i <= HF_BOUNDS_MAX; i++)
			ret->requests[k].counts[i] += value_of(&t->requests[k].counts[i]);
		ret->requests[k].sum += value_of(&t->requests[k].sum_ns);
	}
	for (unsigned e = 0; e < MOUNT_ERRORS; e++)
		ret->errors[e] += value_of(&t->errors[e]);
	ret->read_bytes += value_of(&t->read_bytes);
	ret->written_bytes += value_of(&t->written_bytes);
}

void tally_sum(struct mount *m, struct mount_counts *ret)
{
	for (size_t i = 0; i < TALLIES_MAX; i++) {
		const struct tally *t = atomic_load_explicit(&m->tallies.v[i], memory_order_acquire);

		if (t)
			add_up(t, ret);
	}
}
