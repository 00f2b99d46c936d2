/* SPDX-License-Identifier: MIT */
#include "store/replica/receipt.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"

static const char domain[] = "holdfast receipt";

static void add_text(const struct receipt *r, struct buf *out)
{
	char node[2 * PUBLIC_KEY_BYTES + 1], volume[2 * VOLUME_ID_BYTES + 1], chain[2 * HASH_BYTES + 1];
	const struct log_point *p = &r->point;

	wire_hex(r->node, PUBLIC_KEY_BYTES, node);
	wire_hex(r->volume_id, VOLUME_ID_BYTES, volume);
	wire_hex(p->chain, HASH_BYTES, chain);
	buf_add_text(out, "{\"version\":1,\"node\":\"%s\",\"volume\":\"%s\",\"nonce\":\"%s\",", node, volume,
		     r->nonce);
	buf_add_text(out, "\"segment\":%" PRIu32 ",\"offset\":%" PRIu32 ",\"commit\":\"%" PRIu64 "\",",
		     p->end.segment, p->end.offset, p->commit);
	buf_add_text(out,
		     "\"tid\":\"%" PRIu64 "\",\"time_ns\":\"%" PRIu64 "\",\"epoch\":%" PRIu32
		     ",\"sealed\":%s,",
		     p->tid, p->time_ns, p->epoch, p->sealed ? "true" : "false");
	buf_add_text(out, "\"chain\":\"%s\",\"enrolled_epoch\":%" PRIu32 ",\"node_time_ns\":\"%" PRIu64 "\"}",
		     chain, r->enrolled_epoch, r->node_time_ns);
}

int receipt_make(const struct receipt *r, const struct signer *key, struct buf *ret_text,
		 struct buf *ret_signature)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	uint8_t sig[SIGNATURE_BYTES];

	add_text(r, &text);
	if (buf_status(&text) < 0)
		return -ENOMEM;
	signer_sign(key, domain, text.data, text.len, sig);
	buf_add(ret_text, text.data, text.len);
	wire_base64(WIRE_BASE64, sig, sizeof(sig), ret_signature);
	return buf_status(ret_text) < 0 || buf_status(ret_signature) < 0 ? -ENOMEM : 0;
}

static int read_fields(const json_t *o, struct receipt *r)
{
	struct log_point *p = &r->point;
	uint32_t version;
	int bad = 0;

	bad |= json_get_u32(o, "version", &version);
	bad |= json_get_hex(o, "node", r->node, sizeof(r->node));
	bad |= json_get_hex(o, "volume", r->volume_id, sizeof(r->volume_id));
	bad |= json_get_text(o, "nonce", r->nonce, sizeof(r->nonce));
	bad |= json_get_u32(o, "segment", &p->end.segment);
	bad |= json_get_u32(o, "offset", &p->end.offset);
	bad |= json_get_u64(o, "commit", &p->commit);
	bad |= json_get_u64(o, "tid", &p->tid);
	bad |= json_get_u64(o, "time_ns", &p->time_ns);
	bad |= json_get_u32(o, "epoch", &p->epoch);
	bad |= json_get_bool(o, "sealed", &p->sealed);
	bad |= json_get_hex(o, "chain", p->chain, sizeof(p->chain));
	bad |= json_get_u32(o, "enrolled_epoch", &r->enrolled_epoch);
	bad |= json_get_u64(o, "node_time_ns", &r->node_time_ns);
	if (bad || version != 1)
		return -EBADMSG;
	if (p->end.segment == 0 ? p->end.offset != 0 :
				  p->end.offset < SEGMENT_HEADER_BYTES || p->end.offset > SEGMENT_BYTES_MAX)
		return -EBADMSG;
	return 0;
}

int receipt_read(const void *text, size_t len, const char *signature, const uint8_t node[PUBLIC_KEY_BYTES],
		 struct receipt *ret, struct hf_error *err)
{
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint8_t sig[SIGNATURE_BYTES];
	struct receipt r;

	if (len > RECEIPT_BYTES_MAX ||
	    wire_unbase64_exact(WIRE_BASE64, signature, strlen(signature), sig, sizeof(sig)) < 0 ||
	    signature_check(node, domain, text, len, sig) < 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "the receipt is not signed with the node's receipt key");
	memset(&r, 0, sizeof(r));
	o = json_read(text, len);
	if (!o || read_fields(o, &r) < 0 || memcmp(r.node, node, PUBLIC_KEY_BYTES) != 0)
		return hf_error_set(err, -EBADMSG,
				    "the receipt is signed, but not of the form this build knows");
	*ret = r;
	return 0;
}
