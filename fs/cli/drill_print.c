/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/cli/colour.h"
#include "fs/cli/drill.h"
#include "fs/cli/output.h"

/* --- as JSON */

static json_t *seconds_to_json(double seconds)
{
	return seconds < 0 ? json_null() : json_real(seconds);
}

/* What is kept of every drill; the same names wherever one is told. */
static json_t *result_to_json(const struct hf_drill_result *r)
{
	char moment[OUTPUT_TEXT_BYTES];
	json_t *o =
		json_pack("{s:o, s:b, s:b, s:b, s:b, s:s, s:s, s:o, s:o, s:s}", "time",
			  output_time(r->began_ns), "passed", r->passed, "weak", r->weak, "kit", r->with_kit,
			  "sample", r->sample, "failed_step", r->failed_step, "replica", r->replica, "tid",
			  output_number(r->tid), "recovered_time", output_time(r->time_ns), "moment",
			  r->time_ns ? hf_moment_format(r->time_ns, moment, sizeof(moment)) : "");

	if (o)
		json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:f}", "rpo_seconds",
						    seconds_to_json(r->rpo_seconds), "rto_seconds",
						    seconds_to_json(r->rto_seconds), "rto_all_seconds",
						    seconds_to_json(r->rto_all_seconds), "read_bytes",
						    output_number(r->read_bytes), "restored_bytes",
						    output_number(r->restored_bytes), "compared_files",
						    output_number(r->compared_files), "freshness",
						    hf_freshness_name(r->freshness), "share_verified",
						    r->share_verified));
	return o;
}

json_t *drill_last_to_json(const char *store)
{
	struct hf_drill_result last;
	struct hf_drill_state state;
	json_t *o;

	if (hf_drill_state(store, &state, NULL) < 0)
		return json_null();
	if (hf_drill_last(store, &last, NULL) < 0)
		return json_null();
	o = result_to_json(&last);
	if (o)
		json_object_update_new(o, json_pack("{s:o, s:b}", "passed_time", output_time(state.passed_ns),
						    "overdue", state.overdue));
	return o;
}

json_t *drill_to_json(const struct drill_plan *plan, const struct hf_drill_result *result,
		      const json_t *steps, const json_t *end, const json_t *not_proven)
{
	static const char *const copied[] = { "fetch_seconds", "rebuild_seconds", "restore_seconds",
					      "past_bytes",    "live_bytes",      "segments",
					      "pruned_frames", "behind",          "sampled" };
	json_t *o = result_to_json(result);

	if (!o)
		return NULL;
	json_object_update_new(o, json_pack("{s:s, s:s, s:s, s:b, s:O, s:O}", "verdict",
					    result->failed_step[0] ? "FAIL" :
					    result->weak           ? "WEAK" :
								     "PASS",
					    "volume_id", plan->about.volume_id, "url", plan->about.url,
					    "rpo_is_at_most", plan->about.own_tid == 0, "steps", steps,
					    "not_proven", not_proven));
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		json_object_set(o, copied[i], json_object_get(end, copied[i]));
	return o;
}

/* --- for people */

static enum colour colour_of(const char *verdict)
{
	return !strcmp(verdict, "PASS") ? COLOUR_GOOD :
	       !strcmp(verdict, "FAIL") ? COLOUR_BAD :
	       !strcmp(verdict, "WEAK") ? COLOUR_ATTENTION :
					  COLOUR_FAINT;
}

void drill_print_step(const json_t *step)
{
	const char *verdict = output_get_text(step, "verdict");
	const double seconds = json_number_value(json_object_get(step, "seconds"));
	char took[OUTPUT_TEXT_BYTES];

	printf("%s%s%s  %-10s %s", colour(stdout, colour_of(verdict)), verdict, colour(stdout, COLOUR_NONE),
	       output_get_text(step, "step"), output_get_text(step, "words"));
	if (seconds >= 0.05)
		printf(" (%s)", output_duration(seconds, took));
	printf("\n");
	(void)fflush(stdout);
}

static double get_seconds(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_number(n) ? json_number_value(n) : -1;
}

