/* SPDX-License-Identifier: MIT */
/*
 * A line is a record, the newest last. The file is replaced as a whole, so that it is never a part of one; a
 * line that cannot be read is passed over, and kept.
 */
#include "store/drill/results.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "store/alarm/acknowledge.h"
#include "store/alarm/settings.h"
#include "store/drill/rehearsal.h"
#include "store/replica/json.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"

enum { FILE_BYTES_MAX = 16 << 20, VERSION = 1 };
static const char file_name[] = "drills";
static const uint64_t second_ns = UINT64_C(1000000000);

/* --- reading */

struct lines {
	struct buf text;
	size_t at;
};

/* The next line, without its end; NULL: there is none. */
static const char *next_line(struct lines *l, size_t *ret_len)
{
	const char *line, *end;

	if (l->at >= l->text.len)
		return NULL;
	line = (const char *)l->text.data + l->at;
	end = memchr(line, '\n', l->text.len - l->at);
	*ret_len = end ? (size_t)(end - line) : l->text.len - l->at;
	l->at += *ret_len + 1;
	return line;
}

static int load(const struct os *os, const char *path, struct lines *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	int r;

	*ret = (struct lines){ BUF_INIT, 0 };
	if (!os_join(&file, path, file_name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)file.data, FILE_BYTES_MAX, &ret->text);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? hf_error_set(err, r, "cannot read %s: %s", (const char *)file.data, strerror(-r)) : 0;
}

static void lines_release(struct lines *l)
{
	buf_release(&l->text);
}

static double get_seconds(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	return json_is_number(n) && json_number_value(n) >= 0 ? json_number_value(n) : -1;
}

static bool freshness_of(const char *name, enum hf_freshness *ret)
{
	for (unsigned f = HF_FRESHNESS_UNPROVEN; f <= HF_FRESHNESS_STALE; f++)
		if (strcmp(name, hf_freshness_name((enum hf_freshness)f)) == 0) {
			*ret = (enum hf_freshness)f;
			return true;
		}
	return false;
}

static bool decode(const json_t *o, struct hf_drill_result *ret)
{
	struct hf_drill_result d = { .began_ns = 0 };
	char freshness[16];
	uint32_t version;
	int bad = 0;

	bad |= json_get_u32(o, "version", &version) || version != VERSION;
	bad |= json_get_u64(o, "began_ns", &d.began_ns);
	bad |= json_get_bool(o, "passed", &d.passed);
	bad |= json_get_bool(o, "weak", &d.weak);
	bad |= json_get_bool(o, "kit", &d.with_kit);
	bad |= json_get_bool(o, "sample", &d.sample);
	bad |= json_get_text(o, "failed_step", d.failed_step, sizeof(d.failed_step));
	bad |= json_get_text(o, "replica", d.replica, sizeof(d.replica));
	bad |= json_get_u64(o, "tid", &d.tid);
	bad |= json_get_u64(o, "time_ns", &d.time_ns);
	bad |= json_get_u64(o, "read_bytes", &d.read_bytes);
	bad |= json_get_u64(o, "restored_bytes", &d.restored_bytes);
	bad |= json_get_u64(o, "compared_files", &d.compared_files);
	bad |= json_get_text(o, "freshness", freshness, sizeof(freshness));
	if (bad || !freshness_of(freshness, &d.freshness))
		return false;
	d.rpo_seconds = get_seconds(o, "rpo_s");
	d.rto_seconds = get_seconds(o, "rto_s");
	d.rto_all_seconds = get_seconds(o, "rto_all_s");
	d.share_verified = json_number_value(json_object_get(o, "share"));
	*ret = d;
	return true;
}

/* The next record that can be read; the caller lets go of it. NULL: there is none. */
static json_t *next_record(struct lines *l, struct hf_drill_result *ret)
{
	const char *line;
	size_t len;

	while ((line = next_line(l, &len))) {
		json_t *o = len ? json_read(line, len) : NULL;

		if (o && decode(o, ret))
			return o;
		json_decref(o);
	}
	return NULL;
}

