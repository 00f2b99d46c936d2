/* SPDX-License-Identifier: MIT */
/*
 * What nobody reports when it goes wrong (layer 4): a volume that has gone silent, for whatever reason, and a
 * disk that is filling up. A thread looks once a minute and tells the operator; each thing at most once a
 * day.
 */
#ifndef STORE_NODE_WATCH_H
#define STORE_NODE_WATCH_H

#include "store/node/volumes.h"

enum { WATCH_SILENT_HOURS = 24, WATCH_FREE_PERCENT = 10 };

struct watch;

/* Borrows volumes and dir until watch_stop. -ENOMEM, -EAGAIN. */
MUST_USE int watch_start(const struct os *os, const char *dir, struct volumes *volumes, struct watch **ret,
			 struct hf_error *err);
void watch_stop(struct watch *w); /* NULL is fine */

/* One look, as the thread takes it, at this monotonic time. */
void watch_look(struct watch *w, uint64_t now_ns);

#endif