static void print_point(const json_t *d)
{
	const double rpo = get_seconds(d, "rpo_seconds");
	char age[OUTPUT_TEXT_BYTES];

	if (!*output_get_text(d, "moment"))
		return;
	printf("recovery point  %s (tid-%llu)", output_get_text(d, "moment"),
	       (unsigned long long)output_get_number(d, "tid"));
	if (rpo == 0)
		printf(": nothing that the primary's log has would be lost\n");
	else if (rpo > 0)
		printf(": %s%s would be lost (RPO)\n",
		       json_is_true(json_object_get(d, "rpo_is_at_most")) ? "at most " : "",
		       output_duration(rpo, age));
	else
		printf("\n");
}

static void print_time(const json_t *d)
{
	const double rto = get_seconds(d, "rto_seconds"), all = get_seconds(d, "rto_all_seconds");
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES], bytes[OUTPUT_TEXT_BYTES];

	if (rto >= 0)
		printf("recovery time   %s (RTO): fetched in %s, index %s, files %s", output_duration(rto, a),
		       output_duration(get_seconds(d, "fetch_seconds"), b),
		       output_duration(get_seconds(d, "rebuild_seconds"), c),
		       output_bytes(output_get_number(d, "restored_bytes"), bytes));
	if (rto >= 0)
		printf(" in %s\n", output_duration(get_seconds(d, "restore_seconds"), a));
	if (all >= 0 && all != rto)
		printf("                %s, estimated, for everything\n", output_duration(all, a));
	printf("read            %s from the replica\n",
	       output_bytes(output_get_number(d, "read_bytes"), bytes));
}

void drill_print(const json_t *d)
{
	const char *verdict = output_get_text(d, "verdict"), *failed = output_get_text(d, "failed_step");
	const json_t *words;
	size_t i;

	printf("\n");
	print_point(d);
	print_time(d);
	printf("verified        %.4g %% of the history on this replica, in all drills\n",
	       100 * json_number_value(json_object_get(d, "share_verified")));
	json_array_foreach(json_object_get(d, "not_proven"), i, words)
		printf("%s  %s\n", i ? "              " : "not proven    ", json_string_value(words));
	printf("%s%s%s: ", colour(stdout, colour_of(verdict)), verdict, colour(stdout, COLOUR_NONE));
	if (*failed)
		printf("the step \"%s\" failed. This volume would not come back as it should\n", failed);
	else if (json_is_true(json_object_get(d, "sample")))
		printf("what was sampled is sound. That is no rehearsal of a recovery\n");
	else
		printf("the volume came back from %s%s\n", output_get_text(d, "replica"),
		       json_is_true(json_object_get(d, "weak")) ? "; see what is WEAK" : "");
}

void drill_print_last(const json_t *status)
{
	const json_t *d = json_object_get(status, "last_drill");
	const double rto = get_seconds(d, "rto_seconds");
	char took[OUTPUT_TEXT_BYTES];

	if (!json_is_object(d)) {
		printf("drill       no recovery was ever rehearsed: holdfast drill\n");
		return;
	}
	printf("drill       ");
	if (*output_get_text(d, "failed_step"))
		printf("%sFAILED%s at the step \"%s\"", colour(stdout, COLOUR_BAD),
		       colour(stdout, COLOUR_NONE), output_get_text(d, "failed_step"));
	else
		printf("%s", json_is_true(json_object_get(d, "sample")) ? "a sample was sound" : "passed");
	printf(", %s, from %s", output_get_text(d, "time"), output_get_text(d, "replica"));
	if (rto >= 0)
		printf(", in %s", output_duration(rto, took));
	printf("; %.4g %% of the history verified\n",
	       100 * json_number_value(json_object_get(d, "share_verified")));
	if (json_is_true(json_object_get(d, "overdue")))
		printf("            %sOVERDUE%s: %s%s\n", colour(stdout, COLOUR_ATTENTION),
		       colour(stdout, COLOUR_NONE),
		       *output_get_text(d, "passed_time") ? "the last that passed was " : "none ever passed",
		       output_get_text(d, "passed_time"));
}
