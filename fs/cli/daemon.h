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
	int fd; /* to the parent; negative: we are in front */
	double told;
	struct progress progress; /* in front */
};

/* 0 in the process that does the work, 1 in the parent when all is said, with the exit code; negative
 * errno. */
int daemon_start(struct daemon *d, bool foreground, int *ret_code, struct hf_error *err);

/* Progress, to be shown by whoever has the terminal. */
struct hf_progress daemon_progress(struct daemon *d);

/* The library's lines for a person (hf_set_log): to stderr in front, else to syslog. */
void daemon_take_log(const struct daemon *d);
/* A line of our own, to the same place; priority as syslog(3). */
void daemon_log(const struct daemon *d, int priority, const char *line);

/* Let the parent go with these words on stdout (empty: none); from here on there is no terminal. */
void daemon_ready(struct daemon *d, const char *words);

/* The error, to stderr; returns the exit code. After daemon_ready it goes to syslog. */
int daemon_failed(struct daemon *d, const struct hf_error *err);

#endif
