/* SPDX-License-Identifier: MIT */
/* Making, linking, removing, renaming. */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/model/arena.h"
#include "tests/model/model.h"

enum { NAME_MAX_BYTES = 255, TARGET_MAX_BYTES = 4095 };

static int check_name(const char *name)
{
	if (strlen(name) > NAME_MAX_BYTES)
		return -ENAMETOOLONG;
	return !*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? -EINVAL : 0;
}

static void put_entry(struct model_inode *dir, const char *name, uint64_t ino)
{
	struct model_entry *all = arena_alloc((dir->n_entries + 1) * sizeof(*all));
	size_t n = 0;

	for (size_t k = 0; k < dir->n_entries; k++) {
		if (strcmp(dir->entries[k].name, name) != 0)
			all[n++] = dir->entries[k];
	}
	if (ino)
		all[n++] = (struct model_entry){ arena_text(name), ino };
	dir->entries = all;
	dir->n_entries = n;
}

static void inherit(const struct model_inode *dir, uint32_t umask, struct model_inode *i)
{
	const struct model_xattr *given = model_xattr(dir, MODEL_ACL_DEFAULT);
	uint8_t raw[4 + 8 * MODEL_ACL_ENTRIES_MAX];
	struct model_acl acl;

	if (dir->mode & S_ISGID) {
		i->gid = dir->gid;
		if (S_ISDIR(i->mode))
			i->mode |= S_ISGID;
	}
	if (S_ISLNK(i->mode))
		return;
	if (!given || model_acl_parse(given->value, given->len, &acl) < 0) {
		i->mode &= ~(umask & 0777);
		return;
	}
	model_acl_set_mode(&acl, i->mode, true);
	i->mode = (i->mode & ~(uint32_t)0777) | model_acl_mode(&acl);
	if (acl.n > 3)
		model_put_xattr(i, MODEL_ACL_ACCESS, raw, model_acl_print(&acl, raw));
	if (S_ISDIR(i->mode))
		model_put_xattr(i, MODEL_ACL_DEFAULT, given->value, given->len);
}

int model_create(const struct model *m, uint64_t parent, const char *name, uint32_t mode, uint32_t umask,
		 uint64_t rdev, const char *target, const struct hf_cred *cred, const struct model **ret)
{
	const struct model_inode *dir = model_find(m, parent);
	struct model_inode *i, *d;
	struct model *next;
	int r;

	if (name && (r = check_name(name)) < 0)
		return r;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (S_ISLNK(mode) && (!target || !*target))
		return -ENOENT;
	if (S_ISLNK(mode) && strlen(target) > TARGET_MAX_BYTES)
		return -ENAMETOOLONG;
	if (!dir || (!name && S_ISDIR(dir->mode) && dir->nlink == 0))
		return -ENOENT;
	if (name && (r = model_directory(m, parent, &dir)) < 0)
		return r;
	if (name && model_entry(dir, name))
		return -EEXIST;
	next = model_next(m);
	i = model_add(next);
	i->mode = S_ISLNK(mode) ? S_IFLNK | 0777 : mode;
	i->uid = cred->uid;
	i->gid = cred->gid;
	i->rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0;
	inherit(dir, umask, i);
	i->nameless = !name;
	i->nlink = !name ? 0 : S_ISDIR(mode) ? 2 : 1;
	if (S_ISLNK(mode)) {
		i->target = arena_text(target);
		i->size = strlen(target);
	}
	if (name) {
		d = model_edit(next, parent);
		put_entry(d, name, i->ino);
		model_touch(d);
		if (S_ISDIR(mode)) {
			i->parent = parent;
			d->nlink++;
		}
	}
	*ret = next;
	return 0;
}

int model_link(const struct model *m, uint64_t ino, uint64_t parent, const char *name,
	       const struct model **ret)
{
	const struct model_inode *dir, *i = model_find(m, ino);
	struct model_inode *edit;
	struct model *next;
	int r = check_name(name);

	if (r == 0)
		r = model_directory(m, parent, &dir);
	if (r < 0)
		return r;
	if (!i)
		return -ESTALE;
	if (model_entry(dir, name))
		return -EEXIST;
	if (S_ISDIR(i->mode))
		return -EPERM;
	if (i->nlink == 0 && !i->nameless)
		return -ENOENT;
	next = model_next(m);
	edit = model_edit(next, ino);
	edit->nlink++;
	edit->nameless = false;
	edit->ctime = MODEL_NOW;
	edit = model_edit(next, parent);
	put_entry(edit, name, ino);
	model_touch(edit);
	*ret = next;
	return 0;
}

