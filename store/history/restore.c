/* SPDX-License-Identifier: MIT */
/*
 * Making a path what it was (hf_restore), in three passes: names, from the top down, until each is of what it
 * was of; then what was not there is removed, which until then may have been wanted elsewhere; and with that,
 * from the bottom up, each folder gets its own attributes back, for all before has changed its times.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/restore.h"
#include "store/volume/guard.h"

enum { LIST_AT_ONCE = 512, TOLD_EVERY = 1024 };

static void restore_release(struct restore *r)
{
	for (size_t i = 0; i < r->n_dirs; i++)
		free(r->dirs[i].name);
	free(r->dirs);
	node_release(&r->was);
	restore_pairs_free(&r->twins);
	restore_pairs_free(&r->placed);
	restore_pairs_free(&r->dirty);
	restore_pairs_free(&r->gone);
	restore_pairs_free(&r->away);
	for (size_t i = 0; i < r->n_displaced; i++)
		free((char *)r->displaced[i].path);
	free(r->displaced);
}

/* --- a folder's names, some at a time */

struct listing {
	size_t n;
	uint64_t cookie;
	struct {
		uint64_t ino;
		struct hf_attr attr; /* when it was asked for */
		char name[NAME_BYTES_MAX + 1];
	} v[LIST_AT_ONCE];
};

static int take_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	struct listing *l = arg;

	(void)type;
	if (l->n == LIST_AT_ONCE)
		return 1;
	l->v[l->n].ino = ino;
	if (attr)
		l->v[l->n].attr = *attr;
	memcpy(l->v[l->n++].name, name, strlen(name) + 1);
	l->cookie = cookie;
	return 0;
}

/* The next of them: how many. */
static int list_some(struct restore *r, const struct hf_view *v, uint64_t dir, unsigned flags,
		     struct listing *l)
{
	int code;

	l->n = 0;
	code = hf_view_readdir(v, dir, l->cookie, flags, take_entry, l, r->err);
	return code < 0 ? code : (int)l->n;
}

static int find_now(struct restore *r, uint64_t parent, const char *name, struct hf_attr *ret)
{
	struct hf_error here = HF_ERROR_INIT;
	int code = parent ? hf_view_lookup(&r->now, parent, name, ret, &here) : -ENOENT;

	if (code == 0)
		return 1;
	return code == -ENOENT ? 0 : hf_error_set(r->err, code, "%s", here.text);
}

/* What a failure is about; only what has no words of a path yet. */
static int failed_at(struct restore *r, const char *path, int code)
{
	if (code < 0 && r->said == 0)
		(void)hf_error_prefix(r->err, code, "%s", *path ? path : "/");
	return code;
}

static void tell_seen(struct restore *r)
{
	if (r->progress && r->progress->fn && ++r->seen % TOLD_EVERY == 0)
		r->progress->fn(r->progress->arg, "restoring", r->seen, 0);
}

/* The path of a folder in its place, into out with a NUL. Kept for each it would take too much where they are
 * deep. */
static int dir_path(const struct restore *r, size_t index, struct buf *out)
{
	size_t len = 0, at;
	int code;

	for (size_t i = index; i > 0; i = r->dirs[i].above)
		len += strlen(r->dirs[i].name) + 1;
	at = strlen(r->dirs[0].name);
	len = at == 0 && len > 0 ? len - 1 : at + len; /* no slash behind the root */
	buf_clear(out);
	code = buf_reserve(out, len + 1);
	if (code < 0)
		return code;
	out->len = len + 1;
	out->data[len] = 0;
	for (size_t i = index; i > 0; i = r->dirs[i].above) {
		size_t n = strlen(r->dirs[i].name);

		len -= n;
		memcpy(out->data + len, r->dirs[i].name, n);
		if (len > 0)
			out->data[--len] = '/';
	}
	memcpy(out->data, r->dirs[0].name, len);
	return 0;
}

