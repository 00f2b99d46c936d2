/* SPDX-License-Identifier: MIT */
/* What happened when. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/answer.h"

enum { BARS_USUAL = 120, PASS_MAX = 200000 };
#define NS_PER_MS UINT64_C(1000000)

/*
 * Time cut into bars of equal length. How many operations are in each needs no look at any of them: their
 * numbers rise one by one, so the last one of each bar tells. What they were is seen in one pass, where there
 * are not too many.
 */
struct bars {
	uint64_t from_ns, step_ns;
	size_t n;
	uint64_t since;                 /* last operation before the first bar */
	uint64_t last[ANSWER_BARS_MAX]; /* last operation up to the end of each */
	uint64_t changes[ANSWER_BARS_MAX], removals[ANSWER_BARS_MAX], bytes[ANSWER_BARS_MAX];
	bool looked;
};

static int last_until(struct hf_store *store, uint64_t time_ns, uint64_t *ret, struct hf_error *err)
{
	struct hf_point point;
	int r = hf_point_of_time(store, time_ns, &point, err);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0 ? point.tid : 0;
	return 0;
}

static int find_bars(struct hf_store *store, struct bars *b, struct hf_error *err)
{
	int r = b->from_ns > 0 ? last_until(store, b->from_ns - 1, &b->since, err) : 0;
	uint64_t before = b->since;

	for (size_t i = 0; r == 0 && i < b->n; i++) {
		r = last_until(store, b->from_ns + (i + 1) * b->step_ns - 1, &b->last[i], err);
		if (r == 0 && b->last[i] < before)
			b->last[i] = before;
		if (r == 0)
			b->changes[i] = b->last[i] - before;
		before = b->last[i];
	}
	return r;
}

static int see_change(void *arg, const struct hf_change *change)
{
	struct bars *b = arg;
	size_t i = change->time_ns < b->from_ns ? 0 : (size_t)((change->time_ns - b->from_ns) / b->step_ns);

	if (i >= b->n)
		i = b->n - 1;
	b->removals[i] += change->kind == HF_CHANGE_REMOVE;
	if (change->kind == HF_CHANGE_WRITE || change->kind == HF_CHANGE_COPY)
		b->bytes[i] += change->bytes;
	return 0;
}

