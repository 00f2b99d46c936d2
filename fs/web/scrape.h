/* SPDX-License-Identifier: MIT */
/*
 * One page of text, made anew for whoever asks by GET: what a monitor reads (between layers 5 and 6).
 *
 * One thread serves all, and is all that a client can keep busy: its connections are bounded in number, in
 * memory and in time, whatever trickles in, and when too many are there the oldest makes room for the newest.
 * The text is made ten times a second at most; who comes sooner gets the last one. The Host must be ours
 * (host.h). It takes no part in anything else that its process does.
 */
#ifndef FS_WEB_SCRAPE_H
#define FS_WEB_SCRAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "holdfast/error.h"

enum {
	SCRAPE_GUESTS_MAX = 32,
	SCRAPE_DEADLINE_MS = 10000,     /* for a connection, from its beginning to its end */
	SCRAPE_MEMORY_BYTES = 16 << 10, /* a connection's, and so what its headers may take */
	SCRAPE_FRESH_MS = 100,
	SCRAPE_ADDRESS_BYTES = 80,
};

struct scrape;
struct scrape_options {
	const char *listen_at;   /* as for host_parse_listen */
	const char *path, *type; /* "/metrics", and its Content-Type; borrowed until scrape_stop */
	char *(*text)(void *arg, size_t *ret_len); /* malloc'ed; NULL: none now. From the server's thread */
	void *arg;
	unsigned deadline_ms; /* 0: SCRAPE_DEADLINE_MS */
};

/* -EINVAL: that is no address; -EADDRINUSE and the like; -ENOMEM, -EAGAIN, -EIO. */
int scrape_start(const struct scrape_options *o, struct scrape **ret, struct hf_error *err);
/* "127.0.0.1:9480". Borrowed. */
const char *scrape_address(const struct scrape *s);
bool scrape_is_reachable(const struct scrape *s); /* by others than this machine? */
void scrape_stop(struct scrape *s);               /* what is being sent breaks off; NULL is fine */

#endif
