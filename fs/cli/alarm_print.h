/* SPDX-License-Identifier: MIT */
/* Alarms, of a node or a store, as they are shown (layer 6). */
#ifndef FS_CLI_ALARM_PRINT_H
#define FS_CLI_ALARM_PRINT_H

#include <jansson.h>

#include "holdfast/alarm.h"

/* A new array, NULL without memory. */
json_t *alarms_to_json(const struct hf_alarm *alarms, size_t n);

/* For a person, from that JSON. of_itself: whose it is when it is of no volume ("this node"); NULL: not said.
 */
void alarms_print(const json_t *alarms, const char *of_itself);

#endif
