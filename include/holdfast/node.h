/* SPDX-License-Identifier: MIT */
/*
 * The replica node: keeps other machines' logs, takes appends at the exact end and nothing else. Protocol:
 * docs/PROTOCOL.md.
 */
#ifndef HOLDFAST_NODE_H
#define HOLDFAST_NODE_H

#include "holdfast/error.h"
#include "holdfast/kit.h"

#ifdef __cplusplus
extern "C" {
#endif

struct hf_node;

/*
 * Make a node's folder: its identity key, its TLS certificate, where it listens ("127.0.0.1:7443",
 * "[::]:7443", port 0: any).
 */
int hf_node_init(const char *dir, const char *listen, struct hf_error *err);

/*
 * A one-time invitation, malloc'ed, one line: for a new volume (volume_id NULL), or to let the owner of an
 * existing one in again. host (may be NULL: as it listens) is the name or address others reach this node by.
 * Works while the node is being served or not. Valid for valid_seconds (0: a day) on the node's clock.
 */
int hf_node_invite(const char *dir, const char *volume_id, const char *host, unsigned valid_seconds,
		   char **ret, struct hf_error *err);

/*
 * Serve on threads of its own; returns when it listens. -EBUSY: served already; -EADDRINUSE; -EUCLEAN: a
 * volume's log in dir is damaged.
 */
int hf_node_start(const char *dir, struct hf_node **ret, struct hf_error *err);
/* Where it really listens, as "https://127.0.0.1:43211". Borrowed. */
const char *hf_node_url(const struct hf_node *node);
void hf_node_stop(struct hf_node *node); /* finishes requests at hand; NULL is fine */

/* Log lines for a person (one a refusal, enrolment, start, stop); default: none. Set before hf_node_start. */
void hf_node_set_log(void (*fn)(void *arg, int priority /* as syslog(3) */, const char *line), void *arg);

#ifdef __cplusplus
}
#endif
#endif
