/* SPDX-License-Identifier: MIT */
#include "fs/cli/diff_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fs/cli/cli.h"
#include "fs/cli/colour.h"
#include "fs/cli/output.h"

int diff_text_begin(struct diff_text *t, const json_t *a, const json_t *b, struct hf_error *err)
{
	const char *tmp = getenv("TMPDIR");

	t->a = a;
	t->b = b;
	if (asprintf(&t->folder, "%s/holdfast-diff.XXXXXX", tmp && *tmp ? tmp : "/tmp") < 0)
		t->folder = NULL;
	if (t->folder && !mkdtemp(t->folder)) {
		int code = -errno;

		hf_error_set(err, code, "%s: %s; TMPDIR says where temporary files go", t->folder,
			     strerror(-code));
		free(t->folder);
		t->folder = NULL;
		return code;
	}
	for (int i = 0; i < 2 && t->folder; i++)
		if (asprintf(&t->file[i], "%s/%c", t->folder, "ab"[i]) < 0)
			t->file[i] = NULL;
	return t->folder && t->file[0] && t->file[1] ? 0 : hf_error_set(err, -ENOMEM, "no memory");
}

void diff_text_release(struct diff_text *t)
{
	for (int i = 0; i < 2; i++) {
		if (t->file[i])
			(void)unlink(t->file[i]);
		free(t->file[i]);
	}
	if (t->folder)
		(void)rmdir(t->folder);
	free(t->folder);
	*t = (struct diff_text){ .talk = NULL };
}

static int write_file(void *arg, const void *data, size_t len)
{
	return fwrite(data, 1, len, arg) == len ? 0 : 1;
}

/* What path was at a moment, into a file. */
static int fetch(struct diff_text *t, const char *path, const json_t *point, const char *file,
		 struct hf_error *err)
{
	struct operation_listener listener = { .data = write_file };
	FILE *f = fopen(file, "we");
	char moment[40];
	json_t *request, *answer;
	bool bad;

	if (!f)
		return hf_error_set(err, -errno, "%s: %s", file, strerror(errno));
	listener.arg = f;
	snprintf(moment, sizeof(moment), "tid-%" JSON_INTEGER_FORMAT,
		 json_integer_value(json_object_get(point, "tid")));
	request = json_pack("{s:s, s:s, s:b}", "do", "cat", "moment", moment, "links", 1);
	if (!request || output_set_path(request, "path", path) < 0) {
		json_decref(request);
		fclose(f);
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	answer = location_talk_ask(t->talk, request, &listener, err);
	json_decref(request);
	bad = ferror(f) != 0;
	bad |= fclose(f) != 0;
	if (bad)
		hf_error_set(err, -EIO,
			     "%s: cannot be written: is the disk full? TMPDIR says where temporary files go",
			     file);
	if (!answer || bad) {
		json_decref(answer);
		return -EIO;
	}
	json_decref(answer);
	return 0;
}

static void exec_diff(char *const *argv)
{
	execvp(argv[0], argv);
	_exit(127);
}

static int run_diff(const char *file_a, const char *file_b, const char *label_a, const char *label_b,
		    struct hf_error *err)
{
	/* it knows nothing of NO_COLOR; and others of its name know nothing of colours */
	const char *format = *colour(stdout, COLOUR_NAME) ? "--color=always" : "-u";
	char *argv[] = {
		(char *)"diff",    (char *)"-u",    (char *)format, (char *)"--label", (char *)label_a,
		(char *)"--label", (char *)label_b, (char *)file_a, (char *)file_b,    NULL
	};
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		exec_diff(argv);
	if (pid < 0)
		return hf_error_set(err, -errno, "diff: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return hf_error_set(err, -errno, "diff: %s", strerror(errno));
	if (WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGPIPE) /* who reads has seen enough of it, and of us */
		(void)raise(SIGPIPE);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return hf_error_set(err, -ENOENT,
				    "-p needs diff(1) (package diffutils), which cannot be run");
	return WIFEXITED(status) && WEXITSTATUS(status) < 2 ? 0 : hf_error_set(err, -EIO, "diff(1) failed");
}

static bool has_text(const json_t *state)
{
	const char *type = output_get_text(state, "type");

	return !strcmp(type, "file") || !strcmp(type, "link");
}

/* "path@moment" for one that has text, else /dev/null. malloc'ed. */
static char *label_of(const char *path, const json_t *point, bool text)
{
	char *label;

	if (!text)
		return strdup("/dev/null");
	return asprintf(&label, "%s@%s", path, output_get_text(point, "moment")) < 0 ? NULL : label;
}

int diff_text_print(struct diff_text *t, const json_t *row, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *path = output_get_path(row, "path");
	CLEANUP(cli_cleanup_free) char *renamed = output_get_path(row, "path_before");
	CLEANUP(cli_cleanup_free) char *label_a = NULL;
	CLEANUP(cli_cleanup_free) char *label_b = NULL;
	bool a = has_text(json_object_get(row, "a")), b = has_text(json_object_get(row, "b"));
	const char *before = renamed ? renamed : path;
	int r = 0;

	if (!path)
		return hf_error_set(err, -ENOMEM, "no memory");
	if ((!a && !b) || !strcmp(output_get_text(row, "kind"), "P") ||
	    (renamed && strcmp(output_get_text(row, "also"), "M")))
		return 0;
	label_a = label_of(before, t->a, a);
	label_b = label_of(path, t->b, b);
	if (!label_a || !label_b)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (a)
		r = fetch(t, before, t->a, t->file[0], err);
	if (r == 0 && b)
		r = fetch(t, path, t->b, t->file[1], err);
	return r == 0 ? run_diff(a ? t->file[0] : "/dev/null", b ? t->file[1] : "/dev/null", label_a, label_b,
				 err) :
			r;
}
