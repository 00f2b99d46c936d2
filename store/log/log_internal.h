/* SPDX-License-Identifier: MIT */
/*
 * What the files of the log share; nobody outside this folder includes it.
 *
 *   log.c       options, create and close, the durable point and who waits for it, totals
 *   segment.c   segment files: names, listing, headers, and the descriptors readers share
 *   frame.c     one frame: compress, seal; open, inflate
 *   read.c      a frame read from its place, whole or in part
 *   append.c    groups: build, write, sync; seal a segment, begin the next, start an epoch
 *   layout.c    space ahead of the end: its thread, and the writer's turn at it
 *   ahead.c     frames read one behind the other are asked of the disk ahead
 *   passing.c   what is written and not read soon takes no memory
 *   groups.c    a verifying walk over groups and segments
 *   scan.c      opening: where the log ends, what is torn, what is damage
 *   replay.c, verify.c, raw.c   what log.h says of log_replay, log_verify, log_read_raw
 *   damage.c    which frames of a group that does not verify are damaged
 *   verifier.c  the rules of FORMAT.md §5 and §7, without keys
 *   grants.c    which frames may be missing (FORMAT.md §14)
 *
 * Locks, in order: log.lock, then (each a leaf) fd_cache.lock, log.stats_lock, ahead.lock. None is held
 * across a read, a write or a sync.
 */
#ifndef STORE_LOG_LOG_INTERNAL_H
#define STORE_LOG_LOG_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/log/log.h"
#include "store/log/verifier.h"

/* --- segment files */

/* A segment file that is, or will be, written to. */
struct seg_file {
	int fd; /* the writer's; -1: none */
	/* For laying out: the kernel tells of a failed write-back once a descriptor. */
	int lay_fd;
	uint32_t segment;
	uint64_t allocated; /* its size: space for all of it is there, synced */
	uint64_t zeroed;    /* from the write position up to here it is written with zeros, synced */
};

/* A borrowed descriptor for reading a segment. */
struct segment_ref {
	const struct log *log;
	int fd;   /* -1: none */
	int slot; /* in the cache; -1: closed when released */
};
#define SEGMENT_REF_INIT     \
	{                    \
		NULL, -1, -1 \
	}

#define SEG_FILE_NONE                  \
	{                              \
		.fd = -1, .lay_fd = -1 \
	}
void seg_file_close(const struct os *os, struct seg_file *f); /* leaves SEG_FILE_NONE, the number kept */

struct fd_cache;
int fd_cache_new(const struct os *os, struct fd_cache **ret);
void fd_cache_free(struct fd_cache *c);

MUST_USE int segment_get(const struct log *l, uint32_t segment, struct segment_ref *ret,
			 struct hf_error *err);
void segment_ref_release(struct segment_ref *ref);
MUST_USE int segment_size(const struct log *l, const struct segment_ref *ref, uint32_t segment, uint64_t *ret,
			  struct hf_error *err);
/* Opens for writing; flags besides O_RDWR. Descriptor or -errno. */
int segment_open(const struct log *l, uint32_t segment, int flags);
/* len bytes at offset; a file that ends before is -EUCLEAN. */
MUST_USE int segment_read(const struct log *l, const struct segment_ref *ref, uint32_t segment,
			  uint64_t offset, void *data, size_t len, struct hf_error *err);
/* Up to len bytes, *ret of them; a file that ends before at_least is -EUCLEAN. */
MUST_USE int segment_read_some(const struct log *l, const struct segment_ref *ref, uint32_t segment,
			       uint64_t offset, void *data, size_t len, size_t at_least, size_t *ret,
			       struct hf_error *err);

/* --- ahead.c: reading frames in the order of the log, ahead of their being wanted */

enum { AHEAD_STREAMS = 4 };
struct ahead {
	pthread_mutex_t lock; /* protects all below */
	struct {
		struct log_pos next; /* where the frame behind the last one begins; segment 0: none */
		uint32_t asked;      /* up to here the system has been asked to read */
		uint64_t used;
	} streams[AHEAD_STREAMS];
	uint64_t clock;
};
void ahead_init(struct ahead *a);
void ahead_release(struct ahead *a);
/* A frame of len stored bytes is read from pos. */
void ahead_note(const struct log *l, const struct segment_ref *ref, struct log_pos pos, size_t len);

MUST_USE int segment_read_header(const struct log *l, uint32_t segment, uint8_t ret[SEGMENT_HEADER_BYTES],
				 struct hf_error *err);
