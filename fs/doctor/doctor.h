/* SPDX-License-Identifier: MIT */
/*
 * The readiness review of `holdfast doctor` (between layers 5 and 6; docs/DOCTOR.md): facts are gathered,
 * then each check judges them. A check is pure: the same facts, the same finding.
 *
 * Order: doctor_gather, doctor_judge as often as wanted, facts_release.
 */
#ifndef FS_DOCTOR_DOCTOR_H
#define FS_DOCTOR_DOCTOR_H

#include <jansson.h>

#include "fs/doctor/facts.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_UNKNOWN, DOCTOR_WARNING, DOCTOR_DANGER };
const char *doctor_verdict_name(enum doctor_verdict verdict); /* "ok", "unknown" … */

enum { DOCTOR_TEXT_BYTES = 800 };

struct doctor_finding {
	enum doctor_verdict verdict;
	char reason[DOCTOR_TEXT_BYTES];  /* what was seen; of several replicas each that is not well */
	char remedy[DOCTOR_TEXT_BYTES];  /* what to do; "" when nothing is to be done */
	char command[DOCTOR_TEXT_BYTES]; /* that does it, where there is one; else "" */
};

struct doctor_check {
	const char *id;     /* never changes its meaning: monitors know it */
	const char *family; /* what it is about, in a word */
	const char *what;   /* the question, for a list of them */
	void (*judge)(const struct facts *f, struct doctor_finding *ret);
};

/* All of them, in the order in which they are told; *ret_n as many. Static. */
const struct doctor_check *const *doctor_checks(size_t *ret_n);
const struct doctor_check *doctor_find(const char *id); /* NULL: there is none */
void doctor_judge(const struct doctor_check *check, const struct facts *f, struct doctor_finding *ret);

struct doctor_ask {
	const char *store; /* absolute */
	const char *dir;   /* where it is mounted; NULL: nowhere */
	/* What the process that has it mounted says of itself (operations.h, status); NULL: it says nothing,
	 * and why. */
	const json_t *status;
	const char *why_no_status; /* "": it is not mounted */
	unsigned knock_ms;         /* how long a replica may take to answer; 0: none is asked */
	bool probe;                /* buckets are tried anew, first */
};

/*
 * Look at everything. 0, and *ret is to be released; -ENOENT: no store; -EACCES and others: its descriptor
 * cannot be read. Whatever else cannot be looked at is a fact that is not known. Asks the replicas, and
 * nobody else, over the network. Blocks for knock_ms and a little more, with `probe` as long as buckets take.
 */
int doctor_gather(const struct doctor_ask *ask, struct facts *ret, struct hf_error *err);
void facts_release(struct facts *f);

#endif
