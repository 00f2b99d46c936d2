/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/mountinfo.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"
#include "fs/cli/restore_print.h"

struct report {
	struct progress progress;
	json_t *failed; /* with --json */
};

static void found(void *arg, const char *what)
{
	struct report *report = arg;

	progress_end(&report->progress);
	if (report->failed)
		json_array_append_new(report->failed, json_string(what));
	else
		fprintf(stderr, "holdfast: %s\n", what);
}

struct asked {
	struct target target;
	const char *to; /* as it was said; NULL: in place */
	char *outside;  /* where that is, or */
	char *inside;   /* from the root of the volume */
	bool dry, verbose, json;
};

static void asked_release(struct asked *a)
{
	target_release(&a->target);
	free(a->outside);
	free(a->inside);
}

/* Which of the two --to means. */
static int find_to(struct asked *a, struct hf_error *err)
{
	const struct location *location = &a->target.location;
	CLEANUP(cli_cleanup_free) char *within = NULL;
	CLEANUP(cli_cleanup_free) char *past = NULL;
	struct mountinfo m = { .dir = NULL };
	int r = cli_absolute(a->to, &a->outside, err);
	bool same;

	if (r < 0)
		return r;
	if (cli_is_inside(a->outside, location->store))
		return hf_error_set(err, -EINVAL, "%s is in the store: restore to a folder outside", a->to);
	same = mountinfo_find(a->outside, &m) == 0 && !strcmp(m.store, location->store);
	within = same ? mountinfo_within(&m, a->outside) : NULL;
	mountinfo_release(&m);
	if (!same)
		return 0;
	if (!a->target.moment)
		return hf_error_set(err, -EINVAL,
				    "%s is in the volume itself: say what is to be restored there as "
				    "PATH@MOMENT; or restore to a folder outside",
				    a->to);
	r = within ? target_clean(within, &a->inside, &past, err) : hf_error_set(err, -ENOMEM, "no memory");
	if (r == 0 && past)
		r = hf_error_set(err, -EROFS, "%s is of the past, which does not change", a->to);
	free(a->outside);
	a->outside = NULL;
	return r;
}

/* --- to somewhere else, as files */

static json_t *extract(const struct asked *a, struct report *report, struct hf_error *err)
{
	struct operation_listener listener = { .found = found, .arg = report };
	json_t *request = json_pack("{s:s, s:s}", "do", "restore", "to", a->outside), *answer = NULL;

	if (!request)
		hf_error_set(err, -EINVAL, "--to: a name that is not UTF-8 cannot be told here");
	else if (target_to_request(&a->target, request, err) == 0) {
		listener.progress = progress_begin(&report->progress);
		answer = location_ask(&a->target.location, request, &listener, err);
		progress_end(&report->progress);
	}
	json_decref(request);
	return answer;
}

/* `path`: what was restored; one file is a name in the folder, a folder is that itself. */
static void print_summary(const json_t *answer, const char *to, const char *path)
{
	const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
	char files[OUTPUT_TEXT_BYTES], folders[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES],
		n[OUTPUT_TEXT_BYTES];

	print_name(stdout, to);
	if (*file && output_get_number(answer, "folders") == 0) {
		printf("/");
		print_name(stdout, file);
	}
	printf(": %s files, %s, in %s folders, as of %s (tid-%" JSON_INTEGER_FORMAT ")\n",
	       output_count(output_get_number(answer, "files") + output_get_number(answer, "others"), files),
	       output_bytes(output_get_number(answer, "bytes"), bytes),
	       output_count(output_get_number(answer, "folders"), folders), output_get_text(answer, "moment"),
	       json_integer_value(json_object_get(answer, "tid")));
	if (!json_is_true(json_object_get(answer, "owners")))
		printf("all belongs to you: to restore owners takes root\n");
	if (output_get_number(answer, "failed") > 0)
		printf("%s names are not there, or not as they were: see above\n",
		       output_count(output_get_number(answer, "failed"), n));
}

static int run_extract(const struct asked *a)
{
	struct report report = { .failed = a->json ? json_array() : NULL };
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer = extract(a, &report, &err);
	int code;

	if (!answer) {
		json_decref(report.failed);
		return cli_fail_error(&err);
	}
	code = output_get_number(answer, "failed") ? CLI_FOUND : CLI_FINE;
	if (a->json) {
		json_object_set_new(answer, "found", report.failed);
		output_json(answer);
	} else {
		print_summary(answer, a->to, a->target.path);
	}
	json_decref(answer);
	return code;
}

/* --- in the volume */

static void print_put_back(const struct asked *a, const json_t *answer, const char *path)
{
	CLEANUP(cli_cleanup_free) char *shown = restore_shown_path(&a->target, path);
	CLEANUP(cli_cleanup_free) char *undo = restore_undo_command(&a->target, path, answer);
	const char *word = shown && *shown ? shown : a->target.location.store;

	print_name(stdout, word);
	if (restore_count(answer) == 0) {
		printf(" is what it was at %s (tid-%" JSON_INTEGER_FORMAT "): nothing to do\n",
		       output_get_text(answer, "moment"), json_integer_value(json_object_get(answer, "tid")));
		return;
	}
	printf(", as of %s (tid-%" JSON_INTEGER_FORMAT "): ", output_get_text(answer, "moment"),
	       json_integer_value(json_object_get(answer, "tid")));
	restore_print_counts(answer, a->dry);
	if (!a->dry && undo)
		printf("to take that back: %s\n", undo);
}

