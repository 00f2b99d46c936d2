/* SPDX-License-Identifier: MIT */
/*
 * The log (layer 2): a row of segment files as FORMAT.md §5 to §8 says. It knows frames, groups and commits,
 * and nothing of what is in them.
 *
 * Writing is for one thread at a time (the caller sees to it); reading, waiting and the questions below are
 * for any thread at any time, while writing goes on.
 *
 * Invariants
 *  1. The durable point only moves forward, and only after the sync that made it so.
 *  2. A group's bytes are written only after the group before it is durable (so a valid commit behind
 *     damage proves damage, FORMAT.md §7).
 *  3. Bytes at or before the durable point are never written again. A sealed segment is never written again.
 *  4. After a write or sync has failed the log takes no more (-EIO, or what failed, from then on), because
 *     what is on the disk is unknown until it is opened anew.
 *
 * Room: space is laid out ahead of the end, in the background, by a thread of the log's own: the rest of the
 * open segment and the next segment's file are allocated, and a window ahead of the write position is written
 * with zeros and synced so that a commit is one write and one fdatasync that changes no metadata below. What
 * is free of the file system is left so down to the reserve that the options name.
 * log_room says how much is surely there; who keeps its promises below that never sees -ENOSPC at a commit.
 */
#ifndef STORE_LOG_LOG_H
#define STORE_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "store/base/buf.h"
#include "store/base/workers.h"
#include "store/crypto/crypto.h"
#include "store/format/format.h"
#include "store/os/os.h"

struct log;

/* A place in the log. Segment 0 is nowhere. Ordered by segment, then offset. */
struct log_pos {
	uint32_t segment;
	uint32_t offset;
};
int log_pos_compare(struct log_pos a, struct log_pos b);
#define LOG_POS_MAX ((struct log_pos){ UINT32_MAX, UINT32_MAX }) /* behind all places */

/*
 * The state just behind a commit, or behind a segment's header: there, commit, tid, time and chain are those
 * of the last commit before it (0, 0, 0 and zeros when there is none), the epoch is the header's.
 */
struct log_point {
	struct log_pos end; /* first byte behind the commit frame */
	uint64_t commit;    /* its number */
	uint64_t tid;
	uint64_t time_ns;
	uint32_t epoch;
	bool sealed; /* the commit seals its segment */
	uint8_t chain[HASH_BYTES];
};

/* A known point (FORMAT.md §16): durable in this log when something beside it was made from it. */
struct log_known {
	struct log_point point;
	char who[96]; /* for people, to go in front of "up to segment 3, offset 5000" */
};

struct log_options {
	const struct os *os;
	const char *dir;            /* the log folder; copied */
	const struct keyring *keys; /* borrowed until log_close; with the writer key unless read_only */
	struct workers *workers;    /* borrowed; NULL: none */
	/* Seal at about this size; 0: SEGMENT_BYTES_NOMINAL. Small ones for tests. */
	uint64_t segment_bytes;
	/* How much of a file system of this size nothing is laid out ahead of. NULL: none of it. */
	uint64_t (*reserve)(uint64_t total_bytes);
	int zstd_level; /* 0: 1 */
	bool read_only; /* never writes, not even to cut a torn tail off */
	/* With read_only: no segment before this one is there, and its header is believed about them; 0: 1.
	 */
	uint32_t first_segment;
	/* With read_only, for log_verify: no damage, gap or foreign segment keeps it from opening. */
	bool damaged_too;
	/*
	 * With read_only: it ends here, whatever follows; NULL: where its last commit does. For a log that is
	 * being written to by who knows its durable point: behind that, groups are half written and files cut
	 * while one looks. Borrowed for log_open.
	 */
	const struct log_point *ends;
	/* Points in front of which it must not end. Borrowed for log_open. */
	const struct log_known *known;
	size_t n_known;
};

