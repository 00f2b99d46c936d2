/* SPDX-License-Identifier: MIT */
/* Shared by the files of this folder (layer 4): the past as holdfast/history.h tells it. */
#ifndef STORE_HISTORY_INTERNAL_H
#define STORE_HISTORY_INTERNAL_H

#include "holdfast/history.h"
#include "store/volume/volume.h"

/* Numbers in a row, {0} at first: sorted, and each once, after numbers_sort and until one is added. */
struct numbers {
	uint64_t *v;
	size_t n, cap;
};
void numbers_release(struct numbers *l);
void numbers_sort(struct numbers *l);
bool numbers_have(const struct numbers *l, uint64_t number);        /* one that is sorted */
void numbers_keep(struct numbers *l, const struct numbers *wanted); /* of both, which are sorted */
void numbers_drop_to(struct numbers *l, uint64_t last);             /* up to that one; sorted */
MUST_USE int numbers_add(struct numbers *l, uint64_t number);       /* 0, -ENOMEM */
/* Of many additions few are new: before it grows it is sorted. */
MUST_USE int numbers_add_again(struct numbers *l, uint64_t number);

/* What an inode was: 1; 0: it was not there, or had no name; negative. */
MUST_USE int state_of(const struct hf_view *v, uint64_t ino, struct hf_attr *ret, struct hf_error *err);

/*
 * Appends to out (which it clears first) the path of one of an inode's names, of the root nothing. -ENOENT:
 * it has none then.
 */
MUST_USE int path_of(const struct hf_view *v, uint64_t ino, struct buf *out, struct hf_error *err);

/*
 * Going up from directory to directory, however deep they are: climb_circles is asked of each, and says so
 * when it was there already (Brent's algorithm: after at most three times as many steps as there are
 * directories). That is a damaged index: climb_error. {0} at first.
 */
struct climb {
	uint64_t seen, n, turn;
};
bool climb_circles(struct climb *c, uint64_t dir);
int climb_error(struct hf_error *err);

/*
 * Where directories were, remembered: one answer holds until the directory is moved. For walks that ask of
 * many moments.
 */
struct places;
MUST_USE int places_new(struct hf_store *s, struct places **ret);
void places_free(struct places *p);
/*
 * From here on, and until called again, all operations are gone through, from `until` backwards, and each is
 * told (places_walked) before anything is asked of the moments it made and ended; nothing is asked of others.
 * Then what is known of one moment is known of those before it, back to what gave a name or took one. until
 * 0: not any more.
 */
void places_walk(struct places *p, uint64_t until);
void places_walked(struct places *p, const struct hf_change *c);
/* Is the inode at this moment in the directory, at any depth, or that itself? 1, 0. */
MUST_USE int places_below(struct places *p, uint64_t tid, uint64_t ino, uint64_t dir, struct hf_error *err);
/*
 * The path of that name of an inode at a moment that is below a directory, or of any when dir is 0, as
 * path_of. -ENOENT.
 */
MUST_USE int places_path(struct places *p, uint64_t tid, uint64_t ino, uint64_t dir, struct buf *out,
			 struct hf_error *err);

/* The entries of one name in a directory that were there at some time within (since, until]. Newest first. */
typedef int entry_version_fn(void *arg, uint64_t ino, uint32_t type, uint64_t from, uint64_t ended);
MUST_USE int entry_versions(struct hf_store *s, uint64_t dir, const char *name, uint64_t since,
			    uint64_t until, entry_version_fn *each, void *arg, struct hf_error *err);

/* Did this operation take away the last name of the inode? 1, 0. */
MUST_USE int was_removed(struct hf_store *s, uint64_t ino, uint64_t tid, struct hf_error *err);

/* Did it take a name from the inode, and give it none? 1, 0. */
MUST_USE int was_unlinked(struct hf_store *s, uint64_t ino, uint64_t tid, struct hf_error *err);

/*
 * Which inodes were in a directory, at any depth, or are that itself, at some time between since and until:
 * added, some more than once, and maybe some that were not; and beside each number, unless until_when is
 * NULL, the operation that took it from there (HF_TID_HEAD: none). 1; 0: more entries than *budget would have
 * to be looked at, by which what was is counted down; negative.
 */
MUST_USE int within_find(struct hf_store *s, uint64_t top, uint64_t since, uint64_t until, uint64_t *budget,
			 struct numbers *inos, struct numbers *until_when, struct hf_error *err);

/* Extended attributes of two inodes, by name and value: 1, 0, negative. */
MUST_USE int same_xattrs(const struct hf_view *a, uint64_t ino_a, const struct hf_view *b, uint64_t ino_b,
			 struct hf_error *err);

/*
 * When a small tree is rather looked through itself than all operations. Never changed, but by tests that
 * want that of small volumes.
 */
struct history_limits {
	uint64_t few_ops;     /* so many are looked through, however small the tree is */
	uint64_t stretch_ops; /* for a log so many at first */
	uint64_t ops_a_row;   /* that are looked through in the time that all states of one inode take */
	uint64_t members;     /* of a tree, told newest first: so many are looked at first, and of each */
	uint64_t states;      /* so many */
};
extern struct history_limits history_limits;

/* What of hf_progress is told every so many steps. progress NULL: nothing. */
static inline void tell_progress(const struct hf_progress *progress, const char *what, uint64_t done,
				 uint64_t total)
{
	if (progress && progress->fn && done % 65536 == 0)
		progress->fn(progress->arg, what, done, total);
}

#endif
