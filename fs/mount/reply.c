/* SPDX-License-Identifier: MIT */
/*
 * Replies to the kernel: attributes and entries, with the lookup counts that go with them, and buffers to
 * fill.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/mount/mount_internal.h"

struct buffer {
	size_t size;
	char bytes[];
};

int reply_init(struct mount *m)
{
	return -pthread_key_create(&m->buffer_key, free);
}

/* The serving threads have freed theirs when they ended. */
void reply_release(struct mount *m)
{
	free(pthread_getspecific(m->buffer_key));
	pthread_key_delete(m->buffer_key);
}

void *reply_buffer(struct mount *m, size_t size)
{
	struct buffer *b = pthread_getspecific(m->buffer_key);

	if (b && b->size >= size)
		return b->bytes;
	free(b);
	b = malloc(sizeof(*b) + size);
	if (b)
		b->size = size;
	if (pthread_setspecific(m->buffer_key, b) != 0) {
		free(b);
		b = NULL;
	}
	return b ? b->bytes : NULL;
}

int target_find(struct mount *m, uint64_t node_id, struct target *ret)
{
	int r = 0;

	*ret = (struct target){ .id = node_id, .view = m->head };
	if (node_id_is_live(node_id))
		ret->node = (struct node){ .kind = NODE_LIVE, .ino = node_id };
	else
		r = nodes_find(&m->nodes, node_id, &ret->node);
	if (r < 0)
		return r;
	if (ret->node.kind == NODE_PAST || ret->node.kind == NODE_DELETED)
		ret->view.tid = ret->node.tid;
	ret->ino = ret->node.ino;
	return 0;
}

int target_getattr(struct mount *m, const struct target *t, struct hf_attr *ret)
{
	if (t->node.kind > NODE_PAST)
		return history_getattr(m, t, ret);
	return hf_view_getattr(&t->view, t->ino, ret, NULL);
}

void reply_fill_stat(const struct node *node, const struct hf_attr *attr, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = node_st_ino(node),
		.st_mode = attr->mode,
		.st_nlink = attr->nlink,
		.st_uid = attr->uid,
		.st_gid = attr->gid,
		.st_rdev = attr->rdev,
		.st_size = (off_t)attr->size_bytes,
		.st_blocks = (blkcnt_t)attr->blocks,
		.st_blksize = 4096,
		.st_atim = attr->atime,
		.st_mtim = attr->mtime,
		.st_ctim = attr->ctime,
	};
}

void reply_errno(fuse_req_t req, int error)
{
	tally_error(error);
	fuse_reply_err(req, error);
}

void reply_code(fuse_req_t req, int code)
{
	reply_errno(req, mount_errno(code));
}

void reply_attr(fuse_req_t req, const struct node *node, const struct hf_attr *attr)
{
	struct stat st;

	reply_fill_stat(node, attr, &st);
	fuse_reply_attr(req, &st, stale_timeout_s(mount_of(req), node));
}

int entry_take(struct mount *m, const struct node *node, const struct hf_attr *attr, double entry_timeout_s,
	       struct fuse_entry_param *ret)
{
	uint64_t id;
	int r = nodes_ref(&m->nodes, node, &id);

	if (r < 0)
		return r;
	if (node->kind == NODE_LIVE && !m->fixed)
		hf_ref(m->store, node->ino, 1);
	*ret = (struct fuse_entry_param){
		.ino = id,
		.generation = attr->generation,
		.attr_timeout = stale_timeout_s(m, node),
		.entry_timeout = entry_timeout_s,
	};
	reply_fill_stat(node, attr, &ret->attr);
	return 0;
}

void entry_give_back(struct mount *m, uint64_t node_id)
{
	if (!node_id_is_live(node_id))
		nodes_forget(&m->nodes, node_id, 1);
	else if (!m->fixed)
		hf_unref(m->store, node_id, 1);
}

void reply_entry(fuse_req_t req, const struct node *node, const struct hf_attr *attr, double entry_timeout_s)
{
	struct mount *m = mount_of(req); /* the request is gone after the reply */
	struct fuse_entry_param e;
	int r = entry_take(m, node, attr, entry_timeout_s, &e);

	if (r < 0)
		return reply_code(req, r);
	if (fuse_reply_entry(req, &e) < 0)
		entry_give_back(m, e.ino);
}
