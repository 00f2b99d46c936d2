/* SPDX-License-Identifier: MIT */
/*
 * The past as a row of changes: what happened, when, to what, on whose behalf; what a path has been; what is
 * gone; how two moments differ. How the tree was at a moment is view.h's; naming moments is moment.h's.
 *
 * All of it is read from the index, and but for hf_restore none of it changes anything. What `each` functions
 * return stops the walk when it is not 0, and is returned. What they are handed is theirs for the call only.
 * Paths are from the volume's root, "/"-separated, without one in front; the root is "". Errors common to
 * all: -EUCLEAN, -EIO, -ENOMEM.
 */
#ifndef HOLDFAST_HISTORY_H
#define HOLDFAST_HISTORY_H

#include <stdbool.h>

#include "holdfast/view.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- operations */

enum hf_change_kind {
	HF_CHANGE_CREATE = 1, /* anything that has a name */
	HF_CHANGE_LINK,
	HF_CHANGE_REMOVE, /* a name: unlink, rmdir */
	HF_CHANGE_RENAME,
	HF_CHANGE_ATTRIBUTES, /* mode, owner, times; a new length */
	HF_CHANGE_WRITE,
	HF_CHANGE_ALLOCATE, /* allocated, punched or zeroed a range */
	HF_CHANGE_COPY,     /* copy_file_range: by naming the same chunks */
	HF_CHANGE_XATTR,    /* set or removed an extended attribute, or an ACL */
	HF_CHANGE_TAG,      /* named a moment, or took a name away */
	HF_CHANGE_OWN,      /* housekeeping: nothing that can be seen changed */
};

/* One operation. Appends that share a moment (FORMAT.md §10.4) are one. */
struct hf_change {
	uint64_t tid, time_ns;
	enum hf_change_kind kind;
	uint64_t ino;   /* what it was done to; 0: to no inode */
	uint64_t other; /* HF_CHANGE_RENAME: what the new name was of; 0: of nothing */
	uint64_t bytes; /* written, allocated, copied; cut off or added by a new length */
	uint32_t uid;   /* HF_UID_UNKNOWN (op.h): not known */
};

enum {
	HF_NEWEST_FIRST = 1,
	HF_CHANGES_ONLY = 2, /* hf_log: of each event the change alone, without looking where that was */
};

/*
 * Operations since < tid <= until, oldest first or newest first. What is not committed yet is not among them
 * (hf_store_commit).
 */
typedef int hf_change_fn(void *arg, const struct hf_change *change);
int hf_changes(struct hf_store *s, uint64_t since, uint64_t until, unsigned flags, hf_change_fn *each,
	       void *arg, struct hf_error *err);

/* --- an inode's past */

/* The path of one of its names into out (terminated); its length. -ENOENT: it has none at that moment;
 * -ERANGE. */
ssize_t hf_view_path(const struct hf_view *v, uint64_t ino, char *out, size_t size, struct hf_error *err);
/* All its names at that moment. */
typedef int hf_name_fn(void *arg, uint64_t dir, const char *name);
int hf_view_names(const struct hf_view *v, uint64_t ino, hf_name_fn *each, void *arg, struct hf_error *err);

/*
 * The states an inode went through that it had at some time between since (exclusive) and until (inclusive):
 * attr->tid is the operation that made the state, ended_tid the one that ended it (HF_TID_HEAD: none has).
 */
typedef int hf_version_fn(void *arg, const struct hf_attr *attr, uint64_t ended_tid);
int hf_versions(struct hf_store *s, uint64_t ino, uint64_t since, uint64_t until, unsigned flags,
		hf_version_fn *each, void *arg, struct hf_error *err);

/* Do two files have the same bytes? 1, 0. Looks at what they are made of, and reads only what that leaves
 * open. */
int hf_same_contents(const struct hf_view *a, uint64_t ino_a, const struct hf_view *b, uint64_t ino_b,
		     struct hf_error *err);

/* --- a path's past */

/* For so long a path was one inode: from operation `from` on until `until` ended it (HF_TID_HEAD: it still
 * is). */
struct hf_stretch {
	uint64_t ino;
	uint32_t type; /* file type bits of st_mode */
	uint64_t from, until;
	const char *path;    /* what it was called then: another path than was asked for when a rename was
				followed */
	bool came_by_rename; /* operation `from` was a rename of something that had been there */
	bool removed; /* `until` removed the inode; else it was renamed away, or replaced while other names of
			 it stayed */
	bool unlinked; /* `until` took this name from the inode for none other: it was removed, or replaced */
};

