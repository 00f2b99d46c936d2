/* SPDX-License-Identifier: MIT */
/* Several processes at one thing. */
#include "posix.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>

/* True when n children have ended well. */
static bool all_well(int n)
{
	bool good = true;
	int status;

	while (n-- > 0)
		good &= wait(&status) > 0 && status == 0;
	return good;
}

/* One makes a file, writes, unlinks, writes on, reads back; another makes and removes the same names all the
 * time. */
static const char *unlink_and_use(void)
{
	enum { ROUNDS = 150, LEN = 3 * 4096 };
	static char data[LEN], got[LEN];

	for (int who = 0; who < 3; who++) {
		if (fork() != 0)
			continue;
		memset(data, 'a' + who, LEN);
		for (int k = 0; k < ROUNDS; k++) {
			int fd = open("f", O_RDWR | O_CREAT | O_EXCL, 0644);
			struct stat st;

			if (fd < 0 && errno == EEXIST)
				fd = open("f", O_RDONLY);
			if (fd < 0 && errno == ENOENT)
				continue;
			if (fd < 0)
				_exit(1);
			if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
				/* somebody else's: what is read is one writer's, from begin to end */
				ssize_t n = pread(fd, got, LEN, 0);

				for (ssize_t at = 1; at < n; at++)
					if (got[at] != got[0])
						_exit(2);
				(void)unlink("f");
			} else {
				if (pwrite(fd, data, LEN / 2, 0) != LEN / 2 ||
				    (unlink("f") < 0 && errno != ENOENT) ||
				    pwrite(fd, data, LEN / 2, LEN / 2) != LEN / 2)
					_exit(3);
				if (pread(fd, got, LEN, 0) != LEN || memcmp(got, data, LEN) != 0 ||
				    fstat(fd, &st) < 0 || st.st_size != LEN)
					_exit(4);
			}
			close(fd);
		}
		_exit(0);
	}
	CHECK(all_well(3));
	return NULL;
}

/* Of those who make one name with O_EXCL, or mkdir, or link it, one wins each time. */
static const char *one_wins(void)
{
	enum { PROCESSES = 4, ROUNDS = 100 };
	unsigned *won = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char name[32];

	CHECK(won != MAP_FAILED && made("src", "", 0644));
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		for (int k = 0; k < ROUNDS; k++) {
			int fd, r;

			snprintf(name, sizeof(name), "n%d", k);
			if (k % 3 == 0)
				r = (fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644)) < 0 ? -1 : close(fd);
			else
				r = k % 3 == 1 ? mkdir(name, 0755) : link("src", name);
			if (r < 0 && errno != EEXIST)
				_exit(1);
			if (r == 0)
				__atomic_add_fetch(&won[k], 1, __ATOMIC_SEQ_CST);
		}
		_exit(0);
	}
	CHECK(all_well(PROCESSES));
	for (int k = 0; k < ROUNDS; k++)
		CHECK(won[k] == 1);
	CHECK(munmap(won, 4096) == 0);
	return NULL;
}

