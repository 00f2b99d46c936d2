/* SPDX-License-Identifier: MIT */
/*
 * A drill's parts (layer 6; docs/DRILLS.md). cmd_drill.c reads what is asked for, and the primary's side of
 * it; a process of its own, shut off from the primary (drill_apart.h), rehearses (drill_steps.c) and tells by
 * lines of JSON through a pipe (drill_child.c): {"progress"}, {"step"}, and at last {"end"}. drill_print.c
 * says it to people and programs.
 */
#ifndef FS_CLI_DRILL_H
#define FS_CLI_DRILL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "fs/cli/drill_apart.h"
#include "holdfast/drill.h"

/* What is to be rehearsed. All is borrowed. */
struct drill_plan {
	struct hf_drill *drill;
	struct hf_drill_about about;
	const char *scratch; /* an empty folder, which is taken away afterwards */
	struct drill_apart apart;
	bool with_kit;
	bool alarms;           /* also try what the node alarms its operator of */
	uint64_t bytes;        /* restored of a moment at most, about; UINT64_MAX: all */
	unsigned moments;      /* past ones */
	uint64_t sample_bytes; /* not 0: no recovery, but about so much of the log verified */
};

/* --- drill_steps.c: in the process that is shut off. Tells through `fd`, which is its last open one. */
void drill_steps(const struct drill_plan *plan, int fd);

/* --- drill_child.c: the process, seen from outside */

struct drill_watch {
	void (*step)(void *arg, const json_t *step); /* {step, verdict, words, seconds} */
	struct hf_progress progress;
	void *arg;
};

/* Run drill_steps in a process of its own, up to its end. A new object, what was told as {"end"}; NULL with
 * err set. */
json_t *drill_child(const struct drill_plan *plan, const struct drill_watch *watch, struct hf_error *err);

/* From now on SIGINT, SIGTERM and SIGHUP end drill_child, not this process: what was made is to be taken
 * away. */
void drill_catch_signals(void);

/* A folder of its own in `dir` (NULL: $TMPDIR, or /var/tmp); and away with it, whatever modes are in it. */
int drill_make_scratch(const char *dir, char **ret, struct hf_error *err);
void drill_remove_scratch(const char *path);

/* --- drill_result.c */

uint64_t drill_now_ns(void);
/* Whether the step of this name (NULL: any) had this verdict. */
bool drill_step_was(const json_t *steps, const char *name, const char *verdict);
struct hf_drill_result drill_judge(const struct drill_plan *plan, const json_t *steps, const json_t *end,
				   uint64_t began_ns);
/* Words on what this drill says nothing of, though it passed: a new array. */
json_t *drill_not_proven(const struct drill_plan *plan, const struct hf_drill_result *r, const json_t *end);
/* Keep it in the store; r->share_verified becomes that of all drills. `end` has segments and sampled. */
int drill_keep(const char *store, struct hf_drill_result *r, const json_t *steps, const json_t *not_proven,
	       const json_t *end, bool verified, struct hf_error *err);
/* … as it is with no store to keep it in. */
double drill_own_share(const struct hf_drill_result *r, const json_t *end);
/* Keep what a drill elsewhere printed. -EINVAL: it is not that. */
int drill_take_result(const char *store, const json_t *told, struct hf_error *err);

/* --- drill_print.c */

/* {"last_drill"} of a store's status: what hf_drill_last and hf_drill_state say; null: there was none. */
json_t *drill_last_to_json(const char *store);
void drill_print_last(const json_t *status);

void drill_print_step(const json_t *step);
/* The whole as it is printed with --json: a drill's result, its steps, and `end`. */
json_t *drill_to_json(const struct drill_plan *plan, const struct hf_drill_result *result,
		      const json_t *steps, const json_t *end, const json_t *not_proven);
void drill_print(const json_t *drill);

#endif
