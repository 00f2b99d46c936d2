/* SPDX-License-Identifier: MIT */
/* What there was at a moment: names, what is gone of them, bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/web/answer.h"

enum { LINK_TARGET_BYTES = 4096 };

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The names of a page, of what is there or what is gone. */
struct names {
	struct hf_store *store;
	json_t *list;
	uint64_t last; /* cookie of the last that was taken */
	bool more;
};

/* Cookies go beyond what JavaScript counts: they are texts. */
static json_t *after_of(const struct names *names)
{
	char text[24];

	if (!names->more)
		return json_null();
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)names->last);
	return json_string(text);
}

/* One more name, of which entry says the rest; takes that over. */
static int take_name(struct names *names, const char *name, uint64_t cookie, json_t *entry)
{
	if (!entry || json_object_set_new(entry, "name", answer_escaped(name)) < 0 ||
	    json_array_append(names->list, entry) < 0) {
		json_decref(entry);
		return -ENOMEM;
	}
	json_decref(entry);
	names->last = cookie;
	return 0;
}

static int see_name(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		    const struct hf_attr *attr)
{
	struct names *names = arg;

	(void)ino;
	(void)type;
	names->more = json_array_size(names->list) == ANSWER_NAMES_MAX;
	return names->more ? 1 : take_name(names, name, cookie, answer_attr(attr));
}

static int see_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		    uint64_t cookie)
{
	struct names *names = arg;

	(void)ino;
	names->more = json_array_size(names->list) == ANSWER_NAMES_MAX;
	return names->more ? 1 :
			     take_name(names, name, cookie,
				       json_pack("{s:s, s:o, s:o}", "type", answer_type(type), "tid",
						 answer_int(last_tid), "ms",
						 answer_tid_ms(names->store, last_tid)));
}

/* A path at a moment, and the moment. */
static int find_at(struct hf_store *store, const json_t *request, struct hf_point *ret_point,
		   struct hf_attr *ret, struct hf_error *err)
{
	struct hf_view view = { .store = store };
	char *path;
	int r = answer_moment(store, request, "at", ret_point, err);

	if (r == 0)
		r = answer_path(request, &path, err);
	if (r < 0)
		return r;
	view.tid = ret_point->tid;
	r = hf_view_walk(&view, path, ret, err);
	free(path);
	return r;
}

static json_t *target_of(const struct hf_view *view, uint64_t ino)
{
	char target[LINK_TARGET_BYTES + 1];

	return hf_view_readlink(view, ino, target, sizeof(target), NULL) < 0 ? json_null() :
									       answer_escaped(target);
}

json_t *answer_list(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	struct names names = { .store = store };
	struct hf_view view = { .store = store };
	struct hf_point point;
	struct hf_attr self;
	json_t *answer;
	uint64_t after;
	int r = 0;

	if (answer_number(request, "after", 0, &after, err) < 0 ||
	    find_at(store, request, &point, &self, err) < 0)
		return NULL;
	view.tid = point.tid;
	names.list = json_array();
	if (!names.list)
		return answer_no_memory(err);
	if (S_ISDIR(self.mode))
		r = hf_view_readdir(&view, self.ino, after, HF_READDIR_ATTR, see_name, &names, err);
	if (r < 0) {
		json_decref(names.list);
		return r == -ENOMEM ? answer_no_memory(err) : NULL;
	}
	answer = json_pack("{s:o, s:o, s:o, s:o}", "point", answer_point(&point), "self", answer_attr(&self),
			   "names", names.list, "after", after_of(&names));
	if (answer && S_ISLNK(self.mode))
		(void)json_object_set_new(answer, "target", target_of(&view, self.ino));
	return answer_end(answer, err);
}

json_t *answer_gone(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	struct names names = { .store = store };
	struct hf_point point;
	struct hf_attr self;
	uint64_t after;
	int r = 0;

	if (answer_number(request, "after", 0, &after, err) < 0 ||
	    find_at(store, request, &point, &self, err) < 0)
		return NULL;
	names.list = json_array();
	if (!names.list)
		return answer_no_memory(err);
	if (S_ISDIR(self.mode))
		r = hf_gone(store, self.ino, after, see_gone, &names, err);
	if (r < 0) {
		json_decref(names.list);
		return r == -ENOMEM ? answer_no_memory(err) : NULL;
	}
	return answer_end(json_pack("{s:o, s:o}", "names", names.list, "after", after_of(&names)), err);
}

/* out has room for 4 characters for each 3 bytes begun, and a terminator. */
static void encode_base64(const unsigned char *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i += 3) {
		const size_t n = len - i < 3 ? len - i : 3;
		const unsigned group = (unsigned)bytes[i] << 16 | (n > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
				       (n > 2 ? (unsigned)bytes[i + 2] : 0);

		*out++ = base64_digits[group >> 18];
		*out++ = base64_digits[group >> 12 & 63];
		*out++ = n > 1 ? base64_digits[group >> 6 & 63] : '=';
		*out++ = n > 2 ? base64_digits[group & 63] : '=';
	}
	*out = 0;
}

/* Bytes as text; negative with words. */
static int read_base64(const struct hf_view *view, uint64_t ino, uint64_t offset, uint64_t length,
		       json_t **ret, struct hf_error *err)
{
	unsigned char *bytes = malloc(ANSWER_READ_BYTES);
	char *text = malloc((ANSWER_READ_BYTES + 2) / 3 * 4 + 1);
	ssize_t n = -ENOMEM;

	if (bytes && text)
		n = hf_view_read(view, ino, offset, bytes,
				 length < ANSWER_READ_BYTES ? length : ANSWER_READ_BYTES, err);
	else
		(void)answer_no_memory(err);
	if (n >= 0) {
		encode_base64(bytes, (size_t)n, text);
		*ret = json_string_nocheck(text);
	}
	free(bytes);
	free(text);
	return n < 0 ? (int)n : 0;
}

json_t *answer_read(struct hf_store *store, const json_t *request, struct hf_error *err)
{
	struct hf_view view = { .store = store };
	uint64_t offset, length;
	struct hf_point point;
	struct hf_attr self;
	json_t *data = NULL;

	if (answer_number(request, "offset", 0, &offset, err) < 0 ||
	    answer_number(request, "length", ANSWER_READ_BYTES, &length, err) < 0 ||
	    find_at(store, request, &point, &self, err) < 0)
		return NULL;
	if (!S_ISREG(self.mode)) {
		hf_error_set(err, -EINVAL, "this is a %s: only files have bytes to read",
			     answer_type(self.mode));
		return NULL;
	}
	view.tid = point.tid;
	if (read_base64(&view, self.ino, offset, length, &data, err) < 0)
		return NULL;
	return answer_end(json_pack("{s:o, s:o, s:o}", "size", answer_int(self.size_bytes), "tid",
				    answer_int(point.tid), "data", data),
			  err);
}
