/* SPDX-License-Identifier: MIT */
/* rename(2) in all its forms, and what is moved or replaced while it is in use. */
#include "posix.h"

#include <dirent.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

static const char *renaming(void)
{
	CHECK(made("a", "a", 0644) && made("b", "b", 0644) && mkdir("d", 0755) == 0 &&
	      mkdir("d/e", 0755) == 0 && mkdir("empty", 0755) == 0);
	FAILS(EEXIST, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0 && holds("a", "b") &&
	      holds("b", "a"));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE) == 0 && holds("d", "b") &&
	      S_ISDIR(stat_of("a/e").st_mode));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE) == 0);
	FAILS(ENOENT, renameat2(AT_FDCWD, "a", AT_FDCWD, "none", RENAME_EXCHANGE));
	FAILS(EINVAL, rename("d", "d/e/f"));
	FAILS(ENOTEMPTY, rename("empty", "d"));
	FAILS(EISDIR, rename("a", "d"));
	FAILS(ENOTDIR, rename("d", "a"));
	FAILS(ENOENT, rename("none", "a"));
	CHECK(rename("d/e", "empty") == 0 && stat_of("d").st_nlink == 2 && stat_of("empty").st_nlink == 2);
	CHECK(rename("a", "b") == 0 && holds("b", "b") && access("a", F_OK) < 0);
	CHECK(link("b", "c") == 0 && rename("b", "c") == 0 &&
	      access("b", F_OK) == 0); /* one file: nothing happens */
	return NULL;
}

