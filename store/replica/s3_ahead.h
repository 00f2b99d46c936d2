/* SPDX-License-Identifier: MIT */
/*
 * Objects fetched by several threads before they are asked for (layer 4; private to s3_fetch). In the order
 * of a plan; at most S3_AHEAD_OBJECTS of them, or S3_AHEAD_BYTES, are under way or waiting to be taken.
 */
#ifndef STORE_REPLICA_S3_AHEAD_H
#define STORE_REPLICA_S3_AHEAD_H

#include "store/replica/s3.h"

enum { S3_AHEAD_OBJECTS = 8, S3_AHEAD_THREADS = 4, S3_AHEAD_BYTES = 96 << 20 };

struct s3_ahead;

/* plan: pointers into one array, rising, n of them; borrowed until s3_ahead_free, as is what they point at.
 */
MUST_USE int s3_ahead_start(const struct s3_options *o, const struct s3_object *const *plan, size_t n,
			    struct s3_ahead **ret, struct hf_error *err);
void s3_ahead_free(struct s3_ahead *a); /* joins; NULL is fine */

/*
 * The bytes of an object of the plan, into out (empty). What stands before it in the plan is not wanted any
 * more. 0; -ENOENT: it is not in the plan, or was passed; else as s3_get.
 */
MUST_USE int s3_ahead_take(struct s3_ahead *a, const struct s3_object *object, struct buf *out,
			   struct hf_error *err);

#endif
