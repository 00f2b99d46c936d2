/* SPDX-License-Identifier: MIT */
/* What a drill came to, by what its steps told; and keeping that in the store. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/cli/cli.h"
#include "fs/cli/drill.h"
#include "fs/cli/output.h"

uint64_t drill_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static double get_number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

/* To everything: what was measured, with the files at the speed of those that were restored. */
static double estimate_all(const json_t *end, bool sample)
{
	const double fetch = get_number(end, "fetch_seconds"), rebuild = get_number(end, "rebuild_seconds");
	const double restore = get_number(end, "restore_seconds"),
		     restored = get_number(end, "restored_bytes");
	const double live = get_number(end, "live_bytes"), read = get_number(end, "read_bytes");

	if (sample) /* the log alone: what follows it was not seen */
		return read > 0 ? fetch * get_number(end, "log_bytes") / read : -1;
	if (json_is_true(json_object_get(end, "whole")))
		return fetch + rebuild + restore;
	return restored > 0 ? fetch + rebuild + restore * (live > restored ? live / restored : 1) : -1;
}

static double lost_seconds(const struct drill_plan *plan, const json_t *end, uint64_t began_ns)
{
	const uint64_t point_ns = output_get_number(end, "time_ns");

	if (!json_is_true(json_object_get(end, "fetched")))
		return -1;
	if ((plan->about.own_tid > 0 && !json_is_true(json_object_get(end, "behind"))) ||
	    point_ns >= began_ns)
		return 0;
	return (double)(began_ns - point_ns) / 1e9;
}

bool drill_step_was(const json_t *steps, const char *name, const char *verdict)
{
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
		if ((!name || !strcmp(output_get_text(step, "step"), name)) &&
		    !strcmp(output_get_text(step, "verdict"), verdict))
			return true;
	return false;
}

static void find_failed(const json_t *steps, char ret[HF_DRILL_STEP_BYTES])
{
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
		if (!*ret && !strcmp(output_get_text(step, "verdict"), "FAIL"))
			(void)snprintf(ret, HF_DRILL_STEP_BYTES, "%s", output_get_text(step, "step"));
}

struct hf_drill_result drill_judge(const struct drill_plan *plan, const json_t *steps, const json_t *end,
				   uint64_t began_ns)
{
	const bool sample = plan->sample_bytes > 0, restored = drill_step_was(steps, "restore", "PASS");
	struct hf_drill_result r = {
		.began_ns = began_ns,
		.with_kit = plan->with_kit,
		.sample = sample,
		.weak = drill_step_was(steps, NULL, "WEAK"),
		.tid = output_get_number(end, "tid"),
		.time_ns = output_get_number(end, "time_ns"),
		.rpo_seconds = lost_seconds(plan, end, began_ns),
		.rto_seconds = restored ?
				       get_number(end, "fetch_seconds") + get_number(end, "rebuild_seconds") +
					       get_number(end, "restore_seconds") :
				       -1,
		.rto_all_seconds = restored || sample ? estimate_all(end, sample) : -1,
		.read_bytes = output_get_number(end, "read_bytes"),
		.restored_bytes = output_get_number(end, "restored_bytes"),
		.compared_files = output_get_number(end, "compared_files"),
	};

	for (unsigned f = HF_FRESHNESS_UNPROVEN; f <= HF_FRESHNESS_STALE; f++)
		if (!strcmp(hf_freshness_name((enum hf_freshness)f), output_get_text(end, "freshness")))
			r.freshness = (enum hf_freshness)f;
	memcpy(r.replica, plan->about.replica, sizeof(r.replica));
	find_failed(steps, r.failed_step);
	r.passed = !r.failed_step[0] && !sample && drill_step_was(steps, "compare", "PASS");
	return r;
}

/* What this drill, though it passed, says nothing of. */
json_t *drill_not_proven(const struct drill_plan *plan, const struct hf_drill_result *r, const json_t *end)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], text[200];
	json_t *list = json_array();

	if (!plan->with_kit)
		json_array_append_new(
			list,
			json_string("that the recovery kit opens this volume: the keys of this machine were "
				    "used. That is for a drill with the kit, elsewhere"));
	if (r->sample)
		json_array_append_new(list,
				      json_string(
					      "that the volume comes back: nothing was rebuilt or restored"));
	if (!plan->alarms && plan->about.place == HF_DRILL_NODE && !r->sample)
		json_array_append_new(
			list,
			json_string("that a fork or an overwrite is refused: left out, since the node would "
				    "alarm its operator"));
	if (!r->sample && r->rto_seconds >= 0 && !json_is_true(json_object_get(end, "whole"))) {
		(void)snprintf(text, sizeof(text),
			       "that all files come back: %s of %s were restored, chosen at random",
			       output_bytes(r->restored_bytes, a),
			       output_bytes(output_get_number(end, "live_bytes"), b));
		json_array_append_new(list, json_string(text));
	}
	return list;
}

