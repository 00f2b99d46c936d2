/* SPDX-License-Identifier: MIT */
/*
 * The folders that extract.c makes, and drill_compare.c goes through again (layer 6): what is in them at the
 * view, where they are, how they are named to a person, and the one at the top. Whatever lies in a folder is
 * behind those above it, which are nobody else's until all is there.
 */
#ifndef FS_CLI_EXTRACT_FOLDER_H
#define FS_CLI_EXTRACT_FOLDER_H

#include <limits.h>

#include "holdfast/view.h"

struct folder {
	struct folder *parent; /* NULL: the top */
	struct folder *made_before, *to_visit;
	struct hf_attr attr;
	char name[];
};

/* Those met on a way through a tree. */
struct folders {
	struct folder *made;     /* all, the newest first */
	struct folder *to_visit; /* … of them, the deepest first */
};
/* One more, to be visited: a name in `parent`, or "" for the top (NULL). NULL: no memory. */
struct folder *extract_folder_add(struct folders *all, const struct folder *parent, const char *name,
				  const struct hf_attr *attr);
/* The next to visit; NULL: none is left. */
struct folder *extract_folder_next(struct folders *all);
void extract_folders_release(struct folders *all); /* a zeroed one is fine */

struct named {
	struct hf_attr attr;
	char name[NAME_MAX + 1];
};

/* What a folder has at the view, a page at a time. */
struct listing {
	struct named *entries; /* the caller's: */
	size_t max;            /* so many */
	size_t n;              /* on this page; less than max: it was the last */
	uint64_t cookie;       /* begins with 0 */
};
/* The next page. Negative: what hf_view_readdir says; what was listed before that is there. */
int extract_list(const struct hf_view *view, uint64_t ino, struct listing *l, struct hf_error *err);

/*
 * An empty folder, made when there is none: -ENOTEMPTY, -ENOTDIR …. `whole`: it will be what a folder of the
 * volume was, and lets nobody else in until it gets that folder's owner, mode and ACLs; what is made in it
 * inherits nothing.
 */
int extract_top_open(const char *to, bool whole, int *ret_fd, struct hf_error *err);

/* Step by step from the top, following no link, however deep it is: a descriptor, or -1 with errno. */
int extract_folder_open(int top_fd, const struct folder *f);

/* A name in a folder (NULL: in the top) for a person, or JSON: without control characters. malloc'ed, or
 * NULL. */
char *extract_path(const struct folder *f, const char *name);

#endif
