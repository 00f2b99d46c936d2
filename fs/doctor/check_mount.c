/* SPDX-License-Identifier: MIT */
/* The mount: is there one, is it well, and does it come back after a restart? */
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

static void mounted(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, f->live.mounted ? "on %s" : "at rest%s: nothing is written, shipped or watched",
		   f->live.mounted ? f->live.dir : "");
	if (f->live.dead) {
		judge_add(ret, DOCTOR_DANGER, "the process that served %s is gone", f->live.dir);
		judge_remedy(ret, "find out why (the journal; dmesg, was memory short?), and mount it again: "
				  "that takes the dead "
				  "one away first");
		judge_command(ret, "holdfast mount %s %s", JUDGE_STORE(f), JUDGE_WORD(f->live.dir));
	} else if (f->live.mounted && !f->live.answers) {
		judge_add(ret, DOCTOR_UNKNOWN, "the process that has it mounted does not answer: %s",
			  f->live.why);
	} else if (f->live.mounted && f->live.read_only) {
		judge_add(ret, DOCTOR_WARNING,
			  "it is mounted read-only: nothing is shipped or watched that others do not write");
		judge_remedy(ret, "unmount it, and mount it without -o ro, if that is over");
	}
}

static void health(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, f->live.answers ? "it writes" : "at rest");
	if (!f->live.failed[0])
		return;
	judge_add(ret, DOCTOR_DANGER, "nothing is written any more: %s", f->live.failed);
	judge_remedy(ret, "what was durable is safe. Mend the disk, unmount, check, and mount it again");
	judge_command(ret, "holdfast unmount %s; holdfast check %s", JUDGE_WORD(f->live.dir), JUDGE_STORE(f));
}

/* What once had a set-uid bit has it in .history for ever, however it was mended since. */
static void mount_options(const struct facts *f, struct doctor_finding *ret)
{
	if (!f->live.mounted) {
		judge_fine(ret, "at rest");
		return;
	}
	if (f->live.suid == FACT_UNKNOWN) {
		judge_add(ret, DOCTOR_UNKNOWN, "the kernel shows no mount of it here");
		return;
	}
	judge_fine(ret, "nosuid, nodev, and the kernel checks permissions");
	if (f->live.suid == FACT_YES)
		judge_add(ret, DOCTOR_WARNING,
			  "without nosuid: a set-uid program that was mended or removed can be run from "
			  ".history "
			  "still");
	if (f->live.dev == FACT_YES)
		judge_add(ret, DOCTOR_WARNING,
			  "without nodev: devices made in the volume can be opened, past ones too");
	if (f->live.allow_other == FACT_YES && f->live.default_permissions == FACT_NO)
		judge_add(ret, DOCTOR_DANGER,
			  "allow_other without default_permissions: everybody may do everything");
	judge_remedy(ret, "mount it with -o nosuid,nodev, unless a system is run from it");
}

/* May it stand in fstab as it is? */
static bool is_plain(const char *path)
{
	return !path[strcspn(path, " \t\n\\'#")];
}

static void at_boot(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_machine *m = &f->machine;
	const char *dir = f->live.dir[0] ? f->live.dir : "DIR";

	judge_fine(ret, "%s", m->at_boot_by);
	if (m->at_boot == FACT_UNKNOWN)
		judge_add(ret, DOCTOR_UNKNOWN, "fstab and systemd's units cannot be read");
	else if (m->at_boot == FACT_NO)
		judge_add(ret, DOCTOR_WARNING, "neither fstab nor a unit that is enabled mounts it");
	judge_remedy(ret, "after a restart nothing is served, shipped or watched until somebody thinks of "
			  "it: a line in fstab, or "
			  "a unit (man holdfast, SYSTEMD)");
	if (is_plain(f->store.path) && is_plain(dir))
		judge_command(ret,
			      "echo '%s %s fuse.holdfast nosuid,nodev,_netdev,nofail,"
			      "x-systemd.mount-timeout=infinity 0 0' >> /etc/fstab",
			      f->store.path, dir);
}

static const struct doctor_check checks[] = {
	{ "mounted", "mount", "is it mounted, and served?", mounted },
	{ "mount-health", "mount", "is it written to?", health },
	{ "mount-options", "mount", "are its options safe?", mount_options },
	{ "mount-at-boot", "mount", "does it come back after a restart?", at_boot },
};
const struct doctor_family family_mount = JUDGE_FAMILY(checks);
