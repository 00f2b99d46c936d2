/* SPDX-License-Identifier: MIT */
/* struct os over the system calls. */
#include "store/os/os.h"
#include "store/os/os_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* The value of `call`, made again for as long as a signal interrupts it; -errno when it fails. */
#define RESTARTED(call)                                         \
	__extension__({                                         \
		__typeof__(call) value_;                        \
		do {                                            \
			value_ = (call);                        \
		} while (value_ < 0 && errno == EINTR);         \
		value_ < 0 ? (__typeof__(call))-errno : value_; \
	})

static int posix_open(void *state, const char *path, int flags, mode_t mode)
{
	const mode_t bits = mode & ~(mode_t)OS_OWN;

	(void)state;
	if ((flags & O_CREAT) && !(mode & OS_OWN) && geteuid() == 0)
		return owner_create(path, flags | O_CLOEXEC, bits);
	return RESTARTED(open(path, flags | O_CLOEXEC, bits));
}

static int posix_close(void *state, int fd)
{
	(void)state;
	/* Linux lets go of the descriptor even when it says EINTR: a second close could hit another. */
	if (close(fd) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

static bool offset_fits(uint64_t offset, uint64_t len)
{
	return offset <= INT64_MAX && len <= INT64_MAX - offset;
}

static ssize_t posix_pread(void *state, int fd, void *data, size_t len, uint64_t offset)
{
	(void)state;
	if (!offset_fits(offset, len))
		return -EFBIG;
	return RESTARTED(pread(fd, data, len, (off_t)offset));
}

static ssize_t posix_pwrite(void *state, int fd, const void *data, size_t len, uint64_t offset)
{
	(void)state;
	if (!offset_fits(offset, len))
		return -EFBIG;
	return RESTARTED(pwrite(fd, data, len, (off_t)offset));
}

static int posix_fdatasync(void *state, int fd)
{
	(void)state;
	return RESTARTED(fdatasync(fd));
}

static int posix_fsync(void *state, int fd)
{
	(void)state;
	return RESTARTED(fsync(fd));
}

static int posix_truncate(void *state, int fd, uint64_t len)
{
	(void)state;
	if (!offset_fits(len, 0))
		return -EFBIG;
	return RESTARTED(ftruncate(fd, (off_t)len));
}

static int posix_allocate(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	if (!offset_fits(offset, len))
		return -EFBIG;
	return RESTARTED(fallocate(fd, 0, (off_t)offset, (off_t)len));
}

static int posix_size(void *state, int fd, uint64_t *ret)
{
	struct stat st;

	(void)state;
	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = (uint64_t)st.st_size;
	return 0;
}

static int posix_rename(void *state, const char *from, const char *to)
{
	(void)state;
	return RESTARTED(rename(from, to));
}

static int posix_unlink(void *state, const char *path)
{
	(void)state;
	return RESTARTED(unlink(path));
}

static int posix_mkdir(void *state, const char *path, mode_t mode)
{
	const mode_t bits = mode & ~(mode_t)OS_OWN;

	(void)state;
	if (!(mode & OS_OWN) && geteuid() == 0)
		return owner_mkdir(path, bits);
	return RESTARTED(mkdir(path, bits));
}

static int posix_sync_dir(void *state, const char *path)
{
	CLEANUP(cleanup_fd) int fd = posix_open(state, path, O_RDONLY | O_DIRECTORY, 0);

	return fd < 0 ? fd : posix_fsync(state, fd);
}

static int posix_list(void *state, const char *path, void (*each)(void *arg, const char *name), void *arg)
{
	DIR *dir = opendir(path);
	int r;

	(void)state;
	if (!dir)
		return -errno;
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			each(arg, entry->d_name);
	}
	r = -errno;
	(void)closedir(dir);
	return r;
}

static int posix_free_bytes(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
	struct statvfs st;
	int r = RESTARTED(statvfs(path, &st));

	(void)state;
	if (r < 0)
		return r;
	*ret_free = (uint64_t)st.f_bavail * st.f_frsize; /* what is left for those who are not root */
	*ret_total = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts = { 0, 0 };

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t posix_now_ns(void *state)
{
	(void)state;
	return clock_ns(CLOCK_REALTIME);
}

static uint64_t posix_monotonic_ns(void *state)
{
	(void)state;
	return clock_ns(CLOCK_MONOTONIC);
}

static void posix_write_back(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	if (offset_fits(offset, len))
		(void)sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

static void posix_read_ahead(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	if (offset_fits(offset, len))
		(void)posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_WILLNEED);
}

static void posix_forget(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	if (offset_fits(offset, len))
		(void)posix_fadvise(fd, (off_t)offset, (off_t)len, POSIX_FADV_DONTNEED);
}

const struct os *os_posix(void)
{
	static const struct os posix = {
		.open = posix_open,
		.close = posix_close,
		.pread = posix_pread,
		.pwrite = posix_pwrite,
		.fdatasync = posix_fdatasync,
		.fsync = posix_fsync,
		.truncate = posix_truncate,
		.allocate = posix_allocate,
		.size = posix_size,
		.rename = posix_rename,
		.unlink = posix_unlink,
		.mkdir = posix_mkdir,
		.sync_dir = posix_sync_dir,
		.list = posix_list,
		.free_bytes = posix_free_bytes,
		.now_ns = posix_now_ns,
		.monotonic_ns = posix_monotonic_ns,
		.write_back = posix_write_back,
		.read_ahead = posix_read_ahead,
		.forget = posix_forget,
	};

	return &posix;
}
