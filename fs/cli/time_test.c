/* SPDX-License-Identifier: MIT */
#include "fs/cli/time_test.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"

enum { NAMES_OPEN = 32 };

/* --- where it is written out */

static int open_up(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_D || type == FTW_DNR)
		(void)chmod(path, 0700);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static void remove_tree(const char *path)
{
	(void)nftw(path, open_up, NAMES_OPEN, FTW_PHYS);
	(void)nftw(path, remove_one, NAMES_OPEN, FTW_PHYS | FTW_DEPTH);
}

static int make_folder(struct time_test *t, struct hf_error *err)
{
	const char *tmp = getenv("TMPDIR");

	if (asprintf(&t->folder, "%s/holdfast-first-bad.XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0) {
		t->folder = NULL;
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	if (!mkdtemp(t->folder)) {
		int code = -errno;

		hf_error_set(err, code, "%s: %s; TMPDIR says where temporary files go", t->folder,
			     strerror(-code));
		free(t->folder);
		t->folder = NULL;
		return code;
	}
	return 0;
}

int time_test_begin(struct time_test *t, int count, char **words, struct hf_error *err)
{
	struct hf_progress quiet = { NULL, NULL };
	int r = target_of_words(count, words, NULL, &t->target, err);

	if (r == 0)
		r = location_talk_begin(&t->target.location, quiet, &t->talk, err);
	if (r < 0)
		return r;
	if (t->target.location.mount && !*t->target.location.root && !t->talk.store) {
		if (asprintf(&t->history, "%s/.history/at", t->target.location.mount) < 0)
			t->history = NULL;
		if (t->history && access(t->history, X_OK) == 0)
			return 0;
		free(t->history);
		t->history = NULL;
	}
	return make_folder(t, err);
}

void time_test_end(struct time_test *t)
{
	location_talk_end(&t->talk);
	target_release(&t->target);
	if (t->folder)
		remove_tree(t->folder);
	free(t->folder);
	free(t->history);
	json_decref(t->result);
	*t = (struct time_test){ .command = NULL };
}

static json_t *ask_what(struct time_test *t, const char *moment, struct hf_error *err)
{
	struct operation_listener quiet = { .arg = NULL };
	json_t *request = json_pack("{s:s, s:s}", "do", "what", "moment", moment), *answer = NULL;

	if (request && output_set_path(request, "path", t->target.path) == 0)
		answer = location_talk_ask(&t->talk, request, &quiet, err);
	else
		hf_error_set(err, -ENOMEM, "no memory");
	json_decref(request);
	return answer;
}

int time_test_find(struct time_test *t, const char *moment, uint64_t *ret, struct hf_error *err)
{
	json_t *answer = ask_what(t, moment, err);

	if (!answer)
		return err->code ? err->code : -EIO;
	*ret = output_get_number(answer, "tid");
	json_decref(answer);
	return 0;
}

/* Of a store at rest: make it a folder or a file below `to`, and *ret that path. What was not there then is
 * not. */
static int write_out(struct time_test *t, const char *moment, const char *to, char **ret,
		     struct hf_error *err)
{
	struct operation_listener quiet = { .arg = NULL };
	const char *slash = strrchr(t->target.path, '/');
	const char *name = slash ? slash + 1 : t->target.path;
	json_t *what = ask_what(t, moment, err), *request, *answer = NULL;
	bool there, is_dir;

	if (!what)
		return err->code ? err->code : -EIO;
	there = json_is_true(json_object_get(what, "there"));
	is_dir = !strcmp(output_get_text(what, "type"), "directory");
	json_decref(what);
	if (asprintf(ret, "%s%s%s", to, is_dir ? "" : "/", is_dir ? "" : name) < 0) {
		*ret = NULL;
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	if (!there)
		return 0;
	request = json_pack("{s:s, s:s, s:s}", "do", "restore", "moment", moment, "to", to);
	if (request && output_set_path(request, "path", t->target.path) == 0)
		answer = location_talk_ask(&t->talk, request, &quiet, err);
	json_decref(request);
	if (!answer)
		return err->code ? err->code : hf_error_set(err, -ENOMEM, "no memory");
	json_decref(answer);
	return 0;
}

static int run_command(const char *command, const char *path, const char *moment, int *ret_status)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, interrupt, quit;
	pid_t pid;
	int r = 0;

	fflush(stdout);
	(void)sigaction(SIGINT, &ignore, &interrupt);
	(void)sigaction(SIGQUIT, &ignore, &quit);
	pid = fork();
	if (pid == 0) {
		(void)sigaction(SIGINT, &interrupt, NULL);
		(void)sigaction(SIGQUIT, &quit, NULL);
		/* what it prints is no part of our answer */
		if (dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 && setenv("HOLDFAST_PATH", path, 1) == 0 &&
		    setenv("HOLDFAST_MOMENT", moment, 1) == 0)
			execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
		_exit(127);
	}
	if (pid < 0)
		r = -errno;
	while (r == 0 && waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			r = -errno;
	(void)sigaction(SIGINT, &interrupt, NULL);
	(void)sigaction(SIGQUIT, &quit, NULL);
	return r;
}

int time_test_run(struct time_test *t, uint64_t tid, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *path = NULL;
	CLEANUP(cli_cleanup_free) char *to = NULL;
	char moment[32];
	int status = 0, r;

	snprintf(moment, sizeof(moment), "tid-%" PRIu64, tid);
	if (t->history) {
		if (asprintf(&path, "%s/%s/%s", t->history, moment, t->target.path) < 0)
			path = NULL;
		r = path ? 0 : hf_error_set(err, -ENOMEM, "no memory");
	} else {
		if (asprintf(&to, "%s/%s", t->folder, moment) < 0)
			to = NULL;
		r = to ? write_out(t, moment, to, &path, err) : hf_error_set(err, -ENOMEM, "no memory");
	}
	if (r == 0) {
		r = run_command(t->command, path, moment, &status);
		if (r < 0)
			hf_error_set(err, r, "the test cannot be run: %s", strerror(-r));
	}
	if (to)
		remove_tree(to);
	if (r < 0)
		return r;
	if (WIFSIGNALED(status))
		return hf_error_set(err, -EINTR, "the test was ended by signal %d, at %s", WTERMSIG(status),
				    moment);
	if (WEXITSTATUS(status) > 125)
		return hf_error_set(err, -EINVAL,
				    "the test ended with exit code %d at %s: 0 is good, 1 to 124 bad, 125 "
				    "skip",
				    WEXITSTATUS(status), moment);
	return WEXITSTATUS(status);
}
