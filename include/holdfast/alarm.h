/* SPDX-License-Identifier: MIT */
/*
 * Alarms: what a person must look at. A node keeps its own (node.h), and a store keeps those that the process
 * which has it mounted raises: of replicas that are away or behind, and of changes that look like an attack.
 * docs/ALARMS.md says of each kind when it is raised.
 *
 * An alarm is a file, and stays open until somebody acknowledges it. All calls here work on files alone,
 * whether the store is open in some process or not.
 */
#ifndef HOLDFAST_ALARM_H
#define HOLDFAST_ALARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "holdfast/kit.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
	HF_ALARM_KIND_BYTES = 24,
	HF_ALARM_WORDS_BYTES = 600,
	HF_ALARM_REPLICA_BYTES = 64,
	HF_ALARM_MOMENT_BYTES = 40,
	HF_ALARM_TARGET_BYTES = 1024,
};

/* What is wrong, or was, and nobody has acknowledged: PROTOCOL.md §9. */
struct hf_alarm {
	uint32_t number;                /* its name; never given twice while its file is there */
	char kind[HF_ALARM_KIND_BYTES]; /* "conflict", "silent", …; "damaged": its file cannot be read */
	char volume_id[HF_VOLUME_ID_TEXT_BYTES]; /* "": of the node itself */
	char replica[HF_ALARM_REPLICA_BYTES];    /* of one of a store's replicas; "": it is not */
	/* When it opened, a moment from before what it is about: as history names it. "": it has none */
	char moment[HF_ALARM_MOMENT_BYTES];
	uint64_t first_ns, last_ns; /* the clock of who raised it */
	uint64_t count;             /* how often; 0 when damaged */
	bool delivered;             /* to all that are to be told */
	bool acknowledged;
	char words[HF_ALARM_WORDS_BYTES];
};

/*
 * The open alarms of the store at `path`, in the order of their numbers, malloc'ed. -ENOENT: not a store;
 * -ENOMEM, or what the folder says.
 */
int hf_store_alarms(const char *path, struct hf_alarm **ret, size_t *ret_n, struct hf_error *err);

/*
 * Acknowledge an open alarm by its number, or all that are open ("all"), durably: as often as each has been
 * raised by now. *ret_n: how many. -ENOENT: no such open alarm; -EINVAL: not a number.
 */
int hf_store_acknowledge(const char *path, const char *alarm, unsigned *ret_n, struct hf_error *err);

/* When a store raises alarms, and whom it tells. 0: of such a thing none is raised. */
struct hf_alarm_settings {
	char hook[HF_ALARM_TARGET_BYTES]; /* absolute path of a program; "": none */
	char url[HF_ALARM_TARGET_BYTES];  /* https, or http to this machine; "": none */
	uint32_t lag_s;                   /* a replica is behind by more */
	uint32_t unreachable_s;           /* a replica was not reached for longer */
	uint32_t window_s;                /* what follows is about this long; never 0 */
	uint32_t young_s;                 /* what is removed sooner after it was made does not count */
	uint32_t files;                   /* fewer removed or overwritten are never mass; never 0 */
	uint32_t deletion_percent;        /* … and of all files, or all bytes */
	uint32_t overwrite_percent;       /* … the same */
	uint32_t encryption_files;        /* so many were text or the like, and look encrypted now */
	uint32_t drill_s;                 /* no rehearsed recovery (drill.h) has passed for longer */
};

/* Those of the store at `path`; of what it does not say, the defaults. -EUCLEAN: its file is damaged. */
int hf_alarm_settings(const char *path, struct hf_alarm_settings *ret, struct hf_error *err);

/*
 * Change some of them, durably: each a text "name=value", as `lag=10m`, `deletion=25%`, `encryption=off`. A
 * process that has the store mounted takes them over within seconds. -EINVAL: one cannot be, and none is
 * changed.
 */
int hf_alarm_set(const char *path, const char *const *changes, size_t n, struct hf_error *err);

/*
 * Tell whoever is to be told of the store's alarms that this is a test: an alarm of kind "test" with number
 * 0, of which nothing stays but when it was and what came of it (readiness.h). 0: hook and webhook, as far as
 * there are any, have taken it. -EDESTADDRREQ: nobody is to be told; -ETIMEDOUT, -EPROTO and others: one has
 * not, and the words say which. Blocks for as long as they do, 40 s at most.
 */
int hf_alarm_test(const char *path, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
