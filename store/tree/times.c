/* SPDX-License-Identifier: MIT */
/*
 * Which operation happened when: the group of a tid or of a time is found by one step back from it, for both
 * only rise; within the group it is found in its notes (notes.c). And the small entries beside: tags,
 * orphans.
 */
#include <errno.h>

#include "store/tree/keys.h"
#include "store/tree/notes.h"
#include "store/tree/tree.h"

/* The last entry of this kind whose key is below `to`, or the first of all. 1, 0. */
static int find_row(struct index *x, char kind, const struct key *to, unsigned flags, struct index_rows *rows,
		    struct hf_error *err)
{
	struct key from = { .len = 1, .bytes = { (uint8_t)kind } };
	int r = index_scan(x, INDEX_META, key_span(&from), key_span(to), 1, flags, rows, err);

	return r < 0 ? r : rows->n > 0;
}

/* Walk a group's operations while they are at or before the limits; the last such, or the first of all. */
static int walk_group(struct span key, struct span value, uint64_t tid_max, uint64_t time_max,
		      struct hf_point *ret, struct hf_error *err)
{
	struct notes_reader g;
	int r = notes_begin(&g, key, value, err);

	if (r < 0)
		return r;
	*ret = (struct hf_point){ g.note.tid, g.note.time_ns };
	while ((r = notes_next(&g)) == 1 && g.note.tid <= tid_max && g.note.time_ns <= time_max)
		*ret = (struct hf_point){ g.note.tid, g.note.time_ns };
	return r < 0 ? r : 0;
}

int tree_time_of_tid(struct index *x, uint64_t tid, struct hf_point *ret, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key to = key_number('g', tid);
	int r;

	to.bytes[to.len++] = 0;
	r = find_row(x, 'g', &to, INDEX_REVERSE, &rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return hf_error_set(err, -ENOENT, "there is no operation %llu", (unsigned long long)tid);
	return walk_group(rows.entries[0].key, rows.entries[0].value, tid, UINT64_MAX, ret, err);
}

int tree_tid_of_time(struct index *x, uint64_t time_ns, struct hf_point *ret, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key to = key_number('T', time_ns), group;
	int r;

	key_add_be64(&to, UINT64_MAX);
	r = find_row(x, 'T', &to, INDEX_REVERSE, &rows, err);
	if (r < 0)
		return r;
	if (r == 0)
		return hf_error_set(err, -ENOENT, "nothing had happened yet then");
	if (rows.entries[0].key.len != 17)
		return hf_error_set(err, -EUCLEAN, "the index of times is damaged: mount with -o rebuild");
	group = key_number('g', get_be64(rows.entries[0].key.data + 9));
	r = index_get(x, INDEX_META, group.bytes, group.len, &value, err);
	if (r <= 0)
		return r < 0 ? r :
			       hf_error_set(err, -EUCLEAN,
					    "the index of times is damaged: mount with -o rebuild");
	return walk_group(key_span(&group), (struct span){ value.data, value.len }, UINT64_MAX, time_ns, ret,
			  err);
}

int tree_first_point(struct index *x, struct hf_point *ret, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key to = { .len = 1, .bytes = { 'g' + 1 } };
	int r = find_row(x, 'g', &to, 0, &rows, err);

	if (r < 0)
		return r;
	if (r == 0)
		return hf_error_set(err, -ENOENT, "nothing has happened yet");
	return walk_group(rows.entries[0].key, rows.entries[0].value, 0, 0, ret, err);
}

int tree_tag_find(struct index *x, const char *name, uint64_t *ret_tid, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct key key = { .len = 1, .bytes = { 'n' } };
	struct cursor c;
	int r;

	if (tag_name_check(name, strlen(name)) < 0)
		return hf_error_set(err, -ENOENT, "there is no tag %s", name);
	key_add_name(&key, name, strlen(name));
	r = index_get(x, INDEX_META, key.bytes, key.len, &value, err);
	if (r < 0)
		return r;
	if (r == 0)
		return hf_error_set(err, -ENOENT, "there is no tag %s", name);
	c = cursor_of(value.data, value.len);
	*ret_tid = cursor_varint(&c);
	return cursor_finish(&c);
}

struct tag_walk {
	int (*each)(void *arg, const char *name, uint64_t tid);
	void *arg;
};

/* All META entries that begin with this byte. */
static int each_meta(struct index *x, char kind, index_each_fn *each, void *arg, struct hf_error *err)
{
	const struct key from = { .len = 1, .bytes = { (uint8_t)kind } };
	const struct key to = { .len = 1, .bytes = { (uint8_t)(kind + 1) } };

	return index_each(x, INDEX_META, key_span(&from), key_span(&to), each, arg, err);
}

static int each_tag(void *arg, const struct index_entry *e)
{
	struct tag_walk *w = arg;
	struct cursor c = cursor_of(e->value.data, e->value.len);

	/* the key's name ends with a NUL */
	return w->each(w->arg, (const char *)e->key.data + 1, cursor_varint(&c));
}

int tree_tags(struct index *x, int (*each)(void *arg, const char *name, uint64_t tid), void *arg,
	      struct hf_error *err)
{
	struct tag_walk w = { each, arg };

	return each_meta(x, 'n', each_tag, &w, err);
}

static int no_tag(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index of tags is damaged: mount with -o rebuild");
}

int tree_tag_told(struct index *x, uint64_t tid, struct buf *ret_name, uint64_t *ret_tid,
		  struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	const struct key key = key_number('t', tid);
	struct cursor c;
	uint64_t tid_plus_1;
	int r = index_get(x, INDEX_META, key.bytes, key.len, &value, err);

	if (r < 0)
		return r;
	c = cursor_of(value.data, value.len);
	tid_plus_1 = cursor_varint(&c);
	if (r == 0 || cursor_status(&c) < 0 || cursor_left(&c) == 0)
		return no_tag(err);
	buf_clear(ret_name);
	buf_add(ret_name, c.data + c.pos, cursor_left(&c));
	buf_add_u8(ret_name, 0);
	*ret_tid = tid_plus_1 == 0 ? HF_TID_HEAD : tid_plus_1 - 1;
	return buf_status(ret_name);
}

struct tag_operations {
	int (*each)(void *arg, uint64_t tid);
	void *arg;
	struct hf_error *err;
};

static int each_tag_operation(void *arg, const struct index_entry *e)
{
	const struct tag_operations *w = arg;

	return e->key.len == 9 ? w->each(w->arg, get_be64(e->key.data + 1)) : no_tag(w->err);
}

int tree_tag_operations(struct index *x, uint64_t since, uint64_t until, int (*each)(void *arg, uint64_t tid),
			void *arg, struct hf_error *err)
{
	struct tag_operations w = { each, arg, err };
	struct key from = key_number('t', since), to = key_number('t', until);

	from.bytes[from.len++] = 0; /* the first behind it */
	to.bytes[to.len++] = 0;
	return index_each(x, INDEX_META, key_span(&from), key_span(&to), each_tag_operation, &w, err);
}

struct orphan_list {
	uint64_t **inos;
	size_t *n;
};

static int each_orphan(void *arg, const struct index_entry *e)
{
	struct orphan_list *l = arg;
	uint64_t *grown = realloc(*l->inos, (*l->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	*l->inos = grown;
	grown[(*l->n)++] = get_be64(e->key.data + 1);
	return 0;
}

int tree_orphans(struct index *x, uint64_t **inos, size_t *n, struct hf_error *err)
{
	struct orphan_list l = { inos, n };

	return each_meta(x, 'o', each_orphan, &l, err);
}
