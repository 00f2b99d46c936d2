/* SPDX-License-Identifier: MIT */
/*
 * For tests of replication: a log with its keys in a store's folder, a node that is served in this process,
 * and the replicators between them.
 */
#ifndef TESTS_UNIT_REPLICA_HELPER_H
#define TESTS_UNIT_REPLICA_HELPER_H

#include "store/replica/replica.h"
#include "tests/unit/node_helper.h"

enum { BENCH_GROUP_BYTES = 3000, LONG_MS = 20000 };

struct bench {
	struct node_fixture node;
	struct log_fixture volume;
	char store[128]; /* the folder above the log */
	struct log *log;
	struct replica_set *set; /* stopped by bench_release, unless NULL */
	const uint8_t *id;
};

void bench_init(struct bench *b);
void bench_release(struct bench *b);

/* Where the node listens now, it listens again when it is started anew. */
void node_keep_port(struct node_fixture *n);
void bench_add_node(struct bench *b, const char *name);
void bench_start(struct bench *b);
/* For all replicas to have everything: what replica_set_wait says. */
int bench_wait(struct bench *b, unsigned timeout_ms, struct hf_error *err);
/* Soon there are n replicas, and each has everything. */
void bench_expect_current(struct bench *b, size_t n);
/* Of the only replica. */
enum hf_replica_state bench_state(struct bench *b, struct hf_replica_status *ret);
/* Wait for a state, for a bounded time. */
void bench_expect_state(struct bench *b, enum hf_replica_state want, struct hf_replica_status *ret);
/* The folder's segments are those of the log, to the byte. */
void bench_compare_copy(struct bench *b, const char *folder);

#endif
