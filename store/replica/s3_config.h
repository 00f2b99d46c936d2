/* SPDX-License-Identifier: MIT */
/*
 * What replicas/NAME.json says of a bucket, and replicas/NAME.credentials beside it (layer 4; private to
 * config).
 */
#ifndef STORE_REPLICA_S3_CONFIG_H
#define STORE_REPLICA_S3_CONFIG_H

#include "store/os/os.h"
#include "store/replica/json.h"
#include "store/replica/place.h"

/* The fields into p. -EUCLEAN, -ENOMEM; p is released by the caller either way. */
MUST_USE int s3_config_read(const json_t *o, struct place *p);
json_t *s3_config_json(const struct s3_place *p); /* NULL for memory */

MUST_USE int s3_config_credentials(const struct os *os, const char *store, const char *name,
				   struct s3_place *p, struct hf_error *err);
MUST_USE int s3_config_keep_credentials(const struct os *os, const char *store, const char *name,
					const struct s3_place *p, struct hf_error *err);

#endif