/* A name that is replaced is never absent, and always whole. */
static const char *replaced_in_one_step(void)
{
	enum { ROUNDS = 300 };
	pid_t writer;
	int status;

	CHECK(made("f", "0000000000", 0644));
	writer = fork();
	if (writer == 0) {
		char text[11];

		for (int k = 0; k < ROUNDS; k++) {
			memset(text, '0' + k % 10, 10);
			text[10] = 0;
			(void)unlink("new");
			if (!made("new", text, 0644) || rename("new", "f") < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		char got[20];
		int fd = open("f", O_RDONLY);

		CHECK(fd >= 0 && read(fd, got, sizeof(got)) == 10);
		for (int k = 1; k < 10; k++)
			CHECK(got[k] == got[0]);
		CHECK(close(fd) == 0);
	}
	CHECK(status == 0);
	return NULL;
}

/* Directories moved into each other from two sides never make a ring. */
static const char *moved_into_each_other(void)
{
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
	for (int p = 0; p < 2; p++) {
		if (fork() != 0)
			continue;
		for (int k = 0; k < 200; k++) {
			const char *from = p ? "a" : "b", *to = p ? "b/a" : "a/b";

			if (rename(from, to) == 0 && rename(to, from) < 0)
				_exit(1);
			if (access(from, F_OK) < 0 && errno != ENOENT)
				_exit(2);
		}
		_exit(0);
	}
	CHECK(all_well(2) && rmdir("a") == 0 && rmdir("b") == 0);
	return NULL;
}

/* A write of up to a page is seen whole or not at all by who reads the same page. */
static const char *reads_during_writes(void)
{
	enum { LEN = 4096, ROUNDS = 500 };
	static char data[LEN], got[LEN];
	int fd, status;
	pid_t writer;

	CHECK((fd = make("f", "", 0644)) >= 0 && pwrite(fd, data, LEN, 0) == LEN);
	writer = fork();
	if (writer == 0) {
		for (int k = 0; k < ROUNDS; k++) {
			memset(data, k, LEN);
			if (pwrite(fd, data, LEN, 0) != LEN ||
			    (k % 10 == 0 && (ftruncate(fd, 0) < 0 || pwrite(fd, data, LEN, 0) != LEN)))
				_exit(1);
		}
		_exit(0);
	}
	while (waitpid(writer, &status, WNOHANG) == 0) {
		ssize_t n = pread(fd, got, LEN, 0);

		CHECK(n == LEN || n == 0);
	}
	CHECK(status == 0 && pread(fd, got, LEN, 0) == LEN && memcmp(got, data, 0) == 0 &&
	      got[0] == (char)(ROUNDS - 1) && got[LEN - 1] == got[0] && close(fd) == 0);
	return NULL;
}

/* What listers and who changes what they list share. */
struct listing_race {
	atomic_bool go, over;
	atomic_int idle;
};

enum { LISTED = 40, LISTERS = 3 };

static const char *listed_name(unsigned i, const char *below)
{
	static char name[64];

	snprintf(name, sizeof(name), "d%u%s", i % LISTED, below);
	return name;
}

/* `ls -l`, again and again, as long as it may. */
static void list_while(struct listing_race *race, int who)
{
	char own[16];

	snprintf(own, sizeof(own), "own%d", who);
	while (!atomic_load(&race->over)) {
		struct dirent *entry;
		struct stat st;
		DIR *dir;

		if (!atomic_load(&race->go)) {
			atomic_fetch_add(&race->idle, 1);
			while (!atomic_load(&race->go) && !atomic_load(&race->over))
				usleep(50);
			atomic_fetch_sub(&race->idle, 1);
		}
		/* another listing than the one before, so that it is asked for */
		if (!made(own, "", 0600) || unlink(own) < 0 || !(dir = opendir(".")))
			_exit(1);
		while ((entry = readdir(dir)))
			(void)lstat(entry->d_name, &st);
		(void)closedir(dir);
	}
	_exit(0);
}

static bool is_as_it_is(const char *name)
{
	struct statx kept, asked;

	return statx(AT_FDCWD, name, 0, STATX_BASIC_STATS, &kept) == 0 &&
	       statx(AT_FDCWD, name, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &asked) == 0 &&
	       kept.stx_nlink == asked.stx_nlink && kept.stx_mode == asked.stx_mode &&
	       kept.stx_blocks == asked.stx_blocks && kept.stx_mtime.tv_sec == asked.stx_mtime.tv_sec &&
	       kept.stx_mtime.tv_nsec == asked.stx_mtime.tv_nsec &&
	       kept.stx_ctime.tv_sec == asked.stx_ctime.tv_sec &&
	       kept.stx_ctime.tv_nsec == asked.stx_ctime.tv_nsec;
}

/* change() makes some change of number n to the listed thing i; afterwards all are stat'ed. */
static const char *list_beside(bool (*change)(unsigned i, unsigned n))
{
	enum { ROUNDS = 60, CHANGES = 30 };
	struct listing_race *race =
		mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned wrong = 0, n = 0;

	CHECK(race != MAP_FAILED);
	for (int who = 0; who < LISTERS; who++)
		if (fork() == 0)
			list_while(race, who);
	for (int round = 0; round < ROUNDS; round++) {
		atomic_store(&race->go, true);
		usleep(200 + 37 * (unsigned)(round % 50));
		for (int k = 0; k < CHANGES; k++, n++)
			CHECK(change(n * 7, n));
		atomic_store(&race->go, false);
		while (atomic_load(&race->idle) < LISTERS)
			usleep(50);
		for (unsigned i = 0; i < LISTED; i++)
			wrong += !is_as_it_is(listed_name(i, ""));
	}
	atomic_store(&race->over, true);
	CHECK(all_well(LISTERS) && wrong == 0);
	return NULL;
}

static bool make_below(unsigned i, unsigned n)
{
	char below[16];

	snprintf(below, sizeof(below), "/x%u", n);
	return mkdir(listed_name(i, below), 0755) == 0;
}

static const char *folders_listed_and_filled(void)
{
	for (unsigned i = 0; i < LISTED; i++)
		CHECK(mkdir(listed_name(i, ""), 0755) == 0);
	return list_beside(make_below);
}

static bool set_value(unsigned i, unsigned n)
{
	return setxattr(listed_name(i, ""), "user.number", &n, sizeof(n), 0) == 0;
}

static bool punch(unsigned i, unsigned n)
{
	int fd = open(listed_name(i, ""), O_RDWR);
	bool good = fd >= 0 &&
		    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, n % 16 * 4096, 4096) == 0;

	return fd >= 0 && close(fd) == 0 && good;
}

static const char *make_listed_files(void)
{
	for (unsigned i = 0; i < LISTED; i++)
		CHECK(made(listed_name(i, ""), "", 0644) && truncate(listed_name(i, ""), 16 * 4096) == 0);
	return NULL;
}

static const char *files_listed_and_labelled(void)
{
	PASS_ON(make_listed_files());
	return list_beside(set_value);
}

static const char *files_listed_and_punched(void)
{
	PASS_ON(make_listed_files());
	return list_beside(punch);
}

const struct check checks_races[] = {
	{ "unlink, and read and write on", unlink_and_use },
	{ "one of many makes the name", one_wins },
	{ "rename replaces in one step", replaced_in_one_step },
	{ "directories moved into each other", moved_into_each_other },
	{ "reads during writes and truncates", reads_during_writes },
	{ "folders are listed while they are filled, and then are what they are", folders_listed_and_filled },
	{ "files are listed while they get extended attributes", files_listed_and_labelled },
	{ "files are listed while holes are punched", files_listed_and_punched },
	{ NULL, NULL },
};
