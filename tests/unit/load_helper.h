/* SPDX-License-Identifier: MIT */
/*
 * A row of changes, as operations make them, that is loaded into an index, or published and settled one by
 * one; and what an index must hold behind each of them. A failure fails the test.
 */
#ifndef TESTS_UNIT_LOAD_HELPER_H
#define TESTS_UNIT_LOAD_HELPER_H

#include "store/index/index.h"

enum { STEPS = 3000 };

/* With how much memory, and what is loaded: values of 0 to 189 of these bytes, and 4. */
struct load {
	uint64_t memory_bytes;
	uint32_t unit;
};

/* The head goes through memtables; and to files of its own. */
extern const struct load load_small, load_large;

/* With a small cache, or the error of it; at the step that its state says. */
int try_open(const char *dir, bool wipe, struct index **ret, uint32_t *ret_at, struct hf_error *err);
struct index *open_at_step(const char *dir, uint32_t *ret_at);

/* Steps [from, to). `finish`: to the last of them, not only as far as the loader got by itself. */
int try_load(struct index *x, const struct load *how, uint32_t from, uint32_t to, bool finish,
	     struct hf_error *err);
void load_steps(struct index *x, const struct load *how, uint32_t from, uint32_t to, bool finish);
void settle_steps(struct index *x, const struct load *how, uint32_t from, uint32_t to);

void expect_same(struct index *x, struct index *y);
/* What an operation may read is as it was behind step `at`: no later, no earlier. */
void expect_step(struct index *x, const struct load *how, uint32_t at);

void put_be32(uint8_t *p, uint32_t v);
uint32_t mix(uint32_t v); /* nothing random, but it looks so */

#endif
