/* SPDX-License-Identifier: MIT */
#include "store/index/borrow_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/base/cleanup.h"

#define PREFIX "holdfast-index-"

enum {
	TRIES = 8, /* somebody who clears up takes away what was just made: so often */
	ROOM_BYTES_MIN =
		8 << 20, /* what is written when there is next to nothing to write, several times over */
};

/* --- places */

static const char *place_name(unsigned i)
{
	static const char *const names[BORROW_PLACES] = { NULL, "/var/tmp", "/tmp", "/dev/shm" };
	const char *told = getenv("TMPDIR");

	if (i == 0)
		return told && *told == '/' ? told : NULL;
	return told && strcmp(told, names[i]) == 0 ? NULL : names[i];
}

/* Its owner can, and without the sticky bit who may write there. */
static bool others_can_rename(const struct stat *st)
{
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return true;
	return (st->st_mode & (S_IWGRP | S_IWOTH)) && !(st->st_mode & S_ISVTX);
}

static bool has_room(const char *place)
{
	struct statvfs st;

	return statvfs(place, &st) < 0 || st.f_blocks == 0 ||
	       (uint64_t)st.f_bavail * st.f_frsize >= ROOM_BYTES_MIN;
}

int borrow_place(unsigned i, char **ret, struct hf_error *err)
{
	const char *name = place_name(i);
	CLEANUP(cleanup_free) char *real = name ? realpath(name, NULL) : NULL;
	struct stat st;

	if (!name)
		return -ENOENT;
	if (!real || stat(real, &st) < 0)
		return hf_error_set(err, -errno, "%s: %s", name, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return hf_error_set(err, -ENOTDIR, "%s is no folder", name);
	if (others_can_rename(&st))
		return hf_error_set(err, -EACCES, "in %s another user can rename what is there", name);
	*ret = TAKE_PTR(real);
	return 0;
}

/* --- folders */

static void close_dir(DIR **folder)
{
	if (*folder)
		(void)closedir(*folder);
}

static DIR *open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (!folder && fd >= 0)
		(void)close(fd);
	return folder;
}

/* As far as they are seen; how many. */
static size_t remove_files(DIR *folder)
{
	struct dirent *d;
	size_t n = 0;

	while ((d = readdir(folder)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
		    unlinkat(dirfd(folder), d->d_name, 0) == 0)
			n++;
	return n;
}

/*
 * Files in it and the folder; links are not followed. A folder that is changed while it is read need not show
 * all that is in it.
 */
static void remove_folder(int at, const char *name)
{
	CLEANUP(close_dir) DIR *folder = open_folder(at, name);

	while (folder && remove_files(folder) > 0)
		rewinddir(folder);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

static void clear_up(const char *place)
{
	CLEANUP(close_dir) DIR *folder = open_folder(AT_FDCWD, place);
	struct dirent *d;

	while (folder && (d = readdir(folder))) {
		CLEANUP(cleanup_fd) int fd = -1;
		struct stat st;

		if (strncmp(d->d_name, PREFIX, sizeof(PREFIX) - 1) != 0)
			continue;
		fd = openat(dirfd(folder), d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
		    flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_folder(dirfd(folder), d->d_name);
	}
}

void index_borrowed_clear_up(void)
{
	for (unsigned i = 0; i < BORROW_PLACES; i++) {
		CLEANUP(cleanup_free) char *place = NULL;

		if (borrow_place(i, &place, NULL) == 0)
			clear_up(place);
	}
}

/* Where there are no locks for folders, as over NFS, nobody can clear up either. */
static int lock_folder(int fd)
{
	if (flock(fd, LOCK_EX) == 0 || errno == EBADF || errno == ENOLCK || errno == EOPNOTSUPP)
		return 0;
	return -errno;
}

/* 0 and -1 in b->fd when somebody cleared it up before it was locked. */
static int make_once(const char *place, struct index_borrowed *b)
{
	struct stat st;
	int r;

	free(b->dir);
	b->dir = NULL;
	if (asprintf(&b->dir, "%s/" PREFIX "XXXXXX", place) < 0) {
		b->dir = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(b->dir)) {
		b->dir[0] = 0;
		return -errno;
	}
	b->fd = open(b->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = lock_folder(b->fd);
	if (r < 0 || fstat(b->fd, &st) < 0)
		return r < 0 ? r : -errno;
	if (st.st_nlink == 0) {
		(void)close(b->fd);
		b->fd = -1;
	}
	return 0;
}

int borrow_folder_make(const char *place, struct index_borrowed *b)
{
	int r = has_room(place) ? 0 : -ENOSPC;

	for (int i = 0; r == 0 && b->fd < 0 && i < TRIES; i++)
		r = make_once(place, b);
	return r == 0 && b->fd < 0 ? -EAGAIN : r;
}

void borrow_folder_remove(struct index_borrowed *b)
{
	if (b->dir && *b->dir)
		remove_folder(AT_FDCWD, b->dir);
	if (b->fd >= 0)
		(void)close(b->fd);
	free(b->dir);
	*b = (struct index_borrowed){ .fd = -1 };
}
