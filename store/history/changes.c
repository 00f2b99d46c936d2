/* SPDX-License-Identifier: MIT */
/* Operations and inodes: which there were, and what they were called (holdfast/history.h). */
#include <errno.h>
#include <string.h>

#include "store/history/internal.h"
#include "store/tree/view_internal.h"

struct history_limits history_limits = {
	.few_ops = 4096,
	.stretch_ops = 4096,
	.ops_a_row = 32,
	.members = 32,
	.states = 64,
};

static enum hf_change_kind kind_of(const struct op_note *note)
{
	switch (note->type) {
	case OP_CREATE:
		return HF_CHANGE_CREATE;
	case OP_LINK:
		return HF_CHANGE_LINK;
	case OP_UNLINK:
		return HF_CHANGE_REMOVE;
	case OP_RENAME:
		return note->ino ? HF_CHANGE_RENAME :
				   HF_CHANGE_OWN; /* of one name of a file to another of it: nothing */
	case OP_SETATTR:
		return HF_CHANGE_ATTRIBUTES;
	case OP_WRITE:
		return HF_CHANGE_WRITE;
	case OP_RANGE:
		return HF_CHANGE_ALLOCATE;
	case OP_CLONE:
		return HF_CHANGE_COPY;
	case OP_SETXATTR:
	case OP_REMOVEXATTR:
		return HF_CHANGE_XATTR;
	case OP_TAG:
		return HF_CHANGE_TAG;
	default:
		return HF_CHANGE_OWN;
	}
}

struct changes_walk {
	hf_change_fn *each;
	void *arg;
};

static int tell_change(void *arg, const struct op_note *note)
{
	const struct changes_walk *w = arg;
	struct hf_change change = {
		.tid = note->tid,
		.time_ns = note->time_ns,
		.kind = kind_of(note),
		.ino = note->ino,
		.other = note->other,
		.bytes = note->bytes,
		.uid = note->uid,
	};

	return w->each(w->arg, &change);
}

int hf_changes(struct hf_store *s, uint64_t since, uint64_t until, unsigned flags, hf_change_fn *each,
	       void *arg, struct hf_error *err)
{
	struct changes_walk w = { each, arg };

	return tree_notes(s->index, since, until, flags & HF_NEWEST_FIRST, tell_change, &w, err);
}

/* What is now, held still: between two looks at it a name may become another. */
static struct hf_view still(const struct hf_view *v)
{
	struct hf_view held = *v;
	struct hf_status status;

	if (v->tid == HF_TID_HEAD) {
		hf_store_status(v->store, &status);
		held.tid = status.head_tid;
	}
	return held;
}

int hf_view_names(const struct hf_view *v, uint64_t ino, hf_name_fn *each, void *arg, struct hf_error *err)
{
	const struct hf_view held = still(v);

	return tree_names(&held.store->tree, held.tid, ino, each, arg, err);
}

ssize_t hf_view_path(const struct hf_view *v, uint64_t ino, char *out, size_t size, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const struct hf_view held = still(v);
	int r = path_of(&held, ino, &path, err);

	if (r < 0)
		return r;
	if (path.len + 1 > size)
		return hf_error_set(err, -ERANGE, "the path has %zu bytes", path.len);
	memcpy(out, path.data ? path.data : (const uint8_t *)"", path.len);
	out[path.len] = 0;
	return (ssize_t)path.len;
}

int state_of(const struct hf_view *v, uint64_t ino, struct hf_attr *ret, struct hf_error *err)
{
	struct hf_error here = HF_ERROR_INIT;
	int r = hf_view_getattr(v, ino, ret, &here);

	if (r == -ESTALE || (r == 0 && ret->nlink == 0 && ino != HF_ROOT_INO))
		return 0;
	return r < 0 ? hf_error_set(err, r, "%s", here.text) : 1;
}

struct versions_walk {
	uint64_t ino;
	hf_version_fn *each;
	void *arg;
	struct hf_error *err;
};

static int tell_version(void *arg, struct span value, uint64_t from, uint64_t ended)
{
	const struct versions_walk *w = arg;
	struct hf_attr attr;
	struct inode i;

	(void)from;
	if (inode_decode(w->ino, value, &i) < 0)
		return hf_error_set(w->err, -EUCLEAN,
				    "the index is damaged at inode %llu: mount with -o rebuild",
				    (unsigned long long)w->ino);
	inode_to_attr(&i, &attr);
	return w->each(w->arg, &attr, ended);
}

int hf_versions(struct hf_store *s, uint64_t ino, uint64_t since, uint64_t until, unsigned flags,
		hf_version_fn *each, void *arg, struct hf_error *err)
{
	struct versions_walk w = { ino, each, arg, err };
	struct key key = key_inode(ino);

	return past_versions(s->index, &key, since, until, flags & HF_NEWEST_FIRST, tell_version, &w, err);
}
