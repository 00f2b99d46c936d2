/* SPDX-License-Identifier: MIT */
/*
 * Drills: a recovery rehearsed from a replica, and what came of the last ones (docs/DRILLS.md).
 *
 * What came of them is in STORE/drills. hf_drill_last, hf_drill_state and hf_drill_record work on that file
 * alone, whether the store is open in some process or not.
 *
 * A rehearsal goes so: hf_drill_open reads all that is wanted of the primary's (which replica, its writer
 * key, what the replica acknowledged, where its own log ends); from then on no file of the store is opened,
 * and the caller can shut the process off from it. hf_drill_reach, hf_drill_recover, hf_drill_fresh,
 * hf_drill_attempts and hf_drill_unchanged then have the replica alone; hf_drill_free. One thread at a time
 * uses a drill.
 */
#ifndef HOLDFAST_DRILL_H
#define HOLDFAST_DRILL_H

#include "holdfast/key.h"
#include "holdfast/moment.h"
#include "holdfast/replica.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What came of a step, or of a drill: the worst of its steps. */
enum hf_drill_verdict {
	HF_DRILL_PASS,
	HF_DRILL_SKIP, /* not done; the words say why */
	HF_DRILL_WEAK, /* done, and no defence is there that could have failed: a folder that root can delete,
			  or a bucket that was taken without a lock */
	HF_DRILL_FAIL,
};
const char *hf_drill_verdict_name(enum hf_drill_verdict verdict); /* "PASS", "SKIP", "WEAK", "FAIL" */

enum { HF_DRILL_STEP_BYTES = 24, HF_DRILL_REPLICA_BYTES = 64 };

/* --- what came of the last drills */

struct hf_drill_result {
	uint64_t began_ns; /* by the wall clock */
	bool passed;       /* no step failed, and the recovery was rehearsed to its end */
	bool weak;         /* a step was WEAK */
	bool with_kit;     /* by the kit alone; else by the keys that are on the primary */
	bool sample; /* only parts of the log were verified: nothing was rebuilt or restored. Never `passed`
		      */
	char failed_step[HF_DRILL_STEP_BYTES]; /* the first that failed; "": none */
	char replica[HF_DRILL_REPLICA_BYTES];  /* its name, or where it is */

	uint64_t tid, time_ns; /* recovery point: the last moment that came back; 0: none did */
	/* From that moment to when the drill began, 0 when nothing would be lost. Without a store to compare
	 * with: at most. */
	double rpo_seconds; /* negative: not known */
	double rto_seconds; /* from nothing to the newest files, as far as they were restored; negative: not
			       known */
	double rto_all_seconds; /* … to all of them: measured, or estimated by what was restored; negative:
				   not known */
	uint64_t read_bytes;    /* asked of the replica */
	uint64_t restored_bytes, compared_files;
	enum hf_freshness freshness;
	double share_verified; /* 0 to 1: of the history on this replica, verified by this or an earlier drill
				*/
};

/* The newest. -ENOENT: not a store; -ENODATA: there was none yet; -EUCLEAN: the file cannot be read. */
int hf_drill_last(const char *path, struct hf_drill_result *ret, struct hf_error *err);

/* When one is due. */
struct hf_drill_state {
	uint64_t passed_ns; /* when the last began that passed; 0: none ever did */
	uint64_t limit_s;   /* one is to pass at least so often (hf_alarm_settings.drill_s); 0: never mind */
	uint64_t since_ns;  /* counted from: passed_ns, or when the volume was made */
	bool overdue;
	bool last_failed; /* the newest did not pass, and was no sample */
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
};
int hf_drill_state(const char *path, struct hf_drill_state *ret, struct hf_error *err);

/*
 * Add one, durably. `detail` is JSON text of an object that is kept with it, "steps" and the like; NULL:
 * none. ret_share: result->share_verified as it is with this one; may be NULL. When it passed, open alarms of
 * kind "drill" are acknowledged. Segments verified: 1 to `segments` whole, or those in `sampled`.
 */
struct hf_drill_coverage {
	uint32_t segments;       /* of the log on the replica */
	const uint32_t *sampled; /* NULL: all of them were verified */
	size_t n_sampled;        /* else so many; 0: none */
};
int hf_drill_record(const char *path, const struct hf_drill_result *result,
		    const struct hf_drill_coverage *coverage, const char *detail, double *ret_share,
		    struct hf_error *err);

/* --- the rehearsal */

/* Parts of a log, verified each for itself. */
struct hf_drill_sampled {
	uint32_t *segments; /* malloc'ed; the caller frees */
	size_t n;
	uint32_t of; /* segments that there are */
	uint64_t bytes, chunks;
	uint64_t log_bytes; /* about, of all of it */
};

