/* SPDX-License-Identifier: MIT */
#include "fs/web/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/web/percent.h"

#define NS_PER_MS UINT64_C(1000000)

static const struct {
	const char *name;
	answer_fn *run;
} answers[] = {
	{ "web-list", answer_list },         { "web-gone", answer_gone }, { "web-read", answer_read },
	{ "web-timeline", answer_timeline }, { "web-log", answer_log },   { "web-versions", answer_versions },
	{ "web-diff", answer_diff },
};

static answer_fn *find(const json_t *request)
{
	const char *name = answer_text(request, "do");

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (!strcmp(answers[i].name, name))
			return answers[i].run;
	return NULL;
}

bool web_is_request(const json_t *request)
{
	return find(request) != NULL;
}

json_t *web_answer(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	answer_fn *run = find(request);

	if (!run) {
		hf_error_set(err, -EINVAL, "no such question");
		return NULL;
	}
	return run(store, request, err);
}

/* --- what is asked */

const char *answer_text(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? text : "";
}

int answer_number(const json_t *request, const char *key, uint64_t otherwise, uint64_t *ret,
		  struct hf_error *err)
{
	const char *text = answer_text(request, key);
	size_t len = strlen(text);

	if (len == 0) {
		*ret = otherwise;
		return 0;
	}
	if (len > 19 || strspn(text, "0123456789") != len)
		return hf_error_set(err, -EINVAL, "%s is not a number", key);
	*ret = strtoull(text, NULL, 10);
	return 0;
}

int answer_path(const json_t *request, char **ret, struct hf_error *err)
{
	return percent_decode_path(answer_text(request, "path"), ret, err);
}

int answer_moment(struct hf_store *store, const json_t *request, const char *key, struct hf_point *ret,
		  struct hf_error *err)
{
	const char *text = answer_text(request, key);
	struct hf_status status;

	if (*text && strcmp(text, "now") != 0)
		return hf_moment_find(store, text, ret, err);
	hf_store_status(store, &status);
	*ret = (struct hf_point){ status.committed_tid, status.committed_time_ns };
	return 0;
}

/* --- what is answered */

json_t *answer_no_memory(struct hf_error *err)
{
	hf_error_set(err, -ENOMEM, "no memory");
	return NULL;
}

json_t *answer_end(json_t *answer, struct hf_error *err)
{
	return answer ? answer : answer_no_memory(err);
}

bool answer_has_room(size_t *used_bytes, const char *text)
{
	*used_bytes += text ? strlen(text) : 0;
	return *used_bytes <= ANSWER_TEXT_BYTES;
}

json_t *answer_int(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *answer_ms(uint64_t time_ns)
{
	return answer_int(time_ns / NS_PER_MS);
}

json_t *answer_escaped(const char *bytes)
{
	char *text = percent_encode(bytes);
	json_t *string = text ? json_string(text) : NULL;

	free(text);
	return string;
}

json_t *answer_point(const struct hf_point *point)
{
	char moment[40];

	return json_pack("{s:o, s:o, s:s}", "tid", answer_int(point->tid), "ms", answer_ms(point->time_ns),
			 "moment",
			 point->time_ns ? hf_moment_format(point->time_ns, moment, sizeof(moment)) : "");
}

json_t *answer_tid_ms(struct hf_store *store, uint64_t tid)
{
	struct hf_point point;

	return hf_point_of_tid(store, tid, &point, NULL) < 0 ? json_null() : answer_ms(point.time_ns);
}

const char *answer_type(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "folder";
	case S_IFLNK:
		return "link";
	default:
		return "other";
	}
}

json_t *answer_attr(const struct hf_attr *attr)
{
	json_int_t mtime_ms =
		(json_int_t)attr->mtime.tv_sec * 1000 + attr->mtime.tv_nsec / (json_int_t)NS_PER_MS;

	return json_pack("{s:s, s:o, s:i, s:I, s:I, s:I, s:o}", "type", answer_type(attr->mode), "size",
			 answer_int(attr->size_bytes), "mode", (int)(attr->mode & 07777), "uid",
			 (json_int_t)attr->uid, "gid", (json_int_t)attr->gid, "mtime", mtime_ms, "tid",
			 answer_int(attr->tid));
}

const char *answer_kind(enum hf_change_kind kind)
{
	switch (kind) {
	case HF_CHANGE_CREATE:
		return "create";
	case HF_CHANGE_LINK:
		return "link";
	case HF_CHANGE_REMOVE:
		return "remove";
	case HF_CHANGE_RENAME:
		return "rename";
	case HF_CHANGE_ATTRIBUTES:
		return "attributes";
	case HF_CHANGE_WRITE:
		return "write";
	case HF_CHANGE_ALLOCATE:
		return "allocate";
	case HF_CHANGE_COPY:
		return "copy";
	case HF_CHANGE_XATTR:
		return "xattr";
	case HF_CHANGE_TAG:
		return "tag";
	case HF_CHANGE_OWN:
		return "own";
	}
	return "other";
}
