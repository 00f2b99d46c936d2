/* SPDX-License-Identifier: MIT */
#include "fs/cli/status.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/cli/alarm_print.h"
#include "fs/cli/colour.h"
#include "fs/cli/drill.h"
#include "fs/cli/output.h"
#include "holdfast/damage.h"
#include "holdfast/replica.h"

#define REPLICAS_MAX 64
#define DAMAGE_SHOWN 8

json_t *point_to_json(const struct hf_point *point)
{
	char moment[OUTPUT_TEXT_BYTES];

	return json_pack("{s:o, s:o, s:s}", "tid", output_number(point->tid), "time",
			 output_time(point->time_ns), "moment",
			 hf_moment_format(point->time_ns, moment, sizeof(moment)));
}

json_t *head_to_json(const char *line, const struct hf_head *head)
{
	const struct hf_point point = { head->tid, head->time_ns };
	json_t *answer = point_to_json(&point);

	if (answer)
		json_object_update_new(answer,
				       json_pack("{s:s, s:s, s:o, s:o, s:o, s:i}", "head", line, "volume_id",
						 head->volume_id, "segment", output_number(head->segment),
						 "offset", output_number(head->offset), "commit",
						 output_number(head->commit), "epoch", (int)head->epoch));
	return answer;
}

static json_t *replica_to_json(const struct hf_replica_status *r)
{
	json_t *o =
		json_pack("{s:s, s:s, s:s, s:o, s:o, s:f, s:o, s:s}", "name", r->name, "url", r->url, "state",
			  hf_replica_state_name(r->state), "acked_tid", output_number(r->acked_tid),
			  "acked_time", output_time(r->acked_time_ns), "lag_seconds", r->lag_seconds,
			  "lag_bytes", output_number(r->lag_bytes), "error", r->error);

	if (o)
		json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "failing_since",
						    output_time(r->failing_since_ns), "limit_bytes_s",
						    output_number(r->limit_bytes_s), "regressed",
						    output_time(r->regressed_ns), "regressed_from_tid",
						    output_number(r->regressed_from_tid), "regressed_to_tid",
						    output_number(r->regressed_to_tid), "last_receipt",
						    output_time(r->last_receipt_ns), "sent_bytes",
						    output_number(r->sent_bytes)));
	return o;
}

/* How many receipts an fsync waits for, and how that goes; null when it waits for none. */
static json_t *sync_to_json(struct hf_store *store)
{
	struct hf_sync_status s;

	hf_store_sync_status(store, &s);
	if (!s.needed)
		return json_null();
	return json_pack("{s:i, s:o, s:o, s:s}", "receipts", (int)s.needed, "failed", output_number(s.failed),
			 "last_failed", output_time(s.failed_ns), "error", s.text);
}

static json_t *replicas_to_json(struct hf_store *store)
{
	struct hf_replica_status *replicas = calloc(REPLICAS_MAX, sizeof(*replicas));
	json_t *array = json_array();
	size_t n;

	if (replicas && array) {
		n = hf_store_replicas(store, replicas, REPLICAS_MAX);
		for (size_t i = 0; i < n && i < REPLICAS_MAX; i++)
			json_array_append_new(array, replica_to_json(&replicas[i]));
	}
	free(replicas);
	return array;
}

/* Of the store's files; null when they cannot be read. */
static json_t *open_alarms(struct hf_store *store)
{
	struct hf_alarm *alarms;
	json_t *array;
	size_t n;

	if (hf_store_alarms(hf_store_path(store), &alarms, &n, NULL) < 0)
		return json_null();
	array = alarms_to_json(alarms, n);
	free(alarms);
	return array;
}

static json_t *damage_to_json(struct hf_store *store)
{
	struct hf_damage *damage = calloc(HF_DAMAGE_MAX, sizeof(*damage));
	json_t *array = json_array();
	size_t n = damage ? hf_store_damage(store, damage, HF_DAMAGE_MAX) : 0;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array,
				      json_pack("{s:i, s:o, s:o, s:s}", "segment", (int)damage[i].segment,
						"offset", output_number(damage[i].offset), "found",
						output_time(damage[i].found_ns), "words", damage[i].words));
	free(damage);
	return array;
}

