/* SPDX-License-Identifier: MIT */
/* Adding and finding replicas, for a store that is at rest or open alike (layer 4). */
#ifndef STORE_REPLICA_ADD_H
#define STORE_REPLICA_ADD_H

#include "holdfast/replica.h"
#include "store/replica/config.h"

_Static_assert(CONFIG_NAME_BYTES == HF_REPLICA_NAME_BYTES, "as said in public");

/* Whose replicas they are. All is borrowed for the call. */
struct replica_home {
	const struct os *os;
	const char *path; /* the store's folder */
	const struct keyring *keys;
	const struct epoch_cert *cert; /* of the log's epoch */
};

/* As hf_replica_add_with says, for who may write in the store's folder. Requests to the node are made. */
MUST_USE int replica_add(const struct replica_home *home, const char *place,
			 const struct hf_replica_options *options, struct hf_error *err);

/* The name of the one that is meant (hf_replica_remove). -ENOENT, -ENOTUNIQ. */
MUST_USE int replica_find(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
			  const char *which, char ret_name[CONFIG_NAME_BYTES], struct hf_error *err);

/* -EINVAL: too low. */
MUST_USE int replica_write_limit(const struct os *os, const char *path, const char *name, uint64_t bytes_s,
				 struct hf_error *err);

#endif
