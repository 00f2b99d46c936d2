/* SPDX-License-Identifier: MIT */
/* STORE/alarms.json: when a store raises alarms, and whom it tells (layer 4; docs/ALARMS.md). */
#ifndef STORE_ALARM_SETTINGS_H
#define STORE_ALARM_SETTINGS_H

#include "holdfast/alarm.h"
#include "store/os/os.h"

void settings_default(struct hf_alarm_settings *ret);
/* No file: the defaults. -EUCLEAN with words: it is damaged; -ENOMEM; others. */
MUST_USE int settings_read(const struct os *os, const char *dir, struct hf_alarm_settings *ret,
			   struct hf_error *err);

/* hf_alarm_set, of a folder that is a store. */
MUST_USE int settings_change(const struct os *os, const char *dir, const char *const *changes, size_t n,
			     struct hf_error *err);

#endif