struct hf_drill;

struct hf_drill_options {
	const char *store; /* the primary's; NULL: there is none here */
	/*
	 * A place as hf_recover takes it, or, with a store, the name of one of its replicas. NULL: of the
	 * store's replicas the one that was drilled longest ago.
	 */
	const char *from;
	const struct hf_kit
		*kit; /* borrowed until hf_drill_free; NULL: by the store's own keys, and no epoch is begun */
	const struct hf_heads
		*heads; /* saved ones that must be there; borrowed likewise; NULL: none. Never accept_stale */
};

/*
 * Reads of the store, and of the environment a bucket's credentials. Nobody is asked anything but a
 * passphrase (key.h), and no thread is started. -ENOENT: no store, no such replica, no folder with this
 * volume; -EINVAL: neither store nor kit and place; -EKEYREJECTED: the kit is of another volume than the
 * store, or a head is; -EUCLEAN: what is given as a head is none; -ENOKEY and others: what must be read
 * cannot be.
 */
int hf_drill_open(const struct hf_drill_options *o, struct hf_drill **ret, struct hf_error *err);
void hf_drill_free(struct hf_drill *d); /* NULL is fine */

enum hf_drill_place { HF_DRILL_NODE, HF_DRILL_BUCKET, HF_DRILL_FOLDER };

struct hf_drill_about {
	char volume_id[HF_VOLUME_ID_TEXT_BYTES];
	char replica[HF_DRILL_REPLICA_BYTES]; /* its name, if it is one of the store's; else where it is, cut
						 off */
	char url[512];
	enum hf_drill_place place;
	const char *folder; /* of a HF_DRILL_FOLDER; borrowed */
	const char *ca;     /* a file that is needed to reach it; NULL: none; borrowed */
	bool has_writer;    /* the primary's credentials are known: its writer key, and of a bucket its access
			       key */
	uint64_t own_tid, own_time_ns; /* where the primary's own log ends; 0: not known */
	uint64_t acked_tid; /* what the replica acknowledged last, as far as was kept; 0: not known */
};
void hf_drill_about(const struct hf_drill *d, struct hf_drill_about *ret);

/* Ask it how far it has got. Errors as hf_recover's. */
int hf_drill_reach(struct hf_drill *d, struct hf_point *ret, struct hf_error *err);

/*
 * What hf_recover_kept does, into `path`, but for this: the replica is told nothing, so that the primary's
 * writer key stays good; the new store has no replica; and without a kit no epoch is begun, so that it can be
 * opened for reading only. Saved heads are held against it.
 */
int hf_drill_recover(struct hf_drill *d, const char *path, const struct hf_keeping *keeping,
		     const struct hf_progress *progress, struct hf_recovery *ret, struct hf_error *err);

/*
 * Is what was recovered into `path` all that is known to have been there? Words of it, in any case, into
 * ret_words of HF_ERROR_TEXT_BYTES. PASS: it has what the replica acknowledged, and saved heads or the
 * primary's own end, as far as it can have them. WEAK: nothing was there to compare with. FAIL: it has less
 * than it acknowledged, or another history. *ret_behind: the primary's own log has more.
 */
enum hf_drill_verdict hf_drill_fresh(struct hf_drill *d, const char *path, bool *ret_behind, char *ret_words);

/*
 * Try what must not be possible, by the primary's own credentials as far as they are known: "delete",
 * "overwrite" and "fork" are told, in this order, each with words. What was recovered into `path` says what
 * is there. Without `alarms` nothing is tried that a node alarms its operator of. -ENOMEM, or it cannot be
 * read.
 */
struct hf_drill_told {
	void (*step)(void *arg, const char *step, enum hf_drill_verdict verdict, const char *words);
	void *arg;
};
int hf_drill_attempts(struct hf_drill *d, const char *path, bool alarms, const struct hf_drill_told *told,
		      struct hf_error *err);

/*
 * For a log that is too large to be recovered just to see: whole segments, about so many bytes and one at
 * least, the newest first, then at random those that no drill of this replica has seen. Of each: the owner's
 * certificate, the chain through it, every signature, that every frame opens, and every chunk's name. `path`
 * is a folder for one segment at a time. -EOPNOTSUPP: a bucket, which is recovered whole or not at all;
 * -EUCLEAN, -EKEYREJECTED: a segment does not verify.
 */
int hf_drill_sample(struct hf_drill *d, const char *path, uint64_t bytes, const struct hf_progress *progress,
		    struct hf_drill_sampled *ret, struct hf_error *err);

/* Does it still give the same? Reads the last group again. 0; -EUCLEAN: other bytes, or less; others: not to
 * be had. */
int hf_drill_unchanged(struct hf_drill *d, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
