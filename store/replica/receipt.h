/* SPDX-License-Identifier: MIT */
/*
 * Receipts (layer 4; PROTOCOL.md §5): what a node says it has on its disk, signed with its receipt key. Pure.
 */
#ifndef STORE_REPLICA_RECEIPT_H
#define STORE_REPLICA_RECEIPT_H

#include "store/log/log.h"
#include "store/replica/http_sig.h"

enum { RECEIPT_BYTES_MAX = 4096 - 32 }; /* with its domain within SIGNED_BYTES_MAX */

struct receipt {
	uint8_t node[PUBLIC_KEY_BYTES];
	uint8_t volume_id[VOLUME_ID_BYTES];
	char nonce[HTTP_SIG_NONCE_TEXT_BYTES]; /* of the request that it answers */
	struct log_point point;                /* end.segment 0: nothing yet */
	uint32_t enrolled_epoch;
	uint64_t node_time_ns;
};

/* The JSON text, and the signature over it in base64. Appended; -ENOMEM. */
MUST_USE int receipt_make(const struct receipt *r, const struct signer *key, struct buf *ret_text,
			  struct buf *ret_signature);

/*
 * Read a receipt and check that the node of this key signed it. -EKEYREJECTED: it did not; -EBADMSG: signed,
 * but not of the form; -ENOMEM.
 */
MUST_USE int receipt_read(const void *text, size_t len, const char *signature,
			  const uint8_t node[PUBLIC_KEY_BYTES], struct receipt *ret, struct hf_error *err);

#endif
