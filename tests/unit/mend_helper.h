/* SPDX-License-Identifier: MIT */
/* For tests of healing: a closed log, a copy to be damaged, and one to heal from. */
#ifndef TESTS_UNIT_MEND_HELPER_H
#define TESTS_UNIT_MEND_HELPER_H

#include "store/replica/copies.h"
#include "tests/unit/log_helper.h"

enum { SEGMENT = 16 << 10, FRAME = 2000, SEGMENTS = 4 };

/* A closed log of several segments, three times: as it is, to be damaged, and to heal from. */
struct mend_bench {
	struct log_fixture f;
	char work[160], good[160], work_log[170], good_log[170];
	struct log_point end;
	uint64_t groups;
	struct copies copies;
	struct grants none;
	const struct log_known *known; /* NULL: nothing is */
};

void mend_bench_init(struct mend_bench *b);
void mend_bench_release(struct mend_bench *b);

/* A log into the folder `to`, which is made; its own path into to_log. */
void mend_copy_log(const char *from_log, const char *to, char to_log[170]);
void mend_segment_path(const char *log_dir, uint32_t segment, char out[200]);

struct mend mend_bench_mend(struct mend_bench *b);
/* What mend_segment returns of a segment by itself; err may be NULL. */
int mend_one(struct mend_bench *b, uint32_t segment, struct mended *ret, struct hf_error *err);
bool mend_is_whole(const struct mend_bench *b);

#endif
