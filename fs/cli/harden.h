/* SPDX-License-Identifier: MIT */
/*
 * What a node's process gives up before it listens (layer 6): new privileges, and system calls that nothing
 * in it needs, and that who has got into a process asks for first. Whatever it runs (the alarm hook) inherits
 * that.
 */
#ifndef FS_CLI_HARDEN_H
#define FS_CLI_HARDEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Before there are threads. What cannot be had goes into `missing`, as words ("" when all could): the node
 * serves all the same.
 */
void harden(char *missing, size_t size);
/* As many open files as this process may have: connections and segments take one each. */
void harden_open_files(void);

#endif
