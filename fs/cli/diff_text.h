/* SPDX-License-Identifier: MIT */
/* The text of differences, by the system's diff(1) on copies in a temporary folder (layer 6). */
#ifndef FS_CLI_DIFF_TEXT_H
#define FS_CLI_DIFF_TEXT_H

#include "fs/cli/location.h"

struct diff_text {
	struct location_talk *talk; /* where the contents come from */
	const json_t *a, *b;        /* {tid, time, moment} */
	char *folder, *file[2];
};

/* Make the folder. a and b outlive it. */
int diff_text_begin(struct diff_text *t, const json_t *a, const json_t *b, struct hf_error *err);
/* What a line of "diff" (past.h) is about, on stdout; nothing when it is no file or link, or has the same
 * contents. */
int diff_text_print(struct diff_text *t, const json_t *row, struct hf_error *err);
void diff_text_release(struct diff_text *t); /* a zeroed one is fine */

#endif
