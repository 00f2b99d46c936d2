/* SPDX-License-Identifier: MIT */
/*
 * A peer asked again, by who brings a log back and has nothing better to do (layer 4): after what may be over
 * in a moment, and never after a refusal, or an answer that does not verify.
 */
#ifndef STORE_REPLICA_PATIENCE_H
#define STORE_REPLICA_PATIENCE_H

#include "holdfast/error.h"
#include "holdfast/store.h"
#include "store/base/cleanup.h"

enum { PATIENCE_TRIES = 8 }; /* as of a bucket; 7 s of pauses in all */

struct patience {
	const struct hf_progress *progress; /* is told; NULL: nobody is */
	/* It has answered before: then that it cannot be reached is no wrong address, but may be over soon.
	 */
	bool met;
	unsigned tries; /* of what is asked now */
};

/*
 * Is it to be asked once more, after it answered with this? True after a pause, which grows from 0.1 s to 2
 * s: it was busy (-EBUSY), or the connection was lost (-ECONNRESET); and, when it was met, also when nothing
 * was heard of it. In `err` are the words of the failure, and then of how often it was tried.
 */
MUST_USE bool patience_again(struct patience *p, int r, struct hf_error *err);

#endif
