/* SPDX-License-Identifier: MIT */
/* A store's state as JSON, and for people (layer 6). */
#ifndef FS_CLI_STATUS_H
#define FS_CLI_STATUS_H

#include <stdbool.h>

#include <jansson.h>

#include "holdfast/head.h"
#include "holdfast/moment.h"
#include "holdfast/store.h"

/* Each a new object, or NULL without memory. */
json_t *status_of_store(struct hf_store *store);
json_t *point_to_json(const struct hf_point *point); /* {tid, time, moment} */
json_t *head_to_json(const char *line, const struct hf_head *head);

void status_print(const json_t *status);
void status_print_replicas(const json_t *status);

/* Whether it says that a person must look: writing has failed, something is damaged, or a replica refuses
 * this log. */
bool status_is_bad(const json_t *status);
/* Whether an alarm is open, or that cannot be read. */
bool status_has_alarms(const json_t *status);

#endif
