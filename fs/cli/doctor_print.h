/* SPDX-License-Identifier: MIT */
/* What doctor found, for people and as JSON (layer 6; docs/DOCTOR.md §3). */
#ifndef FS_CLI_DOCTOR_PRINT_H
#define FS_CLI_DOCTOR_PRINT_H

#include "fs/doctor/doctor.h"

struct doctor_result {
	const struct doctor_check *check;
	struct doctor_finding finding;
	bool ignored; /* whoever asked does not want to hear of it */
};

/* NULL without memory. */
json_t *doctor_to_json(const struct facts *f, const struct doctor_result *all, size_t n);
/* `whole`: also what is well, each on a line. */
void doctor_print(const struct facts *f, const struct doctor_result *all, size_t n, bool whole);

/* The worst there is of what is not ignored, where unknown is not worse than ok. */
enum doctor_verdict doctor_worst(const struct doctor_result *all, size_t n);

#endif
