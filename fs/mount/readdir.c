/* SPDX-License-Identifier: MIT */
/*
 * Listings: live directories, past ones, and those of .history.
 *
 * Offsets: 1 is behind ".", 2 behind "..". An entry of the store has its cookie and one (cookies begin at
 * 2, and end before OFF_VERSIONS); a version of a file its tid and OFF_VERSIONS; a moment its tid and 3, or
 * its second and 3, listed newest first; a tag its place and 3; .history, when the root shows it, comes
 * last of all.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/fuse.h>

#include "fs/mount/mount_internal.h"

#define OFF_HISTORY INT64_MAX
#define MOMENTS_MAX 200

/*
 * Take an entry, or find the buffer full. ".", ".." and what cannot be referred to are listed without
 * being looked up.
 */
static bool add(struct listing *l, const char *name, const struct node *node, const struct hf_attr *attr,
		double timeout_s, bool refer, uint64_t off)
{
	struct fuse_entry_param e = { .ino = 0 };
	char *at = l->bytes + l->used;
	size_t left = l->size - l->used, need;

	if (!l->plus) {
		reply_fill_stat(node, attr, &e.attr);
		need = fuse_add_direntry(l->req, at, left, name, &e.attr, (off_t)off);
	} else {
		need = fuse_add_direntry_plus(l->req, NULL, 0, name, NULL, 0);
		if (need > left) {
			l->full = true;
			return false;
		}
		if (!refer || entry_take(l->m, node, attr, timeout_s, &e) < 0)
			reply_fill_stat(node, attr, &e.attr);
		fuse_add_direntry_plus(l->req, at, left, name, &e, (off_t)off);
	}
	l->full = need > left;
	if (!l->full)
		l->used += need;
	return !l->full;
}

static struct hf_attr dir_attr(uint32_t type)
{
	return (struct hf_attr){ .mode = type };
}

/* "." and "..", when they are asked for. The number of ".." is for show: the kernel knows the way up. */
bool listing_add_dots(struct listing *l, const struct node *up)
{
	struct hf_attr attr = dir_attr(S_IFDIR);

	if (l->from < OFF_DOT && !add(l, ".", &l->dir->node, &attr, 0, false, OFF_DOT))
		return false;
	return l->from >= OFF_DOTDOT || add(l, "..", up, &attr, 0, false, OFF_DOTDOT);
}

bool listing_add_bare(struct listing *l, const char *name, const struct node *node, uint32_t type,
		      uint64_t off)
{
	struct hf_attr attr = dir_attr(type);

	return add(l, name, node, &attr, 0, false, off);
}

/* --- gathered names */

int gathered_add(struct gathered *g, uint64_t cookie, const char *name, const struct node *node,
		 uint32_t type)
{
	char *copy = strdup(name);

	if (copy && g->n == g->cap) {
		size_t cap = g->cap ? 2 * g->cap : 128;
		struct gathered_name *grown = realloc(g->v, cap * sizeof(*grown));

		if (grown) {
			g->v = grown;
			g->cap = cap;
		}
	}
	if (!copy || g->n == g->cap) {
		free(copy);
		return -ENOMEM;
	}
	g->v[g->n++] = (struct gathered_name){ cookie, *node, type, copy };
	return 0;
}

void gathered_release(struct gathered *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].name);
	free(g->v);
	*g = (struct gathered){ .v = NULL };
}

static int compare_gathered(const void *a, const void *b)
{
	const struct gathered_name *x = a, *y = b;

	return x->cookie != y->cookie ? (x->cookie > y->cookie) - (x->cookie < y->cookie) :
					strcmp(x->name, y->name);
}

bool listing_add_gathered(struct listing *l, struct gathered *g)
{
	bool fits = true;

	if (g->n > 0)
		qsort(g->v, g->n, sizeof(*g->v), compare_gathered);
	for (size_t i = 0; fits && i < g->n && g->v[i].cookie <= g->limit; i++) {
		const struct gathered_name *e = &g->v[i];

		if (i == 0 || strcmp(e->name, g->v[i - 1].name) != 0)
			fits = listing_add_bare(l, e->name, &e->node, e->type, e->cookie + 1);
	}
	return fits;
}

/* --- what is listed */

static int add_stored(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	struct listing *l = arg;
	struct node node = { .kind = l->dir->node.kind, .tid = l->dir->node.tid, .ino = ino };
	struct hf_attr bare = dir_attr(type);

	return !add(l, name, &node, attr ? attr : &bare, FOREVER_S, attr != NULL, cookie + 1);
}

static void add_own(struct listing *l, const char *name, enum node_kind kind, uint64_t off)
{
	struct node node = { .kind = kind };
	struct hf_attr attr;

	if (l->full || l->from >= off)
		return;
	history_attr(l->m, kind, &attr);
	add(l, name, &node, &attr, FOREVER_S, true, off);
}

static void add_own_root(struct listing *l, const char *name, struct node node, uint64_t off)
{
	if (!l->full && l->from < off)
		listing_add_bare(l, name, &node, S_IFDIR, off);
}

