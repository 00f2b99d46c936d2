/* SPDX-License-Identifier: MIT */
/* All of a mount and its store. */
#include <inttypes.h>
#include <stdlib.h>

#include "fs/metrics/metrics.h"
#include "fs/metrics/sheets.h"

/* docs/ALARMS.md */
static const char *const alarm_kinds[] = {
	"unreachable", "lag",   "refused", "regressed", "deletion", "overwrite", "encryption",
	"damage",      "space", "drill",   "settings",  "damaged",  NULL,
};

static void put_volume(struct sheet *s, struct hf_store *store, const struct hf_status *st,
		       const char *mounted_on)
{
	char epoch[16];

	(void)snprintf(epoch, sizeof(epoch), "%" PRIu32, st->epoch);
	sheet_metric(s, "holdfast_volume_info", SHEET_GAUGE,
		     "Always 1; what is mounted, and where, are labels.");
	sheet_count(s, 1, "volume", st->volume_id, "epoch", epoch, "store", hf_store_path(store),
		    "mounted_on", mounted_on, NULL);
	sheet_one(s, "holdfast_read_only", SHEET_GAUGE, st->read_only,
		  "1: the store was opened to be read only.");
	sheet_one(s, "holdfast_writing_failed", SHEET_GAUGE, st->failed != 0,
		  "1: an error of the disk has stopped all writing, until it is mounted anew.");
	sheet_one(s, "holdfast_live_bytes", SHEET_GAUGE, st->live_bytes,
		  "Bytes of contents of the files there are now.");
	sheet_one(s, "holdfast_live_inodes", SHEET_GAUGE, st->live_inodes,
		  "Files, folders and the like there are now.");
	sheet_one(s, "holdfast_free_bytes", SHEET_GAUGE, st->free_bytes,
		  "Bytes that can still be written to the disk below.");
	sheet_one_time(s, "holdfast_kit_checked_timestamp_seconds", hf_store_kit_checked(store),
		       "When the recovery kit was last seen to open this volume; absent: never.");
}

static void put_log(struct sheet *s, const struct hf_status *st)
{
	sheet_one(s, "holdfast_head_tid", SHEET_GAUGE, st->head_tid, "Number of the last operation.");
	sheet_one_time(s, "holdfast_head_timestamp_seconds", st->head_time_ns, "Time of the last operation.");
	sheet_one(s, "holdfast_committed_tid", SHEET_GAUGE, st->committed_tid,
		  "Number of the last durable operation.");
	sheet_one_time(s, "holdfast_committed_timestamp_seconds", st->committed_time_ns,
		       "Time of the last durable operation.");
	sheet_one(s, "holdfast_pending_bytes", SHEET_GAUGE, st->pending_bytes,
		  "Bound of what is under way to the log and the index.");
	sheet_one(s, "holdfast_log_bytes", SHEET_GAUGE, st->log_bytes, "Durable bytes of the log.");
	sheet_one(s, "holdfast_log_segments", SHEET_GAUGE, st->log_segments, "Segments of the log.");
	sheet_one(s, "holdfast_index_bytes", SHEET_GAUGE, st->index_bytes, "Bytes of the index on disk.");
	sheet_one(s, "holdfast_index_damaged", SHEET_GAUGE, st->index_damaged,
		  "1: damage was found in the index, which the next mount builds anew.");
	sheet_one(s, "holdfast_chunks", SHEET_GAUGE, st->chunks, "Distinct chunks that were ever stored.");
	sheet_one(s, "holdfast_chunk_bytes", SHEET_GAUGE, st->chunk_bytes,
		  "Bytes of these, before compression.");
}

static void put_operations(struct sheet *s, const struct hf_store_metrics *m)
{
	sheet_metric(s, "holdfast_operations_total", SHEET_COUNTER,
		     "Operations that changed the volume, by kind, its own housekeeping (reap, fold, retire) "
		     "among them.");
	for (unsigned i = 0; i < HF_OPERATION_KINDS; i++)
		sheet_count(s, m->operations[i], "kind", hf_operation_name(i), NULL);
	sheet_metric(s, "holdfast_commit_duration_seconds", SHEET_HISTOGRAM,
		     "Commits: writing one group to the log and syncing it.");
	sheet_histogram(s, &m->commit_duration, NULL);
	sheet_metric(s, "holdfast_commit_group_operations", SHEET_HISTOGRAM,
		     "Operations that one commit made durable.");
	sheet_histogram(s, &m->commit_operations, NULL);
	sheet_metric(s, "holdfast_commit_group_bytes", SHEET_HISTOGRAM,
		     "Bytes of contents and records of one commit, before deduplication and compression.");
	sheet_histogram(s, &m->commit_bytes, NULL);
	sheet_one(s, "holdfast_commit_failures_total", SHEET_COUNTER, m->commit_failures,
		  "Attempts to commit that failed, for want of room or by the disk.");
	sheet_metric(
		s, "holdfast_fsync_duration_seconds", SHEET_HISTOGRAM,
		"Calls of fsync and the like, and all that they waited for, receipts of replicas included.");
	sheet_histogram(s, &m->fsync_duration, NULL);
	sheet_one(s, "holdfast_fsync_failures_total", SHEET_COUNTER, m->fsync_failures, "Those that failed.");
}

static void put_cache(struct sheet *s, const struct hf_store_metrics *m)
{
	sheet_one(s, "holdfast_cache_hits_total", SHEET_COUNTER, m->cache_hits,
		  "Frames of the log that were wanted and were in memory.");
	sheet_one(s, "holdfast_cache_misses_total", SHEET_COUNTER, m->cache_misses,
		  "Frames of the log that were wanted and had to be read whole.");
	sheet_one(s, "holdfast_cache_bytes", SHEET_GAUGE, m->cache_bytes, "Memory that opened frames take.");
	sheet_one(s, "holdfast_index_memory_bytes", SHEET_GAUGE, m->index_memory_bytes,
		  "Memory that the index takes.");
}

static void put_alarms(struct sheet *s, struct hf_store *store, struct sheets_parts *parts)
{
	struct hf_alarm *alarms = NULL;
	size_t n = 0;
	bool good = hf_store_alarms(hf_store_path(store), &alarms, &n, NULL) == 0;

	alarm_sheet(s, good, alarms, n, alarm_kinds);
	sheets_part(parts, "alarms", good);
	free(alarms);
}

char *metrics_mount_text(struct hf_store *store, const char *mounted_on, size_t *ret_len)
{
	struct sheets_parts parts = { .n = 0 };
	struct hf_store_metrics m;
	struct hf_status st;
	struct sheet s;

	hf_store_status(store, &st);
	hf_store_metrics(store, &m);
	sheet_begin(&s);
	process_sheet(&s);
	put_volume(&s, store, &st, mounted_on);
	fuse_sheet(&s);
	put_operations(&s, &m);
	put_log(&s, &st);
	put_cache(&s, &m);
	replica_sheet(&s, store, &parts);
	drill_sheet(&s, store, &parts);
	damage_sheet(&s, store);
	put_alarms(&s, store, &parts);
	sheets_parts(&s, &parts);
	return sheet_end_take(&s, ret_len);
}
