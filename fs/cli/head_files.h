/* SPDX-License-Identifier: MIT */
/* Saved heads as they are given to a command: --head HEAD or --head @FILE, as often as wanted (layer 6). */
#ifndef FS_CLI_HEAD_FILES_H
#define FS_CLI_HEAD_FILES_H

#include <stdbool.h>
#include <stddef.h>

enum { HEAD_FILES_MAX = 64 };

struct head_files {
	char *texts[HEAD_FILES_MAX]; /* malloc'ed */
	size_t n;
};

/* What stands behind --head. False: it cannot be read, which is said, in the command's name. */
bool head_files_add(struct head_files *h, const char *command, const char *given);
void head_files_release(struct head_files *h); /* a zeroed one is fine */

#endif
