/* SPDX-License-Identifier: MIT */
/* What `holdfast restore` and `holdfast undo` have in common: asking, and printing what was or would be done
 * (layer 6). */
#ifndef FS_CLI_RESTORE_PRINT_H
#define FS_CLI_RESTORE_PRINT_H

#include "fs/cli/progress.h"
#include "fs/cli/target.h"

struct restore_report {
	struct progress progress;
	json_t *changes;      /* gathered here when not NULL, else printed */
	unsigned shown, most; /* printed, and how many are at most; 0: all */
};

/* Takes the request. */
json_t *restore_ask(const struct target *t, json_t *request, struct restore_report *report,
		    struct hf_error *err);

/* How many names; a line of it, "3 made, 1 removed", of what was or (dry) would be done. */
uint64_t restore_count(const json_t *answer);
void restore_print_counts(const json_t *answer, bool dry);
/* Files in use whose length and times of before the kernel keeps, if there are any: to stderr. */
void restore_print_held(const struct target *t, const json_t *answer);

/* The command that takes it back; path: in the volume. malloc'ed, NULL without memory. */
char *restore_undo_command(const struct target *t, const char *path, const json_t *answer);
/* A path of the volume as a person finds it. malloc'ed, NULL without memory. */
char *restore_shown_path(const struct target *t, const char *path);

#endif
