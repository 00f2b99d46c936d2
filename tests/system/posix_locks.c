/* SPDX-License-Identifier: MIT */
/* Locks of all three kinds, across processes. */
#include "posix.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>

static const char *locking(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	int fd = make("f", "", 0644), status;
	pid_t pid;

	CHECK(flock(fd, LOCK_EX) == 0 && fcntl(fd, F_SETLK, &lock) == 0);
	pid = fork();
	if (pid == 0) {
		struct flock mine = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 10 };
		int other = open("f", O_RDWR), bad = 0;

		bad |= flock(other, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
		bad |= (fcntl(other, F_SETLK, &mine) == 0 || (errno != EAGAIN && errno != EACCES)) << 1;
		bad |= (fcntl(other, F_GETLK, &mine) < 0 || mine.l_type != F_WRLCK ||
			mine.l_pid != getppid() || mine.l_start != 10)
		       << 2;
		mine = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 5 };
		bad |= (fcntl(other, F_SETLK, &mine) < 0) << 3;
		_exit(bad);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status))
		return failed(__FILE__, __LINE__, "another process sees the locks wrongly",
			      WEXITSTATUS(status));
	CHECK(flock(fd, LOCK_UN) == 0 && close(fd) == 0);
	return NULL;
}

static int lock(int fd, int command, short type, off_t from, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = len };

	return fcntl(fd, command, &l);
}

/* The type of the lock that is in the way of a lock for writing, as another process sees it: F_UNLCK for
 * none. */
static int in_the_way(off_t from, off_t len)
{
	int status;

	if (fork() == 0) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = len };
		int fd = open("f", O_RDWR);

		_exit(fd < 0 || fcntl(fd, F_GETLK, &l) < 0 ? 99 : l.l_type);
	}
	return wait(&status) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static const char *ranges(void)
{
	int fd = make("f", "", 0644), other;

	CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 100) == 0 && lock(fd, F_SETLK, F_RDLCK, 40, 20) == 0);
	CHECK(in_the_way(0, 40) == F_WRLCK && in_the_way(45, 1) == F_RDLCK && in_the_way(60, 40) == F_WRLCK &&
	      in_the_way(100, 0) == F_UNLCK);
	CHECK(lock(fd, F_SETLK, F_UNLCK, 10, 20) == 0 && in_the_way(10, 20) == F_UNLCK &&
	      in_the_way(9, 1) == F_WRLCK && in_the_way(30, 1) == F_WRLCK);
	CHECK(lock(fd, F_SETLK, F_WRLCK, (off_t)1 << 40, 0) == 0 && in_the_way((off_t)1 << 50, 1) == F_WRLCK);
	/* closing any descriptor of the file lets go of all */
	CHECK((other = open("f", O_RDONLY)) >= 0 && close(other) == 0 && in_the_way(0, 0) == F_UNLCK);
	CHECK(lockf(fd, F_LOCK, 10) == 0 && in_the_way(0, 10) == F_WRLCK && lockf(fd, F_ULOCK, 10) == 0 &&
	      in_the_way(0, 10) == F_UNLCK);
	FAILS(EBADF, (other = open("f", O_RDONLY)) < 0 ? 0 : lock(other, F_SETLK, F_WRLCK, 0, 1));
	CHECK(close(other) == 0 && close(fd) == 0);
	return NULL;
}

