/* SPDX-License-Identifier: MIT */
/*
 * What holdfast/history.h should say of the moments that a storm remembers: worked out from the states of the
 * tree alone, by looking at all of them. All memory is malloc's; without any it aborts.
 */
#ifndef TESTS_MODEL_PAST_H
#define TESTS_MODEL_PAST_H

#include "holdfast/history.h"
#include "tests/model/storm.h"

struct past {
	const struct storm_moment *m;
	size_t n;
};

/* Which moment holds at a tid. */
size_t past_index(const struct past *p, uint64_t tid);
/* What a name in a directory was; 0: nothing. */
uint64_t past_entry(const struct model *m, uint64_t dir, const char *name);
/* What a path was; 0: nothing. */
uint64_t past_resolve(const struct model *m, const char *path);
bool past_is_there(const struct model *m, uint64_t ino);               /* and has a name */
bool past_is_below(const struct model *m, uint64_t ino, uint64_t top); /* with one of its names, or is that */

struct past_name {
	uint64_t dir;
	const char *name; /* the model's */
	char *path;
};
struct past_names {
	struct past_name *v;
	size_t n;
};
struct past_names past_names(const struct model *m, uint64_t ino);
void past_names_release(struct past_names *l);

/* hf_life. from and until are moments; until == n: it still is. */
struct past_stretch {
	uint64_t ino;
	uint32_t type;
	size_t from, until;
	char *path;
	bool came_by_rename, removed;
};
struct past_line {
	struct past_stretch *v;
	size_t n;
};
struct past_line past_life(const struct past *p, const char *path); /* newest first */
void past_line_release(struct past_line *l);

/* hf_diff, as lines of text: "kind also path path-before". */
char *past_diff_text(const struct model *a, const struct model *b, const char *path);

#endif
