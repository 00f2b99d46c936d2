/* SPDX-License-Identifier: MIT */
/* The store's files: whose they are, and what lies about that should not. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/doctor/gather.h"

enum { KIT_BYTES_MAX = 64 << 10, KITS_MAX = 64 };

/* --- folders above */

/* A group that is root's, or the owner's own, is nobody else. */
static bool group_is_other(const struct stat *st, uid_t owner)
{
	const struct passwd *pw = getpwuid(owner);

	return st->st_gid != 0 && (!pw || st->st_gid != pw->pw_gid);
}

/* May others than the owner and root take something away from this folder that is not theirs? */
static bool is_open_folder(const struct stat *st, uid_t owner)
{
	if (st->st_uid != 0 && st->st_uid != owner)
		return true;
	if (st->st_mode & S_ISVTX)
		return false;
	return (st->st_mode & S_IWOTH) || ((st->st_mode & S_IWGRP) && group_is_other(st, owner));
}

void gather_open_parent(const char *path, uid_t owner, struct facts_open *ret)
{
	char at[FACTS_PATH_BYTES], *slash;
	struct stat st;

	*ret = (struct facts_open){ .anothers = false };
	(void)gather_text(at, sizeof(at), "%s", path);
	while ((slash = strrchr(at, '/'))) {
		slash[slash == at] = 0; /* "/" stays */
		if (stat(at, &st) == 0 && is_open_folder(&st, owner)) {
			(void)gather_text(ret->path, sizeof(ret->path), "%s", at);
			ret->anothers = st.st_uid != 0 && st.st_uid != owner;
			return;
		}
		if (!strcmp(at, "/"))
			return;
	}
}

/* --- files in it */

struct looking {
	struct facts *f;
	const char *folder; /* below the store; "" */
	bool (*wanted)(const char *name);
	char *out; /* the first that is loose */
};

static void look_at(struct looking *l, const char *path)
{
	struct stat st;

	if (l->out[0] || lstat(path, &st) < 0)
		return;
	if ((st.st_mode & 077u) || (st.st_uid != l->f->store.uid && st.st_uid != 0))
		(void)gather_text(l->out, FACTS_PATH_BYTES, "%s", path);
}

static bool look_at_name(void *arg, const char *name)
{
	struct looking *l = arg;
	char path[2 * FACTS_PATH_BYTES];

	if (!l->wanted || l->wanted(name)) {
		(void)gather_text(path, sizeof(path), "%s%s/%s", l->f->store.path, l->folder, name);
		look_at(l, path);
	}
	return true;
}

static bool is_secret(const char *name)
{
	return !strcmp(name, "socket") || !strcmp(name, "alarms.json") || !strcmp(name, "replicas") ||
	       !strcmp(name, "log");
}

static void look_in(struct facts *f, const char *folder, bool (*wanted)(const char *name), char *out)
{
	struct looking l = { f, folder, wanted, out };
	char path[FACTS_PATH_BYTES + 16];

	(void)gather_text(path, sizeof(path), "%s%s", f->store.path, folder);
	if (*folder)
		look_at(&l, path);
	if (!gather_names("", path, look_at_name, &l) && errno == EACCES)
		(void)gather_text(f->store.why, sizeof(f->store.why), "this user may not look into %.200s",
				  path);
}

/* --- what should not be here */

struct kits {
	struct facts *f;
	const char *folder;
	unsigned looked;
};

static bool is_our_kit(const struct facts *f, const char *path)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];
	struct hf_kit *kit;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > KIT_BYTES_MAX ||
	    hf_kit_read(path, &kit, NULL) < 0)
		return false;
	hf_kit_volume_id(kit, id);
	hf_kit_free(kit);
	return !strcmp(id, f->store.r.volume_id);
}

