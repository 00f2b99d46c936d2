/* SPDX-License-Identifier: MIT */
/* What runs by itself: who mounts the store when the machine starts, and who rehearses its recovery. */
#include <mntent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/doctor/gather.h"

#define UNIT_MOUNT "holdfast-mount@"

/* --- fstab */

static bool in_fstab(const char *root, struct facts *f)
{
	char path[FACTS_PATH_BYTES];
	struct mntent *m;
	FILE *file;

	(void)gather_text(path, sizeof(path), "%s/etc/fstab", root);
	file = setmntent(path, "re");
	if (!file)
		return false;
	while ((m = getmntent(file))) {
		bool named =
			!strncmp(m->mnt_fsname, "holdfast#", 9); /* of type fuse, as it was written once */

		if (strcmp(m->mnt_fsname + (named ? 9 : 0), f->store.path) != 0 || hasmntopt(m, "noauto") ||
		    (!named && strcmp(m->mnt_type, "fuse.holdfast") != 0))
			continue;
		f->machine.at_boot = FACT_YES;
		(void)gather_text(f->machine.at_boot_by, sizeof(f->machine.at_boot_by),
				  "/etc/fstab, on %.4000s", m->mnt_dir);
	}
	(void)endmntent(file);
	return true;
}

/* --- units of systemd that are enabled */

struct units {
	const char *root;
	struct facts *f;
	char folder[FACTS_PATH_BYTES]; /* of what is wanted by a target */
	bool names;                    /* the unit's file names the store */
};

/* A word of the line is the store's path, maybe behind "STORE=" or in quotes. */
static bool names_store(const char *line, const char *store)
{
	size_t len = strlen(store);

	for (const char *p = strstr(line, store); p; p = strstr(p + 1, store))
		if ((p == line || strchr(" \t=\"'", p[-1])) && (p[len] == 0 || strchr(" \t\"'/", p[len])))
			return true;
	return false;
}

static bool look_at_line(void *arg, char *line)
{
	struct units *u = arg;

	line += strspn(line, " \t");
	if (*line != '#' && *line != ';')
		u->names = u->names || names_store(line, u->f->store.path);
	return !u->names;
}

/* holdfast-mount@NAME.service has its store in /etc/holdfast/NAME.conf. */
static bool look_at_instance(struct units *u, const char *unit)
{
	const char *name = unit + sizeof(UNIT_MOUNT) - 1;
	char path[FACTS_PATH_BYTES];

	(void)gather_text(path, sizeof(path), "/etc/holdfast/%.*s.conf", (int)strcspn(name, "."), name);
	return gather_lines(u->root, path, look_at_line, u);
}

static bool look_at_unit(void *arg, const char *unit)
{
	struct units *u = arg;
	struct facts_machine *m = &u->f->machine;
	char path[FACTS_PATH_BYTES + 300];

	if (strstr(unit, "holdfast-drill") && strstr(unit, ".timer") && m->drill_timer != FACT_YES) {
		m->drill_timer = FACT_YES;
		(void)gather_text(m->drill_timer_name, sizeof(m->drill_timer_name), "%.200s", unit);
	}
	u->names = false;
	if (!strncmp(unit, UNIT_MOUNT, sizeof(UNIT_MOUNT) - 1)) {
		(void)look_at_instance(u, unit);
	} else if (strstr(unit, ".service") || strstr(unit, ".mount")) {
		(void)gather_text(path, sizeof(path), "%s/%s", u->folder, unit);
		(void)gather_lines(u->root, path, look_at_line, u);
	}
	if (u->names && m->at_boot != FACT_YES) {
		m->at_boot = FACT_YES;
		(void)gather_text(m->at_boot_by, sizeof(m->at_boot_by), "%.200s", unit);
	}
	return true;
}

static bool look_at_wants(void *arg, const char *name)
{
	struct units *u = arg;
	char above[FACTS_PATH_BYTES];

	if (!strstr(name, ".wants") && !strstr(name, ".requires"))
		return true;
	memcpy(above, u->folder, sizeof(above));
	(void)gather_text(u->folder, sizeof(u->folder), "%.3800s/%.250s", above, name);
	(void)gather_names(u->root, u->folder, look_at_unit, u);
	memcpy(u->folder, above, sizeof(above));
	return true;
}

static bool in_units(const char *root, const char *folder, struct facts *f)
{
	struct units u = { .root = root, .f = f };

	(void)gather_text(u.folder, sizeof(u.folder), "%s", folder);
	return gather_names(root, folder, look_at_wants, &u);
}

/* --- cron */

struct crons {
	const char *root, *folder;
	struct facts *f;
};

static bool look_at_cron_line(void *arg, char *line)
{
	struct facts_machine *m = &((struct crons *)arg)->f->machine;

	if (line[strspn(line, " \t")] == '#' || !strstr(line, "holdfast drill"))
		return true;
	m->drill_timer = FACT_YES;
	(void)gather_text(m->drill_timer_name, sizeof(m->drill_timer_name), "cron");
	return false;
}

static bool look_at_cron(void *arg, const char *name)
{
	struct crons *c = arg;
	char path[FACTS_PATH_BYTES];

	(void)gather_text(path, sizeof(path), "%s/%s", c->folder, name);
	(void)gather_lines(c->root, path, look_at_cron_line, c);
	return c->f->machine.drill_timer != FACT_YES;
}

static void in_cron(const char *root, struct facts *f)
{
	static const char *const folders[] = {
		"/etc/cron.d",       "/etc/cron.daily",          "/etc/cron.weekly",
		"/etc/cron.monthly", "/var/spool/cron/crontabs", "/var/spool/cron"
	};
	struct crons c = { root, "", f };

	(void)gather_lines(root, "/etc/crontab", look_at_cron_line, &c);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && f->machine.drill_timer != FACT_YES;
	     i++) {
		c.folder = folders[i];
		(void)gather_names(root, folders[i], look_at_cron, &c);
	}
}

/* --- all of it */

void gather_boot(const char *root, struct facts *f)
{
	const struct passwd *pw = getpwuid(f->store.uid);
	struct facts_machine *m = &f->machine;
	char mine[FACTS_PATH_BYTES];
	bool fstab = in_fstab(root, f), units = in_units(root, "/etc/systemd/system", f);

	if (f->store.uid != 0 && pw && !root[0]) { /* of the user whose it is */
		(void)gather_text(mine, sizeof(mine), "%s/.config/systemd/user", pw->pw_dir);
		(void)in_units("", mine, f);
	}
	if (m->at_boot == FACT_UNKNOWN && (fstab || units))
		m->at_boot = FACT_NO;
	if (m->drill_timer != FACT_YES)
		in_cron(root, f);
	if (m->drill_timer == FACT_UNKNOWN && units)
		m->drill_timer = FACT_NO;
	if (m->drill_timer == FACT_UNKNOWN)
		(void)gather_text(m->drill_timer_name, sizeof(m->drill_timer_name), "/etc/systemd/system");
}
