/* SPDX-License-Identifier: MIT */
/* Folders that tests may fill and damage, and seeds that can be repeated. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

/* A new empty folder under $TMPDIR or /tmp. Aborts when it cannot be had. */
char *scratch_make(void);
void scratch_remove(char **dir); /* with all that is in it; frees the name. For CLEANUP() */

enum scratch_harm {
	SCRATCH_REMOVE,
	SCRATCH_GARBAGE,  /* overwritten with nonsense of the same length */
	SCRATCH_TRUNCATE, /* to half */
	SCRATCH_FLIP,     /* a bit in every sixteenth byte of the first half */
};

/* Harm every file directly in dir whose name begins or ends with `name`. Returns how many. */
int scratch_harm(const char *dir, const char *name, enum scratch_harm harm);

/* $HOLDFAST_TEST_SEED, or one of the clock's; printed, so that a failure can be repeated. */
unsigned long scratch_seed(void);

#endif