/* Told now and then during long work. total may be 0: not known. May be NULL. */
struct log_progress {
	void (*fn)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

/*
 * A new log: makes the folder, writes segment 1 of cert's epoch, durably. cert: signed, first_segment 1, zero
 * chain.
 */
MUST_USE int log_create(const struct log_options *o, const struct epoch_cert *cert, struct log **ret,
			struct hf_error *err);

/*
 * Open at the last commit that verifies. `known`, if not NULL, is a point at which the caller (the index)
 * believes a commit to end: the log must still hold exactly that point (its commit frame there with that
 * chain value), and verification starts from it instead of from the first segment's start; without `known` it
 * starts at the beginning of the last segment (whose header and certificate carry the chain), so opening
 * never reads more than what follows. Cuts a torn tail off (unless read_only).
 *
 *  -ENOENT           no segment in the folder
 *  -EUCLEAN          damage behind `known` in front of valid commits, a missing segment, or a log shorter
 * than `known` or the options' known points: nothing is changed; the words name segment and offset, and say
 * to run `holdfast check` -EKEYREJECTED     of another volume; or (not read_only) the writer key is not that
 * of the log's epoch. That of the epoch after it is let in, but nothing may be committed before
 *                    log_start_epoch
 *  -EPROTONOSUPPORT  see error.h
 */
MUST_USE int log_open(const struct log_options *o, const struct log_point *known, struct log **ret,
		      struct hf_error *err);
/*
 * Of a log that is open read_only: make sure of its last group, as opening it for writing does. It is written
 * once more, the same bytes, and synced. To be called before something that stays is made from the log's end:
 * a group whose sync failed can be read until the power goes, and then it is gone. What the disk says.
 */
MUST_USE int log_make_sure(struct log *l, struct hf_error *err);
/* The first segment of the log's present epoch. Not while it is written to. */
uint32_t log_epoch_start(const struct log *l);
/*
 * Of a log that was opened for writing: is the header of a frame in its last segment damaged? Where. It was
 * opened all the same, for the frame is in front of `known`. Before anything is written.
 */
bool log_has_lost(const struct log *l, struct log_pos *ret);
void log_close(struct log *l); /* stops the background; NULL is fine. What was not committed is gone */

/*
 * Begin a new epoch in a new segment (after recovery): cert names the next segment and the present chain
 * value; the keyring has that epoch's writer key. Durable when it returns.
 */
MUST_USE int log_start_epoch(struct log *l, const struct epoch_cert *cert, struct hf_error *err);

/* --- writing */

/*
 * How a data frame in pieces was sealed, as its header has it. Kept beside the frame's place, it spares who
 * wants a part of the frame the reading of the header. body_len 0: the frame is not in pieces.
 */
struct log_seal {
	uint32_t body_len;
	uint8_t nonce[NONCE_BYTES];
};

struct log_frame {
	uint8_t type;      /* FRAME_DATA or FRAME_META */
	struct buf plain;  /* in: the plaintext, owned by the frame. log_pack empties it if it compresses */
	struct buf packed; /* log_pack: the compressed form, if that is smaller */
	bool compressed;
	bool ready;           /* log_pack has seen it */
	bool passing;         /* in: nobody will read it soon, see log_wanted_from */
	struct log_pos pos;   /* log_commit: where it went */
	struct log_seal seal; /* log_commit: how */
};
void log_frame_release(struct log_frame *f);

/*
 * Compress (or decide not to: what does not shrink by 1/16 stays as it is), in parallel. Touches no state of
 * the log: any thread, before its turn.
 */
MUST_USE int log_pack(const struct log *l, struct log_frame *frames, size_t n);

/*
 * Write packed frames and a commit as one group, and sync. Seals the segment and begins the next when it is
 * full (a group that no longer fits goes whole into the next segment). data frames first, then metadata. n
 * may be 0 (a commit alone). tid and time_ns: of the last operation; never less than before, nor more than a
 * commit can say (-EINVAL). Returns 0 when the group is durable; then every frame's pos is set.
 */
MUST_USE int log_commit(struct log *l, struct log_frame *frames, size_t n, uint64_t tid, uint64_t time_ns,
			struct hf_error *err);

/*
 * Bytes (by log_frame_cost) that commits can still take without asking the file system for more, however they
 * are cut into groups: what is laid out of the open segment or of the next one, whichever is more, because a
 * group lies in one segment whole. When little is left, waits for a lay-out that is under way (up to a
 * second).
 */
uint64_t log_room(const struct log *l);
/*
 * Upper bound of what a frame of this plaintext length takes in the log, with its share of commit and table.
 */
uint64_t log_frame_cost(uint64_t plain_bytes);

/*
 * The system's memory for `passing` frames is given back once they are durable, but for what lies from `pos`
 * on: somebody is about to read all that. LOG_POS_MAX, as after opening: nobody is. Any thread.
 */
void log_wanted_from(struct log *l, struct log_pos pos);

/* --- reading */

void log_durable(const struct log *l, struct log_point *ret); /* the durable point */

/*
 * Wait until something is durable behind `pos`, or the time is over, or log_wake was called since. Returns
 * true when something is there.
 */
bool log_wait(struct log *l, struct log_pos pos, unsigned timeout_ms);
void log_wake(struct log *l);

/*
 * Plaintext of the frame at pos (any frame before the durable point) into out (cleared first). Verifies.
 * expected: how many bytes of it there are at least, as far as is known (0: nothing is); that many are asked
 * of the disk at once. -EUCLEAN: damaged, its header too; the words name segment, offset and what it means.
 * -ENODATA: pruned by the owner (FORMAT.md §14). -EINVAL: no such place.
 */
MUST_USE int log_read_frame(const struct log *l, struct log_pos pos, size_t expected, struct buf *out,
			    struct hf_error *err);
/*
 * The same of len > 0 bytes of it from `off` on, for less than the whole frame costs: one read of the pieces
 * they are in. seal: as it was kept of the frame. 1 when they are there; 0 when the frame must be read whole:
 * it is not in pieces, or seal does not open it, or it is damaged, and then that will be found.
 */
MUST_USE int log_read_part(const struct log *l, struct log_pos pos, const struct log_seal *seal, size_t off,
			   size_t len, void *out, struct hf_error *err);

/*
 * Header of the frame at pos, and of a commit what it says (else *ret_commit is left alone). Nothing is
 * verified. As log_read_frame.
 */
MUST_USE int log_peek(const struct log *l, struct log_pos pos, struct frame_header *ret,
		      struct commit *ret_commit);

/*
 * Raw durable bytes for a replica, from pos (a segment's start, or just behind a commit) on, as many whole
 * groups as fit in max_bytes (at least one, or the bare header with what follows it), within one segment.
 * *ret_point is the state behind them. -ENODATA: nothing durable there yet. When pos is the end of a sealed
 * (or superseded) segment, say so with -ENOENT: go on at the next segment, offset 0.
 */
MUST_USE int log_read_raw(const struct log *l, struct log_pos pos, size_t max_bytes, struct buf *out,
			  struct log_point *ret_point, struct hf_error *err);

/* One committed group, as replay hands it out. Everything is borrowed for the call. */
struct log_group {
	struct log_point before, after;
	const struct log_pos *data;   /* places of its data frames, pruned or not, in order */
	const struct log_seal *seals; /* of each */
	size_t n_data;
	const struct span *meta; /* plaintexts of its metadata frames, in order */
	size_t n_meta;
};

/*
 * Hand every group from `from` (NULL: the beginning) up to the durable point to fn, in order, verifying
 * chain, signatures and metadata frames on the way (data frames: their hash, not their opening). Stops when
 * fn returns non-zero and returns that. -EBADMSG: the group behind those handed out is signed, and its chain
 * right, but a frame of it does not open: no damage does that, only who has the writer key. -EUCLEAN: damage.
 */
MUST_USE int log_replay(const struct log *l, const struct log_point *from,
			int (*fn)(void *arg, const struct log_group *group, struct hf_error *err), void *arg,
			const struct log_progress *progress, struct hf_error *err);

/*
 * Verify everything: every segment's header and certificate, the chain, every signature, that every frame
 * opens, every table. Calls `found` for each fault (words ready to print) and goes on behind the next signed
 * commit, or with the next segment; `frame`, if not NULL, is handed each data and metadata frame's plaintext
 * of the groups that verify (for checks of what is inside), and for each that the owner pruned its type
 * FRAME_PRUNED and no bytes. Returns the number of faults, or negative when it could not run.
 */
struct log_check {
	void (*found)(void *arg, const char *what);
	void (*frame)(void *arg, struct log_pos pos, uint8_t type, struct span plain);
	/* With each fault: where the frame begins that is damaged, or what stands where one should. May be
	 * NULL. */
	void (*bad)(void *arg, struct log_pos pos, const char *what);
	/* So many bytes more were read. false: that is enough, and the result is -ECANCELED. May be NULL. */
	bool (*go_on)(void *arg, uint64_t bytes);
	void *arg;
	const struct log_known *known; /* points that the log must have; when `only` is 0 */
	size_t n_known;
	uint32_t only; /* this segment alone, taken by its own header, and read from the disk; 0: all */
	bool alone;    /* without the log's workers */
};
MUST_USE long log_verify(const struct log *l, const struct log_check *check,
			 const struct log_progress *progress, struct hf_error *err);

/* A segment's file was replaced by one that is healed: it is read from now on. Not the one that is written
 * to. */
void log_forget_segment(const struct log *l, uint32_t segment);

/* Totals for status. */
struct log_stats {
	uint32_t first_segment, last_segment;
	uint64_t bytes; /* durable bytes in all segments */
	uint64_t allocated_ahead;
	int failed; /* 0, or the error that stopped it (invariant 4) */
};
void log_stats(const struct log *l, struct log_stats *ret);

#endif
