/* SPDX-License-Identifier: MIT */
/* For fuzz targets: a disk whose every file has the same bytes, and that forgets what is written. */
#ifndef TESTS_FUZZ_MEMORY_OS_H
#define TESTS_FUZZ_MEMORY_OS_H

#include <string.h>

#include "store/os/os.h"

struct memory_disk {
	const uint8_t *data;
	size_t len;
	const char *const *names; /* what every folder has; NULL behind the last */
};

static int memory_open(void *state, const char *path, int flags, mode_t mode)
{
	(void)state;
	(void)path;
	(void)flags;
	(void)mode;
	return 1000; /* no descriptor of the process: whoever goes past the seam fails */
}

static int memory_fd(void *state, int fd)
{
	(void)state;
	(void)fd;
	return 0;
}

static ssize_t memory_pread(void *state, int fd, void *data, size_t len, uint64_t offset)
{
	const struct memory_disk *d = state;

	(void)fd;
	if (offset >= d->len)
		return 0;
	if (len > d->len - offset)
		len = d->len - (size_t)offset;
	memcpy(data, d->data + offset, len);
	return (ssize_t)len;
}

static ssize_t memory_pwrite(void *state, int fd, const void *data, size_t len, uint64_t offset)
{
	(void)state;
	(void)fd;
	(void)data;
	(void)offset;
	return (ssize_t)len;
}

static int memory_truncate(void *state, int fd, uint64_t len)
{
	(void)state;
	(void)fd;
	(void)len;
	return 0;
}

static int memory_allocate(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	(void)fd;
	(void)offset;
	(void)len;
	return 0;
}

static int memory_size(void *state, int fd, uint64_t *ret)
{
	(void)fd;
	*ret = ((const struct memory_disk *)state)->len;
	return 0;
}

static int memory_rename(void *state, const char *from, const char *to)
{
	(void)state;
	(void)from;
	(void)to;
	return 0;
}

static int memory_path(void *state, const char *path)
{
	(void)state;
	(void)path;
	return 0;
}

static int memory_mkdir(void *state, const char *path, mode_t mode)
{
	(void)state;
	(void)path;
	(void)mode;
	return 0;
}

static int memory_list(void *state, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	const struct memory_disk *d = state;

	(void)path;
	for (size_t i = 0; d->names && d->names[i]; i++)
		each(arg, d->names[i]);
	return 0;
}

static int memory_free_bytes(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
	(void)state;
	(void)path;
	*ret_free = *ret_total = UINT64_C(1) << 40;
	return 0;
}

static uint64_t memory_clock(void *state)
{
	(void)state;
	return UINT64_C(1795412730000000000);
}

static inline struct os memory_os(struct memory_disk *disk)
{
	return (struct os){
		.state = disk,
		.open = memory_open,
		.close = memory_fd,
		.pread = memory_pread,
		.pwrite = memory_pwrite,
		.fdatasync = memory_fd,
		.fsync = memory_fd,
		.truncate = memory_truncate,
		.allocate = memory_allocate,
		.size = memory_size,
		.rename = memory_rename,
		.unlink = memory_path,
		.mkdir = memory_mkdir,
		.sync_dir = memory_path,
		.list = memory_list,
		.free_bytes = memory_free_bytes,
		.now_ns = memory_clock,
		.monotonic_ns = memory_clock,
	};
}

#endif
