/* SPDX-License-Identifier: MIT */
#include "tests/model/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/history.h"
#include "holdfast/moment.h"
#include "store/base/cleanup.h"
#include "tests/sim/splitmix.h"

enum {
	WHOLE_BYTES_MAX = 4 << 20, /* files up to this are read whole */
	READ_BYTES = 150000,
	SEEKS_MAX = 400,
	COOKIES_MAX = 6,
};

struct comparing {
	const struct hf_view *view;
	const struct model *m;
	unsigned flags;
	uint64_t *random;
};

static int differ(const struct comparing *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int differ(const struct comparing *c, const char *fmt, ...)
{
	va_list args;

	if (c->flags & COMPARE_QUIET)
		return -1;
	va_start(args, fmt);
	fprintf(stderr, "DIFFERENCE at tid %" PRId64 ": ", (int64_t)c->view->tid);
	(void)vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	return -1;
}

static int same_number(const struct comparing *c, uint64_t ino, const char *what, uint64_t got,
		       uint64_t wanted)
{
	if (got == wanted)
		return 0;
	return differ(c,
		      "inode %" PRIu64 ": %s is %" PRIu64 " (0%" PRIo64 "), not %" PRIu64 " (0%" PRIo64 ")",
		      ino, what, got, got, wanted, wanted);
}

static int same_time(const struct comparing *c, uint64_t ino, const char *what, struct timespec got,
		     struct timespec wanted)
{
	if (model_is_now(wanted) || (got.tv_sec == wanted.tv_sec && got.tv_nsec == wanted.tv_nsec))
		return 0;
	if (c->flags & COMPARE_LOOSE)
		return 0;
	return differ(c, "inode %" PRIu64 ": %s is %lld.%09ld, not %lld.%09ld", ino, what,
		      (long long)got.tv_sec, got.tv_nsec, (long long)wanted.tv_sec, wanted.tv_nsec);
}

/* Space that is really taken: what was written, and no more than whole blocks of 64 KiB around it. */
static int same_blocks(const struct comparing *c, const struct model_inode *i, uint64_t blocks)
{
	const uint64_t least = (model_taken_bytes(i) + 511) / 512, block_bytes = MODEL_BLOCK_BYTES;
	uint64_t most = 0, last = UINT64_MAX;

	for (size_t k = 0; k < i->n_pages; k++) {
		if (i->pages[k].number * MODEL_PAGE_BYTES / block_bytes != last) {
			last = i->pages[k].number * MODEL_PAGE_BYTES / block_bytes;
			most += block_bytes / 512;
		}
	}
	if (blocks >= least && blocks <= most)
		return 0;
	return differ(c, "inode %" PRIu64 ": %" PRIu64 " blocks, which should be %" PRIu64 " to %" PRIu64,
		      i->ino, blocks, least, most);
}

static int compare_attr(const struct comparing *c, const struct model_inode *i, const struct hf_attr *a)
{
	int r = same_number(c, i->ino, "the inode number", a->ino, i->ino);

	r = r ? r : same_number(c, i->ino, "the mode", a->mode, i->mode);
	r = r ? r : same_number(c, i->ino, "the link count", a->nlink, i->nlink);
	r = r ? r : same_number(c, i->ino, "the owner", a->uid, i->uid);
	r = r ? r : same_number(c, i->ino, "the group", a->gid, i->gid);
	r = r ? r : same_number(c, i->ino, "the device", a->rdev, i->rdev);
	if (r == 0 && !S_ISDIR(i->mode))
		r = same_number(c, i->ino, "the size", a->size_bytes, i->size);
	if (r == 0 && S_ISREG(i->mode))
		r = same_blocks(c, i, a->blocks);
	if (r == 0 && i->tid && !(c->flags & COMPARE_LOOSE))
		r = same_number(c, i->ino, "the operation that made it", a->tid, i->tid);
	r = r ? r : same_time(c, i->ino, "atime", a->atime, i->atime);
	r = r ? r : same_time(c, i->ino, "mtime", a->mtime, i->mtime);
	r = r ? r : same_time(c, i->ino, "ctime", a->ctime, i->ctime);
	return r ? r : same_time(c, i->ino, "btime", a->btime, i->btime);
}

/* --- contents */

static int compare_range(const struct comparing *c, const struct model_inode *i, uint64_t offset, size_t len)
{
	CLEANUP(cleanup_free) uint8_t *got = malloc(len + 1);
	struct hf_error err = HF_ERROR_INIT;
	const size_t want = offset >= i->size ? 0 : i->size - offset < len ? (size_t)(i->size - offset) : len;
	ssize_t n = hf_view_read(c->view, i->ino, offset, got, len, &err);

	if (n != (ssize_t)want)
		return differ(c, "inode %" PRIu64 ": read of %zu at %" PRIu64 " gives %zd (%s), not %zu",
			      i->ino, len, offset, n, err.text, want);
	for (size_t k = 0; k < want;) {
		const struct model_page *p = model_page(i, (offset + k) / MODEL_PAGE_BYTES);
		const size_t at = (offset + k) % MODEL_PAGE_BYTES;
		const size_t part = want - k < MODEL_PAGE_BYTES - at ? want - k : MODEL_PAGE_BYTES - at;
		static const uint8_t zeros[MODEL_PAGE_BYTES];
		const uint8_t *wanted = p ? p->bytes + at : zeros;

		if (memcmp(got + k, wanted, part) != 0) {
			size_t x = 0;

			while (got[k + x] == wanted[x])
				x++;
			return differ(c,
				      "inode %" PRIu64 " (%" PRIu64 " bytes): byte %" PRIu64
				      " is %02x, not %02x",
				      i->ino, i->size, offset + k + x, got[k + x], wanted[x]);
		}
		k += part;
	}
	return 0;
}

static int compare_contents(const struct comparing *c, const struct model_inode *i)
{
	uint64_t r = splitmix64(c->random);
	int d = 0;

	if (i->size <= WHOLE_BYTES_MAX) {
		const size_t step = r % 4 ? READ_BYTES : 1 + r / 4 % READ_BYTES;

		for (uint64_t at = 0; d == 0 && at <= i->size; at += step)
			d = compare_range(c, i, at, step);
		return d;
	}
	for (size_t k = 0; d == 0 && k < i->n_pages; k++) {
		const uint64_t start = i->pages[k].number * MODEL_PAGE_BYTES;

		d = compare_range(c, i, start < 100 ? 0 : start - 100, MODEL_PAGE_BYTES + 200);
	}
	if (d == 0)
		d = compare_range(c, i, splitmix64(c->random) % i->size, 5000);
	return d ? d : compare_range(c, i, i->size - 1000, 5000);
}

/* Is there a byte that is not zero in [from, to)? */
static bool has_data(const struct model_inode *i, uint64_t from, uint64_t to)
{
	for (size_t k = 0; k < i->n_pages; k++) {
		const uint64_t start = i->pages[k].number * MODEL_PAGE_BYTES;

		for (size_t at = 0; start < to && start + MODEL_PAGE_BYTES > from && at < MODEL_PAGE_BYTES;
		     at++) {
			if (start + at >= from && start + at < to && i->pages[k].page->bytes[at])
				return true;
		}
	}
	return false;
}

static int compare_holes(const struct comparing *c, const struct model_inode *i)
{
	uint64_t at = 0;

	for (int k = 0; k < SEEKS_MAX && at < i->size; k++) {
		int64_t data = hf_view_seek(c->view, i->ino, at, SEEK_DATA, NULL), hole;
		uint64_t end = data == -ENXIO ? i->size : (uint64_t)data;

		if ((data < 0 && data != -ENXIO) || end < at || end > i->size)
			return differ(c, "inode %" PRIu64 ": SEEK_DATA from %" PRIu64 " gives %" PRId64,
				      i->ino, at, data);
		if (has_data(i, at, end))
			return differ(c,
				      "inode %" PRIu64 ": SEEK_DATA from %" PRIu64 " to %" PRId64
				      " skips data",
				      i->ino, at, data);
		if (data == -ENXIO)
			break;
		hole = hf_view_seek(c->view, i->ino, end, SEEK_HOLE, NULL);
		if (hole <= (int64_t)end || (uint64_t)hole > i->size)
			return differ(c, "inode %" PRIu64 ": SEEK_HOLE from %" PRIu64 " gives %" PRId64,
				      i->ino, end, hole);
		at = (uint64_t)hole;
	}
	if (hf_view_seek(c->view, i->ino, i->size, SEEK_DATA, NULL) != -ENXIO ||
	    hf_view_seek(c->view, i->ino, i->size, SEEK_HOLE, NULL) != -ENXIO)
		return differ(c, "inode %" PRIu64 ": seeking from the end should fail with ENXIO", i->ino);
	return 0;
}

/* --- directories */

struct listing {
	const struct comparing *c;
	const struct model_inode *dir;
	struct {
		char name[256];
		uint64_t cookie;
	} e[256];
	size_t n, skip; /* skip: entries to be met again, when resuming */
	size_t stop;    /* end after so many */
	int bad;
};

static int list_one(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		    const struct hf_attr *attr)
{
	struct listing *l = arg;
	const struct model_entry *e = model_entry(l->dir, name);
	const struct model_inode *i = e ? model_find(l->c->m, e->ino) : NULL;

	if (l->n == l->stop)
		return 1;
	if (!e || e->ino != ino || type != (i->mode & S_IFMT) || cookie <= 1 || cookie >> 63 ||
	    (attr && attr->ino != ino)) {
		l->bad = differ(l->c,
				"directory %" PRIu64 " has an entry %s of inode %" PRIu64
				", type 0%o, cookie %" PRIu64 ", which should %s",
				l->dir->ino, name, ino, type, cookie, e ? "be another" : "not be there");
		return 1;
	}
	if (attr)
		l->bad = compare_attr(l->c, i, attr);
	strcpy(l->e[l->n].name, name);
	l->e[l->n++].cookie = cookie;
	return l->bad;
}

static int compare_cookie(const struct listing *all, size_t from)
{
	struct listing l = { .c = all->c, .dir = all->dir, .stop = SIZE_MAX };
	int r = hf_view_readdir(all->c->view, all->dir->ino, all->e[from].cookie, 0, list_one, &l, NULL);

	if (r < 0 || l.bad)
		return -1;
	for (size_t k = 0; k < l.n; k++) {
		if (l.n != all->n - from - 1 || strcmp(l.e[k].name, all->e[from + 1 + k].name) != 0)
			return differ(all->c, "directory %" PRIu64 " goes on from %s with %s", all->dir->ino,
				      all->e[from].name, l.e[k].name);
	}
	return l.n == all->n - from - 1 ? 0 :
					  differ(all->c, "directory %" PRIu64 " ends behind %s",
						 all->dir->ino, all->e[from].name);
}

static int compare_names(const struct comparing *c, const struct model_inode *dir)
{
	struct hf_attr attr;

	for (size_t k = 0; k < dir->n_entries; k++) {
		int r = hf_view_lookup(c->view, dir->ino, dir->entries[k].name, &attr, NULL);

		if (r < 0 || attr.ino != dir->entries[k].ino)
			return differ(c, "directory %" PRIu64 ": looking up %s gives %d", dir->ino,
				      dir->entries[k].name, r);
	}
	if (!model_entry(dir, "never made") &&
	    hf_view_lookup(c->view, dir->ino, "never made", &attr, NULL) != -ENOENT)
		return differ(c,
			      "directory %" PRIu64 ": looking up what is not there does not fail with ENOENT",
			      dir->ino);
	return 0;
}

static int compare_directory(const struct comparing *c, const struct model_inode *dir)
{
	struct listing l = { .c = c, .dir = dir, .stop = SIZE_MAX };
	const bool attrs = splitmix64(c->random) & 1;
	uint64_t parent = 0;
	struct hf_attr above;
	int r = hf_view_readdir(c->view, dir->ino, 0, attrs ? HF_READDIR_ATTR : 0, list_one, &l, NULL);

	if (r < 0 || l.bad)
		return l.bad ? -1 : differ(c, "directory %" PRIu64 " cannot be listed: %d", dir->ino, r);
	if (l.n != dir->n_entries)
		return differ(c, "directory %" PRIu64 " lists %zu names, not %zu", dir->ino, l.n,
			      dir->n_entries);
	for (size_t k = 0; k < COOKIES_MAX && k < l.n; k++) {
		if (compare_cookie(&l, splitmix64(c->random) % l.n) < 0)
			return -1;
	}
	if (compare_names(c, dir) < 0)
		return -1;
	r = hf_view_parent(c->view, dir->ino, &parent, NULL);
	if (dir->nlink == 0)
		return 0; /* removed: where it was says nothing */
	if (r < 0 || parent != dir->parent)
		return differ(c, "directory %" PRIu64 " lies in %" PRIu64 ", not %" PRIu64, dir->ino, parent,
			      dir->parent);
	if (hf_view_lookup(c->view, dir->ino, "..", &above, NULL) < 0 || above.ino != dir->parent)
		return differ(c, "directory %" PRIu64 ": .. is wrong", dir->ino);
	return 0;
}

/* --- the rest of an inode */

static int compare_target(const struct comparing *c, const struct model_inode *i)
{
	char got[4100];
	ssize_t n = hf_view_readlink(c->view, i->ino, got, sizeof(got), NULL);

	if (n != (ssize_t)strlen(i->target) || strcmp(got, i->target) != 0)
		return differ(c, "link %" PRIu64 " has a wrong target (%zd)", i->ino, n);
	if (hf_view_readlink(c->view, i->ino, got, (size_t)n - 1, NULL) != -ERANGE)
		return differ(c, "link %" PRIu64 ": too little room for the target does not give ERANGE",
			      i->ino);
	return 0;
}

static int compare_xattrs(const struct comparing *c, const struct model_inode *i)
{
	static char names[16384], value[65536 + 8];
	ssize_t len = hf_view_listxattr(c->view, i->ino, names, sizeof(names), NULL);
	size_t n = 0;

	if (len < 0 || hf_view_listxattr(c->view, i->ino, NULL, 0, NULL) != len)
		return differ(c, "inode %" PRIu64 ": its attributes cannot be listed: %zd", i->ino, len);
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1, n++) {
		if (!model_xattr(i, names + at))
			return differ(c, "inode %" PRIu64 " has an attribute %s", i->ino, names + at);
	}
	if (n != i->n_xattrs)
		return differ(c, "inode %" PRIu64 " has %zu attributes, not %zu", i->ino, n, i->n_xattrs);
	for (size_t k = 0; k < i->n_xattrs; k++) {
		const struct model_xattr *x = &i->xattrs[k];

		len = hf_view_getxattr(c->view, i->ino, x->name, value, sizeof(value), NULL);
		if (len != (ssize_t)x->len || memcmp(value, x->value, x->len) != 0)
			return differ(c, "inode %" PRIu64 ": the attribute %s is wrong (%zd)", i->ino,
				      x->name, len);
		if (hf_view_getxattr(c->view, i->ino, x->name, NULL, 0, NULL) != len ||
		    (x->len > 1 &&
		     hf_view_getxattr(c->view, i->ino, x->name, value, x->len - 1, NULL) != -ERANGE))
			return differ(c, "inode %" PRIu64 ": the length of attribute %s is wrong", i->ino,
				      x->name);
	}
	if (hf_view_getxattr(c->view, i->ino, "user.never", value, sizeof(value), NULL) != -ENODATA)
		return differ(c, "inode %" PRIu64 ": an attribute that is not there does not give ENODATA",
			      i->ino);
	return 0;
}

