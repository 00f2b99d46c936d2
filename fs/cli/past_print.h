/* SPDX-License-Identifier: MIT */
/* How commands that tell of the past print what operations answer (past.h), for people (layer 6). */
#ifndef FS_CLI_PAST_PRINT_H
#define FS_CLI_PAST_PRINT_H

#include <stdio.h>

#include "fs/cli/target.h"

/* A name as a terminal may be given it: control characters and what is no UTF-8 as \ooo. Without a newline.
 */
void print_name(FILE *f, const char *path);
/* The member of that key (output_set_path) so; "/" for the root. */
void print_path_of(const json_t *row, const char *key);
/* One object on one line of stdout. */
void print_json_line(const json_t *row);

/* A word that a shell reads as this; malloc'ed, NULL without memory. */
char *shell_word(const char *text);
/* The command that brings a path back as it was just after an operation; malloc'ed, NULL without memory. */
char *restore_command(const struct location *where, const char *path, uint64_t tid);

/* A user's name, or the number, or "?" for null. out: PRINT_USER_BYTES. */
enum { PRINT_USER_BYTES = 40 };
char *print_user(const json_t *uid, char *out);

/* A line of "log". */
void print_log_row(const json_t *row);

#endif
