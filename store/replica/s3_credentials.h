/* SPDX-License-Identifier: MIT */
/*
 * A bucket's credentials (layer 4; PROTOCOL.md §11.1): from the environment or a file of the usual form, and
 * kept with a store in a file of its own.
 */
#ifndef STORE_REPLICA_S3_CREDENTIALS_H
#define STORE_REPLICA_S3_CREDENTIALS_H

#include "holdfast/replica.h"
#include "store/os/os.h"
#include "store/replica/s3_place.h"

/*
 * Those given, or NULL: those of the environment, AWS_ACCESS_KEY_ID and so on, else
 * AWS_SHARED_CREDENTIALS_FILE. -ENOKEY: neither; else as below.
 */
MUST_USE int s3_credentials_find(const struct os *os, const struct hf_credentials *given,
				 struct s3_credentials *ret, struct hf_error *err);

/* -ENOENT; -EACCES: other users may read it; -EUCLEAN: not of the form. */
MUST_USE int s3_credentials_read(const struct os *os, const char *path, struct s3_credentials *ret,
				 struct hf_error *err);

/* Durable, mode 0600. */
MUST_USE int s3_credentials_write(const struct os *os, const char *path, const struct s3_credentials *c,
				  struct hf_error *err);

#endif
