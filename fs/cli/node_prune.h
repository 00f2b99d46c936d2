/* SPDX-License-Identifier: MIT */
/* `holdfast node prune`: what the owner of a volume lets a node take away (layer 6). Each gives an exit code.
 */
#ifndef FS_CLI_NODE_PRUNE_H
#define FS_CLI_NODE_PRUNE_H

#include <stdbool.h>

#include <jansson.h>

int node_prune(const char *dir, const char *list_file);
int node_prune_cancel(const char *dir, const char *number);
int node_prune_list(const char *dir, bool json);
/* Those that are not over, a few lines each, for node status; nothing when they cannot be read. */
void node_prune_print_pending(const char *dir);
json_t *node_prune_json(const char *dir); /* all of them, for node status; null when they cannot be read */

#endif