/*
 * What a path was, newest first. A name that was given by a rename where nothing had been is followed back to
 * what the file was called before, directories likewise; one that replaced something is not, for then the
 * path's own past goes on with what was replaced (as an editor saves). -ENOENT: it never was.
 */
typedef int hf_stretch_fn(void *arg, const struct hf_stretch *stretch);
int hf_life(struct hf_store *s, const char *path, hf_stretch_fn *each, void *arg, struct hf_error *err);

/*
 * All names that a directory had at some moment from <= tid < until (HF_TID_HEAD: until now), each once, by
 * cookie, as hf_view_readdir.
 */
typedef int hf_had_fn(void *arg, const char *name, uint64_t cookie);
int hf_had(struct hf_store *s, uint64_t dir, uint64_t from, uint64_t until, uint64_t cookie, hf_had_fn *each,
	   void *arg, struct hf_error *err);
/* Whether this was one of them: 1, 0. */
int hf_had_name(struct hf_store *s, uint64_t dir, const char *name, uint64_t from, uint64_t until,
		struct hf_error *err);

/*
 * Names that a directory had and has no more, because they were removed (not: renamed), also where what
 * they were of has other names still; with the tid of the last moment each was there; when the directory
 * itself is gone, all it had. By cookie, as hf_view_readdir.
 */
typedef int hf_gone_fn(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		       uint64_t cookie);
int hf_gone(struct hf_store *s, uint64_t dir, uint64_t cookie, hf_gone_fn *each, void *arg,
	    struct hf_error *err);
/* One of them by name. -ENOENT. */
int hf_gone_find(struct hf_store *s, uint64_t dir, const char *name, uint64_t *ret_ino, uint32_t *ret_type,
		 uint64_t *ret_last_tid, struct hf_error *err);

/* --- what happened below a path */

struct hf_event {
	struct hf_change change;
	const char *path;    /* what it was done to, as it was called then; of a removal: before it */
	const char *renamed; /* HF_CHANGE_RENAME: what it was called before; else NULL */
	uint32_t type;       /* file type bits of st_mode */
	const struct hf_attr *before, *after; /* NULL: was not there */
	const char *tag;                      /* HF_CHANGE_TAG: the name; else NULL */
	uint64_t tagged_tid; /* the moment that was given it; HF_TID_HEAD: it was taken away */
};

/*
 * Operations since < tid <= until on a file, through all its life (hf_life), with those that renamed a
 * directory above it, or on a directory and everything below it, and of a directory those on tags while it
 * was there; "" is all. HF_NEWEST_FIRST, HF_CHANGES_ONLY. What is not committed yet is not among them. Costs
 * what happened; of a small tree in which little did, about what it holds, however much happened elsewhere.
 * -ENOENT: there never was such a path.
 */
typedef int hf_event_fn(void *arg, const struct hf_event *event);
int hf_log(struct hf_store *s, const char *path, uint64_t since, uint64_t until, unsigned flags,
	   hf_event_fn *each, void *arg, const struct hf_progress *progress, struct hf_error *err);

/* --- two moments */

enum hf_difference_kind {
	HF_ADDED = 1,
	HF_REMOVED,
	HF_CONTENTS,   /* other bytes, another link target, another type */
	HF_ATTRIBUTES, /* mode, owner, modification time, extended attributes, ACL; the bytes are the same */
	HF_RENAMED,    /* and nothing else, or what `also` says */
};
struct hf_difference {
	enum hf_difference_kind kind;
	enum hf_difference_kind also; /* HF_RENAMED: HF_CONTENTS, HF_ATTRIBUTES or 0 */
	const char *path;             /* at b; of what was removed: at a */
	const char *path_before;      /* HF_RENAMED: at a; else as path */
	const struct hf_attr *a, *b;  /* NULL: was not there */
};

/*
 * How the tree below path differs between two moments, in order of path, each path once: of what was renamed
 * over something, that this is gone is not told. What a renamed directory holds is told of only where it
 * changed itself. a may be the later one; what is not committed yet is of neither. Costs what happened
 * between them, not what the tree holds, or when that is less about what it holds.
 */