/* Who waits gets it when it is free, also because its holder died. */
static const char *waiting(void)
{
	int fd = make("f", "", 0644), ready[2], status;
	pid_t holder, waiter;
	char c;

	CHECK(pipe(ready) == 0);
	holder = fork();
	if (holder == 0) {
		if (lock(fd, F_SETLK, F_WRLCK, 0, 10) == 0 && write(ready[1], "h", 1) == 1)
			pause();
		_exit(1);
	}
	CHECK(read(ready[0], &c, 1) == 1 && in_the_way(0, 10) == F_WRLCK);
	waiter = fork();
	if (waiter == 0)
		_exit(lock(fd, F_SETLKW, F_WRLCK, 5, 10) < 0 || write(ready[1], "w", 1) != 1);
	pause_ms(50);
	CHECK(waitpid(waiter, &status, WNOHANG) == 0);
	CHECK(kill(holder, SIGKILL) == 0 && waitpid(holder, &status, 0) == holder);
	CHECK(waitpid(waiter, &status, 0) == waiter && status == 0 && read(ready[0], &c, 1) == 1 && c == 'w');
	CHECK(in_the_way(0, 0) == F_UNLCK && close(fd) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
	return NULL;
}

static const char *deadlock(void)
{
	int fd = make("f", "", 0644), ready[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(ready) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
	pid = fork();
	if (pid == 0) {
		if (lock(fd, F_SETLK, F_WRLCK, 1, 1) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1) < 0 && errno != EDEADLK);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	pause_ms(50);
	/* one of the two is told; the other gets it */
	CHECK(lock(fd, F_SETLKW, F_WRLCK, 1, 1) == 0 || errno == EDEADLK);
	CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0 && waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(close(fd) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
	return NULL;
}

/* Locks of an open file description: of one process's two they are in each other's way. */
static const char *of_descriptions(void)
{
	int a = make("f", "", 0644), b = open("f", O_RDWR), other, same, status;

	CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10) == 0);
	FAILS(EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	FAILS(EAGAIN, lock(b, F_SETLK, F_RDLCK, 5, 1));
	CHECK((other = open("f", O_RDWR)) >= 0 && close(other) == 0);
	FAILS(EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1)); /* it outlives another descriptor */
	CHECK((same = dup(a)) >= 0 && close(a) == 0);
	FAILS(EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1)); /* and a copy of its own */
	if (fork() == 0)
		_exit(lock(same, F_OFD_SETLK, F_UNLCK, 0, 5) < 0); /* a child has the description, too */
	CHECK(wait(&status) > 0 && status == 0 && lock(b, F_OFD_SETLK, F_WRLCK, 0, 5) == 0);
	FAILS(EAGAIN, lock(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	CHECK(close(same) == 0 && lock(b, F_OFD_SETLK, F_WRLCK, 5, 1) == 0 && in_the_way(5, 1) == F_WRLCK &&
	      close(b) == 0);
	return NULL;
}

static const char *flocks(void)
{
	int a = make("f", "", 0644), b = open("f", O_RDONLY), status;

	CHECK(flock(a, LOCK_SH) == 0 && flock(b, LOCK_SH | LOCK_NB) == 0);
	FAILS(EWOULDBLOCK, flock(a, LOCK_EX | LOCK_NB));
	CHECK(flock(b, LOCK_UN) == 0 && flock(a, LOCK_EX | LOCK_NB) == 0);
	FAILS(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
	CHECK(lock(a, F_SETLK, F_WRLCK, 0, 0) == 0); /* another kind of lock */
	if (fork() == 0)
		_exit(flock(a, LOCK_UN) < 0); /* a child's descriptor is of the same description */
	CHECK(wait(&status) > 0 && status == 0 && flock(b, LOCK_EX | LOCK_NB) == 0 && flock(b, LOCK_UN) == 0);
	CHECK(unlink("f") == 0 && flock(a, LOCK_EX) == 0 && close(a) == 0 &&
	      flock(b, LOCK_EX | LOCK_NB) == 0 && close(b) == 0);
	CHECK((a = open(".", O_RDONLY | O_DIRECTORY)) >= 0 && flock(a, LOCK_EX) == 0 && close(a) == 0);
	return NULL;
}

/* Many processes count in one file, and lose nothing: locks of each kind keep them apart. */
static const char *counting(void)
{
	enum { PROCESSES = 4, ROUNDS = 60 };
	char got[16] = "";
	int status;

	CHECK(made("f", "0", 0644));
	for (int p = 0; p < PROCESSES; p++) {
		if (fork() != 0)
			continue;
		int fd = open("f", O_RDWR);

		for (int k = 0; k < ROUNDS; k++) {
			int n;

			if ((p % 2 ? lock(fd, F_OFD_SETLKW, F_WRLCK, 0, 0) :
				     lock(fd, F_SETLKW, F_WRLCK, 0, 0)) < 0)
				_exit(1);
			memset(got, 0, sizeof(got));
			if (pread(fd, got, sizeof(got) - 1, 0) < 1 || sscanf(got, "%d", &n) != 1)
				_exit(1);
			n = snprintf(got, sizeof(got), "%d", n + 1);
			if (pwrite(fd, got, (size_t)n, 0) != n ||
			    lock(fd, p % 2 ? F_OFD_SETLK : F_SETLK, F_UNLCK, 0, 0) < 0)
				_exit(1);
		}
		_exit(0);
	}
	for (int p = 0; p < PROCESSES; p++)
		CHECK(wait(&status) > 0 && status == 0);
	snprintf(got, sizeof(got), "%d", PROCESSES * ROUNDS);
	CHECK(holds("f", got));
	return NULL;
}

const struct check checks_locks[] = {
	{ "flock and fcntl locks", locking },
	{ "fcntl locks: ranges, and who lets go", ranges },
	{ "fcntl locks: waiting", waiting },
	{ "fcntl locks: EDEADLK", deadlock },
	{ "locks of open file descriptions", of_descriptions },
	{ "flock: shared, exclusive, inherited", flocks },
	{ "processes that count in one file", counting },
	{ NULL, NULL },
};
