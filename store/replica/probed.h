/* SPDX-License-Identifier: MIT */
/*
 * replicas/NAME.probed (layer 4): what was found when a bucket was last tried (PROTOCOL.md §11.7), so that it
 * can be shown later what its protection rests on.
 */
#ifndef STORE_REPLICA_PROBED_H
#define STORE_REPLICA_PROBED_H

#include "holdfast/readiness.h"
#include "store/os/os.h"

struct probed {
	uint64_t first_ns, last_ns; /* when it was tried for the first time, and last; 0: never */
	size_t n;
	struct hf_probed all[HF_PROBED_MAX];
};

/* One more finding; of too many the last are left out. */
void probed_add(struct probed *p, enum hf_finding finding, const char *what, const char *words);

/* Keeps findings (hf_replica_options.found, with this as its argument) and hands them on. found may be NULL.
 */
struct probing {
	struct probed probed;
	void (*found)(void *arg, enum hf_finding finding, const char *what, const char *words);
	void *arg;
};
void probing_found(void *probing, enum hf_finding finding, const char *what, const char *words);
/* It is over, now: keep what was found, durably. -ENOMEM, or what the system says. */
int probing_keep(struct probing *p, const struct os *os, const char *store, const char *name);

/* Durable. Read: zeroed when there is none that can be read. */
MUST_USE int probed_write(const struct os *os, const char *store, const char *name, const struct probed *p);
void probed_read(const struct os *os, const char *store, const char *name, struct probed *ret);

#endif
