/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/colour.h"
#include "fs/cli/diff_text.h"
#include "fs/cli/output.h"
#include "fs/cli/past_print.h"
#include "fs/cli/progress.h"

struct printing {
	struct progress progress;
	bool json;
	json_t *rows; /* with -p: kept until all are known, since the contents are asked for then */
	uint64_t found;
};

static bool differs(const json_t *a, const json_t *b, const char *key)
{
	return !json_equal(json_object_get(a, key), json_object_get(b, key));
}

/* What of the attributes is another, in words. */
static void print_attributes(const json_t *row)
{
	const json_t *a = json_object_get(row, "a"), *b = json_object_get(row, "b");
	char from[PRINT_USER_BYTES], to[PRINT_USER_BYTES];
	const char *comma = "";

	fputs("  (", stdout);
	if (differs(a, b, "mode")) {
		printf("mode %s -> %s", output_get_text(a, "mode"), output_get_text(b, "mode"));
		comma = ", ";
	}
	if (differs(a, b, "uid")) {
		printf("%sowner %s -> %s", comma, print_user(json_object_get(a, "uid"), from),
		       print_user(json_object_get(b, "uid"), to));
		comma = ", ";
	}
	if (differs(a, b, "gid")) {
		printf("%sgroup %" JSON_INTEGER_FORMAT " -> %" JSON_INTEGER_FORMAT, comma,
		       json_integer_value(json_object_get(a, "gid")),
		       json_integer_value(json_object_get(b, "gid")));
		comma = ", ";
	}
	if (!*comma)
		fputs(differs(a, b, "mtime") ? "times" : "extended attributes", stdout);
	putchar(')');
}

static enum colour colour_of(char kind)
{
	return kind == 'A' ? COLOUR_GOOD :
	       kind == 'D' ? COLOUR_BAD :
	       kind == 'R' ? COLOUR_NAME :
			     COLOUR_ATTENTION;
}

static void print_row(const json_t *row)
{
	const char *kind = output_get_text(row, "kind"), *also = output_get_text(row, "also");

	printf("%s%s%s  ", colour(stdout, colour_of(*kind)), kind, colour(stdout, COLOUR_NONE));
	if (*kind == 'R') {
		print_path_of(row, "path_before");
		fputs(" -> ", stdout);
	}
	print_path_of(row, "path");
	if (!strcmp(output_get_text(row, "type"), "directory") && *kind != 'P')
		putchar('/');
	if (*also == 'M')
		fputs("  (contents too)", stdout);
	if (*kind == 'P' || *also == 'P')
		print_attributes(row);
	putchar('\n');
}

static int take_row(void *arg, const json_t *row)
{
	struct printing *p = arg;

	progress_end(&p->progress);
	p->found++;
	if (p->rows)
		return json_array_append(p->rows, (json_t *)row);
	if (p->json)
		print_json_line(row);
	else
		print_row(row);
	return ferror(stdout);
}

static int print_texts(struct printing *p, struct location_talk *talk, const json_t *answer,
		       struct hf_error *err)
{
	CLEANUP(diff_text_release) struct diff_text text = { .talk = talk };
	const json_t *row;
	size_t i;
	int r = 0;

	if (json_array_size(p->rows) > 0)
		r = diff_text_begin(&text, json_object_get(answer, "a"), json_object_get(answer, "b"), err);
	for (i = 0; r == 0 && i < json_array_size(p->rows); i++) {
		row = json_array_get(p->rows, i);
		print_row(row);
		r = diff_text_print(&text, row, err);
	}
	return r;
}

static int compare(const char *a, const char *b, int count, char **words, struct printing *printing,
		   struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *moment_a = NULL;
	CLEANUP(cli_cleanup_free) char *moment_b = NULL;
	struct operation_listener listener = { .row = take_row, .arg = printing };
	struct target target = { .path = NULL };
	struct location_talk talk = { .store = NULL };
	json_t *request = NULL, *answer = NULL;
	int r;

	if (target_moment(a, &moment_a, err) < 0 || target_moment(b, &moment_b, err) < 0)
		return -EINVAL;
	r = target_of_words(count, words, "now", &target, err);
	if (r < 0)
		return r;
	free(target.moment);
	target.moment = NULL;
	request = json_pack("{s:s, s:s, s:s}", "do", "diff", "a", moment_a, "b", moment_b);
	r = request ? target_to_request(&target, request, err) : hf_error_set(err, -ENOMEM, "no memory");
	listener.progress = progress_begin(&printing->progress);
	if (r == 0)
		r = location_talk_begin(&target.location, listener.progress, &talk, err);
	if (r == 0) {
		answer = location_talk_ask(&talk, request, &listener, err);
		r = answer ? 0 : -EIO;
	}
	progress_end(&printing->progress);
	if (r == 0 && printing->rows)
		r = print_texts(printing, &talk, answer, err);
	location_talk_end(&talk);
	json_decref(request);
	json_decref(answer);
	target_release(&target);
	return r;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "patch", 0, NULL, 'p' }, { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	struct printing printing = { .json = false };
	struct hf_error err = HF_ERROR_INIT;
	bool patch = false;
	int o, r;

	while ((o = cli_option(self, argc, argv, "pjh", longs)) != -1) {
		if (o == 'p')
			patch = true;
		else if (o == 'j')
			printing.json = true;
		else
			return cli_option_code(o);
	}
	if (!cli_operands(self, argc, 2, 4))
		return CLI_FAILED;
	if (patch && printing.json)
		return cli_fail(
			"diff: -p is text for people; with --json ask for the contents by holdfast cat");
	printing.rows = patch ? json_array() : NULL;
	r = compare(argv[optind], argv[optind + 1], argc - optind - 2, argv + optind + 2, &printing, &err);
	json_decref(printing.rows);
	if (r < 0)
		return cli_fail_rows(&err);
	return printing.found ? CLI_FOUND : CLI_FINE;
}

const struct command command_diff = {
	.name = "diff",
	.summary = "what is different between two moments",
	.usage = "holdfast diff A B [PATH | STORE PATH] [-p] [--json]\n"
		 "\n"
		 "What has to be done to the tree as it was at moment A to get the one of moment B:\n"
		 "one line a name, with a letter in front.\n"
		 "\n"
		 "  A  added          D  removed       M  other contents\n"
		 "  R  renamed        P  the same contents, but mode, owner, times or attributes\n"
		 "\n"
		 "A and B are moments, in any order: 2026-11-21T101530Z, a date, 10m or 3d (ago),\n"
		 "@epoch, tid-N, a snapshot's name, now. Only what happened between them is looked\n"
		 "at, so a large tree of which little changed takes no time.\n"
		 "\n"
		 "  -p, --patch   the differences of the files too, by diff(1)\n"
		 "  --json        one object a line\n"
		 "\n"
		 "Exit code 1: something is different; 0: nothing is.\n"
		 "\n"
		 "  holdfast diff 1h now /srv/git/project\n"
		 "  holdfast diff before-upgrade now -p /srv/files/etc\n"
		 "  holdfast diff 2026-11-20 2026-11-21 /var/lib/volume project\n",
	.run = run,
	.takes_keys = true,
};
