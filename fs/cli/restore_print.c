/* SPDX-License-Identifier: MIT */
#include "fs/cli/restore_print.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"

static void print_change(const json_t *change)
{
	CLEANUP(cli_cleanup_free) char *path = output_get_path(change, "path");
	CLEANUP(cli_cleanup_free) char *before = output_get_path(change, "before");

	printf("  %-10s ", output_get_text(change, "kind"));
	if (before && *before) {
		print_name(stdout, before);
		printf(" -> ");
	}
	print_name(stdout, path && *path ? path : "/");
	if (!strcmp(output_get_text(change, "type"), "folder"))
		putchar('/');
	putchar('\n');
}

static void found(void *arg, const char *what)
{
	struct restore_report *report = arg;
	json_t *change = json_loads(what, 0, NULL);

	if (change && report->changes) {
		(void)json_array_append(report->changes, change);
	} else if (change) {
		progress_end(&report->progress);
		if (report->most == 0 || report->shown < report->most)
			print_change(change);
		report->shown++;
	}
	json_decref(change);
}

json_t *restore_ask(const struct target *t, json_t *request, struct restore_report *report,
		    struct hf_error *err)
{
	struct operation_listener listener = { .found = found, .arg = report };
	json_t *answer = NULL;

	if (!request) {
		hf_error_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	listener.progress = progress_begin(&report->progress);
	answer = location_ask(&t->location, request, &listener, err);
	progress_end(&report->progress);
	if (report->most && report->shown > report->most)
		printf("  … and %u more\n", report->shown - report->most);
	json_decref(request);
	return answer;
}

static const struct {
	const char *key, *done, *would;
} counts[] = {
	{ "created", "made", "to make" },
	{ "linked", "linked", "to link" },
	{ "moved", "moved back", "to move back" },
	{ "removed", "removed", "to remove" },
	{ "contents", "given back their contents", "to give back their contents" },
	{ "attributes", "given back their attributes", "to give back their attributes" },
};
#define COUNTS (sizeof(counts) / sizeof(counts[0]))

uint64_t restore_count(const json_t *answer)
{
	uint64_t n = 0;

	for (size_t i = 0; i < COUNTS; i++)
		n += output_get_number(answer, counts[i].key);
	return n;
}

void restore_print_counts(const json_t *answer, bool dry)
{
	char text[OUTPUT_TEXT_BYTES];
	bool any = false;

	for (size_t i = 0; i < COUNTS; i++) {
		uint64_t n = output_get_number(answer, counts[i].key);

		if (n > 0)
			printf("%s%s %s", any ? ", " : "", output_count(n, text),
			       dry ? counts[i].would : counts[i].done);
		any |= n > 0;
	}
	if (any && output_get_number(answer, "bytes") > 0)
		printf("; %s, none of it copied", output_bytes(output_get_number(answer, "bytes"), text));
	printf("%s\n", any ? "" : "nothing to do");
}

char *restore_shown_path(const struct target *t, const char *path)
{
	char *shown = location_path(&t->location, path);

	if (!shown && asprintf(&shown, "%s%s", *path ? "/" : "", path) < 0)
		return NULL;
	return shown;
}

void restore_print_held(const struct target *t, const json_t *answer)
{
	const json_t *line;
	size_t i;

	json_array_foreach(json_object_get(answer, "held"), i, line) {
		CLEANUP(cli_cleanup_free) char *path = output_get_path(line, "path");
		CLEANUP(cli_cleanup_free) char *shown = path ? restore_shown_path(t, path) : NULL;

		fputs("holdfast: ", stderr);
		print_name(stderr, shown ? shown : "");
		fputs(" is restored, but in use (a program runs from it, or the mount is read-only), and until a "
		      "second after that the kernel goes by the length and time that it had: neither read nor "
		      "write it before\n",
		      stderr);
	}
	if (output_get_number(answer, "held_more"))
		fprintf(stderr, "holdfast: and %" PRIu64 " more like that\n",
			output_get_number(answer, "held_more"));
}

char *restore_undo_command(const struct target *t, const char *path, const json_t *answer)
{
	CLEANUP(cli_cleanup_free) char *seen = location_path(&t->location, path);
	CLEANUP(cli_cleanup_free) char *store = seen ? NULL : shell_word(t->location.store);
	CLEANUP(cli_cleanup_free) char *shown = restore_shown_path(t, path);
	CLEANUP(cli_cleanup_free)
	char *what = shown && *shown ? shell_word(shown) : shown ? strdup("") : NULL;
	char *command;

	if (!what || (!seen && !store) ||
	    asprintf(&command, "holdfast undo %s%s%s --since tid-%" PRIu64, store ? store : "",
		     store && *what ? " " : "", what,
		     output_get_number(json_object_get(answer, "before"), "tid")) < 0)
		return NULL;
	return command;
}
