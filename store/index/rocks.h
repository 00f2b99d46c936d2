/* SPDX-License-Identifier: MIT */
/*
 * RocksDB as the index uses it (internal to store/index, layer 2): opening with our options, its words turned
 * into errors, and the flush of all column families as one.
 *
 * The write-ahead log is off, so what a crash leaves is what was flushed. atomic_flush makes RocksDB flush
 * the column families together, in one step of its MANIFEST, when it flushes on its own; so the files always
 * hold exactly what one prefix of our writes led to, and the state written with the last of them says which.
 * A flush asked for through rocksdb_flush_cf is of that one family alone (RocksDB 7.8, DBImpl::Flush) and
 * would break this: nothing here may call it. rocks_flush says how it is done instead.
 */
#ifndef STORE_INDEX_ROCKS_H
#define STORE_INDEX_ROCKS_H

#include <pthread.h>
#include <stdatomic.h>

#include <rocksdb/c.h>

#include "store/index/index.h"

extern const char rocks_state_key[], rocks_mark_key[], rocks_torn_key[];

enum { ROCKS_OWN = INDEX_SPACES, ROCKS_FAMILIES }; /* the default family: our own keys */
/* What the past's filters know: kind and inode of a key (store/tree/keys.h). */
enum { ROCKS_PREFIX_BYTES = 9 };
enum { ROCKS_READERS = 8 }; /* that wait to be used again (first.c) */

struct rocks_reader;

struct rocks {
	rocksdb_t *db;
	rocksdb_column_family_handle_t *families[ROCKS_FAMILIES]; /* by index_space, then ROCKS_OWN */
	rocksdb_cache_t *cache;
	uint64_t cache_bytes, buffer_bytes; /* of what is read, and of what is not in files yet; immutable */
	rocksdb_readoptions_t *read;
	rocksdb_readoptions_t *read_persisted; /* sees flushed data only */
	rocksdb_writeoptions_t *write;
	rocksdb_compactoptions_t *compact;
	char *dir;
	int compression; /* that this RocksDB knows */
	bool read_only;
	bool passing;                 /* a flush that is asked for is none */
	bool merging;                 /* false: never; it leads to tables that are another's */
	pthread_mutex_t flushing;     /* one rocks_flush at a time; nothing else ever waits for it */
	uint64_t mark;                /* last flush's number; protected by flushing */
	atomic_uint_fast64_t writes;  /* begun or done */
	pthread_mutex_t readers_lock; /* a leaf */
	struct rocks_reader *readers[ROCKS_READERS]; /* protected by readers_lock, with their number */
	size_t n_readers;
	atomic_bool unflushed; /* something was written since the last flush */
	atomic_bool damaged;   /* found so, now or before: the folder has a file that says it */
	atomic_int failed;     /* of the last write or flush: 0 or -errno */
};

/*
 * Opens or makes the database. -EUCLEAN: damaged, of another version, or with parts missing. *ret_state as
 * index_open's. On failure nothing is left open.
 */
MUST_USE int rocks_open(struct rocks *r, const struct index_options *o, uint8_t **ret_state,
			size_t *ret_state_len, struct hf_error *err);
void rocks_close(struct rocks *r);

/* Write the batch and the state as one; state_len 0: the state stays. The batch gets the state added. */
MUST_USE int rocks_write(struct rocks *r, rocksdb_writebatch_t *batch, const void *state, size_t state_len,
			 struct hf_error *err);
MUST_USE int rocks_flush(struct rocks *r, struct hf_error *err);

/*
 * A change that no single write makes begins, or is whole when the batch has been written and flushed. What
 * a crash leaves of it in between is of no use: rocks_open takes it for damaged.
 */
MUST_USE int rocks_tear(struct rocks *r, struct hf_error *err);
MUST_USE int rocks_mend(struct rocks *r, rocksdb_writebatch_t *batch, const void *state, size_t state_len,
			struct hf_error *err);

/* first.c: let go of the iterators that wait. */
void rocks_drop_readers(struct rocks *r);

/* Value of key into out. 1, 0, or negative. */
MUST_USE int rocks_get(struct rocks *r, int family, struct span key, struct buf *out, struct hf_error *err);

/*
 * Options as the family has them, to write table files for it with; the caller destroys them.
 */
rocksdb_options_t *rocks_table_options(const struct rocks *r, int family);
/*
 * Take over a table file of the family (it is moved; path must be in the index's folder), synced. Its keys go
 * over those that are there.
 */
MUST_USE int rocks_ingest(struct rocks *r, int family, const char *path, struct hf_error *err);
/* Merge the family's files in the background, as after opening (so not at all, perhaps), or do not. */
MUST_USE int rocks_set_merging(struct rocks *r, int family, bool on, struct hf_error *err);

/*
 * Turn RocksDB's message (freed) into a code (`otherwise` when it is none we know) and words: what was being
 * done.
 */
int rocks_error(char *message, int otherwise, const char *what, struct hf_error *err);
/* The same of an open database. Damage is noted in its folder, for the next opening. */
int rocks_failure(struct rocks *r, char *message, int otherwise, const char *what, struct hf_error *err);

uint64_t rocks_property(struct rocks *r, const char *name); /* summed over the families */

/* Delete the index folder's files and the folder. -EEXIST: it holds something that RocksDB did not make. */
MUST_USE int wipe_folder(const char *dir, struct hf_error *err);

#endif