/* One name of it is gone. */
static void lose_name(struct model *m, uint64_t ino)
{
	struct model_inode *i = model_edit(m, ino);

	i->nlink = S_ISDIR(i->mode) ? 0 : i->nlink - 1;
	i->ctime = MODEL_NOW;
}

int model_remove(const struct model *m, uint64_t parent, const char *name, bool directory,
		 const struct model **ret)
{
	const struct model_inode *dir = model_find(m, parent), *i;
	const struct model_entry *entry;
	struct model_inode *d;
	struct model *next;
	int r;

	if (directory && strcmp(name, "..") == 0)
		return -ENOTEMPTY;
	r = check_name(name);
	if (r == 0)
		r = model_directory(m, parent, &dir);
	if (r < 0)
		return r;
	entry = model_entry(dir, name);
	if (!entry)
		return -ENOENT;
	i = model_find(m, entry->ino);
	if (directory != !!S_ISDIR(i->mode))
		return directory ? -ENOTDIR : -EISDIR;
	if (directory && i->n_entries > 0)
		return -ENOTEMPTY;
	next = model_next(m);
	lose_name(next, i->ino);
	d = model_edit(next, parent);
	put_entry(d, name, 0);
	if (directory)
		d->nlink--;
	model_touch(d);
	*ret = next;
	return 0;
}

static int check_rename(const struct model *m, const struct model_inode *moved,
			const struct model_inode *other, uint64_t parent, uint64_t new_parent, unsigned flags)
{
	if (flags & RENAME_EXCHANGE) {
		if (!other)
			return -ENOENT;
		if (other != moved && S_ISDIR(other->mode) && model_is_below(m, parent, other->ino))
			return -EINVAL;
		return S_ISDIR(moved->mode) && model_is_below(m, new_parent, moved->ino) ? -EINVAL : 0;
	}
	if (S_ISDIR(moved->mode) && model_is_below(m, new_parent, moved->ino))
		return -EINVAL;
	if (!other)
		return 0;
	if (flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (other == moved)
		return 0;
	if (S_ISDIR(other->mode) != S_ISDIR(moved->mode))
		return S_ISDIR(other->mode) ? -EISDIR : -ENOTDIR;
	return other->n_entries > 0 ? -ENOTEMPTY : 0;
}

/* The inode comes to lie in directory to instead of from: for a directory, that is its .. */
static void move_below(struct model *m, uint64_t ino, uint64_t from, uint64_t to)
{
	struct model_inode *i = model_edit(m, ino);

	i->ctime = MODEL_NOW;
	if (S_ISDIR(i->mode)) {
		i->parent = to;
		model_edit(m, from)->nlink--;
		model_edit(m, to)->nlink++;
	}
}

int model_rename(const struct model *m, uint64_t parent, const char *name, uint64_t new_parent,
		 const char *new_name, unsigned flags, const struct model **ret)
{
	const struct model_inode *from_dir = NULL, *to_dir = NULL, *moved, *other = NULL;
	const struct model_entry *entry, *new_entry;
	struct model *next;
	int r;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	r = check_name(name);
	if (r == 0)
		r = check_name(new_name);
	if (r == 0)
		r = model_directory(m, parent, &from_dir);
	if (r == 0)
		r = model_directory(m, new_parent, &to_dir);
	if (r < 0)
		return r;
	entry = model_entry(from_dir, name);
	new_entry = model_entry(to_dir, new_name);
	if (!entry)
		return -ENOENT;
	moved = model_find(m, entry->ino);
	if (new_entry)
		other = model_find(m, new_entry->ino);
	r = check_rename(m, moved, other, parent, new_parent, flags);
	if (r < 0)
		return r;
	next = model_next(m);
	*ret = next;
	if (other == moved)
		return 0; /* two names of one file: nothing happens */
	if (flags & RENAME_EXCHANGE) {
		put_entry(model_edit(next, parent), name, other->ino);
		move_below(next, other->ino, new_parent, parent);
	} else {
		put_entry(model_edit(next, parent), name, 0);
		if (other) {
			if (S_ISDIR(other->mode))
				model_edit(next, new_parent)->nlink--;
			lose_name(next, other->ino);
		}
	}
	put_entry(model_edit(next, new_parent), new_name, moved->ino);
	move_below(next, moved->ino, parent, new_parent);
	model_touch(model_edit(next, parent));
	model_touch(model_edit(next, new_parent));
	return 0;
}
