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

#ifdef __cplusplus
}
#endif
#endif
