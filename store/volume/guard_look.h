/* SPDX-License-Identifier: MIT */
/* What the guard's thread looks at (layer 4): files whose contents were replaced, and the replicas. */
#ifndef STORE_VOLUME_GUARD_LOOK_H
#define STORE_VOLUME_GUARD_LOOK_H

#include "store/alarm/alarms.h"
#include "store/alarm/burst.h"
#include "store/volume/volume.h"

enum { GUARD_PAIRS_MAX = 64, GUARD_REPLICAS_MAX = 64 };

/*
 * Read a little of what was and of what is now. True: what is now is not all there yet, look again later
 * (pair->tries counts). May read the disk.
 */
bool guard_look_at_pair(const struct tree *t, struct burst_pair *pair, enum burst_outcome *ret);

/* Begins zeroed; `all` is freed by its owner. */
struct guard_replicas {
	uint64_t looked_ns;
	struct hf_replica_status *all; /* room for GUARD_REPLICAS_MAX */
	size_t n;
	struct guard_replica {
		char name[HF_ALARM_REPLICA_BYTES];
		uint64_t away_ns; /* since when; 0: it is not. All monotonic but for the last */
		uint64_t told_away_ns, told_lag_ns, told_refused_ns; /* 0: not since it was last well */
		uint64_t told_regressed_ns;                          /* of which going back it was told */
	} states[GUARD_REPLICAS_MAX];
};

/* Look at what is said of each replica there is now; they come and go. */
void guard_look_at_statuses(struct guard_replicas *r, const struct hf_replica_status *all, size_t n,
			    const char *volume, uint64_t mono_ns, const struct hf_alarm_settings *settings,
			    struct alarms *alarms);

/* Begins zeroed. All monotonic. */
struct guard_room {
	uint64_t looked_ns, none_ns, told_ns; /* none_ns: since when there is none; 0: there is some */
};

/* Look now and then whether there is room below, and tell when for some time there was none. */
void guard_look_at_room(struct guard_room *g, struct hf_store *s, struct alarms *alarms);

/* Begins zeroed. */
struct guard_drills {
	uint64_t looked_ns, told_overdue_ns; /* monotonic */
	uint64_t told_failed_ns;             /* when the drill began of which it was told */
};

/* Look whether a recovery of the store was rehearsed lately, and well, now and then. */
void guard_look_at_drills(struct guard_drills *d, const struct hf_store *s,
			  const struct hf_alarm_settings *settings, struct alarms *alarms);

/* Ask the store, not more often than the limits ask for, and look. */
void guard_look_at_replicas(struct guard_replicas *r, struct hf_store *s,
			    const struct hf_alarm_settings *settings, struct alarms *alarms);

#endif
