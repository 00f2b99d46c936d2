/* SPDX-License-Identifier: MIT */
#include "store/index/borrow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"

#define PREFIX "holdfast-index-"

enum {
	COPY_BYTES = 1 << 20,
	TRIES = 8, /* somebody who clears up takes away what was just made: so often */
};

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

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Files in it and the folder; links are not followed. */
static void remove_folder(int at, const char *name)
{
	CLEANUP(close_dir) DIR *folder = open_folder(at, name);
	struct dirent *d;

	while (folder && (d = readdir(folder)))
		if (!is_dots(d->d_name))
			(void)unlinkat(dirfd(folder), d->d_name, 0);
	(void)unlinkat(at, name, AT_REMOVEDIR);
}

/* Those of this user that no process has any more. */
static void clear_up(const char *below)
{
	CLEANUP(close_dir) DIR *folder = open_folder(AT_FDCWD, below);
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

/* A new folder, locked; 0 and -1 in b->fd when somebody cleared it up before it was. */
static int make_folder(const char *below, struct index_borrowed *b)
{
	struct stat st;

	free(b->dir);
	b->dir = NULL;
	if (asprintf(&b->dir, "%s/" PREFIX "XXXXXX", below) < 0) {
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
	if (flock(b->fd, LOCK_EX) < 0 || fstat(b->fd, &st) < 0)
		return -errno;
	if (st.st_nlink == 0) {
		(void)close(b->fd);
		b->fd = -1;
	}
	return 0;
}

static int copy_file(int from_dir, const char *name, int to_dir)
{
	CLEANUP(cleanup_fd) int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(cleanup_fd) int to = -1;
	ssize_t n;

	if (from >= 0)
		to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	while ((n = sendfile(to, from, NULL, COPY_BYTES)) > 0)
		;
	return n < 0 ? -errno : 0;
}

static bool is_table(const char *name)
{
	const char *end = strrchr(name, '.');

	return end && strcmp(end, ".sst") == 0;
}

/* What RocksDB makes anew for itself. */
static bool is_of_a_process(const char *name)
{
	return strcmp(name, "LOCK") == 0 || strncmp(name, "LOG", 3) == 0;
}

static int take_file(const char *from, int from_dir, const char *name, int to_dir)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	if (is_of_a_process(name))
		return 0;
	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (!is_table(name))
		return copy_file(from_dir, name, to_dir);
	if (asprintf(&path, "%s/%s", from, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return symlinkat(path, to_dir, name) < 0 ? -errno : 0;
}

static int take_files(const char *from, int to_dir)
{
	CLEANUP(cleanup_free) char *real = realpath(from, NULL);
	CLEANUP(close_dir) DIR *folder = real ? open_folder(AT_FDCWD, real) : NULL;
	struct dirent *d;
	int r = 0;

	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (d = readdir(folder)))
		if (!is_dots(d->d_name))
			r = take_file(real, dirfd(folder), d->d_name, to_dir);
	return r;
}

int index_borrow(const char *from, struct index_borrowed **ret, struct hf_error *err)
{
	const char *below = getenv("TMPDIR");
	struct index_borrowed *b = calloc(1, sizeof(*b));
	int r = b ? 0 : -ENOMEM;

	if (!below || *below != '/')
		below = "/var/tmp";
	clear_up(below);
	if (b)
		b->fd = -1;
	for (int i = 0; r == 0 && b->fd < 0 && i < TRIES; i++)
		r = make_folder(below, b);
	if (r == 0 && b->fd < 0)
		r = -EAGAIN;
	if (r == 0 && from)
		r = take_files(from, b->fd);
	if (r < 0) {
		index_give_back(b);
		return hf_error_set(err, r, "an index for who reads, in %s: %s", below, strerror(-r));
	}
	*ret = b;
	return 0;
}

void index_give_back(struct index_borrowed *b)
{
	if (!b)
		return;
	if (b->dir && *b->dir)
		remove_folder(AT_FDCWD, b->dir);
	if (b->fd >= 0)
		(void)close(b->fd);
	free(b->dir);
	free(b);
}
