/* SPDX-License-Identifier: MIT */
/*
 * .history/deleted: of each directory what is gone from it, as it last was. A directory that is there shows
 * the directories in it as well, so that one can walk down; one that is gone, all it had. Neither shows
 * what was renamed: that is not gone. What is gone from a directory that is there may come back, or go
 * anew, so names in it are asked for each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mount_internal.h"

enum { AT_ONCE = 128 };

static bool is_there(const struct node *dir)
{
	return dir->tid == HF_TID_HEAD;
}

/*
 * How many directories are in it is not counted. A directory that is there has the time of its last change,
 * whatever it was given later: by that the kernel sees that its listing is out of date.
 */
void deleted_fit_attr(const struct node *node, struct hf_attr *attr)
{
	attr->nlink = 1;
	if (is_there(node))
		attr->mtime = attr->ctime;
}

static struct node node_of(uint64_t ino, uint32_t type, uint64_t tid)
{
	return (struct node){ .kind = S_ISDIR(type) ? NODE_DELETED : NODE_PAST, .tid = tid, .ino = ino };
}

/* --- looking up */

static void reply_node(fuse_req_t req, const struct node *node, double timeout_s)
{
	struct hf_view view = { mount_of(req)->store, node->tid };
	struct hf_attr attr;
	int r = hf_view_getattr(&view, node->ino, &attr, NULL);

	if (r < 0)
		return reply_code(req, r);
	if (node->kind == NODE_DELETED)
		deleted_fit_attr(node, &attr);
	reply_entry(req, node, &attr, timeout_s);
}

void deleted_reply_root(fuse_req_t req)
{
	struct node root = node_of(HF_ROOT_INO, S_IFDIR, HF_TID_HEAD);

	reply_node(req, &root, FOREVER_S);
}

/* Asked for by who came by a file handle. */
static void reply_above(fuse_req_t req, const struct target *dir)
{
	struct mount *m = mount_of(req);
	struct node up = node_of(0, S_IFDIR, HF_TID_HEAD);
	struct hf_attr attr;
	int r;

	if (dir->ino == HF_ROOT_INO)
		return history_reply_own(req, NODE_HISTORY);
	r = hf_view_parent(&dir->view, dir->ino, &up.ino, NULL);
	if (r == 0 && (hf_view_getattr(&m->head, up.ino, &attr, NULL) < 0 || attr.nlink == 0))
		r = -ESTALE; /* gone too, and later */
	if (r < 0)
		return reply_code(req, r);
	reply_node(req, &up, 0);
}

void deleted_lookup(fuse_req_t req, const struct target *dir, const char *name)
{
	struct mount *m = mount_of(req);
	double timeout_s = is_there(&dir->node) ? 0 : FOREVER_S;
	uint64_t ino, last_tid;
	struct hf_attr attr;
	struct node node;
	uint32_t type;
	int r = -ENOENT;

	if (strcmp(name, ".") == 0)
		return reply_node(req, &dir->node, timeout_s);
	if (strcmp(name, "..") == 0)
		return reply_above(req, dir);
	if (is_there(&dir->node))
		r = hf_view_lookup(&m->head, dir->ino, name, &attr, NULL);
	if (r == 0 && !S_ISDIR(attr.mode))
		return reply_code(req, -ENOENT); /* it is there */
	if (r == 0) {
		node = node_of(attr.ino, S_IFDIR, HF_TID_HEAD);
		return reply_node(req, &node, timeout_s);
	}
	if (r == -ENOENT || r == -ESTALE)
		r = hf_gone_find(m->store, dir->ino, name, &ino, &type, &last_tid, NULL);
	if (r < 0)
		return reply_code(req, r);
	node = node_of(ino, type, last_tid);
	reply_node(req, &node, timeout_s);
}

/* --- listing */

struct gathering {
	struct gathered *g;
	size_t left;
};

static int gather(struct gathering *w, uint64_t cookie, const char *name, const struct node *node,
		  uint32_t type)
{
	int r = gathered_add(w->g, cookie, name, node, type);

	if (r == 0 && --w->left == 0) {
		w->g->limit = cookie;
		return 1;
	}
	return r;
}

static int gather_gone(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		       uint64_t cookie)
{
	struct node node = node_of(ino, type, last_tid);

	return gather(arg, cookie, name, &node, type);
}

static int gather_there(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
			const struct hf_attr *attr)
{
	struct node node = node_of(ino, S_IFDIR, HF_TID_HEAD);
	struct gathering *w = arg;

	(void)attr;
	if (cookie > w->g->limit)
		return 1;
	return S_ISDIR(type) ? gather(w, cookie, name, &node, type) : 0;
}

/*
 * Some of what follows the cookie. First what is gone, and of what is there only as much as lies among it:
 * so nothing is gone through twice.
 */
static int gather_behind(struct listing *l, uint64_t cookie, struct gathered *g)
{
	struct gathering gone = { g, AT_ONCE }, there = { g, AT_ONCE };
	int r = hf_gone(l->m->store, l->dir->ino, cookie, gather_gone, &gone, NULL);

	if (r < 0 || !is_there(&l->dir->node))
		return r;
	r = hf_view_readdir(&l->m->head, l->dir->ino, cookie, 0, gather_there, &there, NULL);
	return r == -ESTALE ? 0 : r;
}

int deleted_list(struct listing *l)
{
	struct node up = l->dir->node;
	uint64_t cookie = l->from < OFF_FIRST ? 0 : l->from - 1;
	bool fits;
	int r = 0;

	if (l->dir->ino == HF_ROOT_INO)
		up = (struct node){ .kind = NODE_HISTORY };
	else if (l->from < OFF_DOTDOT)
		r = hf_view_parent(&l->dir->view, l->dir->ino, &up.ino, NULL);
	if (r < 0)
		return r;
	fits = listing_add_dots(l, &up);
	while (fits && cookie < OFF_VERSIONS) {
		struct gathered g = { .limit = UINT64_MAX };

		r = gather_behind(l, cookie, &g);
		fits = r >= 0 && listing_add_gathered(l, &g);
		cookie = g.limit;
		gathered_release(&g);
	}
	return r < 0 ? r : 0;
}