/* Numbers of the segment files there are, rising; malloc'ed. */
MUST_USE int segment_list(const struct log *l, uint32_t **ret, size_t *ret_n, struct hf_error *err);
int segment_unlink(const struct log *l, uint32_t segment);

/* Words. */
int segment_io_error(const struct log *l, int code, uint32_t segment, const char *doing,
		     struct hf_error *err);
int segment_damage(const struct log *l, struct log_pos pos, const char *why, struct hf_error *err);

/* --- frames */

/* Where a frame of a group goes, and what becomes of it on the way. */
struct frame_slot {
	const struct log_frame *frame;
	size_t at; /* in the group */
	uint8_t nonce[NONCE_BYTES];
	struct log_seal seal; /* frame_seal's */
	uint8_t hash[HASH_BYTES];
};
/* What is kept of a header. */
void frame_seal_of(const struct frame_header *h, struct log_seal *ret);
/* Compress. plain is emptied. */
MUST_USE int frame_pack(struct log_frame *f, int level);
/* Bytes that a packed frame takes in the log. */
uint64_t frame_stored_bytes(const struct log_frame *f);
/*
 * For each of n slots: header and sealed body to its place in group, which begins at `start`; the hash of
 * both to the slot.
 */
enum { FRAME_SEAL_MAX = 8 }; /* at a time: hashed side by side; a slice of a group is several */
void frame_seal(const struct log *l, struct frame_slot *slots, size_t n, struct log_pos start,
		uint8_t *group);
/* A frame's plaintext is at most this long, so that it fits in pieces too. */
enum { FRAME_PLAIN_MAX = FRAME_BODY_MAX - (FRAME_BODY_MAX / FRAME_PIECE_BYTES + 1) * TAG_BYTES };
/*
 * Plaintext of a stored frame, appended to out. -EUCLEAN with words (no place: the caller puts it in front),
 * -ENOMEM.
 */
MUST_USE int frame_open(const struct log *l, struct log_pos pos, const struct frame_header *h,
			const uint8_t *body, struct buf *out, struct hf_error *err);
/* Opens len bytes of the body, which are whole pieces from number `first` on, to out; no inflating. */
MUST_USE int frame_open_pieces(const struct log *l, struct log_pos pos, const struct frame_header *h,
			       size_t first, const uint8_t *body, size_t len, uint8_t *out,
			       struct hf_error *err);
/* This thread's buffer for a frame as it is stored, empty; NULL: no memory. Then frame_scratch_done. */
struct buf *frame_scratch(void);
void frame_scratch_done(struct buf *scratch);

/* A place as one number, of the same order: to be kept in an atomic. */
static inline uint64_t log_pos_number(struct log_pos pos)
{
	return (uint64_t)pos.segment << 32 | pos.offset;
}

/* --- passing.c: frames that nobody reads soon, and the memory that the system keeps them in */

struct passing_range {
	struct log_pos from;
	uint32_t len; /* in one segment */
};
/* The writer's alone, but for wanted_from. A ring: `first` is the oldest of n. */
enum { PASSING_MAX = 256 };
struct passing {
	struct passing_range ranges[PASSING_MAX];
	size_t first, n;
	_Atomic uint64_t wanted_from; /* log_pos_number */
};
void passing_init(struct passing *p);
/* A group of n frames in l->slots was written, from `start` on, and is durable. */
void passing_note(struct log *l, struct log_pos start, size_t n);

/* --- a verifying walk */

#define LIMIT_OPEN UINT32_MAX

/*
 * groups_begin, then groups_next until it is not 1, then groups_release. `v` is behind the last group handed
 * out. limit: where the log ends, as far as this walk goes.
 */
struct groups {
	const struct log *l;
	struct verifier v;
	struct log_pos limit;
	struct segment_ref ref; /* of v.point.end.segment */
	uint64_t size;          /* of that file, or where the limit is in it */
	struct buf window;      /* bytes of the file from window_at on */
	uint64_t window_at;
};
#define GROUPS_INIT                                         \
	{                                                   \
		.ref = SEGMENT_REF_INIT, .window = BUF_INIT \
	}

/* Walk on from where v is (the header of whose segment it has seen). */
MUST_USE int groups_begin(struct groups *g, const struct log *l, const struct verifier *v,
			  struct log_pos limit, struct hf_error *err);
/* As groups_begin, from a point the caller trusts; NULL: from the beginning of the log. */
MUST_USE int groups_begin_at(struct groups *g, const struct log *l, const struct log_point *from,
			     struct log_pos limit, struct hf_error *err);
