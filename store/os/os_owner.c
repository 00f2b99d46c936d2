/* SPDX-License-Identifier: MIT */
/*
 * The folder may be anybody's, who can put links there at any time: so it is opened once, what is made is
 * made in that, and given away only when it is certain to have been made here.
 */
#include "store/os/os_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/os/os.h"

enum { TRIES = 8 };

static int open_folder(const char *path, const char **ret_name)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	const char *slash = strrchr(path, '/');
	int fd;

	*ret_name = slash ? slash + 1 : path;
	buf_add(&dir, slash ? path : ".", slash ? (size_t)(slash - path) + 1 : 1);
	(void)buf_cstr(&dir);
	if (buf_status(&dir) < 0)
		return -ENOMEM;
	fd = open((const char *)dir.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Where it may not be given away (a network's root is nobody) it stays as it is. */
static void give(int fd, int folder)
{
	struct stat to, now;

	if (fstat(folder, &to) == 0 && fstat(fd, &now) == 0 && now.st_uid == geteuid() &&
	    (to.st_uid != now.st_uid || to.st_gid != now.st_gid))
		(void)!fchown(fd, to.st_uid, to.st_gid);
}

static int create_at(int folder, const char *name, int flags, mode_t mode)
{
	for (int i = 0; i < TRIES; i++) {
		int fd = openat(folder, name, flags | O_CREAT | O_EXCL, mode);

		if (fd >= 0) {
			give(fd, folder);
			return fd;
		}
		if (errno == EINTR)
			continue;
		if (errno != EEXIST || (flags & O_EXCL))
			return -errno;
		fd = openat(folder, name, flags & ~O_CREAT);
		if (fd >= 0 || (errno != ENOENT && errno != EINTR))
			return fd >= 0 ? fd : -errno;
	}
	return -ELOOP; /* a link that leads nowhere */
}

int owner_create(const char *path, int flags, mode_t mode)
{
	const char *name;
	int fd, folder = open_folder(path, &name);

	if (folder < 0)
		return folder;
	fd = create_at(folder, name, flags, mode);
	(void)close(folder);
	return fd;
}

int os_open_lock(const char *path)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	if (geteuid() == 0)
		return owner_create(path, flags, 0600);
	fd = open(path, flags, 0600);
	return fd < 0 ? -errno : fd;
}

int owner_mkdir(const char *path, mode_t mode)
{
	const char *name;
	int r, folder = open_folder(path, &name), fd = -1;

	if (folder < 0)
		return folder;
	r = mkdirat(folder, name, mode) < 0 ? -errno : 0;
	if (r == 0)
		fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		give(fd, folder);
		(void)close(fd);
	}
	(void)close(folder);
	return r;
}

int os_make_real_folder(const char *path)
{
	if (geteuid() == 0)
		return owner_mkdir(path, 0700);
	return mkdir(path, 0700) < 0 ? -errno : 0;
}

/* A file with a second name may be one from elsewhere, which is not given away. */
static void give_named(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
		give(fd, folder);
	(void)close(fd);
}

void os_give_to_owner(const char *dir)
{
	DIR *folder = geteuid() == 0 ? opendir(dir) : NULL;
	struct stat st;

	if (!folder)
		return;
	if (fstat(dirfd(folder), &st) == 0 && st.st_uid != geteuid())
		for (const struct dirent *d; (d = readdir(folder));)
			give_named(dirfd(folder), d->d_name);
	(void)closedir(folder);
}
