/* SPDX-License-Identifier: MIT */
/*
 * Healing what a node's disk has damaged, by a person on the node (layer 4; PROTOCOL.md §8.3). Not while it
 * is served.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holdfast/damage.h"
#include "store/node/check.h"
#include "store/replica/copies.h"
#include "store/volume/files.h"

struct repair {
	const struct os *os;
	const char *dir;
	const char *from;
	const struct hf_repair_options *o;
	struct hf_repair *sum;
	/* of the volume at hand */
	const uint8_t *id;
	char *volume_dir;
	const struct buf *bad; /* of uint32_t */
};

static void say_healed(const struct repair *p, uint32_t segment, const struct mended *did)
{
	char words[400];

	(void)snprintf(words, sizeof(words),
		       "healed: segment %" PRIu32 ", %" PRIu64 " bytes from offset %" PRIu32
		       " on; what was there is in "
		       "%.250s/damaged",
		       segment, did->bytes, did->from, p->volume_dir);
	if (p->o->healed)
		p->o->healed(p->o->arg, words);
}

static void heal_segment(struct repair *p, const struct mend *mend, uint32_t segment)
{
	struct hf_error why = HF_ERROR_INIT;
	struct mended did;
	char words[HF_ERROR_TEXT_BYTES + 40];
	int r = mend_segment(mend, segment, &did, &why);

	if (r == 0)
		(void)hf_error_set(&why, -ENODATA,
				   "segment %" PRIu32 ": nothing behind the damage says what was there",
				   segment);
	if (r <= 0) {
		(void)snprintf(words, sizeof(words), "not healed: %s", why.text);
		if (p->o->found)
			p->o->found(p->o->arg, words);
	}
	if (r != 1)
		return;
	p->sum->healed_segments++;
	p->sum->healed_groups += did.groups;
	p->sum->healed_bytes += did.bytes;
	say_healed(p, segment, &did);
}

/* Segments are healed from the last backward (mend.h). */
static int from_last(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x < *y) - (*x > *y);
}

static int heal_volume(struct repair *p, struct hf_error *err)
{
	CLEANUP(grants_release) struct grants grants = { 0 };
	CLEANUP(buf_release) struct buf folder = BUF_INIT;
	CLEANUP(copies_release) struct copies from;
	const struct mend mend = { .os = p->os,
				   .dir = p->volume_dir,
				   .volume_id = p->id,
				   .grants = &grants,
				   .offer = copies_offer,
				   .arg = &from };
	CLEANUP(buf_release) struct buf bad = BUF_INIT;
	const size_t n = p->bad->len / sizeof(uint32_t);
	int r;

	copies_init(&from, p->os);
	if (p->bad->len == 0)
		return 0;
	r = copies_find_folder(p->os, p->from, p->id, &folder, err);
	if (r == 0 && copies_add_folder(&from, p->from, (const char *)folder.data) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	if (r == 0)
		r = grants_load(p->os, p->volume_dir, p->id, &grants, err);
	buf_add(&bad, p->bad->data, p->bad->len);
	if (r == 0 && buf_status(&bad) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	if (r < 0)
		return r;
	qsort(bad.data, n, sizeof(uint32_t), from_last);
	for (size_t i = 0; i < n; i++)
		heal_segment(p, &mend, ((const uint32_t *)(const void *)bad.data)[i]);
	return r;
}

/* Told by the check of each volume, when it has seen all of it. */
static int take_volume(void *arg, const uint8_t id[VOLUME_ID_BYTES], const char *volume_dir,
		       const struct buf *bad, struct hf_error *err)
{
	struct repair *p = arg;

	p->id = id;
	p->volume_dir = (char *)(uintptr_t)volume_dir;
	p->bad = bad;
	return heal_volume(p, err);
}

int hf_node_repair(const char *dir, const char *volume_id, const char *from,
		   const struct hf_repair_options *options, struct hf_repair *ret,
		   struct hf_node_check_summary *ret_check, struct hf_error *err)
{
	struct repair p = { .os = os_posix(), .dir = dir, .from = from, .o = options, .sum = ret };
	struct node_checking checking = { .found = options->found,
					  .arg = options->arg,
					  .progress = &options->progress,
					  .locked = true,
					  .volume = take_volume,
					  .volume_arg = &p };
	CLEANUP(cleanup_fd) int lock = -1;
	long faults;

	*ret = (struct hf_repair){ .faults = 0 };
	faults = node_check_setup(dir, err);
	if (faults < 0)
		return (int)faults;
	lock = files_lock(dir, "being repaired", 0, NULL, err);
	if (lock == -EBUSY)
		return hf_error_prefix(err, lock,
				       "the node must not be served while it is repaired; stores wait");
	if (lock < 0)
		return lock;
	faults = node_check_all(dir, volume_id, &checking, ret_check, err);
	if (faults < 0)
		return (int)faults;
	ret->found = ret->faults = (uint64_t)faults;
	if (ret->healed_segments == 0)
		return 0;
	checking = (struct node_checking){ .progress = &options->progress, .locked = true };
	faults = node_check_all(dir, volume_id, &checking, ret_check, err);
	ret->faults = faults < 0 ? 0 : (uint64_t)faults;
	return faults < 0 ? (int)faults : 0;
}
