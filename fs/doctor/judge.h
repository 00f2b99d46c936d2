/* SPDX-License-Identifier: MIT */
/* How a check says what it found (between layers 5 and 6; private to fs/doctor). */
#ifndef FS_DOCTOR_JUDGE_H
#define FS_DOCTOR_JUDGE_H

#include "fs/doctor/doctor.h"

#define JUDGE_WORDS(a, b) __attribute__((format(printf, a, b)))

/*
 * A check begins at OK without words. judge_add makes the verdict this one if it is worse, and adds the
 * words: the worst first. judge_fine has what is to be said when nothing was found, and is heard only then.
 */
void judge_add(struct doctor_finding *f, enum doctor_verdict verdict, const char *fmt, ...) JUDGE_WORDS(3, 4);
void judge_fine(struct doctor_finding *f, const char *fmt, ...) JUDGE_WORDS(2, 3);
/* The first one counts; neither does when the verdict is OK in the end. */
void judge_remedy(struct doctor_finding *f, const char *fmt, ...) JUDGE_WORDS(2, 3);
void judge_command(struct doctor_finding *f, const char *fmt, ...) JUDGE_WORDS(2, 3);

enum { JUDGE_SPAN_BYTES = 48 };
/* "4 days", "3 hours" since then, until now; "just now". Returns out. */
char *judge_ago(const struct facts *f, uint64_t then_ns, char out[JUDGE_SPAN_BYTES]);
char *judge_span(double seconds, char out[JUDGE_SPAN_BYTES]);
char *judge_bytes(uint64_t bytes, char out[JUDGE_SPAN_BYTES]);
double judge_days(const struct facts *f, uint64_t then_ns); /* since then; negative: it is to come */

/* A word as it is written in a command: quoted when a shell would take it for more than one. Returns out. */
char *judge_word(const char *word, char out[FACTS_PATH_BYTES]);
#define JUDGE_WORD(word) judge_word(word, (char[FACTS_PATH_BYTES]){ "" })
#define JUDGE_STORE(f) JUDGE_WORD((f)->store.path)

#define EACH_REPLICA(p, f) \
	for (const struct facts_replica *p = (f)->replicas; p < (f)->replicas + (f)->n_replicas; p++)

/* Each family's checks, in order. */
struct doctor_family {
	const struct doctor_check *checks;
	size_t n;
};
extern const struct doctor_family family_replicas, family_independence, family_buckets, family_recovery,
	family_keys, family_memory, family_machine, family_disk, family_mount, family_alarms;
#define JUDGE_FAMILY(checks)                                 \
	{                                                    \
		checks, sizeof(checks) / sizeof((checks)[0]) \
	}

#endif
