/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "store/index/rocks.h"

static void close_dir(DIR **folder)
{
	if (*folder)
		(void)closedir(*folder);
}

/* RocksDB locks its LOCK file with fcntl. */
static bool in_use(int dir_fd)
{
	CLEANUP(cleanup_fd) int fd = openat(dir_fd, "LOCK", O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int unlink_file(int dir_fd, const char *dir, const char *name, struct hf_error *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hf_error_set(err, -errno, "delete the index: %s/%s: %s", dir, name, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return hf_error_set(err, -EEXIST,
				    "delete the index: %s/%s is no file of the index; move it away", dir,
				    name);
	if (unlinkat(dir_fd, name, 0) < 0)
		return hf_error_set(err, -errno, "delete the index: %s/%s: %s", dir, name, strerror(errno));
	return 0;
}

int wipe_folder(const char *dir, struct hf_error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(close_dir) DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;
	int code;

	if (!folder) {
		code = -errno;
		if (fd >= 0)
			(void)close(fd);
		if (code == -ENOENT)
			return 0;
		return hf_error_set(err, code, "delete the index folder %s: %s", dir, strerror(-code));
	}
	if (in_use(fd))
		return hf_error_set(err, -EBUSY, "the index in %s is open in another process", dir);
	while ((d = readdir(folder))) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		code = unlink_file(fd, dir, d->d_name, err);
		if (code < 0)
			return code;
	}
	if (rmdir(dir) < 0)
		return hf_error_set(err, -errno, "delete the index folder %s: %s", dir, strerror(errno));
	return 0;
}
