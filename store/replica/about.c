/* SPDX-License-Identifier: MIT */
#include "store/replica/about.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/printable.h"
#include "store/replica/json.h"

enum { ABOUT_FILE_BYTES_MAX = 4096 };

void about_text(const struct about *a, struct buf *out)
{
	buf_add_text(out, "software=%s; used_bytes=%" PRIu64 "; free_bytes=%" PRIu64, a->software,
		     a->used_bytes, a->free_bytes);
	if (a->budget_bytes != ABOUT_NO_BUDGET)
		buf_add_text(out, "; budget_bytes=%" PRIu64, a->budget_bytes);
}

static int parse_number(const char *text, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return *end || errno ? -EBADMSG : 0;
}

static int parse_one(const char *word, struct about *a)
{
	static const struct {
		const char *name;
		size_t off;
	} numbers[] = {
		{ "used_bytes=", offsetof(struct about, used_bytes) },
		{ "free_bytes=", offsetof(struct about, free_bytes) },
		{ "budget_bytes=", offsetof(struct about, budget_bytes) },
	};

	if (strncmp(word, "software=", 9) == 0) {
		if (!word[9] || strlen(word + 9) >= sizeof(a->software))
			return -EBADMSG;
		memcpy(a->software, word + 9, strlen(word + 9) + 1);
		make_printable(a->software);
		return 0;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		size_t len = strlen(numbers[i].name);

		if (strncmp(word, numbers[i].name, len) == 0)
			return parse_number(word + len, (uint64_t *)(void *)((char *)a + numbers[i].off));
	}
	return 0;
}

int about_parse(const char *text, struct about *ret)
{
	struct about a = { .budget_bytes = ABOUT_NO_BUDGET };
	char copy[ABOUT_TEXT_BYTES_MAX + 1], *rest = copy, *word;
	int r = 0;

	if (strlen(text) >= sizeof(copy))
		return -EBADMSG;
	memcpy(copy, text, strlen(text) + 1);
	while (r == 0 && (word = strsep(&rest, ";")))
		r = parse_one(word + strspn(word, " "), &a);
	if (r < 0 || !a.software[0])
		return -EBADMSG;
	*ret = a;
	return 0;
}

static const char *file_path(const char *store, const char *name, struct buf *out)
{
	buf_add_text(out, "%s/replicas/%s.about", store, name);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

int about_write(const struct os *os, const char *store, const char *name, const struct about *a,
		uint64_t told_ns)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, header = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	char told[24];

	about_text(a, &header);
	(void)snprintf(told, sizeof(told), "%" PRIu64, told_ns);
	o = json_pack("{s:i,s:s,s:s}", "version", 1, "told_ns", told, "about", buf_cstr(&header));
	if (!file_path(store, name, &path) || buf_status(&header) < 0 || !o || json_write(o, &text) < 0)
		return -ENOMEM;
	buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, text.data, text.len, 0600);
}

uint64_t about_read(const struct os *os, const char *store, const char *name, struct about *ret)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	char about[ABOUT_TEXT_BYTES_MAX + 1];
	uint32_t version;
	uint64_t told_ns;

	memset(ret, 0, sizeof(*ret));
	if (!file_path(store, name, &path) ||
	    os_read_file(os, (const char *)path.data, ABOUT_FILE_BYTES_MAX, &text) < 0)
		return 0;
	o = json_read(text.data, text.len);
	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_u64(o, "told_ns", &told_ns) < 0 || json_get_text(o, "about", about, sizeof(about)) < 0 ||
	    about_parse(about, ret) < 0)
		return 0;
	return told_ns;
}
