/* SPDX-License-Identifier: MIT */
/*
 * Other copies of a log, asked for what one lacks (layer 4): folders of segment files, nodes, buckets. What
 * they give is judged by who asks. One thread at a time.
 */
#ifndef STORE_REPLICA_COPIES_H
#define STORE_REPLICA_COPIES_H

#include "store/replica/mend.h"
#include "store/replica/peer.h"

enum copy_kind { COPY_FOLDER, COPY_NODE, COPY_BUCKET };

struct copy {
	enum copy_kind kind;
	char name[64];     /* for words */
	char *dir;         /* folder: that which has `log` in it */
	struct peer *peer; /* node and bucket */
};

struct copies {
	const struct os *os;
	struct copy *all;
	size_t n;
	const char *last; /* whose offer was taken last */
	struct buf bytes;
};

void copies_init(struct copies *c, const struct os *os);
void copies_release(struct copies *c);

/* -ENOMEM. dir is copied. */
MUST_USE int copies_add_folder(struct copies *c, const char *name, const char *dir);
/*
 * Where the segments of this volume are, given a store, a replica's folder, or a node's: the folder that has
 * `log` in it, terminated, into out. -ENOENT: none of these.
 */
MUST_USE int copies_find_folder(const struct os *os, const char *path,
				const uint8_t volume_id[VOLUME_ID_BYTES], struct buf *out,
				struct hf_error *err);

/* All replicas of the store at `path`; what is wrong with one is told, and the others taken. keys: borrowed.
 * -ENOMEM. */
MUST_USE int copies_add_replicas(struct copies *c, const char *path, const struct keyring *keys,
				 void (*told)(void *arg, const char *what), void *arg, struct hf_error *err);

/* For struct mend: arg is the struct copies. */
int copies_offer(void *arg, struct log_pos at, mend_take_fn *take, void *take_arg, struct hf_error *err);

/* A whole segment of one copy, as far as it has it; not of a bucket. -ENOENT: it has none of this number. */
MUST_USE int copies_read_segment(struct copies *c, const struct copy *from, uint32_t segment, struct buf *out,
				 struct hf_error *err);

#endif