static int run_put_back(const struct asked *a)
{
	struct restore_report report = { .changes = a->json && (a->dry || a->verbose) ? json_array() : NULL };
	const char *path = a->inside ? a->inside : a->target.path;
	struct hf_error err = HF_ERROR_INIT;
	json_t *request =
		json_pack("{s:s, s:b, s:b}", "do", "put-back", "dry", a->dry, "tell", a->dry || a->verbose);
	json_t *answer = NULL;

	if (!request || (a->inside && output_set_path(request, "dest", a->inside) < 0))
		hf_error_set(&err, -ENOMEM, "no memory");
	else if (target_to_request(&a->target, request, &err) == 0)
		answer = restore_ask(&a->target, json_incref(request), &report, &err);
	json_decref(request);
	if (!answer) {
		json_decref(report.changes);
		return cli_fail_error(&err);
	}
	if (a->json) {
		CLEANUP(cli_cleanup_free) char *undo = restore_undo_command(&a->target, path, answer);

		(void)output_set_path(answer, "path", path);
		if (report.changes)
			json_object_set_new(answer, "changes", report.changes);
		if (undo && !a->dry && restore_count(answer))
			json_object_set_new(answer, "undo", json_string(undo));
		output_json(answer);
	} else {
		print_put_back(a, answer, path);
		restore_print_held(&a->target, answer);
	}
	json_decref(answer);
	return CLI_FINE;
}

static int run_asked(struct asked *a, int count, char **words, const char *at)
{
	struct hf_error err = HF_ERROR_INIT;

	if (target_of_words(count, words, at, &a->target, &err) < 0 || (a->to && find_to(a, &err) < 0))
		return cli_fail_error(&err);
	if (a->outside && a->dry)
		return cli_fail(
			"restore: --dry-run is for what is restored in the volume; outside nothing is ever written over");
	if (!a->to && !a->target.moment)
		return cli_fail(
			"restore: say of which moment, as PATH@MOMENT; or where to write it out, with --to FOLDER");
	return a->outside ? run_extract(a) : run_put_back(a);
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "to", 1, NULL, 't' },
					       { "at", 1, NULL, 'a' },
					       { "json", 0, NULL, 'j' },
					       { "dry-run", 0, NULL, 'n' },
					       { "verbose", 0, NULL, 'v' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	CLEANUP(asked_release) struct asked a = { .to = NULL };
	const char *at = NULL;
	int o;

	while ((o = cli_option(self, argc, argv, "t:a:jnvh", longs)) != -1) {
		switch (o) {
		case 't':
			a.to = optarg;
			break;
		case 'a':
			at = optarg;
			break;
		case 'j':
			a.json = true;
			break;
		case 'n':
			a.dry = true;
			break;
		case 'v':
			a.verbose = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 2))
		return CLI_FAILED;
	return run_asked(&a, argc - optind, argv + optind, at);
}

const struct command command_restore = {
	.name = "restore",
	.summary = "bring back a file or a tree as it was",
	.usage =
		"holdfast restore PATH@MOMENT [--to DEST] [--dry-run] [-v] [--json]\n"
		"holdfast restore STORE|DIR [PATH[@MOMENT]] --to FOLDER [--at MOMENT] [--json]\n"
		"\n"
		"Make a file or a tree what it was at a moment. In the volume nothing is copied: it\n"
		"is made of the bytes that are there, whatever its size; and nothing is lost, for all\n"
		"that is there now stays a moment too: the command that takes it back is printed.\n"
		"\n"
		"Without --to PATH becomes exactly what it was: what is missing is made, what differs\n"
		"changed, what was not there is removed; with modes, owners, times, attributes, ACLs\n"
		"and links. PATH need not exist any more. A file that also has a name outside of PATH\n"
		"is replaced, so that nothing outside is touched.\n"
		"\n"
		"  --to DEST      put it there instead. In the same mount it must be a new name or an\n"
		"                 empty folder. Outside (or of a store that is not mounted) it is written\n"
		"                 out as ordinary files: FOLDER is made, or is empty, and one file is put\n"
		"                 into it under its own name; owners take root\n"
		"  --at MOMENT    the moment, if it is not said as PATH@MOMENT: 2026-11-21T101530Z, a date,\n"
		"                 10m or 3d (ago), @epoch, tid-N, a snapshot's name; of what is written\n"
		"                 out it may be left away, and is now\n"
		"  -n, --dry-run  say what would be done, a line each, and do nothing\n"
		"  -v, --verbose  say each thing that is done\n"
		"\n"
		"Of what is written out, what cannot be is a line on stderr each, and the exit code is\n"
		"then 1; a file that cannot be read to its end is not there.\n"
		"\n"
		"  holdfast restore /srv/git/project@2h\n"
		"  holdfast restore /srv/git/project@yesterday-evening --to /srv/git/project-old\n"
		"  holdfast restore notes.txt@2026-11-21T10 --dry-run\n"
		"  holdfast restore /var/lib/volume home/anna@1d        at rest, in place\n"
		"  holdfast restore /var/lib/volume --to /mnt/new       all of it, written out\n"
		"  holdfast restore /srv/git deleted/file.txt --at 2026-11-21 --to /tmp/there\n",
	.run = run,
	.takes_keys = true,
};
