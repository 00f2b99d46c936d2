/* SPDX-License-Identifier: MIT */
/* How far the store was verified, and what was found. */
#include "fs/metrics/sheets.h"
#include "holdfast/damage.h"

void damage_sheet(struct sheet *s, struct hf_store *store)
{
	struct hf_verified v;

	hf_store_verified(store, &v);
	sheet_one(s, "holdfast_damaged_places", SHEET_GAUGE, v.damaged,
		  "Places of the log that are known to be damaged and have not been healed.");
	sheet_one_time(
		s, "holdfast_verified_timestamp_seconds", v.complete_ns,
		"When every byte was last verified in one pass, by a scrub or a check; absent: never.");
	sheet_one(s, "holdfast_scrub_period_seconds", SHEET_GAUGE, v.scrub_s,
		  "The scrub of this mount is to take so long (-o scrub); 0: none does.");
	sheet_one_time(s, "holdfast_scrub_began_timestamp_seconds", v.began_ns,
		       "When the present pass of the scrub began; absent: none is under way.");
	sheet_one(s, "holdfast_scrub_done_bytes", SHEET_GAUGE, v.done_bytes,
		  "Bytes of the log that this pass has verified.");
	sheet_one(s, "holdfast_scrub_size_bytes", SHEET_GAUGE, v.total_bytes,
		  "Bytes of the log that it is to verify.");
}
