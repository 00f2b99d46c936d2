/* SPDX-License-Identifier: MIT */
/*
 * Inside an open store (layer 4): how operations are put in order, gathered into groups, made durable and
 * settled.
 *
 * The way of an operation
 *   1. admitted: there is room below for it, and not too much is under way (room.c)
 *   2. under `sequence`: given its tid and time, applied to the tree, published to the index's overlay, added
 *      to the open
 *      group (op.c, group.c). Now it is acknowledged.
 *   3. its group is sealed: by fsync, after commit_interval_ms, or at GROUP_BYTES.
 *   4. packed: runs are cut, named, deduplicated; frames built and compressed (pack.c)
 *   5. committed: sealed and written to the log with one sync; its runs are resolved (commit.c). Now it is
 *      durable.
 *   6. settled: its changes go from the overlay to RocksDB (settle.c).
 * Groups are packed, committed and settled in order; each stage works beside the others. Whoever waits for a
 * group helps it along (fsync packs and commits on its own thread); threads for packing, writing and settling
 * do what nobody waits for.
 *
 * Locks, in order (docs/LOCKING.md): pack, write, sequence, refs. `pack` and `write` are held across
 * computing and the log's write and sync: they are the one log writer. `sequence` is held for memory work
 * only, but for index reads that miss every cache.
 */
#ifndef STORE_VOLUME_VOLUME_H
#define STORE_VOLUME_VOLUME_H

#include <pthread.h>
#include <stdatomic.h>

/* Without memory uthash would leave the process: it leaves the element out, which then has no hh.tbl. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "holdfast/op.h"
#include "holdfast/replica.h"
#include "store/base/meter.h"
#include "store/log/log.h"
#include "store/os/os.h"
#include "store/tree/tree.h"
#include "store/volume/files.h"

struct replica_set;
struct guard;
struct rot;

enum {
	GROUP_BYTES = 8 << 20,       /* a group of this much data is sealed */
	GROUP_OPS = 32768,           /* … or of so many operations */
	ROW_OPS = 3,                 /* that happen at once, at most */
	STREAMS_MAX = 4096,          /* files being written in a row that a group remembers */
	FOLD_PIECES = 64,            /* a block's list longer than this is folded */
	PACKED_MAX = 2,              /* packed groups that wait to be written */
	N_THREADS = 3,               /* that pack, write and settle */
	OP_COST = 1024,              /* bound of what a record and its index entries take, names included */
	REAP_MAX = 256,              /* inodes reaped by one operation */
	REAP_COST = 256,             /* what each of them takes more */
	BLOCK_COST = 128,            /* what each block of a range takes more, in the index */
	RANGE_STEP_BYTES = 64 << 20, /* a longer range is done in steps, others' operations in between */
	RANGE_STEP_BLOCKS = RANGE_STEP_BYTES / BLOCK_BYTES,
	CUT_BLOCKS = 16 * RANGE_STEP_BLOCKS, /* a new length that changes no more is one operation */
};

/* One operation of a group, not yet a record if its bytes are not yet chunks. */
enum item_kind { ITEM_RECORD, ITEM_WRITE, ITEM_FOLD };
struct item {
	enum item_kind kind;
	union {
		struct {
			size_t off, len; /* in the group's records */
		} record;
		struct {
			uint64_t ino, offset; /* of a fold: the block's number */
			uint64_t run;
			uint32_t run_off, len, flags;
		} data;
	};
};

/* A file that is being written in a row: where the next byte would continue its run. */
struct stream {
	uint64_t ino, end, run;
	uint32_t run_len;
	UT_hash_handle hh;
};

struct new_chunk {
	uint64_t number;
	uint8_t name[HASH_BYTES];
	uint32_t frame; /* index in the group's frames */
	uint32_t off, len;
};

struct packed_run {
	uint64_t id;
	struct piece *pieces; /* handed to run_resolve */
	size_t n, cap;
};

struct group {
	uint64_t id;
	struct group *next;

	/* while open: protected by sequence; then by whose stage it is in */
	struct item *items;
	struct op_note *notes; /* one an item */
	size_t n, cap;
	struct buf records;
	struct op_base before; /* last operation before the group */
	struct packed_run *runs;
	size_t n_runs, cap_runs;
	struct stream *streams;
	uint64_t bytes;          /* of data */
	uint64_t cost;           /* bound of what it takes in the log */
	uint64_t opened_ns;      /* monotonic time of its first operation */
	struct tree_state state; /* after its last operation, set when sealed */

