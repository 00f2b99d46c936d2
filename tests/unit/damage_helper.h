/* SPDX-License-Identifier: MIT */
/* For tests of damage: a store with one frame that a test may damage. */
#ifndef TESTS_UNIT_DAMAGE_HELPER_H
#define TESTS_UNIT_DAMAGE_HELPER_H

#include "holdfast/damage.h"
#include "tests/unit/store_helper.h"

enum { BYTES = 40000, SMALL_SEGMENT = 128 << 10 };

/* A store with one file whose bytes have a frame of their own, closed; and where that frame is. */
struct one {
	struct store_fixture f;
	uint64_t ino;
	uint8_t data[BYTES];
	char segment[400];
	uint32_t offset; /* of the frame in segment 1 */
	uint32_t len;
};

void one_init(struct one *o);
void one_release(struct one *o);
void damage(struct one *o); /* a byte of that frame, on the disk; and once more: as it was */
ssize_t try_read(struct one *o, uint64_t ino); /* what is read is right, or refused in words */
struct hf_verified verified_of(struct one *o);
void expect_known(struct one *o, bool retired); /* that frame, and no other, is known to be damaged */

#endif
