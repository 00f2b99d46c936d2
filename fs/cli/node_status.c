/* SPDX-License-Identifier: MIT */
#include "fs/cli/node_status.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "fs/cli/alarm_print.h"
#include "fs/cli/cli.h"
#include "fs/cli/node_prune.h"
#include "fs/cli/output.h"
#include "holdfast/node.h"

/* --- for programs */

/* null: as much as there is */
static json_t *budget_to_json(uint64_t bytes)
{
	return bytes == UINT64_MAX ? json_null() : output_number(bytes);
}

static json_t *volume_to_json(const struct hf_node_volume *v)
{
	return json_pack("{s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:s}", "volume",
			 v->volume_id, "epoch", (json_int_t)v->epoch, "tid", output_number(v->tid), "commit",
			 output_number(v->commit), "time", output_time(v->time_ns), "bytes",
			 output_number(v->bytes), "segments", output_number(v->segments), "heard_time",
			 output_time(v->heard_ns), "writer_tid", output_number(v->said_tid), "writer_commit",
			 output_number(v->said_commit), "silent", v->silent, "budget_bytes",
			 budget_to_json(v->budget_bytes), "budget_used_bytes",
			 output_number(v->budget_used_bytes), "budget_failed", v->budget_failed);
}

static json_t *status_to_json(const char *dir, const struct hf_node_status *s)
{
	json_t *alarms = alarms_to_json(s->alarms, s->n_alarms), *volumes = json_array();

	for (size_t i = 0; i < s->n_volumes; i++)
		json_array_append_new(volumes, volume_to_json(&s->volumes[i]));
	return json_pack("{s:o, s:s, s:b, s:b, s:o, s:o, s:o, s:f, s:o, s:o, s:s?}", "alarms", alarms, "node",
			 dir, "served", s->served, "read_only", s->read_only, "new_volume_budget_bytes",
			 budget_to_json(s->budget_bytes), "free_bytes", output_number(s->free_bytes),
			 "total_bytes", output_number(s->total_bytes), "silent_after_seconds",
			 (double)s->silent_after_ns / 1e9, "volumes", volumes, "prunes", node_prune_json(dir),
			 "failed", s->failed[0] ? s->failed : NULL);
}

/* --- for people */

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void print_volume(const struct hf_node_volume *v)
{
	char a[OUTPUT_TEXT_BYTES];
	uint64_t now = now_ns();

	printf("volume      %s, epoch %" PRIu32 "\n", v->volume_id, v->epoch);
	printf("            to tid-%" PRIu64 ", %s in %" PRIu32 " segments\n", v->tid,
	       output_bytes(v->bytes, a), v->segments);
	if (v->budget_failed[0])
		printf("            TAKES NOTHING: %s\n", v->budget_failed);
	else if (v->budget_bytes != UINT64_MAX)
		printf("            %.0f%% of its budget of %s\n",
		       v->budget_bytes ? 100.0 * (double)v->budget_used_bytes / (double)v->budget_bytes :
					 100.0,
		       output_bytes(v->budget_bytes, a));
	if (v->said_commit > v->commit)
		printf("            its writer has tid-%" PRIu64 "\n", v->said_tid);
	if (v->heard_ns == 0)
		printf("            not heard yet, as far as is written down: once a minute\n");
	else
		printf("            %sheard %s ago\n", v->silent ? "SILENT, last " : "last ",
		       output_duration(now > v->heard_ns ? (double)(now - v->heard_ns) / 1e9 : 0, a));
}

static void print_status(const char *dir, const struct hf_node_status *s)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES];
	json_t *alarms = alarms_to_json(s->alarms, s->n_alarms);

	alarms_print(alarms, "this node");
	json_decref(alarms);
	if (s->n_alarms > 0)
		printf("            seen to? holdfast node acknowledge %s ALARM\n", dir);
	else
		printf("alarms      none is open\n");
	printf("node        %s, %s\n", dir, s->served ? "served" : "not served");
	if (s->read_only)
		printf("READ-ONLY   its file system: it lets read, and takes nothing\n");
	printf("room        %s of %s left on its disk\n", output_bytes(s->free_bytes, a),
	       output_bytes(s->total_bytes, b));
	if (s->budget_bytes != UINT64_MAX)
		printf("            a new volume may have %s\n", output_bytes(s->budget_bytes, a));
	if (s->failed[0])
		printf("FAILED      %s\n", s->failed);
	for (size_t i = 0; i < s->n_volumes; i++)
		print_volume(&s->volumes[i]);
	node_prune_print_pending(dir);
}

int node_status(const char *dir, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_status s;
	json_t *value;
	int code;

	if (hf_node_status(dir, &s, &err) < 0)
		return cli_fail_error(&err);
	if (json) {
		value = status_to_json(dir, &s);
		output_json(value);
		json_decref(value);
	} else {
		print_status(dir, &s);
	}
	code = s.n_alarms > 0 || s.failed[0] ? CLI_FOUND : CLI_FINE;
	hf_node_status_release(&s);
	return code;
}
