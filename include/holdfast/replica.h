/* SPDX-License-Identifier: MIT */
/*
 * Replicas of a store: where its log is shipped, how far each has got, and recovery from one. Protocol:
 * docs/PROTOCOL.md.
 *
 * A place is written as an invitation ("holdfast-invite:…", printed by a node), a node's URL
 * ("https://HOST:PORT/…#PIN", printed by status), a bucket ("s3://BUCKET/PREFIX?endpoint=…&region=…"), or a
 * directory's path. A bucket's credentials, unless they are given, are taken from the environment:
 * AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the file named by
 * AWS_SHARED_CREDENTIALS_FILE.
 */
#ifndef HOLDFAST_REPLICA_H
#define HOLDFAST_REPLICA_H

#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hf_replica_state {
	HF_REPLICA_CONNECTING,  /* position not known yet */
	HF_REPLICA_CATCHING_UP, /* behind, and getting data */
	HF_REPLICA_CURRENT,     /* everything durable is acknowledged */
	/* it came back with less than it had acknowledged, and is getting that again; `error` has the words
	 */
	HF_REPLICA_REGRESSED,
	HF_REPLICA_UNREACHABLE, /* tried again now and then; `error` says why */
	HF_REPLICA_AT_REST,     /* not shipped to now (HF_OPEN_NO_REPLICATION): what its last receipt says */
	/* the replica refuses this log (diverged, epoch over, forged): a person must look */
	HF_REPLICA_REFUSED,
	HF_REPLICA_FULL, /* it has no room for more; `error` says of what. Tried again now and then */
};
const char *hf_replica_state_name(enum hf_replica_state state); /* "current" … */

/* Why a replica did not do what it was asked. */
enum hf_replica_failure {
	HF_REPLICA_WAS_UNREACHABLE,
	HF_REPLICA_HAS_REFUSED,
	HF_REPLICA_WAS_FULL,
	HF_REPLICA_FAILURES,
};

struct hf_replica_status {
	char name[64];
	char url[512];
	enum hf_replica_state state;
	uint64_t acked_tid;     /* last operation in its newest receipt, 0: none yet */
	uint64_t acked_time_ns; /* that operation's time */
	double lag_seconds;     /* age of the oldest durable operation it has not acknowledged; 0: none */
	uint64_t lag_bytes;     /* durable log bytes it has not acknowledged */
	char error[HF_ERROR_TEXT_BYTES]; /* last failure, "" when all is well */
	uint64_t failing_since_ns; /* it has taken nothing since, though asked; 0: it takes what it is sent */
	uint64_t limit_bytes_s;    /* bytes a second that it is sent; 0: no limit */
	/* When it was found to have less than its receipts say; 0: never, or a person has acknowledged it. */
	uint64_t regressed_ns;
	uint64_t regressed_from_tid, regressed_to_tid; /* last operation it had, and came back with */
	/* Counted since the store was opened, or the replica added to it: */
	uint64_t receipts;
	uint64_t sent_bytes; /* of the log, that it has taken */
	uint64_t failures[HF_REPLICA_FAILURES];
	uint64_t reconnects;      /* a receipt came after a failure */
	uint64_t last_receipt_ns; /* when the newest came, on this machine's clock; 0: none has */
};

/* Of an open store: n as many as there are, at most max into ret. */
size_t hf_store_replicas(struct hf_store *store, struct hf_replica_status *ret, size_t max);

/* What became of fsyncs that wait for receipts (hf_open_options.sync_receipts). */
struct hf_sync_status {
	unsigned needed;                /* receipts; 0: they do not wait */
	uint64_t failed;                /* how many did not get them in time */
	uint64_t failed_ns;             /* when the last of these failed */
	char text[HF_ERROR_TEXT_BYTES]; /* why it did; "" when a later one succeeded */
};
void hf_store_sync_status(struct hf_store *store, struct hf_sync_status *ret);

/* --- adding, removing, changing: hf_replica_… of the store at `path`, which must not be open elsewhere
 * (-EBUSY); hf_store_replica_… of one that is open here, where it takes effect at once. -EROFS: read only. */

