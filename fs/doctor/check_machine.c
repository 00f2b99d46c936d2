/* SPDX-License-Identifier: MIT */
/* The machine: its clock, its kernel, its libraries, and the process that has the store mounted. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

enum {
	CLOCK_ERROR_US = 10000000, /* timesyncd looks every 34 minutes, and the kernel adds 0.5 ms a second */
	CLOCK_BEHIND_S = 5,
	OPEN_FILES = 1024,
	OPEN_FILES_PERCENT = 80,
	KERNEL_MAJOR = 5, /* 5.10 is what Debian 11 has; older ones were not tried */
	KERNEL_MINOR = 10,
};

static void time_sync(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_machine *m = &f->machine;

	if (m->synchronized == FACT_UNKNOWN) {
		judge_add(ret, DOCTOR_UNKNOWN, "the kernel does not tell");
		return;
	}
	judge_fine(ret, "the clock is synchronized%s%s, to %.3f s", m->timekeeper[0] ? " by " : "",
		   m->timekeeper, (double)m->clock_error_us / 1e6);
	if (m->synchronized == FACT_NO)
		judge_add(ret, DOCTOR_WARNING, "the clock is not synchronized%s%s",
			  m->timekeeper[0] ? ", though there is " : "", m->timekeeper);
	else if (m->clock_error_us > CLOCK_ERROR_US)
		judge_add(ret, DOCTOR_WARNING, "the clock may be off by %.0f s",
			  (double)m->clock_error_us / 1e6);
	judge_remedy(
		ret,
		"moments in the past are named by this clock, and a node refuses what is signed 300 s off");
	judge_command(ret, "timedatectl set-ntp true");
}

/* Operations' times never fall: with a clock that was set back, they stand still until it has caught up. */
static void clock_behind(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_log_end *end = &f->store.r.log;
	double behind = -judge_days(f, end->time_ns) * 86400;
	char span[JUDGE_SPAN_BYTES];

	judge_fine(ret, "the log has no operation of the future");
	if (end->code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "the log's end could not be read");
		return;
	}
	if (behind <= CLOCK_BEHIND_S)
		return;
	judge_add(ret, DOCTOR_WARNING,
		  "the last operation is %s in the future: the clock was set back, or was ahead",
		  judge_span(behind, span));
	judge_remedy(ret, "until then all that happens has that one time; see that this clock is right");
}

static void kernel(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_machine *m = &f->machine;

	judge_fine(ret, "%s", m->kernel);
	if (m->kernel_major == 0)
		judge_add(ret, DOCTOR_UNKNOWN, "its version cannot be read");
	else if (m->kernel_major < KERNEL_MAJOR ||
		 (m->kernel_major == KERNEL_MAJOR && m->kernel_minor < KERNEL_MINOR))
		judge_add(ret, DOCTOR_WARNING, "%s: nothing before %d.%d was tried", m->kernel, KERNEL_MAJOR,
			  KERNEL_MINOR);
	judge_remedy(ret, "run a newer kernel");
}

static bool version_at_least(const char *version, unsigned major, unsigned minor)
{
	unsigned a = 0, b = 0;

	if (sscanf(version, "%u.%u", &a, &b) < 1)
		return true; /* nothing is known against it */
	return a > major || (a == major && b >= minor);
}

static void libraries(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_process *p = &f->machine.process;

	judge_fine(ret, "libfuse %s, RocksDB %s, libzstd %s", p->fuse[0] ? p->fuse : "?",
		   p->rocksdb[0] ? p->rocksdb : "?", p->zstd[0] ? p->zstd : "?");
	if (!p->fuse[0] && !p->rocksdb[0])
		judge_add(ret, DOCTOR_UNKNOWN, "which are loaded cannot be seen");
	if (!version_at_least(p->fuse, 3, 14))
		judge_add(ret, DOCTOR_WARNING, "libfuse %s: nothing before 3.14 was tried", p->fuse);
	if (!version_at_least(p->rocksdb, 7, 8))
		judge_add(ret, DOCTOR_WARNING, "RocksDB %s: nothing before 7.8 was tried", p->rocksdb);
	judge_remedy(ret, "update them");
}

static void running(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_process *p = &f->machine.process;

	if (!f->live.mounted) {
		judge_fine(ret, "nothing runs: the next mount is %s", f->version);
		return;
	}
	if (!f->live.answers) {
		judge_add(ret, DOCTOR_UNKNOWN, "the process that has it mounted does not answer");
		return;
	}
	judge_fine(ret, "process %d runs %s", (int)p->pid, f->live.version);
	if (strcmp(f->live.version, f->version) != 0)
		judge_add(ret, DOCTOR_WARNING, "process %d runs %s, and installed is %s", (int)p->pid,
			  f->live.version, f->version);
	if (p->outdated == FACT_YES)
		judge_add(ret, DOCTOR_WARNING, "process %d still runs what was replaced since: %s",
			  (int)p->pid, p->outdated_what);
	else if (p->outdated == FACT_UNKNOWN)
		judge_add(ret, DOCTOR_UNKNOWN, "what process %d runs cannot be seen by this user",
			  (int)p->pid);
	judge_remedy(ret, "what was mended there is not in use yet: unmount, and mount it again");
	judge_command(ret, "holdfast unmount %s", JUDGE_WORD(f->live.dir));
}

static void open_files(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_process *p = &f->machine.process;

	if (p->open_files == FACTS_NUMBER_UNKNOWN) {
		judge_add(ret, DOCTOR_UNKNOWN, "the limit cannot be read");
		return;
	}
	if (p->open_files_used >= 0)
		judge_fine(ret, "%" PRId64 " of %" PRId64 " in use", p->open_files_used, p->open_files);
	else
		judge_fine(ret, "%" PRId64, p->open_files);
	if (p->open_files < OPEN_FILES)
		judge_add(ret, DOCTOR_WARNING, "at most %" PRId64 ": an index with many tables needs more",
			  p->open_files);
	if (p->open_files_used >= 0 && p->open_files_used > p->open_files / 100 * OPEN_FILES_PERCENT)
		judge_add(ret, DOCTOR_WARNING, "%" PRId64 " of %" PRId64 " are in use", p->open_files_used,
			  p->open_files);
	judge_remedy(
		ret,
		"LimitNOFILE=65536 in the unit, or nofile in /etc/security/limits.conf; then mount it again");
}

static const struct doctor_check checks[] = {
	{ "time-sync", "machine", "is the clock kept right?", time_sync },
	{ "clock", "machine", "is the clock not behind the log?", clock_behind },
	{ "kernel", "machine", "is the kernel one that was tried?", kernel },
	{ "libraries", "machine", "are the libraries?", libraries },
	{ "running", "machine", "does the mount run what is installed?", running },
	{ "open-files", "machine", "may it open enough files?", open_files },
};
const struct doctor_family family_machine = JUDGE_FAMILY(checks);
