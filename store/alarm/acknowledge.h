/* SPDX-License-Identifier: MIT */
/* Open alarms, and acknowledging them: by their files in DIR/alarms alone (layer 4; PROTOCOL.md §9). */
#ifndef STORE_ALARM_ACKNOWLEDGE_H
#define STORE_ALARM_ACKNOWLEDGE_H

#include "holdfast/alarm.h"
#include "store/os/os.h"

/* The open ones in the order of their numbers, malloc'ed. -ENOMEM, or what the folder says. */
MUST_USE int alarm_read_open(const struct os *os, const char *dir, struct hf_alarm **ret, size_t *ret_n,
			     struct hf_error *err);

/* hf_node_acknowledge and hf_store_acknowledge, of a folder that is one. */
MUST_USE int alarm_acknowledge(const struct os *os, const char *dir, const char *alarm, unsigned *ret_n,
			       struct hf_error *err);

#endif
