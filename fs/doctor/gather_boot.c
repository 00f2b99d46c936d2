/* SPDX-License-Identifier: MIT */
/* What runs by itself: who mounts the store when the machine starts, and who rehearses its recovery. */
#include <limits.h>
#include <mntent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/doctor/gather.h"

#define UNIT_MOUNT "holdfast-mount@"
#define UNIT_DRILL "holdfast-drill"

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
	const char *settings; /* the folder of NAME.conf */
	struct facts *f;
	char folder[FACTS_PATH_BYTES]; /* of what is wanted by a target */
	bool names, mounts;            /* the unit's file names the store; it is one that mounts something */
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
	if (*line == '#' || *line == ';' || !strncmp(line, "Where=", 6))
		return true;
	u->names = u->names || names_store(line, u->f->store.path);
	u->mounts = u->mounts || (!strncmp(line, "ExecStart", 9) && strstr(line, "mount"));
	return !u->names || !u->mounts;
}

/* holdfast-mount@NAME.service has its store in NAME.conf. */
static bool look_at_instance(struct units *u, const char *unit)
{
	const char *name = unit + sizeof(UNIT_MOUNT) - 1;
	char path[2 * FACTS_PATH_BYTES];

	(void)gather_text(path, sizeof(path), "%s/%.*s.conf", u->settings, (int)strcspn(name, "."), name);
	return gather_lines(u->root, path, look_at_line, u);
}

/* "var-lib-my\x2dvolume" of an instance is /var/lib/my-volume: systemd.unit(5). */
static void unescape(const char *from, size_t len, char *out, size_t size)
{
	size_t at = 0;
	unsigned byte;

	out[at++] = '/';
	for (size_t i = 0; i < len && at + 1 < size; i++) {
		if (i + 3 < len && sscanf(from + i, "\\x%2x", &byte) == 1) {
			out[at++] = (char)byte;
			i += 3;
		} else {
			out[at++] = from[i] == '-' ? '/' : from[i];
		}
	}
	out[at] = 0;
}

/* A timer that was named otherwise may rehearse what it likes; an instance of ours names what. */
static bool rehearses(const struct facts *f, const char *unit)
{
	const char *name = strstr(unit, UNIT_DRILL), *end = name ? strstr(name, ".timer") : NULL;
	char path[FACTS_PATH_BYTES], real[PATH_MAX];

	if (!end)
		return false;
	name += sizeof(UNIT_DRILL) - 1;
	if (*name != '@')
		return true;
	unescape(name + 1, (size_t)(end - name - 1), path, sizeof(path));
	return !strcmp(path, f->store.path) || !strcmp(path, f->live.dir) ||
	       (realpath(path, real) && !strcmp(real, f->store.path));
}

static bool look_at_unit(void *arg, const char *unit)
{
	struct units *u = arg;
	struct facts_machine *m = &u->f->machine;
	char path[FACTS_PATH_BYTES + 300];

	if (m->drill_timer != FACT_YES && rehearses(u->f, unit)) {
		m->drill_timer = FACT_YES;
		(void)gather_text(m->drill_timer_name, sizeof(m->drill_timer_name), "%.200s", unit);
	}
	u->names = false;
	u->mounts = !strstr(unit, ".service") || !strncmp(unit, UNIT_MOUNT, sizeof(UNIT_MOUNT) - 1);
	if (!strncmp(unit, UNIT_MOUNT, sizeof(UNIT_MOUNT) - 1)) {
		(void)look_at_instance(u, unit);
	} else if (strstr(unit, ".service") || strstr(unit, ".mount")) {
		(void)gather_text(path, sizeof(path), "%s/%s", u->folder, unit);
		(void)gather_lines(u->root, path, look_at_line, u);
	}
	if (u->names && u->mounts && m->at_boot != FACT_YES) {
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

static bool in_units(const char *root, const char *folder, const char *settings, struct facts *f)
{
	struct units u = { .root = root, .settings = settings, .f = f };

	(void)gather_text(u.folder, sizeof(u.folder), "%s", folder);
	return gather_names(root, folder, look_at_wants, &u);
}

/* --- cron */

struct crons {
	const char *root, *folder;
	struct facts *f;
};

/* Do the words behind the command name another store? What comes after an option may be that option's. */
static bool names_another(const struct facts *f, char *words)
{
	bool another = false, option = false;
	char *save, path[PATH_MAX];

	words[strcspn(words, "<>|;&\n")] = 0;
	for (char *w = strtok_r(words, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		if (!strcmp(w, f->store.path) || !strcmp(w, f->live.dir) ||
		    (realpath(w, path) && !strcmp(path, f->store.path)))
			return false;
		another |= *w == '/' && !option;
		option = *w == '-';
	}
	return another;
}

static bool look_at_cron_line(void *arg, char *line)
{
	static const char command[] = "holdfast drill";
	const struct crons *c = arg;
	struct facts_machine *m = &c->f->machine;
	char *at = strstr(line, command);

	if (line[strspn(line, " \t")] == '#' || !at || names_another(c->f, at + sizeof(command) - 1))
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
	char mine[FACTS_PATH_BYTES], settings[FACTS_PATH_BYTES];
	bool fstab = in_fstab(root, f), units = in_units(root, "/etc/systemd/system", "/etc/holdfast", f);

	if (f->store.uid != 0 && pw) { /* of the user whose it is */
		(void)gather_text(mine, sizeof(mine), "%s/.config/systemd/user", pw->pw_dir);
		(void)gather_text(settings, sizeof(settings), "%s/.config/holdfast", pw->pw_dir);
		(void)in_units(root, mine, settings, f);
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