typedef int hf_difference_fn(void *arg, const struct hf_difference *d);
int hf_diff(struct hf_store *s, uint64_t tid_a, uint64_t tid_b, const char *path, hf_difference_fn *each,
	    void *arg, const struct hf_progress *progress, struct hf_error *err);

/* --- what the past takes */

struct hf_cost {
	uint64_t present_bytes; /* of chunks that the tree is made of now, each counted once */
	uint64_t past_bytes;    /* of those that only its past is made of */
	uint64_t files;         /* regular files in it now */
	uint64_t removed;       /* and that were in it, or in a directory that was, and were removed */
	uint64_t versions;      /* states that all of these went through, the present ones among them */
};

/*
 * What lies below a path, and what of it only earlier states are made of: of the files that are there, and of
 * those that were removed there. Files that were moved elsewhere take their past with them. Chunks that other
 * trees are made of too are not told apart. A path that is gone: all of it is past. -ENOENT: there never was
 * such a path.
 */
int hf_cost(struct hf_store *s, const char *path, struct hf_cost *ret, const struct hf_progress *progress,
	    struct hf_error *err);

/* --- bringing back what was (restore.c) */

enum hf_restored_kind {
	HF_RESTORED_CREATED = 1,
	HF_RESTORED_LINKED,     /* one more name of a file that is restored */
	HF_RESTORED_MOVED,      /* back to where it was called so */
	HF_RESTORED_REMOVED,    /* was not there then */
	HF_RESTORED_CONTENTS,   /* and attributes, maybe */
	HF_RESTORED_ATTRIBUTES, /* alone */
	HF_RESTORED_TIMES, /* a folder's, which change with what is done in it: not worth telling a person */
	HF_RESTORED_HALF,  /* begun when it failed: what somebody remembers is dropped, and no more */
};

/* One change, after it was made, or when it could not be; of a dry run: that would be. */
struct hf_restored {
	enum hf_restored_kind kind;
	const char *path;        /* in the live tree */
	const char *path_before; /* HF_RESTORED_MOVED: what it was called until now; else NULL */
	uint32_t type;           /* file type bits of st_mode */
	uint64_t bytes;          /* the length of what was created, or has other contents */
	/* for dropping what somebody remembers; of no meaning in a dry run */
	uint64_t ino, parent, parent_before; /* ino 0: there is none */
	const char *name, *name_before;      /* parts of the paths; "" of the root */
};

/* Not 0: go no further. */
typedef int hf_restored_fn(void *arg, const struct hf_restored *restored);

struct hf_restore_summary {
	uint64_t before_tid; /* the moment just before the first change */
	uint64_t created, linked, moved, removed, contents, attributes;
	uint64_t half;  /* begun when it failed, and left neither as it was nor as it is to be */
	uint64_t bytes; /* of files created or changed; not one of them is copied */
};

enum {
	HF_RESTORE_DRY = 1,  /* tell what would be done, and do nothing */
	HF_RESTORE_UNDO = 2, /* what was not there at that moment is removed, path itself too; what was moved
				to or from elsewhere since is moved back */
};

/*
 * Make `path` what it was at a moment: a file, a link, a folder with all that is below it. dest NULL: in its
 * place, where it becomes exactly what it was: missing things are made (folders above it too), others
 * changed, and what was not there is removed. Else at dest, another path, whose folder exists and which is
 * not there itself or is an empty folder.
 *
 * It costs what is different, not what is there. Modes, owners, times, attributes, ACLs and links among what
 * is restored are as they were; not so inode numbers of what had been removed, and change times. A file that
 * has a name outside of dest is not changed but replaced, so that nothing outside is touched, but for
 * HF_RESTORE_UNDO.
 *
 * Each step is an operation like any other, so that all that was there until now stays a moment: restoring to
 * ret->before_tid takes it back. When it fails, or each says stop, what was done is done, as *ret says (which
 * is set then too), and restoring again goes on. A file that was begun then is as it was before, or gone if
 * it was not there; else, where it has bytes of what was already, nobody may do more with it than he might
 * both before and then. -ENOENT: path was not there (without HF_RESTORE_UNDO). -EEXIST: dest is. -ENOTDIR:
 * what should be a folder above dest is none. -EROFS, -ENOSPC. Concurrent changes below dest may make it
 * fail.
 */
int hf_restore(struct hf_store *s, uint64_t tid, const char *path, const char *dest, unsigned flags,
	       hf_restored_fn *each, void *arg, const struct hf_progress *progress,
	       struct hf_restore_summary *ret, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
