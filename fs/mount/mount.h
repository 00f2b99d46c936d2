/* SPDX-License-Identifier: MIT */
/*
 * Mounting an open store (layer 5): the live tree at the mount's root, every past moment under `.history`.
 * Sees the store through include/holdfast only, the kernel through libfuse's low-level API.
 *
 * Order of calls: mount_parse_options; hf_store_open; mount_run, which returns when the mount is gone;
 * hf_store_close. A process serves one mount at a time.
 */
#ifndef FS_MOUNT_MOUNT_H
#define FS_MOUNT_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "holdfast/metrics.h"
#include "holdfast/store.h"

struct mount_options {
	bool read_only;
	bool allow_other; /* others than who mounted may use it: what root mounts, unless said otherwise */
	bool allow_root;  /* only root may, besides who mounted */
	bool suid, dev;   /* honour setuid files and device files: not unless asked for */
	bool noexec;
	bool sync, dirsync;   /* all changes, or those of names, are durable when the call returns */
	bool history_visible; /* readdir of the root shows .history */
	bool coalesce; /* the kernel gathers small writes, and an overwrite within seconds leaves no moment */
	bool rebuild;  /* the index is thrown away and built anew from the log (HF_OPEN_REBUILD) */
	bool debug;    /* every request to stderr */
	bool remount;  /* for mount_again, not for mount_run */
	char log[16];  /* a level, for the caller alone; "": not said */
	uint64_t cache_bytes;                    /* for hf_open_options: 0, its default */
	unsigned commit_interval_ms;             /* likewise */
	unsigned sync_receipts, sync_timeout_ms; /* likewise */
	uint64_t scrub_s;                        /* likewise; 30 days when nothing is said */
	/*
	 * A moment as text: the tree as it was then is mounted, read-only and without .history; "": what is
	 * now. The store is then to be opened read-only.
	 */
	char at[160];
	char metrics[80]; /* where to serve metrics, as it was said; "": nowhere. For who calls mount_run */
};

/* For a usage text: a line an option, behind `-o`. */
/* clang-format off */
#define MOUNT_OPTIONS_HELP \
	"                       ro                 no changes\n" \
	"                       at=MOMENT          as --at MOMENT\n" \
	"                       history=visible    ls shows .history; hidden (default): it is there, not shown\n" \
	"                       cache=SIZE         memory to use in all, about, as 512M or 2G (256M)\n" \
	"                       commit=SECONDS     until what was written is durable without an fsync (1)\n" \
	"                       allow_other        for every user (the default when root mounts)\n" \
	"                       noallow_other      for who mounts alone\n" \
	"                       allow_root         for who mounts, and root\n" \
	"                       suid, dev          honour setuid files, device files (nosuid, nodev)\n" \
	"                       coalesce           the kernel gathers small writes: faster, but what is\n" \
	"                                          overwritten within seconds leaves no moment of its own\n" \
	"                       rebuild            throw the index away and build it anew from the log\n" \
	"                       sync, dirsync      every change, or every change of a name, is durable when\n" \
	"                                          the call returns\n" \
	"                       sync=replica       fsync, and writing to a file opened with O_SYNC, waits until a\n" \
	"                                          replica has signed for it, or until N have: sync=replica:N\n" \
	"                       replica-timeout=S  and fails with EIO after so many seconds (30); what was\n" \
	"                                          written is durable here all the same\n" \
	"                       metrics=[HOST:]PORT\n" \
	"                                          figures for Prometheus by HTTP, at /metrics of this\n" \
	"                                          port of loopback, or of HOST; port 0: any, see status\n" \
	"                       scrub=TIME         verify all of the log once in so long, beside the rest\n" \
	"                                          at idle priority: 30d (the default), 12h, … or off\n"\
	"                       log=LEVEL          what weighs less is not logged: error, warning, notice,\n" \
	"                                          info (default) or debug\n" \
	"                       noexec, debug      noatime is always so: reading leaves no trace\n" \
	"                       remount            of what is mounted already, change ro, suid, dev and noexec\n"
/* clang-format on */

/*
 * Read what stands behind -o, words separated by commas, into `ret` (all of it is set; nothing said: the
 * defaults). What fstab and mount(8) say to each other (auto, nofail, _netdev, x-…) is passed over. -EINVAL:
 * the words name the option.
 */
