/* SPDX-License-Identifier: MIT */
/* Reading a group's notes from its entry in the index (layer 3, notes.c). */
#ifndef STORE_TREE_NOTES_H
#define STORE_TREE_NOTES_H

#include "store/tree/tree.h"

struct notes_reader {
	struct cursor c;
	struct op_note note; /* the one read last; before the first its tid and time */
	bool first;
	struct hf_error *err;
};
/* -EUCLEAN. The spans are borrowed while it is read. */
MUST_USE int notes_begin(struct notes_reader *g, struct span key, struct span value, struct hf_error *err);
/* The next into g->note: 1, 0 at the end, -EUCLEAN. */
MUST_USE int notes_next(struct notes_reader *g);

#endif
