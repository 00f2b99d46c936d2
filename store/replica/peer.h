/* SPDX-License-Identifier: MIT */
/*
 * The other end: a node, a bucket or a directory, asked in the same words (layer 4). One thread at a time
 * uses a peer.
 *
 * Errors have one meaning whatever the peer is:
 *   -ERANGE        the bytes do not begin at its end: ask the position again
 *   -EEXIST        it has other bytes there: the logs have diverged
 *   -EKEYREJECTED  it is not the node that was pinned, or it does not take our key (epoch over, forged)
 *   -EACCES        invitation unknown, used, expired, or for another volume; or not allowed to this key
 *   -ENOENT        it has no such volume (position), or no such segment (read)
 *   -EUCLEAN       it says that our bytes do not verify, or that its own do not
 *   -EPROTONOSUPPORT  it speaks or stores a version that one of us does not know
 *   -ENOSPC        it has no room
 *   -EBUSY         it has too much to do just now
 *   -ECANCELED     interrupted by the owner of the peer
 *   -EPROTO        it answers what no node answers
 *   -EINVAL        it does not know this form of request
 *   others         it cannot be reached: ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETDOWN, EIO …
 */
#ifndef STORE_REPLICA_PEER_H
#define STORE_REPLICA_PEER_H

#include "holdfast/replica.h"
#include "store/replica/mend.h"
#include "store/replica/about.h"
#include "store/replica/place.h"
#include "store/replica/receipt.h"

struct peer;
struct shelf;

/* What a fetch met beside the log. */
struct peer_fetched {
	uint64_t behind;  /* objects behind the end that nothing leads to */
	bool newest_only; /* it may not see older versions */
};

/* What a rehearsal tries, to be refused (drill.h). */
struct peer_attempt {
	const char *method;
	struct log_pos at; /* segment 0: the volume itself */
	const void *body;  /* NULL: none */
	size_t len;
};

/* What each object of a bucket is held against. */
struct peer_compare {
	const char *log_dir; /* verified */
	struct log_pos end;  /* of it; of one at rest the offset is UINT32_MAX */
	bool heal;           /* put the right one over one that is damaged */
	void (*found)(void *arg, const char *what);
	void (*healed)(void *arg, const char *what);
	void *arg;
	uint64_t *bytes; /* counted */
};

struct peer_ops {
	int (*enrol)(struct peer *p, const struct epoch_cert *cert, const struct place *invitation,
		     struct receipt *ret, struct hf_error *err);
	int (*position)(struct peer *p, struct receipt *ret, struct hf_error *err);
	int (*append)(struct peer *p, struct log_pos at, const void *data, size_t len, struct receipt *ret,
		      struct hf_error *err);
	/* One of the two: bytes as they are asked for, or all that verifies. */
	ssize_t (*read)(struct peer *p, struct log_pos at, size_t max, struct buf *out, struct hf_error *err);
	/* NULL: nothing is ever pruned there */
	int (*prunes)(struct peer *p, uint32_t **ret, size_t *ret_n, struct hf_error *err);
	int (*prune_list)(struct peer *p, uint32_t number, struct buf *out, struct hf_error *err);
	int (*know)(struct peer *p, const void *list, size_t len, struct hf_error *err);
	int (*fetch)(struct peer *p, struct shelf *shelf, const struct hf_progress *progress,
		     struct peer_fetched *ret, struct hf_error *err);
	unsigned (*pace_ms)(struct peer *p, size_t len); /* NULL: at once */
	/* NULL: it is not asked by requests that could be made up */
	int (*attempt)(struct peer *p, const struct peer_attempt *a, long *ret_status, struct hf_error *err);
	/* Of one that fetches. */
	int (*offer)(struct peer *p, struct log_pos at, mend_take_fn *take, void *arg, struct hf_error *err);
	int (*compare)(struct peer *p, const struct peer_compare *with, struct hf_error *err);
	void (*free)(struct peer *p);
};

struct peer {
	const struct peer_ops *ops;
	bool says_own; /* peer_say_own was called */
	uint64_t own_tid, own_commit;
	struct about about; /* what it told of itself with its last position; software "": nothing */
	uint64_t flow_max;  /* an append's bytes go out no faster, in bytes a second; 0: no limit */
};

