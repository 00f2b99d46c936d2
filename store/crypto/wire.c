/* SPDX-License-Identifier: MIT */
#include "store/crypto/wire.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(SHA256_BYTES == crypto_hash_sha256_BYTES, "the size of SHA-256");

void wire_sha256(const void *data, size_t len, uint8_t out[SHA256_BYTES])
{
	/* libsodium's own is portable C; this one uses what the processor has, and bodies are megabytes. */
	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, out) < 0)
		(void)crypto_hash_sha256(out, data, len);
}

int wire_md5(const void *data, size_t len, uint8_t out[MD5_BYTES])
{
	return gnutls_hash_fast(GNUTLS_DIG_MD5, data, len, out) < 0 ? -ENOTSUP : 0;
}

int wire_certificate_end(const char *pem, uint64_t *ret_ns)
{
	/* libgnutls takes a pointer that is not const, and changes nothing */
	const gnutls_datum_t data = { (unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem) };
	gnutls_x509_crt_t certificate;
	time_t end = -1;

	if (gnutls_x509_crt_init(&certificate) < 0)
		return -EBADMSG;
	if (gnutls_x509_crt_import(certificate, &data, GNUTLS_X509_FMT_PEM) == 0)
		end = gnutls_x509_crt_get_expiration_time(certificate);
	gnutls_x509_crt_deinit(certificate);
	if (end < 0)
		return -EBADMSG;
	/* some are good for ever */
	*ret_ns = (uint64_t)end < UINT64_MAX / 1000000000u ? (uint64_t)end * 1000000000u : UINT64_MAX;
	return 0;
}

void wire_hex(const void *data, size_t len, char *out)
{
	(void)sodium_bin2hex(out, 2 * len + 1, data, len);
}

int wire_unhex(const char *text, size_t text_len, void *out, size_t len)
{
	size_t got;

	if (text_len != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < text_len; i++)
		if (text[i] >= 'A' && text[i] <= 'F')
			return -EINVAL;
	if (sodium_hex2bin(out, len, text, text_len, NULL, &got, NULL) != 0 || got != len)
		return -EINVAL;
	return 0;
}

static int variant(enum wire_base64 form)
{
	return form == WIRE_BASE64 ? sodium_base64_VARIANT_ORIGINAL :
				     sodium_base64_VARIANT_URLSAFE_NO_PADDING;
}

void wire_base64(enum wire_base64 form, const void *data, size_t len, struct buf *out)
{
	size_t room = sodium_base64_encoded_len(len, variant(form)); /* with a NUL */

	if (buf_reserve(out, room) < 0)
		return;
	(void)sodium_bin2base64((char *)out->data + out->len, room, data, len, variant(form));
	out->len += room - 1;
}

/* libsodium 1.0.18 takes some bytes above 0x7f for digits where char is signed. */
static bool is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] > 0x7f)
			return false;
	return true;
}

int wire_unbase64(enum wire_base64 form, const char *text, size_t text_len, struct buf *out)
{
	size_t room = text_len / 4 * 3 + 3, got;
	int r = buf_reserve(out, room);

	if (r < 0)
		return r;
	if (!is_ascii(text, text_len))
		return -EINVAL;
	if (sodium_base642bin(out->data + out->len, room, text, text_len, NULL, &got, NULL, variant(form)) !=
	    0)
		return -EINVAL;
	out->len += got;
	return 0;
}

int wire_unbase64_exact(enum wire_base64 form, const char *text, size_t text_len, void *out, size_t len)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	int r;

	if (text_len > 2 * len + 4)
		return -EINVAL;
	r = wire_unbase64(form, text, text_len, &bytes);
	if (r < 0)
		return r;
	if (bytes.len != len)
		return -EINVAL;
	memcpy(out, bytes.data, len);
	return 0;
}
