/* SPDX-License-Identifier: MIT */
/*
 * What each operation was, in brief. One entry a group: key 'g' and the group's first tid; value: varint
 * first time, then for each operation a byte (below), for all but the first varint tid and time differences,
 * and what the byte says follows. So the operations between any two moments are one scan, without the log.
 *
 * A second, empty entry, 'T' with first time and first tid, finds the group of a time (times.c).
 */
#include <errno.h>

#include "store/tree/keys.h"
#include "store/tree/tree.h"
#include "store/tree/notes.h"

/* The byte: how far the type is behind OP_CREATE, and what follows, as varints in this order. */
enum {
	NOTE_TYPE = 0x0f,
	NOTE_INO = 0x10,   /* inode; else as the one before */
	NOTE_OTHER = 0x20, /* the other inode */
	NOTE_BYTES = 0x40, /* bytes */
	NOTE_UID = 0x80,   /* uid + 1, 0: not known; else as the one before (the first: not known) */
};

enum { GROUPS_AT_ONCE = 16 };

static void note_encode(const struct op_note *note, const struct op_note *before, struct buf *out)
{
	uint8_t head = (uint8_t)(note->type - OP_CREATE);

	head |= note->ino != before->ino ? NOTE_INO : 0;
	head |= note->other != 0 ? NOTE_OTHER : 0;
	head |= note->bytes != 0 ? NOTE_BYTES : 0;
	head |= note->uid != before->uid ? NOTE_UID : 0;
	buf_add_u8(out, head);
	if (before->tid != 0) {
		buf_add_varint(out, note->tid - before->tid);
		buf_add_varint(out, note->time_ns - before->time_ns);
	}
	if (head & NOTE_INO)
		buf_add_varint(out, note->ino);
	if (head & NOTE_OTHER)
		buf_add_varint(out, note->other);
	if (head & NOTE_BYTES)
		buf_add_varint(out, note->bytes);
	if (head & NOTE_UID)
		buf_add_varint(out, note->uid == UID_UNKNOWN ? 0 : (uint64_t)note->uid + 1);
}

void tree_put_notes(struct index_batch *batch, const struct op_note *notes, size_t n)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	struct op_note before = { .uid = UID_UNKNOWN };
	struct key key;

	if (n == 0)
		return;
	buf_add_varint(&value, notes[0].time_ns);
	for (size_t k = 0; k < n; k++) {
		note_encode(&notes[k], &before, &value);
		before = notes[k];
	}
	key = key_number('g', notes[0].tid);
	index_batch_put(batch, INDEX_META, key.bytes, key.len, value.data, value.len);
	key = key_number('T', notes[0].time_ns);
	key_add_be64(&key, notes[0].tid);
	index_batch_put(batch, INDEX_META, key.bytes, key.len, NULL, 0);
}

int notes_begin(struct notes_reader *g, struct span key, struct span value, struct hf_error *err)
{
	*g = (struct notes_reader){ .c = cursor_of(value.data, value.len), .err = err, .first = true };
	if (key.len != 9)
		return hf_error_set(err, -EUCLEAN, "the index of times is damaged: mount with -o rebuild");
	g->note.tid = get_be64(key.data + 1);
	g->note.time_ns = cursor_varint(&g->c);
	g->note.uid = UID_UNKNOWN;
	return 0;
}

int notes_next(struct notes_reader *g)
{
	struct op_note *n = &g->note;
	uint64_t uid;
	uint8_t head;

	if (cursor_status(&g->c) == 0 && cursor_left(&g->c) == 0)
		return 0;
	head = cursor_u8(&g->c);
	n->type = (uint8_t)(OP_CREATE + (head & NOTE_TYPE));
	if (!g->first) {
		n->tid += cursor_varint(&g->c);
		n->time_ns += cursor_varint(&g->c);
	}
	g->first = false;
	if (head & NOTE_INO)
		n->ino = cursor_varint(&g->c);
	n->other = head & NOTE_OTHER ? cursor_varint(&g->c) : 0;
	n->bytes = head & NOTE_BYTES ? cursor_varint(&g->c) : 0;
	if (head & NOTE_UID) {
		uid = cursor_varint(&g->c);
		n->uid = uid == 0 ? UID_UNKNOWN : (uint32_t)(uid - 1);
	}
	if (cursor_status(&g->c) < 0)
		return hf_error_set(g->err, -EUCLEAN, "the index of times is damaged: mount with -o rebuild");
	return 1;
}

/* What is asked for, and a group's notes when they are told backwards. */
struct notes_walk {
	uint64_t since, until;
	tree_note_fn *each;
	void *arg;
	struct op_note *group;
	size_t n, cap;
};

static int keep(struct notes_walk *w, const struct op_note *note)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 256;
		struct op_note *grown = realloc(w->group, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		w->group = grown;
		w->cap = cap;
	}
	w->group[w->n++] = *note;
	return 0;
}

static int walk_group(struct notes_walk *w, const struct index_entry *e, bool reverse, struct hf_error *err)
{
	struct notes_reader g;
	int r = notes_begin(&g, e->key, e->value, err);

	w->n = 0;
	while (r == 0 && (r = notes_next(&g)) == 1) {
		r = 0;
		if (g.note.tid <= w->since)
			continue;
		if (g.note.tid > w->until)
			break;
		r = reverse ? keep(w, &g.note) : w->each(w->arg, &g.note);
	}
	for (size_t k = w->n; r == 0 && k > 0; k--)
		r = w->each(w->arg, &w->group[k - 1]);
	return r;
}

/* Where the group begins that holds an operation behind `since`, or may. */
static int first_group(struct index *x, uint64_t since, struct key *ret, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct key from = { .len = 1, .bytes = { 'g' } }, to = key_number('g', since);
	int r;

	to.bytes[to.len++] = 0;
	r = index_scan(x, INDEX_META, key_span(&from), key_span(&to), 1, INDEX_REVERSE | INDEX_KEYS_ONLY,
		       &rows, err);
	if (r < 0)
		return r;
	*ret = from;
	if (rows.n == 1 && rows.entries[0].key.len == 9)
		*ret = key_number('g', get_be64(rows.entries[0].key.data + 1));
	return 0;
}

int tree_notes(struct index *x, uint64_t since, uint64_t until, bool reverse, tree_note_fn *each, void *arg,
	       struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	struct notes_walk w = { .since = since, .until = until, .each = each, .arg = arg };
	struct key from, to = key_number('g', until);
	size_t at_once = 1; /* who asks for a single operation needs one */
	int r = first_group(x, since, &from, err);

	to.bytes[to.len++] = 0;
	do {
		if (r == 0)
			r = index_scan(x, INDEX_META, key_span(&from), key_span(&to), at_once,
				       reverse ? INDEX_REVERSE : 0, &rows, err);
		for (size_t k = 0; r == 0 && k < rows.n; k++)
			r = walk_group(&w, &rows.entries[k], reverse, err);
		if (r == 0 && rows.n > 0) {
			struct key *edge = reverse ? &to : &from;

			*edge = key_number('g', get_be64(rows.entries[rows.n - 1].key.data + 1));
			if (!reverse)
				edge->bytes[edge->len++] = 0;
		}
		at_once = GROUPS_AT_ONCE;
	} while (r == 0 && rows.more && rows.n > 0);
	free(w.group);
	return r;
}
