/* SPDX-License-Identifier: MIT */
/* holdfast node status (layer 6). */
#ifndef FS_CLI_NODE_STATUS_H
#define FS_CLI_NODE_STATUS_H

#include <stdbool.h>

/* Prints how the node in dir is. CLI_FOUND: an alarm is open, or a volume cannot be read. */
int node_status(const char *dir, bool json);

#endif
