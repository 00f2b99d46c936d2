/* SPDX-License-Identifier: MIT */
/*
 * What a node answers: to a client that enrols, asks, appends and reads, and to a recovery that fetches a log
 * into a shelf. libcurl's transfer is replaced by what is here. The input is a row of answers:
 *
 *   byte 0   what is asked: position, append, read, enrol, fetch
 *   byte 1   bits 0-2: status;
 *            bit 3: what follows is a receipt to be signed;
 *            bit 4: with the request's nonce;
 *            bit 5: the transfer breaks off
 *
 *   2 bytes  length, and so many bytes of the answer's body
 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/replica/fetch.h"

#undef curl_easy_setopt
#undef curl_easy_getinfo

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { RECEIPT = 8, NONCE = 16, BROKEN = 32 };

static struct cursor input;
static struct signer *node;
static struct owner *owner;
static struct keyring *keys;
static char dir[256];
static struct os quick; /* without waiting for the disk */

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* --- in place of libcurl's transfer */

static struct {
	curl_write_callback body, header;
	void *body_arg, *header_arg;
	struct curl_slist *headers;
	long status;
} transfer;

CURLcode curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
	va_list args;

	(void)curl;
	va_start(args, option);
	if (option == CURLOPT_WRITEFUNCTION)
		transfer.body = va_arg(args, curl_write_callback);
	else if (option == CURLOPT_HEADERFUNCTION)
		transfer.header = va_arg(args, curl_write_callback);
	else if (option == CURLOPT_WRITEDATA)
		transfer.body_arg = va_arg(args, void *);
	else if (option == CURLOPT_HEADERDATA)
		transfer.header_arg = va_arg(args, void *);
	else if (option == CURLOPT_HTTPHEADER)
		transfer.headers = va_arg(args, struct curl_slist *);
	va_end(args);
	return CURLE_OK;
}

CURLcode curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
	va_list args;

	(void)curl;
	va_start(args, info);
	*va_arg(args, long *) = info == CURLINFO_RESPONSE_CODE ? transfer.status : 0;
	va_end(args);
	return CURLE_OK;
}

/* The nonce of what was asked, in place of 32 letters N. */
static void put_nonce(char *text)
{
	char *at = strstr(text, "NNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNN");

	for (struct curl_slist *h = transfer.headers; at && h; h = h->next) {
		const char *nonce = strstr(h->data, "nonce=\"");

		if (nonce)
			memcpy(at, nonce + 7, 32);
	}
}

static void send_header(char *name, const char *value)
{
	char line[300];
	int len = snprintf(line, sizeof(line), "%s: %s\r\n", name, value);

	if (len > 0 && (size_t)len < sizeof(line))
		(void)transfer.header(line, 1, (size_t)len, transfer.header_arg);
}

static CURLcode send_body(const uint8_t *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t part = len - at > 1000 ? 1000 : len - at, taken;
		char copy[1000];

		memcpy(copy, data + at, part);
		taken = transfer.body(copy, 1, part, transfer.body_arg);
		if (taken != part)
			return CURLE_WRITE_ERROR;
		at += part;
	}
	return CURLE_OK;
}

CURLcode curl_easy_perform(CURL *curl)
{
	static const long statuses[] = { 200, 206, 403, 416, 503, 302, 500, 0 };
	uint8_t flags = cursor_u8(&input);
	size_t len = cursor_left(&input) < 2 ? 0 : cursor_u16(&input);
	const uint8_t *data;
	char *text;
	CURLcode code;

	(void)curl;
	if (len > cursor_left(&input))
		len = cursor_left(&input);
	data = cursor_take(&input, len);
	transfer.status = statuses[flags % 8];
	text = malloc(len + 1);
	must(text != NULL);
	if (len)
		memcpy(text, data, len);
	text[len] = 0;
	if (flags & NONCE)
		put_nonce(text);
	if (flags & RECEIPT) {
		CLEANUP(buf_release) struct buf signature = BUF_INIT;
		uint8_t sig[SIGNATURE_BYTES];

		signer_sign(node, "holdfast receipt", text, len, sig);
		wire_base64(WIRE_BASE64, sig, sizeof(sig), &signature);
		send_header("holdfast-receipt", buf_cstr(&signature));
	} else {
		send_header("Holdfast-Receipt", text);
	}
	code = send_body((const uint8_t *)text, len);
	free(text);
	return code == CURLE_OK && flags & BROKEN ? CURLE_RECV_ERROR : code;
}