struct peer_options {
	const struct os *os;
	const struct place *place; /* borrowed for the call */
	uint8_t volume_id[VOLUME_ID_BYTES];
	struct http_signer signer; /* its key is borrowed until peer_free */
	/* The store's own log, borrowed until peer_free; NULL in a recovery and while one is added. A bucket
	 * finds its place by it. */
	const struct log *log;
	const char *log_dir;
	bool writable;                  /* directory: will be enrolled with or appended to */
	bool (*interrupted)(void *arg); /* asked about once a second during requests; may be NULL */
	void *arg;
};

/* Nothing is asked of it yet. -ENOMEM. */
MUST_USE int peer_open(const struct peer_options *o, struct peer **ret, struct hf_error *err);
void peer_free(struct peer *p); /* NULL is fine */

/*
 * Begin the epoch of this certificate, or the volume, at the peer. invitation: its token is used; NULL: none.
 * A directory is made; of certificates it knows nothing.
 */
MUST_USE int peer_enrol(struct peer *p, const struct epoch_cert *cert, const struct place *invitation,
			struct receipt *ret, struct hf_error *err);
/* How far the log here is, to be said with every position that is asked from now on (PROTOCOL.md §3.3). */
void peer_say_own(struct peer *p, const struct log_point *own);
MUST_USE int peer_position(struct peer *p, struct receipt *ret, struct hf_error *err);
/* 0: everything up to ret->point is on the peer's disk. */
MUST_USE int peer_append(struct peer *p, struct log_pos at, const void *data, size_t len, struct receipt *ret,
			 struct hf_error *err);
/* How long an append of so many bytes should wait for more to come. 0: not at all. */
unsigned peer_pace_ms(struct peer *p, size_t len);
/* Up to max bytes from `at` on, appended to out; returns how many, 0 at or behind the segment's end. */
MUST_USE ssize_t peer_read(struct peer *p, struct log_pos at, size_t max, struct buf *out,
			   struct hf_error *err);

/*
 * Numbers of the prune lists (FORMAT.md §15) that the peer has for the volume, malloc'ed; one of them,
 * appended. They prove themselves by their signature.
 */
MUST_USE int peer_prunes(struct peer *p, uint32_t **ret, size_t *ret_n, struct hf_error *err);
MUST_USE int peer_prune_list(struct peer *p, uint32_t number, struct buf *out, struct hf_error *err);

/*
 * Let it know a prune list that is not for it, so that it takes appends which lack what that names. Fine when
 * it knows it already. A node of an earlier build, which does not take such appends, is not told.
 * -EPROTONOSUPPORT: it is of a kind that keeps none (an object store), and a recovery from it would not know
 * what may be missing.
 */
MUST_USE int peer_know(struct peer *p, const void *list, size_t len, struct hf_error *err);

/*
 * A peer that is not read from place to place (peer_fetches): append to the shelf everything that verifies
 * and follows. Errors as fetch_log's.
 */
bool peer_fetches(const struct peer *p);
MUST_USE int peer_fetch(struct peer *p, struct shelf *shelf, const struct hf_progress *progress,
			struct peer_fetched *ret, struct hf_error *err);

/*
 * Ask a node for what it must refuse, by a request that is signed like any other. 0: it answered, with the
 * HTTP status *ret_status; negative: it did not. -EOPNOTSUPP: not a node.
 */
MUST_USE int peer_attempt(struct peer *p, const struct peer_attempt *a, long *ret_status,
			  struct hf_error *err);

/*
 * The same kind, asked for single pieces: what it has from `at` on is handed to `take`, one object after the
 * other, until it returns 1 (struct mend). And all that it has of this log, looked at; 0: however much was
 * found.
 */
MUST_USE int peer_offer(struct peer *p, struct log_pos at, mend_take_fn *take, void *arg,
			struct hf_error *err);
MUST_USE int peer_compare(struct peer *p, const struct peer_compare *with, struct hf_error *err);

/* The three kinds. */
MUST_USE int remote_open(const struct peer_options *o, struct peer **ret, struct hf_error *err);
MUST_USE int directory_open(const struct peer_options *o, struct peer **ret, struct hf_error *err);
MUST_USE int bucket_open(const struct peer_options *o, struct peer **ret, struct hf_error *err);

/*
 * The folder of the volume in a directory replica: PATH/ID; or, with `itself`, PATH when that has a folder
 * named log. -EKEYREJECTED: it holds other volumes only; -ENOENT: none. Into out (empty), terminated.
 */
MUST_USE int directory_find(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
			    bool itself, struct buf *out, struct hf_error *err);

#endif
