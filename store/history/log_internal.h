/* SPDX-License-Identifier: MIT */
/* Shared by log.c, which tells of operations, and log_tree.c, which finds those of a tree. */
#ifndef STORE_HISTORY_LOG_INTERNAL_H
#define STORE_HISTORY_LOG_INTERNAL_H

#include "store/history/internal.h"

/* An inode that was in the tree, and the last operation on it there that may be. */
struct member {
	uint64_t ino, last;
};

struct log_walk {
	struct hf_store *s;
	uint64_t since, until;
	unsigned flags;
	hf_event_fn *each;
	void *arg;
	const struct hf_progress *progress;
	struct hf_error *err;
	struct places *places;
	/* the path's life, newest first; of a directory also the inodes */
	struct hf_stretch *life;
	size_t n_life;
	bool is_dir;
	/* gathered: a file's, and of a tree told oldest first all of them */
	struct numbers tids;
	struct hf_change *found;
	size_t n_found, cap_found;
	const struct hf_stretch *stretch; /* of life: the one being looked at */
	bool filter;                      /* of what is found only what is in the tree */
	bool within_known;                /* and all that is, is of these inodes */
	struct numbers within;
	struct member *members; /* the same */
	struct hf_attr
		known; /* of the inode told last, told newest first: what it was before; ino 0: nothing */
	uint64_t seen;
};

/* Gathers an operation that is within what is asked for. 0, -ENOMEM. */
MUST_USE int log_keep_tid(struct log_walk *w, uint64_t tid);
/* Gathers it to be told. 0, -ENOMEM. */
MUST_USE int log_keep_change(struct log_walk *w, const struct hf_change *c);
/* Was it done in the tree? 1, 0, negative. */
MUST_USE int log_in_tree(struct log_walk *w, const struct hf_change *c);

/* These tell of one, of all that were gathered, and of those whose numbers were: 0, what each() stopped with,
 * negative. */
MUST_USE int log_tell(struct log_walk *w, const struct hf_change *c);
MUST_USE int log_tell_found(struct log_walk *w, bool backwards);
MUST_USE int log_tell_wanted(struct log_walk *w);

/* All of a directory's. As those above. */
MUST_USE int log_tree(struct log_walk *w);

#endif
