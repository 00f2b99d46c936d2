/* SPDX-License-Identifier: MIT */
/*
 * What of an open store is known to be damaged (layer 4; FORMAT.md §16): told by whoever meets it, remembered
 * in verified.json, raised as an alarm, and retired, so that nothing new is made of it. Every open store has
 * one; a mounted one has a thread besides, which settles what was told at once, and scrubs (scrub.c).
 *
 * Thread-safe. rot.lock is a leaf; rot.writing is held over the file's write and comes before it. rot_found
 * takes nothing else, and may be called with any lock held.
 */
#ifndef STORE_VOLUME_ROT_H
#define STORE_VOLUME_ROT_H

#include "store/volume/verified.h"
#include "store/volume/volume.h"

struct rot {
	struct hf_store *s; /* immutable */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* for the thread: something was told, or it is to stop */
	struct verified v;      /* this and the rest: protected by lock */
	bool unsettled;         /* something was told since rot_settle */
	bool unretired;         /* something could not be retired then: the next one tries again */
	bool unwritten;         /* v is not what is in the file */
	bool stop;
	bool repairing;        /* somebody heals: one at a time */
	size_t n_told;         /* the first of v.damage an alarm was raised of */
	uint64_t segment_done; /* bytes of v.segment that the scrub has read */

	atomic_size_t n; /* v.n, and 1 when there is more: to be read without the lock */

	pthread_mutex_t writing; /* one writes the file at a time; before lock */

	/* scrub.c */
	uint64_t scrub_s; /* immutable */
	bool has_thread;
	pthread_t thread;
};

/* Before anything is read of it. -ENOMEM. */
MUST_USE int rot_open(struct hf_store *s);
void rot_free(struct hf_store *s);

/* A frame there (or what should be one, or the segment, offset 0) is damaged. */
void rot_found(struct hf_store *s, struct log_pos pos, const char *words);
/* Who has read the frame there has met this failure: it is noted when it is damage. */
void rot_met(struct hf_store *s, struct log_pos pos, int code);
/*
 * Is any known; is this frame, or all of its segment (which may be gone, though it is still open here); is
 * the one that a chunk is in? (Without a place it was written just now.)
 */
static inline bool rot_knows_some(const struct hf_store *s)
{
	return atomic_load(&s->rot->n) > 0;
}
bool rot_is_bad(struct hf_store *s, struct log_pos frame);
bool rot_has_chunk(struct hf_store *s, uint64_t number);
/*
 * What is known are places where a frame begins. Behind a header that is damaged none may be known up to the
 * next commit, and of what is found beyond HF_DAMAGE_MAX none is: can there be more of this in the segment?
 */
bool rot_doubts(struct hf_store *s, uint32_t segment);
/* All was looked at since then, and this found: what was known before, and not seen, is no damage any more.
 */
void rot_seen(struct hf_store *s, const struct verified *seen, uint64_t since_ns);
/* False: somebody else heals just now. */
bool rot_begin_repair(struct hf_store *s);
void rot_end_repair(struct hf_store *s);
/* A segment was healed. */
void rot_healed(struct hf_store *s, uint32_t segment);

/* rot_chunk.c */
struct rot_look {             /* zeros at first */
	struct log_pos frame; /* the last that was looked at */
	bool bad;
};
/*
 * As rot_has_chunk; and where the segment is in doubt, the frame is read from the disk. One that cannot be
 * read counts as damaged, whatever keeps it from being read.
 */
bool rot_lost_chunk(struct hf_store *s, uint64_t number, struct rot_look *last);
/*
 * No operation is to name what is in the frame at pos; nor, when headers lead no further from there, what
 * cannot be read of the rest of its segment: *walked is where that was looked through from. 0 when all that
 * is durable.
 */
MUST_USE int rot_retire(struct hf_store *s, struct log_pos pos, struct log_pos *walked);

/*
 * Write down, tell and retire what was told. May do an operation and wait for it to be durable; so not from
 * where operations are done.
 */
void rot_settle(struct hf_store *s);
/* Everything up to there was verified. Written down. */
void rot_complete(struct hf_store *s, uint64_t tid);

/* scrub.c: the thread. What cannot be started is said in the log. */
void scrub_start(struct hf_store *s, uint64_t scrub_s);
void scrub_stop(struct hf_store *s);

#endif
