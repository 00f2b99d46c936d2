/* SPDX-License-Identifier: MIT */
/*
 * Bursts of destruction (layer 4; docs/ALARMS.md): told of every operation that takes something away from the
 * head of a volume, it says when so much of it has come within a window that a person must look, and which
 * operation was the first. Pure: no clock, no I/O; time is what it is told (monotonic). It keeps counters and
 * tables of a fixed size, however much happens.
 *
 * Of a file whose contents give way to others it makes a *pair*: what was and what is now. Whoever can read
 * looks at both (burst_take, burst_judged); only so many pairs wait, and the others are taken to be like
 * those that were looked at.
 *
 * One thread at a time.
 */
#ifndef STORE_ALARM_BURST_H
#define STORE_ALARM_BURST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/cleanup.h"

enum burst_kind { BURST_DELETION, BURST_OVERWRITE, BURST_ENCRYPTION, BURST_KINDS };

enum {
	BURST_PAIRS_MAX = 256, /* that wait to be looked at */
	BURST_BUCKETS = 30,    /* a window has */
	BURST_WINDOWS = 12,    /* so long it remembers where a burst began */
	BURST_SURE_FILES = 10, /* so many must really have been seen encrypted */
	BURST_MASS_SHARE = 50, /* so many percent are mass, however usual */
};
#define BURST_MASS_BYTES (UINT64_C(1) << 30) /* so much may be mass however few the files */

/* The operation that something happened by. */
struct burst_op {
	uint64_t tid, time_ns;
	uint64_t before_ns; /* time of the operation before it */
};

struct burst_when {
	uint64_t mono_ns;
	struct burst_op op;
};

/* A file's contents, or a stretch of them, and what came in their place. */
struct burst_pair {
	uint64_t old_ino, new_ino;
	uint64_t offset, len;
	uint64_t tid; /* of the operation by which the old were lost: they are there just before it */
	uint64_t bucket;
	unsigned tries;
};
enum burst_outcome { BURST_UNKNOWN, BURST_HARMLESS, BURST_ENCRYPTED };

struct burst_limits {
	uint64_t files;
	uint32_t deletion_percent, overwrite_percent, encryption_files; /* 0: off */
};

/* What is to be told. */
struct burst_alarm {
	uint64_t files, bytes;
	uint64_t renamed; /* ENCRYPTION: files that got one new ending */
	unsigned percent; /* of all files, or of all bytes if that is more */
	struct burst_op first;
};

struct burst;

MUST_USE int burst_new(uint64_t window_ns, struct burst **ret); /* -ENOMEM */
void burst_free(struct burst *b);
/* What was told is forgotten if this is another window than before. */
void burst_set_window(struct burst *b, uint64_t window_ns);

/*
 * A file's last name is gone. young: it had been made so lately that nobody misses it; then it does not
 * count. parent and name may be made again (burst_made): then it was no deletion.
 */
void burst_removed(struct burst *b, const struct burst_when *when, uint64_t parent, const char *name,
		   uint64_t ino, uint64_t size, bool young);
/* A name was made for a file, new or not. */
void burst_made(struct burst *b, const struct burst_when *when, uint64_t parent, const char *name,
		uint64_t ino);
/* A file's last name was given to another. */
void burst_replaced(struct burst *b, const struct burst_when *when, uint64_t old_ino, uint64_t size,
		    uint64_t new_ino, bool young);
/* Bytes that were there have been written over, or cut off or punched out. */
void burst_written(struct burst *b, const struct burst_when *when, uint64_t ino, uint64_t offset,
		   uint64_t len, bool young);
void burst_cut(struct burst *b, const struct burst_when *when, uint64_t ino, uint64_t offset, uint64_t len,
	       bool young);
void burst_renamed(struct burst *b, const struct burst_when *when, const char *from, const char *to);

/* Pairs to look at; how many. Each comes back by burst_judged, or, to be asked again later, burst_again. */
size_t burst_take(struct burst *b, struct burst_pair *ret, size_t max);
void burst_judged(struct burst *b, const struct burst_pair *pair, enum burst_outcome outcome);
void burst_again(struct burst *b, const struct burst_pair *pair);

/*
 * Is an alarm of this kind to be raised now? It is when a burst is first seen, and once a window while it
 * goes on. `first` stays that of the same burst. live_*: what the volume has now.
 */
bool burst_judge(struct burst *b, enum burst_kind kind, const struct burst_limits *limits, uint64_t mono_ns,
		 uint64_t live_files, uint64_t live_bytes, struct burst_alarm *ret);

#endif
