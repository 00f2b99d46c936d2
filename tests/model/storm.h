/* SPDX-License-Identifier: MIT */
/*
 * A storm: random operations on a store and on the model of it, side by side. What each operation answers is
 * compared, the tree now and then, every remembered moment of the past sooner or later; between them the
 * store is closed, killed, rebuilt and checked.
 *
 * A storm lives in shared memory (arena.h). Each session is a process of its own: it opens the store, makes
 * sure that it holds exactly some moment at or behind the last that was durable, goes on from there, and ends
 * by closing the store or by SIGKILL.
 */
#ifndef TESTS_MODEL_STORM_H
#define TESTS_MODEL_STORM_H

#include <limits.h>

#include "tests/model/compare.h"
#include "tests/model/model.h"

enum { STORM_REFS_MAX = 16, STORM_INODES_MAX = 48, STORM_WRITE_BYTES_MAX = 400000 };

struct storm_moment {
	uint64_t tid;
	uint64_t time_ns; /* 0: not known */
	const struct model *m;
};

struct storm {
	char path[PATH_MAX]; /* of the store; an empty folder to begin with */
	uint64_t seed, random;
	uint64_t ops, ops_max;
	const struct model *now;     /* what the store holds */
	const struct model *pending; /* … or this, while an operation is under way */
	struct storm_moment *moments;
	size_t n_moments, cap_moments;
	uint64_t durable_tid; /* surely there after a crash */
	bool closed;          /* the last session closed the store: all is there */
	unsigned sessions, crashes;
	void (*between_sessions)(struct storm *s); /* may be NULL; called in the parent */
	/* may be NULL; called now and then while the store is open. -1 after the reason was printed */
	int (*look_further)(struct storm *s);
	char doing[400]; /* the operation under way, in words */

	/*
	 * For a disk that fails: may an operation fail with this code, which the model knows nothing of?
	 * NULL: never. It is kept in `refused` then, and nothing has been done.
	 */
	bool (*excused)(struct storm *s, int64_t code);
	int64_t refused; /* 0 or the last such code; for who reads it to clear */
	/* may be NULL; called when a commit or an fsync has returned 0. -1 after the reason was printed */
	int (*committed)(struct storm *s, bool fsync);
	const char *seed_name; /* how to have the same again, for the words of a failure */
	bool replicates;       /* stores are opened with their replicas */
	unsigned sync_receipts;
	void *arg; /* of these */

	/* of one session */
	struct hf_store *store;
	uint64_t refs[STORM_REFS_MAX][2]; /* inode, count */
	uint8_t *data;                    /* STORM_WRITE_BYTES_MAX of anything */
};

enum storm_end { STORM_DONE = 0, STORM_FAILED = 1, STORM_GO_ON = 3 };

/* In the arena, which is reset. path: a folder that is empty. */
struct storm *storm_new(const char *path, uint64_t seed, uint64_t ops_max);
/* One session; to be called in a process of its own. May not return. */
enum storm_end storm_session(struct storm *s);
/* All sessions, each in a child. 0 or -1, with the reason printed. */
int storm_run(struct storm *s);

/* --- a session step by step, for who has a process of his own. -1 after the reason was printed. */

struct hf_open_options storm_options(struct storm *s, unsigned flags); /* by chance */
int storm_init(struct storm *s,
	       struct hf_error *err); /* make the store, if it can be made: what hf_store_init says */
int storm_opened(struct storm *s);    /* s->store is open, for writing: go on from where it is */
/* The store as the last session left it, opened and closed: exactly a moment, none that was durable missing.
 */
int storm_look(struct storm *s);
int storm_check_store(struct storm *s); /* hf_store_check */
int storm_check_all(struct storm *s);   /* every moment that is remembered */

/* --- between the files of the storm */

uint64_t storm_random(struct storm *s, uint64_t below);
static inline bool storm_chance(struct storm *s, unsigned percent)
{
	return storm_random(s, 100) < percent;
}
/* One random operation (storm_op.c). -1 after the reason was printed. */
int storm_op(struct storm *s);
/* The store's answer to an operation: compare it with what was wanted, and learn the times it chose. */
int storm_answer(struct storm *s, int64_t wanted, int64_t got, const struct model *next,
		 const struct hf_error *err);
int storm_fail(struct storm *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool storm_has_ref(void *storm, uint64_t ino);
bool storm_ref(struct storm *s, uint64_t ino, uint64_t count); /* false: no room for it */
void storm_unref_one(struct storm *s);
int storm_check_now(struct storm *s, const struct model *checked);
int storm_check_past(struct storm *s, size_t moment, const struct model *checked);
int storm_learn(struct storm *s, const struct model *next, struct storm_moment *ret);

#endif
