/* SPDX-License-Identifier: MIT */
/* What the last rehearsals of a recovery came to. */
#include <errno.h>

#include "fs/metrics/sheets.h"
#include "holdfast/drill.h"

/* Negative: it cannot be told. */
static void put_seconds(struct sheet *s, const char *name, bool known, double seconds, const char *help)
{
	sheet_metric(s, name, SHEET_GAUGE, help);
	if (known && seconds >= 0)
		sheet_number(s, seconds, NULL);
}

static void put_figure(struct sheet *s, const char *name, bool known, uint64_t value, const char *help)
{
	sheet_metric(s, name, SHEET_GAUGE, help);
	if (known)
		sheet_count(s, value, NULL);
}

static void put_last(struct sheet *s, bool known, const struct hf_drill_result *d)
{
	sheet_metric(s, "holdfast_drill_info", SHEET_GAUGE,
		     "Always 1; of the newest drill its replica, what stood for the kit, and the first step "
		     "that failed.");
	if (known)
		sheet_count(s, 1, "replica", d->replica, "keys", d->with_kit ? "kit" : "primary", "kind",
			    d->sample ? "sample" : "whole", "failed_step", d->failed_step, NULL);
	sheet_one_time(s, "holdfast_drill_timestamp_seconds", known ? d->began_ns : 0,
		       "When the newest drill began; absent: there was none.");
	put_figure(s, "holdfast_drill_passed", known, d->passed,
		   "1: the newest drill passed; 0: a step failed, or it was a sample.");
	put_figure(s, "holdfast_drill_weak", known, d->weak,
		   "1: a step of it found no defence that could have failed.");
	sheet_one_time(s, "holdfast_drill_recovery_point_timestamp_seconds", known ? d->time_ns : 0,
		       "Time of the last operation that came back.");
	put_seconds(s, "holdfast_drill_recovery_point_age_seconds", known, d->rpo_seconds,
		    "RPO: age of the oldest operation that would have been lost; 0: none would.");
	put_seconds(s, "holdfast_drill_recovery_time_seconds", known, d->rto_seconds,
		    "RTO: from nothing to the newest files, as far as they were restored.");
	put_seconds(s, "holdfast_drill_recovery_time_all_seconds", known, d->rto_all_seconds,
		    "RTO for all files, estimated.");
	put_figure(s, "holdfast_drill_read_bytes", known, d->read_bytes,
		   "Bytes that it read of the replica.");
	put_seconds(s, "holdfast_drill_verified_ratio", known, d->share_verified,
		    "Share of the history on the replica that drills have ever verified, 0 to 1.");
}

static void put_due(struct sheet *s, bool known, const struct hf_drill_state *d)
{
	sheet_one_time(s, "holdfast_drill_passed_timestamp_seconds", known ? d->passed_ns : 0,
		       "When the last drill that passed began; absent: none ever did.");
	put_figure(s, "holdfast_drill_limit_seconds", known, d->limit_s,
		   "One is to pass at least so often; 0: no matter.");
	put_figure(s, "holdfast_drill_overdue", known, d->overdue,
		   "1: none has passed for longer than that.");
}

void drill_sheet(struct sheet *s, struct hf_store *store, struct sheets_parts *parts)
{
	struct hf_drill_result last = { .began_ns = 0 };
	struct hf_drill_state state = { .passed_ns = 0 };
	int r = hf_drill_last(hf_store_path(store), &last, NULL);
	int q = hf_drill_state(hf_store_path(store), &state, NULL);

	put_last(s, r == 0, &last);
	put_due(s, q == 0, &state);
	sheets_part(parts, "drills", (r == 0 || r == -ENODATA) && q == 0);
}