static int place_names(struct restore *r, size_t index, struct listing *l)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(buf_release) struct buf above = BUF_INIT;
	int code = dir_path(r, index, &above);

	if (code < 0)
		return code;
	r->placing = index;
	l->cookie = 0;
	while ((code = list_some(r, &r->then, r->dirs[index].then, 0, l)) > 0) {
		for (size_t i = 0; i < l->n; i++) {
			const struct restore_dir *d = &r->dirs[index]; /* the array moves as it grows */
			struct restore_spot spot = { .parent = d->now, .name = l->v[i].name };
			struct hf_attr was, is;

			code = restore_path((const char *)above.data, spot.name, &path);
			spot.path = (const char *)path.data;
			if (code == 0)
				code = restore_look_back(r, l->v[i].ino, &was);
			if (code == 0 && !d->fresh)
				code = find_now(r, d->now, spot.name, &is);
			if (code >= 0)
				code = restore_place(r, &spot, &was, code == 1 ? &is : NULL);
			if (code != 0)
				return failed_at(r, spot.path, code);
			tell_seen(r);
		}
	}
	return code < 0 ? failed_at(r, (const char *)above.data, code) : 0;
}

static int remove_others(struct restore *r, const struct restore_dir *d, const char *dir, struct listing *l)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int code;

	l->cookie = 0;
	while ((code = list_some(r, &r->now, d->now, HF_READDIR_ATTR, l)) > 0) {
		for (size_t i = 0; i < l->n; i++) {
			struct restore_spot spot = { .parent = d->now, .name = l->v[i].name };
			struct hf_error here = HF_ERROR_INIT;
			struct hf_attr was;

			code = hf_view_lookup(&r->then, d->then, spot.name, &was, &here);
			if (code == 0)
				continue;
			if (code != -ENOENT)
				return failed_at(r, dir, hf_error_set(r->err, code, "%s", here.text));
			code = restore_path(dir, spot.name, &path);
			spot.path = (const char *)path.data;
			if (code == 0)
				code = restore_remove(r, &spot, &l->v[i].attr);
			if (code != 0)
				return failed_at(r, spot.path, code);
			tell_seen(r);
		}
	}
	return code;
}