/* How much of the log was verified, and what of it is damaged. */
static void verified_to_json(struct hf_store *store, json_t *answer)
{
	struct hf_verified v;

	hf_store_verified(store, &v);
	json_object_set_new(answer, "verified",
			    json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "complete",
				      output_time(v.complete_ns), "complete_tid",
				      output_number(v.complete_tid), "scrub_seconds",
				      output_number(v.scrub_s), "began", output_time(v.began_ns),
				      "done_bytes", output_number(v.done_bytes), "total_bytes",
				      output_number(v.total_bytes)));
	json_object_set_new(answer, "damage", damage_to_json(store));
}

json_t *status_of_store(struct hf_store *store)
{
	struct hf_status s;
	char moment[OUTPUT_TEXT_BYTES];
	json_t *answer;

	hf_store_status(store, &s);
	answer = json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:s}", "version", hf_version(), "store",
			   hf_store_path(store), "volume_id", s.volume_id, "epoch", (int)s.epoch, "head_tid",
			   output_number(s.head_tid), "head_time", output_time(s.head_time_ns),
			   "committed_tid", output_number(s.committed_tid), "committed_time",
			   output_time(s.committed_time_ns), "committed_moment",
			   s.committed_time_ns ?
				   hf_moment_format(s.committed_time_ns, moment, sizeof(moment)) :
				   "");
	if (!answer)
		return NULL;
	json_object_update_new(answer,
			       json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "live_bytes",
					 output_number(s.live_bytes), "live_inodes",
					 output_number(s.live_inodes), "log_bytes",
					 output_number(s.log_bytes), "log_segments",
					 output_number(s.log_segments), "index_bytes",
					 output_number(s.index_bytes), "cache_bytes",
					 output_number(s.cache_bytes), "pending_bytes",
					 output_number(s.pending_bytes), "free_bytes",
					 output_number(s.free_bytes), "chunks", output_number(s.chunks),
					 "chunk_bytes", output_number(s.chunk_bytes)));
	json_object_set_new(answer, "reserve_bytes", output_number(s.reserve_bytes));
	json_object_set_new(answer, "no_room", json_boolean(s.no_room));
	json_object_set_new(answer, "kit_checked", output_time(hf_store_kit_checked(store)));
	json_object_set_new(answer, "last_drill", drill_last_to_json(hf_store_path(store)));
	verified_to_json(store, answer);
	json_object_set_new(answer, "alarms", open_alarms(store));
	json_object_set_new(answer, "read_only", json_boolean(s.read_only));
	json_object_set_new(answer, "disk_read_only", json_boolean(s.disk_read_only));
	json_object_set_new(answer, "index_damaged", json_boolean(s.index_damaged));
	json_object_set_new(answer, "failed",
			    s.failed ? json_string(s.failed_text[0] ? s.failed_text : hf_strerror(s.failed)) :
				       json_null());
	json_object_set_new(answer, "sync_replica", sync_to_json(store));
	json_object_set_new(answer, "replicas", replicas_to_json(store));
	return answer;
}

/* What is mounted to be read only wants none. */
static bool has_no_room(const json_t *status)
{
	return json_is_true(json_object_get(status, "no_room")) &&
	       !(json_is_true(json_object_get(status, "read_only")) &&
		 *output_get_text(status, "mounted_on"));
}

bool status_is_bad(const json_t *status)
{
	const json_t *replica;
	size_t i;

	if (json_is_string(json_object_get(status, "failed")) ||
	    json_is_true(json_object_get(status, "index_damaged")) ||
	    json_is_true(json_object_get(status, "disk_read_only")) ||
	    json_array_size(json_object_get(status, "damage")) > 0 || has_no_room(status))
		return true;
	json_array_foreach(json_object_get(status, "replicas"), i, replica)
		if (!strcmp(output_get_text(replica, "state"), hf_replica_state_name(HF_REPLICA_REFUSED)) ||
		    !strcmp(output_get_text(replica, "state"), hf_replica_state_name(HF_REPLICA_FULL)) ||
		    *output_get_text(replica, "regressed"))
			return true;
	return *output_get_text(json_object_get(status, "sync_replica"), "error") != '\0';
}

static void print_regressed(const json_t *replica)
{
	if (!*output_get_text(replica, "regressed"))
		return;
	printf("            %sWENT BACK%s: found at %s with tid-%" PRIu64 ", having acknowledged tid-%" PRIu64
	       ".\n"
	       "            Was it restored from an older copy? What it lacked is sent again. When you know:\n"
	       "            holdfast replica acknowledge STORE %s\n",
	       colour(stdout, COLOUR_BAD), colour(stdout, COLOUR_NONE), output_get_text(replica, "regressed"),
	       output_get_number(replica, "regressed_to_tid"),
	       output_get_number(replica, "regressed_from_tid"), output_get_text(replica, "name"));
}

