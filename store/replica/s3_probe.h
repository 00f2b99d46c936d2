/* SPDX-License-Identifier: MIT */
/*
 * What a bucket really enforces, found out by trying (layer 4; PROTOCOL.md §11.7). Leaves two or three
 * objects of 64 bytes behind.
 */
#ifndef STORE_REPLICA_S3_PROBE_H
#define STORE_REPLICA_S3_PROBE_H

#include "holdfast/replica.h"
#include "store/replica/s3.h"

/*
 * Tries, tells o->found, and sets in place what was found and chosen (retention_days, versions, first_wins,
 * owner_acl, unlocked). place has its credentials. -EPERM: what is put there could be taken away, and
 * o->without_lock is not set; -EINVAL: the retention asked for is shorter than the bucket's own; others: it
 * cannot be used at all.
 */
MUST_USE int s3_probe(const struct os *os, const uint8_t volume_id[VOLUME_ID_BYTES], struct s3_place *place,
		      const struct hf_replica_options *o, struct hf_error *err);

#endif