int results_last(const struct os *os, const char *path, struct hf_drill_result *ret, struct hf_error *err)
{
	CLEANUP(lines_release) struct lines l = { BUF_INIT, 0 };
	bool any = false;
	json_t *o;
	int r = load(os, path, &l, err);

	if (r < 0)
		return r;
	while ((o = next_record(&l, ret))) {
		json_decref(o);
		any = true;
	}
	if (any)
		return 0;
	if (l.text.len > 0)
		return hf_error_set(err, -EUCLEAN,
				    "%s/%s cannot be read, or is of a newer version: remove it", path,
				    file_name);
	return hf_error_set(err, -ENODATA, "no recovery of this volume was ever rehearsed: holdfast drill");
}

int results_state(const struct os *os, const char *path, uint64_t created_ns,
		  const struct hf_alarm_settings *settings, struct hf_drill_state *ret, struct hf_error *err)
{
	CLEANUP(lines_release) struct lines l = { BUF_INIT, 0 };
	struct hf_drill_state s = { .limit_s = settings->drill_s };
	const uint64_t now_ns = os->now_ns(os->state);
	struct hf_drill_result d;
	json_t *o;
	int r = load(os, path, &l, err);

	if (r < 0)
		return r;
	while ((o = next_record(&l, &d))) {
		json_decref(o);
		if (d.passed && d.began_ns > s.passed_ns)
			s.passed_ns = d.began_ns;
		if (!d.sample)
			s.last_failed = !d.passed;
	}
	s.since_ns = s.passed_ns ? s.passed_ns : created_ns;
	s.overdue = s.limit_s && now_ns > s.since_ns && (now_ns - s.since_ns) / second_ns >= s.limit_s;
	*ret = s;
	return 0;
}

size_t results_stalest(const struct os *os, const char *path, char **names, size_t n)
{
	CLEANUP(lines_release) struct lines l = { BUF_INIT, 0 };
	CLEANUP(cleanup_free) uint64_t *last_ns = calloc(n, sizeof(*last_ns));
	struct hf_drill_result d;
	size_t stalest = 0;
	json_t *o;

	if (!last_ns || load(os, path, &l, NULL) < 0)
		return 0;
	while ((o = next_record(&l, &d))) {
		json_decref(o);
		for (size_t i = 0; i < n; i++)
			if (strcmp(names[i], d.replica) == 0 && d.began_ns > last_ns[i])
				last_ns[i] = d.began_ns;
	}
	for (size_t i = 1; i < n; i++)
		if (last_ns[i] < last_ns[stalest])
			stalest = i;
	return stalest;
}

/* --- how much was ever verified: segments, by their numbers */

static void mark(uint8_t *seen, uint32_t segments, uint64_t first, uint64_t last)
{
	for (uint64_t i = first ? first : 1; i <= last && i <= segments; i++)
		seen[i - 1] = 1;
}

static void mark_record(const json_t *o, uint8_t *seen, uint32_t segments)
{
	const json_t *range;
	size_t i;

	json_array_foreach(json_object_get(o, "verified"), i, range) {
		const json_int_t first = json_integer_value(json_array_get(range, 0));
		const json_int_t last = json_integer_value(json_array_get(range, 1));

		if (first > 0 && last >= first)
			mark(seen, segments, (uint64_t)first, (uint64_t)last);
	}
}