static void print_sync(const json_t *status)
{
	const json_t *sync = json_object_get(status, "sync_replica");
	char text[OUTPUT_TEXT_BYTES];

	if (!json_is_object(sync))
		return;
	printf("fsync       waits for %" JSON_INTEGER_FORMAT " replica(s)",
	       json_integer_value(json_object_get(sync, "receipts")));
	if (output_get_number(sync, "failed") > 0)
		printf("; failed %s times, last at %s", output_count(output_get_number(sync, "failed"), text),
		       output_get_text(sync, "last_failed"));
	printf("\n");
	if (*output_get_text(sync, "error"))
		printf("            %s\n", output_get_text(sync, "error"));
}

bool status_has_alarms(const json_t *status)
{
	const json_t *alarms = json_object_get(status, "alarms");

	return json_is_null(alarms) || json_array_size(alarms) > 0;
}

void status_print_replicas(const json_t *status)
{
	const json_t *replica;
	char text[OUTPUT_TEXT_BYTES], more[OUTPUT_TEXT_BYTES];
	double lag;
	size_t i;

	if (json_array_size(json_object_get(status, "replicas")) == 0)
		printf("replicas    none: what happens to this machine happens to the past as well; "
		       "see holdfast replica --help\n");
	json_array_foreach(json_object_get(status, "replicas"), i, replica) {
		lag = json_number_value(json_object_get(replica, "lag_seconds"));
		printf("replica     %s: %s", output_get_text(replica, "name"),
		       output_get_text(replica, "state"));
		if (lag > 0 || output_get_number(replica, "lag_bytes") > 0)
			printf(", behind by %s, %s", output_duration(lag, text),
			       output_bytes(output_get_number(replica, "lag_bytes"), more));
		if (*output_get_text(replica, "failing_since"))
			printf(", failing since %s", output_get_text(replica, "failing_since"));
		if (output_get_number(replica, "limit_bytes_s") > 0)
			printf(", at most %s/s",
			       output_bytes(output_get_number(replica, "limit_bytes_s"), text));
		printf("\n            acknowledged to tid-%" PRIu64, output_get_number(replica, "acked_tid"));
		if (*output_get_text(replica, "acked_time"))
			printf(", %s", output_get_text(replica, "acked_time"));
		printf("\n            %s\n", output_get_text(replica, "url"));
		if (*output_get_text(replica, "error"))
			printf("            %s\n", output_get_text(replica, "error"));
		print_regressed(replica);
	}
}

static void print_damage(const json_t *status)
{
	const json_t *damage = json_object_get(status, "damage"), *one;
	size_t i;

	json_array_foreach(damage, i, one) {
		if (i == DAMAGE_SHOWN) {
			printf("            and %zu more\n", json_array_size(damage) - i);
			break;
		}
		printf("%sDAMAGED%s     segment %" PRIu64 ", offset %" PRIu64 ": %s\n",
		       colour(stdout, COLOUR_BAD), colour(stdout, COLOUR_NONE),
		       output_get_number(one, "segment"), output_get_number(one, "offset"),
		       output_get_text(one, "words"));
	}
	if (json_array_size(damage) > 0)
		printf("            heal it from a replica: holdfast check %s --repair\n",
		       output_get_text(status, "store"));
}

static void print_verified(const json_t *status)
{
	const json_t *v = json_object_get(status, "verified");
	const char *complete = output_get_text(v, "complete");
	uint64_t done = output_get_number(v, "done_bytes"), total = output_get_number(v, "total_bytes");
	char text[OUTPUT_TEXT_BYTES];

	printf("verified    %s", *complete ? "all of it by " : "never all of it");
	if (*complete)
		printf("%s", complete);
	if (output_get_number(v, "scrub_seconds") > 0)
		printf("; scrubbed once in %s",
		       output_duration((double)output_get_number(v, "scrub_seconds"), text));
	if (done > 0 && total > 0)
		printf(", %d %% of this pass is done",
		       (int)(100 * (double)(done < total ? done : total) / (double)total));
	printf("\n");
}

