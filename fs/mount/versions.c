/* SPDX-License-Identifier: MIT */
/*
 * .history/versions: whatever a path ever was is walked down, name by name. Each is a directory, of the
 * names that were in it, where it was one, and of its versions, where it was a file. A version is a file of
 * the past (NODE_PAST); what removed it, an empty file. That there was such a path never changes, so its
 * name may be kept for ever; what is in it may grow.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mount_internal.h"

enum {
	AT_ONCE = 128,    /* names looked for in one go */
	ENTRY_BYTES = 64, /* of a version in a listing, or more */
};

#define DELETED_MARK "~deleted"

/* --- names of versions */

void version_format(const struct version *v, char out[VERSION_NAME_BYTES])
{
	char time[40];

	snprintf(out, VERSION_NAME_BYTES, "%s~%" PRIu64 "%s",
		 hf_moment_format(v->time_ns, time, sizeof(time)), v->tid, v->removed ? DELETED_MARK : "");
}

bool version_parse(const char *name, uint64_t *ret_tid)
{
	const char *mark = strchr(name, '~');
	uint64_t tid = 0;

	if (!mark || mark == name || !(mark[1] >= '1' && mark[1] <= '9'))
		return false;
	for (mark++; *mark >= '0' && *mark <= '9'; mark++) {
		if (__builtin_mul_overflow(tid, UINT64_C(10), &tid) ||
		    __builtin_add_overflow(tid, (uint64_t)(*mark - '0'), &tid))
			return false;
	}
	*ret_tid = tid;
	return *mark == '\0' || strcmp(mark, DELETED_MARK) == 0;
}

void removed_attr(struct mount *m, const struct node *node, struct hf_attr *ret)
{
	struct hf_view before = { m->store, node->tid - 1 };
	struct hf_point point = { 0, 0 };
	struct hf_attr attr = { .uid = m->uid, .gid = m->gid };
	struct timespec t;

	(void)hf_view_getattr(&before, node->ino, &attr, NULL);
	(void)hf_point_of_tid(m->store, node->tid, &point, NULL);
	t = (struct timespec){ (time_t)(point.time_ns / 1000000000), (long)(point.time_ns % 1000000000) };
	*ret = (struct hf_attr){
		.mode = S_IFREG | 0444,
		.nlink = 1,
		.uid = attr.uid,
		.gid = attr.gid,
		.atime = t,
		.mtime = t,
		.ctime = t,
		.btime = t,
	};
}

/* --- looking up */

/* A path and a name behind it: malloc'ed. */
static char *join(const char *path, const char *name)
{
	char *joined;

	return asprintf(&joined, "%s%s%s", path, *path ? "/" : "", name) < 0 ? NULL : joined;
}

static void reply_path(fuse_req_t req, const char *path)
{
	struct mount *m = mount_of(req);
	struct node node = node_of_path(path);
	struct life *life;
	struct hf_attr attr;
	int r = life_get(m, path, false, &life);

	if (r < 0)
		return reply_code(req, r);
	r = life_attr(m, life, &attr);
	life_put(m, life);
	if (r < 0)
		return reply_code(req, r);
	reply_entry(req, &node, &attr, FOREVER_S);
}

void versions_reply_root(fuse_req_t req)
{
	reply_path(req, "");
}

/* The directory above: of the uppermost .history. Cuts the path. */
static void reply_above(fuse_req_t req, char *path)
{
	char *slash = strrchr(path, '/');

	if (!*path)
		return history_reply_own(req, NODE_HISTORY);
	*(slash ? slash : path) = '\0';
	reply_path(req, path);
}

/* 1, 0, negative. */
static int had_name(struct mount *m, const struct life *l, const char *name)
{
	int r = 0;

	for (size_t i = l->n; r == 0 && i-- > 0;) {
		if (S_ISDIR(l->v[i].type))
			r = hf_had_name(m->store, l->v[i].ino, name, l->v[i].from, l->v[i].until, NULL);
	}
	return r;
}

/* 1 and which, 0, negative. */
static int find_version(struct mount *m, const struct life *l, const char *name, struct version *ret)
{
	char text[VERSION_NAME_BYTES];
	struct versions v;
	uint64_t tid;
	int r = 0;

	if (!l->is_file || !version_parse(name, &tid))
		return 0;
	r = life_versions(m, l, tid - 1, 1, &v);
	if (r < 0)
		return r;
	if (v.n > 0) {
		*ret = v.v[0];
		version_format(ret, text);
		r = strcmp(text, name) == 0;
	}
	versions_release(&v);
	return r;
}

static struct node node_of_version(const struct version *v)
{
	return (struct node){ .kind = v->removed ? NODE_REMOVED : NODE_PAST, .tid = v->tid, .ino = v->ino };
}

static void reply_version(fuse_req_t req, const struct version *v)
{
	struct mount *m = mount_of(req);
	struct hf_view view = { m->store, v->tid };
	struct node node = node_of_version(v);
	struct hf_attr attr;
	int r = 0;

	if (v->removed)
		removed_attr(m, &node, &attr);
	else
		r = hf_view_getattr(&view, v->ino, &attr, NULL);
	if (r < 0)
		return reply_code(req, r);
	reply_entry(req, &node, &attr, FOREVER_S);
}

