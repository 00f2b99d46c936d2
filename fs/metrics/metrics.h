/* SPDX-License-Identifier: MIT */
/*
 * Metrics for Prometheus (between layers 5 and 6): of the mount of this process, or of a node that it serves,
 * on a port of this machine, at /metrics. docs/METRICS.md has them all.
 */
#ifndef FS_METRICS_METRICS_H
#define FS_METRICS_METRICS_H

#include <stdbool.h>
#include <stddef.h>

#include "holdfast/node.h"
#include "holdfast/store.h"

struct metrics;

/* Whether that can be listened at, by its form alone: "PORT", "ADDR:PORT", "[ADDR]:PORT". 0, or -EINVAL. */
int metrics_check(const char *listen_at, struct hf_error *err);

/*
 * Serve until metrics_stop, which comes before the store is closed, or the node stopped. mounted_on and dir
 * are borrowed until then. -EINVAL; -EADDRINUSE, -EACCES …
 */
int metrics_of_mount(const char *listen_at, struct hf_store *store, const char *mounted_on,
		     struct metrics **ret, struct hf_error *err);
int metrics_of_node(const char *listen_at, struct hf_node *node, const char *dir, struct metrics **ret,
		    struct hf_error *err);
const char *metrics_address(const struct metrics *m); /* "127.0.0.1:9480"; borrowed. NULL is "" */
bool metrics_are_reachable(const struct metrics *m);  /* by others than this machine; NULL: no */
void metrics_stop(struct metrics *m);                 /* NULL is fine */

/* The texts, malloc'ed; NULL without memory. */
char *metrics_mount_text(struct hf_store *store, const char *mounted_on, size_t *ret_len);
char *metrics_node_text(struct hf_node *node, const char *dir, size_t *ret_len);

#endif
