/* SPDX-License-Identifier: MIT */
/*
 * A bucket as a peer (layer 4; private to s3_…; PROTOCOL.md §11.4). The writer's side: s3_bucket.c puts and
 * answers, s3_survey.c finds out where the bucket is.
 *
 * Invariants
 *  1. Everything up to `end` was seen to be in the bucket, in objects that end at commits of our log.
 *  2. An object is put only behind `end`: what is further on is there already, or was put by nobody of ours.
 */
#ifndef STORE_REPLICA_S3_BUCKET_H
#define STORE_REPLICA_S3_BUCKET_H

#include "store/replica/peer.h"
#include "store/replica/s3.h"
#include "store/replica/shelf.h"

enum {
	S3_PACE_BYTES = 4 << 20, /* so much is put without waiting for more */
	S3_FOREIGN_FOLDERS_MAX = 64,
};

struct bucket {
	struct peer peer;
	const struct os *os;
	const struct log *log; /* NULL: no writer's */
	char *log_dir;         /* likewise */
	uint8_t volume_id[VOLUME_ID_BYTES];
	struct s3 *s3;

	bool surveyed;
	struct log_pos end; /* segment 0: nothing is there */
	bool has_last;
	struct log_pos last; /* where the last object begins */
	uint64_t last_bytes;
	struct log_pos before_last; /* `end` without it; offset 0: it is the first that was looked for */
	bool last_seen;             /* it was put by us, or read back */
	char last_etag[80];
	struct log_pos rejected;    /* where bytes lie that are nobody's */
	struct log_pos asked_again; /* where a put last found an object of ours that was not known */

	struct s3_objects objects; /* what was listed, as long as there is some of it behind `end` */
	size_t next;               /* the first of them that may be */
	struct s3_name folder;     /* that of segment folder_of */
	uint32_t folder_of;
	bool newest_only; /* the list is not of all versions */
	uint64_t put_ns;  /* monotonic: the last put; 0: none */
};

/* Name of the object of our log that begins at `at`. */
MUST_USE int s3_survey_name(struct bucket *b, struct log_pos at, struct s3_name *ret, struct hf_error *err);
/* Find `end`, anew or from what is known. -EEXIST: the bucket has another history. */
MUST_USE int s3_survey(struct bucket *b, struct hf_error *err);
/* Go on over objects that were listed and lie behind `end`, after it has moved. */
MUST_USE int s3_survey_on(struct bucket *b, struct hf_error *err);
/* Where the next listed object behind `at` begins in its segment, if at a commit of ours; 0: there is none.
 */
uint32_t s3_survey_next_listed(struct bucket *b, struct log_pos at);
/*
 * Other bytes than ours are in the object at `at`. 0: nobody signed them. -EEXIST: they are of another
 * history of this volume, with words.
 */
MUST_USE int s3_survey_judge(struct bucket *b, struct log_pos at, const struct buf *there,
			     struct hf_error *err);
/* 1 when a commit or header of our durable log ends there; 0; negative. */
MUST_USE int s3_survey_ends_at(struct bucket *b, struct log_pos end, struct hf_error *err);
/*
 * Is there a folder in the list of a later epoch than this certificate's, or the same one's with a later
 * certificate, that the owner signed? 0: no; -EKEYREJECTED: yes.
 */
MUST_USE int s3_survey_epochs(struct s3 *s, const uint8_t volume_id[VOLUME_ID_BYTES],
			      const struct s3_objects *objects, const struct epoch_cert *own,
			      struct hf_error *err);

/* The header that an object begins with, if the owner signed it for this epoch. 0, -ENODATA, or as s3_get. */
MUST_USE int s3_survey_header(struct s3 *s, const uint8_t volume_id[VOLUME_ID_BYTES],
			      const struct s3_object *object, struct segment_header *ret,
			      struct hf_error *err);

/* s3_fetch.c */
int s3_fetch(struct peer *p, struct shelf *shelf, const struct hf_progress *progress,
	     struct peer_fetched *ret, struct hf_error *err);
int s3_fetch_position(struct bucket *b, struct receipt *ret, struct hf_error *err);
/* All versions of all objects into b->objects; only the newest, when these credentials may see no others. */
MUST_USE int s3_fetch_list(struct bucket *b, struct hf_error *err);

/* s3_mend.c */
int s3_offer(struct peer *p, struct log_pos at, mend_take_fn *take, void *arg, struct hf_error *err);
int s3_compare(struct peer *p, const struct peer_compare *with, struct hf_error *err);

#endif
