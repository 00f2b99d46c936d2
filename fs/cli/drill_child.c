/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/drill.h"
#include "fs/cli/output.h"

enum { CHILD_FD = 3 };

/* --- the folder that is thrown away */

int drill_make_scratch(const char *dir, char **ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *path = NULL;
	CLEANUP(cli_cleanup_free) char *there = NULL;
	const char *tmp = getenv("TMPDIR");

	if (!dir)
		dir = tmp && *tmp ? tmp : "/var/tmp";
	there = realpath(dir, NULL);
	if (!there)
		return hf_error_set(err, -errno, "%s: %s", dir, strerror(errno));
	if (asprintf(&path, "%s/holdfast-drill.XXXXXX", there) < 0) {
		path = NULL;
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	if (!mkdtemp(path))
		return hf_error_set(err, -errno, "cannot make a folder in %s: %s; name another with --dir",
				    dir, strerror(errno));
	*ret = path;
	path = NULL;
	return 0;
}

void drill_remove_scratch(const char *path)
{
	char *const paths[] = { (char *)path, NULL };
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);

	if (!walk)
		return;
	for (const FTSENT *e; (e = fts_read(walk));) {
		if (e->fts_info == FTS_D) /* what was restored may be closed to its owner */
			(void)!chmod(e->fts_accpath, 0700);
		else if (e->fts_info == FTS_DP)
			(void)rmdir(e->fts_accpath);
		else
			(void)unlink(e->fts_accpath);
	}
	(void)fts_close(walk);
}

/* --- the process */

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* Without SA_RESTART: who reads from the pipe wakes up. */
static void catch_signals(void (*handler)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = handler };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &action, NULL);
}

void drill_catch_signals(void)
{
	catch_signals(interrupt);
}

static void run_child(const struct drill_plan *plan, int fd, pid_t parent)
{
	catch_signals(SIG_DFL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || dup2(fd, CHILD_FD) < 0)
		_exit(2);
	drill_steps(plan, CHILD_FD);
	_exit(0);
}

/* --- what it tells */

/* Takes the line; *ret_end is set by the last. */
static void take_line(const struct drill_watch *watch, json_t *line, json_t **ret_end)
{
	const char *progress = output_get_text(line, "progress");

	if (json_is_object(json_object_get(line, "end")) && !*ret_end)
		*ret_end = json_incref(json_object_get(line, "end"));
	else if (*output_get_text(line, "step"))
		watch->step(watch->arg, line);
	else if (*progress && watch->progress.fn)
		watch->progress.fn(watch->progress.arg, progress, output_get_number(line, "done"),
				   output_get_number(line, "total"));
	json_decref(line);
}

static json_t *listen_to(int fd, const struct drill_watch *watch)
{
	FILE *in = fdopen(fd, "r");
	json_t *end = NULL;
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;

	if (!in) {
		(void)close(fd);
		return NULL;
	}
	while (!interrupted && (len = getline(&text, &cap, in)) > 0) {
		json_t *line = json_loadb(text, (size_t)len, 0, NULL);

		if (line)
			take_line(watch, line, &end);
	}
	free(text);
	(void)fclose(in);
	return end;
}

json_t *drill_child(const struct drill_plan *plan, const struct drill_watch *watch, struct hf_error *err)
{
	const pid_t parent = getpid();
	json_t *end;
	int ends[2], status = 0;
	pid_t pid;

	(void)fflush(NULL); /* else what waits there is said twice */
	if (pipe2(ends, O_CLOEXEC) < 0) {
		hf_error_set(err, -errno, "no pipe: %s", strerror(errno));
		return NULL;
	}
	pid = fork();
	if (pid == 0)
		run_child(plan, ends[1], parent);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		hf_error_set(err, -errno, "no process: %s", strerror(errno));
		return NULL;
	}
	end = listen_to(ends[0], watch);
	if (!end)
		(void)kill(pid, SIGKILL); /* it is dead already, unless we were interrupted */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (end && !interrupted && WIFEXITED(status))
		return end;
	json_decref(end);
	if (interrupted)
		hf_error_set(err, -EINTR, "stopped; nothing is left of the rehearsal, and nothing was noted");
	else
		hf_error_set(err, -EIO, "the rehearsal broke off%s%s", WIFSIGNALED(status) ? ": " : "",
			     WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
	return NULL;
}
