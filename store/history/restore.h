/* SPDX-License-Identifier: MIT */
/* Shared by the files of restoring (layer 4). */
#ifndef STORE_HISTORY_RESTORE_H
#define STORE_HISTORY_RESTORE_H

#include "store/history/internal.h"
#include "store/tree/tx.h"

/* Of two inode numbers: of the past and now. now 0: in a dry run, it would be made. */
struct restore_pair {
	uint64_t then, now;
	UT_hash_handle hh;
};

/* A folder that is (or would be) in its place: what is in it comes next, then its own attributes. */
struct restore_dir {
	uint64_t then, now;
	bool fresh;   /* made just now: it is empty */
	size_t above; /* which it is in */
	char *name;   /* in that; of the first: its path */
};

/* A place in the live tree. parent 0: the folder is not there, in a dry run. */
struct restore_spot {
	uint64_t parent;
	const char *path, *name; /* name: the last of path; "" of the root */
};

struct restore {
	struct hf_store *s;
	struct hf_view then, now;
	const char *path, *dest; /* without slashes at the ends; dest the same: in place */
	bool dry, undo, in_place;
	hf_restored_fn *each;
	void *arg;
	int said; /* by each; not 0: -ECANCELED goes all the way up, and this is what is returned */
	const struct hf_progress *progress;
	struct hf_restore_summary sum;
	struct hf_error *err;

	struct node was;            /* of the past: the inode looked at last */
	uint64_t top;               /* the live inode at dest, once it is a folder; 0 */
	struct restore_pair *twins; /* by then: files of several names that have one in its place */
	struct restore_pair
		*placed; /* by now: what is in its place, of what could be taken for something else */
	struct restore_dir *dirs; /* each behind the one it is in */
	size_t n_dirs, cap_dirs;
	size_t placing; /* the one of which the names are placed */
	/* of a dry run: */
	struct restore_pair *gone; /* by now: of inodes that would be removed, how many names (then) */
	struct restore_pair *away; /* by now: moved back, and not where they are seen any more */
	/* changed places with what is moved back: removed, unless they have their place */
	struct restore_spot *displaced;
	size_t n_displaced;

	struct restore_pair *dirty; /* by now: folders that differ, or something below; unless all_dirty */
	bool all_dirty;
	uint64_t seen;
};

/* --- restore_inode.c: one inode */

/* Attributes that are to be as they were, mtime not of folders. */
MUST_USE int restore_attributes_differ(struct restore *r, const struct hf_attr *was,
				       const struct hf_attr *is);
/* Contents; of other types than regular files: what they are. 1, 0, negative. */
MUST_USE int restore_contents_differ(struct restore *r, const struct hf_attr *was, const struct hf_attr *is);
/* Do it. Nothing of this looks at whether it is a dry run. */
MUST_USE int restore_contents(struct restore *r, const struct hf_attr *was, uint64_t ino);
MUST_USE int restore_attributes(struct restore *r, const struct hf_attr *was, uint64_t ino);
/* Read an inode of the past, which is then r->was. */
MUST_USE int restore_look_back(struct restore *r, uint64_t ino, struct hf_attr *ret);
/*
 * Make it new, with all that it was but for what is in a folder, and its times. Of *ret the number is set, of
 * a folder all.
 */
MUST_USE int restore_create(struct restore *r, const struct hf_attr *was, const struct restore_spot *spot,
			    struct hf_attr *ret);

/* --- restore_place.c: finding it its place */

/* The entry of this name is to be what it was; is: what it is now, NULL: nothing. */
MUST_USE int restore_place(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
			   const struct hf_attr *is);
/* What was made there just now is not what was, and cannot be made it: it is taken away, and told. */
void restore_give_up(struct restore *r, const struct restore_spot *spot, uint32_t type, uint64_t ino);
MUST_USE bool restore_is_placed(const struct restore *r, uint64_t ino);

/* --- restore_remove.c: take away what is there, with all that is below it */
MUST_USE int restore_remove(struct restore *r, const struct restore_spot *spot, const struct hf_attr *is);

/* --- restore_move.c: where things are, and moving them back */

/* Of an inode now: one of its names, and whether any is outside of the tree. */
struct restore_names {
	struct restore *r;
	bool outside;
	uint64_t dir;
	char name[NAME_BYTES_MAX + 1];
};
MUST_USE int restore_look_at_names(struct restore *r, uint64_t ino, struct restore_names *ret);
/* The inode now, less what a dry run took away: 1, 0 (there is none that has a name), negative. */
MUST_USE int restore_find_inode(struct restore *r, uint64_t ino, struct hf_attr *ret);
/* What was here is elsewhere now, and free to come back: 1 and where it is, 0. is: what is here; NULL:
 * nothing. */
MUST_USE int restore_is_elsewhere(struct restore *r, const struct restore_spot *spot,
				  const struct hf_attr *was, const struct hf_attr *is,
				  struct restore_names *ret, struct hf_attr *found);
MUST_USE int restore_move_back(struct restore *r, const struct restore_spot *spot, const struct hf_attr *is,
			       const struct restore_names *from, const struct hf_attr *found);
/* To be removed here: but if it came from elsewhere, and nothing is there now, it goes back. 1: it went. */
MUST_USE int restore_send_home(struct restore *r, const struct restore_spot *spot, const struct hf_attr *is);
/* Of a dry run: it would be moved by then; one of its names would be removed. */
MUST_USE bool restore_is_away(const struct restore *r, uint64_t ino);
MUST_USE int restore_note_gone(struct restore *r, uint64_t ino);
/* Of a dry run: what stood where something is moved to, and was not found a place. */
MUST_USE int restore_remove_displaced(struct restore *r);
/* -ECANCELED: it is to go no further. Positive codes of this folder always say what was found. */
MUST_USE int restore_tell(struct restore *r, enum hf_restored_kind kind, const struct restore_spot *spot,
			  uint32_t type, uint64_t ino, uint64_t bytes);
/*
 * It failed with this inode, whose last operation was tid before that: told to each, whatever he says. Leaves
 * r->err as it is, as the next does.
 */
void restore_tell_half(struct restore *r, const struct restore_spot *spot, uint32_t type, uint64_t ino,
		       uint64_t tid);
/* A name in a folder as a path. */
MUST_USE int restore_path(const char *dir, const char *name, struct buf *out);

/* --- restore_dirty.c: folders in which something differs, by what happened since */
MUST_USE int restore_find_dirty(struct restore *r);
void restore_pairs_free(struct restore_pair **pairs);
MUST_USE int restore_pairs_add(struct restore_pair **pairs, uint64_t then, uint64_t now, bool by_now);

#endif