/* --- keeping it */

static uint32_t *read_sampled(const json_t *end, size_t *ret_n)
{
	const json_t *array = json_object_get(end, "sampled");
	uint32_t *sampled = calloc(json_array_size(array) + 1, sizeof(*sampled));

	*ret_n = json_array_size(array);
	for (size_t i = 0; sampled && i < *ret_n; i++)
		sampled[i] = (uint32_t)json_integer_value(json_array_get(array, i));
	return sampled;
}

/* Its steps are kept with it, but for how long each took. */
static char *detail_text(const json_t *steps, const json_t *not_proven)
{
	json_t *detail = json_pack("{s:O, s:O}", "steps", steps, "not_proven", not_proven);
	char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;

	json_decref(detail);
	return text;
}

int drill_keep(const char *store, struct hf_drill_result *r, const json_t *steps, const json_t *not_proven,
	       const json_t *end, bool verified, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *detail = detail_text(steps, not_proven);
	CLEANUP(cli_cleanup_free) uint32_t *sampled = NULL;
	struct hf_drill_coverage c = { .segments = (uint32_t)output_get_number(end, "segments") };

	if (r->sample || !verified) { /* else all of them were */
		sampled = read_sampled(end, &c.n_sampled);
		if (!sampled)
			return hf_error_set(err, -ENOMEM, "no memory");
		c.sampled = sampled;
	}
	return hf_drill_record(store, r, &c, detail, &r->share_verified, err);
}

/* With no store there is nothing but this drill. */
double drill_own_share(const struct hf_drill_result *r, const json_t *end)
{
	const double of = get_number(end, "segments");

	if (r->sample)
		return of > 0 ? (double)json_array_size(json_object_get(end, "sampled")) / of : 0;
	return json_is_true(json_object_get(end, "verified"));
}

/* --- a result from elsewhere: what drill_to_json made */

static double told_seconds(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_number(n) ? json_number_value(n) : -1;
}

static uint64_t told_time(const json_t *o, const char *key)
{
	struct hf_moment m;

	return hf_moment_parse(output_get_text(o, key), 0, &m, NULL) == 0 && m.kind == HF_MOMENT_TIME ?
		       m.time_ns :
		       0;
}

int drill_take_result(const char *store, const json_t *o, struct hf_error *err)
{
	struct hf_drill_result r = {
		.began_ns = told_time(o, "time"),
		.passed = json_is_true(json_object_get(o, "passed")),
		.weak = json_is_true(json_object_get(o, "weak")),
		.with_kit = json_is_true(json_object_get(o, "kit")),
		.sample = json_is_true(json_object_get(o, "sample")),
		.tid = output_get_number(o, "tid"),
		.time_ns = told_time(o, "recovered_time"),
		.rpo_seconds = told_seconds(o, "rpo_seconds"),
		.rto_seconds = told_seconds(o, "rto_seconds"),
		.rto_all_seconds = told_seconds(o, "rto_all_seconds"),
		.read_bytes = output_get_number(o, "read_bytes"),
		.restored_bytes = output_get_number(o, "restored_bytes"),
		.compared_files = output_get_number(o, "compared_files"),
	};
	const json_t *steps = json_object_get(o, "steps"), *not_proven = json_object_get(o, "not_proven");

	if (r.began_ns == 0 || !json_is_array(steps) || !json_is_array(not_proven) ||
	    !*output_get_text(o, "volume_id"))
		return hf_error_set(err, -EINVAL, "this is not what holdfast drill --json prints");
	if (r.began_ns > drill_now_ns())
		return hf_error_set(err, -EINVAL,
				    "this drill is of the future: set one of the two clocks right");
	for (unsigned f = HF_FRESHNESS_UNPROVEN; f <= HF_FRESHNESS_STALE; f++)
		if (!strcmp(hf_freshness_name((enum hf_freshness)f), output_get_text(o, "freshness")))
			r.freshness = (enum hf_freshness)f;
	(void)snprintf(r.replica, sizeof(r.replica), "%s", output_get_text(o, "replica"));
	(void)snprintf(r.failed_step, sizeof(r.failed_step), "%s", output_get_text(o, "failed_step"));
	return drill_keep(store, &r, steps, not_proven, o, drill_step_was(steps, "verify", "PASS"), err);
}
