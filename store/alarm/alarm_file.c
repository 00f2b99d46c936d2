/* SPDX-License-Identifier: MIT */
#include "store/alarm/alarm_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"

enum { ALARM_FILE_BYTES_MAX = 8192, NUMBER_DIGITS = 6, NUMBER_DIGITS_MAX = 9 };

static const char *path_of(const char *dir, uint32_t number, const char *ending, struct buf *out)
{
	buf_add_text(out, "%s/alarms/%0*" PRIu32 ".%s", dir, NUMBER_DIGITS, number, ending);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

/* --- writing */

static void decimal(uint64_t n, char out[24])
{
	(void)snprintf(out, 24, "%" PRIu64, n);
}

static int set_text(json_t *o, const char *key, const char *text)
{
	return !text || !*text ? 0 : json_object_set_new(o, key, json_string(text));
}

int alarm_file_text(const struct hf_alarm *a, const char *origin, const char *name, struct buf *out)
{
	CLEANUP(json_decrefp) json_t *o = NULL;
	char first[24], last[24], count[24];

	decimal(a->first_ns, first);
	decimal(a->last_ns, last);
	decimal(a->count, count);
	o = json_pack("{s:i,s:I,s:s,s:s?,s:s,s:s,s:s,s:b,s:s}", "version", 1, "alarm", (json_int_t)a->number,
		      "kind", a->kind, "volume", a->volume_id[0] ? a->volume_id : NULL, "first_ns", first,
		      "last_ns", last, "count", count, "delivered", a->delivered, "words", a->words);
	if (!o || set_text(o, "replica", a->replica) < 0 || set_text(o, "moment", a->moment) < 0 ||
	    (origin && set_text(o, origin, name) < 0))
		return -ENOMEM;
	return json_write(o, out);
}

int alarm_file_write(const struct os *os, const char *dir, const struct hf_alarm *a)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;

	if (!path_of(dir, a->number, "json", &path) || alarm_file_text(a, NULL, NULL, &text) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, text.data, text.len, 0600);
}

int alarm_file_acknowledge(const struct os *os, const char *dir, const struct hf_alarm *a)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;

	buf_add_text(&text, "{\"version\":1,\"count\":\"%" PRIu64 "\",\"acknowledged_ns\":\"%" PRIu64 "\"}\n",
		     a->count, os->now_ns(os->state));
	if (!path_of(dir, a->number, "ack", &path) || buf_status(&text) < 0)
		return -ENOMEM;
	/* Often by root, and read by the node's own user; the folder is closed to others. */
	return os_write_file(os, (const char *)path.data, text.data, text.len, 0644);
}

void alarm_file_remove(const struct os *os, const char *dir, uint32_t number)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, ack = BUF_INIT;

	if (path_of(dir, number, "json", &path) && path_of(dir, number, "ack", &ack) &&
	    os->unlink(os->state, (const char *)path.data) == 0)
		(void)os->unlink(os->state, (const char *)ack.data);
}

/* --- reading */

static json_t *read_json(const struct os *os, const char *path)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT;
	uint32_t version;
	json_t *o;

	if (os_read_file(os, path, ALARM_FILE_BYTES_MAX, &data) < 0)
		return NULL;
	o = json_read(data.data, data.len);
	if (o && json_get_u32(o, "version", &version) == 0 && version == 1)
		return o;
	json_decref(o);
	return NULL;
}

/*
 * A count of 0 acknowledges a damaged file and nothing else, so that damage which comes later is seen too.
 */
bool alarm_file_is_acknowledged(const struct os *os, const char *dir, const struct hf_alarm *a)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint64_t count;

	if (!path_of(dir, a->number, "ack", &path))
		return false;
	o = read_json(os, (const char *)path.data);
	if (!o || json_get_u64(o, "count", &count) < 0)
		return false;
	return a->count == 0 ? count == 0 : count >= a->count;
}

bool alarm_freezes(const struct hf_alarm *a)
{
	return !a->acknowledged && strcmp(a->kind, "prune") != 0 && strcmp(a->kind, "space") != 0 &&
	       strcmp(a->kind, "budget") != 0;
}

