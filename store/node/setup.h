/* SPDX-License-Identifier: MIT */
/* node.json and the address a node listens at (layer 4; PROTOCOL.md §8). */
#ifndef STORE_NODE_SETUP_H
#define STORE_NODE_SETUP_H

#include "store/os/os.h"

enum {
	SETUP_HOST_BYTES = 256,
	SETUP_ADDRESS_BYTES = 300,
	SETUP_TEXT_BYTES = 1024,
	SETUP_SILENT_AFTER_S = 86400,
	SETUP_STALLED_AFTER_S = 600,
	SETUP_PRUNE_DELAY_S = 14 * 86400, /* when it is not said, and the least that can be */
};

struct setup {
	char host[SETUP_HOST_BYTES]; /* an address, without brackets */
	unsigned port;               /* 0: any that is free */
	uint32_t silent_after_s, stalled_after_s;
	uint32_t prune_delay_s;
	char alarm_hook[SETUP_TEXT_BYTES], alarm_url[SETUP_TEXT_BYTES]; /* "": none */
};

/* "127.0.0.1:7443", "[::]:7443". -EINVAL with words. */
MUST_USE int setup_parse_listen(const char *listen, struct setup *ret, struct hf_error *err);
/* -ENOENT: not a node's folder; -EUCLEAN; -EPROTONOSUPPORT. */
MUST_USE int setup_read(const struct os *os, const char *dir, struct setup *ret, struct hf_error *err);

/* "https://host:port", with brackets where the host is an IPv6 address. */
void setup_url(const char *host, unsigned port, char ret[SETUP_ADDRESS_BYTES]);

#endif