static int rename_flags(const char *from, const char *to, unsigned flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static const char *flags(void)
{
	CHECK(made("a", "a", 0644) && mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 &&
	      mkdir("x", 0755) == 0 && mkdir("x/y", 0755) == 0 && symlink("a", "s") == 0);
	CHECK(rename_flags("a", "b", RENAME_NOREPLACE) == 0 && holds("b", "a") && access("a", F_OK) < 0);
	FAILS(EEXIST, rename_flags("b", "s", RENAME_NOREPLACE));
	FAILS(EEXIST, rename_flags("b", "b", RENAME_NOREPLACE));
	FAILS(EINVAL, rename_flags("b", "d", RENAME_NOREPLACE | RENAME_EXCHANGE));
	FAILS(EINVAL, rename_flags("b", "d", RENAME_EXCHANGE | RENAME_WHITEOUT));
	FAILS(EINVAL, rename_flags("b", "d", 1u << 7));
	FAILS(EINVAL, rename_flags("d", "d/e", RENAME_EXCHANGE));
	FAILS(EINVAL, rename_flags("d/e", "d", RENAME_EXCHANGE));
	/* directories of different parents change places: parents, and counts of links */
	CHECK(rename_flags("d/e", "x/y", RENAME_EXCHANGE) == 0 && stat_of("d").st_nlink == 3 &&
	      stat_of("x").st_nlink == 3);
	CHECK(stat_of("d/e/..").st_ino == stat_of("d").st_ino &&
	      stat_of("x/y/..").st_ino == stat_of("x").st_ino);
	/* a directory and a link of different parents: the counts follow */
	CHECK(rename_flags("s", "d/e", RENAME_EXCHANGE) == 0 && S_ISDIR(stat_of("s").st_mode) &&
	      S_ISLNK(stat_of("d/e").st_mode));
	CHECK(stat_of("d").st_nlink == 2 && stat_of("s/..").st_ino == stat_of(".").st_ino);
	CHECK(rename_flags("b", "b", RENAME_EXCHANGE) == 0 && holds("b", "a"));
	return NULL;
}

/* It makes a device that only overlay filesystems know to read: done whole, or refused. */
static const char *whiteout(void)
{
	CHECK(made("a", "a", 0644));
	if (rename_flags("a", "b", RENAME_WHITEOUT) == 0) {
		CHECK(holds("b", "a") && S_ISCHR(stat_of("a").st_mode) && stat_of("a").st_rdev == 0);
		return NULL;
	}
	FAILS(EINVAL, rename_flags("a", "b", RENAME_WHITEOUT));
	CHECK(holds("a", "a") && access("b", F_OK) < 0);
	return NULL;
}

static const char *over_links(void)
{
	CHECK(made("a", "a", 0644) && made("b", "b", 0644) && symlink("b", "s") == 0 &&
	      symlink("none", "t") == 0);
	CHECK(rename("a", "s") == 0 && holds("s", "a") && S_ISREG(stat_of("s").st_mode) && holds("b", "b"));
	CHECK(rename("t", "b") == 0 && S_ISLNK(stat_of("b").st_mode) && access("t", F_OK) < 0);
	CHECK(link("s", "one") == 0 && link("s", "two") == 0 && stat_of("s").st_nlink == 3);
	CHECK(rename("one", "two") == 0 && access("one", F_OK) == 0 && stat_of("s").st_nlink == 3);
	CHECK(made("c", "c", 0644) && rename("c", "two") == 0 && stat_of("s").st_nlink == 2 &&
	      holds("one", "a"));
	CHECK(mkfifo("fifo", 0600) == 0 && rename("fifo", "two") == 0 && S_ISFIFO(stat_of("two").st_mode));
	return NULL;
}

static const char *over_directories(void)
{
	CHECK(mkdir("a", 0755) == 0 && made("a/f", "f", 0644) && mkdir("b", 0755) == 0 &&
	      made("file", "", 0644) && symlink("b", "s") == 0 && mkdir("p", 0755) == 0 &&
	      mkdir("p/q", 0755) == 0);
	FAILS(ENOTDIR, rename("a", "s"));
	FAILS(ENOTDIR, rename("a", "file"));
	FAILS(EISDIR, rename("file", "b"));
	FAILS(EISDIR, rename("s", "b"));
	FAILS(ENOTEMPTY, rename("b", "a"));
	CHECK(rename("a", "b") == 0 && holds("b/f", "f") && stat_of(".").st_nlink == 4);
	FAILS(EINVAL, rename("p", "p/q"));
	FAILS(EINVAL, rename("p", "p/new"));
	FAILS(EINVAL, rename("p", "p/q/new"));
	FAILS(ENOTEMPTY, rename("p/q", "p"));
	CHECK(rename("p", "p") == 0);
	CHECK(rename(".", "x") < 0 && (errno == EBUSY || errno == EINVAL));
	CHECK(rename("p/q/..", "x") < 0 && (errno == EBUSY || errno == EINVAL));
	FAILS(ENOTDIR, rename("file/", "x"));
	FAILS(ENOTDIR, rename("file", "x/"));
	FAILS(ENOTDIR, rename("file/f", "x"));
	CHECK(rename("p/", "moved/") == 0 && stat_of("moved/q/..").st_ino == stat_of("moved").st_ino);
	CHECK(rename("moved/q", "b/q") == 0 && stat_of("b/q/..").st_ino == stat_of("b").st_ino &&
	      stat_of("b").st_nlink == 3 && stat_of("moved").st_nlink == 2);
	return NULL;
}

/* Who has a file open keeps it, whatever becomes of its name. */
static const char *over_open_files(void)
{
	char got[8];
	struct stat st;
	int old, young;

	old = make("old", "old", 0644);
	young = make("new", "new", 0644);
	CHECK(rename("new", "old") == 0 && holds("old", "new"));
	CHECK(pread(old, got, 8, 0) == 3 && memcmp(got, "old", 3) == 0 && fstat(old, &st) == 0 &&
	      st.st_nlink == 0);
	CHECK(pwrite(old, "OLD", 3, 0) == 3 && pread(old, got, 8, 0) == 3 && memcmp(got, "OLD", 3) == 0 &&
	      holds("old", "new"));
	CHECK(pwrite(young, "N", 1, 0) == 1 && holds("old", "New"));
	CHECK(ftruncate(old, 100000) == 0 && fsync(old) == 0 && fstat(old, &st) == 0 && st.st_size == 100000);
	CHECK(close(old) == 0 && close(young) == 0 && holds("old", "New"));
	return NULL;
}

static const char *over_open_directories(void)
{
	char path[4096];
	int old, moved;

	CHECK(mkdir("old", 0755) == 0 && mkdir("new", 0755) == 0 && mkdir("p", 0755) == 0 &&
	      made("new/f", "f", 0644));
	CHECK((old = open("old", O_RDONLY | O_DIRECTORY)) >= 0 &&
	      (moved = open("new", O_RDONLY | O_DIRECTORY)) >= 0);
	CHECK(rename("new", "old") == 0);
	FAILS(ENOENT, openat(old, "x", O_RDWR | O_CREAT, 0644));
	FAILS(ENOENT, symlinkat("x", old, "x"));
	CHECK(faccessat(moved, "f", F_OK, 0) == 0);
	CHECK(fchdir(moved) == 0 && rename("../old", "../p/far") == 0 && getcwd(path, sizeof(path)));
	CHECK(strlen(path) > 6 && strcmp(path + strlen(path) - 6, "/p/far") == 0);
	CHECK(stat_of("..").st_ino == stat_of("../../p").st_ino && holds("f", "f") && made("g", "g", 0644));
	CHECK(chdir("../..") == 0 && holds("p/far/g", "g") && close(old) == 0 && close(moved) == 0);
	return NULL;
}

const struct check checks_rename[] = {
	{ "rename", renaming },
	{ "rename: NOREPLACE, EXCHANGE", flags },
	{ "rename: WHITEOUT, or its refusal", whiteout },
	{ "rename over links, and of links", over_links },
	{ "rename over directories, and into itself", over_directories },
	{ "rename over open files", over_open_files },
	{ "rename over open directories, and of the current one", over_open_directories },
	{ NULL, NULL },
};