/* --- asking */

static int nothing_fd(void *state, int fd)
{
	(void)state;
	(void)fd;
	return 0;
}

static int nothing_path(void *state, const char *path)
{
	(void)state;
	(void)path;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *ftw)
{
	(void)st;
	(void)what;
	(void)ftw;
	return remove(path);
}

static void end(void)
{
	(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
	static const uint8_t seed[SEED_BYTES] = { 7 };
	const char *tmp = getenv("TMPDIR");

	must(crypto_init() == 0 && owner_new(seed, &owner) == 0 && owner_keyring(owner, &keys) == 0);
	must(keyring_set_writer(keys, 1, seed) == 0 && signer_new(seed, &node) == 0);
	(void)snprintf(dir, sizeof(dir), "%s/fuzz-peer.XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(dir) != NULL);
	(void)atexit(end);
	quick = *os_posix();
	quick.fsync = quick.fdatasync = nothing_fd;
	quick.sync_dir = nothing_path;
}

/* What is fetched is verified, or it is not there. */
static int fetch(struct peer *peer, struct hf_error *err)
{
	struct log_point head, here;
	struct receipt receipt;
	struct shelf *shelf;
	char path[300];
	int r = peer_position(peer, &receipt, err);

	if (r < 0)
		return r;
	head = receipt.point;
	(void)snprintf(path, sizeof(path), "%s/volume", dir);
	must(shelf_make(&quick, path, err) == 0);
	must(shelf_open(&quick, path, owner_volume_id(owner), false, &shelf, NULL, err) == 0);
	r = fetch_log(peer, &head, shelf, NULL, err);
	shelf_position(shelf, &here);
	must(r < 0 || log_pos_compare(here.end, head.end) >= 0);
	shelf_close(shelf);
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return r;
}

static void ask(struct peer *peer, uint8_t what)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct epoch_cert cert = { .epoch = 1, .format_floor = 1, .first_segment = 1 };
	struct receipt receipt;
	ssize_t r;

	switch (what % 5) {
	case 0:
		r = peer_position(peer, &receipt, &err);
		break;
	case 1:
		r = peer_append(peer, (struct log_pos){ 1, 320 }, "bytes", 5, &receipt, &err);
		break;
	case 2:
		r = peer_read(peer, (struct log_pos){ 1, 320 }, 4000, &out, &err);
		must(r < 0 || ((size_t)r == out.len && out.len <= 4000));
		break;
	case 3:
		epoch_cert_sign(&cert, owner);
		r = peer_enrol(peer, &cert, NULL, &receipt, &err);
		break;
	default:
		r = fetch(peer, &err);
	}
	must(r >= 0 || err.text[0]);
	for (const char *p = err.text; *p; p++) /* nothing that a terminal would obey */
		must((unsigned char)*p >= ' ' && *p != 127);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct place place = { .kind = PLACE_NODE };
	struct peer_options o = { .os = &quick, .place = &place };
	struct log_point own = { .tid = 5, .commit = 3 };
	struct peer *peer;

	if (!node)
		begin();
	if (len > 1 << 16)
		return 0;
	(void)snprintf(place.url, sizeof(place.url), "https://127.0.0.1:1");
	memcpy(place.key, signer_public(node), PUBLIC_KEY_BYTES);
	memcpy(o.volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	o.signer = http_signer_of_writer(keys);
	must(peer_open(&o, &peer, NULL) == 0);
	input = cursor_of(data, len);
	if (len % 2)
		peer_say_own(peer, &own);
	for (unsigned i = 0; i < 16 && cursor_left(&input) > 0; i++)
		ask(peer, cursor_u8(&input));
	peer_free(peer);
	return 0;
}
