/* SPDX-License-Identifier: MIT */
/* holdfast node budget (layer 6). */
#ifndef FS_CLI_NODE_BUDGET_H
#define FS_CLI_NODE_BUDGET_H

/* volume: an id, or "default" for volumes to come; size: as 500G, or "none". Returns the exit code. */
int node_budget(const char *dir, const char *volume, const char *size);

#endif
