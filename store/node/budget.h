/* SPDX-License-Identifier: MIT */
/*
 * What a volume may take of the node's disk (layer 4; PROTOCOL.md §8.1). The operator says it in a file,
 * which is read at each append, so that it can be changed while the node is served. Nothing is ever given up
 * for it. Thread-safe, but for budget_init and budget_release.
 */
#ifndef STORE_NODE_BUDGET_H
#define STORE_NODE_BUDGET_H

#include <pthread.h>

#include "holdfast/node.h"
#include "store/alarm/alarms.h"
#include "store/replica/shelf.h"

enum {
	BUDGET_NEAR_PERCENT = 90,
	BUDGET_AGAIN_S = 86400,
	/* What a segment that has ended counts at least: a file takes blocks and an inode, however short it
	   is. */
	BUDGET_SEGMENT_BYTES = 64 << 10,
};
#define BUDGET_NONE UINT64_MAX /* as much as there is */

struct budget {
	pthread_mutex_t lock;    /* for all that follows; held while sizes of segments are asked for */
	uint32_t counted;        /* segments up to this one have ended, and are in `bytes` and `charged` */
	uint64_t bytes, charged; /* their lengths; what they count */
	bool refused;            /* an append, under told_limit */
	uint64_t told_limit;     /* what is below was told of */
	unsigned told_percent;   /* 0: nothing */
	uint64_t told_ns;        /* monotonic */
};

void budget_init(struct budget *b);
void budget_release(struct budget *b);

/*
 * DIR/budget: DIR is a volume's folder, or the node's for what new volumes get. No file: BUDGET_NONE.
 * -EUCLEAN: damaged, and what reading says, with words that say how to set it anew.
 */
MUST_USE int budget_read(const struct os *os, const char *dir, uint64_t *ret, struct hf_error *err);
MUST_USE int budget_write(const struct os *os, const char *dir, uint64_t bytes,
			  struct hf_error *err); /* durable */

/* Into *ret what the volume's segments count now, and into *ret_bytes (may be NULL) how long they are. */
MUST_USE int budget_used(struct budget *b, struct shelf *s, uint64_t *ret, uint64_t *ret_bytes,
			 struct hf_error *err);
/* What a segment of this length counts once it has ended. */
uint64_t budget_charge(uint64_t bytes);

struct budget_append {
	struct log_pos at;
	const void *data;
	size_t len;
	/* what comes out */
	bool over;            /* refused for the budget */
	uint64_t limit, used; /* then */
	bool look;            /* there is something for budget_look to tell */
};

/*
 * May it come? 0: yes, or it is not at the log's end, and so takes no room. -EDQUOT: no, with words. The data
 * is not looked at.
 */
MUST_USE int budget_admit(struct budget *b, const struct os *os, const char *dir, struct shelf *s,
			  struct budget_append *a, struct hf_error *err);
/* That, then shelf_append. Requires the volume's append_lock (volume_hold). */
MUST_USE int budget_append(struct budget *b, const struct os *os, const char *dir, struct shelf *s,
			   struct budget_append *a, struct log_point *ret, struct hf_error *err);

/* Raise the alarm, if there is a reason that was not told yet, or not for a day. After appends, and now and
 * then. */
void budget_look(struct budget *b, const struct os *os, const char *dir, struct shelf *s,
		 struct alarms *alarms, const char *volume, uint64_t mono_ns);

#endif
