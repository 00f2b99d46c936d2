/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/location.h"
#include "fs/cli/progress.h"

struct report {
	struct progress progress;
	json_t *faults; /* with --json */
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

static void print_summary(const json_t *answer)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES], d[OUTPUT_TEXT_BYTES];

	printf("%s in %s segments: %s commits, %s operations, to tid-%" JSON_INTEGER_FORMAT " of %s\n",
	       output_bytes(output_get_number(answer, "bytes"), a),
	       output_count(output_get_number(answer, "segments"), b),
	       output_count(output_get_number(answer, "commits"), c),
	       output_count(output_get_number(answer, "operations"), d),
	       json_integer_value(json_object_get(answer, "last_tid")), output_get_text(answer, "last_time"));
	if (output_get_number(answer, "pruned_frames") > 0)
		printf("%s frames are not there, as a list says that the owner signed: old moments are not "
		       "whole\n",
		       output_count(output_get_number(answer, "pruned_frames"), a));
	if (output_get_number(answer, "faults") == 0)
		printf("no fault: every signature, frame, chunk and record verified\n");
	else
		printf("%s faults\n", output_count(output_get_number(answer, "faults"), a));
}

static int run(const struct command *self, int argc, char **argv)
{
	struct report report = { .faults = NULL };
	struct operation_listener listener = { .found = found, .arg = &report };
	struct hf_error err = HF_ERROR_INIT;
	struct location location = { .store = NULL };
	json_t *request, *answer = NULL;
	bool json;
	int code;

	code = cli_json_only(self, argc, argv, &json);
	if (code >= 0)
		return code;
	if (json)
		report.faults = json_array();
	request = json_pack("{s:s}", "do", "check");
	listener.progress = progress_begin(&report.progress);
	if (request && location_find(argv[optind], &location, &err) == 0)
		answer = location_ask(&location, request, &listener, &err);
	progress_end(&report.progress);
	json_decref(request);
	location_release(&location);
	if (!answer) {
		json_decref(report.faults);
		return cli_fail_error(&err);
	}
	code = output_get_number(answer, "faults") ? CLI_FOUND : CLI_FINE;
	if (report.faults) {
		json_object_set_new(answer, "found", report.faults);
		output_json(answer);
	} else {
		print_summary(answer);
	}
	json_decref(answer);
	return code;
}

const struct command command_check = {
	.name = "check",
	.summary = "verify every byte of a store",
	.usage = "holdfast check [STORE|DIR] [--json]\n"
		 "\n"
		 "Read the whole log and verify it: keys, every segment, the hash chain, every\n"
		 "signature, every frame, every chunk's name, every record. Changes nothing, and\n"
		 "works on a mounted volume too.\n"
		 "\n"
		 "Exit code 1 when something is damaged: each fault is a line.\n"
		 "\n"
		 "  holdfast check /var/lib/volume\n",
	.run = run,
	.takes_keys = true,
};
