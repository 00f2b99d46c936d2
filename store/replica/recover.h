/* SPDX-License-Identifier: MIT */
/*
 * A recovery, and the same rehearsed (layer 4): one way for both, which parts only where the replica would be
 * told of the new epoch, and where the new store would ship to it.
 */
#ifndef STORE_REPLICA_RECOVER_H
#define STORE_REPLICA_RECOVER_H

#include "holdfast/key.h"
#include "store/log/log.h"
#include "store/replica/place.h"

struct recover_options {
	const struct os *os;
	struct place *place;       /* its volume is set; a bucket's credentials, when it has none, are the
				      environment's */
	const struct owner *owner; /* NULL, in a rehearsal only: */
	const struct keyring
		*keys; /* … by these, which have the writer key. No epoch is begun, nor is that key written */
	bool rehearsal;                   /* the replica is told nothing, and the new store ships nowhere */
	const struct hf_heads *heads;     /* NULL: none */
	const struct hf_keeping *keeping; /* NULL: plain */
	const struct hf_progress *progress;
};

/* As hf_recover_held. ret_end (may be NULL): where the log ended that was fetched. */
MUST_USE int recover_run(const struct recover_options *o, const char *path, struct hf_recovery *ret,
			 struct log_point *ret_end, struct hf_error *err);

#endif