static bool look_for_kit(void *arg, const char *name)
{
	struct kits *k = arg;
	char path[2 * FACTS_PATH_BYTES];

	if (!strcasestr(name, "kit"))
		return true;
	(void)gather_text(path, sizeof(path), "%s/%s", k->folder, name);
	if (!k->f->store.kit[0] && is_our_kit(k->f, path))
		(void)gather_text(k->f->store.kit, sizeof(k->f->store.kit), "%s", path);
	return ++k->looked < KITS_MAX && !k->f->store.kit[0];
}

static void look_for_kits(struct facts *f, const char *folder)
{
	struct kits k = { f, folder, 0 };

	if (folder && *folder && !f->store.kit[0])
		(void)gather_names("", folder, look_for_kit, &k);
}

/* Of who runs this, of who became root to do so, of the store's owner, and of root. */
enum { HOMES = 4 };
struct homes {
	char all[HOMES][FACTS_PATH_BYTES];
};

static void find_homes(const struct facts *f, struct homes *h)
{
	const char *home = getenv("HOME"), *sudo = getenv("SUDO_UID");
	const struct passwd *pw;

	(void)gather_text(h->all[0], sizeof(h->all[0]), "%s", home ? home : "");
	pw = sudo ? getpwuid((uid_t)strtoul(sudo, NULL, 10)) : NULL;
	(void)gather_text(h->all[1], sizeof(h->all[1]), "%s", pw ? pw->pw_dir : "");
	pw = getpwuid(f->store.uid);
	(void)gather_text(h->all[2], sizeof(h->all[2]), "%s", pw ? pw->pw_dir : "");
	(void)gather_text(h->all[3], sizeof(h->all[3]), "/root");
}

/* Where people leave one: beside the store, at home, where they are, in the volume itself. */
static void find_kit(struct facts *f, const struct homes *homes)
{
	char above[FACTS_PATH_BYTES], here[FACTS_PATH_BYTES], *slash;

	(void)gather_text(above, sizeof(above), "%s", f->store.path);
	slash = strrchr(above, '/');
	if (slash)
		slash[slash == above] = 0;
	look_for_kits(f, f->store.path);
	look_for_kits(f, above);
	for (size_t i = 0; i < HOMES; i++)
		look_for_kits(f, homes->all[i]);
	look_for_kits(f, "/etc/holdfast");
	look_for_kits(f, getcwd(here, sizeof(here)));
	if (f->live.answers)
		look_for_kits(f, f->live.dir);
}

static void find_cloud(struct facts *f, const struct homes *homes)
{
	static const char *const files[] = { ".aws/credentials",
					     ".azure/msal_token_cache.json",
					     ".azure/accessTokens.json",
					     ".boto",
					     ".config/doctl/config.yaml",
					     ".config/gcloud/application_default_credentials.json",
					     ".config/gcloud/credentials.db",
					     ".config/hcloud/cli.toml",
					     ".config/rclone/rclone.conf",
					     ".config/s3cmd/config",
					     ".oci/config",
					     ".s3cfg" };
	char path[2 * FACTS_PATH_BYTES];

	for (size_t h = 0; h < HOMES; h++) {
		for (size_t i = 0;
		     homes->all[h][0] && i < sizeof(files) / sizeof(files[0]) && !f->store.cloud[0]; i++) {
			(void)gather_text(path, sizeof(path), "%s/%s", homes->all[h], files[i]);
			if (access(path, F_OK) == 0)
				(void)gather_text(f->store.cloud, sizeof(f->store.cloud), "%s", path);
		}
	}
}

void gather_store(struct facts *f)
{
	struct homes homes;
	struct stat st;

	if (stat(f->store.path, &st) < 0)
		return;
	f->store.mode = st.st_mode;
	f->store.uid = st.st_uid;
	gather_open_parent(f->store.path, st.st_uid, &f->store.open_parent);
	look_in(f, "/keys", NULL, f->store.loose_key);
	look_in(f, "", is_secret, f->store.loose_secret);
	look_in(f, "/replicas", NULL, f->store.loose_secret);
	find_homes(f, &homes);
	find_kit(f, &homes);
	find_cloud(f, &homes);
}
