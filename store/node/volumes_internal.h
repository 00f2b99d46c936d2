/* SPDX-License-Identifier: MIT */
/* What volumes.c and enrol.c share (layer 4). */
#ifndef STORE_NODE_VOLUMES_INTERNAL_H
#define STORE_NODE_VOLUMES_INTERNAL_H

#include <pthread.h>

#include "store/node/volumes.h"

struct volume {
	uint8_t id[VOLUME_ID_BYTES]; /* immutable, as is dir and shelf */
	char id_text[HF_VOLUME_ID_TEXT_BYTES];
	char *dir;
	struct shelf *shelf;
	/* One append at a time is judged and written, and an epoch begins between two; before volumes.lock.
	 */
	pthread_mutex_t append_lock;
	pthread_mutex_t lock;
	struct epoch_cert *certs; /* by epoch, rising; at least one */
	size_t n_certs;
	struct pulse pulse; /* with a lock of its own, as the next */
	struct budget budget;
	struct nonces *of_writer, *of_owner;
};

struct volumes {
	const struct os *os;
	char *dir;     /* of the node */
	char *volumes; /* DIR/volumes */
	bool read_only;
	pthread_mutex_t enrol_lock; /* one enrolment at a time; taken before the others */
	pthread_mutex_t lock;       /* for all and n; before a volume's lock */
	struct volume **all;
	size_t n;
	struct volume_fault *faults; /* immutable once they are open */
	size_t n_faults;
};

/* NULL: no memory. */
MUST_USE struct volume *volume_new(const struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES]);
void volume_free(struct volume *v);
/* Requires vs->lock, or that nobody else has vs. */
MUST_USE int volumes_add(struct volumes *vs, struct volume *v);

bool volume_same_cert(const struct epoch_cert *a, const struct epoch_cert *b);
/*
 * Both require v->lock, or that nobody else has v. A certificate goes to its place, in place of another of
 * its epoch.
 */
const struct epoch_cert *volume_newest(const struct volume *v);
MUST_USE int volume_add_cert(struct volume *v, const struct epoch_cert *cert);

#endif
