/* SPDX-License-Identifier: MIT */
/*
 * Names and attributes of ceiling.c, in memory: the functions of view.h and op.h that figures ask for.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/op.h"
#include "tests/bench/ceiling.h"

/* Of functions that are as the public headers have them. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

enum { BUCKETS_MIN = 1 << 16, CHANGE_BYTES = 64 /* of a log, for what has no contents */ };

struct entry {
	struct entry *chain;       /* of the same bucket */
	struct entry *prev, *next; /* of the same directory, by cookie */
	uint64_t parent, ino, cookie;
	char name[];
};

struct file {
	struct hf_attr attr;
	uint64_t refs, parent; /* parent: of a directory */
	struct bytes bytes;    /* of a file, or of a link's target; behind the size they are zeros */
	struct entry *first, *last;
	uint64_t last_cookie;
};

/* All there is; protected by lock. */
static struct {
	struct file **v; /* by inode number */
	size_t n, cap;
	struct entry **buckets;
	size_t n_buckets, n_entries;
	uint64_t unsynced_bytes;
} all;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP; /* readdir calls back, which refs */

/* ---- files */

static struct timespec now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t;
}

static struct file *file_of(uint64_t ino)
{
	return ino < all.n ? all.v[ino] : NULL;
}

static struct file *file_new(uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f && all.n == all.cap) {
		size_t cap = all.cap ? 2 * all.cap : 1024;
		struct file **v = realloc(all.v, cap * sizeof(*v));

		if (!v) {
			free(f);
			return NULL;
		}
		all.v = v;
		all.cap = cap;
	}
	if (!f)
		return NULL;
	f->attr = (struct hf_attr){ .ino = all.n, .mode = mode, .uid = uid, .gid = gid, .generation = 1 };
	f->attr.nlink = S_ISDIR(mode) ? 2 : 1;
	f->attr.atime = f->attr.mtime = f->attr.ctime = f->attr.btime = now();
	all.v[all.n++] = f;
	return f;
}

/* Without a name and without a reader it goes. */
static void file_let_go(struct file *f)
{
	if (f->refs > 0 || f->attr.nlink > 0)
		return;
	all.v[f->attr.ino] = NULL;
	bytes_release(&f->bytes);
	free(f);
}

static int file_resize(struct file *f, uint64_t size)
{
	int r = size > f->attr.size_bytes ? bytes_grow(&f->bytes, size) : 0;

	if (r < 0)
		return r;
	if (size < f->attr.size_bytes)
		bytes_put(&f->bytes, size, NULL, (size_t)(f->attr.size_bytes - size));
	f->attr.size_bytes = size;
	f->attr.blocks = (size + 511) / 512;
	return 0;
}

/* ---- names */

static size_t bucket_of(uint64_t parent, const char *name)
{
	uint64_t h = 0xcbf29ce484222325 ^ parent;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return (h ^ h >> 32) % all.n_buckets;
}

static struct entry **entry_place(uint64_t parent, const char *name)
{
	struct entry **at = &all.buckets[bucket_of(parent, name)];

	while (*at && ((*at)->parent != parent || strcmp((*at)->name, name) != 0))
		at = &(*at)->chain;
	return at;
}

static int grow_buckets(void)
{
	struct entry **old = all.buckets;
	size_t n = all.n_buckets;

	if (all.n_entries < n)
		return 0;
	all.n_buckets = n ? 4 * n : BUCKETS_MIN;
	all.buckets = calloc(all.n_buckets, sizeof(struct entry *));
	if (!all.buckets) {
		all.buckets = old;
		all.n_buckets = n;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		for (struct entry *e = old[i], *next; e; e = next) {
			struct entry **at = &all.buckets[bucket_of(e->parent, e->name)];

			next = e->chain;
			e->chain = *at;
			*at = e;
		}
	}
	free(old);
	return 0;
}

static int entry_add(struct file *dir, const char *name, uint64_t ino)
{
	size_t len = strlen(name) + 1;
	struct entry *e = grow_buckets() == 0 ? malloc(sizeof(*e) + len) : NULL;
	struct entry **at;

	if (!e)
		return -ENOMEM;
	at = entry_place(dir->attr.ino, name);
	*e = (struct entry){ *at, dir->last, NULL, dir->attr.ino, ino, ++dir->last_cookie + 1 };
	memcpy(e->name, name, len);
	*at = e;
	*(dir->last ? &dir->last->next : &dir->first) = e;
	dir->last = e;
	dir->attr.mtime = dir->attr.ctime = now();
	dir->attr.size_bytes++;
	all.n_entries++;
	return 0;
}

