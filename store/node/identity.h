/* SPDX-License-Identifier: MIT */
/*
 * Who a node is (layer 4; PROTOCOL.md §1 and §8): its TLS certificate, whose key clients pin, and the key
 * that signs receipts.
 */
#ifndef STORE_NODE_IDENTITY_H
#define STORE_NODE_IDENTITY_H

#include "store/crypto/crypto.h"
#include "store/crypto/wire.h"
#include "store/os/os.h"

struct identity {
	struct buf cert_pem, key_pem; /* terminated */
	uint8_t pin[SHA256_BYTES];
	struct signer *receipt_key;
	char name[2 * PUBLIC_KEY_BYTES + 1];
};

/* Make DIR/keys (which must not exist) and what is in it, durably. */
MUST_USE int identity_make(const struct os *os, const char *dir, struct hf_error *err);
MUST_USE int identity_load(const struct os *os, const char *dir, struct identity *ret, struct hf_error *err);
void identity_release(struct identity *id); /* safe on a zeroed one */

#endif
