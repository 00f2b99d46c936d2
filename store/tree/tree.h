/* SPDX-License-Identifier: MIT */
/*
 * The tree (layer 3): the only place that knows what an operation means. tree_apply turns one operation
 * record into changes of the index, the same way when it happens and when the log is replayed; the readers
 * below answer any question at any moment from the index, one path for all moments.
 *
 * tree_apply is for one thread at a time (the store's sequencing lock, or a replay); readers are for any
 * thread.
 */
#ifndef STORE_TREE_TREE_H
#define STORE_TREE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "holdfast/moment.h"
#include "holdfast/view.h"
#include "store/chunk/cache.h"
#include "store/chunk/run.h"
#include "store/format/format.h"
#include "store/index/index.h"

enum { ROOT_INO = 1 };

/* Counters that operations carry forward. A value; whoever applies keeps it and gives it to the next. */
struct tree_state {
	uint64_t tid;     /* of the last operation */
	uint64_t time_ns; /* its time */
	uint64_t next_ino;
	uint64_t live_bytes; /* allocated bytes of files that have a name */
	uint64_t live_inodes;
};
void tree_state_init(struct tree_state *s);
void tree_state_encode(const struct tree_state *s, struct buf *out);
void tree_state_decode(struct cursor *c, struct tree_state *ret);

/* What readers and operations work on. All borrowed, immutable after tree_init. */
struct tree {
	struct index *index;
	const struct keyring *keys;
	struct run_table *runs;
	struct frame_cache *frames; /* NULL: contents cannot be read (a replay) */
	uint64_t created_ns;        /* the root's times at tid 0 */
};

/* What an operation was, in brief: what the index keeps of each by its number (notes.c). */
struct op_note {
	uint64_t tid, time_ns;
	uint64_t ino; /* what it was done to; 0: to no inode (a tag), or to several that were gone (a reaping)
		       */
	uint64_t other;  /* of a rename: what the new name was of; 0: nothing */
	uint64_t bytes;  /* written, allocated, punched, copied; cut off or added by a new length */
	uint32_t uid;    /* on whose behalf; UID_UNKNOWN */
	uint32_t blocks; /* of which it changed the lists; of what is read back, not known: 0 */
	uint8_t type;    /* enum record_type */
};

/*
 * Apply op: check it against the tree as batch and index have it, stage its changes in batch, and carry
 * *state forward. op->tid and op->time_ns are set and behind *state's (a write that shares the last
 * operation's moment has its tid). *ret is filled in, but for whose it was. On failure nothing may be kept:
 * the caller clears the batch, and *state is untouched. Errors are those of the public operations (op.h).
 */
MUST_USE int tree_apply(const struct tree *t, struct index_batch *batch, const struct op *op,
			struct tree_state *state, struct op_note *ret, struct hf_error *err);

/*
 * Stage what a CHUNKS entry says: chunk number `number` is name, at this place. The place's frame is opened
 * with its tag when read.
 */
struct chunk_place {
	struct log_pos frame;
	uint32_t off; /* in the frame's plaintext */
	uint32_t len;
	struct log_seal seal; /* the frame's */
};
void tree_put_chunk(struct index_batch *batch, uint64_t number, const uint8_t name[HASH_BYTES],
		    const struct chunk_place *place);
MUST_USE int tree_chunk_place(const struct tree *t, uint64_t number, struct chunk_place *ret,
			      struct hf_error *err);
/* 1 and the number when a chunk of this name is there, 0, or negative. */
MUST_USE int tree_find_chunk(struct index *x, const uint8_t name[HASH_BYTES], uint64_t *ret_number,
			     struct hf_error *err);

/*
 * Can what a chunk of this name and length is found under be taken for it? Who described it in a segment
 * before `since` had the key of another epoch, maybe stolen: then its bytes are looked at. 1, 0, or negative.
 */
MUST_USE int tree_chunk_is(const struct tree *t, uint64_t number, uint32_t since,
			   const uint8_t name[HASH_BYTES], uint32_t len, struct hf_error *err);

/* Every chunk there is, by rising number. What `each` returns stops it when it is not 0. */
MUST_USE int tree_each_chunk(struct index *x,
			     int (*each)(void *arg, uint64_t number, const struct chunk_place *place),
			     void *arg, struct hf_error *err);

/*
 * Set the bit of every chunk (of n_chunks; number i: bit i % 8 of byte i / 8) that a moment from tid `keep`
 * on is made of, or a tagged one before it. Not while operations are done.
 */
MUST_USE int tree_needed_chunks(const struct tree *t, uint64_t keep, uint64_t n_chunks, uint8_t *bits,
				struct hf_error *err);
/* Did a RETIRE name it: is it not to be named any more? 1, 0, negative. Is there any such chunk? */
MUST_USE int tree_chunk_is_retired(struct index *x, uint64_t number, struct hf_error *err);
MUST_USE int tree_has_retired(struct index *x, struct hf_error *err);

/* For index_settle: rewrite pending pieces into the chunks they have become. arg: the tree. */
int tree_rewrite_pending(void *arg, enum index_space space, struct span key, struct span value,
			 struct buf *out);

/* --- which operation was when, and what it was: one key a group (notes.c, times.c) */

/* Stage the notes of a group's operations, ascending. */
void tree_put_notes(struct index_batch *batch, const struct op_note *notes, size_t n);
/*
 * The notes of operations since < tid <= until, ascending, or from the last to the first; what `each` returns
 * stops it when it is not 0.
 */
