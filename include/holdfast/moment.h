/* SPDX-License-Identifier: MIT */
/*
 * Moments as people write them, and back. One parser and one printer for paths, commands and the web.
 *
 * Forms: `2026-11-21T101530Z` with optional fraction (canonical: no colons), RFC 3339 with any offset, a date
 * or a prefix of one (`2026`, `2026-11`, `2026-11-21`, `2026-11-21T10`, `…T1015`: the end of the span named,
 * so that a day means its evening), `@1763720130` with optional fraction, `tid-N`, `10s` `10m` `2h` `3d` `2w`
 * (ago), `now`, or a tag's name. Without an offset and without Z, the local time of the process (TZ): the
 * last moment at which its clocks showed no more than that. So of an hour that is there twice the second is
 * meant, and of one that is skipped the moment before. Who asks another process sends it the canonical form.
 */
#ifndef HOLDFAST_MOMENT_H
#define HOLDFAST_MOMENT_H

#include "holdfast/view.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hf_moment_kind { HF_MOMENT_TIME, HF_MOMENT_TID, HF_MOMENT_TAG };

struct hf_moment {
	enum hf_moment_kind kind;
	uint64_t time_ns; /* HF_MOMENT_TIME: this instant or the last operation before it */
	uint64_t from_ns; /* HF_MOMENT_TIME: where the span begins that the text names, a day or a year */
	uint64_t tid;     /* HF_MOMENT_TID */
	bool relative;    /* depends on when it was asked */
	char tag[129];    /* HF_MOMENT_TAG: what is of no other form; whether it exists is not known yet */
};

/* Pure: text, and the wall clock for the relative forms. -EINVAL with words that show the forms. */
int hf_moment_parse(const char *text, uint64_t now_ns, struct hf_moment *ret, struct hf_error *err);

/*
 * Canonical text of a time: "2026-11-21T101530Z", with a fraction of 3, 6 or 9 digits when it has one. out of
 * 40 bytes is enough.
 */
char *hf_moment_format(uint64_t time_ns, char *out, size_t size);

/* What the store knows of a point in its history. */
struct hf_point {
	uint64_t tid;
	uint64_t time_ns;
};

/*
 * The last operation at or before the moment. -ENOENT: it lies before the volume's first or behind its last
 * operation's tid, or there is no such tag; the words name the nearest that exist. A time in the future is
 * the head.
 */
int hf_moment_resolve(struct hf_store *s, const struct hf_moment *moment, struct hf_point *ret,
		      struct hf_error *err);

/* Parse and resolve. */
int hf_moment_find(struct hf_store *s, const char *text, struct hf_point *ret, struct hf_error *err);

/* The time of an operation; -ENOENT. */
int hf_point_of_tid(struct hf_store *s, uint64_t tid, struct hf_point *ret, struct hf_error *err);
/* The last operation at or before a time; -ENOENT when there is none. */
int hf_point_of_time(struct hf_store *s, uint64_t time_ns, struct hf_point *ret, struct hf_error *err);

/*
 * Some moments to show, newest first: all of the last minutes' commits, then ever fewer the older they are;
 * at most max. Returns how many.
 */
ssize_t hf_moments_list(struct hf_store *s, struct hf_point *ret, size_t max, struct hf_error *err);

/* Tags in order of name. each returns non-zero to stop. */
int hf_tags_list(struct hf_store *s, int (*each)(void *arg, const char *name, const struct hf_point *point),
		 void *arg, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
