/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/crypto/crypto.h"

static const char label[] = "s3://";
static const char http[] = "http://", https[] = "https://";

bool s3_place_is(const char *text)
{
	return strncmp(text, label, strlen(label)) == 0;
}

void s3_place_free(struct s3_place *p)
{
	if (p)
		crypto_wipe(&p->credentials, sizeof(p->credentials));
	free(p);
}

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One part of a path: not empty, not . or .., of characters that no server encodes. */
static bool part_ok(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!alnum(at[i]) && !strchr("._-", at[i]))
			return false;
	return len > 0 && !(at[0] == '.' && (len == 1 || (len == 2 && at[1] == '.')));
}

static bool prefix_ok(const char *text)
{
	for (;;) {
		size_t len = strcspn(text, "/");

		if (!part_ok(text, len))
			return false;
		if (!text[len])
			return true;
		text += len + 1;
	}
}

static bool region_ok(const char *text)
{
	for (const char *at = text; *at; at++)
		if (!alnum(*at) && *at != '-')
			return false;
	return *text;
}

/* The host of "host[:port]" or "[v6][:port]", or 0 when it is not that. */
static size_t host_length(const char *text)
{
	const char *at = text;
	unsigned long port = 0;
	size_t len;

	if (*at == '[') {
		at += 1 + strspn(at + 1, "0123456789abcdefABCDEF:.");
		if (*at++ != ']')
			return 0;
	} else {
		for (; alnum(*at) || *at == '.' || *at == '-'; at++)
			;
	}
	len = (size_t)(at - text);
	if (*at == ':') {
		for (at++; *at >= '0' && *at <= '9' && port <= 65535; at++)
			port = port * 10 + (unsigned long)(*at - '0');
		if (port == 0 || port > 65535)
			return 0;
	}
	return *at ? 0 : len;
}

/* Without TLS anybody in between could say "stored": only to this machine. */
static bool endpoint_ok(const char *text)
{
	static const char *const here[] = { "127.0.0.1", "localhost", "[::1]" };
	size_t len;

	if (strncmp(text, https, strlen(https)) == 0)
		return host_length(text + strlen(https)) > 0;
	if (strncmp(text, http, strlen(http)) != 0)
		return false;
	text += strlen(http);
	len = host_length(text);
	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
		if (len == strlen(here[i]) && strncmp(text, here[i], len) == 0)
			return true;
	return false;
}

/* Nothing can stand before an address: such a name is anybody's to give, and no longer this machine's. */
static bool style_ok(const struct s3_place *p)
{
	const char *host = strstr(p->endpoint, "://") + 3;

	return !p->host_style || (*host != '[' && host[strspn(host, "0123456789.")] != ':' &&
				  host[strspn(host, "0123456789.")] != 0);
}

bool s3_place_valid(const struct s3_place *p)
{
	return part_ok(p->bucket, strlen(p->bucket)) && (!p->prefix[0] || prefix_ok(p->prefix)) &&
	       endpoint_ok(p->endpoint) && style_ok(p) && region_ok(p->region) &&
	       (!p->ca[0] || p->ca[0] == '/') && p->interval_s >= 1 && p->interval_s <= S3_INTERVAL_S_MAX &&
	       p->retention_days <= S3_RETENTION_DAYS_MAX;
}

static int bad(struct hf_error *err, const char *what)
{
	return hf_error_set(
		err, -EINVAL,
		"%s: a bucket is named s3://BUCKET[/PREFIX]?endpoint=https://HOST[:PORT]&region=REGION, "
		"with style=path|host, ca=FILE, interval=SECONDS as needed",
		what);
}

static int copy(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return -EINVAL;
	memcpy(to, from, len);
	to[len] = 0;
	return 0;
}

static int take_interval(struct s3_place *p, const char *value, size_t len)
{
	uint32_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9' || n > S3_INTERVAL_S_MAX)
			return -EINVAL;
		n = n * 10 + (uint32_t)(value[i] - '0');
	}
	p->interval_s = n;
	return n ? 0 : -EINVAL;
}

