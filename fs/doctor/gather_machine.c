/* SPDX-License-Identifier: MIT */
/* The machine's clock, kernel, swap and name, and the process that has the store mounted. */
#include <ctype.h>
#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fs/doctor/gather.h"

enum { CAP_IPC_LOCK_BIT = 14 };

/* --- the clock */

struct keepers {
	const char *root;
	struct facts_machine *m;
};

static bool look_for_keeper(void *arg, const char *pid)
{
	static const char *const keepers[] = { "chronyd",  "systemd-timesyn", "ntpd",   "ntpsec",
					       "openntpd", "ptp4l",           "phc2sys" };
	struct keepers *k = arg;
	char path[300], name[64];

	if (!isdigit((unsigned char)*pid))
		return true;
	(void)gather_text(path, sizeof(path), "/proc/%s/comm", pid);
	if (!gather_read(k->root, path, name, sizeof(name)))
		return true;
	for (size_t i = 0; i < sizeof(keepers) / sizeof(keepers[0]); i++) {
		if (strcmp(name, keepers[i]) != 0)
			continue;
		(void)gather_text(k->m->timekeeper, sizeof(k->m->timekeeper), "%s",
				  !strcmp(name, "systemd-timesyn") ? "systemd-timesyncd" : name);
		return false;
	}
	return true;
}

static void look_at_clock(const char *root, struct facts_machine *m)
{
	struct keepers k = { root, m };
	struct timex t = { .modes = 0 };
	int state = adjtimex(&t);

	if (state >= 0) {
		m->synchronized = state == TIME_ERROR || (t.status & STA_UNSYNC) ? FACT_NO : FACT_YES;
		m->clock_error_us = t.maxerror > 0 ? (uint64_t)t.maxerror : 0;
	}
	(void)gather_names(root, "/proc", look_for_keeper, &k);
}

/* --- swap */

/* "/swap\040file" of a table of the kernel's is "/swap file". */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && isdigit((unsigned char)in[2]) &&
		    isdigit((unsigned char)in[3])) {
			*out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = 0;
}

/* What is in memory, compressed, is as good as encrypted: it is gone with the power. */
static enum fact swap_encrypted(const char *root, const char *name)
{
	struct stat st;

	if (!strncmp(name, "/dev/zram", 9))
		return FACT_YES;
	if (stat(name, &st) < 0)
		return FACT_UNKNOWN;
	return gather_encrypted(root, S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev);
}

struct swaps {
	const char *root;
	struct facts_machine *m;
};

static bool add_swap(void *arg, char *line)
{
	struct swaps *s = arg;
	struct facts_swap *one;

	if (*line != '/' || s->m->n_swaps == FACTS_SWAPS_MAX)
		return true;
	line[strcspn(line, " \t")] = 0;
	unescape(line);
	one = &s->m->swaps[s->m->n_swaps++];
	(void)gather_text(one->name, sizeof(one->name), "%s", line);
	one->encrypted = swap_encrypted(s->root, line);
	return true;
}

/* --- the process */

/* "Max open files            1024                 524288               files" */
static bool take_limit(void *arg, char *line)
{
	static const struct {
		const char *name;
		size_t off;
	} limits[] = {
		{ "Max core file size", offsetof(struct facts_process, core_bytes) },
		{ "Max locked memory", offsetof(struct facts_process, memlock_bytes) },
		{ "Max open files", offsetof(struct facts_process, open_files) },
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		size_t len = strlen(limits[i].name);
		int64_t *n = (int64_t *)(void *)((char *)arg + limits[i].off);

		if (strncmp(line, limits[i].name, len) != 0)
			continue;
		line += len + strspn(line + len, " ");
		*n = !strncmp(line, "unlimited", 9) ? INT64_MAX : strtoll(line, NULL, 10);
	}
	return true;
}

static bool count_name(void *arg, const char *name)
{
	(void)name;
	++*(int64_t *)arg;
	return true;
}

static bool take_capabilities(void *arg, char *line)
{
	struct facts_process *p = arg;

	if (strncmp(line, "CapEff:", 7) != 0)
		return true;
	p->locks_any = strtoull(line + 7, NULL, 16) >> CAP_IPC_LOCK_BIT & 1 ? FACT_YES : FACT_NO;
	return false;
}

/* "/usr/lib/x86_64-linux-gnu/librocksdb.so.7.8.3": what follows ".so." */
static void take_version(const char *path, const char *library, char out[32])
{
	const char *name = strrchr(path, '/');
	size_t len = strlen(library);

	if (name && !strncmp(name + 1, library, len) && isdigit((unsigned char)name[1 + len]))
		(void)gather_text(out, 32, "%.31s", name + 1 + len);
}

