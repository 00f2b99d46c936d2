/* SPDX-License-Identifier: MIT */
#include "store/replica/place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/format/format.h"
#include "store/replica/json.h"

static const char invite_label[] = "holdfast-invite:";
static const char https_label[] = "https://";
static const char volumes_path[] = "/v1/volumes/";

void place_release(struct place *p)
{
	crypto_wipe(p->token, sizeof(p->token));
	free(p->path);
	p->path = NULL;
	s3_place_free(p->s3);
	p->s3 = NULL;
}

static bool host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '-' || c == '_';
}

static bool address_char(char c)
{
	return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == '.' ||
	       c == ':';
}

static const char *skip_host(const char *at)
{
	const char *start = at;

	if (*at == '[') {
		for (at++; address_char(*at); at++)
			;
		return *at == ']' && at > start + 1 ? at + 1 : NULL;
	}
	for (; host_char(*at); at++)
		;
	return at > start ? at : NULL;
}

int place_check_url(const char *url)
{
	unsigned long port = 0;
	const char *at;

	if (strlen(url) >= PLACE_URL_BYTES || strncmp(url, https_label, strlen(https_label)) != 0)
		return -EINVAL;
	at = skip_host(url + strlen(https_label));
	if (!at || *at++ != ':')
		return -EINVAL;
	if (*at < '1' || *at > '9')
		return -EINVAL;
	for (; *at >= '0' && *at <= '9' && port <= 65535; at++)
		port = port * 10 + (unsigned long)(*at - '0');
	return *at == 0 && port <= 65535 ? 0 : -EINVAL;
}

static int read_invitation(const json_t *o, struct place *p)
{
	char pin[PLACE_PIN_BYTES], token[PLACE_PIN_BYTES];

	if (json_get_text(o, "url", p->url, sizeof(p->url)) < 0 || place_check_url(p->url) < 0 ||
	    json_get_text(o, "pin", pin, sizeof(pin)) < 0 ||
	    wire_unbase64_exact(WIRE_BASE64URL, pin, strlen(pin), p->pin, sizeof(p->pin)) < 0 ||
	    json_get_hex(o, "key", p->key, sizeof(p->key)) < 0 ||
	    json_get_text(o, "token", token, sizeof(token)) < 0 ||
	    wire_unbase64_exact(WIRE_BASE64URL, token, strlen(token), p->token, sizeof(p->token)) < 0)
		return -EINVAL;
	p->has_token = true;
	p->has_volume = json_has(o, "volume");
	if (p->has_volume && json_get_hex(o, "volume", p->volume_id, sizeof(p->volume_id)) < 0)
		return -EINVAL;
	return 0;
}

static int parse_invitation(const char *text, struct place *p, struct hf_error *err)
{
	CLEANUP(json_decrefp) json_t *o = NULL;
	CLEANUP(buf_release) struct buf json = BUF_INIT;
	uint32_t version;
	int r = token_decode(invite_label, text, strlen(text), &json);

	if (r == -ENOMEM)
		return hf_error_set(err, r, "no memory");
	o = r < 0 ? NULL : json_read(json.data, json.len);
	if (!o || json_get_u32(o, "v", &version) < 0)
		return hf_error_set(err, -EINVAL,
				    "the invitation is damaged: copy the whole line that the node printed");
	if (version != 1)
		return hf_error_set(err, -EPROTONOSUPPORT,
				    "the invitation is of version %u, this build knows 1: update holdfast",
				    version);
	p->kind = PLACE_NODE;
	if (read_invitation(o, p) < 0)
		return hf_error_set(err, -EINVAL,
				    "the invitation is not whole: copy the whole line that the node printed");
	return 0;
}

/* "/v1/volumes/ID#pin=…&key=…" */
static int parse_url_rest(const char *rest, struct place *p)
{
	const char *pin, *key;
	size_t id_digits = 2 * VOLUME_ID_BYTES;

	if (strncmp(rest, volumes_path, strlen(volumes_path)) == 0) {
		rest += strlen(volumes_path);
		if (strlen(rest) < id_digits ||
		    wire_unhex(rest, id_digits, p->volume_id, VOLUME_ID_BYTES) < 0)
			return -EINVAL;
		p->has_volume = true;
		rest += id_digits;
	} else if (*rest == '/') {
		rest++;
	}
	if (strncmp(rest, "#pin=", 5) != 0)
		return -EINVAL;
	pin = rest + 5;
	key = strstr(pin, "&key=");
	if (!key || wire_unbase64_exact(WIRE_BASE64URL, pin, (size_t)(key - pin), p->pin, sizeof(p->pin)) < 0)
		return -EINVAL;
	key += strlen("&key=");
	return wire_unhex(key, strlen(key), p->key, sizeof(p->key));
}

