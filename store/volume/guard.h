/* SPDX-License-Identifier: MIT */
/*
 * What watches over an open store (layer 4; docs/ALARMS.md): operations that take something away are told to
 * it as they happen, and a thread looks once a second at what came together (burst.h), at files whose
 * contents were replaced, and, less often, at the replicas. What a person must look at is an alarm in
 * STORE/alarms, delivered by a thread of its own.
 *
 * Only a store that is open for writing and ships to its replicas has one: hf_store.guard is NULL otherwise,
 * and then every call here does nothing.
 */
#ifndef STORE_VOLUME_GUARD_H
#define STORE_VOLUME_GUARD_H

#include "store/volume/volume.h"

struct guard;

/*
 * What this thread takes away from now on is no harm: it restores what was. What it makes is told all the
 * same, for a file that is made again was not lost.
 */
void guard_restoring(bool restoring);

/* What cannot be started is said in the log: a store is opened without it rather than not at all. */
void guard_start(struct hf_store *s);
/* Takes a last look. Before the replicas are stopped. */
void guard_stop(struct hf_store *s);

/* Raise the alarm `damage`; named: what was made of it, or "". */
struct hf_damage;
void guard_damage(struct hf_store *s, const struct hf_damage *d, const char *named);

/*
 * Told under sequence, after an operation that went well; op is it, and attr what the inode was before. They
 * count and remember, and read nothing.
 */
void guard_removed(struct hf_store *s, const struct op *op, uint64_t parent, const char *name,
		   const struct hf_attr *attr);
void guard_made(struct hf_store *s, const struct op *op, uint64_t parent, const char *name, uint64_t ino);
/* `over`: what the new name was of; NULL: of nothing. */
void guard_renamed(struct hf_store *s, const struct op *op, const char *name, uint64_t new_parent,
		   const char *new_name, const struct hf_attr *over);
/* len bytes from offset on are other bytes now. Those behind the file's end are not counted. */
void guard_written(struct hf_store *s, const struct op *op, const struct hf_attr *attr, uint64_t offset,
		   uint64_t len);
void guard_cut(struct hf_store *s, const struct op *op, const struct hf_attr *attr, uint64_t offset,
	       uint64_t len);

#endif
