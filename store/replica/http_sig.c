/* SPDX-License-Identifier: MIT */
#include "store/replica/http_sig.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char label[] = "holdfast=";

static void sign_as_writer(const void *key, const void *msg, size_t len, uint8_t sig[SIGNATURE_BYTES])
{
	keyring_sign(key, NULL, msg, len, sig);
}

static void sign_as_owner(const void *key, const void *msg, size_t len, uint8_t sig[SIGNATURE_BYTES])
{
	owner_sign(key, NULL, msg, len, sig);
}

static void sign_as_signer(const void *key, const void *msg, size_t len, uint8_t sig[SIGNATURE_BYTES])
{
	signer_sign(key, NULL, msg, len, sig);
}

struct http_signer http_signer_of_writer(const struct keyring *keys)
{
	return (struct http_signer){ keyring_writer_public(keys), sign_as_writer, keys };
}

struct http_signer http_signer_of_owner(const struct owner *owner)
{
	return (struct http_signer){ owner_public(owner), sign_as_owner, owner };
}

struct http_signer http_signer_of_signer(const struct signer *signer)
{
	return (struct http_signer){ signer_public(signer), sign_as_signer, signer };
}

/* The component list and its parameters: the value of @signature-params and, behind the label, of the header.
 */
static void add_params(const struct http_sig_request *request, const struct http_sig_params *params,
		       struct buf *out)
{
	buf_add_text(out, "(\"@method\" \"@path\" \"@query\" \"holdfast-node\"");
	if (request->digest)
		buf_add_text(out, " \"content-digest\"");
	if (request->invitation)
		buf_add_text(out, " \"holdfast-invitation\"");
	buf_add_text(out, ")");
	buf_add_text(out, ";created=%" PRIu64 ";nonce=\"%s\";keyid=\"%s\";alg=\"ed25519\";tag=\"holdfast\"",
		     params->created_s, params->nonce, params->keyid);
}

void http_sig_input(const struct http_sig_request *request, const struct http_sig_params *params,
		    struct buf *out)
{
	buf_add_text(out, "%s", label);
	add_params(request, params, out);
}

/* RFC 9421 §2.5. */
static void add_base(const struct http_sig_request *request, const struct http_sig_params *params,
		     struct buf *out)
{
	buf_add_text(out, "\"@method\": %s\n\"@path\": %s\n\"@query\": %s\n\"holdfast-node\": %s\n",
		     request->method, request->path, request->query, request->node);
	if (request->digest)
		buf_add_text(out, "\"content-digest\": %s\n", request->digest);
	if (request->invitation)
		buf_add_text(out, "\"holdfast-invitation\": %s\n", request->invitation);
	buf_add_text(out, "\"@signature-params\": ");
	add_params(request, params, out);
}

int http_sig_make(const struct http_sig_request *request, const struct http_signer *signer, uint64_t now_s,
		  struct http_sig_params *ret, struct buf *ret_input, struct buf *ret_signature)
{
	CLEANUP(buf_release) struct buf base = BUF_INIT;
	struct http_sig_params params = { .created_s = now_s };
	uint8_t nonce[HTTP_SIG_NONCE_BYTES], sig[SIGNATURE_BYTES];

	crypto_random(nonce, sizeof(nonce));
	wire_hex(nonce, sizeof(nonce), params.nonce);
	wire_hex(signer->public_key, PUBLIC_KEY_BYTES, params.keyid);
	memcpy(params.key, signer->public_key, PUBLIC_KEY_BYTES);

	add_base(request, &params, &base);
	if (buf_status(&base) < 0)
		return -ENOMEM;
	signer->sign(signer->key, base.data, base.len, sig);
	http_sig_input(request, &params, ret_input);
	buf_add_text(ret_signature, "%s:", label);
	wire_base64(WIRE_BASE64, sig, sizeof(sig), ret_signature);
	buf_add_text(ret_signature, ":");
	if (buf_status(ret_input) < 0 || buf_status(ret_signature) < 0)
		return -ENOMEM;
	*ret = params;
	return 0;
}

/* The quoted value of `name` in a header, into out of exactly out_size with its NUL. */
static int read_quoted(const char *input, const char *name, char *out, size_t out_size)
{
	const char *at = strstr(input, name);

	if (!at)
		return -EINVAL;
	at += strlen(name);
	if (strlen(at) < out_size || at[out_size - 1] != '"')
		return -EINVAL;
	memcpy(out, at, out_size - 1);
	out[out_size - 1] = 0;
	return 0;
}

