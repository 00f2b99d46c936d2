/* SPDX-License-Identifier: MIT */
/* The replicas of a store that is shipped to them. */
#include <stdlib.h>
#include <time.h>

#include "fs/metrics/sheets.h"
#include "holdfast/replica.h"

enum { REPLICAS_MAX = 64, STATES = HF_REPLICA_FULL + 1 };

static uint64_t now_ns(void)
{
	struct timespec t = { 0, 0 };

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_up(enum hf_replica_state state)
{
	return state == HF_REPLICA_CURRENT || state == HF_REPLICA_CATCHING_UP ||
	       state == HF_REPLICA_REGRESSED;
}

static void put_state(struct sheet *s, const struct hf_replica_status *v, size_t n)
{
	sheet_metric(s, "holdfast_replica_up", SHEET_GAUGE,
		     "1: the replica answers, and takes what it is sent.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, is_up(v[i].state), "replica", v[i].name, NULL);
	sheet_metric(s, "holdfast_replica_state", SHEET_GAUGE,
		     "1: the replica is in this state; 0: it is in another.");
	for (size_t i = 0; i < n; i++)
		for (unsigned state = 0; state < STATES; state++)
			sheet_count(s, v[i].state == state, "replica", v[i].name, "state",
				    hf_replica_state_name((enum hf_replica_state)state), NULL);
}

static void put_lag(struct sheet *s, const struct hf_replica_status *v, size_t n)
{
	uint64_t now = now_ns();

	sheet_metric(s, "holdfast_replica_unacknowledged_bytes", SHEET_GAUGE,
		     "Durable bytes of the log that the replica has not signed for.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].lag_bytes, "replica", v[i].name, NULL);
	sheet_metric(
		s, "holdfast_replica_lag_seconds", SHEET_GAUGE,
		"Age of the oldest durable operation that the replica has not signed for; 0: there is none.");
	for (size_t i = 0; i < n; i++)
		sheet_number(s, v[i].lag_seconds, "replica", v[i].name, NULL);
	sheet_metric(s, "holdfast_replica_oldest_unacknowledged_timestamp_seconds", SHEET_GAUGE,
		     "When that operation was done; absent while there is none.");
	for (size_t i = 0; i < n; i++)
		if (v[i].lag_seconds > 0)
			sheet_seconds(s, now - (uint64_t)(v[i].lag_seconds * 1e9), "replica", v[i].name,
				      NULL);
	sheet_metric(s, "holdfast_replica_acknowledged_timestamp_seconds", SHEET_GAUGE,
		     "Time of the last operation that the replica has signed for; absent before the first.");
	for (size_t i = 0; i < n; i++)
		if (v[i].acked_time_ns)
			sheet_seconds(s, v[i].acked_time_ns, "replica", v[i].name, NULL);
}

static void put_receipts(struct sheet *s, const struct hf_replica_status *v, size_t n)
{
	sheet_metric(
		s, "holdfast_replica_receipts_total", SHEET_COUNTER,
		"Receipts from the replica that were verified, those for asking where it ends among them.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].receipts, "replica", v[i].name, NULL);
	sheet_metric(s, "holdfast_replica_last_receipt_timestamp_seconds", SHEET_GAUGE,
		     "When the newest of these came; absent before the first.");
	for (size_t i = 0; i < n; i++)
		if (v[i].last_receipt_ns)
			sheet_seconds(s, v[i].last_receipt_ns, "replica", v[i].name, NULL);
	sheet_metric(s, "holdfast_replica_sent_bytes_total", SHEET_COUNTER,
		     "Bytes of the log that the replica took.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].sent_bytes, "replica", v[i].name, NULL);
}

static void put_failures(struct sheet *s, const struct hf_replica_status *v, size_t n)
{
	static const char *const reasons[HF_REPLICA_FAILURES] = {
		[HF_REPLICA_WAS_UNREACHABLE] = "unreachable",
		[HF_REPLICA_HAS_REFUSED] = "refused",
		[HF_REPLICA_WAS_FULL] = "full",
	};

	sheet_metric(s, "holdfast_replica_failures_total", SHEET_COUNTER,
		     "Attempts to reach or fill the replica that failed, by reason.");
	for (size_t i = 0; i < n; i++)
		for (unsigned r = 0; r < HF_REPLICA_FAILURES; r++)
			sheet_count(s, v[i].failures[r], "replica", v[i].name, "reason", reasons[r], NULL);
	sheet_metric(s, "holdfast_replica_reconnects_total", SHEET_COUNTER,
		     "Times the replica answered again after it had failed.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].reconnects, "replica", v[i].name, NULL);
	sheet_metric(s, "holdfast_replica_failing_since_timestamp_seconds", SHEET_GAUGE,
		     "Since when the replica has taken nothing though asked; absent while it takes what it "
		     "is sent.");
	for (size_t i = 0; i < n; i++)
		if (v[i].failing_since_ns)
			sheet_seconds(s, v[i].failing_since_ns, "replica", v[i].name, NULL);
	sheet_metric(s, "holdfast_replica_regressed_timestamp_seconds", SHEET_GAUGE,
		     "When the replica came back with less than it had signed for; absent when it never did, "
		     "or somebody has acknowledged it.");
	for (size_t i = 0; i < n; i++)
		if (v[i].regressed_ns)
			sheet_seconds(s, v[i].regressed_ns, "replica", v[i].name, NULL);
}

static void put_sync(struct sheet *s, struct hf_store *store)
{
	struct hf_sync_status sync;

	hf_store_sync_status(store, &sync);
	sheet_one(s, "holdfast_sync_receipts_needed", SHEET_GAUGE, sync.needed,
		  "Receipts that each fsync waits for (-o sync=replica); 0: none.");
	sheet_one(s, "holdfast_sync_failures_total", SHEET_COUNTER, sync.failed,
		  "Calls of fsync that did not get them in time.");
}

void replica_sheet(struct sheet *s, struct hf_store *store, struct sheets_parts *parts)
{
	struct hf_replica_status *v = calloc(REPLICAS_MAX, sizeof(*v));
	size_t n = v ? hf_store_replicas(store, v, REPLICAS_MAX) : 0;

	n = n < REPLICAS_MAX ? n : REPLICAS_MAX;
	sheets_part(parts, "replicas", v != NULL);
	sheet_metric(s, "holdfast_replicas", SHEET_GAUGE, "Replicas that the log is shipped to.");
	if (v) /* that they cannot be told is not that there are none */
		sheet_count(s, n, NULL);
	put_state(s, v, n);
	put_lag(s, v, n);
	put_receipts(s, v, n);
	put_failures(s, v, n);
	put_sync(s, store);
	free(v);
}
