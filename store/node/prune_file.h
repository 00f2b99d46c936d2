/* SPDX-License-Identifier: MIT */
/*
 * Prunes as files of a volume's folder (layer 4; PROTOCOL.md §10): prunes/NNNNNN.list, the owner's list, and
 * NNNNNN.cancel, both written by whoever administers the node; NNNNNN.json, what became of it, written by the
 * process that serves alone. `dir` is the volume's folder.
 */
#ifndef STORE_NODE_PRUNE_FILE_H
#define STORE_NODE_PRUNE_FILE_H

#include "holdfast/node.h"
#include "store/node/volumes.h"

/* The list into *list (prune_list_release), and what it says into *ret, with its record and its state. */
MUST_USE int prune_file_read(const struct os *os, const char *dir, uint32_t number, struct prune_list *list,
			     struct hf_node_prune *ret, struct hf_error *err);
/* Durable when it returns 0. */
MUST_USE int prune_file_write(const struct os *os, const char *dir, const struct hf_node_prune *p);

bool prune_file_is_cancelled(const struct os *os, const char *dir, uint32_t number);
MUST_USE int prune_file_cancel(const struct os *os, const char *dir, uint32_t number);

/*
 * Whose turn it is to put lists into the folders of this node: of one thread at a time, in whatever process.
 * Waits for it. A file to close when it is over, or negative.
 */
MUST_USE int prune_file_turn(const char *node_dir, struct hf_error *err);
/*
 * Put a list into the volume's folder under the node's next number, durably. Requires the turn. -EEXIST: the
 * same is there, as *ret; -ENOSPC: there are as many as can be.
 */
MUST_USE int prune_file_put(const struct os *os, struct volumes *volumes, struct volume *v, const void *list,
			    size_t len, uint32_t *ret, struct hf_error *err);

/* What a list says, into the fields that the owner signed. */
void prune_describe(const struct prune_list *list, struct hf_node_prune *ret);

/* The number of a list that is the same, byte for byte: 1, 0, negative. */
MUST_USE int prune_file_is_there(const struct os *os, struct volume *v, const void *list, size_t len,
				 uint32_t *ret, struct hf_error *err);
bool prune_is_for(const struct prune_list *list, const char *node); /* the node of this name */

/*
 * May this list be carried out here, as things stand: is it for this node, of the volume's present epoch, and
 * does the log have the commit it rests on? 0, -EKEYREJECTED, -ESTALE, -ENODATA, or what the disk says.
 */
MUST_USE int prune_judge(const struct os *os, const struct prune_list *list, struct volume *v,
			 const char *node, struct hf_error *err);

#endif
