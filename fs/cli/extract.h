/* SPDX-License-Identifier: MIT */
/*
 * A tree as it was at a moment, written out as ordinary files (layer 6): contents with their holes, modes,
 * owners, times, extended attributes, ACLs, links, devices. Straight from the store, by several threads: no
 * mount is asked.
 */
#ifndef FS_CLI_EXTRACT_H
#define FS_CLI_EXTRACT_H

#include "fs/cli/operations.h"
#include "holdfast/view.h"

struct extract_summary {
	uint64_t files, folders, others; /* names made; others: links, devices and the like */
	uint64_t bytes;                  /* of contents, without holes */
	uint64_t failed;                 /* names that are not there, or not as they were */
	uint64_t pruned; /* … of those: their contents are what the owner let go (-ENODATA) */
	bool owners;     /* owners were restored: that takes root */
};

/*
 * Write what `ino` is at the view into `to`: a folder's entries, or a file under `name`. `to` does not exist,
 * or is an empty folder (-ENOTEMPTY, -ENOTDIR). What cannot be restored is told (`found` of the listener) and
 * left out; a file that cannot be read to its end is not there at all. Returns when all is durable. Negative:
 * nothing more could be written (-ENOSPC, -EROFS, -ENOMEM …), or it was stopped (-EINTR); what is in `to` by
 * then stays, and a folder there stays nobody else's.
 */
int extract_tree(const struct hf_view *view, const struct hf_attr *what, const char *name, const char *to,
		 const struct operation_listener *listener, struct extract_summary *ret,
		 struct hf_error *err);

/* --- extract_inode.c: one name */

struct extract_writer {
	const struct hf_view *view;
	const struct operation_listener *listener;
	void *buffer; /* of EXTRACT_BUFFER_BYTES */
	uint64_t bytes;
};
enum { EXTRACT_BUFFER_BYTES = 1 << 20 };

/*
 * Make what is no folder under a name that is free. 0; 1: it is there, but not all of what belongs to it
 * (words in err); negative: it is not there, as after -EINTR, when the listener wants no more.
 */
int extract_inode(struct extract_writer *w, int dir_fd, const char *name, const struct hf_attr *attr,
		  struct hf_error *err);
/* Owner, mode, attributes and times of a folder, once everything in it is there. 0, 1 as above, negative. */
int extract_folder_attr(struct extract_writer *w, int fd, const struct hf_attr *attr, struct hf_error *err);
/* May this process give files away? */
bool extract_can_chown(void);

#endif
