/* SPDX-License-Identifier: MIT */
#include "fs/cli/node_check.h"

#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "holdfast/damage.h"
#include "holdfast/node.h"

struct report {
	struct progress progress;
	json_t *faults, *healed; /* NULL: they are printed */
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

static void healed(void *arg, const char *what)
{
	struct report *report = arg;

	progress_end(&report->progress);
	if (report->healed)
		json_array_append_new(report->healed, json_string(what));
	else
		printf("%s\n", what);
}

static void print_summary(const struct hf_node_check_summary *s, long faults)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES];

	printf("%s in %s segments of %s volumes verified\n", output_bytes(s->bytes, a),
	       output_count(s->segments, b), output_count(s->volumes, c));
	if (faults == 0)
		printf("no fault: every header, every link of the chain and every signature\n");
	else
		printf("%s faults\n", output_count((uint64_t)faults, a));
}

static int finish(struct report *report, const struct hf_node_check_summary *s, long faults)
{
	json_t *answer;

	if (report->faults) {
		answer = json_pack("{s:I, s:O, s:o, s:o, s:o}", "faults", (json_int_t)faults, "found",
				   report->faults, "volumes", output_number(s->volumes), "segments",
				   output_number(s->segments), "bytes", output_number(s->bytes));
		if (report->healed)
			json_object_set(answer, "healed", report->healed);
		output_json(answer);
		json_decref(answer);
	} else {
		print_summary(s, faults);
	}
	return faults ? CLI_FOUND : CLI_FINE;
}

static void release(struct report *report)
{
	json_decref(report->faults);
	json_decref(report->healed);
}

int node_check(const char *dir, const char *volume, bool json)
{
	struct report report = { .faults = json ? json_array() : NULL };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_check_summary s;
	struct hf_progress progress = progress_begin(&report.progress);
	long faults = hf_node_check(dir, volume, found, &report, &s, &progress, &err);
	int code;

	progress_end(&report.progress);
	code = faults < 0 ? cli_fail_error(&err) : finish(&report, &s, faults);
	release(&report);
	return code;
}

int node_repair(const char *dir, const char *volume, const char *from, bool json)
{
	struct report report = { .faults = json ? json_array() : NULL, .healed = json ? json_array() : NULL };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_check_summary s;
	struct hf_repair did;
	struct hf_repair_options o = {
		.progress = progress_begin(&report.progress), .found = found, .healed = healed, .arg = &report
	};
	int r = hf_node_repair(dir, volume, from, &o, &did, &s, &err), code;

	progress_end(&report.progress);
	code = r < 0 ? cli_fail_error(&err) : finish(&report, &s, (long)did.faults);
	release(&report);
	return code;
}
