/* SPDX-License-Identifier: MIT */
/*
 * What HTTP and JSON need beyond the log's own constructions (layer 1): SHA-256 for digests and pins,
 * hexadecimal and base64 in their one canonical form. Decoders refuse every other spelling of the same bytes,
 * so that a text that was signed and the bytes it stands for cannot come apart. No state; thread-safe.
 */
#ifndef STORE_CRYPTO_WIRE_H
#define STORE_CRYPTO_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"

enum { SHA256_BYTES = 32, MD5_BYTES = 16 };

void wire_sha256(const void *data, size_t len, uint8_t out[SHA256_BYTES]);

/* Of no use against an attacker: object stores want it of what is sent. -ENOTSUP: this system has none. */
MUST_USE int wire_md5(const void *data, size_t len, uint8_t out[MD5_BYTES]);

/* Until when a certificate in PEM is good. -EBADMSG: it is none. */
MUST_USE int wire_certificate_end(const char *pem, uint64_t *ret_ns);

/* Lower-case digits and a NUL: out has room for 2 * len + 1. */
void wire_hex(const void *data, size_t len, char *out);
/* Exactly 2 * len lower-case digits: 0 or -EINVAL. */
MUST_USE int wire_unhex(const char *text, size_t text_len, void *out, size_t len);

/* WIRE_BASE64 has `+`, `/` and padding; WIRE_BASE64URL has `-`, `_` and none (RFC 4648 §4 and §5). */
enum wire_base64 { WIRE_BASE64, WIRE_BASE64URL };
void wire_base64(enum wire_base64 form, const void *data, size_t len, struct buf *out); /* appends */
/* Appends the bytes: 0, -EINVAL or -ENOMEM. */
MUST_USE int wire_unbase64(enum wire_base64 form, const char *text, size_t text_len, struct buf *out);
/* The same when it must be exactly len bytes. */
MUST_USE int wire_unbase64_exact(enum wire_base64 form, const char *text, size_t text_len, void *out,
				 size_t len);

#endif
