/* SPDX-License-Identifier: MIT */
/* holdfast node check (layer 6). */
#ifndef FS_CLI_NODE_CHECK_H
#define FS_CLI_NODE_CHECK_H

#include <stdbool.h>

/* volume NULL: all. Returns the exit code. */
int node_check(const char *dir, const char *volume, bool json);

/* The same, and heal from a folder with another copy. */
int node_repair(const char *dir, const char *volume, const char *from, bool json);

#endif