struct naming {
	const struct comparing *c;
	uint64_t ino;
	size_t n, wrong;
};

static int see_name(void *arg, uint64_t dir, const char *name)
{
	struct naming *g = arg;
	const struct model_inode *d = model_find(g->c->m, dir);
	const struct model_entry *e = d ? model_entry(d, name) : NULL;

	g->n++;
	g->wrong += !e || e->ino != g->ino;
	return 0;
}

/* From the inode to its names. */
static int compare_names_of(const struct comparing *c, const struct model_inode *i)
{
	const size_t wanted = i->ino == HF_ROOT_INO || i->nlink == 0 ? 0 : S_ISDIR(i->mode) ? 1 : i->nlink;
	struct naming g = { .c = c, .ino = i->ino };
	int r = hf_view_names(c->view, i->ino, see_name, &g, NULL);

	if (r < 0 || g.wrong || g.n != wanted)
		return differ(c, "inode %" PRIu64 " knows %zu names of its %zu, %zu of them wrong (%d)",
			      i->ino, g.n, wanted, g.wrong, r);
	return 0;
}

static int compare_inode(const struct comparing *c, const struct model_inode *i)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;
	int r = hf_view_getattr(c->view, i->ino, &attr, &err);

	if (r < 0)
		return differ(c, "inode %" PRIu64 " is not there: %d %s", i->ino, r, err.text);
	r = compare_attr(c, i, &attr);
	if (r == 0)
		r = compare_names_of(c, i);
	if (r == 0 && S_ISREG(i->mode))
		r = compare_contents(c, i);
	if (r == 0 && S_ISREG(i->mode))
		r = compare_holes(c, i);
	if (r == 0 && S_ISDIR(i->mode))
		r = compare_directory(c, i);
	if (r == 0 && S_ISLNK(i->mode))
		r = compare_target(c, i);
	return r ? r : compare_xattrs(c, i);
}