#define HF_REPLICA_NAME_BYTES 64 /* with NUL */
#define HF_REPLICA_LIMIT_MIN 16384

/* A bucket's: key and secret, or a file that has them. "" or NULL: not given. */
struct hf_credentials {
	const char *access_key, *secret_key, *token;
	const char *file;
};

/* What was found out about a replica as it was added. */
enum hf_finding {
	HF_FINDING_GOOD,
	HF_FINDING_NOTE,    /* good to know */
	HF_FINDING_WARNING, /* ought to be mended */
	HF_FINDING_DANGER,  /* by this, what is there could be lost */
};

/* Zeroed: the defaults. */
struct hf_replica_options {
	const char *name;               /* NULL: one is made up from the place */
	uint64_t limit_bytes_s;         /* 0: none; at least HF_REPLICA_LIMIT_MIN */
	bool (*interrupted)(void *arg); /* asked about once a second, while a node is; may be NULL */
	void *arg;
	char *ret_name; /* HF_REPLICA_NAME_BYTES, filled with its name when it was added; may be NULL */

	/* of a bucket */
	const struct hf_credentials *credentials; /* NULL: the environment's */
	unsigned retention_days; /* lock each object for so long; 0: as the bucket's default says */
	bool without_lock;       /* take it though a HF_FINDING_DANGER was found */
	/* Told of each finding, in order; texts are borrowed. May be NULL. */
	void (*found)(void *arg, enum hf_finding finding, const char *what, const char *words);
	void *found_arg;
};

/*
 * Add a replica: enrols with the node (uses the invitation up), or makes the directory; remembers it in
 * replicas/. It gets the whole log, from the beginning. -EEXIST (the name is taken, or the same node, bucket
 * or folder is a replica under another), -ECONNREFUSED and the like, -EKEYREJECTED (the node's key is not the
 * one pinned), -EACCES (invitation used, expired or unknown), -EINVAL (of no such form, or a folder in the
 * store itself or in its mount), -ENOSPC (there are 64 already), -ECANCELED. A bucket is tried first: what it
 * enforces is told to `found`. Its credentials are kept in replicas/, mode 0600. -EPERM: something dangerous
 * was found, and without_lock is not set; -ENOKEY: no credentials; -EINVAL: a retention shorter than the
 * bucket's own.
 */
int hf_replica_add_with(const char *path, const char *place, const struct hf_replica_options *options,
			struct hf_error *err);
int hf_store_replica_add(struct hf_store *store, const char *place, const struct hf_replica_options *options,
			 struct hf_error *err);
int hf_replica_add(const char *path, const char *place, const char *name, struct hf_error *err);

/*
 * As far as that can be told without asking it: could this place be a replica of the store at `path`
 * (absolute; it need not be there yet)? Nothing is made. -EINVAL: it is of no form that is known, or a folder
 * in the store or in its mount; -ENOENT, -EACCES, -ENOTDIR and the like: no folder can be there; -ENOKEY and
 * others: there are no credentials for a bucket.
 */
int hf_replica_check_place(const char *path, const char *place, struct hf_error *err);

/*
 * Ship no more to this one, and forget it. Nothing that it holds is removed, and a node goes on taking what
 * the store's key signs. `which`: its name, or its URL or path as status prints it, or a node's
 * https://HOST:PORT. -ENOENT; -ENOTUNIQ: several are at this place, give the name; -EBUSY: see
 * hf_open_options.sync_receipts.
 */
int hf_replica_remove(const char *path, const char *which, struct hf_error *err);
int hf_store_replica_remove(struct hf_store *store, const char *which, struct hf_error *err);

/* Bytes a second that it is sent, on average; 0: no limit. Reading from it is never held back. */
int hf_replica_limit(const char *path, const char *which, uint64_t bytes_s, struct hf_error *err);
int hf_store_replica_limit(struct hf_store *store, const char *which, uint64_t bytes_s, struct hf_error *err);

/* What a renewal came to, in versions of objects. */
struct hf_renewal {
	uint64_t extended, longer, failed; /* locked until then now; locked for longer already; neither */
	char error[HF_ERROR_TEXT_BYTES];   /* of the first that failed; "" */
};

