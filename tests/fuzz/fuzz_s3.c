/* SPDX-License-Identifier: MIT */
/*
 * What a bucket's server sends, and what a person writes of a bucket. The first byte of the input picks a
 * parser, the rest is what it reads. What is accepted must come out the same when it is written again.
 */
#include <stdlib.h>
#include <string.h>

#include "store/replica/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int look(void *arg, const struct s3_xml_item *item)
{
	size_t *n = arg;

	must(strlen(item->key) < sizeof(item->key) && strlen(item->version) < sizeof(item->version));
	(*n)++;
	return 0;
}

static void fuzz_list(const uint8_t *data, size_t len)
{
	struct s3_xml_page *page = malloc(sizeof(*page));
	size_t n = 0;

	if (page && s3_xml_list(data, len, look, &n, page) == 0) {
		must(page->n == n);
		must(strlen(page->token) < sizeof(page->token) &&
		     strlen(page->key_marker) < sizeof(page->key_marker));
	}
	free(page);
}

static void fuzz_value(const uint8_t *data, size_t len)
{
	char value[16];

	(void)s3_xml_text(data, len, "Code", value, sizeof(value));
	must(memchr(value, 0, sizeof(value)));
}

static void fuzz_name(const char *text)
{
	char key[S3_KEY_BYTES];
	struct s3_name name;

	if (s3_name_read(text, &name) < 0)
		return;
	s3_name_key("", &name, key);
	must(strcmp(key, text) == 0);
}

static void fuzz_place(const char *text)
{
	CLEANUP(buf_release) struct buf once = BUF_INIT, twice = BUF_INIT;
	struct s3_place *p, *again;

	if (!s3_place_is(text) || s3_place_parse(text, &p, NULL) < 0)
		return;
	s3_place_text(p, &once);
	must(s3_place_parse(buf_cstr(&once), &again, NULL) == 0);
	s3_place_text(again, &twice);
	must(strcmp(buf_cstr(&once), buf_cstr(&twice)) == 0);
	s3_place_free(p);
	s3_place_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (len == 0)
		return 0;
	text = strndup((const char *)data + 1, len - 1);
	must(text);
	switch (data[0] % 4) {
	case 0:
		fuzz_list(data + 1, len - 1);
		break;
	case 1:
		fuzz_value(data + 1, len - 1);
		break;
	case 2:
		fuzz_name(text);
		break;
	default:
		fuzz_place(text);
	}
	free(text);
	return 0;
}
