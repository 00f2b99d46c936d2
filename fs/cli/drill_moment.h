/* SPDX-License-Identifier: MIT */
/* A moment restored and compared, all of it or as much as there is time and room for (layer 6). */
#ifndef FS_CLI_DRILL_MOMENT_H
#define FS_CLI_DRILL_MOMENT_H

#include "fs/cli/drill_compare.h"
#include "holdfast/view.h"

enum { DRILL_PICKS_MAX = 256 };

struct drill_moment {
	/* given */
	struct hf_store *store;
	uint64_t tid, time_ns;
	uint64_t bytes_max; /* of contents; a moment that has more is not restored whole */
	const char *scratch;

	/* found */
	char *to; /* where it was written */
	bool whole, owners;
	uint64_t files, bytes, failed, pruned;
	char first[HF_ERROR_TEXT_BYTES]; /* of what failed */
	size_t n_picks;
	struct drill_pick {
		struct hf_attr attr;
		char name[256];
	} * picks; /* when it is not whole: each in a folder of its own, to/N */
};

/*
 * Write it out: the whole tree when its contents are not more than bytes_max, else files found by walking
 * down at random, until they are as much or DRILL_PICKS_MAX of them. What fails is counted. Negative: nothing
 * more can be written, or read.
 */
int drill_moment_restore(struct drill_moment *m, const struct operation_listener *listener,
			 struct hf_error *err);
/* Read back what was written, and compare. */
int drill_moment_compare(const struct drill_moment *m, const struct operation_listener *listener,
			 struct compare_summary *ret, struct hf_error *err);
/* Take it away again; a zeroed one is fine. */
void drill_moment_release(struct drill_moment *m);

/* 0 <= it < n; n is not 0. */
uint64_t drill_random(uint64_t n);

#endif