int compare_trees(const struct hf_view *view, const struct model *m, const struct model *checked,
		  unsigned flags, uint64_t *random)
{
	struct comparing c = { view, m, flags, random };
	struct hf_attr attr;

	for (size_t k = 0; k < m->n; k++) {
		const struct model_inode *i = m->inodes[k];

		if (checked && model_find(checked, i->ino) == i)
			continue;
		if ((i->nlink > 0 || flags & COMPARE_ORPHANS) && compare_inode(&c, i) < 0)
			return -1;
	}
	if (hf_view_getattr(view, m->next_ino, &attr, NULL) != -ESTALE)
		return differ(&c, "inode %" PRIu64 " is there, which was not made yet", m->next_ino);
	return 0;
}

struct tag_count {
	const struct model *m;
	size_t n, wrong;
};

static int count_tag(void *arg, const char *name, const struct hf_point *point)
{
	struct tag_count *t = arg;
	bool found = false;

	for (size_t k = 0; k < t->m->n_tags; k++)
		found |= strcmp(t->m->tags[k].name, name) == 0 && t->m->tags[k].tid == point->tid;
	t->n++;
	t->wrong += !found;
	return 0;
}

int compare_tags(struct hf_store *store, const struct model *m)
{
	struct tag_count t = { m, 0, 0 };
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_tags_list(store, count_tag, &t, &err);

	if (r == 0 && t.n == m->n_tags && t.wrong == 0)
		return 0;
	fprintf(stderr, "DIFFERENCE: %zu tags, not %zu, %zu of them wrong: %s\n", t.n, m->n_tags, t.wrong,
		err.text);
	return -1;
}
