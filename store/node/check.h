/* SPDX-License-Identifier: MIT */
/* hf_node_check with more to ask (layer 4). */
#ifndef STORE_NODE_CHECK_H
#define STORE_NODE_CHECK_H

#include "holdfast/node.h"
#include "store/crypto/crypto.h"
#include "store/os/os.h"

struct node_checking {
	void (*found)(void *arg, const char *what); /* may be NULL */
	void *arg;
	const struct hf_progress *progress;
	bool locked; /* the caller has the node's lock */
	/* When a volume has been gone through: numbers of its damaged segments (uint32_t), in no order. May
	 * be NULL. */
	int (*volume)(void *arg, const uint8_t id[VOLUME_ID_BYTES], const char *dir, const struct buf *bad,
		      struct hf_error *err);
	void *volume_arg;
};

/* -ENOENT: not a node's folder. */
MUST_USE int node_check_setup(const char *dir, struct hf_error *err);
MUST_USE long node_check_all(const char *dir, const char *volume_id, const struct node_checking *c,
			     struct hf_node_check_summary *ret, struct hf_error *err);

#endif
