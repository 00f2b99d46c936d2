/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"

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

static bool is_inside(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && (path[len] == 0 || path[len] == '/' || len == 1);
}

/*
 * What STORE|DIR and PATH name together, from the root of the volume: a DIR within the mount counts as a part of
 * it. malloc'ed.
 */
static int path_in_volume(const struct location *location, const char *dir, const char *path, char **ret,
			  struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *absolute = NULL;
	const char *within = "";
	int r;

	if (dir && !location_is_store(dir)) {
		r = cli_absolute(dir, &absolute, err);
		if (r < 0)
			return r;
		if (location->mount && is_inside(absolute, location->mount))
			within = absolute + strlen(location->mount);
	}
	within += strspn(within, "/");
	if (is_inside(within, ".history"))
		return hf_error_set(err, -EINVAL, "%s is of the past already: name it as it was, and say --at", dir);
	if (asprintf(ret, "%s%s%s", within, *within && *path ? "/" : "", path) < 0) {
		*ret = NULL;
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	for (size_t len = strlen(*ret); len > 0 && (*ret)[len - 1] == '/'; len--)
		(*ret)[len - 1] = 0;
	return 0;
}

static json_t *ask(struct location *location, const char *dir, const char *path, const char *moment,
		   const char *to, struct report *report, struct hf_error *err)
{
	struct operation_listener listener = { .found = found, .arg = report };
	CLEANUP(cli_cleanup_free) char *from = NULL;
	CLEANUP(cli_cleanup_free) char *target = NULL;
	json_t *request, *answer;

	if (location_find(dir, location, err) < 0 || path_in_volume(location, dir, path, &from, err) < 0 ||
	    cli_absolute(to, &target, err) < 0)
		return NULL;
	if (is_inside(target, location->store) || (location->mount && is_inside(target, location->mount))) {
		hf_error_set(err, -EINVAL,
			     "%s is in the %s: restore to a folder outside, or copy from .history/at of the mount",
			     to, is_inside(target, location->store) ? "store" : "volume itself");
		return NULL;
	}
	request = json_pack("{s:s, s:s, s:s, s:s}", "do", "restore", "path", from, "moment", moment, "to", target);
	if (!request) {
		hf_error_set(err, -EINVAL, "a name that is not UTF-8 cannot be restored by itself: restore the folder "
					   "it is in");
		return NULL;
	}
	listener.progress = progress_begin(&report->progress);
	answer = location_ask(location, request, &listener, err);
	progress_end(&report->progress);
	json_decref(request);
	return answer;
}

static void print_summary(const json_t *answer, const char *to)
{
	char files[OUTPUT_TEXT_BYTES], folders[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES], n[OUTPUT_TEXT_BYTES];

	printf("%s: %s files, %s, in %s folders, as of %s (tid-%" JSON_INTEGER_FORMAT ")\n", to,
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

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "to", 1, NULL, 't' },   { "at", 1, NULL, 'a' },
					       { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' },
					       { 0 } };
	const char *to = NULL, *moment = "";
	struct report report = { .failed = NULL };
	struct location location = { NULL, NULL };
	struct hf_error err = HF_ERROR_INIT;
	bool json = false;
	json_t *answer;
	int o, code;

	while ((o = cli_option(self, argc, argv, "t:a:jh", longs)) != -1) {
		switch (o) {
		case 't':
			to = optarg;
			break;
		case 'a':
			moment = optarg;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 2))
		return CLI_FAILED;
	if (!to)
		return cli_fail("restore: say where to, with --to FOLDER; it is made, or is empty");
	if (json)
		report.failed = json_array();
	answer = ask(&location, argv[optind], argc - optind == 2 ? argv[optind + 1] : "", moment, to, &report, &err);
	location_release(&location);
	if (!answer) {
		json_decref(report.failed);
		return cli_fail_error(&err);
	}
	code = output_get_number(answer, "failed") ? CLI_FOUND : CLI_FINE;
	if (json) {
		json_object_set_new(answer, "found", report.failed);
		output_json(answer);
	} else {
		print_summary(answer, to);
	}
	json_decref(answer);
	return code;
}

const struct command command_restore = {
	.name = "restore",
	.summary = "write out a tree, or one file, as it was",
	.usage = "holdfast restore STORE|DIR [PATH] --to FOLDER [--at MOMENT] [--json]\n"
		 "\n"
		 "Write a tree as it was at a moment out as ordinary files, with modes, owners (as\n"
		 "root), times, attributes, ACLs, links and holes; without PATH all of it. Straight\n"
		 "from the store, mounted or at rest: no mount is needed, and none is asked, which\n"
		 "makes it several times faster than copying from one. DIR may be a folder in the\n"
		 "mount; PATH need not exist any more.\n"
		 "\n"
		 "  --to FOLDER   is made, or is empty: nothing is ever written over\n"
		 "  --at MOMENT   2026-11-21T101530Z, a date, 10m or 3d (ago), @epoch, tid-N, a\n"
		 "                snapshot's name; now when it is not said\n"
		 "\n"
		 "What cannot be restored is a line on stderr each, and the exit code is then 1; a\n"
		 "file that cannot be read to its end is not there.\n"
		 "\n"
		 "  holdfast restore /var/lib/volume --to /mnt/new\n"
		 "  holdfast restore /srv/git/project --at 2h --to /tmp/project\n"
		 "  holdfast restore /srv/git deleted/file.txt --at 2026-11-21 --to /tmp/there\n",
	.run = run,
	.takes_keys = true,
};
