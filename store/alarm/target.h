/* SPDX-License-Identifier: MIT */
/* Whom alarms may be delivered to (layer 4; PROTOCOL.md §9). */
#ifndef STORE_ALARM_TARGET_H
#define STORE_ALARM_TARGET_H

#include "holdfast/error.h"
#include "store/base/cleanup.h"

/* Either may be "": none. -EINVAL with words. */
MUST_USE int alarm_target_check(const char *hook, const char *url, struct hf_error *err);

#endif
