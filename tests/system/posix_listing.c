/* SPDX-License-Identifier: MIT */
/* Directories: listings, while they change, and directories that are gone. */
#include "posix.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *listing(void)
{
	enum { FILES = 3000 };
	static bool seen[FILES];
	unsigned n = 0, twice = 0;
	struct dirent *d;
	long at = 0;
	char name[32];
	DIR *dir;

	for (unsigned k = 0; k < FILES; k++) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(made(name, "", 0644));
	}
	CHECK((dir = opendir(".")));
	while ((d = readdir(dir))) {
		unsigned k = (unsigned)atoi(d->d_name);

		if (d->d_name[0] == '.')
			continue;
		CHECK(k < FILES && d->d_type == DT_REG && d->d_ino == stat_of(d->d_name).st_ino);
		twice += seen[k];
		seen[k] = true;
		n++;
		if (k % 2 && k % 3 == 0)
			CHECK(unlink(d->d_name) == 0); /* while it is listed */
		if (n == 1000)
			at = telldir(dir);
	}
	CHECK(n == FILES && twice == 0);
	seekdir(dir, at);
	for (n = 1000; (d = readdir(dir)); n++)
		;
	CHECK(n > FILES / 2 && n <= FILES); /* what went meanwhile may be told of or not */
	rewinddir(dir);
	for (n = 0; (d = readdir(dir)); n++)
		;
	CHECK(n == FILES - FILES / 6 + 2);
	closedir(dir);
	return NULL;
}

/* Others make, move and remove; what they leave alone is told of exactly once. */
static const char *listing_under_change(void)
{
	enum { STAY = 1500, ROUNDS = 8 };
	static unsigned seen[STAY];
	unsigned strangers = 0;
	char name[32], to[32];
	struct dirent *d;
	pid_t pid;
	int status;
	DIR *dir;

	for (unsigned k = 0; k < STAY; k++) {
		snprintf(name, sizeof(name), "s%u", k);
		CHECK(made(name, "", 0644));
	}
	pid = fork();
	if (pid == 0) {
		/* not killed: with -o coalesce the kernel tells an interrupted flush to the next syncfs */
		for (unsigned k = 0; access("stop", F_OK) < 0; k++) {
			snprintf(name, sizeof(name), "t%u", k);
			snprintf(to, sizeof(to), "moved %u", k);
			if (!made(name, "", 0644) || rename(name, to) < 0 ||
			    (k >= 50 && (snprintf(to, sizeof(to), "moved %u", k - 50), unlink(to) < 0)))
				_exit(1);
		}
		_exit(0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		memset(seen, 0, sizeof(seen));
		CHECK((dir = opendir(".")));
		while ((d = readdir(dir))) {
			unsigned k = (unsigned)atoi(d->d_name + 1);

			if (d->d_name[0] != 's') {
				strangers++;
				continue;
			}
			CHECK(k < STAY && seen[k]++ == 0);
			if (k % 300 == 0)
				pause_ms(1);
		}
		closedir(dir);
		for (unsigned k = 0; k < STAY; k++)
			CHECK(seen[k] == 1);
	}
	CHECK(waitpid(pid, &status, WNOHANG) == 0); /* it was still at it */
	CHECK(made("stop", "", 0644) && waitpid(pid, &status, 0) == pid && status == 0 &&
	      strangers > 2 * ROUNDS);
	return NULL;
}

/* An offset leads to the entry it stood at, also when others before and behind it have come and gone. */
static const char *offsets(void)
{
	enum { FILES = 600 };
	static long at[FILES + 2];
	static char names[FILES + 2][256];
	struct dirent *d;
	char name[16];
	unsigned n = 0;
	DIR *dir;

	for (unsigned k = 0; k < FILES; k++) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(made(name, "", 0644));
	}
	CHECK((dir = opendir(".")));
	for (;;) {
		long here = telldir(dir);

		d = readdir(dir);
		if (!d)
			break;
		CHECK(n < FILES + 2);
		at[n] = here;
		snprintf(names[n++], sizeof(names[0]), "%s", d->d_name);
	}
	CHECK(n == FILES + 2);
	for (unsigned k = 0; k < FILES; k += 2) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(unlink(name) == 0);
		snprintf(name, sizeof(name), "new %u", k);
		CHECK(made(name, "", 0644));
	}
	for (unsigned k = n; k-- > 0;) {
		if (names[k][0] == '.' || atoi(names[k]) % 2 == 0)
			continue;
		seekdir(dir, at[k]);
		CHECK((d = readdir(dir)) && strcmp(d->d_name, names[k]) == 0);
	}
	closedir(dir);
	return NULL;
}

/* getdents with room for a few names at a time, two at once through one description and through two. */
static const char *small_bites(void)
{
	enum { FILES = 300 };
	_Alignas(8) char bytes[120];
	unsigned n = 0;
	char name[16];
	long got;
	int fd, other;

	for (unsigned k = 0; k < FILES; k++) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(made(name, "", 0644));
	}
	CHECK((fd = open(".", O_RDONLY | O_DIRECTORY)) >= 0 &&
	      (other = open(".", O_RDONLY | O_DIRECTORY)) >= 0);
	while ((got = syscall(SYS_getdents64, fd, bytes, sizeof(bytes))) > 0) {
		for (long k = 0; k < got; k += *(unsigned short *)(void *)(bytes + k + 16))
			n++;
		CHECK(syscall(SYS_getdents64, other, bytes, sizeof(bytes)) > 0);
	}
	CHECK(got == 0 && n == FILES + 2);
	FAILS(EINVAL, syscall(SYS_getdents64, other, bytes, 8) < 0 || lseek(other, 0, SEEK_SET) != 0 ?
			      -1 :
			      syscall(SYS_getdents64, other, bytes, 8));
	FAILS(EISDIR, read(other, bytes, 8));
	FAILS(EBADF, write(other, bytes, 8));
	CHECK(close(fd) == 0 && close(other) == 0 && made("file", "", 0644) &&
	      (fd = open("file", O_RDONLY)) >= 0);
	FAILS(ENOTDIR, syscall(SYS_getdents64, fd, bytes, sizeof(bytes)));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *removed_directory(void)
{
	char path[64];
	int fd;

	CHECK(mkdir("d", 0755) == 0 && (fd = open("d", O_RDONLY | O_DIRECTORY)) >= 0 && rmdir("d") == 0);
	FAILS(ENOENT, openat(fd, "x", O_RDWR | O_CREAT, 0644));
	FAILS(ENOENT, mkdirat(fd, "x", 0755));
	CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0 && rmdir("../d") == 0);
	CHECK(!getcwd(path, sizeof(path)) && errno == ENOENT);
	CHECK(fchdir(fd) == 0 && close(fd) == 0);
	return NULL;
}

const struct check checks_listing[] = {
	{ "a listing while entries go, seekdir", listing },
	{ "listings while others make, move and remove", listing_under_change },
	{ "offsets that stay what they are", offsets },
	{ "listings in small bites", small_bites },
	{ "a directory that is removed while open", removed_directory },
	{ NULL, NULL },
};
