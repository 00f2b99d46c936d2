/* SPDX-License-Identifier: MIT */
/* Objects one by one, and lists of them (layer 4; PROTOCOL.md §11.2, §11.5). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/crypto/wire.h"
#include "store/replica/s3.h"

/* --- one object */

static bool is_missing(const struct s3_answer *a, bool hides)
{
	return (a->status == 404 && strcmp(a->code, "NoSuchBucket") != 0) || (hides && a->status == 403);
}

int s3_get(struct s3 *s, const char *key, const char *version, uint32_t first_bytes, struct buf *out,
	   struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	CLEANUP(buf_release) struct buf query = BUF_INIT;
	struct s3_ask q = {
		.method = "GET", .key = key, .answer_max = S3_OBJECT_BYTES_MAX, .first_bytes = first_bytes
	};
	int r;

	if (version && version[0]) {
		buf_add_text(&query, "versionId=");
		s3_encode(version, &query);
		q.query = buf_cstr(&query);
	}
	if (buf_status(&query) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = s3_ask(s, &q, &a, err);
	if (r < 0)
		return r;
	if (is_missing(&a, s3_hides(s)))
		return hf_error_set(err, -ENODATA, "%s has no object %s", s3_words(s), key);
	if (a.status / 100 != 2)
		return s3_refusal(s, &a, "reading an object", err);
	if (a.other_part && first_bytes) { /* such a server gives the beginning only with all the rest */
		buf_clear(&a.body);
		r = s3_get(s, key, version, 0, &a.body, err);
		if (r < 0)
			return r;
		if (a.body.len > first_bytes)
			a.body.len = first_bytes;
	}
	buf_add(out, a.body.data, a.body.len);
	return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : 0;
}

bool s3_is_refused(int r)
{
	return r == -EPROTO || r == -EACCES;
}

int s3_head(struct s3 *s, const char *key, struct s3_answer *ret, struct hf_error *err)
{
	struct s3_ask q = { .method = "HEAD", .key = key };
	int r = s3_ask(s, &q, ret, err);

	if (r < 0)
		return r;
	if (is_missing(ret, s3_hides(s)))
		return hf_error_set(err, -ENODATA, "%s has no object %s", s3_words(s), key);
	return ret->status / 100 == 2 ? 0 : s3_refusal(s, ret, "asking for an object", err);
}

enum { HEADERS_MAX = 8 };

struct headers {
	char lines[HEADERS_MAX][96];
	const char *all[HEADERS_MAX + 1];
	size_t n;
};

static void add(struct headers *h, const char *name, const char *value)
{
	(void)snprintf(h->lines[h->n], sizeof(h->lines[0]), "%s: %s", name, value);
	h->all[h->n] = h->lines[h->n];
	h->all[++h->n] = NULL;
}

static int put_headers(struct s3 *s, const uint8_t md5[MD5_BYTES], bool has_md5, bool over, struct headers *h)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	const struct s3_place *p = s3_place_of(s);
	char date[S3_DATE_BYTES];

	h->n = 0;
	wire_base64(WIRE_BASE64, md5, MD5_BYTES, &text);
	if (!buf_cstr(&text)[0])
		return -ENOMEM;
	if (has_md5)
		add(h, "Content-MD5", buf_cstr(&text));
	if (!over)
		add(h, "If-None-Match", "*");
	if (p->retention_days) {
		s3_date(s3_now_ns(s) + p->retention_days * UINT64_C(86400000000000), date);
		add(h, "x-amz-object-lock-mode", "COMPLIANCE");
		add(h, "x-amz-object-lock-retain-until-date", date);
	}
	if (p->owner_acl)
		add(h, "x-amz-acl", "bucket-owner-full-control");
	return 0;
}

/* A server whose ETag is not the MD5 has not said what it got: look. */
static int read_back(struct s3 *s, const char *key, const char *version, const void *data, size_t len,
		     struct hf_error *err)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT;
	int r = s3_get(s, key, version, 0, &there, err);

	if (r < 0)
		return r == -ENODATA ? hf_error_set(err, -EIO, "%s took an object and does not have it",
						    s3_words(s)) :
				       r;
	if (there.len == len && memcmp(there.data, data, len) == 0)
		return 0;
	return hf_error_set(err, -EIO, "%s took an object and gives other bytes back", s3_words(s));
}

int s3_put(struct s3 *s, const char *key, const void *data, size_t len, bool over, struct s3_answer *a,
	   struct hf_error *err)
{
	struct s3_ask q = { .method = "PUT", .key = key, .body = data, .len = len };
	uint8_t md5[MD5_BYTES] = { 0 };
	bool has_md5 = wire_md5(data, len, md5) == 0;
	char hex[2 * MD5_BYTES + 1];
	struct headers h;
	int r;

	if (put_headers(s, md5, has_md5, over, &h) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	q.headers = h.all;
	r = s3_ask(s, &q, a, err);
	if (r < 0)
		return r;
	if (a->status / 100 != 2)
		return s3_refusal(s, a, "putting an object", err);
	wire_hex(md5, sizeof(md5), hex);
	return has_md5 && strcmp(hex, a->etag) == 0 ? 0 : read_back(s, key, a->version, data, len, err);
}

/* --- lists */

void s3_objects_release(struct s3_objects *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->all[i].version);
	free(o->all);
	*o = (struct s3_objects)S3_OBJECTS_INIT;
}

enum { PAGES_MAX = 10 << 20 };

