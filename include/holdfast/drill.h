/* SPDX-License-Identifier: MIT */
/*
 * Drills: a recovery rehearsed from a replica, and what came of the last ones (docs/DRILLS.md).
 *
 * What came of them is in STORE/drills. hf_drill_last, hf_drill_state and hf_drill_record work on that file
 * alone, whether the store is open in some process or not.
 *
 * A rehearsal goes so: hf_drill_open reads all that is wanted of the primary's (which replica, its writer key,
 * what the replica acknowledged); from then on no file of the store is opened, and the caller can shut the
 * process off from it. hf_drill_reach, hf_drill_recover and hf_drill_attempts then have the replica alone;
 * hf_drill_free. One thread at a time uses a drill.
 */
#ifndef HOLDFAST_DRILL_H
#define HOLDFAST_DRILL_H

#include "holdfast/key.h"
#include "holdfast/replica.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What came of a step, or of a drill: the worst of its steps. */
enum hf_drill_verdict {
	HF_DRILL_PASS,
	HF_DRILL_SKIP, /* not done; the words say why */
	HF_DRILL_WEAK, /* done, and no defence is there that could have failed: a folder that root can delete */
	HF_DRILL_FAIL,
};
const char *hf_drill_verdict_name(enum hf_drill_verdict verdict); /* "PASS", "SKIP", "WEAK", "FAIL" */

enum { HF_DRILL_STEP_BYTES = 24, HF_DRILL_REPLICA_BYTES = 64 };

/* --- what came of the last drills */

struct hf_drill_result {
	uint64_t began_ns;  /* by the wall clock */
	bool passed;        /* no step failed, and the recovery was rehearsed to its end */
	bool weak;          /* a step was WEAK */
	bool with_kit;      /* by the kit alone; else by the keys that are on the primary */
	bool sample;        /* only parts of the log were verified: nothing was rebuilt or restored. Never `passed` */
	char failed_step[HF_DRILL_STEP_BYTES]; /* the first that failed; "": none */
	char replica[HF_DRILL_REPLICA_BYTES];  /* its name, or where it is */

	uint64_t tid, time_ns;    /* recovery point: the last moment that came back; 0: none did */
	double rpo_seconds;       /* its age: of the oldest operation that would be lost; 0: none would; negative: not known */
	double rto_seconds;       /* from nothing to the newest moment's files, as far as they were restored; negative: no time */
	double rto_all_seconds;   /* … and to all of them, estimated; negative: cannot be told */
	uint64_t read_bytes;      /* asked of the replica */
	uint64_t restored_bytes, compared_files;
	enum hf_freshness freshness;
	double share_verified;    /* 0 to 1: of the history on this replica, verified by this or an earlier drill */
};

/* The newest. -ENOENT: not a store; -ENODATA: there was none yet; -EUCLEAN: the file cannot be read. */
int hf_drill_last(const char *path, struct hf_drill_result *ret, struct hf_error *err);

/* When one is due. */
struct hf_drill_state {
	uint64_t passed_ns;  /* when the last began that passed; 0: none ever did */
	uint64_t limit_s;    /* one is to pass at least so often (hf_alarm_settings.drill_s); 0: never mind */
	uint64_t since_ns;   /* counted from: passed_ns, or when the volume was made */
	bool overdue;
	bool last_failed;    /* the newest did not pass, and was no sample */
};
int hf_drill_state(const char *path, struct hf_drill_state *ret, struct hf_error *err);

/*
 * Add one, durably. `detail` is JSON text of an object that is kept with it, "steps" and the like; NULL: none.
 * ret_share: result->share_verified as it is with this one; may be NULL. When it passed, open alarms of kind "drill"
 * are acknowledged. Segments verified: 1 to `segments` whole, or those in `sampled`.
 */
struct hf_drill_coverage {
	uint32_t segments;       /* of the log on the replica */
	const uint32_t *sampled; /* NULL: all of them were verified, or, with n_sampled SIZE_MAX, none */
	size_t n_sampled;
};
int hf_drill_record(const char *path, const struct hf_drill_result *result, const struct hf_drill_coverage *coverage,
		    const char *detail, double *ret_share, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