static void lookup_in(fuse_req_t req, const char *path, const char *name)
{
	struct mount *m = mount_of(req);
	struct version version;
	struct life *life;
	int r = life_get(m, path, false, &life), is_version = 0;

	if (r == 0) {
		r = had_name(m, life, name);
		if (r == 0)
			is_version = r = find_version(m, life, name, &version);
		life_put(m, life);
	}
	if (r <= 0)
		return reply_code(req, r < 0 ? r : -ENOENT);
	if (is_version) {
		reply_version(req, &version);
	} else {
		char *joined = join(path, name);

		if (joined)
			reply_path(req, joined);
		else
			reply_code(req, -ENOMEM);
		free(joined);
	}
}

void versions_lookup(fuse_req_t req, const struct target *dir, const char *name)
{
	char *path;
	int r = nodes_path(&mount_of(req)->nodes, dir->id, &path);

	if (r < 0)
		return reply_code(req, r);
	if (strcmp(name, ".") == 0)
		reply_path(req, path);
	else if (strcmp(name, "..") == 0)
		reply_above(req, path);
	else
		lookup_in(req, path, name);
	free(path);
}

int versions_getattr(struct mount *m, const struct target *t, struct hf_attr *ret)
{
	struct life *life = NULL;
	char *path;
	int r = nodes_path(&m->nodes, t->id, &path);

	if (r < 0)
		return r;
	r = life_get(m, path, false, &life);
	free(path);
	if (r < 0)
		return r;
	r = life_attr(m, life, ret);
	life_put(m, life);
	return r;
}

/* --- listing */

struct gathering {
	struct gathered *g;
	const char *path;
	size_t left;
};

static int gather_name(void *arg, const char *name, uint64_t cookie)
{
	struct gathering *w = arg;
	char *path;
	int r;

	if (cookie > w->g->limit)
		return 1;
	path = join(w->path, name);
	if (!path)
		return -ENOMEM;
	struct node node = node_of_path(path);

	node.path = NULL; /* who refers to it looks it up */
	r = gathered_add(w->g, cookie, name, &node, S_IFDIR);
	free(path);
	if (r == 0 && --w->left == 0) {
		w->g->limit = cookie;
		return 1;
	}
	return r;
}

/* The next names of all the directories that it was. False: full, or failed. */
static bool list_names(struct listing *l, const struct life *life, int *ret_code)
{
	uint64_t cookie = l->from < OFF_FIRST ? 0 : l->from - 1;

	*ret_code = 0;
	while (cookie < OFF_VERSIONS) {
		struct gathered g = { .limit = UINT64_MAX };
		bool fits;
		int r = 0;

		for (size_t i = 0; r >= 0 && i < life->n; i++) {
			const struct hf_stretch *st = &life->v[i];
			struct gathering w = { &g, life->path, AT_ONCE };

			if (S_ISDIR(st->type))
				r = hf_had(l->m->store, st->ino, st->from, st->until, cookie, gather_name, &w,
					   NULL);
		}
		fits = r >= 0 && listing_add_gathered(l, &g);
		cookie = g.limit;
		gathered_release(&g);
		*ret_code = r < 0 ? r : 0;
		if (!fits)
			return false;
	}
	return true;
}

static int list_versions(struct listing *l, const struct life *life)
{
	uint64_t after = l->from < OFF_VERSIONS ? 0 : l->from - OFF_VERSIONS;
	char name[VERSION_NAME_BYTES];
	bool more = life->is_file, fits = true;

	while (more && fits) {
		struct versions v;
		int r = life_versions(l->m, life, after, (l->size - l->used) / ENTRY_BYTES + 2, &v);

		if (r < 0)
			return r;
		more = v.more;
		for (size_t i = 0; fits && i < v.n; i++) {
			struct node node = node_of_version(&v.v[i]);

			version_format(&v.v[i], name);
			after = v.v[i].tid;
			fits = listing_add_bare(l, name, &node, v.v[i].removed ? S_IFREG : v.v[i].type,
						OFF_VERSIONS + after);
		}
		versions_release(&v);
	}
	return 0;
}

static bool add_dots(struct listing *l, const char *path)
{
	struct node up = { .kind = NODE_HISTORY };
	const char *slash = strrchr(path, '/');
	char *above;

	if (l->from >= OFF_DOTDOT || !*path)
		return listing_add_dots(l, &up);
	above = strndup(path, slash ? (size_t)(slash - path) : 0);
	up = node_of_path(above ? above : "");
	up.path = NULL;
	free(above);
	return listing_add_dots(l, &up);
}

int versions_list(struct listing *l)
{
	struct life *life;
	char *path;
	int r = nodes_path(&l->m->nodes, l->dir->id, &path);

	if (r < 0)
		return r;
	r = life_get(l->m, path, l->from > OFF_DOTDOT, &life);
	if (r == 0) {
		if (add_dots(l, path) &&
		    (!life->is_dir || l->from >= OFF_VERSIONS || list_names(l, life, &r)))
			r = list_versions(l, life);
		life_put(l->m, life);
	}
	free(path);
	return r;
}