static void entry_remove(struct file *dir, struct entry **at)
{
	struct entry *e = *at;

	*at = e->chain;
	*(e->prev ? &e->prev->next : &dir->first) = e->next;
	*(e->next ? &e->next->prev : &dir->last) = e->prev;
	dir->attr.mtime = dir->attr.ctime = now();
	dir->attr.size_bytes--;
	all.n_entries--;
	free(e);
}

static int find_dir(uint64_t ino, struct file **ret)
{
	*ret = file_of(ino);
	if (!*ret)
		return -ESTALE;
	return S_ISDIR((*ret)->attr.mode) ? 0 : -ENOTDIR;
}

/* ---- reading, as view.h says */

static int get_attr(const struct file *f, struct hf_attr *ret)
{
	if (ret)
		*ret = f->attr;
	return 0;
}

int hf_view_getattr(const struct hf_view *view, uint64_t ino, struct hf_attr *ret, struct hf_error *err)
{
	struct file *f;
	int r;

	pthread_mutex_lock(&lock);
	f = file_of(ino);
	r = f ? get_attr(f, ret) : -ESTALE;
	pthread_mutex_unlock(&lock);
	return r;
}

int hf_view_lookup(const struct hf_view *view, uint64_t parent, const char *name, struct hf_attr *ret,
		   struct hf_error *err)
{
	struct entry *e;
	int r;

	pthread_mutex_lock(&lock);
	e = *entry_place(parent, name);
	r = e ? get_attr(file_of(e->ino), ret) : -ENOENT;
	pthread_mutex_unlock(&lock);
	return r;
}