struct given {
	bool style;
};

static int take_option(struct s3_place *p, struct given *g, const char *name, size_t name_len,
		       const char *value, size_t len)
{
#define IS(text) (name_len == strlen(text) && strncmp(name, text, name_len) == 0)
	if (IS("endpoint"))
		return copy(p->endpoint, sizeof(p->endpoint), value,
			    len > 0 && value[len - 1] == '/' ? len - 1 : len);
	if (IS("region"))
		return copy(p->region, sizeof(p->region), value, len);
	if (IS("ca"))
		return copy(p->ca, sizeof(p->ca), value, len);
	if (IS("interval"))
		return take_interval(p, value, len);
	if (IS("style")) {
		g->style = true;
		p->host_style = len == 4 && strncmp(value, "host", 4) == 0;
		return p->host_style || (len == 4 && strncmp(value, "path", 4) == 0) ? 0 : -EINVAL;
	}
#undef IS
	return -EINVAL;
}

static int take_options(struct s3_place *p, struct given *g, const char *at)
{
	while (*at) {
		size_t len = strcspn(at, "&"), name = strcspn(at, "=");

		if (name >= len || take_option(p, g, at, name, at + name + 1, len - name - 1) < 0)
			return -EINVAL;
		at += len;
		if (*at == '&')
			at++;
	}
	return 0;
}

static int fill_in(struct s3_place *p, const struct given *g)
{
	if (!p->endpoint[0]) {
		if (!p->region[0])
			return -EINVAL;
		(void)snprintf(p->endpoint, sizeof(p->endpoint), "https://s3.%s.amazonaws.com", p->region);
		if (!g->style)
			p->host_style = true;
	}
	if (!p->region[0])
		(void)snprintf(p->region, sizeof(p->region), "us-east-1");
	return 0;
}

static int parse(struct s3_place *p, const char *text, struct hf_error *err)
{
	const char *at = text + strlen(label);
	size_t bucket = strcspn(at, "/?"), prefix;
	struct given g = { false };

	p->interval_s = 1;
	if (copy(p->bucket, sizeof(p->bucket), at, bucket) < 0)
		return bad(err, "the bucket's name is too long");
	at += bucket;
	if (*at == '/') {
		at++;
		prefix = strcspn(at, "?");
		if (copy(p->prefix, sizeof(p->prefix), at,
			 prefix > 0 && at[prefix - 1] == '/' ? prefix - 1 : prefix) < 0)
			return bad(err, "the prefix is too long");
		at += prefix;
	}
	if (*at == '?' && take_options(p, &g, at + 1) < 0)
		return bad(err, "an option behind the bucket is not known, or has no such value");
	if (fill_in(p, &g) < 0)
		return bad(err, "neither an endpoint nor a region is given");
	if (strncmp(p->endpoint, http, strlen(http)) == 0 && !endpoint_ok(p->endpoint))
		return bad(err, "http:// is for this machine only");
	if (endpoint_ok(p->endpoint) && !style_ok(p))
		return bad(err, "style=host puts the bucket before a host's name, and an address has none");
	return s3_place_valid(p) ? 0 :
				   bad(err, "a bucket, prefix, endpoint, region or path is not well formed");
}

int s3_place_parse(const char *text, struct s3_place **ret, struct hf_error *err)
{
	struct s3_place *p = calloc(1, sizeof(*p));
	int r = p ? parse(p, text, err) : hf_error_set(err, -ENOMEM, "no memory");

	if (r < 0) {
		s3_place_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void s3_place_text(const struct s3_place *p, struct buf *out)
{
	buf_add_text(out, "%s%s%s%s?endpoint=%s&region=%s&style=%s", label, p->bucket,
		     p->prefix[0] ? "/" : "", p->prefix, p->endpoint, p->region,
		     p->host_style ? "host" : "path");
	if (p->ca[0])
		buf_add_text(out, "&ca=%s", p->ca);
	if (p->interval_s != 1)
		buf_add_text(out, "&interval=%u", (unsigned)p->interval_s);
}
