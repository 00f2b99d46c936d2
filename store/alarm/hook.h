/* SPDX-License-Identifier: MIT */
/* The operator's program that is told of alarms (layer 4; PROTOCOL.md §9). */
#ifndef STORE_ALARM_HOOK_H
#define STORE_ALARM_HOOK_H

#include "holdfast/alarm.h"
#include "store/base/buf.h"

/*
 * Run the program at this path, without a shell, with the alarm's kind and volume as arguments and the text
 * (less than a pipe holds) on its standard input, and wait. It is given limit_ms, and no longer than until
 * stop_fd can be read; then it is killed with its process group. 0: its exit code was 0. -ETIMEDOUT;
 * -ECANCELED: stop_fd; -EPROTO: another exit code, or a signal; others: it cannot be run. The calling thread
 * has SIGPIPE blocked.
 */
MUST_USE int hook_run(const char *path, const struct hf_alarm *alarm, const struct buf *text, int stop_fd,
		      int limit_ms, struct hf_error *err);

#endif