static void print_kit(const json_t *status)
{
	const char *checked = output_get_text(status, "kit_checked");

	if (*checked)
		printf("kit         seen to open this volume at %s\n", checked);
	else
		printf("kit         never checked; does what is in the safe still open it? "
		       "holdfast kit check\n");
}

/* First, for they are what must be seen. */
static void print_alarms(const json_t *status)
{
	if (!status_has_alarms(status))
		return;
	if (json_is_null(json_object_get(status, "alarms")))
		printf("ALARMS      cannot be read: holdfast alarms %s\n", output_get_text(status, "store"));
	alarms_print(json_object_get(status, "alarms"), NULL);
	if (json_array_size(json_object_get(status, "alarms")) > 0)
		printf("            seen to? holdfast alarms acknowledge %s ALARM\n",
		       output_get_text(status, "store"));
}

static void print_room(const json_t *status)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES];

	printf("room        %s left on the disk below, beside %s kept for the index and for removing files\n",
	       output_bytes(output_get_number(status, "free_bytes"), a),
	       output_bytes(output_get_number(status, "reserve_bytes"), b));
	if (has_no_room(status))
		printf("            %sFULL%s: nothing can be written any more. Make room on that disk, or move the "
		       "store to\n"
		       "            a larger one; removing files in the volume frees nothing\n",
		       colour(stdout, COLOUR_BAD), colour(stdout, COLOUR_NONE));
}

void status_print(const json_t *status)
{
	char a[OUTPUT_TEXT_BYTES], b[OUTPUT_TEXT_BYTES], c[OUTPUT_TEXT_BYTES];
	const char *mounted = output_get_text(status, "mounted_on");
	const json_t *at = json_object_get(status, "mounted_at");

	print_alarms(status);
	printf("volume      %s, epoch %d\n", output_get_text(status, "volume_id"),
	       (int)output_get_number(status, "epoch"));
	printf("store       %s\n", output_get_text(status, "store"));
	printf("mounted     %s\n", *mounted ? mounted : "no");
	if (json_is_object(at))
		printf("            read-only, as it was at %s (tid-%" JSON_INTEGER_FORMAT ")\n",
		       output_get_text(at, "moment"), json_integer_value(json_object_get(at, "tid")));
	if (json_is_true(json_object_get(status, "disk_read_only")))
		printf("disk        %sREAD-ONLY%s: nothing can be written. If nobody mounted it so, it is failing: see "
		       "dmesg\n",
		       colour(stdout, COLOUR_BAD), colour(stdout, COLOUR_NONE));
	if (*output_get_text(status, "metrics"))
		printf("metrics     http://%s/metrics\n", output_get_text(status, "metrics"));
	if (json_is_string(json_object_get(status, "failed")))
		printf("%sFAILED%s      %s\n            nothing is written any more\n",
		       colour(stdout, COLOUR_BAD), colour(stdout, COLOUR_NONE),
		       output_get_text(status, "failed"));
	printf("durable to  tid-%" JSON_INTEGER_FORMAT " of tid-%" JSON_INTEGER_FORMAT "%s%s\n",
	       json_integer_value(json_object_get(status, "committed_tid")),
	       json_integer_value(json_object_get(status, "head_tid")),
	       *output_get_text(status, "committed_moment") ? ", " : "",
	       output_get_text(status, "committed_moment"));
	printf("files       %s in %s inodes\n", output_bytes(output_get_number(status, "live_bytes"), a),
	       output_count(output_get_number(status, "live_inodes"), b));
	printf("log         %s in %s segments; index %s\n",
	       output_bytes(output_get_number(status, "log_bytes"), a),
	       output_count(output_get_number(status, "log_segments"), b),
	       output_bytes(output_get_number(status, "index_bytes"), c));
	if (json_is_true(json_object_get(status, "index_damaged")))
		printf("            %sthe index is damaged%s: unmount and mount again%s, and it is built anew\n",
		       colour(stdout, COLOUR_BAD), colour(stdout, COLOUR_NONE),
		       json_is_true(json_object_get(status, "read_only")) ? " with -o ro,rebuild" : "");
	printf("chunks      %s distinct, %s\n", output_count(output_get_number(status, "chunks"), a),
	       output_bytes(output_get_number(status, "chunk_bytes"), b));
	print_room(status);
	print_verified(status);
	print_damage(status);
	print_kit(status);
	drill_print_last(status);
	print_sync(status);
	status_print_replicas(status);
}