	/* packed */
	struct log_frame *frames;
	size_t n_frames;
	struct new_chunk *chunks;
	size_t n_chunks, cap_chunks;
	uint64_t next_chunk, chunk_bytes; /* counters after it */

	/* committed */
	bool in_log; /* and the index may not know yet where */
	struct log_point point;
	/* the group that was open when the runs were resolved: the last that may name them */
	uint64_t open_at_resolve;
};

/* What the index keeps of where it is (the state of index_settle). */
struct volume_state {
	struct log_point point;
	struct tree_state tree;
	uint64_t next_chunk, chunk_bytes;
	uint8_t volume_id[VOLUME_ID_BYTES]; /* whose it is */
};
void volume_state_encode(const struct volume_state *v, struct buf *out);
MUST_USE int volume_state_decode(const void *data, size_t len, struct volume_state *ret);

struct ref {
	uint64_t ino; /* 0: a free slot */
	uint64_t count : 63;
	bool orphan : 1; /* nlink is 0: reap when count comes to 0 */
};
_Static_assert(sizeof(struct ref) == 16, "a slot of the table (refs.c)");
struct ref_table {
	struct ref *slots;
	size_t cap, n;
};

struct group_queue {
	struct group *first, *last;
	size_t n;
};

/* A try below found no room, though the file system says that it has some again (room.c). */
struct room_hope {
	bool has_room;  /* it was seen */
	unsigned tries; /* since then, in vain */
};

/* What is counted: holdfast/metrics.h. */
struct volume_meters {
	uint64_t operations[HF_OPERATION_KINDS]; /* protected by sequence */
	struct meter commit_duration, commit_operations, commit_bytes, fsync_duration;
	_Atomic uint64_t commit_failures, fsync_failures;
};

struct hf_store {
	/* immutable after opening */
	const struct os *os;
	char *path;
	struct volume_descriptor descriptor;
	struct keyring *keys;
	struct workers *workers;
	struct log *log;
	struct index *index;
	struct frame_cache *frames;
	struct tree tree;
	struct replica_set *replicas; /* NULL: no replication */
	struct guard *guard;          /* NULL: nobody watches */
	struct rot *rot;              /* what is known to be damaged */
	bool read_only;
	bool shared; /* others may read beside it: nothing is put into the store's folder (files_lock) */
	bool borrow; /* the index is brought on elsewhere: */
	struct index_borrowed *borrowed;
	uint64_t pending_max; /* more than this under way makes operations wait */
	unsigned commit_interval_ms;
	unsigned sync_timeout_ms; /* an fsync waits so long for receipts; 0: it does not */
	int lock_fd;
	/* Of chunks below this number some may come from earlier epochs, whose segments end before
	 * epoch_start. */
	uint64_t chunks_of_others;
	uint32_t epoch_start;

	/* packing: protected by pack */
	pthread_mutex_t pack;
	uint64_t next_chunk, chunk_bytes;
	atomic_bool has_retired; /* chunks that are not to be named any more */

	pthread_mutex_t write; /* held while a group is written and synced */

	/* protected by sequence */
	pthread_mutex_t sequence;
	/* the packer: something is sealed, or to stop; of time it wakes by itself */
	pthread_cond_t sealed_cond;
	pthread_cond_t packed_cond; /* the writer: something is packed that nobody else writes, or to stop */
	pthread_cond_t settle_cond; /* the settler: something is committed, or to stop */
	pthread_cond_t room_cond;   /* pending_bytes fell, or a step is stuck or failed */
	pthread_cond_t progress_cond; /* who needs a group: one was packed or written, or cannot be */
	struct tree_state state;      /* after the last operation */
	uint64_t before_ns; /* time of the one before the last, or its row, that was not a reaping */
	uint64_t fixed_tid; /* somebody looks at this moment: no append may share it any more */
	struct index_batch *batch;
	struct group *open;
	struct group_queue sealed;    /* to be packed */
	struct group *packing;        /* being packed */
	struct group_queue packed;    /* to be written */
	struct group_queue committed; /* to be settled */
	struct group_queue settled;   /* their runs may still be named */
	/* why the next sealed group could not be packed, the next packed one not written, and is tried again
	 */
	int pack_stuck, write_stuck;
	uint64_t durable_group; /* all groups up to this one are durable */
	uint64_t settled_group;
	uint64_t pending_bytes;    /* cost of groups not yet settled */
	uint64_t uncommitted_cost; /* cost of groups not yet committed: promised to the log's room */
	uint64_t counted_next_chunk, counted_chunk_bytes; /* copies for status */
	int failed;                                       /* 0 or the error that stopped writing */
	char failed_text[HF_ERROR_TEXT_BYTES];
	int settle_failed; /* RocksDB's present trouble, 0: none */
	bool stopping;
	uint64_t room_checked_ns, room_budget; /* room.c */
	struct room_hope hope;

