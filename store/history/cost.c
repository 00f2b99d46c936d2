/* SPDX-License-Identifier: MIT */
/*
 * What a tree takes, and what only its past does (hf_cost). First the files that are or were in it: every
 * directory is asked what it has and what it ever had, down to those that are gone. Then what each is and was
 * made of: the lists of its blocks lie together in the index, those of the present under the inode's
 * generation, all others are past. At last each chunk is counted once.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/internal.h"
#include "store/tree/map.h"
#include "store/tree/view_internal.h"

enum { TID_BYTES = 8 };

struct cost {
	struct hf_store *s;
	const struct hf_progress *progress;
	struct hf_error *err;
	struct numbers dirs, dirs_gone; /* to be looked at */
	struct numbers files, files_gone;
	struct numbers chunks, chunks_past;
	struct block_list list;
	uint64_t pending_bytes; /* of what is not chunks yet */
	uint64_t seen;
	struct hf_cost sum;
};

static void cost_release(struct cost *c)
{
	numbers_release(&c->dirs);
	numbers_release(&c->dirs_gone);
	numbers_release(&c->files);
	numbers_release(&c->files_gone);
	numbers_release(&c->chunks);
	numbers_release(&c->chunks_past);
	block_list_release(&c->list);
}

static int damaged(struct cost *c)
{
	return hf_error_set(c->err, -EUCLEAN, "the index is damaged: mount with -o rebuild");
}

/* --- which files */

static int add_inode(struct cost *c, uint64_t ino, uint32_t type, bool gone)
{
	if (S_ISDIR(type))
		return numbers_add(gone ? &c->dirs_gone : &c->dirs, ino);
	if (!S_ISREG(type))
		return 0;
	return numbers_add(gone ? &c->files_gone : &c->files, ino);
}

static int take_child(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	(void)name;
	(void)cookie;
	(void)attr;
	return add_inode(arg, ino, type, false);
}

/* An entry that ended: it counts when that was the end of what it was of. */
static int take_entry(void *arg, const struct index_entry *e)
{
	struct cost *c = arg;
	struct entry entry;
	int r;

	if (e->key.len <= ENTRY_KEY_PREFIX + TID_BYTES || entry_decode(e->value, &entry) < 0)
		return damaged(c);
	r = was_removed(c->s, entry.ino, get_be64(e->key.data + e->key.len - TID_BYTES), c->err);
	return r == 1 ? add_inode(c, entry.ino, entry.type, true) : r;
}

/* All rows of a space with from <= key < to. */
static int each_row(struct cost *c, enum index_space space, struct key from, struct key to,
		    index_each_fn *each)
{
	return index_each(c->s->index, space, key_span(&from), key_span(&to), each, c, c->err);
}

static int look_into_dirs(struct cost *c)
{
	const struct hf_view head = { c->s, HF_TID_HEAD };
	int r = 0;

	while (r == 0 && c->dirs.n + c->dirs_gone.n > 0) {
		bool gone = c->dirs.n == 0;
		uint64_t dir = gone ? c->dirs_gone.v[--c->dirs_gone.n] : c->dirs.v[--c->dirs.n];

		if (!gone)
			r = hf_view_readdir(&head, dir, 0, 0, take_child, c, c->err);
		if (r == -ESTALE || r == -ENOENT)
			r = 0; /* removed meanwhile */
		if (r == 0)
			r = each_row(c, INDEX_PAST, key_number('d', dir),
				     key_after_prefix(key_number('d', dir)), take_entry);
	}
	return r;
}

static int take_stretch(void *arg, const struct hf_stretch *stretch)
{
	bool there = stretch->until == HF_TID_HEAD;

	return there || stretch->removed ? add_inode(arg, stretch->ino, stretch->type, !there) : 0;
}

/* --- what they are made of */

