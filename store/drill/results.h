/* SPDX-License-Identifier: MIT */
/* STORE/drills: what the last drills came to, a line each (layer 4; docs/DRILLS.md). */
#ifndef STORE_DRILL_RESULTS_H
#define STORE_DRILL_RESULTS_H

#include "holdfast/alarm.h"
#include "holdfast/drill.h"
#include "store/os/os.h"

enum { RESULTS_MAX = 200 }; /* kept: the newest */

/* The newest. -ENODATA: none; -EUCLEAN: there is a file, and nothing in it can be read as one. */
MUST_USE int results_last(const struct os *os, const char *path, struct hf_drill_result *ret,
			  struct hf_error *err);

/* hf_drill_state, of a store that was made at created_ns, by the wall clock of os. */
MUST_USE int results_state(const struct os *os, const char *path, uint64_t created_ns,
			   const struct hf_alarm_settings *settings, struct hf_drill_state *ret,
			   struct hf_error *err);

#endif
