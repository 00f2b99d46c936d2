/* SPDX-License-Identifier: MIT */
/*
 * Requests to a bucket, signed, and what comes back (layer 4; PROTOCOL.md §11.1). One thread at a time uses a
 * struct s3, which keeps one connection.
 */
#ifndef STORE_REPLICA_S3_H
#define STORE_REPLICA_S3_H

#include "store/os/os.h"
#include "store/replica/s3_name.h"
#include "store/replica/s3_xml.h"

enum {
	S3_OBJECT_BYTES_MAX = 96 << 20,
	S3_TRIES = 4,
	S3_TRIES_RECOVERING = 8,
	S3_DATE_BYTES = 32,
};

struct s3;

struct s3_options {
	const struct os *os;
	const struct s3_place *place; /* copied */
	uint8_t volume_id[VOLUME_ID_BYTES];
	unsigned tries;                 /* of a request that a busy server or a lost connection spoils */
	bool (*interrupted)(void *arg); /* asked about once a second; may be NULL */
	void *arg;
};

MUST_USE int s3_open(const struct s3_options *o, struct s3 **ret, struct hf_error *err);
void s3_close(struct s3 *s); /* NULL is fine */
const struct s3_place *s3_place_of(const struct s3 *s);
struct s3_place *s3_place_for_change(struct s3 *s); /* what is found out about the server */
const char *s3_root(const struct s3 *s);            /* what every key begins with */
const char *s3_words(const struct s3 *s);           /* "s3://bucket/prefix", for messages */

struct s3_ask {
	const char *method; /* GET, HEAD, PUT, DELETE */
	const char *key;    /* "" for the bucket itself */
	const char *query;  /* as it is signed: names in order, each with =, encoded; "" or NULL for none */
	const void *body;   /* of a PUT */
	size_t len;
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	size_t answer_max;          /* a longer body is an error; 0: S3_XML_BYTES_MAX */
	uint32_t first_bytes;       /* of the object only so many from its start; 0: all */
};

struct s3_answer {
	long status;
	struct buf body;
	uint64_t bytes;  /* Content-Length, of a HEAD the object's */
	bool other_part; /* a range was asked for, and another given */
	char etag[80], version[S3_VERSION_BYTES], lock_mode[16], lock_until[64];
	char code[64], words[200]; /* of an error */
};
#define S3_ANSWER_INIT           \
	{                        \
		.body = BUF_INIT \
	}
void s3_answer_release(struct s3_answer *a);

/*
 * 0: the server has answered, whatever it says (a->status). Negative: it could not be asked: -ECONNREFUSED,
 * -ETIMEDOUT, -EHOSTUNREACH, -ECONNRESET, -EIO …; -ECANCELED; -EPROTO: not an answer that can be used;
 * -ENOMEM. Blocks, and tries again as the options say.
 */
MUST_USE int s3_ask(struct s3 *s, const struct s3_ask *q, struct s3_answer *a, struct hf_error *err);

/* An answer that is no success in peer.h's numbers, with words. */
int s3_refusal(const struct s3 *s, const struct s3_answer *a, const char *doing, struct hf_error *err);

/* The body of an object, or of one version ("" or NULL: the newest). -ENODATA: there is none. Appended to
 * out. */
MUST_USE int s3_get(struct s3 *s, const char *key, const char *version, uint32_t first_bytes, struct buf *out,
		    struct hf_error *err);
/* Of s3_get: the server answers, and does not give it. It may give others. */
bool s3_is_refused(int r);
/* Length of the newest version. -ENODATA: there is none. */
MUST_USE int s3_head(struct s3 *s, const char *key, struct s3_answer *ret, struct hf_error *err);
/*
 * Put an object, with lock and owner as the place says. over: also where there is one. 0: it is there;
 * -EEXIST: there is one (412). What else the server says is in *a when the result is -EPROTO or -EACCES.
 */
MUST_USE int s3_put(struct s3 *s, const char *key, const void *data, size_t len, bool over,
		    struct s3_answer *a, struct hf_error *err);
/* A server that hides what is not there (403) without leave to list: -ENODATA for that as well, from now on.
 */
void s3_hides_missing(struct s3 *s, bool hides);
bool s3_hides(const struct s3 *s);
uint64_t s3_now_ns(const struct s3 *s);

/* Percent-encoded as signatures want it, appended. */
void s3_encode(const char *text, struct buf *out);
/* 2027-02-23T00:00:00Z */
void s3_date(uint64_t time_ns, char out[S3_DATE_BYTES]);

/* --- lists */

/* One object, or one version of it, whose key is of the form of §11.2. */
struct s3_object {
	struct s3_name name;
	uint32_t age; /* among the versions of its key: 0 is the newest */
	uint64_t bytes;
	char *version; /* malloc'ed; NULL: the newest, whichever that is */
};

struct s3_objects {
	struct s3_object *all; /* sorted by name, then the oldest first */
	size_t n, room;
	uint64_t markers; /* delete markers seen */
	uint64_t others;  /* keys below the root that are not of the form */
};
#define S3_OBJECTS_INIT          \
	{                        \
		NULL, 0, 0, 0, 0 \
	}
void s3_objects_release(struct s3_objects *o);

/*
 * All objects below the root (versions: all versions of them). -EACCES: these credentials may not;
 * *ret is empty unless 0.
 */
MUST_USE int s3_list(struct s3 *s, bool versions, struct s3_objects *ret, struct hf_error *err);

#endif