static bool same_mtime(const struct hf_attr *a, const struct hf_attr *b)
{
	return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static int finish_dir(struct restore *r, const struct restore_dir *d, const char *path)
{
	const struct restore_spot spot = { .path = path, .name = "" };
	struct hf_attr was, is;
	int code, differ;

	if (!d->now)
		return 0;
	code = hf_view_getattr(&r->then, d->then, &was, r->err);
	if (code == 0)
		code = hf_view_getattr(&r->now, d->now, &is, r->err);
	if (code < 0)
		return code;
	differ = restore_attributes_differ(r, &was, &is);
	if (differ < 0 || (!differ && same_mtime(&was, &is)) || (!differ && r->dry))
		return differ < 0 ? differ : 0;
	if (!r->dry)
		code = restore_attributes(r, &was, d->now);
	if (code < 0) {
		restore_tell_half(r, &spot, is.mode, d->now, is.tid);
		return code;
	}
	/* of what was made it is a matter of course */
	return restore_tell(r, differ && !d->fresh ? HF_RESTORED_ATTRIBUTES : HF_RESTORED_TIMES, &spot,
			    S_IFDIR, d->now, 0);
}

static int restore_tree(struct restore *r)
{
	CLEANUP(cleanup_free) struct listing *l = malloc(sizeof(*l));
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int code = l ? 0 : -ENOMEM;

	for (size_t i = 0; code == 0 && i < r->n_dirs; i++)
		code = place_names(r, i, l);
	for (size_t i = r->n_dirs; code == 0 && i > 0; i--) {
		const struct restore_dir *d = &r->dirs[i - 1];

		code = dir_path(r, i - 1, &path);
		if (code == 0 && d->now && !d->fresh)
			code = remove_others(r, d, (const char *)path.data, l);
		if (code == 0)
			code = failed_at(r, (const char *)path.data,
					 finish_dir(r, d, (const char *)path.data));
	}
	return code == 0 ? restore_remove_displaced(r) : code;
}

/* --- the way to dest */

/* The folder it is in; missing ones are made as they were, in place, and noted in `above`. */
struct above {
	struct {
		uint64_t then, now;
	} * v;
	size_t n;
};

static void above_release(struct above *a)
{
	free(a->v);
}

static int make_above(struct restore *r, const char *path, const struct restore_spot *spot,
		      struct above *above, uint64_t *ret_ino)
{
	struct hf_attr was, made = { .ino = 0 };
	void *grown;
	int code;

	if (!r->in_place)
		return hf_error_set(r->err, -ENOENT, "%s is not there: make it first", path);
	code = hf_view_walk(&r->then, path, &was, r->err);
	if (code == 0 && !r->dry) {
		code = restore_create(r, &was, spot, &made);
		if (code == 0)
			code = restore_attributes(r, &was, made.ino);
		if (code < 0 && made.ino)
			restore_give_up(r, spot, was.mode, made.ino);
	}
	if (code == 0)
		code = restore_tell(r, HF_RESTORED_CREATED, spot, S_IFDIR, made.ino, 0);
	if (code != 0)
		return code;
	grown = realloc(above->v, (above->n + 1) * sizeof(*above->v));
	if (!grown)
		return -ENOMEM;
	above->v = grown;
	above->v[above->n].then = was.ino;
	above->v[above->n++].now = made.ino;
	*ret_ino = made.ino;
	return 0;
}

static int find_parent(struct restore *r, const char *name, struct above *above, uint64_t *ret)
{
	CLEANUP(cleanup_free) char *path = strdup(r->dest);
	char *p = path;

	*ret = HF_ROOT_INO;
	if (!path)
		return -ENOMEM;
	while (p < path + (name - r->dest)) {
		size_t len = strcspn(p, "/");
		struct restore_spot spot = { .parent = *ret, .path = path, .name = p };
		struct hf_attr is;
		int code;

		p[len] = 0; /* path ends here, and p is its last name */
		code = find_now(r, *ret, p, &is);
		if (code == 0)
			code = make_above(r, path, &spot, above, ret);
		else if (code == 1)
			code = S_ISDIR(is.mode) ? (*ret = is.ino, 0) :
						  hf_error_set(r->err, -ENOTDIR,
							       "it is not a folder now: restore it first");
		if (code != 0)
			return failed_at(r, path, code);
		p[len] = '/';
		p += len;
		p += strspn(p, "/");
	}
	return 0;
}

static int see_one(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		   const struct hf_attr *attr)
{
	(void)name;
	(void)ino;
	(void)type;
	(void)cookie;
	(void)attr;
	*(bool *)arg = true;
	return 1;
}

/* Beside what is there now nothing is written over. */
static int check_free(struct restore *r, const struct hf_attr *was, const struct hf_attr *is)
{
	bool any = false;
	int code = 0;

	if (S_ISDIR(is->mode) && S_ISDIR(was->mode))
		code = hf_view_readdir(&r->now, is->ino, 0, 0, see_one, &any, r->err);
	else
		any = true;
	if (code < 0 || !any)
		return code < 0 ? code : 0;
	return hf_error_set(r->err, -EEXIST,
			    "%s is there already: restore to a name that is not, or to an empty folder",
			    r->dest);
}

static int restore_at_dest(struct restore *r, const struct hf_attr *was)
{
	CLEANUP(above_release) struct above above = { NULL, 0 };
	const char *slash = strrchr(r->dest, '/');
	struct restore_spot spot = { .path = r->dest, .name = slash ? slash + 1 : r->dest };
	struct hf_attr is;
	int code = find_parent(r, spot.name, &above, &spot.parent);

	if (code < 0)
		return code;
	code = find_now(r, spot.parent, spot.name, &is);
	if (code == 1 && was && !r->in_place) {
		code = check_free(r, was, &is);
		code = code < 0 ? code : 1;
	}
	if (code == 1 && !was)
		code = failed_at(r, r->dest, restore_remove(r, &spot, &is));
	else if (code >= 0 && was)
		code = failed_at(r, r->dest, restore_place(r, &spot, was, code == 1 ? &is : NULL));
	if (code == 0)
		code = restore_tree(r);
	for (size_t i = above.n; code == 0 && i > 0; i--) { /* their times: something was made in them */
		const struct restore_dir d = { above.v[i - 1].then, above.v[i - 1].now, true, 0, NULL };

		code = finish_dir(r, &d, "");
	}
	return code;
}

static int restore_root(struct restore *r)
{
	const struct restore_spot spot = { .path = "", .name = "" };
	struct hf_attr was, is;
	int code = hf_view_getattr(&r->then, HF_ROOT_INO, &was, r->err);

	if (code == 0)
		code = hf_view_getattr(&r->now, HF_ROOT_INO, &is, r->err);
	if (code == 0)
		code = restore_place(r, &spot, &was, &is);
	return code == 0 ? restore_tree(r) : code;
}

static int run(struct restore *r)
{
	struct hf_error here = HF_ERROR_INIT;
	struct hf_attr was;
	int code = hf_view_walk(&r->then, r->path, &was, &here);
	bool there = code == 0;

	if (code == -ENOTDIR)
		code = -ENOENT; /* above it was something else */
	if (code == -ENOENT && !r->undo)
		return hf_error_set(r->err, code, "%s was not there at that moment", r->path);
	if (code < 0 && code != -ENOENT)
		return hf_error_set(r->err, code, "%s: %s", r->path, here.text);
	if (there && !*r->dest && !S_ISDIR(was.mode))
		return hf_error_set(r->err, -ENOTDIR, "the volume's root is a folder");
	code = restore_find_dirty(r);
	if (code < 0)
		return code;
	r->seen = 0;
	if (!*r->dest)
		return r->in_place ? restore_root(r) :
				     hf_error_set(r->err, -EEXIST, "the volume's root is there already");
	return restore_at_dest(r, there ? &was : NULL);
}

/* Without slashes at the ends, and never two in a row. malloc'ed. */
static char *clean_path(const char *path)
{
	char *clean = malloc(strlen(path) + 1), *out = clean;

	if (!clean)
		return NULL;
	for (const char *p = path + strspn(path, "/"); *p;) {
		size_t len = strcspn(p, "/");

		memcpy(out, p, len);
		out += len;
		p += len;
		p += strspn(p, "/");
		if (*p)
			*out++ = '/';
	}
	*out = 0;
	return clean;
}

int hf_restore(struct hf_store *s, uint64_t tid, const char *path, const char *dest, unsigned flags,
	       hf_restored_fn *each, void *arg, const struct hf_progress *progress,
	       struct hf_restore_summary *ret, struct hf_error *err)
{
	CLEANUP(cleanup_free) char *from = clean_path(path);
	CLEANUP(cleanup_free) char *to = clean_path(dest ? dest : path);
	struct hf_error here = HF_ERROR_INIT;
	struct restore r = {
		.s = s,
		.then = { s, tid },
		.now = { s, HF_TID_HEAD },
		.path = from,
		.dest = to,
		.dry = flags & HF_RESTORE_DRY,
		.undo = flags & HF_RESTORE_UNDO,
		.each = each,
		.arg = arg,
		.progress = progress,
		.err = err ? err : &here,
	};
	struct hf_status status;
	int code = from && to ? 0 : -ENOMEM;

	*ret = r.sum;
	/* so that what is now is made of chunks, and its last moment is not shared any more */
	if (code == 0 && !s->read_only)
		code = hf_store_commit(s, r.err);
	if (code == 0 && s->read_only && !r.dry)
		code = hf_error_set(r.err, -EROFS, "the store is open for reading only");
	if (code < 0)
		return code;
	hf_store_status(s, &status);
	r.sum.before_tid = status.committed_tid;
	r.in_place = strcmp(from, to) == 0;
	guard_restoring(true);
	code = run(&r);
	guard_restoring(false);
	if (r.said != 0)
		code = r.said;
	*ret = r.sum;
	restore_release(&r);
	return code;
}