static int read_created(const char *input, uint64_t *ret)
{
	const char *at = strstr(input, ";created=");
	uint64_t value = 0;

	if (!at)
		return -EINVAL;
	at += strlen(";created=");
	for (int digits = 0; *at >= '0' && *at <= '9'; at++, digits++) {
		if (digits == 12)
			return -EINVAL;
		value = value * 10 + (uint64_t)(*at - '0');
	}
	*ret = value;
	return 0;
}

/* The values are read loosely, then written again: what is not the same to the byte is not of our form. */
static int parse_input(const struct http_sig_request *request, const char *input,
		       struct http_sig_params *params, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf again = BUF_INIT;
	uint8_t nonce[HTTP_SIG_NONCE_BYTES];

	if (read_created(input, &params->created_s) < 0 ||
	    read_quoted(input, ";nonce=\"", params->nonce, sizeof(params->nonce)) < 0 ||
	    read_quoted(input, ";keyid=\"", params->keyid, sizeof(params->keyid)) < 0)
		return hf_error_set(err, -EINVAL, "Signature-Input lacks created, nonce or keyid");
	if (wire_unhex(params->nonce, strlen(params->nonce), nonce, sizeof(nonce)) < 0 ||
	    wire_unhex(params->keyid, strlen(params->keyid), params->key, sizeof(params->key)) < 0)
		return hf_error_set(err, -EINVAL,
				    "nonce or keyid in Signature-Input is not lower-case hexadecimal");
	http_sig_input(request, params, &again);
	(void)buf_cstr(&again);
	if (buf_status(&again) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (strcmp((const char *)again.data, input) != 0)
		return hf_error_set(err, -EINVAL,
				    "Signature-Input does not cover what it must, in the form of "
				    "PROTOCOL.md §2");
	return 0;
}

static int parse_signature(const char *value, uint8_t ret[SIGNATURE_BYTES], struct hf_error *err)
{
	size_t len = strlen(value), label_len = strlen(label);

	if (len > HTTP_SIG_HEADER_BYTES_MAX || len < label_len + 2 || strncmp(value, label, label_len) != 0 ||
	    value[label_len] != ':' || value[len - 1] != ':' ||
	    wire_unbase64_exact(WIRE_BASE64, value + label_len + 1, len - label_len - 2, ret,
				SIGNATURE_BYTES) < 0)
		return hf_error_set(err, -EINVAL, "Signature is not holdfast=:…: with 64 bytes in base64");
	return 0;
}

int http_sig_parse(const struct http_sig_request *request, const char *input, const char *signature,
		   struct http_sig_params *ret, uint8_t ret_sig[SIGNATURE_BYTES], struct hf_error *err)
{
	struct http_sig_params params;
	int r;

	if (strlen(input) > HTTP_SIG_HEADER_BYTES_MAX)
		return hf_error_set(err, -EINVAL, "Signature-Input is longer than %d bytes",
				    HTTP_SIG_HEADER_BYTES_MAX);
	r = parse_input(request, input, &params, err);
	if (r == 0)
		r = parse_signature(signature, ret_sig, err);
	if (r < 0)
		return r;
	*ret = params;
	return 0;
}

int http_sig_check(const struct http_sig_request *request, const struct http_sig_params *params,
		   const uint8_t sig[SIGNATURE_BYTES])
{
	CLEANUP(buf_release) struct buf base = BUF_INIT;

	add_base(request, params, &base);
	if (buf_status(&base) < 0)
		return -ENOMEM;
	return signature_check(params->key, NULL, base.data, base.len, sig);
}

static const char digest_label[] = "sha-256=:";

void content_digest_make(const void *body, size_t len, struct buf *out)
{
	uint8_t hash[SHA256_BYTES];

	wire_sha256(body, len, hash);
	buf_add_text(out, "%s", digest_label);
	wire_base64(WIRE_BASE64, hash, sizeof(hash), out);
	buf_add_text(out, ":");
}

int content_digest_parse(const char *value, uint8_t ret[SHA256_BYTES])
{
	size_t len = strlen(value), label_len = strlen(digest_label);

	if (len > HTTP_SIG_HEADER_BYTES_MAX || len < label_len + 1 ||
	    strncmp(value, digest_label, label_len) != 0 || value[len - 1] != ':')
		return -EINVAL;
	return wire_unbase64_exact(WIRE_BASE64, value + label_len, len - label_len - 1, ret, SHA256_BYTES);
}
