/* SPDX-License-Identifier: MIT */
/*
 * Where lines for the operator go, and which (layer 6). Priorities as syslog(3).
 *
 *   in the background             syslog(3), as "holdfast", facility daemon
 *   in front, under the journal   stderr, "<N>" before the line, as sd-daemon(3) has it: JOURNAL_STREAM
 *                                 names the file that stderr is
 *   in front otherwise            stderr, the line alone
 *
 * Of them those that weigh at least as much as the level: error, warning, notice, info (when nothing is said)
 * or debug. log_set_level and log_begin come before there are threads; log_line may be called from any.
 */
#ifndef FS_CLI_LOG_H
#define FS_CLI_LOG_H

#include <stdbool.h>

#include "holdfast/error.h"

#define LOG_LEVELS "error, warning, notice, info or debug"

/* `said` ("": nothing), else the variable HOLDFAST_LOG, else info. -EINVAL: a word that is none of them. */
int log_set_level(const char *said, struct hf_error *err);

/* Also the library's lines (hf_set_log) and the mount's go there from now on. */
void log_begin(bool foreground);

void log_line(void *arg, int priority, const char *line);
void log_words(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Does the journal read this process's stderr? */
bool log_is_journal(void);
/* What goes before a line on stderr so that it is taken for an error: "" where nobody looks for it. */
const char *log_error_mark(void);

#endif
