/* SPDX-License-Identifier: MIT */
/*
 * What a node that is served has been asked, and what it answered, counted (layer 4; holdfast/metrics.h). Any
 * thread may count at any time.
 */
#ifndef STORE_NODE_COUNTS_H
#define STORE_NODE_COUNTS_H

#include "store/base/meter.h"

struct counts {
	struct meter requests[HF_NODE_REQUESTS];
	_Atomic uint64_t rejections[HF_NODE_REASONS];
	_Atomic uint64_t receipts, received_bytes, sent_bytes;
};

void counts_init(struct counts *c);
void counts_rejection(struct counts *c, const char *code); /* of PROTOCOL.md §7 */
void counts_read(const struct counts *c, struct hf_node_metrics *ret);

#endif