	pthread_t threads[N_THREADS]; /* packer, writer, settler */
	unsigned threads_started;

	struct volume_meters meters;

	/* protected by refs */
	pthread_mutex_t refs;
	struct ref_table ref_table;
	uint64_t *reap;
	size_t n_reap, cap_reap;
};

/*
 * --- room.c: admission. 0 with room promised, -ENOSPC, -EIO, or what keeps the pipeline from going on. May
 * wait for it. `grows`: false for what frees.
 */
MUST_USE int room_admit(struct hf_store *s, uint64_t cost, bool grows, struct hf_error *err);
/*
 * Between the steps of what frees: it may have more under way than what grows, and is not to keep that out
 * for as long as it takes. Requires sequence.
 */
void room_yield(struct hf_store *s);
/* The settler could settle a group or (-errno) could not, or packer or writer could not go on. Requires
 * sequence. */
void room_tried(struct hf_store *s, int r);
/* What of a file system of this size is kept for the index, and for what frees. */
uint64_t room_reserve(uint64_t total);
/* What can still be written, when the file system below has this much free. */
uint64_t room_available(const struct hf_store *s, uint64_t free_bytes, uint64_t total);
/*
 * What is left of that (asked before, for it may wait) when what is promised to operations is taken off.
 * Requires sequence.
 */
uint64_t room_left(const struct hf_store *s, uint64_t available);
/* Whether that is too little for what programs write at once. Requires sequence. */
bool room_is_none(const struct hf_store *s, uint64_t left);

/* --- group.c: all require sequence */
MUST_USE struct group *group_new(uint64_t id, const struct tree_state *before);
void group_free(struct group *g);
void group_unpack(struct group *g); /* as it was when it was sealed. Requires pack, not sequence */
/* memory for n (at most ROW_OPS) more items, and a run and stream: then adding cannot fail */
MUST_USE int group_reserve(struct group *g, size_t n);
/* What a group holds, to come back to while nothing of what was added since has happened. */
struct group_mark {
	size_t n, records_bytes;
	uint64_t cost;
};
struct group_mark group_mark(const struct group *g);
void group_back(struct group *g, const struct group_mark *to);
/*
 * Encode op, which has its tid and time, behind the group's records. 0, or -ENOMEM. Then, when it has been
 * applied, group_add_record makes it an item; else the group goes back.
 */
MUST_USE int group_encode(struct group *g, const struct op *op, size_t *ret_off);
void group_add_record(struct group *g, const struct op *op, const struct op_note *note, size_t off);
void group_add_data(struct group *g, enum item_kind kind, const struct op *op, const struct op_note *note,
		    uint64_t run, uint32_t run_off, uint32_t len);
/*
 * Reap, in one operation, up to REAP_MAX inodes that nobody has open and nothing names. True: there may be
 * more.
 */
bool group_reap(struct hf_store *s);
/*
 * Seal the open group if it holds anything (reaping first what nobody has open). *ret: the group to wait for,
 * the last that holds anything. -ENOMEM: nothing was sealed.
 */
MUST_USE int group_seal(struct hf_store *s, uint64_t *ret);

/* --- op.c */
/* takes sequence when 0 */
MUST_USE int op_begin(struct hf_store *s, uint64_t data_bytes, bool grows, struct hf_error *err);
/* The time the operation is going to have, which it then has. Requires sequence. */
uint64_t op_time(const struct hf_store *s, struct op *op);
/* Requires sequence: give op its tid and time, apply and publish it, add its record. Leaves sequence held. */
MUST_USE int op_run(struct hf_store *s, struct op *op, struct hf_error *err);
/*
 * Several at once: each is an operation with a moment of its own, but who looks at what is now sees all or
 * none, and when one cannot be done none is. At most ROW_OPS, in one group.
 */
MUST_USE int op_begin_row(struct hf_store *s, size_t n, uint64_t data_bytes, bool grows,
			  struct hf_error *err);
MUST_USE int op_run_row(struct hf_store *s, struct op *ops, size_t n, struct hf_error *err);
/* The same without adding a record; share_moment: with the last operation's tid, not the next. */
MUST_USE int op_apply(struct hf_store *s, struct op *op, bool share_moment, struct op_note *ret,
		      struct hf_error *err);
