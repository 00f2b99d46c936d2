/* SPDX-License-Identifier: MIT */
/*
 * A store: one volume on this machine, its log, its index and its replication. Everything else of libholdfast
 * takes an open `struct hf_store`.
 *
 * Order of calls: hf_store_init once for a new volume (or hf_recover, replica.h); then hf_store_open;
 * operations (op.h), views (view.h), moments (moment.h); hf_store_close. One process at a time has a store
 * open.
 *
 * Durability: an operation that returned 0 is in memory, seen by every later read, and will be committed
 * within commit_interval_ms. It is durable when a later hf_store_commit (or hf_fsync) has returned 0. After a
 * crash the tree is exactly what it was after some operation, at or behind the last one made durable.
 *
 * Thread-safety: every call on an open store may be made from any thread at any time, except hf_store_close,
 * which must be the last.
 */
#ifndef HOLDFAST_STORE_H
#define HOLDFAST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "holdfast/kit.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HF_ROOT_INO 1

struct hf_store;

/*
 * Told now and then, from the calling thread, while something long goes on. total 0: not known yet. `what` is
 * a few words, ending in ", bytes" when bytes are counted. fn may be NULL.
 */
struct hf_progress {
	void (*fn)(void *arg, const char *what, uint64_t done, uint64_t total);
	void *arg;
};

/*
 * Make a new volume at `path` (a folder that does not exist or is empty), its keys from `kit`, its first
 * epoch begun. Durable when 0 is returned; on failure nothing is left behind. -EEXIST or -ENOTEMPTY:
 * something is there already; -ENOSPC, -EACCES … from the system.
 */
int hf_store_init(const char *path, const struct hf_kit *kit, struct hf_error *err);

enum hf_open_flags {
	/* no change to the log; operations give -EROFS. Still one process at a time */
	HF_OPEN_READ_ONLY = 1,
	HF_OPEN_NO_REPLICATION = 2, /* leave the replicas alone */
	HF_OPEN_REBUILD = 4,        /* throw the index away and build it from the log */
};

struct hf_open_options {
	unsigned flags; /* enum hf_open_flags */
	/*
	 * memory in all, about: caches, what is under way to the disk, threads; 0: 256 MiB. At least 16
	 * MiB is taken, and with less than 128 MiB what is under way may go beyond it, for it has 16 MiB at
	 * least
	 */
	uint64_t cache_bytes;
	unsigned commit_interval_ms; /* 0: 1000 */
	/* how long to wait for another process to let go of the store; 0: do not wait */
	unsigned busy_wait_ms;
	/* words for the lock file, as "mounted on /srv/git"; NULL: the process's name */
	const char *holder;
	struct hf_progress progress; /* while replaying or rebuilding */
	uint64_t segment_bytes;      /* 0: as FORMAT.md says; small ones let a test cross many segments */
	/*
	 * hf_fsync waits until so many replicas have acknowledged what it made durable; 0: until it is
	 * durable here. Of no meaning when nothing is shipped. Opening fails with -EINVAL when there are
	 * fewer replicas, and none of those can be removed while it is open.
	 */
	unsigned sync_receipts;
	unsigned sync_timeout_ms; /* and at most so long; 0: 30,000 */
	/*
	 * Verify everything once in so many seconds, in the background (damage.h); 0: do not. Of no meaning
	 * with HF_OPEN_NO_REPLICATION.
	 */
	uint64_t scrub_s;
};

/*
 * Open a store: find the log's end, bring the index up to it (rebuilding it when it is missing or damaged),
 * clean up unlinked files left by a crash, start the replicators. `options` may be NULL.
 *  -ENOENT       no store there
 *  -EBUSY        open in another process: the words name it
 *  -EUCLEAN      the log is damaged: nothing was changed; the words say where and what to do
 *  -EKEYREJECTED the keys in the store are of another volume or another epoch, or the passphrase is wrong
 *  -ENOKEY       the keys are wrapped, and nobody knew the passphrase (key.h)
 *  -EPROTONOSUPPORT, -EACCES, -EIO, -ENOSPC
 */
int hf_store_open(const char *path, const struct hf_open_options *options, struct hf_store **ret,
		  struct hf_error *err);

/*
 * Commit what is acknowledged, stop everything, let go of the store. Replicas are given what fits in the time
 * they need to finish a request at hand; hf_store_drain before it waits for more. Frees `store` whatever it
 * returns; an error says that the last acknowledged operations may not be durable.
 */
int hf_store_close(struct hf_store *store, struct hf_error *err);

/*
 * Everything acknowledged before this call is durable when it returns 0. -EIO: no more changes are taken.
 * -ENOSPC, -ENOMEM, -EMFILE, -ENFILE: room, memory or descriptors lack at present; nothing acknowledged is
 * lost, and it is tried again by itself.
 */
int hf_store_commit(struct hf_store *store, struct hf_error *err);

/*
 * Commit, then wait until every replica has acknowledged everything up to now, or timeout_ms is over. 0, or
 * -ETIMEDOUT with words that say how much is left where.
 */
int hf_store_drain(struct hf_store *store, unsigned timeout_ms, struct hf_error *err);

const char *hf_store_path(const struct hf_store *store); /* absolute; borrowed */

struct hf_status {
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
	uint32_t epoch;
	uint64_t head_tid; /* last acknowledged operation */
	uint64_t head_time_ns;
	uint64_t committed_tid;     /* last durable operation */
	uint64_t committed_time_ns; /* its time */
	uint64_t live_bytes, live_inodes;
	uint64_t log_bytes, log_segments;
	uint64_t index_bytes;
	uint64_t cache_bytes, pending_bytes;
	uint64_t free_bytes;          /* that the file system below has left for this store to grow */
	uint64_t reserve_bytes;       /* that are kept back of it, for the index and for removing files */
	bool no_room;                 /* nothing can be written for want of room */
	uint64_t chunks, chunk_bytes; /* distinct chunks, and their plain bytes */
	bool read_only;               /* it was opened so */
	bool disk_read_only;          /* its disk takes no writes */
	bool index_damaged; /* which the next opening builds anew; until then some may not be read */
	int failed;         /* 0, or the error that stopped writing */
	char failed_text[HF_ERROR_TEXT_BYTES];
};
void hf_store_status(struct hf_store *store, struct hf_status *ret);
/* When a kit was last seen to open it (hf_kit_check, kit.h); 0: never. Reads a small file. */
uint64_t hf_store_kit_checked(const struct hf_store *store);

/*
 * Verify everything of a store at rest or open in this process: descriptor, keys, every segment, the chain,
 * every signature, every frame, every chunk's name, every record, the index, the files that name replicas and
 * say when alarms are raised. `found` gets each fault in words. Returns the number of faults, or negative
 * when it could not run. Changes nothing, but that what was found, and when, is remembered (damage.h).
 */
struct hf_check_summary {
	uint64_t segments, commits, frames, chunks, operations, bytes;
	uint64_t last_tid, last_time_ns;
	uint64_t pruned_frames; /* of those data frames: taken away as the owner's signed list says */
};
long hf_store_check(const char *path, void (*found)(void *arg, const char *what), void *arg,
		    struct hf_check_summary *ret, const struct hf_progress *progress, struct hf_error *err);
/* The same of a store that is open here, with the keys that it is open with: nobody is asked for them. */
long hf_store_check_open(struct hf_store *store, void (*found)(void *arg, const char *what), void *arg,
			 struct hf_check_summary *ret, const struct hf_progress *progress,
			 struct hf_error *err);

/* "holdfast 0.1.0". Static. */
const char *hf_version(void);

#ifdef __cplusplus
}
#endif
#endif
