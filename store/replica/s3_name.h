/* SPDX-License-Identifier: MIT */
/*
 * Keys of objects (layer 4; PROTOCOL.md §11.2). Pure.
 */
#ifndef STORE_REPLICA_S3_NAME_H
#define STORE_REPLICA_S3_NAME_H

#include "store/log/log.h"
#include "store/replica/s3_place.h"

enum {
	S3_PRINT_BYTES = 8,
	S3_KEY_BYTES = 320, /* any key of ours and NUL */
};

struct s3_name {
	uint32_t epoch;
	uint8_t print[S3_PRINT_BYTES]; /* of the epoch's certificate */
	struct log_pos at;
};

/* Order of the keys: epoch, print, place. */
int s3_name_compare(const struct s3_name *a, const struct s3_name *b);
bool s3_name_same_folder(const struct s3_name *a, const struct s3_name *b);

/* The folder's part of the name, from its certificate. -ENOMEM. */
MUST_USE int s3_name_of_cert(const struct epoch_cert *cert, struct s3_name *ret);

/* "[PREFIX/]ID/", terminated: returns its length. */
size_t s3_name_root(const struct s3_place *p, const uint8_t volume_id[VOLUME_ID_BYTES],
		    char out[S3_KEY_BYTES]);
void s3_name_key(const char *root, const struct s3_name *name, char out[S3_KEY_BYTES]);
/* What stands behind the root. -EINVAL: not a key of ours. */
MUST_USE int s3_name_read(const char *rest, struct s3_name *ret);

#endif
