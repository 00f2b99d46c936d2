/* SPDX-License-Identifier: MIT */
/* Verifying a store's files, as hf_store_check, the scrub and a repair do (layer 4). */
#ifndef STORE_VOLUME_CHECK_H
#define STORE_VOLUME_CHECK_H

#include "holdfast/store.h"
#include "store/crypto/crypto.h"
#include "store/index/index.h"
#include "store/log/log.h"
#include "store/volume/known.h"

/* As log_check's of these names. Each may be NULL. */
struct check_listener {
	void (*found)(void *arg, const char *what);
	void (*bad)(void *arg, struct log_pos pos,
		    const char *what); /* besides `found`, for what is in the log */
	bool (*go_on)(void *arg, uint64_t bytes);
	void *arg;
	bool locked; /* the caller has the store's lock; else its index is left alone while another process
			has */
};

/* What a check of all came to that a fault's words do not say. */
struct check_result {
	struct hf_check_summary sum;
	struct known known;                       /* what the log was held against */
	bool descriptor_bad, index_bad, log_read; /* log_read: the log was gone through to its end */
};

/*
 * Everything at `path`; with the keys and the index of a store that is open here, and to the durable point
 * that its log has now; or (all NULL) with those in its files, to the last commit. The number of faults, or
 * negative.
 */
MUST_USE long check_files(const char *path, const struct keyring *keys, const struct log *open_log,
			  struct index *index, const struct check_listener *to,
			  const struct hf_progress *progress, struct check_result *ret, struct hf_error *err);

/* One segment of an open log, by its own header, without its workers. -ECANCELED: go_on said so. */
MUST_USE long check_segment(const struct log *log, const struct keyring *keys, uint32_t segment,
			    const struct check_listener *to, struct hf_error *err);

/*
 * Write down, for a store at rest, that all was looked at just now, and what was found. For who has the
 * store's lock. A store that cannot be written to is left as it is.
 */
struct verified;
void check_note(const char *path, const struct volume_descriptor *d, struct verified *found,
		uint64_t last_tid);

#endif
