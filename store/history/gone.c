/* SPDX-License-Identifier: MIT */
/*
 * What a directory had and has no more. All entries that ended lie together in the index's past; the last
 * of each name counts, if the name is of nothing now and was taken away, not changed to another.
 */
#include <errno.h>
#include <string.h>

#include "store/history/internal.h"
#include "store/tree/view_internal.h"

enum { ROWS_AT_ONCE = 256, TID_BYTES = 8 };

static int damaged(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index is damaged in a directory: mount with -o rebuild");
}

struct gone_walk {
	struct hf_store *s;
	hf_gone_fn *each;
	void *arg;
	struct hf_error *err;
	/* the name being looked at: the last of its entries that was read */
	struct key key; /* without the tid; len 0: none yet */
	uint64_t ino, ended;
	uint32_t type;
};

/* All entries of the name have been seen. */
static int tell_name(struct gone_walk *w)
{
	CLEANUP(buf_release) struct buf now = BUF_INIT;
	int r;

	if (w->key.len == 0)
		return 0;
	r = index_get(w->s->index, INDEX_HEAD, w->key.bytes, w->key.len, &now, w->err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = was_unlinked(w->s, w->ino, w->ended, w->err);
	if (r <= 0)
		return r;
	return w->each(w->arg, (const char *)w->key.bytes + ENTRY_KEY_PREFIX, w->ino, w->type, w->ended - 1,
		       get_be64(w->key.bytes + ENTRY_KEY_PREFIX - 8));
}

static int see_row(struct gone_walk *w, const struct index_entry *e)
{
	const size_t len = e->key.len - TID_BYTES;
	struct entry entry;
	int r = 0;

	if (e->key.len <= ENTRY_KEY_PREFIX + 1 + TID_BYTES || len > sizeof(w->key.bytes) ||
	    entry_decode(e->value, &entry) < 0)
		return damaged(w->err);
	if (w->key.len != len || memcmp(w->key.bytes, e->key.data, len) != 0) {
		r = tell_name(w);
		memcpy(w->key.bytes, e->key.data, len);
		w->key.len = len;
	}
	w->ino = entry.ino;
	w->type = entry.type;
	w->ended = get_be64(e->key.data + len);
	return r;
}

/* Of the name at hand, which may have ended a million times, the last row; and go on behind it. */
static int jump(struct gone_walk *w, struct key *from)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key to = key_after_prefix(w->key);
	int r = index_scan(w->s->index, INDEX_PAST, key_span(&w->key), key_span(&to), 1, INDEX_REVERSE, &rows,
			   w->err);

	*from = to;
	return r == 0 && rows.n == 1 ? see_row(w, &rows.entries[0]) : r;
}

static int walk(struct gone_walk *w, struct key from, const struct key *to)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	int r;

	do {
		r = index_scan(w->s->index, INDEX_PAST, key_span(&from), key_span(to), ROWS_AT_ONCE, 0, &rows,
			       w->err);
		for (size_t k = 0; r == 0 && k < rows.n; k++)
			r = see_row(w, &rows.entries[k]);
		if (r == 0 && rows.more && rows.n > 0)
			r = jump(w, &from);
	} while (r == 0 && rows.more && rows.n > 0);
	return r == 0 ? tell_name(w) : r;
}

int hf_gone(struct hf_store *s, uint64_t dir, uint64_t cookie, hf_gone_fn *each, void *arg,
	    struct hf_error *err)
{
	struct gone_walk w = { .s = s, .each = each, .arg = arg, .err = err };
	struct key from = key_number('d', dir), to = key_after_prefix(from);

	key_add_be64(&from, cookie ? cookie + 1 : 0);
	return walk(&w, from, &to);
}

struct gone_one {
	const char *name;
	uint64_t *ino, *last_tid;
	uint32_t *type;
	bool found;
};

static int take_one(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t last_tid,
		    uint64_t cookie)
{
	struct gone_one *o = arg;

	(void)cookie;
	if (strcmp(name, o->name) != 0)
		return 0;
	*o->ino = ino;
	*o->type = type;
	*o->last_tid = last_tid;
	o->found = true;
	return 1;
}

int hf_gone_find(struct hf_store *s, uint64_t dir, const char *name, uint64_t *ret_ino, uint32_t *ret_type,
		 uint64_t *ret_last_tid, struct hf_error *err)
{
	struct gone_one one = { name, ret_ino, ret_last_tid, ret_type, false };
	struct gone_walk w = { .s = s, .each = take_one, .arg = &one, .err = err };
	const struct span span = span_text(name);
	struct key from, to;
	int r;

	if (name_check(name, span.len) < 0)
		return hf_error_set(err, -ENOENT, "nothing called %.64s was ever removed there", name);
	from = key_entry(s->tree.keys, dir, span);
	to = key_after_prefix(from);
	r = walk(&w, from, &to);
	if (r < 0)
		return r;
	return one.found ? 0 : hf_error_set(err, -ENOENT, "nothing called %.64s was removed there", name);
}