static bool take_map(void *arg, char *line)
{
	struct facts_process *p = arg;
	char *path = strchr(line, '/'), *deleted;

	if (!path)
		return true;
	deleted = strstr(path, " (deleted)");
	if (deleted)
		*deleted = 0;
	if (deleted && strstr(path, ".so") && p->outdated != FACT_YES) {
		p->outdated = FACT_YES;
		(void)gather_text(p->outdated_what, sizeof(p->outdated_what), "%.250s", path);
	}
	take_version(path, "libfuse3.so.", p->fuse);
	take_version(path, "librocksdb.so.", p->rocksdb);
	take_version(path, "libzstd.so.", p->zstd);
	return true;
}

static void look_at_program(const char *root, const char *proc, struct facts_process *p)
{
	char path[FACTS_PATH_BYTES], target[FACTS_PATH_BYTES];
	ssize_t n;

	(void)gather_text(path, sizeof(path), "%s%s/exe", root, proc);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0) {
		target[n] = 0;
		p->outdated = strstr(target, " (deleted)") ? FACT_YES : FACT_NO;
		(void)gather_text(p->outdated_what, sizeof(p->outdated_what), "%.250s", target);
	}
	(void)gather_text(path, sizeof(path), "%s/maps", proc);
	(void)gather_lines(root, path, take_map, p);
}

static void look_at_process(const char *root, pid_t pid, struct facts_process *p)
{
	char proc[64], path[96];

	p->pid = pid;
	if (pid)
		(void)gather_text(proc, sizeof(proc), "/proc/%d", (int)pid);
	else
		(void)gather_text(proc, sizeof(proc), "/proc/self");
	(void)gather_text(path, sizeof(path), "%s/limits", proc);
	(void)gather_lines(root, path, take_limit, p);
	(void)gather_text(path, sizeof(path), "%s/status", proc);
	(void)gather_lines(root, path, take_capabilities, p);
	look_at_program(root, proc, p);
	if (pid) { /* our own are those of a command */
		int64_t n = 0;

		(void)gather_text(path, sizeof(path), "%s/fd", proc);
		if (gather_names(root, path, count_name, &n))
			p->open_files_used = n;
	}
}

/* --- the mount's options, as the kernel has them */

struct mount_of {
	struct facts_live *live;
};

static enum fact has_option(char *options, const char *option)
{
	return hasmntopt(&(struct mntent){ .mnt_opts = options }, option) ? FACT_YES : FACT_NO;
}

/* id parent major:minor root DIR options … - TYPE SOURCE superoptions */
static bool take_mount(void *arg, char *line)
{
	struct mount_of *m = arg;
	char *fields[6], *rest = line, *more;

	for (size_t i = 0; i < 6; i++)
		if (!(fields[i] = strsep(&rest, " ")))
			return true;
	unescape(fields[4]);
	more = rest ? strstr(rest, "- fuse.holdfast ") : NULL;
	if (!more || strcmp(fields[4], m->live->dir) != 0)
		return true;
	m->live->suid = has_option(fields[5], "nosuid") == FACT_YES ? FACT_NO : FACT_YES;
	m->live->dev = has_option(fields[5], "nodev") == FACT_YES ? FACT_NO : FACT_YES;
	more = strrchr(more, ' ') + 1; /* there is one behind the type */
	m->live->allow_other = has_option(more, "allow_other");
	m->live->default_permissions = has_option(more, "default_permissions");
	return true;
}

void gather_machine(const char *root, struct facts *f)
{
	struct facts_machine *m = &f->machine;
	struct swaps s = { root, m };
	struct mount_of mount = { &f->live };
	struct utsname u;

	look_at_clock(root, m);
	m->swaps_known = gather_lines(root, "/proc/swaps", add_swap, &s) ? FACT_YES : FACT_NO;
	(void)gather_read(root, "/proc/sys/kernel/core_pattern", m->core_pattern, sizeof(m->core_pattern));
	(void)gather_read(root, "/sys/class/dmi/id/sys_vendor", m->vendor, sizeof(m->vendor));
	if (gethostname(m->hostname, sizeof(m->hostname)) < 0)
		m->hostname[0] = 0;
	m->hostname[sizeof(m->hostname) - 1] = 0;
	if (uname(&u) == 0) {
		(void)gather_text(m->kernel, sizeof(m->kernel), "%s %s", u.sysname, u.release);
		if (sscanf(u.release, "%u.%u", &m->kernel_major, &m->kernel_minor) < 2)
			m->kernel_major = m->kernel_minor = 0;
	}
	m->process = (struct facts_process){ .core_bytes = FACTS_NUMBER_UNKNOWN,
					     .memlock_bytes = FACTS_NUMBER_UNKNOWN,
					     .open_files = FACTS_NUMBER_UNKNOWN,
					     .open_files_used = FACTS_NUMBER_UNKNOWN };
	if (f->live.answers || !f->live.mounted) /* of one that does not answer it is not known which it is */
		look_at_process(root, f->live.answers ? f->live.pid : 0, &m->process);
	if (f->live.dir[0])
		(void)gather_lines(root, "/proc/self/mountinfo", take_mount, &mount);
}