/*
 * 1: one more group. 0: no more whole group in this segment, and nothing that contradicts. Negative: what
 * comes next does not verify (words: verifier.h's), or cannot be read. Does not leave the segment.
 */
MUST_USE int groups_next_here(struct groups *g, const struct verifier_frames *frames, struct hf_error *err);
/*
 * The same, but goes on into the next segments up to the limit. When the limit has an offset, 0 means that it
 * was reached exactly; with LIMIT_OPEN as its offset the last segment is left as groups_next_here leaves it.
 */
MUST_USE int groups_next(struct groups *g, const struct verifier_frames *frames, struct hf_error *err);
/* Go on behind this commit, which is signed for its place `at` in the present segment. */
void groups_skip_to(struct groups *g, uint64_t at, const struct commit *commit);
void groups_release(struct groups *g);

/* --- damage.c */

/* Told of each frame header that can be read between two places, and of each frame that is damaged. */
struct damage_listener {
	void (*frame)(void *arg, const struct frame_header *h);
	void (*bad)(void *arg, struct log_pos pos, const char *what);
	void *arg;
};
/*
 * Bytes of the segment that g walks, from where it is to the signed commit at `until`, do not verify: find
 * the frames that do not open, or cannot be told apart any more. Returns how many, or negative: -ENOMEM,
 * -EIO. *ret_lost: not all frames could be told apart.
 */
MUST_USE int damage_find(const struct groups *g, uint64_t until, const struct damage_listener *to,
			 bool *ret_lost, struct hf_error *err);

/* The frames of one group, kept until they are opened together (the bytes are the walk's window). */
struct frame_batch_item {
	struct log_pos pos;
	struct frame_header header;
	const uint8_t *body;
	struct buf plain;
	int result;
	struct hf_error err;
};
struct frame_batch {
	const struct log *l;
	struct frame_batch_item *items;
	size_t n, cap;
	bool failed; /* memory */
	bool alone;  /* without the log's workers */
};
#define FRAME_BATCH_INIT                       \
	{                                      \
		NULL, NULL, 0, 0, false, false \
	}
void frame_batch_add(struct frame_batch *b, struct log_pos pos, const struct frame_header *h,
		     const uint8_t *body);
void frame_batch_open(struct frame_batch *b, bool with_data); /* in parallel; each result in its item */
void frame_batch_clear(struct frame_batch *b);
void frame_batch_release(struct frame_batch *b);

/* --- the log */

struct log {
	/* Immutable once opened. */
	const struct os *os;
	char *dir;
	const struct keyring *keys;
	struct workers *workers;
	uint64_t segment_bytes;
	uint64_t (*reserve)(uint64_t total_bytes);
	int zstd_level;
	bool read_only;
	bool damaged_too;
	uint32_t first_segment;
	struct fd_cache *fds;
	struct grants grants;

	/* The writer's alone (log_commit, log_start_epoch). */
	/* v.point is the durable point too, but only the writer may look at it without the lock */
	struct verifier v;
	struct table_entry *entries; /* every frame of the open segment, for its table */
	size_t n_entries, cap_entries;
	/* From here on they could not be told apart when the log was opened, and the table is to name none;
	   offset 0: they all are in entries. */
	struct log_pos entries_lost;
	struct buf group;
	uint32_t rewrite_from; /* while opening: scan_cut_tail writes from here to the end once more */
	struct frame_slot *slots;
	size_t cap_slots;
	struct passing passing;

	pthread_mutex_t lock;
	/* Protected by lock. */
	pthread_cond_t moved; /* the durable point moved, or log_wake */
	struct log_point point;
	uint64_t wakes;

	pthread_cond_t lay_wanted; /* for the lay-out thread: look again */
	pthread_cond_t lay_done;   /* a piece of laying out is done */
	/* cur: the open segment; next.segment, when it is there, is cur.segment + 1 */
	struct seg_file cur, next;
	/* Which of them is being worked on, from byte lay_from on; NULL: neither. */
	const struct seg_file *lay_busy;
	uint64_t lay_from;
	uint64_t write_until;  /* the writer is writing cur up to here */
	uint64_t group_bytes;  /* mean size of the last groups */
	uint64_t seal_bytes;   /* what sealing cur will take, at most */
	bool lay_stuck;        /* no space at the last try */
	uint64_t lay_tried_ns; /* when that was */
	bool stop;
	bool has_thread;
	pthread_t thread;

