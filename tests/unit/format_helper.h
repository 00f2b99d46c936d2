/* SPDX-License-Identifier: MIT */
/* For tests of store/format: one owner, whose seed is 00 01 … 1f, and keys with the writer of epoch 2. */
#ifndef TESTS_UNIT_FORMAT_HELPER_H
#define TESTS_UNIT_FORMAT_HELPER_H

#include "store/format/format.h"

extern struct owner *format_owner;
extern struct keyring *format_keys;

int format_setup(void **state);
int format_teardown(void **state);

#endif