/* Is it of a kind that the store does by itself, on nobody's behalf? */
static inline bool op_is_own(uint8_t type)
{
	return type == OP_REAP || type == OP_FOLD || type == OP_RETIRE;
}
uint32_t op_uid(void); /* on whose behalf this thread works (hf_act_for) */
/* After group_add_data: account for it. */
void op_added_data(struct hf_store *s, uint64_t cost_before);
void op_end(struct hf_store *s);

/*
 * --- op_past.c: make what an inode was at a moment, under a name that is not there: owner, mode, times,
 * contents by naming its chunks. Who looks at what is now never sees it half made. 1; 0: that takes more than
 * one row of operations (folders, extended attributes, ACLs, contents in several parts or not yet chunks),
 * and nothing was done; as hf_create.
 */
struct inode;
MUST_USE int past_create(const struct hf_view *src, const struct inode *was, uint64_t parent,
			 const char *name, uint64_t *ret_ino, struct hf_error *err);

/*
 * --- op_data.c: before a file is given a length. What that cuts off is one operation with it; but when that
 * is more than CUT_BLOCKS it is punched before, in steps. 1: it was, and the guard has been told; 0.
 */
MUST_USE int cut_in_steps(struct hf_store *s, uint64_t ino, uint64_t size, struct hf_error *err);

/* --- refs.c */
void refs_orphaned(struct hf_store *s, uint64_t ino);                      /* its last name is gone */
void refs_named(struct hf_store *s, uint64_t ino);                         /* it has a name (again) */
size_t refs_take_reapable(struct hf_store *s, uint64_t *inos, size_t max); /* how many */
size_t refs_reapable(struct hf_store *s);
bool refs_have_reapable(struct hf_store *s);
void refs_free(struct hf_store *s);

/* --- pack.c: requires pack */
/* What fails leaves the group half packed: group_unpack. */
MUST_USE int pack_group(struct hf_store *s, struct group *g, struct hf_error *err);

/* --- commit.c */
void queue_push(struct group_queue *q, struct group *g);
struct group *queue_pop(struct group_queue *q);
/* Wait for cond, so long at most. Requires sequence. */
void wait_ms(struct hf_store *s, pthread_cond_t *cond, unsigned ms);
/*
 * Make all groups up to this one durable. -EIO and what failed; -ENOSPC, -ENOMEM, -EMFILE, -ENFILE: not now,
 * and it is tried again.
 */
MUST_USE int commit_until(struct hf_store *s, uint64_t group, struct hf_error *err);
void *pack_thread(void *store);
void *write_thread(void *store);
/* Note the error that stops all writing. Takes sequence. */
void volume_fail(struct hf_store *s, int code, const char *text);

/* --- settle.c */
/* Requires sequence: is what waits to be settled more than a moment should be waited for? */
bool settle_is_urgent(const struct hf_store *s);
void *settle_thread(void *store);

/*
 * --- replay.c: bring the index up to the log's end, with about so much memory; or, with `stop`, only to
 * end->at. When it fails, the rest of *end says why, and at which place of the log.
 */
struct replay_end {
	bool stop;
	struct log_pos at; /* behind the last group that was replayed; {0, 0}: none was */
	bool misfit;       /* the index (from NULL: the log) is not what the next operation was done to */
	bool foreign;      /* the group there is rightly signed, but no holdfast of this build wrote it */
};
MUST_USE int replay_log(struct hf_store *s, const struct volume_state *from, uint64_t memory_bytes,
			const struct hf_progress *progress, struct volume_state *ret, struct replay_end *end,
			struct hf_error *err);

/* --- meters.c */
void meters_init(struct hf_store *s);
void meters_operation(struct hf_store *s, uint8_t type); /* it was done. Requires sequence */
void meters_commit(struct hf_store *s, const struct group *g, uint64_t ns, bool failed);
void meters_fsync(struct hf_store *s, uint64_t ns, bool failed);

/* --- prune.c */

/* No operation that comes later names these chunks (OP_RETIRE): in memory as from now, and durable with the
 * next commit. */
MUST_USE int volume_retire(struct hf_store *s, struct chunk_range *ranges, size_t n, struct hf_error *err);

/* --- nearest.c */

/* -ENOENT, with words that name the tag most like it. */
int nearest_tag(struct hf_store *s, const char *wanted, struct hf_error *err);

#endif
