/* SPDX-License-Identifier: MIT */
/*
 * The index (layer 2): ordered keys and values, derived from the log, in RocksDB with its write-ahead log
 * off. The only folder that knows RocksDB.
 *
 * Two parts are read as one. The *overlay* in memory holds what acknowledged operations changed and is not
 * yet in RocksDB; RocksDB holds a prefix of the durable log. An operation's changes are staged in a batch,
 * then published at once (atomically for readers) under the group that the operation belongs to. When a group
 * is durable in the log it is *settled*: its changes go to RocksDB in one atomic write together with the log
 * point they lead to, and leave the overlay. So RocksDB is never ahead of the durable log, may be behind by
 * what was not flushed yet, and what is missing is replayed.
 *
 * Overlay: each key has its values by group, newest first. Groups are numbered by the caller, rising from 1;
 * a publish goes to any group not yet settled; groups settle in rising order. A reader always sees the newest
 * value.
 *
 * Thread-safe throughout; publish and settle may run beside each other and beside readers. No lock is held
 * while RocksDB reads or writes.
 */
#ifndef STORE_INDEX_INDEX_H
#define STORE_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "store/base/buf.h"
#include "store/format/format.h"

/* Key spaces: column families of their own, with options to suit. */
enum index_space {
	INDEX_HEAD, /* what is now: inodes, entries, blocks, attributes. Point reads, short scans by prefix */
	INDEX_PAST, /* what was: the same keys, with the tid that ended it (big-endian) behind */
	INDEX_CHUNK, /* chunk number (be64) -> place; dense, rising */
	INDEX_NAME,  /* chunk name (32 bytes) -> number; random keys; most look-ups find nothing */
	INDEX_META,  /* times, tags, commits, counters */
	INDEX_SPACES,
};

struct index;

struct index_options {
	const char *dir;      /* copied */
	uint64_t cache_bytes; /* what is kept of RocksDB and its write buffers together; 0: 64 MiB */
	bool read_only;
	bool wipe; /* delete what is there first: for a rebuild */
	/*
	 * Nothing of it lasts (borrow.h): it is flushed only as memory asks for it, and what it has when it
	 * is opened is never merged.
	 */
	bool passing;
};

/*
 * Open or make. *ret_state: the bytes given to the last settle that is in it (malloc'ed, the caller frees;
 * NULL with length 0 when it is new). -EUCLEAN: RocksDB says it is damaged, or it is of another index
 * version: the caller opens again with wipe. -EBUSY: open in another process. -ENOENT: read_only, and there
 * is none. -EEXIST: wipe, and dir holds what is not the index's. Opening checks a version key of this
 * module's own (INDEX_VERSION in rocks_open.c).
 */
MUST_USE int index_open(const struct index_options *o, struct index **ret, uint8_t **ret_state,
			size_t *ret_state_len, struct hf_error *err);
/*
 * Was damage found, by any call since it was made? It lasts: what is not damaged can be read all the same,
 * but RocksDB, once it has come upon damage in writing or merging, writes no more. The caller lets go of it,
 * and opens again with wipe.
 */
bool index_is_damaged(const struct index *x);
bool index_is_noted(const char *dir); /* the same of one at rest; false where there is none */
/*
 * Flushes what is settled (unless it failed, or is passing) and closes. What is in the overlay is dropped:
 * the log has it.
 */
void index_close(struct index *x);

/*
 * Keep less of RocksDB's files in memory, and change next to nothing but through a loader, until
 * index_lend_end: the caller may have so many bytes instead, which are most of cache_bytes.
 */
uint64_t index_lend(struct index *x);
void index_lend_end(struct index *x);

/* --- reading */

/* Newest value of key into out (cleared first). 1 found, 0 not there, negative on failure. */
MUST_USE int index_get(struct index *x, enum index_space space, const void *key, size_t key_len,
		       struct buf *out, struct hf_error *err);

/*
 * Several keys of one space at once. results[i]: 1, 0 or negative; out[i] cleared first. Returns 0 or the
 * first failure.
 */
MUST_USE int index_get_many(struct index *x, enum index_space space, size_t n, const struct span *keys,
			    struct buf *out, int *results, struct hf_error *err);

/* A row of entries copied out of a scan; memory is reused between scans. */
struct index_entry {
	struct span key, value; /* borrowed from the rows, until the next scan or release */
};
struct index_rows {
	struct index_entry *entries;
	size_t n;
	bool more; /* the range holds (or may hold) further entries behind the last */
	struct buf bytes;
	size_t cap;
};
#define INDEX_ROWS_INIT                     \
	{                                   \
		NULL, 0, false, BUF_INIT, 0 \
	}
void index_rows_release(struct index_rows *r);

/*
 * Entries with from <= key < to (to empty: no end), ascending, at most max, as of one instant, overlay and
 * RocksDB merged, into rows (replaced). For a longer walk call again from behind the last key while `more` is
 * set: a range of which much is in the overlay may come in fewer than max rows at a time (never none).
 * INDEX_REVERSE: descending from below `to`.
 */
enum { INDEX_REVERSE = 1, INDEX_KEYS_ONLY = 2 };
MUST_USE int index_scan(struct index *x, enum index_space space, struct span from, struct span to, size_t max,
			unsigned flags, struct index_rows *rows, struct hf_error *err);

