/* SPDX-License-Identifier: MIT */
/* Lines for the operator (layer 0), to whoever hf_set_log named. Priorities as syslog(3). */
#ifndef STORE_BASE_JOURNAL_H
#define STORE_BASE_JOURNAL_H

#include <syslog.h>

void journal_line(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