int hf_view_readdir(const struct hf_view *view, uint64_t ino, uint64_t cookie, unsigned flags,
		    hf_readdir_fn *each, void *arg, struct hf_error *err)
{
	struct file *dir;
	int r;

	pthread_mutex_lock(&lock);
	r = find_dir(ino, &dir);
	for (struct entry *e = r == 0 ? dir->first : NULL; e; e = e->next) {
		const struct hf_attr *attr = &file_of(e->ino)->attr;

		if (e->cookie > cookie && each(arg, e->name, e->ino, attr->mode & S_IFMT, e->cookie,
					       flags & HF_READDIR_ATTR ? attr : NULL) != 0)
			break;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int hf_view_parent(const struct hf_view *view, uint64_t ino, uint64_t *ret_parent, struct hf_error *err)
{
	struct file *dir;
	int r;

	pthread_mutex_lock(&lock);
	r = find_dir(ino, &dir);
	if (r == 0)
		*ret_parent = dir->parent;
	pthread_mutex_unlock(&lock);
	return r;
}

static ssize_t read_file(uint64_t ino, uint64_t offset, void *out, size_t len)
{
	struct file *f;
	ssize_t n = -ESTALE;

	pthread_mutex_lock(&lock);
	f = file_of(ino);
	if (f) {
		uint64_t left = offset < f->attr.size_bytes ? f->attr.size_bytes - offset : 0;

		n = (ssize_t)(len < left ? len : left);
		bytes_get(&f->bytes, offset, out, (size_t)n);
	}
	pthread_mutex_unlock(&lock);
	return n;
}

ssize_t hf_view_read(const struct hf_view *view, uint64_t ino, uint64_t offset, void *out, size_t len,
		     struct hf_error *err)
{
	return read_file(ino, offset, out, len);
}

ssize_t hf_view_readlink(const struct hf_view *view, uint64_t ino, char *out, size_t size,
			 struct hf_error *err)
{
	ssize_t n = read_file(ino, 0, out, size);

	if (n >= 0 && (size_t)n == size)
		return -ERANGE;
	if (n >= 0)
		out[n] = '\0';
	return n;
}

/* ---- changing, as op.h says */

static int make_file(struct file *dir, const char *name, uint32_t mode, const char *target,
		     const struct hf_cred *cred, struct file **ret)
{
	struct file *f = file_new(mode, cred->uid, dir->attr.mode & S_ISGID ? dir->attr.gid : cred->gid);
	int r = f ? 0 : -ENOMEM;

	if (r == 0 && target)
		r = file_resize(f, strlen(target));
	if (r == 0 && target)
		bytes_put(&f->bytes, 0, target, strlen(target));
	if (r == 0 && S_ISDIR(mode)) {
		f->parent = dir->attr.ino;
		dir->attr.nlink++;
	}
	if (r == 0 && name)
		r = entry_add(dir, name, f->attr.ino);
	*ret = f;
	return r;
}

int hf_create(struct hf_store *s, uint64_t parent, const char *name, uint32_t mode, uint32_t umask,
	      uint64_t rdev, const char *target, const struct hf_cred *cred, struct hf_attr *ret,
	      struct hf_error *err)
{
	struct file *dir, *f;
	int r;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (!S_ISLNK(mode))
		mode &= ~umask;
	pthread_mutex_lock(&lock);
	r = find_dir(parent, &dir);
	if (r == 0 && *entry_place(parent, name))
		r = -EEXIST;
	if (r == 0)
		r = make_file(dir, name, mode, target, cred, &f);
	if (r == 0) {
		f->attr.rdev = rdev;
		(void)get_attr(f, ret);
		all.unsynced_bytes += CHANGE_BYTES;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int hf_link(struct hf_store *s, uint64_t ino, uint64_t parent, const char *name, struct hf_attr *ret,
	    struct hf_error *err)
{
	struct file *dir, *f;
	int r;

	pthread_mutex_lock(&lock);
	f = file_of(ino);
	r = f ? find_dir(parent, &dir) : -ESTALE;
	if (r == 0 && *entry_place(parent, name))
		r = -EEXIST;
	if (r == 0)
		r = entry_add(dir, name, ino);
	if (r == 0) {
		f->attr.nlink++;
		f->attr.ctime = now();
		(void)get_attr(f, ret);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* Take a name away, of a directory or of what is none. */
static int take_name(struct file *dir, const char *name, bool of_dir)
{
	struct entry **at = entry_place(dir->attr.ino, name);
	struct file *f = *at ? file_of((*at)->ino) : NULL;

	if (!f)
		return -ENOENT;
	if (of_dir != S_ISDIR(f->attr.mode))
		return of_dir ? -ENOTDIR : -EISDIR;
	if (of_dir && f->first)
		return -ENOTEMPTY;
	entry_remove(dir, at);
	f->attr.ctime = now();
	f->attr.nlink -= of_dir ? 2 : 1;
	if (of_dir)
		dir->attr.nlink--;
	all.unsynced_bytes += CHANGE_BYTES;
	file_let_go(f);
	return 0;
}

static int remove_name(uint64_t parent, const char *name, bool of_dir)
{
	struct file *dir;
	int r;

	pthread_mutex_lock(&lock);
	r = find_dir(parent, &dir);
	if (r == 0)
		r = take_name(dir, name, of_dir);
	pthread_mutex_unlock(&lock);
	return r;
}

int hf_unlink(struct hf_store *s, uint64_t parent, const char *name, uint64_t *ret_ino, struct hf_error *err)
{
	return remove_name(parent, name, false);
}

int hf_rmdir(struct hf_store *s, uint64_t parent, const char *name, uint64_t *ret_ino, struct hf_error *err)
{
	return remove_name(parent, name, true);
}

/* No exchange: no figure asks for it. */
static int move_name(struct file *from, const char *name, struct file *to, const char *new_name,
		     unsigned flags)
{
	struct entry *e = *entry_place(from->attr.ino, name), *there = *entry_place(to->attr.ino, new_name);
	struct file *f = e ? file_of(e->ino) : NULL;
	uint64_t ino;
	int r = 0;

	if (!f)
		return -ENOENT;
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	if (there && flags)
		return -EEXIST;
	if (there && there->ino == e->ino)
		return 0;
	if (there)
		r = take_name(to, new_name, S_ISDIR(f->attr.mode));
	if (r < 0)
		return r;
	ino = e->ino;
	entry_remove(from, entry_place(from->attr.ino, name));
	if (S_ISDIR(f->attr.mode)) {
		from->attr.nlink--;
		to->attr.nlink++;
		f->parent = to->attr.ino;
	}
	f->attr.ctime = now();
	all.unsynced_bytes += CHANGE_BYTES;
	return entry_add(to, new_name, ino);
}

int hf_rename(struct hf_store *s, uint64_t parent, const char *name, uint64_t new_parent,
	      const char *new_name, unsigned flags, struct hf_error *err)
{
	struct file *from, *to;
	int r;

	pthread_mutex_lock(&lock);
	r = find_dir(parent, &from);
	if (r == 0)
		r = find_dir(new_parent, &to);
	if (r == 0)
		r = move_name(from, name, to, new_name, flags);
	pthread_mutex_unlock(&lock);
	return r;
}

static int change_attr(struct file *f, const struct hf_setattr *change)
{
	struct timespec t = now();

	if (change->mask & HF_SET_SIZE) {
		int r = file_resize(f, change->size_bytes);

		if (r < 0)
			return r;
		f->attr.mtime = t;
	}
	if (change->mask & HF_SET_MODE)
		f->attr.mode = (f->attr.mode & S_IFMT) | (change->mode & 07777);
	if (change->mask & HF_SET_UID)
		f->attr.uid = change->uid;
	if (change->mask & HF_SET_GID)
		f->attr.gid = change->gid;
	if (change->mask & (HF_SET_ATIME | HF_SET_ATIME_NOW))
		f->attr.atime = change->mask & HF_SET_ATIME ? change->atime : t;
	if (change->mask & (HF_SET_MTIME | HF_SET_MTIME_NOW))
		f->attr.mtime = change->mask & HF_SET_MTIME ? change->mtime : t;
	f->attr.ctime = change->mask & HF_SET_CTIME ? change->ctime : t;
	all.unsynced_bytes += CHANGE_BYTES;
	return 0;
}

int hf_setattr(struct hf_store *s, uint64_t ino, const struct hf_setattr *change, struct hf_attr *ret,
	       struct hf_error *err)
{
	struct file *f;
	int r;

	pthread_mutex_lock(&lock);
	f = file_of(ino);
	r = f ? change_attr(f, change) : -ESTALE;
	if (r == 0)
		(void)get_attr(f, ret);
	pthread_mutex_unlock(&lock);
	return r;
}

ssize_t hf_write(struct hf_store *s, uint64_t ino, uint64_t offset, const void *data, size_t len,
		 unsigned flags, struct hf_error *err)
{
	struct file *f;
	int r = -ESTALE;

	pthread_mutex_lock(&lock);
	f = file_of(ino);
	if (f)
		r = offset + len > f->attr.size_bytes ? file_resize(f, offset + len) : 0;
	if (r == 0) {
		bytes_put(&f->bytes, offset, data, len);
		f->attr.mtime = f->attr.ctime = now();
		all.unsynced_bytes += len;
	}
	pthread_mutex_unlock(&lock);
	return r < 0 ? r : (ssize_t)len;
}

void hf_ref(struct hf_store *s, uint64_t ino, uint64_t count)
{
	pthread_mutex_lock(&lock);
	if (file_of(ino))
		file_of(ino)->refs += count;
	pthread_mutex_unlock(&lock);
}

void hf_unref(struct hf_store *s, uint64_t ino, uint64_t count)
{
	struct file *f;

	pthread_mutex_lock(&lock);
	f = file_of(ino);
	if (f) {
		f->refs -= count < f->refs ? count : f->refs;
		file_let_go(f);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- for ceiling.c */

uint64_t memory_take_unsynced(void)
{
	uint64_t bytes;

	pthread_mutex_lock(&lock);
	bytes = all.unsynced_bytes;
	all.unsynced_bytes = 0;
	pthread_mutex_unlock(&lock);
	return bytes;
}

int memory_init(void)
{
	struct file *none, *root;

	if (bytes_init() < 0)
		return -ENOMEM;
	none = file_new(0, 0, 0); /* there is no inode 0 */
	root = file_new(S_IFDIR | 0755, getuid(), getgid());
	if (!none || !root)
		return -ENOMEM;
	root->parent = root->attr.ino;
	return root->attr.ino == HF_ROOT_INO ? grow_buckets() : -EINVAL;
}
