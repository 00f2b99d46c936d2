/* SPDX-License-Identifier: MIT */
/* Running a person's command on what a path was at some moment (layer 6): for first-bad. */
#ifndef FS_CLI_TIME_TEST_H
#define FS_CLI_TIME_TEST_H

#include "fs/cli/target.h"

struct time_test {
	const char *command;
	json_t *result; /* the caller's, released here */
	struct target target;
	struct location_talk talk;
	char *history; /* the mount's .history/at, when it can be looked into; else NULL */
	char *folder;  /* else things are written out into this */
};

/* Find what the words name. command and result are set before. End it in any case. */
int time_test_begin(struct time_test *t, int count, char **words, struct hf_error *err);
void time_test_end(struct time_test *t);

/* The tid of a moment; its words name the nearest, when there is none. */
int time_test_find(struct time_test *t, const char *moment, uint64_t *ret, struct hf_error *err);

/* The command's exit code at this moment, 0 to 125. -EINTR, or other failures with words. */
int time_test_run(struct time_test *t, uint64_t tid, struct hf_error *err);

#endif
