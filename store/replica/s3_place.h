/* SPDX-License-Identifier: MIT */
/*
 * Where a bucket is, and what was chosen and found as it was added (layer 4; PROTOCOL.md §11.1). Pure.
 */
#ifndef STORE_REPLICA_S3_PLACE_H
#define STORE_REPLICA_S3_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "store/base/buf.h"

enum {
	S3_INTERVAL_S_MAX = 3600,
	S3_RETENTION_DAYS_MAX = 36500,
	S3_TOKEN_BYTES = 4096,
};

/* Secret: wiped with the place. access_key "": none yet. */
struct s3_credentials {
	char access_key[160], secret_key[256], token[S3_TOKEN_BYTES];
};

struct s3_place {
	char endpoint[264]; /* "https://host[:port]", nothing behind it */
	char bucket[64];
	char prefix[200]; /* "" or "a/b", no / at the ends */
	char region[40];
	char ca[256]; /* "" or an absolute path */
	bool host_style;
	uint32_t interval_s;

	/* not in the text: chosen and found when it was added */
	uint32_t retention_days; /* lock headers for so long; 0: the bucket's default does it */
	bool versions;           /* a newer version leaves the older ones */
	bool first_wins;         /* If-None-Match is honoured */
	bool owner_acl;          /* objects are to be the bucket owner's too */
	bool unlocked;           /* what is put there could be taken away, and it was taken all the same */

	struct s3_credentials credentials;
	char credentials_path[1024]; /* where they can be read again; "": nowhere */
};

bool s3_place_is(const char *text); /* begins with s3:// */
/* -EINVAL: the words say what is wrong; -ENOMEM. *ret: s3_place_free. */
MUST_USE int s3_place_parse(const char *text, struct s3_place **ret, struct hf_error *err);
void s3_place_free(struct s3_place *p); /* wipes the credentials; NULL is fine */
/* The text again, appended. */
void s3_place_text(const struct s3_place *p, struct buf *out);
/* Fields read from a file are as s3_place_parse would have them. */
bool s3_place_valid(const struct s3_place *p);

#endif
