/* SPDX-License-Identifier: MIT */
#include "store/alarm/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

extern char **environ;

/* Signals as a new process expects them, whatever ours ignores or blocks; and a group of its own. */
static int set_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, defaults;

	(void)sigemptyset(&none);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)sigaddset(&defaults, SIGHUP);
	(void)sigaddset(&defaults, SIGCHLD);
	return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						      POSIX_SPAWN_SETPGROUP) ||
	       posix_spawnattr_setsigmask(attr, &none) || posix_spawnattr_setsigdefault(attr, &defaults) ||
	       posix_spawnattr_setpgroup(attr, 0);
}

static int set_files(posix_spawn_file_actions_t *files, int in)
{
	return posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO) ||
	       posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) ||
	       posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ||
	       posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
}

static int start(const char *path, const struct hf_alarm *a, int in, pid_t *ret)
{
	/* posix_spawn takes pointers that are not const, and changes nothing. */
	const char *volume = a->volume_id[0] ? a->volume_id : "-";
	char *argv[] = { (char *)(uintptr_t)path, (char *)(uintptr_t)a->kind, (char *)(uintptr_t)volume,
			 NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	int r;

	if (posix_spawn_file_actions_init(&files) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attr) != 0) {
		(void)posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	r = set_attributes(&attr) || set_files(&files, in) ?
		    -ENOMEM :
		    -posix_spawn(ret, path, &files, &attr, argv, environ);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&files);
	return r;
}

/* 0: it has ended. */
static int await(pid_t pid, int stop_fd, int limit_ms)
{
	CLEANUP(cleanup_fd) int fd = pidfd_open(pid, 0);
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	int n;

	if (fd < 0)
		return -errno;
	do
		n = poll(fds, 2, limit_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == 0 ? -ETIMEDOUT : fds[0].revents ? 0 : -ECANCELED;
}

static int reap(pid_t pid)
{
	int status;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPROTO;
}

int hook_run(const char *path, const struct hf_alarm *a, const struct buf *text, int stop_fd, int limit_ms,
	     struct hf_error *err)
{
	int in[2], r, ended;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) < 0)
		return hf_error_set(err, -errno, "no pipe: %s", strerror(errno));
	if (write(in[1], text->data, text->len) != (ssize_t)text->len)
		r = -EIO;
	else
		r = start(path, a, in[0], &pid);
	(void)close(in[0]);
	(void)close(in[1]);
	if (r < 0)
		return hf_error_set(err, r, "cannot run %s: %s", path, strerror(-r));
	r = await(pid, stop_fd, limit_ms);
	if (r < 0)
		(void)kill(-pid, SIGKILL);
	ended = reap(pid);
	if (r == -ETIMEDOUT)
		return hf_error_set(err, r, "%s did not end in %d s and was killed", path, limit_ms / 1000);
	if (r < 0)
		return hf_error_set(err, r, "%s was killed: %s", path, strerror(-r));
	return ended < 0 ? hf_error_set(err, ended, "%s did not end well", path) : 0;
}
