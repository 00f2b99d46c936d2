/* SPDX-License-Identifier: MIT */
/*
 * One JSON text, posted to whoever wants to be told (layer 4; PROTOCOL.md §9).
 */
#ifndef STORE_REPLICA_POST_H
#define STORE_REPLICA_POST_H

#include <stdbool.h>

#include "holdfast/error.h"
#include "store/base/buf.h"

/*
 * POST to an http or https URL, whose certificate must be good by the system's authorities. 0: answered 2xx
 * within limit_s. -ECANCELED: interrupted (asked about once a second) said so; -EPROTO: another answer;
 * -ENOMEM; -EIO: everything else. The words do not name the URL. Blocks.
 */
MUST_USE int post_json(const char *url, const struct buf *text, unsigned limit_s,
		       bool (*interrupted)(void *arg), void *arg, struct hf_error *err);

#endif