struct listing {
	const char *root;
	size_t root_len;
	bool versions;
	struct s3_objects *out;
	char last_key[S3_KEY_BYTES]; /* to count the versions of one key */
	uint32_t age;
};

static int add_object(struct listing *l, const struct s3_name *name, const struct s3_xml_item *item)
{
	struct s3_objects *o = l->out;
	struct s3_object *one;

	if (o->n == o->room) {
		size_t room = o->room ? 2 * o->room : 256;
		struct s3_object *more = reallocarray(o->all, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		o->all = more;
		o->room = room;
	}
	one = &o->all[o->n];
	*one = (struct s3_object){ .name = *name, .age = l->age, .bytes = item->bytes };
	if (l->versions) {
		one->version = strdup(item->version);
		if (!one->version)
			return -ENOMEM;
	}
	o->n++;
	return 0;
}

static int take_item(void *arg, const struct s3_xml_item *item)
{
	struct listing *l = arg;
	struct s3_name name;

	if (item->marker) {
		l->out->markers++;
		return 0;
	}
	if (strncmp(item->key, l->root, l->root_len) != 0 ||
	    s3_name_read(item->key + l->root_len, &name) < 0) {
		l->out->others++;
		return 0;
	}
	l->age = strcmp(item->key, l->last_key) == 0 ? l->age + 1 : 0;
	(void)snprintf(l->last_key, sizeof(l->last_key), "%.319s", item->key);
	return add_object(l, &name, item);
}

static void make_query(const struct s3 *s, bool versions, const struct s3_xml_page *last, struct buf *out)
{
	buf_clear(out);
	if (versions) {
		buf_add_text(out, "encoding-type=url");
		if (last->more) {
			buf_add_text(out, "&key-marker=");
			s3_encode(last->key_marker, out);
		}
		buf_add_text(out, "&prefix=");
		s3_encode(s3_root(s), out);
		if (last->more && last->version_marker[0]) {
			buf_add_text(out, "&version-id-marker=");
			s3_encode(last->version_marker, out);
		}
		buf_add_text(out, "&versions=");
	} else {
		if (last->more) {
			buf_add_text(out, "continuation-token=");
			s3_encode(last->token, out);
			buf_add_text(out, "&");
		}
		buf_add_text(out, "encoding-type=url&list-type=2&prefix=");
		s3_encode(s3_root(s), out);
	}
	(void)buf_cstr(out);
}

/* Does this page lead on from the one before? A server that says "more" and stays where it is would go on for
 * ever. */
static bool leads_on(bool versions, const struct s3_xml_page *before, const struct s3_xml_page *page)
{
	if (!page->more)
		return true;
	if (versions)
		return page->key_marker[0] &&
		       (strcmp(page->key_marker, before->key_marker) > 0 ||
			(strcmp(page->key_marker, before->key_marker) == 0 &&
			 strcmp(page->version_marker, before->version_marker) != 0 && page->n > 0));
	return page->token[0] && strcmp(page->token, before->token) != 0;
}

static int ask_page(struct s3 *s, const char *query, struct listing *l, struct s3_xml_page *ret,
		    struct hf_error *err)
{
	CLEANUP(s3_answer_release) struct s3_answer a = S3_ANSWER_INIT;
	struct s3_ask q = { .method = "GET", .key = "", .query = query };
	int r = s3_ask(s, &q, &a, err);

	if (r < 0)
		return r;
	if (a.status / 100 != 2)
		return s3_refusal(s, &a, l->versions ? "listing versions" : "listing objects", err);
	r = s3_xml_list(a.body.data, a.body.len, take_item, l, ret);
	if (r == -ENOMEM)
		return hf_error_set(err, r, "no memory for a list of objects");
	return r < 0 ? hf_error_set(err, -EPROTO, "%s answers with no list of objects", s3_words(s)) : 0;
}

static int list_pages(struct s3 *s, struct listing *l, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf query = BUF_INIT;
	struct s3_xml_page *pages = calloc(2, sizeof(*pages)), *before = pages, *page = pages + 1, *swap;
	int r = pages ? 0 : hf_error_set(err, -ENOMEM, "no memory");

	for (unsigned long n = 0; r == 0; n++) {
		if (n == PAGES_MAX)
			r = hf_error_set(err, -EPROTO, "%s has a list without end", s3_words(s));
		if (r < 0)
			break;
		make_query(s, l->versions, before, &query);
		r = buf_status(&query) < 0 ? hf_error_set(err, -ENOMEM, "no memory") :
					     ask_page(s, (const char *)query.data, l, page, err);
		if (r == 0 && !leads_on(l->versions, before, page))
			r = hf_error_set(err, -EPROTO,
					 "%s says that its list goes on, and does not go on with it",
					 s3_words(s));
		if (r == 0 && !page->more)
			break;
		swap = before;
		before = page;
		page = swap;
	}
	free(pages);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct s3_object *x = a, *y = b;
	int r = s3_name_compare(&x->name, &y->name);

	return r ? r : x->age > y->age ? -1 : x->age < y->age;
}

int s3_list(struct s3 *s, bool versions, struct s3_objects *ret, struct hf_error *err)
{
	struct listing l = {
		.root = s3_root(s), .root_len = strlen(s3_root(s)), .versions = versions, .out = ret
	};
	int r;

	*ret = (struct s3_objects)S3_OBJECTS_INIT;
	r = list_pages(s, &l, err);
	if (r < 0)
		s3_objects_release(ret);
	else if (ret->n > 1)
		qsort(ret->all, ret->n, sizeof(*ret->all), compare);
	return r;
}
