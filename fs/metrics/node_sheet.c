/* SPDX-License-Identifier: MIT */
/* All of a node that this process serves. */
#include "fs/metrics/metrics.h"
#include "fs/metrics/sheets.h"

/* PROTOCOL.md §9 */
static const char *const alarm_kinds[] = {
	"conflict",      "not_verified", "bad_log_signature",
	"bad_signature", "epoch_over",   "below_floor",
	"silent",        "stalled",      "budget",
	"clock",         "space",        "prune",
	"damage",        "damaged",      NULL,
};

static void put_requests(struct sheet *s, const struct hf_node_metrics *m)
{
	sheet_metric(s, "holdfast_node_request_duration_seconds", SHEET_HISTOGRAM,
		     "Requests, by kind, from the request line to the end of the answer.");
	for (unsigned i = 0; i < HF_NODE_REQUESTS; i++)
		sheet_histogram(s, &m->requests[i], "request", hf_node_request_name((enum hf_node_request)i),
				NULL);
	sheet_metric(s, "holdfast_node_rejections_total", SHEET_COUNTER,
		     "Requests refused, by reason: the codes of PROTOCOL.md.");
	for (unsigned i = 0; i < HF_NODE_REASONS; i++)
		sheet_count(s, m->rejections[i], "reason", hf_node_reason_name(i), NULL);
	sheet_one(s, "holdfast_node_receipts_total", SHEET_COUNTER, m->receipts, "Receipts signed.");
	sheet_one(s, "holdfast_node_received_bytes_total", SHEET_COUNTER, m->received_bytes,
		  "Bytes of logs taken.");
	sheet_one(s, "holdfast_node_sent_bytes_total", SHEET_COUNTER, m->sent_bytes,
		  "Bytes of logs asked for by readers.");
	sheet_one(s, "holdfast_node_evidence_files", SHEET_GAUGE, m->evidence_files,
		  "Refused appends that are kept as evidence.");
	sheet_one(s, "holdfast_node_evidence_bytes", SHEET_GAUGE, m->evidence_bytes, "Bytes of these.");
}

static void put_connections(struct sheet *s, const struct hf_node_metrics *m)
{
	sheet_one(s, "holdfast_node_connections", SHEET_GAUGE, m->connected, "Connections there are now.");
	sheet_one(s, "holdfast_node_connections_total", SHEET_COUNTER, m->connections,
		  "Connections there ever were.");
	sheet_metric(s, "holdfast_node_connections_cut_total", SHEET_COUNTER,
		     "Connections cut off: for being too slow, to let others in, or turned away.");
	sheet_count(s, m->cut_slow, "reason", "slow", NULL);
	sheet_count(s, m->cut_crowded, "reason", "crowded", NULL);
	sheet_count(s, m->turned_away, "reason", "turned_away", NULL);
}

static void put_disk(struct sheet *s, const struct hf_node_metrics *m)
{
	sheet_one(s, "holdfast_node_read_only", SHEET_GAUGE, m->read_only,
		  "1: its file system is read-only, and the node takes nothing.");
	sheet_metric(s, "holdfast_node_free_bytes", SHEET_GAUGE, "Bytes free on the node's disk.");
	if (m->total_bytes)
		sheet_count(s, m->free_bytes, NULL);
	sheet_metric(s, "holdfast_node_size_bytes", SHEET_GAUGE, "Size of the node's disk.");
	if (m->total_bytes)
		sheet_count(s, m->total_bytes, NULL);
}

static void put_volumes(struct sheet *s, const struct hf_node_volume *v, size_t n)
{
	sheet_one(s, "holdfast_node_volumes", SHEET_GAUGE, n, "Volumes that are kept.");
	sheet_metric(s, "holdfast_node_volume_bytes", SHEET_GAUGE,
		     "Bytes of the volume's log that are kept.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].bytes, "volume", v[i].volume_id, NULL);
	sheet_metric(s, "holdfast_node_volume_segments", SHEET_GAUGE, "Segments of the volume's log.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].segments, "volume", v[i].volume_id, NULL);
	sheet_metric(s, "holdfast_node_volume_tid", SHEET_GAUGE,
		     "Number of the volume's last operation here.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].tid, "volume", v[i].volume_id, NULL);
	sheet_metric(s, "holdfast_node_volume_timestamp_seconds", SHEET_GAUGE,
		     "Time of the volume's last operation here; absent: there is none.");
	for (size_t i = 0; i < n; i++)
		if (v[i].time_ns)
			sheet_seconds(s, v[i].time_ns, "volume", v[i].volume_id, NULL);
	sheet_metric(s, "holdfast_node_volume_budget_bytes", SHEET_GAUGE,
		     "What the volume may take; absent: as much as there is.");
	for (size_t i = 0; i < n; i++)
		if (v[i].budget_bytes != UINT64_MAX)
			sheet_count(s, v[i].budget_bytes, "volume", v[i].volume_id, NULL);
}

static void put_writers(struct sheet *s, const struct hf_node_volume *v, size_t n)
{
	sheet_metric(s, "holdfast_node_volume_heard_timestamp_seconds", SHEET_GAUGE,
		     "When the volume's writer was last heard; absent: not known.");
	for (size_t i = 0; i < n; i++)
		if (v[i].heard_ns)
			sheet_seconds(s, v[i].heard_ns, "volume", v[i].volume_id, NULL);
	sheet_metric(s, "holdfast_node_volume_behind_commits", SHEET_GAUGE,
		     "Commits that the volume's writer says to have and that are not here.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].said_commit > v[i].commit ? v[i].said_commit - v[i].commit : 0, "volume",
			    v[i].volume_id, NULL);
	sheet_metric(s, "holdfast_node_volume_silent", SHEET_GAUGE,
		     "1: the volume's writer was not heard for longer than the node's limit.");
	for (size_t i = 0; i < n; i++)
		sheet_count(s, v[i].silent, "volume", v[i].volume_id, NULL);
}

char *metrics_node_text(struct hf_node *node, const char *dir, size_t *ret_len)
{
	struct sheets_parts parts = { .n = 0 };
	struct hf_node_metrics m;
	struct sheet s;

	hf_node_metrics(node, &m);
	sheet_begin(&s);
	process_sheet(&s);
	sheet_metric(&s, "holdfast_node_info", SHEET_GAUGE,
		     "Always 1; where the node is, and listens, are labels.");
	sheet_count(&s, 1, "folder", dir, "url", hf_node_url(node), NULL);
	put_requests(&s, &m);
	put_connections(&s, &m);
	put_disk(&s, &m);
	put_volumes(&s, m.volumes, m.n_volumes);
	put_writers(&s, m.volumes, m.n_volumes);
	alarm_sheet(&s, m.alarms_failed == 0, m.alarms, m.n_alarms, alarm_kinds);
	sheets_part(&parts, "alarms", m.alarms_failed == 0);
	sheets_part(&parts, "volumes", m.volumes_failed == 0);
	sheets_parts(&s, &parts);
	hf_node_metrics_release(&m);
	return sheet_end_take(&s, ret_len);
}
