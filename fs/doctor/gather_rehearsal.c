/* SPDX-License-Identifier: MIT */
/* What was rehearsed, and what was verified. */
#include <errno.h>
#include <string.h>

#include "fs/doctor/gather.h"
#include "holdfast/drill.h"

void gather_rehearsal(struct facts *f)
{
	struct facts_rehearsal *h = &f->rehearsal;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_drill_result last;
	struct hf_drill_state state;

	h->drill_rto_seconds = -1;
	h->drill_code = hf_drill_last(f->store.path, &last, &err);
	memcpy(h->drill_text, err.text, sizeof(h->drill_text));
	if (h->drill_code < 0)
		return;
	h->drill_ns = last.began_ns;
	h->drill_passed = last.passed;
	(void)gather_text(h->drill_failed_step, sizeof(h->drill_failed_step), "%s", last.failed_step);
	h->drill_rto_seconds = last.passed ? last.rto_seconds : -1;
	if (hf_drill_state(f->store.path, &state, NULL) < 0)
		return;
	h->drill_passed_ns = state.passed_ns;
	h->drill_limit_s = state.limit_s;
	h->drill_overdue = state.overdue;
}
