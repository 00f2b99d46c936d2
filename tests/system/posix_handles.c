/* SPDX-License-Identifier: MIT */
/* File handles, which is what an NFS server names files by. */
#include "posix.h"

#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

struct handle {
	struct file_handle h;
	unsigned char bytes[MAX_HANDLE_SZ];
};

static int handle_of(const char *name, struct handle *ret)
{
	int id;

	*ret = (struct handle){ .h = { .handle_bytes = MAX_HANDLE_SZ } };
	return name_to_handle_at(AT_FDCWD, name, &ret->h, &id, 0);
}

static int open_handle(struct handle *handle, int flags)
{
	int here = open(".", O_RDONLY | O_DIRECTORY), fd = open_by_handle_at(here, &handle->h, flags),
	    error = errno;

	close(here);
	errno = error;
	return fd;
}

/*
 * Make the kernel forget what it knows of a FUSE mount, so that a handle must be found by the file system: a
 * remount drops every name that is not in use.
 */
static bool forget(void)
{
	char root[PATH_MAX] = ".";
	struct statfs fs;
	struct statvfs v;
	unsigned long flags;

	if (statfs(".", &fs) < 0 || statvfs(".", &v) < 0)
		return false;
	if (fs.f_type != FUSE_SUPER_MAGIC)
		return true;
	for (size_t n = 1; stat_of(root).st_dev == stat_of(".").st_dev && n < 60; n += 3)
		memcpy(root + n, "/..", 4);
	root[strlen(root) - 3] = 0;
	flags = (v.f_flag & ST_NOSUID ? MS_NOSUID : 0) | (v.f_flag & ST_NODEV ? MS_NODEV : 0) |
		(v.f_flag & ST_NOATIME ? MS_NOATIME : 0);
	return mount(NULL, root, NULL, MS_REMOUNT | flags, NULL) == 0;
}

static const char *handles(void)
{
	struct handle file, again, dir, link;
	char got[8], path[64], where[PATH_MAX];
	ssize_t n;
	int fd;

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("f", "text", 0644) && mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 &&
	      symlink("f", "s") == 0);
	if (handle_of("f", &file) < 0 && errno == EOPNOTSUPP)
		SKIP("no file handles");
	CHECK(handle_of("d/e", &dir) == 0 && handle_of("s", &link) == 0 && handle_of("f", &again) == 0);
	CHECK(memcmp(&file, &again, sizeof(file)) == 0 && memcmp(&file, &dir, sizeof(file)) != 0);
	CHECK(forget());
	CHECK((fd = open_handle(&file, O_RDWR)) >= 0 && read(fd, got, 8) == 4 && memcmp(got, "text", 4) == 0);
	CHECK(pwrite(fd, "T", 1, 0) == 1 && close(fd) == 0 && holds("f", "Text"));
	/* a directory is connected up to the root again: it has a path */
	CHECK((fd = open_handle(&dir, O_RDONLY | O_DIRECTORY)) >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, where, sizeof(where) - 1);
	CHECK(n > 4 && memcmp(where + n - 4, "/d/e", 4) == 0 && close(fd) == 0);
	/* a new name is nothing to a handle */
	CHECK(rename("f", "d/g") == 0);
	CHECK(forget());
	CHECK((fd = open_handle(&file, O_RDONLY)) >= 0 && read(fd, got, 8) == 4 && close(fd) == 0);
	CHECK((fd = open_handle(&link, O_PATH)) >= 0 && close(fd) == 0);
	return NULL;
}

/* A handle of what is gone leads nowhere, whoever has come in its place. */
static const char *stale_handles(void)
{
	struct handle file, dir;
	int fd;

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("f", "old", 0644) && mkdir("d", 0755) == 0);
	if (handle_of("f", &file) < 0 && errno == EOPNOTSUPP)
		SKIP("no file handles");
	CHECK(handle_of("d", &dir) == 0 && unlink("f") == 0 && rmdir("d") == 0 && made("f", "new", 0644) &&
	      mkdir("d", 0755) == 0);
	FAILS(ESTALE, open_handle(&file, O_RDONLY));
	FAILS(ESTALE, open_handle(&dir, O_RDONLY));
	CHECK(forget());
	FAILS(ESTALE, open_handle(&file, O_RDONLY));
	FAILS(ESTALE, open_handle(&dir, O_RDONLY));
	/* of what is gone but open, it leads there */
	CHECK((fd = open("f", O_RDONLY)) >= 0 && handle_of("f", &file) == 0 && unlink("f") == 0);
	CHECK(forget());
	CHECK(close(open_handle(&file, O_RDONLY)) == 0 && close(fd) == 0);
	file.bytes[0] ^= 0xff;
	file.bytes[5] ^= 0xff;
	FAILS(ESTALE, open_handle(&file, O_RDONLY));
	return NULL;
}

const struct check checks_handles[] = {
	{ "file handles", handles },
	{ "stale file handles", stale_handles },
	{ NULL, NULL },
};