/* The highest number of a segment in it. */
static uint32_t last_segment(const json_t *o)
{
	const json_int_t n = json_integer_value(json_object_get(o, "segments"));

	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

int results_seen(const struct os *os, const char *path, const char *replica, uint8_t **ret, uint32_t *ret_n)
{
	CLEANUP(lines_release) struct lines l = { BUF_INIT, 0 };
	struct hf_drill_result d;
	uint8_t *seen = NULL;
	uint32_t n = 0;
	json_t *o;
	int r = load(os, path, &l, NULL);

	for (; r == 0 && (o = next_record(&l, &d)); json_decref(o))
		if (strcmp(d.replica, replica) == 0 && last_segment(o) > n)
			n = last_segment(o);
	if (r == 0)
		seen = calloc((size_t)n + 1, 1);
	if (r < 0 || !seen)
		return r < 0 ? r : -ENOMEM;
	for (l.at = 0; (o = next_record(&l, &d)); json_decref(o))
		if (strcmp(d.replica, replica) == 0)
			mark_record(o, seen, n);
	*ret = seen;
	*ret_n = n;
	return 0;
}

/* [[first,last],…] of what this drill saw. */
static json_t *ranges_json(const uint8_t *seen, uint32_t segments)
{
	json_t *ranges = json_array();

	for (uint32_t i = 0; ranges && i < segments; i++) {
		uint32_t first = i;

		if (!seen[i])
			continue;
		while (i + 1 < segments && seen[i + 1])
			i++;
		if (json_array_append_new(ranges,
					  json_pack("[I,I]", (json_int_t)first + 1, (json_int_t)i + 1)) < 0) {
			json_decref(ranges);
			return NULL;
		}
	}
	return ranges;
}

/* What earlier drills of the same replica saw is added to `seen`. */
static double share_with(struct lines *l, const char *replica, uint8_t *seen, uint32_t segments)
{
	struct hf_drill_result d;
	uint32_t n = 0;
	json_t *o;

	l->at = 0;
	while ((o = next_record(l, &d))) {
		if (strcmp(d.replica, replica) == 0)
			mark_record(o, seen, segments);
		json_decref(o);
	}
	for (uint32_t i = 0; i < segments; i++)
		n += seen[i];
	return segments ? (double)n / segments : 0;
}

/* --- writing */

static json_t *seconds_json(double seconds)
{
	return seconds >= 0 && seconds < 1e12 ? json_real((double)(int64_t)(seconds * 1000 + 0.5) / 1000) :
						json_null();
}

static json_t *number_json(uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, n);
	return json_string(text);
}

static json_t *encode(const struct hf_drill_result *d, json_t *verified, uint32_t segments, double share,
		      const char *detail)
{
	json_t *o =
		json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:s, s:s, s:o, s:o}", "version", VERSION,
			  "began_ns", number_json(d->began_ns), "passed", d->passed, "weak", d->weak, "kit",
			  d->with_kit, "sample", d->sample, "failed_step", d->failed_step, "replica",
			  d->replica, "tid", number_json(d->tid), "time_ns", number_json(d->time_ns));

	if (!o) {
		json_decref(verified);
		return NULL;
	}
	if (json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:I, s:o, s:f}", "rpo_s",
						seconds_json(d->rpo_seconds), "rto_s",
						seconds_json(d->rto_seconds), "rto_all_s",
						seconds_json(d->rto_all_seconds), "read_bytes",
						number_json(d->read_bytes), "restored_bytes",
						number_json(d->restored_bytes), "compared_files",
						number_json(d->compared_files), "freshness",
						hf_freshness_name(d->freshness), "segments",
						(json_int_t)segments, "verified", verified, "share", share)) <
	    0) {
		json_decref(o);
		return NULL;
	}
	if (detail) {
		json_t *more = json_read(detail, strlen(detail));

		if (more)
			(void)json_object_set_new(o, "detail", more);
	}
	return o;
}

/* What is there, but for the oldest when there are many, and the new one. */
static int write_with(const struct os *os, const char *path, struct lines *l, const json_t *record,
		      struct hf_error *err)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, text = BUF_INIT;
	size_t n = 0, skip, len;
	const char *line;
	int r;

	for (l->at = 0; next_line(l, &len);)
		n++;
	skip = n >= RESULTS_MAX ? n - RESULTS_MAX + 1 : 0;
	for (l->at = 0; (line = next_line(l, &len));) {
		if (skip > 0) {
			skip--;
			continue;
		}
		buf_add(&text, line, len);
		buf_add_u8(&text, '\n');
	}
	if (json_write(record, &text) < 0 || !os_join(&file, path, file_name))
		return hf_error_set(err, -ENOMEM, "no memory");
	buf_add_u8(&text, '\n');
	r = buf_status(&text);
	if (r == 0)
		r = os_write_file(os, (const char *)file.data, text.data, text.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)file.data, strerror(-r)) : 0;
}

