/* SPDX-License-Identifier: MIT */
/*
 * Whom a request means to talk to, and where it comes from (between layers 5 and 6). A foreign page can have
 * its own name lead to this machine (DNS rebinding), but the browser says that name: only the address that a
 * connection really came in at, as a number, and "localhost" where that is loopback, are answered. Pure.
 */
#ifndef FS_WEB_HOST_H
#define FS_WEB_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "holdfast/error.h"

/* "ADDR:PORT", "[ADDR]:PORT", "PORT", "localhost:PORT"; NULL: 127.0.0.1, any port. -EINVAL. */
int host_parse_listen(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len,
		      struct hf_error *err);

bool host_is_loopback(const struct sockaddr_storage *address);
/* As it stands in a URL: "127.0.0.1:8080", "[::1]:8080". */
void host_format(const struct sockaddr_storage *address, char *out, size_t size);

/* Does a Host header (NULL: none) name this end of a connection? */
bool host_is(const char *host, const struct sockaddr_storage *local);
/* Is an Origin header (NULL: none) that of pages from this Host? */
bool host_is_origin(const char *origin, const char *host);

#endif
