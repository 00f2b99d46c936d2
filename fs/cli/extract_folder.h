/* SPDX-License-Identifier: MIT */
/*
 * The folders that extract.c makes (layer 6): where they are, how they are named to a person, and the one at
 * the top. Whatever lies in a folder is behind those above it, which are nobody else's until all is there.
 */
#ifndef FS_CLI_EXTRACT_FOLDER_H
#define FS_CLI_EXTRACT_FOLDER_H

#include "holdfast/view.h"

struct folder {
	struct folder *parent; /* NULL: the top */
	struct folder *made_before, *to_visit;
	struct hf_attr attr;
	char name[];
};

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