static void say_damaged(const char *path, struct hf_alarm *ret)
{
	uint32_t number = ret->number;

	memset(ret, 0, sizeof(*ret));
	ret->number = number;
	(void)snprintf(ret->kind, sizeof(ret->kind), "damaged");
	(void)snprintf(ret->words, sizeof(ret->words),
		       "%s cannot be read: what it said is lost. Is the disk sound, and was somebody at it?",
		       path);
}

/* A text that need not be there. */
static bool get_optional(const json_t *o, const char *key, char *ret, size_t size)
{
	return !json_has(o, key) || json_get_text(o, key, ret, size) == 0;
}

static bool parse(const json_t *o, struct hf_alarm *ret)
{
	uint32_t number;

	if (json_get_u32(o, "alarm", &number) < 0 || number != ret->number ||
	    json_get_text(o, "kind", ret->kind, sizeof(ret->kind)) < 0 || !ret->kind[0] ||
	    json_get_u64(o, "first_ns", &ret->first_ns) < 0 ||
	    json_get_u64(o, "last_ns", &ret->last_ns) < 0 || json_get_u64(o, "count", &ret->count) < 0 ||
	    ret->count == 0 || json_get_bool(o, "delivered", &ret->delivered) < 0 ||
	    json_get_text(o, "words", ret->words, sizeof(ret->words)) < 0)
		return false;
	return get_optional(o, "volume", ret->volume_id, sizeof(ret->volume_id)) &&
	       get_optional(o, "replica", ret->replica, sizeof(ret->replica)) &&
	       get_optional(o, "moment", ret->moment, sizeof(ret->moment));
}

static int read_one(const struct os *os, const char *dir, uint32_t number, struct hf_alarm *ret)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;

	memset(ret, 0, sizeof(*ret));
	ret->number = number;
	if (!path_of(dir, number, "json", &path))
		return -ENOMEM;
	o = read_json(os, (const char *)path.data);
	if (!o || !parse(o, ret))
		say_damaged((const char *)path.data, ret);
	ret->acknowledged = alarm_file_is_acknowledged(os, dir, ret);
	return 0;
}

struct names {
	struct buf numbers; /* of uint32_t: the .json files' */
	uint32_t next;
};

static void note_name(void *arg, const char *name)
{
	struct names *names = arg;
	uint32_t number = 0;
	size_t i;

	for (i = 0; i < NUMBER_DIGITS_MAX && name[i] >= '0' && name[i] <= '9'; i++)
		number = number * 10 + (uint32_t)(name[i] - '0');
	if (i < NUMBER_DIGITS)
		return;
	if (number >= names->next)
		names->next = number + 1;
	if (strcmp(name + i, ".json") == 0)
		buf_add(&names->numbers, &number, sizeof(number));
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

static int read_all(const struct os *os, const char *dir, const struct names *names, struct hf_alarm *all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < names->numbers.len / sizeof(uint32_t); i++) {
		uint32_t number;

		memcpy(&number, names->numbers.data + i * sizeof(number), sizeof(number));
		r = read_one(os, dir, number, &all[i]);
	}
	return r;
}

int alarm_files_read(const struct os *os, const char *dir, struct hf_alarm **ret, size_t *ret_n,
		     uint32_t *ret_next, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct names names = { BUF_INIT, 1 };
	struct hf_alarm *all = NULL;
	size_t n;
	int r;

	if (!os_join(&path, dir, "alarms"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->list(os->state, (const char *)path.data, note_name, &names);
	if (r < 0 && r != -ENOENT) {
		buf_release(&names.numbers);
		return hf_error_set(err, r, "cannot read the folder %s: %s", (const char *)path.data,
				    strerror(-r));
	}
	n = names.numbers.len / sizeof(uint32_t);
	if (n > 0)
		qsort(names.numbers.data, n, sizeof(uint32_t), compare_numbers);
	all = calloc(n + 1, sizeof(*all));
	r = all && buf_status(&names.numbers) == 0 ? read_all(os, dir, &names, all) : -ENOMEM;
	buf_release(&names.numbers);
	if (r < 0) {
		free(all);
		return hf_error_set(err, r, "no memory");
	}
	*ret = all;
	*ret_n = n;
	*ret_next = names.next;
	return 0;
}
