/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_xml.h"

#include <errno.h>
#include <expat.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16, TEXT_BYTES = S3_MARKER_BYTES };

struct reader {
	XML_Parser parser;
	unsigned depth;
	char text[TEXT_BYTES];
	size_t len;
	bool too_long;
	int result; /* not 0: stop with it */

	/* a list */
	bool in_item, is_list;
	struct s3_xml_item item;
	struct s3_xml_page *page;
	int (*each)(void *arg, const struct s3_xml_item *item);
	void *arg;

	/* one value */
	const char *wanted;
	bool found;
};

static void stop(struct reader *r, int result)
{
	if (r->result == 0)
		r->result = result;
	(void)XML_StopParser(r->parser, XML_FALSE);
}

static void no_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
		       int internal)
{
	(void)name;
	(void)system;
	(void)public;
	(void)internal;
	stop(arg, -EPROTO);
}

static void take_text(void *arg, const XML_Char *text, int len)
{
	struct reader *r = arg;
	size_t room = sizeof(r->text) - 1 - r->len, n = (size_t)len;

	if (n > room) {
		r->too_long = true;
		n = room;
	}
	memcpy(r->text + r->len, text, n);
	r->len += n;
}

static bool enter(struct reader *r)
{
	r->len = 0;
	r->too_long = false;
	if (++r->depth <= DEPTH_MAX)
		return true;
	stop(r, -EPROTO);
	return false;
}

static int unhex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 :
				      -1;
}

/* In place. A key with a NUL in it is none of ours, and ends there. */
static void percent_decode(char *text)
{
	char *to = text;

	for (const char *at = text; *at; at++) {
		if (*at == '%' && unhex(at[1]) >= 0 && unhex(at[2]) >= 0) {
			*to++ = (char)(unhex(at[1]) * 16 + unhex(at[2]));
			at += 2;
		} else {
			*to++ = *at == '+' ? ' ' : *at;
		}
	}
	*to = 0;
}

static void copy_text(struct reader *r, char *to, size_t size)
{
	if (r->too_long || r->len >= size) {
		stop(r, -EPROTO);
		return;
	}
	memcpy(to, r->text, r->len);
	to[r->len] = 0;
}

static bool is_item(const char *name)
{
	return !strcmp(name, "Contents") || !strcmp(name, "Version") || !strcmp(name, "DeleteMarker");
}

static void list_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = arg;

	(void)attributes;
	if (!enter(r))
		return;
	if (r->depth == 1)
		r->is_list = !strcmp(name, "ListBucketResult") || !strcmp(name, "ListVersionsResult");
	if (r->depth == 2 && is_item(name)) {
		memset(&r->item, 0, sizeof(r->item));
		r->in_item = true;
		r->item.marker = !strcmp(name, "DeleteMarker");
	}
}

static void item_field(struct reader *r, const char *name)
{
	if (!strcmp(name, "Key")) {
		copy_text(r, r->item.key, sizeof(r->item.key));
		percent_decode(r->item.key);
	} else if (!strcmp(name, "VersionId")) {
		copy_text(r, r->item.version, sizeof(r->item.version));
	} else if (!strcmp(name, "Size")) {
		r->item.bytes = strtoull(r->text, NULL, 10);
	} else if (!strcmp(name, "IsLatest")) {
		r->item.latest = !strcmp(r->text, "true");
	}
}

static void page_field(struct reader *r, const char *name)
{
	struct s3_xml_page *p = r->page;

	if (!strcmp(name, "IsTruncated")) {
		p->more = !strcmp(r->text, "true");
	} else if (!strcmp(name, "NextContinuationToken")) {
		copy_text(r, p->token, sizeof(p->token));
	} else if (!strcmp(name, "NextKeyMarker")) {
		copy_text(r, p->key_marker, sizeof(p->key_marker));
		percent_decode(p->key_marker);
	} else if (!strcmp(name, "NextVersionIdMarker")) {
		copy_text(r, p->version_marker, sizeof(p->version_marker));
	}
}

static void list_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;
	int n;

	r->text[r->len] = 0;
	if (r->depth == 3 && r->in_item) {
		item_field(r, name);
	} else if (r->depth == 2 && r->in_item) {
		r->in_item = false;
		r->page->n++;
		n = r->each(r->arg, &r->item);
		if (n)
			stop(r, n);
	} else if (r->depth == 2) {
		page_field(r, name);
	}
	r->depth--;
	r->len = 0;
}

static int parse(struct reader *r, const void *text, size_t len, XML_StartElementHandler start,
		 XML_EndElementHandler end)
{
	enum XML_Status status;

	if (len > S3_XML_BYTES_MAX)
		return -EPROTO;
	r->parser = XML_ParserCreate(NULL);
	if (!r->parser)
		return -ENOMEM;
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, start, end);
	XML_SetCharacterDataHandler(r->parser, take_text);
	XML_SetStartDoctypeDeclHandler(r->parser, no_doctype);
	status = XML_Parse(r->parser, text, (int)len, 1);
	if (r->result == 0 && status != XML_STATUS_OK)
		r->result = XML_GetErrorCode(r->parser) == XML_ERROR_NO_MEMORY ? -ENOMEM : -EPROTO;
	XML_ParserFree(r->parser);
	return r->result;
}

int s3_xml_list(const void *text, size_t len, int (*each)(void *arg, const struct s3_xml_item *item),
		void *arg, struct s3_xml_page *ret)
{
	struct reader *r = calloc(1, sizeof(*r));
	int n;

	if (!r)
		return -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	r->page = ret;
	r->each = each;
	r->arg = arg;
	n = parse(r, text, len, list_start, list_end);
	if (n == 0 && !r->is_list)
		n = -EPROTO;
	free(r);
	return n;
}

static void value_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	(void)name;
	(void)attributes;
	(void)enter(arg);
}

static void value_end(void *arg, const XML_Char *name)
{
	struct reader *r = arg;

	r->depth--;
	if (!strcmp(name, r->wanted)) {
		r->found = true;
		stop(r, 1);
	}
}

bool s3_xml_text(const void *text, size_t len, const char *name, char *out, size_t size)
{
	struct reader *r = calloc(1, sizeof(*r));
	bool found = false;

	out[0] = 0;
	if (!r)
		return false;
	r->wanted = name;
	if (parse(r, text, len, value_start, value_end) == 1 && r->found) {
		size_t n = r->len < size ? r->len : size - 1;

		memcpy(out, r->text, n);
		out[n] = 0;
		found = true;
	}
	free(r);
	return found;
}
