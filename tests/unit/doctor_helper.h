/* SPDX-License-Identifier: MIT */
/* For tests of what doctor judges: facts of a store with which all is well, to be spoiled one by one. */
#ifndef TESTS_UNIT_DOCTOR_HELPER_H
#define TESTS_UNIT_DOCTOR_HELPER_H

#include "fs/doctor/doctor.h"

#define DOCTOR_NOW_NS UINT64_C(1795412730000000000)
#define DOCTOR_DAY_NS UINT64_C(86400000000000)

/*
 * Mounted, with a node named "far" and a bucket named "vault", each elsewhere, and room for a third, which is
 * a folder, "near", when n_replicas is set to 3. doctor_facts_free.
 */
struct facts *doctor_facts(void);
void doctor_facts_free(struct facts *f);

/* This check of these facts comes to this verdict, and its words (reason, remedy, command) have these in
 * them. */
void doctor_expect(const struct facts *f, const char *id, enum doctor_verdict verdict, const char *words);

#endif
