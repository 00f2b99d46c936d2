/* SPDX-License-Identifier: MIT */
/*
 * A rehearsal shut off from the primary (layer 6): by Landlock its process can open what it was given and
 * nothing else, whatever the path; by seccomp it can reach no process of this machine through a socket, nor
 * look into one. Both hold for root, and nothing undoes them. And it is tried.
 */
#ifndef FS_CLI_DRILL_APART_H
#define FS_CLI_DRILL_APART_H

#include <stddef.h>

#include "holdfast/error.h"

enum { DRILL_APART_PATHS = 4 };

struct drill_apart {
	const char *scratch;                     /* may be read and written */
	const char *readable[DRILL_APART_PATHS]; /* may be read, beside what the system's libraries need;
						    NULL: none */
	/* Folders that must not be reached: the store, or NULL; then others, as where it is mounted. */
	const char *primary[DRILL_APART_PATHS];
};

/*
 * For a process with one thread, which keeps its descriptors up to `keep_fd`. 0, with words on what was
 * tried. -EOPNOTSUPP: this kernel cannot; nothing was shut off. -EPERM: something of the primary's opens all
 * the same: the words say what. Others: it could not be done.
 */
int drill_apart(const struct drill_apart *a, int keep_fd, char *words, size_t size, struct hf_error *err);

#endif
