/* SPDX-License-Identifier: MIT */
/* The thread that carries alarms to the operator's hook and webhook (layer 4; PROTOCOL.md §9). */
#ifndef STORE_NODE_HERALD_H
#define STORE_NODE_HERALD_H

#include "store/node/alarms.h"

struct herald;

struct herald_options {
	struct alarms *alarms; /* borrowed until herald_stop */
	const char *node;      /* its name; as hook and url copied */
	const char *hook;      /* "": none */
	const char *url;       /* "": none */
};

/* -ENOMEM, -EAGAIN. */
MUST_USE int herald_start(const struct herald_options *o, struct herald **ret, struct hf_error *err);
/* Also in the middle of a delivery, which is then made at the next start. NULL is fine. */
void herald_stop(struct herald *h);

#endif