typedef int tree_note_fn(void *arg, const struct op_note *note);
MUST_USE int tree_notes(struct index *x, uint64_t since, uint64_t until, bool reverse, tree_note_fn *each,
			void *arg, struct hf_error *err);
/* The operation of this tid / the last one at or before this time. -ENOENT. */
MUST_USE int tree_time_of_tid(struct index *x, uint64_t tid, struct hf_point *ret, struct hf_error *err);
MUST_USE int tree_tid_of_time(struct index *x, uint64_t time_ns, struct hf_point *ret, struct hf_error *err);
/* First operation there is. -ENOENT: none yet. */
MUST_USE int tree_first_point(struct index *x, struct hf_point *ret, struct hf_error *err);

/* --- from an inode to its names, at any moment (names.c) */

/*
 * One name of an inode, the directory it is in, and which operation gave it that. 1; 0: it has none then
 * (removed but open, or the root); -ESTALE: there is no such inode then.
 */
MUST_USE int tree_name(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t *ret_dir,
		       char out[NAME_BYTES_MAX + 1], uint64_t *ret_since, struct hf_error *err);
/* Of its names the one of this hash (keys.h) in a directory: 1, 0 (it has none such then). */
MUST_USE int tree_name_in(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t dir, uint64_t hash,
			  char out[NAME_BYTES_MAX + 1], uint64_t *ret_since, struct hf_error *err);
/* Each of its names; what `each` returns stops it when it is not 0. */
typedef int tree_name_fn(void *arg, uint64_t dir, const char *name);
MUST_USE int tree_names(const struct tree *t, uint64_t tid, uint64_t ino, tree_name_fn *each, void *arg,
			struct hf_error *err);

/* --- tags and orphans */

MUST_USE int tree_tag_find(struct index *x, const char *name, uint64_t *ret_tid, struct hf_error *err);
MUST_USE int tree_tags(struct index *x, int (*each)(void *arg, const char *name, uint64_t tid), void *arg,
		       struct hf_error *err);
/*
 * Of an operation that set a tag or took one away: the name, terminated, and the moment; HF_TID_HEAD: it was
 * taken away.
 */
MUST_USE int tree_tag_told(struct index *x, uint64_t tid, struct buf *ret_name, uint64_t *ret_tid,
			   struct hf_error *err);
/* Such operations since < tid <= until, ascending; what `each` returns stops it when it is not 0. */
MUST_USE int tree_tag_operations(struct index *x, uint64_t since, uint64_t until,
				 int (*each)(void *arg, uint64_t tid), void *arg, struct hf_error *err);
/* Inodes without a name that are still there, appended (malloc'ed array). */
MUST_USE int tree_orphans(struct index *x, uint64_t **inos, size_t *n, struct hf_error *err);

/* --- reading, as of a moment; tid HF_TID_HEAD: now. Contracts in holdfast/view.h. */

MUST_USE int tree_getattr(const struct tree *t, uint64_t tid, uint64_t ino, struct hf_attr *ret,
			  struct hf_error *err);
MUST_USE int tree_lookup(const struct tree *t, uint64_t tid, uint64_t parent, const char *name,
			 struct hf_attr *ret, struct hf_error *err);
MUST_USE int tree_parent(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t *ret,
			 struct hf_error *err);
MUST_USE int tree_readdir(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t cookie, unsigned flags,
			  hf_readdir_fn *each, void *arg, struct hf_error *err);
ssize_t tree_readlink(const struct tree *t, uint64_t tid, uint64_t ino, char *out, size_t size,
		      struct hf_error *err);
ssize_t tree_read(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t offset, void *out, size_t len,
		  struct hf_error *err);
int64_t tree_seek(const struct tree *t, uint64_t tid, uint64_t ino, uint64_t offset, int whence,
		  struct hf_error *err);
/* What an attribute may be called, to get, set and remove it. -EOPNOTSUPP, -ERANGE, -EINVAL. */
MUST_USE int tree_check_xattr_name(const char *name, struct hf_error *err);
ssize_t tree_getxattr(const struct tree *t, uint64_t tid, uint64_t ino, const char *name, void *out,
		      size_t size, struct hf_error *err);
ssize_t tree_listxattr(const struct tree *t, uint64_t tid, uint64_t ino, char *out, size_t size,
		       struct hf_error *err);

/* Value of an extended attribute into out (cleared). 1, 0 (none), negative. */
MUST_USE int tree_xattr(const struct tree *t, uint64_t tid, uint64_t ino, const char *name, struct buf *out,
			struct hf_error *err);

/*
 * Where the max'th block at or behind offset that is not a hole ends, of a file as it is now; UINT64_MAX when
 * there are fewer. For making operations no longer than that.
 */
MUST_USE int tree_blocks_end(const struct tree *t, uint64_t ino, uint64_t offset, size_t max, uint64_t *ret,
			     struct hf_error *err);

/*
 * Where a punch of [offset, end) ends that changes at most max blocks: at `end` when there are no more, or
 * when it takes all that the file has, for then it changes none.
 */
MUST_USE int tree_punch_end(const struct tree *t, uint64_t ino, uint64_t offset, uint64_t end, size_t max,
			    uint64_t *ret, struct hf_error *err);
/* Does it change more than max blocks to give a file this length? 1, 0. */
MUST_USE int tree_cut_is_long(const struct tree *t, uint64_t ino, uint64_t size, size_t max,
			      struct hf_error *err);

/*
 * How many pieces a block's list has now, and which operation made it (when there is one): for deciding to
 * fold it.
 */
MUST_USE int tree_block_pieces(const struct tree *t, uint64_t ino, uint64_t block, uint64_t *ret_tid,
			       struct hf_error *err);

#endif
