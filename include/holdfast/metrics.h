/* SPDX-License-Identifier: MIT */
/*
 * What an open store, and a node that is served, have counted since they were started: docs/METRICS.md says
 * what each means, and under which name a monitor sees it.
 *
 * Counting goes on whether anybody asks or not. All here may be asked by any thread while the store or the
 * node is open. Figures are taken one after the other, so those of one answer may be an operation apart.
 * Nothing here waits for a write to a disk, or for a peer.
 */
#ifndef HOLDFAST_METRICS_H
#define HOLDFAST_METRICS_H

#include "holdfast/node.h"
#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- histograms */

enum { HF_BOUNDS_MAX = 20 };

/* Upper bounds, rising. Immutable. */
struct hf_bounds {
	unsigned n;
	double unit; /* so many make one of what a monitor is told: 1e9 of nanoseconds, for seconds */
	uint64_t at[HF_BOUNDS_MAX];
};
extern const struct hf_bounds hf_bounds_duration; /* ns: 5 µs to 10 s */
extern const struct hf_bounds hf_bounds_bytes;    /* 256 bytes to 16 MiB */
extern const struct hf_bounds hf_bounds_items;    /* 1 to 65,536 */

struct hf_histogram {
	const struct hf_bounds *bounds; /* static; NULL: nothing was ever counted */
	uint64_t counts[HF_BOUNDS_MAX +
			1]; /* of values up to each bound, and above the one before; then of larger ones */
	uint64_t sum;       /* of the values */
};
/* Where a value counts: an index of counts. */
static inline unsigned hf_bounds_place(const struct hf_bounds *b, uint64_t value)
{
	unsigned i = 0;

	while (i < b->n && value > b->at[i])
		i++;
	return i;
}
uint64_t hf_histogram_count(const struct hf_histogram *h); /* of all values */

/* --- a store */

enum { HF_OPERATION_KINDS = 14 };
/* "create", "link", "unlink", "rename", "setattr", "write" …: FORMAT.md §10.3. NULL behind the last. */
const char *hf_operation_name(unsigned kind);

struct hf_store_metrics {
	/* that were done, by kind. Appends that share a moment are one each all the same */
	uint64_t operations[HF_OPERATION_KINDS];
	struct hf_histogram commit_duration;   /* ns: one group written to the log and synced */
	struct hf_histogram commit_operations; /* in one group */
	struct hf_histogram commit_bytes;   /* of contents and records in one group, before any is left out */
	uint64_t commit_failures;           /* no room, or the disk's */
	struct hf_histogram fsync_duration; /* ns: hf_fsync, with what it waits for */
	uint64_t fsync_failures;
	uint64_t cache_hits, cache_misses; /* frames wanted of those kept opened */
	uint64_t cache_bytes;              /* taken by them now */
	uint64_t index_memory_bytes;
};
void hf_store_metrics(struct hf_store *store, struct hf_store_metrics *ret);

/* --- a node */

enum hf_node_request {
	HF_NODE_POSITION, /* where a volume ends */
	HF_NODE_ENROL,
	HF_NODE_LIST, /* segments */
	HF_NODE_READ, /* of a segment */
	HF_NODE_APPEND,
	HF_NODE_PRUNES, /* numbers, one list, or one more list */
	HF_NODE_OTHER,  /* none of these: not found, or not understood */
	HF_NODE_REQUESTS,
};
const char *hf_node_request_name(enum hf_node_request request); /* "position", … */

enum { HF_NODE_REASONS = 28 };
/* Codes of PROTOCOL.md §7, "unsigned", "conflict" …; the last is "other". NULL behind it. */
const char *hf_node_reason_name(unsigned reason);

struct hf_node_metrics {
	struct hf_histogram
		requests[HF_NODE_REQUESTS]; /* ns: from the request line to the end of the answer */
	uint64_t rejections[HF_NODE_REASONS];
	uint64_t receipts;                   /* signed */
	uint64_t received_bytes, sent_bytes; /* of logs: taken anew; asked for and begun to be given */
	uint64_t connections;                /* since it was started */
	uint64_t connected;                  /* now */
	uint64_t cut_slow, cut_crowded, turned_away; /* connections cut off: PROTOCOL.md §1.1 */
	uint64_t evidence_files, evidence_bytes;
	bool read_only;
	uint64_t free_bytes, total_bytes; /* of its disk; both 0: it cannot be asked */
	struct hf_node_volume *volumes;
	size_t n_volumes;
	int volumes_failed;      /* why some are missing; 0: they are all there */
	struct hf_alarm *alarms; /* open ones; NULL with alarms_failed */
	size_t n_alarms;
	int alarms_failed; /* why they cannot be read; 0: they can */
};
void hf_node_metrics(struct hf_node *node, struct hf_node_metrics *ret); /* to be released */
void hf_node_metrics_release(struct hf_node_metrics *m);

#ifdef __cplusplus
}
#endif
#endif