/*
 * Lock every version of every object of a volume in a bucket for so many days from now on, COMPLIANCE. For
 * the bucket's owner, away from the primary: it needs no store, no kit, and credentials (of the environment)
 * that may list versions and set retention. Never shortens one. Blocks; `progress` may be NULL. -EINVAL: not
 * a bucket, not a volume's ID, or no such number of days; -ENOENT: nothing of it is there.
 */
int hf_replica_renew(const char *place, const char *volume_id, unsigned days,
		     const struct hf_progress *progress, struct hf_renewal *ret, struct hf_error *err);

/* A person knows that it had regressed: status does not tell it any more. */
int hf_replica_acknowledge(const char *path, const char *which, struct hf_error *err);
int hf_store_replica_acknowledge(struct hf_store *store, const char *which, struct hf_error *err);

/* Whether what came back is the newest there was, as saved heads (head.h) tell, and nothing else does. */
enum hf_freshness {
	HF_FRESHNESS_UNPROVEN, /* no head was given: nothing but this replica says so */
	HF_FRESHNESS_PROVEN,   /* every head given is in it: nothing from before the newest is missing */
	HF_FRESHNESS_STALE,    /* a head is not in it, and that was accepted */
};
const char *hf_freshness_name(enum hf_freshness freshness); /* "proven" … */

struct hf_heads {
	const char *const *texts; /* each a head, or the contents of a file with heads in it */
	size_t n;
	bool accept_stale; /* a head that the replica lacks is no reason to refuse */
};

/* What a volume was recovered from, which says who could be told of the new epoch. */
enum hf_recovery_source {
	HF_RECOVERED_FROM_NODE,
	HF_RECOVERED_FROM_FOLDER, /* a folder replica */
	HF_RECOVERED_FROM_STORE,  /* a store's own folder, or a copy of what a node keeps: tells nobody */
	HF_RECOVERED_FROM_BUCKET, /* checks no keys */
};

struct hf_recovery {
	uint64_t tid, time_ns; /* the last moment that came back */
	uint64_t bytes, segments;
	uint32_t epoch; /* the new one */
	enum hf_freshness freshness;
	uint64_t proven_ns; /* time of the newest saved head that is in it; 0: none */
	enum hf_recovery_source source;
	bool goes_on;                         /* the new store ships to where it came from */
	bool newest_only;                     /* bucket: older versions could not be listed */
	uint64_t behind;                      /* bucket: objects behind the end, to which nothing leads */
	char stale_text[HF_ERROR_TEXT_BYTES]; /* STALE: which is not, and why; else "" */
	/*
	 * Why the replica was not told of the new epoch (it is full, read-only, written to by somebody, or of
	 * a kind that is told nothing); "": it was, and refuses the old writer. Not told, the old writer
	 * counts there still, and the new store has no replica, until it is added again.
	 */
	char untold_text[HF_ERROR_TEXT_BYTES];
};

/*
 * Make a store at `path` (absent or empty) from a replica and the kit alone: fetch the log, verify every byte
 * of chain and signatures, start a new epoch with a new writer key, enrol it with the replica it came from, a
 * node or a folder, so that replication goes on (not with a bucket: credentials that recover are not kept;
 * nor with a store's own folder, which is no replica). On failure `path`
 * is left with what was fetched, and running again resumes. -EKEYREJECTED: the kit is not this volume's;
 * -ENOENT: the replica has no such volume.
 */
int hf_recover(const char *place, const struct hf_kit *kit, const char *path,
	       const struct hf_progress *progress, struct hf_recovery *ret, struct hf_error *err);

/*
 * The same, held against saved heads (NULL: none) before the replica is told anything. Further errors:
 * -ENODATA: the replica's log does not reach one of them (it is an older state); -EEXIST: it has another
 * history; both unless accept_stale. -EUCLEAN, -EPROTONOSUPPORT: not a head, or a damaged one; -EKEYREJECTED:
 * of another volume, or not signed by this one's writer.
 */
int hf_recover_held(const char *place, const struct hf_kit *kit, const char *path,
		    const struct hf_heads *heads, const struct hf_progress *progress, struct hf_recovery *ret,
		    struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