	_Atomic uint64_t durable; /* log_pos_number(point.end), to be read without the lock */
	atomic_int failed;        /* 0, or the error after which the log takes no more */

	struct ahead ahead;

	pthread_mutex_t stats_lock;
	uint64_t sealed_bytes; /* of the segments before `sealed_upto`; protected by stats_lock */
	uint32_t sealed_upto;
};

/* A log is never really const: what the lock protects changes under readers too. */
static inline struct log *log_mutable(const struct log *l)
{
	return (struct log *)(uintptr_t)l;
}

static inline struct log_pos log_durable_end(const struct log *l)
{
	uint64_t v = atomic_load_explicit(&log_mutable(l)->durable, memory_order_acquire);

	return (struct log_pos){ .segment = (uint32_t)(v >> 32), .offset = (uint32_t)v };
}

/* A verifier of this log, which takes what its owner pruned for gone. */
void log_verifier_begin(const struct log *l, struct verifier *v);

/* Make v.point the durable point, and wake who waits for it. `grew`: bytes of a group that made it. */
void log_publish(struct log *l, uint64_t grew);
/*
 * Invariant 4. Returns code; but -EIO for want of room, which those above wait for and try again: storage
 * that had promised the room and has it not (thin provisioned, or copying on write) has failed like any
 * other. err: of who is told, or NULL.
 */
int log_fail(struct log *l, int code, struct hf_error *err);
/* What commits are refused with after that. */
int log_failed(const struct log *l, struct hf_error *err);

/*
 * append.c: bytes that the table and the commit of a seal take at most when the segment has this many frames.
 */
uint64_t append_seal_bytes(size_t n_entries);
/* Remember a frame for the table. */
MUST_USE int append_entry(struct log *l, uint8_t type, uint32_t len);

/* append.c: the header of the segment behind v, durably; cert is that of its epoch. */
MUST_USE int append_begin_segment(struct log *l, const struct epoch_cert *cert, struct hf_error *err);

/* scan.c: find the end of the log: fills v and rewrite_from. Changes nothing on the disk. */
MUST_USE int scan_find_end(struct log *l, const struct log_point *known, struct hf_error *err);
/* The end is this, and nothing behind it is looked at: as log_options.ends. */
MUST_USE int scan_end_at(struct log *l, const struct log_point *ends, struct hf_error *err);
/* Cut off what is behind the end, durably, and open the last segment for writing: fills cur and entries. */
MUST_USE int scan_cut_tail(struct log *l, struct hf_error *err);
/*
 * Leave off, from the end of a list of n segments, the files that were laid out and never begun. There may be
 * two: while a header is written the file behind it is laid out already, and neither need be there after a
 * crash. Error: *n is at the file that could not be told.
 */
MUST_USE int scan_without_spares(const struct log *l, const uint32_t *segments, size_t *n,
				 struct hf_error *err);
/*
 * The first commit at or behind `from`, in the segment that g walks, that its writer has signed for its
 * place: 1, its place and what it says; 0; negative.
 */
MUST_USE int scan_next_commit(const struct groups *g, uint64_t from, uint64_t *ret_at, struct commit *ret,
			      struct hf_error *err);
/*
 * The walk stopped in the last segment there is, with `stopped` (0 or negative): 0 when what lies behind
 * counts for nothing, or -EUCLEAN or -EPROTONOSUPPORT when the log goes on behind damage.
 */
MUST_USE int scan_tail(const struct groups *g, int stopped, const char *why, struct hf_error *err);

/* layout.c */
/* What can be had at once, while nobody else has the log; what cannot, the thread tries again. */
void layout_begin(struct log *l);
MUST_USE int layout_start(struct log *l); /* the thread */
void layout_stop(struct log *l);
/* Requires lock: is there something for the thread to do? */
bool layout_has_work(const struct log *l);
/*
 * Writer: space in the open segment up to this offset; in the next segment's file. 0, -ENOSPC or another
 * error.
 */
MUST_USE int layout_current(struct log *l, uint64_t upto);
MUST_USE int layout_next(struct log *l, uint64_t upto);
/* Writer: about to write cur from the durable end up to `until`; waits while somebody writes zeros there. */
void layout_claim(struct log *l, uint64_t until);
/* Writer: nobody else works on cur or next until layout_unfreeze. Returns with the lock held. */
void layout_freeze(struct log *l);
void layout_unfreeze(struct log *l);

#endif
