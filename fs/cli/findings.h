/* SPDX-License-Identifier: MIT */
/*
 * Buckets on the command line (layer 6): their options, the credentials that go with a request, and what was
 * found out about one as it was added.
 */
#ifndef FS_CLI_FINDINGS_H
#define FS_CLI_FINDINGS_H

#include <stdbool.h>

#include <jansson.h>

#include "holdfast/replica.h"

/* For hf_replica_options.found, with a JSON array as its argument: each finding is appended to it. */
void findings_take(void *list, enum hf_finding finding, const char *what, const char *words);
/* Such an array, for a person. Nothing when it is empty. */
void findings_print(const json_t *list);

/* "90d" or "10y" in days; false: it is neither, and that was said. */
bool findings_retention(const char *command, const char *text, unsigned *ret_days);

/*
 * The credentials in this process's environment, for a request to the one that has the store (the control
 * socket is for its user alone). NULL for memory.
 */
json_t *findings_credentials(void);
/* What such an object says; texts are borrowed from it. */
void findings_read_credentials(const json_t *o, struct hf_credentials *ret);

#endif
