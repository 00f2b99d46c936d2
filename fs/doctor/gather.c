/* SPDX-License-Identifier: MIT */
#include "fs/doctor/gather.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- helpers */

bool gather_text(char *out, size_t size, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(out, size, fmt, args);
	va_end(args);
	return n >= 0 && (size_t)n < size;
}

static FILE *open_below(const char *root, const char *path)
{
	char full[FACTS_PATH_BYTES + FACTS_WORDS_BYTES];

	if (!gather_text(full, sizeof(full), "%s%s", root, path))
		return NULL;
	return fopen(full, "re");
}

bool gather_read(const char *root, const char *path, char *out, size_t size)
{
	FILE *f = open_below(root, path);
	size_t n;

	out[0] = 0;
	if (!f)
		return false;
	n = fread(out, 1, size - 1, f);
	out[n] = 0;
	(void)fclose(f);
	out[strcspn(out, "\n")] = 0;
	return true;
}

bool gather_lines(const char *root, const char *path, bool (*each)(void *arg, char *line), void *arg)
{
	FILE *f = open_below(root, path);
	char *line = NULL;
	size_t cap = 0;

	if (!f)
		return false;
	while (getline(&line, &cap, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		if (!each(arg, line))
			break;
	}
	free(line);
	(void)fclose(f);
	return true;
}

bool gather_names(const char *root, const char *path, bool (*each)(void *arg, const char *name), void *arg)
{
	char full[FACTS_PATH_BYTES + FACTS_WORDS_BYTES];
	struct dirent *one;
	DIR *dir;

	if (!gather_text(full, sizeof(full), "%s%s", root, path) || !(dir = opendir(full)))
		return false;
	while ((one = readdir(dir)))
		if (strcmp(one->d_name, ".") != 0 && strcmp(one->d_name, "..") != 0 &&
		    !each(arg, one->d_name))
			break;
	(void)closedir(dir);
	return true;
}

/* --- the mount */

static void copy(char *out, size_t size, const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	(void)gather_text(out, size, "%s", text ? text : "");
}

void gather_live(const struct doctor_ask *ask, struct facts *f)
{
	const json_t *s = ask->status, *sync = json_object_get(s, "sync_replica");
	struct facts_live *l = &f->live;
	struct stat st;
	char version[64];

	(void)gather_text(l->dir, sizeof(l->dir), "%s", ask->dir ? ask->dir : "");
	(void)gather_text(l->why, sizeof(l->why), "%s", ask->why_no_status);
	l->dead = ask->dir && stat(ask->dir, &st) < 0 && errno == ENOTCONN;
	l->answers = s != NULL;
	l->mounted = (ask->dir && !l->dead) || s;
	if (!s)
		return;
	l->read_only = json_is_true(json_object_get(s, "read_only"));
	copy(l->failed, sizeof(l->failed), s, "failed");
	copy(version, sizeof(version), s, "version");
	(void)gather_text(l->version, sizeof(l->version), "%s",
			  strchr(version, ' ') ? strchr(version, ' ') + 1 : version);
	if (!l->dir[0])
		copy(l->dir, sizeof(l->dir), s, "mounted_on");
	l->pid = (pid_t)json_integer_value(json_object_get(s, "pid"));
	if (json_integer_value(json_object_get(s, "free_bytes")) > 0)
		l->room_bytes = (uint64_t)(json_integer_value(json_object_get(s, "free_bytes")) +
					   json_integer_value(json_object_get(s, "reserve_bytes")));
	l->sync_receipts = (unsigned)json_integer_value(json_object_get(sync, "receipts"));
	copy(l->sync_error, sizeof(l->sync_error), sync, "error");
}

/* --- alarms */

void gather_watch(struct facts *f)
{
	struct facts_watch *w = &f->watch;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_alarm *alarms;
	struct stat st;
	size_t n = 0;

	w->settings_code = hf_alarm_settings(f->store.path, &w->settings, &err);
	memcpy(w->settings_text, err.text, sizeof(w->settings_text));
	w->alarms_code = hf_store_alarms(f->store.path, &alarms, &n, NULL);
	if (w->alarms_code == 0) {
		w->open = (unsigned)n;
		for (size_t i = 0; i < n; i++)
			w->undelivered += !alarms[i].delivered;
		if (n > 0)
			(void)gather_text(w->newest, sizeof(w->newest), "%s%s%s", alarms[n - 1].kind,
					  alarms[n - 1].replica[0] ? ", replica " : "",
					  alarms[n - 1].replica);
		free(alarms);
	}
	if (w->settings_code < 0 || !w->settings.hook[0])
		return;
	w->hook_there = stat(w->settings.hook, &st) == 0;
	w->hook_runs = w->hook_there && S_ISREG(st.st_mode) && (st.st_mode & 0111u) &&
				       access(w->settings.hook, X_OK) == 0 ?
			       FACT_YES :
			       FACT_NO;
	gather_open_parent(w->settings.hook, f->store.uid, &w->hook_open);
	if (!w->hook_there || w->hook_open.path[0])
		return;
	w->hook_open.anothers = st.st_uid != 0 && st.st_uid != f->store.uid;
	if (w->hook_open.anothers || (st.st_mode & 022u))
		(void)gather_text(w->hook_open.path, sizeof(w->hook_open.path), "%s", w->settings.hook);
}

/* --- all of it */

int doctor_gather(const struct doctor_ask *ask, struct facts *f, struct hf_error *err)
{
	const char *version = hf_version();
	struct timespec now;
	int r;

	memset(f, 0, sizeof(*f));
	(void)clock_gettime(CLOCK_REALTIME, &now);
	f->now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	(void)gather_text(f->version, sizeof(f->version), "%s",
			  strchr(version, ' ') ? strchr(version, ' ') + 1 : version);
	(void)gather_text(f->store.path, sizeof(f->store.path), "%s", ask->store);
	r = hf_readiness(ask->store, &f->store.r, err);
	if (r < 0)
		return r;
	gather_live(ask, f);
	gather_store(f);
	gather_replicas(ask, f);
	gather_watch(f);
	gather_rehearsal(f);
	gather_disk("", f);
	gather_machine("", f);
	gather_boot("", f);
	return 0;
}

void facts_release(struct facts *f)
{
	free(f->replicas);
	f->replicas = NULL;
	f->n_replicas = 0;
}