static int list_inode(struct listing *l)
{
	struct node up = l->dir->node;
	bool root = l->dir->ino == HF_ROOT_INO, past = up.kind == NODE_PAST;
	struct hf_error err = HF_ERROR_INIT;
	int r = 0;

	if (l->from < OFF_DOTDOT) {
		if (root && past)
			up = (struct node){ .kind = NODE_AT };
		else
			r = hf_view_parent(&l->dir->view, l->dir->ino, &up.ino, &err);
		if (r < 0 || !listing_add_dots(l, &up))
			return r;
	}
	if (l->from == OFF_HISTORY)
		return 0;
	r = hf_view_readdir(&l->dir->view, l->dir->ino, l->from < OFF_FIRST ? 0 : l->from - 1,
			    l->plus ? HF_READDIR_ATTR : 0, add_stored, l, &err);
	if (r < 0) {
		mount_fault(r, &err, "listing", l->dir->ino);
		return r;
	}
	if (root && !past && l->m->options->history_visible && !l->m->fixed)
		add_own(l, HISTORY_NAME, NODE_HISTORY, OFF_HISTORY);
	return 0;
}

static int list_history(struct listing *l)
{
	struct node root = { .kind = NODE_LIVE, .ino = HF_ROOT_INO };

	if (!listing_add_dots(l, &root))
		return 0;
	add_own(l, "README", NODE_README, OFF_FIRST);
	add_own(l, "at", NODE_AT, OFF_FIRST + 1);
	add_own(l, "tags", NODE_TAGS, OFF_FIRST + 2);
	add_own(l, "gmt", NODE_GMT, OFF_FIRST + 3);
	add_own_root(l, "versions", node_of_path(""), OFF_FIRST + 4);
	add_own_root(l, "deleted", (struct node){ NODE_DELETED, HF_TID_HEAD, HF_ROOT_INO, NULL },
		     OFF_FIRST + 5);
	return 0;
}

/* A directory named for a point. */
static bool add_point(struct listing *l, const char *name, uint64_t tid, uint64_t off)
{
	struct node node = { .kind = NODE_PAST, .tid = tid, .ino = HF_ROOT_INO };

	return listing_add_bare(l, name, &node, S_IFDIR, off);
}

ssize_t listing_moments(struct listing *l, struct hf_point **ret)
{
	struct node up = { .kind = NODE_HISTORY };

	if (!listing_add_dots(l, &up))
		return 0;
	*ret = calloc(MOMENTS_MAX, sizeof(**ret));
	return *ret ? hf_moments_list(l->m->store, *ret, MOMENTS_MAX, NULL) : -ENOMEM;
}

static int list_at(struct listing *l)
{
	char name[40], last[40] = "";
	struct hf_point *points = NULL;
	ssize_t n = listing_moments(l, &points);

	for (ssize_t i = 0; i < n; i++) {
		/* The newest of those that share a time is the one the name leads to. */
		hf_moment_format(points[i].time_ns, name, sizeof(name));
		if (strcmp(name, last) == 0)
			continue;
		memcpy(last, name, sizeof(last));
		if (l->from >= OFF_FIRST && points[i].tid + OFF_FIRST >= l->from)
			continue;
		if (!add_point(l, name, points[i].tid, points[i].tid + OFF_FIRST))
			break;
	}
	free(points);
	return n < 0 ? (int)n : 0;
}

struct tag_walk {
	struct listing *l;
	uint64_t place;
};

static int add_tag(void *arg, const char *name, const struct hf_point *point)
{
	struct tag_walk *w = arg;
	uint64_t off = OFF_FIRST + w->place++;

	return off > w->l->from && !add_point(w->l, name, point->tid, off);
}

static int list_tags(struct listing *l)
{
	struct node up = { .kind = NODE_HISTORY };
	struct tag_walk walk = { .l = l };

	if (!listing_add_dots(l, &up))
		return 0;
	return hf_tags_list(l->m->store, add_tag, &walk, NULL);
}

static int list(struct listing *l)
{
	switch (l->dir->node.kind) {
	case NODE_LIVE:
	case NODE_PAST:
		return list_inode(l);
	case NODE_HISTORY:
		return list_history(l);
	case NODE_AT:
		return list_at(l);
	case NODE_TAGS:
		return list_tags(l);
	case NODE_GMT:
		return gmt_list(l);
	case NODE_VERSIONS:
		return versions_list(l);
	case NODE_DELETED:
		return deleted_list(l);
	default:
		return -ENOTDIR;
	}
}

/* The kernel did not take the listing: its lookups did not happen. */
static void give_back(struct mount *m, const char *bytes, size_t used)
{
	while (used >= FUSE_NAME_OFFSET_DIRENTPLUS) {
		struct fuse_direntplus entry;
		size_t len;

		memcpy(&entry, bytes, sizeof(entry));
		if (entry.entry_out.nodeid)
			entry_give_back(m, entry.entry_out.nodeid);
		len = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + entry.dirent.namelen);
		if (len > used)
			break;
		bytes += len;
		used -= len;
	}
}

static void reply_listing(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct mount *m = mount_of(req);
	struct target dir;
	struct listing l = {
		.req = req, .m = m, .dir = &dir, .plus = plus, .from = (uint64_t)off, .size = size
	};
	int r = target_find(m, ino, &dir);

	if (r < 0)
		return reply_code(req, r);
	l.bytes = reply_buffer(m, size);
	if (!l.bytes)
		return reply_code(req, -ENOMEM);
	r = list(&l);
	if (r < 0 && l.used == 0)
		return reply_code(req, r);
	if (fuse_reply_buf(req, l.bytes, l.used) < 0 && plus)
		give_back(m, l.bytes, l.used);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	reply_listing(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	reply_listing(req, ino, size, off, true);
}
