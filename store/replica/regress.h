/* SPDX-License-Identifier: MIT */
/*
 * replicas/NAME.regressed (layer 4): this replica came back with less than its own receipts say that it had
 * (PROTOCOL.md §5). Kept until a person has acknowledged it.
 */
#ifndef STORE_REPLICA_REGRESS_H
#define STORE_REPLICA_REGRESS_H

#include "holdfast/error.h"
#include "store/os/os.h"
#include "store/base/cleanup.h"

struct regress {
	uint64_t count;    /* 0: none */
	uint64_t found_ns; /* wall clock, the last time */
	uint64_t had_tid;  /* acknowledged once, the highest of all times */
	uint64_t has_tid;  /* and what it came back with, the lowest */
};

/* One more. */
void regress_add(struct regress *r, uint64_t found_ns, uint64_t had_tid, uint64_t has_tid);

/* A store without the file, or one that cannot be read as one, has none: *ret is zeroed. */
void regress_read(const struct os *os, const char *store, const char *name, struct regress *ret);
/* Durable when 0 is returned. */
MUST_USE int regress_write(const struct os *os, const char *store, const char *name, const struct regress *r);
/* No such file is fine. */
MUST_USE int regress_remove(const struct os *os, const char *store, const char *name, struct hf_error *err);

#endif
