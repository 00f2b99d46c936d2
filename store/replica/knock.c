/* SPDX-License-Identifier: MIT */
/*
 * Is a replica there, and who it was (holdfast/readiness.h)? Without a key: a node is asked for the position
 * of the volume in a request that nobody has signed, which it refuses, having proved itself by its pin
 * before; a bucket likewise, by its certificate. Both say what time they have.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "holdfast/readiness.h"
#include "store/crypto/wire.h"
#include "store/replica/config.h"
#include "store/replica/http.h"
#include "store/volume/files.h"

struct knocking {
	const struct place *place;
	const uint8_t *volume_id;
	char url[PLACE_URL_BYTES + 64];
	char pin[PLACE_PIN_BYTES + 16];
	char date[64];
	struct hf_knock *ret;
};

static size_t drop(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static size_t take_header(char *data, size_t size, size_t n, void *arg)
{
	struct knocking *k = arg;
	size_t len = size * n, at = sizeof("Date:") - 1;

	if (len > at && strncasecmp(data, "Date:", at) == 0)
		(void)snprintf(k->date, sizeof(k->date), "%.*s", (int)(len - at), data + at);
	return len;
}

static int set_place(struct knocking *k)
{
	CLEANUP(buf_release) struct buf pin = BUF_INIT;
	char id[2 * VOLUME_ID_BYTES + 1];

	wire_hex(k->volume_id, VOLUME_ID_BYTES, id);
	if (k->place->kind == PLACE_BUCKET) {
		(void)snprintf(k->url, sizeof(k->url), "%s/", k->place->s3->endpoint);
		return 0;
	}
	(void)snprintf(k->url, sizeof(k->url), "%s/v1/volumes/%s", k->place->url, id);
	buf_add_text(&pin, "sha256//");
	wire_base64(WIRE_BASE64, k->place->pin, SHA256_BYTES, &pin);
	(void)buf_cstr(&pin);
	if (buf_status(&pin) < 0 || pin.len >= sizeof(k->pin))
		return -ENOMEM;
	memcpy(k->pin, pin.data, pin.len + 1);
	return 0;
}

static void set_options(CURL *c, struct knocking *k, unsigned timeout_ms, const struct http_stop *stop,
			char words[CURL_ERROR_SIZE])
{
	http_set_up(c, "https,http", stop);
	http_set_up_transfer(c);
	if (k->place->kind == PLACE_NODE) {
		(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		(void)curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
		(void)curl_easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, k->pin);
	} else if (k->place->s3->ca[0]) {
		(void)curl_easy_setopt(c, CURLOPT_CAINFO, k->place->s3->ca);
		(void)curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	(void)curl_easy_setopt(c, CURLOPT_CERTINFO, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	(void)curl_easy_setopt(c, CURLOPT_URL, k->url);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, k);
}

static void take_certificate(CURL *c, struct hf_knock *ret)
{
	const struct curl_certinfo *info = NULL;

	if (curl_easy_getinfo(c, CURLINFO_CERTINFO, &info) != CURLE_OK || !info || info->num_of_certs < 1)
		return;
	for (const struct curl_slist *one = info->certinfo[0]; one; one = one->next)
		if (strncmp(one->data, "Cert:", 5) == 0 &&
		    wire_certificate_end(one->data + 5, &ret->certificate_ends_ns) < 0)
			ret->certificate_ends_ns = 0; /* nobody knows */
}

static void take_answer(CURL *c, const struct knocking *k, struct hf_knock *ret)
{
	const time_t now = (time_t)(os_posix()->now_ns(os_posix()->state) / 1000000000u);
	const char *address = NULL;
	time_t theirs = curl_getdate(k->date, NULL);

	if (curl_easy_getinfo(c, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address)
		(void)snprintf(ret->address, sizeof(ret->address), "%s", address);
	take_certificate(c, ret);
	if (!k->date[0] || theirs < 0)
		return;
	ret->has_clock = true;
	ret->clock_ahead_s = (int64_t)theirs - (int64_t)now;
}

static void failed(CURL *c, CURLcode code, const char *words, const struct knocking *k, struct hf_knock *ret)
{
	struct hf_error err = HF_ERROR_INIT;

	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		ret->code =
			hf_error_set(&err, -EKEYREJECTED,
				     "%s has another TLS key than the one that was pinned", k->place->url);
	else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		ret->code = hf_error_set(&err, -EKEYREJECTED, "%s cannot be proved by its certificate: %s",
					 k->url, words[0] ? words : curl_easy_strerror(code));
	else
		ret->code = http_fault(c, code, words, k->url, &err);
	memcpy(ret->text, err.text, sizeof(ret->text));
}

static int knock_by_http(struct knocking *k, unsigned timeout_ms, struct hf_error *err)
{
	const struct http_stop stop = { NULL, NULL };
	char words[CURL_ERROR_SIZE] = "";
	CURL *c = http_open();
	CURLcode code;

	if (!c || set_place(k) < 0) {
		curl_easy_cleanup(c);
		return hf_error_set(err, -ENOMEM, "no memory for a connection");
	}
	set_options(c, k, timeout_ms, &stop, words);
	code = curl_easy_perform(c);
	if (code != CURLE_OK)
		failed(c, code, words, k, k->ret);
	take_answer(c, k, k->ret);
	curl_easy_cleanup(c);
	return 0;
}

static void knock_at_folder(const struct place *p, struct hf_knock *ret)
{
	if (access(p->path, R_OK | X_OK) == 0)
		return;
	ret->code = -errno;
	(void)snprintf(ret->text, sizeof(ret->text), "%.300s: %s", p->path, strerror(errno));
}

int hf_replica_knock(const char *path, const char *name, unsigned timeout_ms, struct hf_knock *ret,
		     struct hf_error *err)
{
	struct knocking k = { .ret = ret };
	struct volume_descriptor d;
	struct place place;
	int r = files_read_descriptor(os_posix(), path, &d, err);

	if (r == 0)
		r = config_check_name(name, err);
	if (r == 0)
		r = config_read(os_posix(), path, name, &place, err);
	if (r < 0)
		return r;
	memset(ret, 0, sizeof(*ret));
	k.place = &place;
	k.volume_id = d.volume_id;
	if (place.kind == PLACE_DIRECTORY)
		knock_at_folder(&place, ret);
	else
		r = knock_by_http(&k, timeout_ms, err);
	place_release(&place);
	return r;
}
