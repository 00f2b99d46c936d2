/* SPDX-License-Identifier: MIT */
/* Holding a store, at any moment, against the model of that moment. */
#ifndef TESTS_MODEL_COMPARE_H
#define TESTS_MODEL_COMPARE_H

#include "tests/model/model.h"

enum compare_flags {
	COMPARE_ORPHANS = 1, /* inodes without a name, too */
	COMPARE_LOOSE = 2,   /* not the times that the store chose, nor which operation made a state */
	COMPARE_QUIET = 4,   /* say nothing about a difference */
};

/*
 * 0, or -1 after the first difference was printed. Inodes whose state is the very one in `checked` (may be
 * NULL) were looked at at another moment and are left out. random: a state for choices, changed.
 */
int compare_trees(const struct hf_view *view, const struct model *m, const struct model *checked,
		  unsigned flags, uint64_t *random);
/* The tags there are. */
int compare_tags(struct hf_store *store, const struct model *m);

#endif
