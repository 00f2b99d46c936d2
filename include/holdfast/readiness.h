/* SPDX-License-Identifier: MIT */
/*
 * How ready a store is for its worst day, as its files tell: what `holdfast doctor` judges (docs/DOCTOR.md).
 *
 * Everything here works on files alone, takes no key and asks for no passphrase, whether the store is open in
 * some process or at rest. hf_replica_knock and hf_replica_probe ask one replica; nothing else uses a
 * network.
 */
#ifndef HOLDFAST_READINESS_H
#define HOLDFAST_READINESS_H

#include "holdfast/key.h"
#include "holdfast/replica.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The end of a log, verified without a key: its last segment's header, certificate, chain and signatures. */
struct hf_log_end {
	int code;                       /* 0, or why it is not known: what follows is then zeroed */
	char text[HF_ERROR_TEXT_BYTES]; /* the same in words */
	uint64_t tid, time_ns;          /* last durable operation */
	uint32_t segment, offset;
	uint32_t epoch;
	uint64_t epoch_created_ns; /* when the owner signed for the present writer */
	unsigned format_floor;     /* in that certificate: no segment of a lower version may follow */
};

struct hf_readiness {
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
	uint64_t created_ns; /* when the volume was made */
	struct hf_log_end log;
	struct hf_key_info key; /* how the keys are kept */
	int key_code;           /* 0, or why that is not known */
	bool index;             /* there is one; else it is built at the next mount */
	bool index_damaged;     /* there is one in which damage was found: the same */
	uint64_t kit_ns;        /* when a kit was last seen to open it; 0: never */
	uint64_t head_ns;       /* when a head was last given out (hf_note_head); 0: never */
	uint64_t verified_ns;   /* when all of the log was last verified, in one pass; 0: never */
	size_t damaged;         /* places known to be damaged, and not healed */
	uint64_t alarm_test_ns; /* when hf_alarm_test (alarm.h) was last run; 0: never */
	bool alarm_test_passed;
	char alarm_test_text[HF_ERROR_TEXT_BYTES]; /* why it did not */
	unsigned format_newest;                    /* that this build writes */
};

/* Reads the last segment of the log (64 MiB at most). -ENOENT: not a store; -EACCES; -EUCLEAN: its
 * descriptor. */
int hf_readiness(const char *path, struct hf_readiness *ret, struct hf_error *err);

/* Somebody was given a head of the store (head.h), durably: 0, or what the system says. */
int hf_note_head(const char *path, struct hf_error *err);

enum hf_place_kind { HF_PLACE_NODE, HF_PLACE_DIRECTORY, HF_PLACE_BUCKET };

#define HF_PROBED_MAX 16
struct hf_probed {
	enum hf_finding finding;
	char what[40];
	char words[200];
};

struct hf_replica_facts {
	char name[HF_REPLICA_NAME_BYTES];
	int code; /* 0; or its file cannot be read: `text` says why, and nothing more is known */
	char text[HF_ERROR_TEXT_BYTES];
	enum hf_place_kind kind;
	char url[512];
	char host[264];    /* node, bucket: where it is reached, without port and brackets; else "" */
	char path[4096];   /* directory */
	char account[160]; /* bucket: the access key's name, which is no secret */
	uint64_t acked_tid, acked_time_ns; /* of the newest receipt kept; 0: none */
	uint64_t lag_bytes;                /* behind it in the log */
	uint64_t lag_since_ns;             /* when the oldest of these operations came; 0: none */
	uint64_t limit_bytes_s;            /* 0: none */
	uint64_t regressed_ns;             /* it had come back with less, and nobody has acknowledged that */

	/* bucket, as it was tried when it was added, or last by hf_replica_probe */
	unsigned retention_days;             /* asked for with each object; 0: the bucket's own */
	uint64_t probed_ns, first_probed_ns; /* 0: that was not kept */
	size_t n_probed;
	struct hf_probed probed[HF_PROBED_MAX];

	/* node, as it told when its position was last asked; told_ns 0: it has not, being of an earlier build
	 */
	uint64_t told_ns;
	char software[32];                             /* its version */
	uint64_t used_bytes, budget_bytes, free_bytes; /* budget: UINT64_MAX: none */
};

/* Of every replica, by name; malloc'ed. Errors as of hf_readiness. */
int hf_readiness_replicas(const char *path, const struct hf_log_end *log, struct hf_replica_facts **ret,
			  size_t *ret_n, struct hf_error *err);

/* What came of knocking at a replica. */
struct hf_knock {
	int code; /* 0: it is there, and is who it was; -EKEYREJECTED: it is not; others: not reached */
	char text[HF_ERROR_TEXT_BYTES];
	char address[64];      /* that it was reached at; "" */
	bool has_clock;        /* it said what time it has: */
	int64_t clock_ahead_s; /* so much later than ours, to a second or two */
	uint64_t
		certificate_ends_ns; /* of its TLS certificate; 0: not known. Of a node nothing hangs on it */
};

/*
 * Is it there? A node: by TLS, held against its pin, and an unsigned request that it refuses; a bucket: by
 * TLS, held against the authorities, likewise; a directory: it can be entered. Nothing is written, no key is
 * used. Blocks for timeout_ms at most, and may be called by many threads. Negative: there is no such replica,
 * or no memory.
 */
int hf_replica_knock(const char *path, const char *name, unsigned timeout_ms, struct hf_knock *ret,
		     struct hf_error *err);

/*
 * Try anew what a bucket enforces, with the credentials kept for it, as when it was added, and keep that.
 * `found` is told each finding; may be NULL. A few small objects stay there. 0; -EINVAL: not a bucket;
 * -EPERM: something dangerous was found (and kept); others: it could not be tried.
 */
int hf_replica_probe(const char *path, const char *name,
		     void (*found)(void *arg, enum hf_finding finding, const char *what, const char *words),
		     void *arg, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
