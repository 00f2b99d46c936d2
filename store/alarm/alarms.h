/* SPDX-License-Identifier: MIT */
/*
 * What a person must look at (layer 4; PROTOCOL.md §9), on a node or on the machine a store is mounted on.
 *
 * Invariants
 *  1. When alarms_raise returns, the alarm is durable (unless the disk failed, which is said in the log) or
 *     counted in one that is; its count is on disk within a second, while alarms_next is being called.
 *  2. Only an acknowledgement closes an alarm, and one that covers every time it was raised.
 *  3. There are at most ALARMS_MAX files. Open ones are not removed.
 *
 * Thread-safe. alarms_raise writes a file, and waits for nobody's hook or webhook.
 */
#ifndef STORE_ALARM_ALARMS_H
#define STORE_ALARM_ALARMS_H

#include "holdfast/alarm.h"
#include "store/os/os.h"

enum { ALARMS_MAX = 1000, ALARMS_DURATION_BYTES = 32 };

struct alarms;

/*
 * Open DIR/alarms, made if it is not there. A damaged file is an open alarm. -ENOMEM; what the folder says.
 */
MUST_USE int alarms_open(const struct os *os, const char *dir, struct alarms **ret, struct hf_error *err);
void alarms_close(struct alarms *a); /* writes what is not written yet; NULL is fine */

/*
 * volume: its id as text, NULL: the node itself. Control characters in the words become spaces. Each time is
 * a line of the log, but of one alarm no more than journal_quota_take lets through.
 */
void alarms_raise(struct alarms *a, const char *kind, const char *volume, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "25 hours", "90 seconds", for the words of one. Returns out. */
const char *alarms_duration(uint64_t ns, char out[ALARMS_DURATION_BYTES]);

/* What an alarm is about. Each may be NULL; all are copied. */
struct alarm_about {
	const char *volume, *replica;
	const char *moment; /* kept of the first time, while the alarm is open */
	bool worse; /* than when it was last raised: written and delivered at once, also a short time after */
};
void alarms_raise_about(struct alarms *a, const char *kind, const struct alarm_about *about, const char *fmt,
			...) __attribute__((format(printf, 4, 5)));

/* The number of an open alarm that holds up prunes (alarm_freezes), 0: there is none. */
MUST_USE uint32_t alarms_freeze(struct alarms *a);

/*
 * For the thread that delivers: wait for an alarm that is to be delivered (true, a copy in *ret), or the end
 * (false). What it made of that goes to alarms_delivered before the next call.
 */
MUST_USE bool alarms_next(struct alarms *a, struct hf_alarm *ret);
void alarms_delivered(struct alarms *a, uint32_t number, bool well);
void alarms_stop(struct alarms *a); /* alarms_next returns false from now on */

#endif
