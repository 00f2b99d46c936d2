/* SPDX-License-Identifier: MIT */
/* Whether a tree is, at one place and moment, what one was at another: all that restoring promises. */
#ifndef TESTS_UNIT_TREE_COMPARE_H
#define TESTS_UNIT_TREE_COMPARE_H

#include "holdfast/view.h"

/* 0, or -1 when something differs, which is printed. Paths from the root; change times are not looked at. */
int tree_compare(const struct hf_view *a, const char *path_a, const struct hf_view *b, const char *path_b);

#endif