static int parse_url(const char *text, struct place *p, struct hf_error *err)
{
	size_t host_len = strlen(https_label) + strcspn(text + strlen(https_label), "/#?");

	p->kind = PLACE_NODE;
	if (host_len < sizeof(p->url)) {
		memcpy(p->url, text, host_len);
		p->url[host_len] = 0;
	}
	if (place_check_url(p->url) < 0 || parse_url_rest(text + host_len, p) < 0)
		return hf_error_set(err, -EINVAL,
				    "a node's URL is https://HOST:PORT/v1/volumes/ID#pin=…&key=…, as "
				    "`holdfast status` prints it; to begin with a node, use the invitation "
				    "that it printed");
	return 0;
}

static int parse_path(const char *text, struct place *p, struct hf_error *err)
{
	CLEANUP(cleanup_free) char *here = NULL;
	int r = 0;

	p->kind = PLACE_DIRECTORY;
	if (text[0] == '/') {
		p->path = strdup(text);
	} else {
		here = getcwd(NULL, 0);
		if (!here)
			return hf_error_set(err, -errno, "cannot tell the present folder: %s",
					    strerror(errno));
		if (asprintf(&p->path, "%s/%s", here, text) < 0)
			p->path = NULL;
	}
	if (!p->path)
		r = hf_error_set(err, -ENOMEM, "no memory");
	return r;
}

static int parse_bucket(const char *text, struct place *p, struct hf_error *err)
{
	p->kind = PLACE_BUCKET;
	return s3_place_parse(text, &p->s3, err);
}

int place_parse(const char *text, struct place *ret, struct hf_error *err)
{
	struct place p;
	int r;

	memset(&p, 0, sizeof(p));
	if (!*text || strlen(text) > PLACE_TEXT_BYTES_MAX)
		return hf_error_set(err, -EINVAL,
				    "a replica is named by an invitation (holdfast-invite:…), a node's URL "
				    "(https://…), a bucket (s3://…) or a folder");
	if (strncmp(text, invite_label, strlen(invite_label)) == 0)
		r = parse_invitation(text, &p, err);
	else if (strncmp(text, https_label, strlen(https_label)) == 0)
		r = parse_url(text, &p, err);
	else if (s3_place_is(text))
		r = parse_bucket(text, &p, err);
	else if (strstr(text, "://"))
		r = hf_error_set(err, -EINVAL,
				 "%.60s: only https:// and s3:// are known, an invitation, or a folder",
				 text);
	else
		r = parse_path(text, &p, err);
	if (r < 0) {
		place_release(&p);
		return r;
	}
	*ret = p;
	return 0;
}

int place_invitation(const struct place *p, struct buf *out)
{
	CLEANUP(buf_release) struct buf json = BUF_INIT;
	char key[HTTP_SIG_KEY_TEXT_BYTES], volume[2 * VOLUME_ID_BYTES + 1];

	wire_hex(p->key, sizeof(p->key), key);
	buf_add_text(&json, "{\"v\":1,\"url\":\"%s\",\"pin\":\"", p->url);
	wire_base64(WIRE_BASE64URL, p->pin, sizeof(p->pin), &json);
	buf_add_text(&json, "\",\"key\":\"%s\",\"token\":\"", key);
	wire_base64(WIRE_BASE64URL, p->token, sizeof(p->token), &json);
	buf_add_text(&json, "\"");
	if (p->has_volume) {
		wire_hex(p->volume_id, sizeof(p->volume_id), volume);
		buf_add_text(&json, ",\"volume\":\"%s\"", volume);
	}
	buf_add_text(&json, "}");
	if (buf_status(&json) < 0)
		return -ENOMEM;
	token_encode(invite_label, json.data, json.len, out);
	crypto_wipe(json.data, json.len);
	return buf_status(out);
}

int place_url(const struct place *p, struct buf *out)
{
	char key[HTTP_SIG_KEY_TEXT_BYTES], volume[2 * VOLUME_ID_BYTES + 1];

	if (p->kind == PLACE_DIRECTORY) {
		buf_add_text(out, "%s", p->path);
		return buf_status(out);
	}
	if (p->kind == PLACE_BUCKET) {
		s3_place_text(p->s3, out);
		return buf_status(out);
	}
	wire_hex(p->key, sizeof(p->key), key);
	wire_hex(p->volume_id, sizeof(p->volume_id), volume);
	buf_add_text(out, "%s%s%s#pin=", p->url, volumes_path, volume);
	wire_base64(WIRE_BASE64URL, p->pin, sizeof(p->pin), out);
	buf_add_text(out, "&key=%s", key);
	return buf_status(out);
}

bool place_is_same(const struct place *a, const struct place *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case PLACE_NODE:
		return memcmp(a->key, b->key, sizeof(a->key)) == 0;
	case PLACE_BUCKET:
		return strcmp(a->s3->endpoint, b->s3->endpoint) == 0 &&
		       strcmp(a->s3->bucket, b->s3->bucket) == 0 && strcmp(a->s3->prefix, b->s3->prefix) == 0;
	case PLACE_DIRECTORY:
		return strcmp(a->path, b->path) == 0;
	}
	return false;
}
