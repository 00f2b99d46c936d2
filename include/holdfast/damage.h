/* SPDX-License-Identifier: MIT */
/*
 * What is damaged, by a disk and not by a person: finding it, and healing it from another copy. FORMAT.md
 * §16.
 *
 * Whatever is read is verified, and what fails is not handed on. Beside that hf_store_check (store.h)
 * verifies everything when it is called, and the scrub of a mounted store once in hf_open_options.scrub_s.
 */
#ifndef HOLDFAST_DAMAGE_H
#define HOLDFAST_DAMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "holdfast/error.h"
#include "holdfast/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How much of a store's log was verified, and when. */
struct hf_verified {
	uint64_t complete_ns;  /* when all of it last was, in one pass of a scrub or a check; 0: never */
	uint64_t complete_tid; /* and the last operation that was in it */
	uint64_t scrub_s;      /* the scrub that goes on here is to take so long; 0: none does */
	uint64_t began_ns;     /* when its present pass began; 0: none is under way */
	uint64_t done_bytes, total_bytes; /* of that pass, about; of the log */
	uint64_t damaged;                 /* places known to be damaged */
};
/* Reads sizes of files. */
void hf_store_verified(struct hf_store *store, struct hf_verified *ret);

enum { HF_DAMAGE_WORDS_BYTES = 160, HF_DAMAGE_MAX = 256 };

struct hf_damage {
	uint32_t segment, offset; /* where a frame begins, or a segment (0) */
	uint64_t found_ns;
	bool retired; /* its chunks are not named by new operations any more, and that is in the log */
	char words[HF_DAMAGE_WORDS_BYTES];
};
/* What is known to be damaged and not healed, at most HF_DAMAGE_MAX; at most max of it into ret. Returns how
 * many. */
size_t hf_store_damage(struct hf_store *store, struct hf_damage *ret, size_t max);

struct hf_repair_options {
	bool repair; /* else nothing is changed, and only `copies` says what is looked at */
	/*
	 * Read every replica back, too, and compare it with the log. With `repair`: directories are healed
	 * from the store, and in a bucket the right object is put over a damaged one. A node is never changed
	 * from here: hf_node_repair (node.h), on it.
	 */
	bool copies;
	struct hf_progress progress;
	void (*found)(void *arg, const char *what);  /* a fault, as hf_store_check; may be NULL */
	void (*healed)(void *arg, const char *what); /* and what was done; may be NULL */
	void *arg;
};

struct hf_repair {
	struct hf_check_summary check; /* of the last look */
	uint64_t faults;               /* that remain */
	uint64_t found;                /* that there were */
	uint64_t healed_segments, healed_groups, healed_bytes;
	uint64_t copies; /* read back */
	uint64_t copies_bytes;
};

/*
 * Verify as hf_store_check does; then heal what is damaged, from whatever replica has it: segments of the
 * log, and a damaged descriptor from the log; a damaged index is taken away, for it is derived. Then verify
 * again. What was damaged is kept in PATH/damaged. A crash leaves each file as it was, or healed. Of a store
 * that is open here the segment that is written to is not healed: unmount first. 0, also when faults remain;
 * -EBUSY: it is open in another process (which its control socket asks), or another repair is under way; and
 * what keeps it from running.
 */
int hf_store_repair(const char *path, const struct hf_repair_options *options, struct hf_repair *ret,
		    struct hf_error *err);
int hf_store_repair_open(struct hf_store *store, const struct hf_repair_options *options,
			 struct hf_repair *ret, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
