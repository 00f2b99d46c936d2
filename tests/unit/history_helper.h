/* SPDX-License-Identifier: MIT */
/* For tests of the past: what is done to names, and words for what a walk tells, to be held against a text.
 */
#ifndef TESTS_UNIT_HISTORY_HELPER_H
#define TESTS_UNIT_HISTORY_HELPER_H

#include "store/history/internal.h"
#include "tests/unit/store_helper.h"

int history_teardown(void **state); /* after store_setup; for tests that act for somebody */

void move(struct store_fixture *f, uint64_t dir, const char *name, uint64_t to, const char *new_name);
void drop(struct store_fixture *f, uint64_t dir, const char *name);

struct words {
	char text[8192];
	size_t len;
	size_t n, stop; /* stop: after so many; 0: never */
};
void say(struct words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *kind_name(enum hf_change_kind kind);

#endif
