/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"

struct report {
	struct progress progress;
	json_t *faults, *healed; /* with --json */
};

static void found(void *arg, const char *what)
{
	struct report *report = arg;

	progress_end(&report->progress);
	if (report->faults)
		json_array_append_new(report->faults, json_string(what));
	else
		printf("%s\n", what);
}

static int healed(void *arg, const json_t *row)
{
	struct report *report = arg;
	const char *words = output_get_text(row, "healed");

	progress_end(&report->progress);
	if (report->healed)
		json_array_append_new(report->healed, json_string(words));
	else
		printf("%s\n", words);
	return 0;
}

static void print_summary(const json_t *answer, bool repaired)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES], d[OUTPUT_TEXT_BYTES];

	if (output_get_number(answer, "commits") == 0)
		printf("%s read; how far the log goes is not known, for it does not open\n",
		       output_bytes(output_get_number(answer, "bytes"), a));
	else
		printf("%s in %s segments: %s commits, %s operations, to tid-%" JSON_INTEGER_FORMAT
		       " of %s\n",
		       output_bytes(output_get_number(answer, "bytes"), a),
		       output_count(output_get_number(answer, "segments"), b),
		       output_count(output_get_number(answer, "commits"), c),
		       output_count(output_get_number(answer, "operations"), d),
		       json_integer_value(json_object_get(answer, "last_tid")),
		       output_get_text(answer, "last_time"));
	if (output_get_number(answer, "pruned_frames") > 0)
		printf("%s frames are not there, as a list says that the owner signed: old moments are not "
		       "whole\n",
		       output_count(output_get_number(answer, "pruned_frames"), a));
	if (output_get_number(answer, "copies") > 0)
		printf("%s replicas read back, %s\n", output_count(output_get_number(answer, "copies"), a),
		       output_bytes(output_get_number(answer, "copies_bytes"), b));
	if (output_get_number(answer, "faults") > 0)
		printf("%s fault%s%s\n", output_count(output_get_number(answer, "faults"), a),
		       output_get_number(answer, "faults") == 1 ? "" : "s",
		       !repaired                                ? "" :
		       output_get_number(answer, "faults") == 1 ? " remains" :
								  " remain");
	else if (output_get_number(answer, "found_faults") > 0)
		printf("%s fault%s found, and none is left: every signature, frame, chunk and record "
		       "verified\n",
		       output_count(output_get_number(answer, "found_faults"), a),
		       output_get_number(answer, "found_faults") == 1 ? " was" : "s were");
	else
		printf("no fault: every signature, frame, chunk and record verified\n");
}

static void print_json(json_t *answer, struct report *report)
{
	json_object_set(answer, "found", report->faults);
	if (json_object_get(answer, "found_faults"))
		json_object_set(answer, "healed", report->healed);
	output_json(answer);
}

static int check(const char *where, json_t *request, bool json)
{
	struct report report = { .faults = json ? json_array() : NULL, .healed = json ? json_array() : NULL };
	struct operation_listener listener = { .found = found, .row = healed, .arg = &report };
	struct hf_error err = HF_ERROR_INIT;
	struct location location = { .store = NULL };
	json_t *answer = NULL;
	int code;

	listener.progress = progress_begin(&report.progress);
	if (request && location_find(where, &location, &err) == 0)
		answer = location_ask(&location, request, &listener, &err);
	progress_end(&report.progress);
	location_release(&location);
	if (!answer) {
		code = cli_fail_error(&err);
	} else {
		code = output_get_number(answer, "faults") ? CLI_FOUND : CLI_FINE;
		if (json)
			print_json(answer, &report);
		else
			print_summary(answer, json_is_true(json_object_get(request, "repair")));
	}
	json_decref(answer);
	json_decref(report.faults);
	json_decref(report.healed);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "repair", 0, NULL, 'R' },
					       { "replicas", 0, NULL, 'C' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	bool json = false, repair = false, replicas = false;
	struct hf_error err = HF_ERROR_INIT;
	json_t *request;
	int o, code;

	while ((o = cli_option(self, argc, argv, "RCjh", longs)) != -1) {
		if (o == 'h' || o == '?')
			return cli_option_code(o);
		json |= o == 'j';
		repair |= o == 'R';
		replicas |= o == 'C';
	}
	if (!cli_operands(self, argc, 0, 1))
		return CLI_FAILED;
	if (repair && !argv[optind] && location_check_here(&err) < 0)
		return cli_fail_error(&err);
	request = json_pack("{s:s, s:b, s:b}", "do", "check", "repair", repair, "replicas", replicas);
	code = check(argv[optind], request, json);
	json_decref(request);
	return code;
}

const struct command command_check = {
	.name = "check",
	.summary = "verify every byte of a store, and heal it from a replica",
	.usage = "holdfast check [STORE|DIR] [--replicas] [--repair] [--json]\n"
		 "\n"
		 "Read the whole log and verify it: keys, every segment, the hash chain, every\n"
		 "signature, every frame, every chunk's name, every record; and the index. Works\n"
		 "on a mounted volume too. When it was done is remembered (holdfast status).\n"
		 "\n"
		 "  --replicas   read every replica back, too, and compare it with the log, byte by\n"
		 "               byte. That is as much as the log is, over the network\n"
		 "  --repair     put in the place of what is damaged what a replica has, where the\n"
		 "               log's own hashes say that it was there; a damaged index, and a\n"
		 "               descriptor (STORE/volume) that is damaged or gone, are made anew. With\n"
		 "               --replicas folders and buckets are healed from the store; a node only\n"
		 "               on itself: holdfast node check. What was damaged of the log is kept in\n"
		 "               STORE/damaged. Of a mounted volume the segment that is written to is\n"
		 "               left alone\n"
		 "\n"
		 "Exit code 1 when something is damaged, and still is with --repair: each fault is\n"
		 "a line.\n"
		 "\n"
		 "  holdfast check /var/lib/volume\n"
		 "  holdfast check /srv/files --repair\n",
	.run = run,
	.takes_keys = true,
};
