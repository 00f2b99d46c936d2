/* SPDX-License-Identifier: MIT */
/* How a volume on a node is, for all who say it (layer 4): status.c from the folder, node.c of one that is
 * served. */
#ifndef STORE_NODE_STATUS_H
#define STORE_NODE_STATUS_H

#include "store/node/volumes.h"

/* All of *ret but its bytes. */
void status_of_volume(const struct os *os, struct volume *v, uint64_t silent_after_ns,
		      struct hf_node_volume *ret);

#endif