static json_t *numbers(const uint64_t *values, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++)
		if (json_array_append_new(array, answer_int(values[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static int see_tag(void *arg, const char *name, const struct hf_point *point)
{
	json_t *tags = arg, *tag = answer_point(point);

	if (json_array_size(tags) >= ANSWER_TAGS_MAX) {
		json_decref(tag);
		return 1;
	}
	if (!tag || json_object_set_new(tag, "name", json_string(name)) < 0) {
		json_decref(tag);
		return -ENOMEM;
	}
	return json_array_append_new(tags, tag) < 0 ? -ENOMEM : 0;
}

/* The first operation and the last; both 0 where nothing has happened. */
static int ends(struct hf_store *store, struct hf_point *ret_first, struct hf_point *ret_last,
		struct hf_error *err)
{
	int r;

	memset(ret_first, 0, sizeof(*ret_first));
	r = answer_moment(store, NULL, "", ret_last, err);
	if (r < 0 || ret_last->tid == 0)
		return r;
	r = hf_point_of_tid(store, 1, ret_first, err);
	if (r == -ENOENT) {
		*ret_first = *ret_last;
		r = 0;
	}
	return r;
}

static int ask_bars(const json_t *request, const struct hf_point *first, const struct hf_point *last,
		    struct bars *b, struct hf_error *err)
{
	uint64_t from_ms, until_ms, n;

	if (answer_number(request, "from", first->time_ns / NS_PER_MS, &from_ms, err) < 0 ||
	    answer_number(request, "until", last->time_ns / NS_PER_MS + 1, &until_ms, err) < 0 ||
	    answer_number(request, "bars", BARS_USUAL, &n, err) < 0)
		return err->code;
	if (until_ms <= from_ms || until_ms > INT64_MAX / NS_PER_MS || n == 0 || n > ANSWER_BARS_MAX)
		return hf_error_set(err, -EINVAL, "not a span of time, or more than %d bars",
				    ANSWER_BARS_MAX);
	b->from_ns = from_ms * NS_PER_MS;
	b->n = n;
	b->step_ns = ((until_ms - from_ms) * NS_PER_MS + n - 1) / n;
	return 0;
}

static json_t *timeline_to_json(const struct bars *b, const struct hf_point *first,
				const struct hf_point *last, json_t *tags)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "first", answer_point(first),
			 "last", answer_point(last), "from", answer_ms(b->from_ns), "until",
			 answer_ms(b->from_ns + b->n * b->step_ns), "since", answer_int(b->since), "tids",
			 numbers(b->last, b->n), "changes", numbers(b->changes, b->n), "removals",
			 b->looked ? numbers(b->removals, b->n) : json_null(), "bytes",
			 b->looked ? numbers(b->bytes, b->n) : json_null(), "tags", tags);
}

json_t *answer_timeline(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	struct hf_error here = HF_ERROR_INIT;
	struct bars *b = calloc(1, sizeof(*b));
	struct hf_point first, last;
	json_t *tags = json_array(), *answer = NULL;
	int r = b && tags ? 0 : hf_error_set(&here, -ENOMEM, "no memory");

	if (r == 0)
		r = ends(store, &first, &last, &here);
	if (r == 0)
		r = ask_bars(request, &first, &last, b, &here);
	if (r == 0)
		r = find_bars(store, b, &here);
	if (r == 0) {
		b->looked = b->last[b->n - 1] - b->since <= PASS_MAX;
		if (b->looked)
			r = hf_changes(store, b->since, b->last[b->n - 1], 0, see_change, b, &here);
	}
	if (r == 0 && hf_tags_list(store, see_tag, tags, &here) < 0)
		r = here.code ? here.code : -ENOMEM;
	if (r == 0)
		answer = answer_end(timeline_to_json(b, &first, &last, json_incref(tags)), &here);
	json_decref(tags);
	free(b);
	if (!answer && err)
		(void)hf_error_set(err, here.code ? here.code : -ENOMEM, "%s",
				   here.text[0] ? here.text : "no memory");
	return answer;
}

/* --- what happened below a path */

struct events {
	json_t *list;
	size_t used_bytes;
	bool more;
};

static int see_event(void *arg, const struct hf_event *event)
{
	struct events *events = arg;
	const struct hf_change *c = &event->change;
	json_t *o;

	if (c->kind == HF_CHANGE_OWN)
		return 0;
	events->more = json_array_size(events->list) == ANSWER_EVENTS_MAX ||
		       !answer_has_room(&events->used_bytes, event->path) ||
		       !answer_has_room(&events->used_bytes, event->renamed);
	if (events->more)
		return 1;
	o = json_pack("{s:o, s:o, s:s, s:o, s:o, s:s}", "tid", answer_int(c->tid), "ms",
		      answer_ms(c->time_ns), "kind", answer_kind(c->kind), "bytes", answer_int(c->bytes),
		      "path", answer_escaped(event->path ? event->path : ""), "type",
		      answer_type(event->type));
	if (!o)
		return -ENOMEM;
	if (event->renamed)
		(void)json_object_set_new(o, "renamed", answer_escaped(event->renamed));
	if (event->tag)
		(void)json_object_set_new(o, "tag", json_string(event->tag));
	if (c->uid != UINT32_MAX)
		(void)json_object_set_new(o, "uid", json_integer(c->uid));
	return json_array_append_new(events->list, o) < 0 ? -ENOMEM : 0;
}

json_t *answer_log(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	const struct hf_progress silent = { NULL, NULL };
	struct events events = { .more = false };
	struct hf_point last;
	uint64_t since, until;
	char *path;
	int r;

	if (answer_moment(store, NULL, "", &last, err) < 0 ||
	    answer_number(request, "since", 0, &since, err) < 0 ||
	    answer_number(request, "until", last.tid, &until, err) < 0 ||
	    answer_path(request, &path, err) < 0)
		return NULL;
	events.list = json_array();
	r = events.list ?
		    hf_log(store, path, since, until, HF_NEWEST_FIRST, see_event, &events, &silent, err) :
		    -ENOMEM;
	free(path);
	if (r < 0) {
		json_decref(events.list);
		return r == -ENOMEM ? answer_no_memory(err) : NULL;
	}
	return answer_end(json_pack("{s:o, s:b}", "events", events.list, "more", events.more), err);
}