int mount_parse_options(const char *text, struct mount_options *ret, struct hf_error *err);
/* "512M", "2GiB", "1000": bytes, more than 0; binary units. Whether it is that. */
bool mount_parse_size(const char *text, uint64_t *ret);

/*
 * Mount `store` on the folder `dir` (absolute) and serve it, on threads of its own, until it is unmounted,
 * SIGTERM, SIGINT or SIGHUP comes, or mount_stop is called. `ready` (may be NULL) is called once, on the
 * calling thread, when the mount can be used. Handlers of these signals, of SIGPIPE and of SIGUSR1 are
 * replaced meanwhile. 0 when it ended as it should; -ENOTCONN (a dead mount is in the way), -EBUSY, -EPERM,
 * -ENOENT (no /dev/fuse, no fusermount3; no such moment), -EINVAL (that is no moment), … when it could not
 * mount.
 */
int mount_run(struct hf_store *store, const char *dir, const struct mount_options *options,
	      void (*ready)(void *arg), void *arg, struct hf_error *err);

/*
 * Of the mount of `store_path` on `dir` (absolute), whose process goes on, change what the kernel alone
 * keeps: ro, suid, dev and noexec become as `options` say. The others stay as they were. -EINVAL: that is
 * not mounted there; -EPERM: only root may; -EBUSY: ro, and a file is open for writing.
 */
int mount_again(const char *store_path, const char *dir, const struct mount_options *options,
		struct hf_error *err);

/*
 * When `dir` is a mount of this very store whose process has died, take it away (as `umount -l` does) and
 * return 1. 0: there is nothing to take away. -ENOTCONN: a dead mount of something else, which is not ours to
 * remove; the words say what to do.
 */
int mount_clear_dead(const char *dir, const char *store_path, struct hf_error *err);

/*
 * For whoever changes the tree behind the kernel's back, from any thread that is not serving a request: what
 * the kernel remembers of it is dropped before the call returns. Nothing mounted: nothing done.
 */
/* Contents, attributes, a directory's listing. */
void mount_changed_inode(uint64_t ino);
/*
 * Contents or attributes of a regular file, one of whose names is this. With -o coalesce the kernel has a
 * length and times of its own, which are put right; where that cannot be (-errno), for a program runs from it
 * or the mount was made read-only, that is done soon after it can be, and who reads or writes the file until
 * then does so by the length that it had.
 */
int mount_changed_file(uint64_t ino, uint64_t parent, const char *name);
/* Which inode a name is of, or that it is none; the listing that it is in is another thing. */
void mount_changed_entry(uint64_t parent, const char *name);
/* A tag's name was taken away, or given to another moment. */
void mount_changed_tag(const char *name);

/*
 * What programs have written and the kernel alone has yet (of a mapping; with -o coalesce, of any file) is
 * taken before the call returns, as far as the mount is not kept busy for ten seconds. Threads as above.
 */
void mount_write_out(void);

/* Of the mount of this process: the moment that it is of. False: of what is now, or nothing is mounted. */
struct hf_point;
bool mount_moment(struct hf_point *ret);

/* --- what the kernel has asked of the mount of this process since it began */

enum { MOUNT_REQUEST_KINDS = 18, MOUNT_ERRORS = 26 };
const char *mount_request_name(unsigned kind); /* "lookup", "read" …; NULL behind the last */
const char *mount_error_name(unsigned error);  /* "ENOENT" …; NULL behind the last */

struct mount_counts {
	/* ns, by kind: from when a request was there until it was answered, or left to another thread */
	struct hf_histogram requests[MOUNT_REQUEST_KINDS];
	uint64_t errors[MOUNT_ERRORS];      /* answered. That a name looked up is not there is no error */
	uint64_t read_bytes, written_bytes; /* of contents, in answers and requests */
};
/* From any thread. Nothing mounted: all zeros. */
void mount_counted(struct mount_counts *ret);

/* Who gets this folder's lines for a person, priorities as syslog(3); default: nobody. Before mount_run. */
void mount_set_log(void (*fn)(void *arg, int priority, const char *line), void *arg);

/* Make mount_run return as if a signal had come. From any thread. */
void mount_stop(void);

#endif
