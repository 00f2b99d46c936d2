/* SPDX-License-Identifier: MIT */
/* The disk that the store is on. */
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

enum {
	ROOM_PERCENT = 10,
	INODES_PERCENT = 5,
	/* what a store keeps for deletes and its index, of a file system's size:
	   store/volume/room.c says the same */
	RESERVE_SHARE = 32,
	RESERVE_MIN_MIB = 16,
	RESERVE_MAX_MIB = 256,
};

static uint64_t reserve(uint64_t total)
{
	uint64_t mib = total / RESERVE_SHARE >> 20;

	return (mib < RESERVE_MIN_MIB ? RESERVE_MIN_MIB :
		mib > RESERVE_MAX_MIB ? RESERVE_MAX_MIB :
					mib)
	       << 20;
}

static void room(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_disk *d = &f->disk;
	char left[JUDGE_SPAN_BYTES], all[JUDGE_SPAN_BYTES];

	if (d->total_bytes == 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "how much there is cannot be asked");
		return;
	}
	judge_fine(ret, "%s of %s free", judge_bytes(d->free_bytes, left), judge_bytes(d->total_bytes, all));
	if (d->free_bytes <= reserve(d->total_bytes))
		judge_add(ret, DOCTOR_DANGER, "%s of %s free: nothing can be written any more, only deleted",
			  left, all);
	else if (d->free_bytes < d->total_bytes / 100 * ROOM_PERCENT)
		judge_add(ret, DOCTOR_WARNING, "%s of %s free", left, all);
	judge_remedy(ret,
		     "make room on %s, or move the store to a larger disk: the log only grows, and deleting "
		     "files in the "
		     "volume frees nothing",
		     d->dir);
}

static void inodes(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_disk *d = &f->disk;

	judge_fine(ret, d->total_inodes ? "%" PRIu64 " free" : "without a limit", d->free_inodes);
	if (d->total_inodes == 0 || d->free_inodes > d->total_inodes / 100 * INODES_PERCENT)
		return;
	judge_add(ret, DOCTOR_WARNING, "%" PRIu64 " of %" PRIu64 " inodes free", d->free_inodes,
		  d->total_inodes);
	judge_remedy(ret, "remove small files on %s that nobody needs: the store itself has few", d->dir);
}

static void kind(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_disk *d = &f->disk;

	if (!d->type[0]) {
		judge_add(ret, DOCTOR_UNKNOWN, "which file system it is cannot be seen");
		return;
	}
	judge_fine(ret, "%s, %s", d->type, d->device);
	if (d->memory)
		judge_add(ret, DOCTOR_DANGER, "%s: it is in memory, and gone when the machine stops",
			  d->type);
	else if (d->overlay)
		judge_add(ret, DOCTOR_WARNING, "%s: a container's own layer, which goes when it does",
			  d->type);
	else if (d->network)
		judge_add(ret, DOCTOR_WARNING,
			  "%s: on a network file system a sync is what the server makes of it, a lock may "
			  "not hold, and the mount hangs when that does",
			  d->type);
	else if (d->fuse)
		judge_add(ret, DOCTOR_WARNING, "%s: what a sync means there is not known", d->type);
	judge_remedy(ret, "keep the store on a disk of this machine, and let replicas be elsewhere");
}

static void options(const struct facts *f, struct doctor_finding *ret)
{
	/* not data=writeback, nor btrfs's nodatacow: by these what was not synced may be anything, and what
	   was is there */
	static const char *const unsafe[] = {
		"nobarrier", "barrier=0", "norecovery", "noload", "fsync_mode=nobarrier", "unsafe", "volatile"
	};

	const struct mntent m = { .mnt_opts = (char *)f->disk.options }; /* which is only read */

	judge_fine(ret, "%s", f->disk.options[0] ? f->disk.options : "none known");
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
		if (!hasmntopt(&m, unsafe[i]))
			continue;
		judge_add(ret, DOCTOR_DANGER,
			  "%s is mounted with %s: what a sync has acknowledged may be gone after a power cut",
			  f->disk.dir, unsafe[i]);
		judge_remedy(ret, "mount it without that option");
	}
}

static void errors(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_disk *d = &f->disk;

	judge_fine(ret,
		   d->errors == FACTS_NUMBER_UNKNOWN ? "none were seen; %s counts none that can be read" :
						       "%s has counted none",
		   d->type[0] ? d->type : "the file system");
	if (d->errors > 0)
		judge_add(ret, DOCTOR_DANGER, "the file system has counted %" PRId64 " errors (%s)",
			  d->errors, d->errors_where);
	if (d->read_only)
		judge_add(ret, DOCTOR_DANGER, "the file system is read-only%s",
			  d->errors > 0 ? " since" : "");
	judge_remedy(ret, "look at the kernel's log, and at the disk (smartctl); replace it while replicas "
			  "are current; then, "
			  "unmounted, check the store");
	judge_command(ret, "holdfast check %s", JUDGE_STORE(f));
}

static void place(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "on a file system that does not hang on the volume");
	if (f->disk.inside_own_mount) {
		judge_add(ret, DOCTOR_DANGER,
			  "the store is inside its own mount %s: each waits for the other", f->live.dir);
		judge_remedy(ret, "mount it elsewhere");
	}
	if (f->disk.holdfast) {
		judge_add(ret, DOCTOR_DANGER,
			  "the store is in another holdfast volume: all that is written is written, and kept "
			  "for "
			  "ever, twice");
		judge_remedy(ret, "keep the store on an ordinary file system");
	}
}

static const struct doctor_check checks[] = {
	{ "disk-room", "disk", "is there room?", room },
	{ "disk-inodes", "disk", "are there inodes?", inodes },
	{ "disk-kind", "disk", "is it a disk, of this machine?", kind },
	{ "disk-options", "disk", "does a sync mean one?", options },
	{ "disk-errors", "disk", "has it no errors?", errors },
	{ "store-place", "disk", "does the store not lie in a volume?", place },
};
const struct doctor_family family_disk = JUDGE_FAMILY(checks);
