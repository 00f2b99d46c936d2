/* SPDX-License-Identifier: MIT */
/*
 * What POSIX and Linux promise of a file system, asked of a folder: `posix DIR [KIND…]`. Each check has a
 * folder of its own in DIR and prints one line of TAP. Some need root, to become somebody else: without it
 * they are skipped. The checks of a kind are in posix_KIND.c; none named: all.
 */
#include "posix.h"

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static char why[400];

const char *failed(const char *file, int line, const char *what, int error)
{
	const char *slash = strrchr(file, '/');

	snprintf(why, sizeof(why), "%s:%d: %s (errno %d, %s)", slash ? slash + 1 : file, line, what, error,
		 strerror(error));
	return why;
}

int make(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, mode);

	if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	return fd;
}

bool made(const char *name, const char *text, mode_t mode)
{
	int fd = make(name, text, mode);

	return fd >= 0 && close(fd) == 0;
}

bool holds(const char *name, const char *text)
{
	char got[4096] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && strcmp(got, text) == 0;
}

struct stat stat_of(const char *name)
{
	struct stat st = { 0 };

	(void)lstat(name, &st);
	return st;
}

mode_t mode_of(const char *name)
{
	return stat_of(name).st_mode & 07777;
}

static bool become(uid_t uid, gid_t gid, size_t n, const gid_t *groups)
{
	return uid == 0 ||
	       (setgroups(n, groups) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0);
}

const char *as_user(uid_t uid, gid_t gid, size_t n, const gid_t *groups, const char *(*fn)(void))
{
	static char said[400];
	int ends[2], status;
	ssize_t got;
	pid_t pid;

	if (uid != 0 && geteuid() != 0)
		SKIP("needs root");
	if (pipe(ends) < 0)
		return "no pipe";
	pid = fork();
	if (pid == 0) {
		const char *words;

		if (!become(uid, gid, n, groups))
			_exit(2);
		words = fn();
		if (words && write(ends[1], words, strlen(words) + 1) < 0)
			_exit(2);
		_exit(words != NULL);
	}
	close(ends[1]);
	got = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	said[got > 0 ? got : 0] = 0;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return "the child died";
	return WEXITSTATUS(status) ? said : NULL;
}

const char *as_somebody(const char *(*fn)(void))
{
	return as_user(SOMEBODY, SOMEBODY, 0, NULL, fn);
}

const char *in_child(const char *(*fn)(void))
{
	return as_user(0, 0, 0, NULL, fn);
}

bool copy_cat(const char *name)
{
	static char data[1 << 20];
	int from = open(access("/bin/cat", X_OK) == 0 ? "/bin/cat" : "/usr/bin/cat", O_RDONLY);
	int to = open(name, O_WRONLY | O_CREAT | O_EXCL, 0755);
	ssize_t n = 0;

	while (from >= 0 && to >= 0 && (n = read(from, data, sizeof(data))) > 0)
		if (write(to, data, (size_t)n) != n)
			break;
	return from >= 0 && to >= 0 && close(from) == 0 && close(to) == 0 && n == 0;
}

void pause_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static bool run(const struct check *check, int home, unsigned number)
{
	const char *words;
	char dir[32];

	snprintf(dir, sizeof(dir), "check %u", number);
	if (fchdir(home) < 0 || mkdir(dir, 0755) < 0 || chdir(dir) < 0)
		words = "its folder cannot be made";
	else
		words = check->fn();
	if (words && strncmp(words, "SKIP ", 5) == 0) {
		printf("ok %s # %s\n", check->name, words);
		words = NULL;
	} else {
		printf("%s %s%s%s\n", words ? "not ok" : "ok", check->name, words ? ": " : "",
		       words ? words : "");
	}
	(void)fflush(stdout);
	return !words;
}

static bool is_among(const char *word, char **words)
{
	while (*words && strcmp(*words, word) != 0)
		words++;
	return *words;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		const struct check *checks;
	} lists[] = {
		{ "names", checks_names },   { "rename", checks_rename },   { "listing", checks_listing },
		{ "data", checks_data },     { "map", checks_map },         { "space", checks_space },
		{ "times", checks_times },   { "xattr", checks_xattr },     { "rights", checks_rights },
		{ "setuid", checks_setuid }, { "acl", checks_acl },         { "locks", checks_locks },
		{ "races", checks_races },   { "handles", checks_handles },
	};
	unsigned number = 0;
	bool good = true;
	int home;

	if (argc < 2 || chdir(argv[1]) < 0 || (home = open(".", O_RDONLY | O_DIRECTORY)) < 0) {
		fprintf(stderr, "posix DIR [KIND…]\n");
		return 2;
	}
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++)
		if (argc == 2 || is_among(lists[k].name, argv + 2))
			for (const struct check *c = lists[k].checks; c->name; c++)
				good &= run(c, home, number++);
	printf("ok all the checks were made\n");
	return !good;
}
