/* SPDX-License-Identifier: MIT */
/*
 * Going to the background only once there is something to show (layer 6). The parent waits, shows progress,
 * prints what the child says, and leaves with its exit code.
 *
 *	r = daemon_start(&d, foreground, &code);
 *	if (r > 0)
 *		return code;                     the parent, all said
 *	… threads may be started from here on; work that may fail …
 *	return daemon_failed(&d, &err);          or
 *	daemon_ready(&d, "words or empty");
 */
#ifndef FS_CLI_DAEMON_H
#define FS_CLI_DAEMON_H

#include <stdbool.h>

#include "fs/cli/progress.h"

struct daemon {
	int fd;     /* to the parent; negative: we are in front, or it has been let go */
	bool front; /* who called us waits for our end; a service manager is told how we are (notify.h) */
	double told;
	struct progress progress; /* in front */
};

/* 0 in the process that does the work, 1 in the parent when all is said, with the exit code; negative
 * errno. */
int daemon_start(struct daemon *d, bool foreground, int *ret_code, struct hf_error *err);

/* Progress, to be shown by whoever has the terminal. */
struct hf_progress daemon_progress(struct daemon *d);

/* Lines for the operator go where log.h says from now on: to stderr in front, else to syslog. */
void daemon_take_log(const struct daemon *d);

/* Let the parent go with these words on stdout (empty: none); from here on there is no terminal. */
void daemon_ready(struct daemon *d, const char *words);

/* The error, to whoever started us, or to syslog when that has been let go; returns the exit code. */
int daemon_failed(struct daemon *d, const struct hf_error *err);

/* It is about to end, and what is left may take a moment. */
void daemon_stopping(const struct daemon *d, const char *words);

#endif
