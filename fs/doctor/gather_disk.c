/* SPDX-License-Identifier: MIT */
/* The file system that the store is on, and what is below it. */
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/doctor/gather.h"

enum { DEPTH_MAX = 8 }; /* of devices on devices */

static bool is_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strcmp(dir, "/") || (!strncmp(path, dir, len) && (path[len] == '/' || path[len] == 0));
}

static bool is_one_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

static void judge_type(struct facts_disk *d)
{
	static const char *const memory[] = { "tmpfs", "ramfs", "devtmpfs", NULL };
	static const char *const network[] = {
		"nfs",       "nfs4",        "cifs",           "smb3",       "smbfs",
		"9p",        "ceph",        "glusterfs",      "afs",        "lustre",
		"beegfs",    "virtiofs",    "fuse.glusterfs", "fuse.sshfs", "fuse.ceph",
		"fuse.s3fs", "fuse.rclone", "fuse.davfs",     NULL
	};
	static const char *const overlay[] = { "overlay", "aufs", "unionfs", NULL };

	d->memory = is_one_of(d->type, memory);
	d->network = is_one_of(d->type, network);
	d->overlay = is_one_of(d->type, overlay);
	d->holdfast = !strcmp(d->type, "fuse.holdfast");
	d->fuse = !strncmp(d->type, "fuse", 4) && strcmp(d->type, "fuseblk") != 0;
}

/* The longest path that it is in; of equals the last, which lies on top. */
void gather_filesystem(const char *root, const char *path, struct facts_disk *ret)
{
	char mounts[FACTS_PATH_BYTES];
	size_t longest = 0;
	struct mntent *m;
	FILE *f;

	(void)gather_text(mounts, sizeof(mounts), "%s/proc/self/mounts", root);
	f = setmntent(mounts, "re");
	if (!f)
		return;
	while ((m = getmntent(f))) {
		if (!is_inside(path, m->mnt_dir) || strlen(m->mnt_dir) < longest)
			continue;
		longest = strlen(m->mnt_dir);
		(void)gather_text(ret->type, sizeof(ret->type), "%s", m->mnt_type);
		(void)gather_text(ret->device, sizeof(ret->device), "%s", m->mnt_fsname);
		(void)gather_text(ret->dir, sizeof(ret->dir), "%s", m->mnt_dir);
		(void)gather_text(ret->options, sizeof(ret->options), "%s", m->mnt_opts);
	}
	(void)endmntent(f);
	judge_type(ret);
}

/* --- devices */

static void device_path(const char *root, dev_t device, const char *rest, char *out, size_t size)
{
	(void)gather_text(out, size, "%s/sys/dev/block/%u:%u%s", root, major(device), minor(device), rest);
}

bool gather_device_name(const char *root, dev_t device, char *out, size_t size)
{
	char path[FACTS_PATH_BYTES], real[FACTS_PATH_BYTES];
	const char *slash;

	device_path(root, device, "", path, sizeof(path));
	if (!realpath(path, real))
		return false;
	slash = strrchr(real, '/');
	(void)gather_text(out, size, "%s", slash ? slash + 1 : real);
	return true;
}

struct below {
	const char *root;
	const char *folder;
	int depth;
	enum fact all; /* that were looked at */
};

static enum fact encrypted_at(const char *root, const char *folder, int depth);

static bool look_below(void *arg, const char *name)
{
	struct below *b = arg;
	char folder[FACTS_PATH_BYTES];
	enum fact one;

	if (!gather_text(folder, sizeof(folder), "%s/%s", b->folder, name))
		return false;
	one = encrypted_at(b->root, folder, b->depth + 1);
	if (b->all == FACT_UNKNOWN || one != FACT_YES)
		b->all = one;
	return b->all == FACT_YES;
}

/* A device is, when it is a mapping of dm-crypt, or all that it is made of are. What a loop is of is not
 * known. */
static enum fact encrypted_at(const char *root, const char *folder, int depth)
{
	char uuid[FACTS_WORDS_BYTES], path[FACTS_PATH_BYTES];
	struct below b = { root, path, depth, FACT_UNKNOWN };
	const char *name = strrchr(folder, '/');

	if (depth > DEPTH_MAX || (name && !strncmp(name, "/loop", 5)))
		return FACT_UNKNOWN;
	(void)gather_text(path, sizeof(path), "%.4000s/dm/uuid", folder);
	if (gather_read(root, path, uuid, sizeof(uuid)) && !strncmp(uuid, "CRYPT-", 6))
		return FACT_YES;
	(void)gather_text(path, sizeof(path), "%.4000s/slaves", folder);
	if (gather_names(root, path, look_below, &b) && b.all != FACT_UNKNOWN)
		return b.all;
	return FACT_NO;
}

enum fact gather_encrypted(const char *root, dev_t device)
{
	char folder[64], path[FACTS_PATH_BYTES], real[FACTS_PATH_BYTES];
	struct stat st;

	device_path(root, device, "", path, sizeof(path));
	if (stat(path, &st) < 0)
		return FACT_UNKNOWN;
	if (realpath(path, real) && strrchr(real, '/') && !strncmp(strrchr(real, '/'), "/loop", 5))
		return FACT_UNKNOWN;
	(void)gather_text(folder, sizeof(folder), "/sys/dev/block/%u:%u", major(device), minor(device));
	return encrypted_at(root, folder, 0);
}

/* --- the disks that it is on */

enum { DISKS_MAX = 64 };

struct disks {
	char names[DISKS_MAX][64];
	size_t n;
	bool all; /* there are no others */
};

struct parts {
	struct disks *disks;
	const char *folder;
	int depth;
	bool any;
};

static void find_disks(const char *path, int depth, struct disks *d);