/*
 * Each entry with from <= key < to, ascending, some at a time, each time as of one instant. What `each`
 * returns stops the walk when it is not 0, and is returned.
 */
typedef int index_each_fn(void *arg, const struct index_entry *e);
MUST_USE int index_each(struct index *x, enum index_space space, struct span from, struct span to,
			index_each_fn *each, void *arg, struct hf_error *err);

/*
 * The value of the first entry with from <= key < to, in INDEX_PAST, whose entries never go or change: 1, 0,
 * negative. from and to begin with the same kind and inode, and of the keys between them those put later must
 * be the greater ones, as the past of one key is. Cheaper than index_scan.
 */
MUST_USE int index_first(struct index *x, enum index_space space, struct span from, struct span to,
			 struct buf *out, struct hf_error *err);

/* --- changing */

/*
 * Changes of one operation, staged by one thread. Later changes of a key replace earlier ones.
 * index_batch_get sees the batch's own changes first, then the index.
 */
struct index_batch;
MUST_USE int index_batch_new(struct index *x, struct index_batch **ret);
void index_batch_free(struct index_batch *b);
void index_batch_clear(struct index_batch *b); /* ready for the next operation; memory kept */
/*
 * Memory failures are remembered and reported by index_publish and index_load_mark; until then what is read
 * may lack a change.
 */
void index_batch_put(struct index_batch *b, enum index_space space, const void *key, size_t key_len,
		     const void *value, size_t value_len);
void index_batch_delete(struct index_batch *b, enum index_space space, const void *key, size_t key_len);
MUST_USE int index_batch_status(const struct index_batch *b); /* 0, or -ENOMEM when one was remembered */
MUST_USE int index_batch_get(struct index_batch *b, enum index_space space, const void *key, size_t key_len,
			     struct buf *out, struct hf_error *err);
/* As index_scan, the batch's own changes included. */
MUST_USE int index_batch_scan(struct index_batch *b, enum index_space space, struct span from, struct span to,
			      size_t max, unsigned flags, struct index_rows *rows, struct hf_error *err);

/*
 * Make the batch's changes the newest, at once, as part of `group`. All or nothing: 0 or -ENOMEM. The batch
 * is then clear.
 */
MUST_USE int index_publish(struct index *x, struct index_batch *b, uint64_t group, struct hf_error *err);

/*
 * Write all of `group`'s changes to RocksDB with `state` (what the next index_open gives back), and drop them
 * from the overlay. Call only when the group is durable in the log. `rewrite` (may be NULL) is handed each
 * value before it is written and may replace it (into out, returning 1; 0: leave it; negative: fail): for
 * values that name things which got their final names since. 0, or what RocksDB said (the changes then stay
 * in the overlay, nothing is lost, and the call may be made again; RocksDB goes on by itself once a full disk
 * has room again, after other faults only when opened anew).
 */
typedef int index_rewrite_fn(void *arg, enum index_space space, struct span key, struct span value,
			     struct buf *out);
MUST_USE int index_settle(struct index *x, uint64_t group, const void *state, size_t state_len,
			  index_rewrite_fn *rewrite, void *arg, struct hf_error *err);

/*
 * Make what is settled durable in RocksDB's files, so that a later open replays only what follows. Blocks for
 * the disk.
 */
MUST_USE int index_flush(struct index *x, struct hf_error *err);

/*
 * A loader, for a long row of operations (a rebuild, a long replay): straight to RocksDB, past the overlay,
 * by one thread, many times faster than publishing and settling. Stage each operation in index_load_batch,
 * then tell the state it leads to with index_load_mark, and in the end index_load_finish. The overlay must be
 * empty, and nobody may read the index meanwhile but through that batch; INDEX_PAST, INDEX_CHUNK and
 * INDEX_NAME are only put to, and not read through it. About memory_bytes are used. What is written is some
 * marked state at any time, crash or not (but for some moments of a long row, a crash in which makes
 * index_open say -EUCLEAN), and the last marked one when index_load_finish has returned 0 (durable at the
 * next index_flush).
 */
struct index_load;
MUST_USE int index_load_new(struct index *x, uint64_t memory_bytes, struct index_load **ret,
			    struct hf_error *err);
struct index_batch *index_load_batch(struct index_load *l);
/* 0, or a failure, perhaps of something marked before: then the loader is of no use any more. */
MUST_USE int index_load_mark(struct index_load *l, const void *state, size_t state_len, struct hf_error *err);
MUST_USE int index_load_finish(struct index_load *l, struct hf_error *err);
void index_load_free(struct index_load *l); /* what is not written is dropped; NULL is fine */

/*
 * Read all that is in RocksDB's files, and look at the checksum of each part. -EUCLEAN: damaged. Long; reads
 * go on meanwhile.
 */
MUST_USE int index_verify(struct index *x, struct hf_error *err);

struct index_stats {
	uint64_t overlay_entries, overlay_bytes;
	uint64_t disk_bytes, memory_bytes;
	int failed; /* RocksDB's last background error as -errno, 0: none */
};
void index_stats(struct index *x, struct index_stats *ret);

#endif
