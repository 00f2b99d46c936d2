/* SPDX-License-Identifier: MIT */
/*
 * What is known of a store, its replicas and the machine it is on, gathered once and judged afterwards
 * (between layers 5 and 6). Nothing here has an opinion; everything that is judged is here, so that a test
 * can make it up.
 *
 * What may be unknown is a `enum fact`, or a number for which 0 or UINT64_MAX is said to mean that; `why_…`
 * has the reason in words.
 */
#ifndef FS_DOCTOR_FACTS_H
#define FS_DOCTOR_FACTS_H

#include <sys/types.h>

#include "holdfast/alarm.h"
#include "holdfast/readiness.h"

enum fact { FACT_UNKNOWN, FACT_NO, FACT_YES };

enum { FACTS_PATH_BYTES = 4096, FACTS_WORDS_BYTES = 256, FACTS_SWAPS_MAX = 8, FACTS_NUMBER_UNKNOWN = -1 };

/* --- the store's files */

/* What others than root and the store's owner may change; path "": nothing. */
struct facts_open {
	char path[FACTS_PATH_BYTES];
	bool anothers; /* it belongs to one of them */
};

struct facts_store {
	char path[FACTS_PATH_BYTES];
	struct hf_readiness r;
	mode_t mode;
	uid_t uid;
	struct facts_open open_parent;       /* a folder above in which others may put another in its place */
	char loose_key[FACTS_PATH_BYTES];    /* a file of keys that others may read or write, or that is
						   another's */
	char loose_secret[FACTS_PATH_BYTES]; /* the same of replicas' files, the control socket, alarms.json
					      */
	char kit[FACTS_PATH_BYTES];          /* a recovery kit of this volume that lies on this machine; "" */
	char cloud[FACTS_PATH_BYTES];        /* credentials of a cloud account that do; "" */
	char why[FACTS_WORDS_BYTES];         /* something of this could not be looked at */
};

/* --- the process that has it mounted, and the mount */

struct facts_live {
	bool mounted;
	char dir[FACTS_PATH_BYTES];
	bool dead;                   /* the kernel has a mount whose process is gone */
	bool answers;                /* the process said how it is */
	char why[FACTS_WORDS_BYTES]; /* it did not, because */
	bool read_only;
	char failed[HF_ERROR_TEXT_BYTES]; /* nothing is written any more; "" */
	char version[48];
	pid_t pid;
	uint64_t room_bytes; /* free, and laid out for the log already; 0: not known */
	unsigned sync_receipts;
	char sync_error[HF_ERROR_TEXT_BYTES];
	enum fact suid, dev, allow_other, default_permissions; /* options of the mount */
};

/* --- replicas */

struct facts_replica {
	struct hf_replica_facts r;
	char state[24]; /* as status says while it is mounted; "" else */
	char error[HF_ERROR_TEXT_BYTES];
	double lag_seconds; /* of status, or by the last receipt */
	uint64_t lag_bytes;
	bool knocked;
	struct hf_knock knock;
	enum fact here;      /* it is on this machine */
	enum fact near;      /* in the network of this machine */
	enum fact same_disk; /* a directory: on the file system, or the disk, that the store is on */
	char probe_text[HF_ERROR_TEXT_BYTES]; /* a bucket was to be tried anew, and could not be, because; ""
					       */
};

/* --- the machine */

struct facts_swap {
	char name[FACTS_WORDS_BYTES];
	enum fact encrypted;
};

/* The process that has it mounted, when it answers; at rest this one, as what a mount from here would be. */
struct facts_process {
	pid_t pid;
	int64_t core_bytes, memlock_bytes, open_files; /* limits; INT64_MAX: none; FACTS_NUMBER_UNKNOWN */
	int64_t open_files_used;                       /* of another process; FACTS_NUMBER_UNKNOWN */
	enum fact locks_any; /* CAP_IPC_LOCK: the limit of locked memory does not count */
	enum fact outdated;  /* it runs a program or library that was replaced since */
	char outdated_what[FACTS_WORDS_BYTES];
	char fuse[32], rocksdb[32], zstd[32]; /* versions of its libraries; "": unknown */
};

struct facts_machine {
	char hostname[FACTS_WORDS_BYTES];
	char vendor[FACTS_WORDS_BYTES]; /* of the (virtual) hardware; "" */
	char kernel[FACTS_WORDS_BYTES];
	unsigned kernel_major, kernel_minor; /* 0, 0: unknown */
	enum fact synchronized;              /* the kernel's clock, as whoever keeps it says */
	uint64_t clock_error_us;             /* its estimate */
	char timekeeper[64];                 /* "chronyd" …; "" */
	size_t n_swaps;
	struct facts_swap swaps[FACTS_SWAPS_MAX];
	enum fact swaps_known;
	char core_pattern[FACTS_WORDS_BYTES];
	struct facts_process process;
	enum fact at_boot; /* somebody mounts it when the machine starts */
	char at_boot_by[FACTS_PATH_BYTES];
	enum fact drill_timer;
	char drill_timer_name[FACTS_WORDS_BYTES];
};

/* --- the disk that the store is on */

struct facts_disk {
	char type[64]; /* "ext4"; "": unknown */
	char device[FACTS_PATH_BYTES];
	char dir[FACTS_PATH_BYTES]; /* where it is mounted */
	char options[1024];
	bool memory, network, fuse, overlay, read_only;
	bool holdfast; /* another volume's mount */
	bool inside_own_mount;
	enum fact encrypted;
	uint64_t free_bytes, total_bytes;   /* total 0: unknown */
	uint64_t free_inodes, total_inodes; /* total 0: it has no limit, or unknown */
	int64_t errors;                     /* that the file system has counted; FACTS_NUMBER_UNKNOWN */
	char errors_where[FACTS_WORDS_BYTES];
};

/* --- who watches */

struct facts_watch {
	struct hf_alarm_settings settings;
	int settings_code; /* 0, or why they cannot be read */
	char settings_text[HF_ERROR_TEXT_BYTES];
	unsigned open; /* alarms */
	unsigned undelivered;
	char newest[HF_ALARM_KIND_BYTES + 64];
	int alarms_code;
	enum fact hook_runs;         /* there is such a program, and it may be run */
	bool hook_there;             /* there is a file of that name */
	struct facts_open hook_open; /* it, or a folder above */
};

/* --- rehearsals, as they were last done */

struct facts_rehearsal {
	int drill_code; /* 0: there was one; -ENODATA: never; others: not to be read, as drill_text says */
	char drill_text[HF_ERROR_TEXT_BYTES];
	uint64_t drill_ns; /* the newest */
	bool drill_passed;
	char drill_failed_step[32];
	uint64_t drill_passed_ns; /* the last that passed; 0: none ever did */
	uint64_t drill_limit_s;   /* one is to pass at least so often; 0: nobody said */
	bool drill_overdue;
	double drill_rto_seconds; /* negative: not known */
};

struct facts {
	uint64_t now_ns;
	char version[48]; /* of this program */
	struct facts_store store;
	struct facts_live live;
	struct facts_replica *replicas;
	size_t n_replicas;
	char replicas_text[HF_ERROR_TEXT_BYTES]; /* why they cannot be listed; "" */
	struct facts_machine machine;
	struct facts_disk disk;
	struct facts_watch watch;
	struct facts_rehearsal rehearsal;
};

#endif