static bool look_at_part(void *arg, const char *name)
{
	struct parts *p = arg;
	char path[FACTS_PATH_BYTES + FACTS_WORDS_BYTES];

	p->any = true;
	(void)gather_text(path, sizeof(path), "%s/%s", p->folder, name);
	find_disks(path, p->depth + 1, p->disks);
	return true;
}

/* What a mapping or an array is made of, and of a partition the disk: "sda" of "…/block/sda/sda1". */
static void find_disks(const char *path, int depth, struct disks *d)
{
	char real[FACTS_PATH_BYTES], below[FACTS_PATH_BYTES + 16], *slash;
	struct parts p = { d, below, depth, false };

	if (depth > DEPTH_MAX || d->n == DISKS_MAX || !realpath(path, real)) {
		d->all = false;
		return;
	}
	(void)gather_text(below, sizeof(below), "%s/slaves", real);
	(void)gather_names("", below, look_at_part, &p);
	if (p.any)
		return;
	(void)gather_text(below, sizeof(below), "%s/partition", real);
	slash = strrchr(real, '/');
	if (slash && access(below, F_OK) == 0) {
		*slash = 0;
		slash = strrchr(real, '/');
	}
	if (slash && strncmp(slash, "/loop", 5) != 0) /* what that is of is not known */
		(void)gather_text(d->names[d->n++], sizeof(d->names[0]), "%s", slash + 1);
	else
		d->all = false;
}

enum fact gather_share_disk(const char *root, dev_t a, dev_t b)
{
	struct disks x = { .all = true }, y = { .all = true };
	char path[FACTS_PATH_BYTES];

	device_path(root, a, "", path, sizeof(path));
	find_disks(path, 0, &x);
	device_path(root, b, "", path, sizeof(path));
	find_disks(path, 0, &y);
	for (size_t i = 0; i < x.n; i++)
		for (size_t j = 0; j < y.n; j++)
			if (!strcmp(x.names[i], y.names[j]))
				return FACT_YES;
	return x.all && y.all ? FACT_NO : FACT_UNKNOWN;
}

dev_t gather_device(const struct facts_disk *d, const char *path)
{
	struct stat st, on;

	if (stat(path, &st) < 0)
		return 0;
	return major(st.st_dev) == 0 && stat(d->device, &on) == 0 && S_ISBLK(on.st_mode) ? on.st_rdev :
											   st.st_dev;
}

/* --- errors that it has counted */

struct counting {
	const char *root, *device;
	char folder[FACTS_PATH_BYTES];
	bool ours;
	int64_t errors;
};

static bool add_errors(void *arg, char *line)
{
	struct counting *c = arg;
	char name[64];
	long long n;

	if (sscanf(line, "%63s %lld", name, &n) == 2)
		c->errors += n;
	return true;
}

static bool look_at_member(void *arg, const char *name)
{
	struct counting *c = arg;
	char path[2 * FACTS_PATH_BYTES];

	(void)gather_text(path, sizeof(path), "%s/devinfo/%s/error_stats", c->folder, name);
	(void)gather_lines(c->root, path, add_errors, c);
	return true;
}

static bool is_member(void *arg, const char *name)
{
	struct counting *c = arg;

	c->ours = c->ours || !strcmp(name, c->device);
	return !c->ours;
}

static bool look_at_btrfs(void *arg, const char *uuid)
{
	struct counting *c = arg;
	char path[FACTS_PATH_BYTES + 32];

	(void)gather_text(c->folder, sizeof(c->folder), "/sys/fs/btrfs/%.200s", uuid);
	(void)gather_text(path, sizeof(path), "%s/devices", c->folder);
	(void)gather_names(c->root, path, is_member, c);
	if (!c->ours)
		return true;
	(void)gather_text(path, sizeof(path), "%s/devinfo", c->folder);
	(void)gather_names(c->root, path, look_at_member, c);
	return false;
}

static void count_errors(const char *root, dev_t device, struct facts_disk *d)
{
	char name[FACTS_WORDS_BYTES], path[FACTS_PATH_BYTES], text[64];
	struct counting c = { .root = root, .device = name };

	d->errors = FACTS_NUMBER_UNKNOWN;
	if (!gather_device_name(root, device, name, sizeof(name)))
		return;
	if (!strcmp(d->type, "btrfs")) {
		(void)gather_names(root, "/sys/fs/btrfs", look_at_btrfs, &c);
		if (c.ours)
			d->errors = c.errors;
		(void)gather_text(d->errors_where, sizeof(d->errors_where), "%.200s/devinfo", c.folder);
		return;
	}
	(void)gather_text(path, sizeof(path), "/sys/fs/ext4/%s/errors_count", name);
	if (gather_read(root, path, text, sizeof(text)))
		d->errors = strtoll(text, NULL, 10);
	(void)gather_text(d->errors_where, sizeof(d->errors_where), "%.250s", path);
}

/* --- all of it */

void gather_disk(const char *root, struct facts *f)
{
	struct facts_disk *d = &f->disk;
	struct statvfs fs;
	dev_t device;

	d->errors = FACTS_NUMBER_UNKNOWN;
	gather_filesystem(root, f->store.path, d);
	d->inside_own_mount = f->live.dir[0] && is_inside(f->store.path, f->live.dir);
	if (statvfs(f->store.path, &fs) == 0) {
		d->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
		d->total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
		if (d->free_bytes < f->live.room_bytes)
			d->free_bytes = f->live.room_bytes;
		d->free_inodes = fs.f_favail;
		d->total_inodes = fs.f_files;
		d->read_only = fs.f_flag & ST_RDONLY;
	}
	device = gather_device(d, f->store.path);
	d->encrypted = gather_encrypted(root, device);
	count_errors(root, device, d);
}