static int add_list(struct cost *c, struct span value, bool past)
{
	int r = block_list_decode(c->s->tree.runs, value, &c->list);

	if (r == -ENOENT)
		return 0; /* it was replaced just now by one that names the same bytes */
	if (r < 0)
		return r == -ENOMEM ? r : damaged(c);
	for (size_t i = 0; r == 0 && i < c->list.n; i++) {
		const struct piece *p = &c->list.pieces[i];

		if (p->kind == PIECE_PENDING)
			c->pending_bytes += past ? 0 : p->len;
		else if (p->kind == PIECE_CHUNK)
			r = numbers_add_again(past ? &c->chunks_past : &c->chunks, p->ref);
	}
	return r;
}

static int take_past_list(void *arg, const struct index_entry *e)
{
	return add_list(arg, e->value, true);
}

static int take_present_list(void *arg, const struct index_entry *e)
{
	return add_list(arg, e->value, false);
}

/* Lists of a generation that was dropped whole stay where the present ones are (map.h). */
static int take_lists(struct cost *c, uint64_t ino, bool gone)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	const struct key all = key_number('b', ino), end = key_after_prefix(all);
	struct key now;
	int r = each_row(c, INDEX_PAST, all, end, take_past_list);

	if (r < 0)
		return r;
	if (gone)
		return each_row(c, INDEX_HEAD, all, end, take_past_list);
	r = view_inode(&c->s->tree, HF_TID_HEAD, ino, &n, c->err);
	if (r < 0)
		return r == -ESTALE ? 0 : r;
	now = key_block(ino, n.i.generation, 0);
	r = each_row(c, INDEX_HEAD, all, now, take_past_list);
	return r == 0 ? each_row(c, INDEX_HEAD, now, end, take_present_list) : r;
}

static int count_version(void *arg, const struct hf_attr *attr, uint64_t ended)
{
	struct cost *c = arg;

	(void)ended;
	c->sum.versions +=
		attr->nlink > 0; /* the last state of what was removed is none that could be seen */
	return 0;
}

static int take_files(struct cost *c, struct numbers *files, bool gone)
{
	uint64_t total = c->files.n + c->files_gone.n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < files->n; i++) {
		if (c->progress && c->progress->fn && ++c->seen % 1024 == 0)
			c->progress->fn(c->progress->arg, "adding up files", c->seen, total);
		r = take_lists(c, files->v[i], gone);
		if (r == 0)
			r = hf_versions(c->s, files->v[i], 0, HF_TID_HEAD, 0, count_version, c, c->err);
	}
	return r;
}

static int add_up(struct cost *c, const struct numbers *chunks, const struct numbers *but, uint64_t *ret)
{
	for (size_t i = 0; i < chunks->n; i++) {
		struct chunk_place place;
		int r;

		if (but && numbers_have(but, chunks->v[i]))
			continue;
		r = tree_chunk_place(&c->s->tree, chunks->v[i], &place, c->err);
		if (r < 0)
			return r;
		*ret += place.len;
	}
	return 0;
}

static int work_out(struct cost *c)
{
	int r;

	numbers_sort(&c->files);
	numbers_sort(&c->files_gone);
	c->sum.files = c->files.n;
	c->sum.removed = c->files_gone.n;
	r = take_files(c, &c->files, false);
	if (r == 0)
		r = take_files(c, &c->files_gone, true);
	if (r < 0)
		return r;
	numbers_sort(&c->chunks);
	numbers_sort(&c->chunks_past);
	c->sum.present_bytes = c->pending_bytes;
	r = add_up(c, &c->chunks, NULL, &c->sum.present_bytes);
	return r == 0 ? add_up(c, &c->chunks_past, &c->chunks, &c->sum.past_bytes) : r;
}

int hf_cost(struct hf_store *s, const char *path, struct hf_cost *ret, const struct hf_progress *progress,
	    struct hf_error *err)
{
	CLEANUP(cost_release)
	struct cost c = { .s = s, .progress = progress, .err = err, .list = BLOCK_LIST_INIT };
	int r = hf_life(s, path, take_stretch, &c, err);

	if (r == 0)
		r = look_into_dirs(&c);
	if (r == 0)
		r = work_out(&c);
	if (r == -ENOMEM)
		return hf_error_set(err, r, "no memory");
	if (r < 0)
		return r;
	*ret = c.sum;
	return 0;
}
