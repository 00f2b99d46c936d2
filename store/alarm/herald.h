/* SPDX-License-Identifier: MIT */
/* The thread that carries alarms to the operator's hook and webhook (layer 4; PROTOCOL.md §9). */
#ifndef STORE_ALARM_HERALD_H
#define STORE_ALARM_HERALD_H

#include "store/alarm/alarms.h"

struct herald;

struct herald_options {
	struct alarms *alarms; /* borrowed until herald_stop */
	const char *origin;    /* "node", "store": whose alarms they are. Static */
	const char *name;      /* its name; as hook and url copied */
	const char *hook;      /* "": none */
	const char *url;       /* "": none */
};

/* -ENOMEM, -EAGAIN. */
MUST_USE int herald_start(const struct herald_options *o, struct herald **ret, struct hf_error *err);
/* From the next delivery on these are told. -ENOMEM: then it is as before. */
MUST_USE int herald_tell(struct herald *h, const char *hook, const char *url);
/* Also in the middle of a delivery, which is then made at the next start. NULL is fine. */
void herald_stop(struct herald *h);

#endif