static void mark_coverage(const struct hf_drill_coverage *c, uint8_t *seen)
{
	if (!c->sampled)
		mark(seen, c->segments, 1, c->segments);
	for (size_t i = 0; c->sampled && i < c->n_sampled; i++)
		mark(seen, c->segments, c->sampled[i], c->sampled[i]);
}

static int add_record(const struct os *os, const char *path, const struct hf_drill_result *result,
		      const struct hf_drill_coverage *c, const char *detail, double *ret_share,
		      struct hf_error *err)
{
	CLEANUP(lines_release) struct lines l = { BUF_INIT, 0 };
	CLEANUP(cleanup_free) uint8_t *seen = calloc(c->segments + (size_t)1, 1);
	CLEANUP(json_decrefp) json_t *record = NULL;
	json_t *verified;
	double share;
	int r = load(os, path, &l, err);

	if (r < 0)
		return r;
	if (!seen)
		return hf_error_set(err, -ENOMEM, "no memory");
	mark_coverage(c, seen);
	verified = ranges_json(seen, c->segments);
	share = share_with(&l, result->replica, seen, c->segments);
	record = verified ? encode(result, verified, c->segments, share, detail) : NULL;
	if (!record)
		return hf_error_set(err, -ENOMEM, "no memory, or what is to be kept is not UTF-8");
	r = write_with(os, path, &l, record, err);
	if (r == 0 && ret_share)
		*ret_share = share;
	return r;
}

/* What an alarm of this kind asks for has been done. */
static int close_alarms(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(cleanup_free) struct hf_alarm *alarms = NULL;
	size_t n = 0;
	int r = alarm_read_open(os, path, &alarms, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		char number[16];
		unsigned done;

		if (strcmp(alarms[i].kind, "drill") != 0)
			continue;
		(void)snprintf(number, sizeof(number), "%" PRIu32, alarms[i].number);
		r = alarm_acknowledge(os, path, number, &done, err);
	}
	return r;
}

/* --- the public questions */

int hf_drill_record(const char *path, const struct hf_drill_result *result,
		    const struct hf_drill_coverage *coverage, const char *detail, double *ret_share,
		    struct hf_error *err)
{
	CLEANUP(cleanup_fd) int turn = -1;
	struct volume_descriptor v;
	int r = files_read_descriptor(os_posix(), path, &v, err);

	if (r < 0)
		return r;
	turn = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* two drills may end at once */
	if (turn < 0 || flock(turn, LOCK_EX) < 0)
		return hf_error_set(err, -errno, "cannot lock %s: %s", path, strerror(errno));
	r = add_record(os_posix(), path, result, coverage, detail, ret_share, err);
	return r == 0 && result->passed ? close_alarms(os_posix(), path, err) : r;
}

int hf_drill_last(const char *path, struct hf_drill_result *ret, struct hf_error *err)
{
	struct volume_descriptor v;
	int r = files_read_descriptor(os_posix(), path, &v, err);

	return r < 0 ? r : results_last(os_posix(), path, ret, err);
}

int hf_drill_state(const char *path, struct hf_drill_state *ret, struct hf_error *err)
{
	struct hf_alarm_settings settings;
	struct volume_descriptor v;
	int r = files_read_descriptor(os_posix(), path, &v, err);

	if (r < 0)
		return r;
	if (settings_read(os_posix(), path, &settings, NULL) < 0)
		settings_default(&settings); /* which is an alarm of its own */
	r = results_state(os_posix(), path, v.created_ns, &settings, ret, err);
	if (r == 0)
		volume_id_text(v.volume_id, ret->volume_id);
	return r;
}

const char *hf_drill_verdict_name(enum hf_drill_verdict verdict)
{
	static const char *const names[] = { "PASS", "SKIP", "WEAK", "FAIL" };

	return names[verdict];
}
