/* SPDX-License-Identifier: MIT */
/* Listening on TCP, and whether a request means this end of its connection (between layers 5 and 6). */
#ifndef FS_WEB_LISTEN_H
#define FS_WEB_LISTEN_H

#include <microhttpd.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "holdfast/error.h"

/*
 * A socket that listens, for a queue of so many, and where it does. listen_at as for host_parse_listen
 * (host.h). -EINVAL; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, with words.
 */
int listen_open(const char *listen_at, int queue, struct sockaddr_storage *ret, struct hf_error *err);

/* Is its Host the address that the connection came in at? (host.h says why.) */
bool listen_is_meant(struct MHD_Connection *connection);

#endif
