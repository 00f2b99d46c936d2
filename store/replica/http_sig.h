/* SPDX-License-Identifier: MIT */
/*
 * The signature on every request (layer 4; PROTOCOL.md §2, RFC 9421, RFC 9530): building what is signed, and
 * reading what a peer says it has signed. Pure. The client signs with it and the node checks with it.
 *
 * There is one form only, down to the order of the parameters: a header that parses is byte for byte what
 * http_sig_input makes of the parsed values.
 */
#ifndef STORE_REPLICA_HTTP_SIG_H
#define STORE_REPLICA_HTTP_SIG_H

#include <stdbool.h>

#include "holdfast/error.h"
#include "store/crypto/crypto.h"
#include "store/crypto/wire.h"

enum {
	HTTP_SIG_NONCE_BYTES = 16,
	HTTP_SIG_NONCE_TEXT_BYTES = 2 * HTTP_SIG_NONCE_BYTES + 1,
	HTTP_SIG_KEY_TEXT_BYTES = 2 * PUBLIC_KEY_BYTES + 1,
	HTTP_SIG_CLOCK_SLACK_S = 300,
	HTTP_SIG_HEADER_BYTES_MAX = 1024, /* of any header this file reads */
	HTTP_SIG_TARGET_BYTES_MAX = 256,
};

/* Who signs: any key of ours. Borrowed for the call. */
struct http_signer {
	const uint8_t *public_key;
	void (*sign)(const void *key, const void *msg, size_t len, uint8_t sig[SIGNATURE_BYTES]);
	const void *key;
};
struct http_signer http_signer_of_writer(const struct keyring *keys); /* requires keyring_has_writer */
struct http_signer http_signer_of_owner(const struct owner *owner);
struct http_signer http_signer_of_signer(const struct signer *signer);

/* What is covered. Texts are borrowed. */
struct http_sig_request {
	const char *method;
	const char *path;
	const char *query;      /* with its question mark; "?" when there is none */
	const char *node;       /* the node's name: its receipt key in hexadecimal */
	const char *digest;     /* value of Content-Digest; NULL: no body */
	const char *invitation; /* value of Holdfast-Invitation; NULL: none */
};

struct http_sig_params {
	uint64_t created_s;
	char nonce[HTTP_SIG_NONCE_TEXT_BYTES];
	char keyid[HTTP_SIG_KEY_TEXT_BYTES];
	uint8_t key[PUBLIC_KEY_BYTES];
};

/* Value of Signature-Input. */
void http_sig_input(const struct http_sig_request *request, const struct http_sig_params *params,
		    struct buf *out);

/*
 * Make params (a new nonce, the signer's key, this time) and the values of both headers. 0 or -ENOMEM.
 */
MUST_USE int http_sig_make(const struct http_sig_request *request, const struct http_signer *signer,
			   uint64_t now_s, struct http_sig_params *ret, struct buf *ret_input,
			   struct buf *ret_signature);

/*
 * Read both headers. 0; -EINVAL: not of this form, the words say what is wrong; -ENOMEM. Nothing is proved
 * yet.
 */
MUST_USE int http_sig_parse(const struct http_sig_request *request, const char *input, const char *signature,
			    struct http_sig_params *ret, uint8_t ret_sig[SIGNATURE_BYTES],
			    struct hf_error *err);

/* 0 when sig is params->key's over this request, else -EKEYREJECTED; -ENOMEM. */
MUST_USE int http_sig_check(const struct http_sig_request *request, const struct http_sig_params *params,
			    const uint8_t sig[SIGNATURE_BYTES]);

/* Value of Content-Digest for a body; the hash in such a value (0, or -EINVAL: of another form). */
void content_digest_make(const void *body, size_t len, struct buf *out);
MUST_USE int content_digest_parse(const char *value, uint8_t ret[SHA256_BYTES]);

#endif
