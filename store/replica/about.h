/* SPDX-License-Identifier: MIT */
/*
 * What a node tells of itself with a position (layer 4; PROTOCOL.md §3.4), and replicas/NAME.about, where a
 * store keeps it for `holdfast doctor`. It is not signed, and nothing but words for a person hangs on it.
 */
#ifndef STORE_REPLICA_ABOUT_H
#define STORE_REPLICA_ABOUT_H

#include "store/base/buf.h"
#include "store/os/os.h"

#define ABOUT_HEADER "Holdfast-About"
#define ABOUT_NO_BUDGET UINT64_MAX
enum { ABOUT_SOFTWARE_BYTES = 32, ABOUT_TEXT_BYTES_MAX = 200 };

struct about {
	char software[ABOUT_SOFTWARE_BYTES]; /* "0.1.0"; "": nothing was told */
	uint64_t used_bytes, free_bytes;
	uint64_t budget_bytes; /* ABOUT_NO_BUDGET: none */
};

/* The value of the header. Appended. */
void about_text(const struct about *a, struct buf *out);
/* -EBADMSG: not of the form. What it does not know is passed over. */
MUST_USE int about_parse(const char *text, struct about *ret);

/* Durable. Read: *ret zeroed and 0 when there is none that can be read, else when it was told. */
int about_write(const struct os *os, const char *store, const char *name, const struct about *a,
		uint64_t told_ns);
uint64_t about_read(const struct os *os, const char *store, const char *name, struct about *ret);

#endif
