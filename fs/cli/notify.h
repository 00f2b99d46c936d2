/* SPDX-License-Identifier: MIT */
/*
 * What a service manager is told, as sd_notify(3) has it: a datagram to the socket that NOTIFY_SOCKET names
 * (layer 6). Without that variable nothing happens anywhere here.
 */
#ifndef FS_CLI_NOTIFY_H
#define FS_CLI_NOTIFY_H

#include <stdbool.h>

/* Take the variable, so that no child of ours has it. Before there are threads. */
void notify_begin(void);
bool notify_wanted(void);

/* It can be used: "READY=1", and these words. */
void notify_ready(const char *words);
/* Still starting or stopping, at this; do not give it up within the next two minutes. */
void notify_busy(const char *words);
/* It is about to end: "STOPPING=1". */
void notify_stopping(const char *words);

#endif
