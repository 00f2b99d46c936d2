/* SPDX-License-Identifier: MIT */
/*
 * Packing a sealed group: its runs are cut into chunks, chunks that exist are named and new ones put into
 * data frames, then the operations become records. Requires the pack lock; touches nothing that readers see
 * but the index of chunk names.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/chunk/cut.h"
#include "store/volume/rot.h"
#include "store/volume/volume.h"

enum {
	SHARED_CHUNK_MAX = 32 << 10,  /* chunks up to this share a frame … */
	SHARED_FRAME_MAX = 128 << 10, /* … of up to this */
	META_FRAME_MAX = 1 << 20,
	WHO_BYTES = 8,     /* at most, of such a record */
	NAMES_AT_ONCE = 8, /* hashed side by side */
};

/* One chunk as cut: a stretch of a run. */
struct slice {
	const struct run_part *part; /* in which it begins */
	uint32_t off, len;           /* in the run */
	size_t run;                  /* index in the group's runs */
	bool last;                   /* of its run */
	uint8_t name[HASH_BYTES];
};

struct found {
	uint8_t name[HASH_BYTES];
	uint64_t number;
	UT_hash_handle hh;
};

struct packing {
	struct hf_store *s;
	struct group *g;
	struct slice *slices;
	size_t n, cap;
	struct found *found; /* chunks new in this group, by name */
	size_t cap_frames;
	size_t n_data; /* data frames */
	size_t shared; /* the data frame that takes small chunks now + 1; 0: none */
	struct rot_look look;
};

static int slice_add(struct packing *p, const struct run_part *part, uint32_t off, uint32_t len, size_t run)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct slice *grown = realloc(p->slices, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->slices = grown;
		p->cap = cap;
	}
	p->slices[p->n++] = (struct slice){ .part = part, .off = off, .len = len, .run = run };
	return 0;
}

static int cut_run(struct packing *p, size_t run)
{
	uint32_t total, at = 0, start = 0;
	const struct run_part *part = run_parts(p->s->tree.runs, p->g->runs[run].id, &total);
	const struct run_part *start_part = part;
	struct cut cut;

	cut_init(&cut);
	for (; part; part = part->next) {
		uint32_t done = 0;

		while (done < part->len) {
			bool end = false;

			if (start == at)
				start_part = part;
			done += (uint32_t)cut_feed(&cut, part->data + done, part->len - done, &end);
			at = part->start + done;
			if (end) {
				if (slice_add(p, start_part, start, at - start, run) < 0)
					return -ENOMEM;
				start = at;
			}
		}
	}
	assert(at == total);
	if (at > start && slice_add(p, start_part, start, at - start, run) < 0)
		return -ENOMEM;
	if (total > 0)
		p->slices[p->n - 1].last = true;
	return 0;
}

/* Call fn for each stretch of memory of a slice. */
static void slice_each(const struct slice *sl, void (*fn)(void *arg, const void *data, size_t len), void *arg)
{
	const struct run_part *part = sl->part;
	uint32_t off = sl->off, left = sl->len;

	while (left > 0) {
		uint32_t skip = off - part->start;
		uint32_t n = part->len - skip < left ? part->len - skip : left;

		fn(arg, part->data + skip, n);
		off += n;
		left -= n;
		part = part->next;
	}
}

static void add_to_hash(void *arg, const void *data, size_t len)
{
	hash_add(arg, data, len);
}

static void add_to_buf(void *arg, const void *data, size_t len)
{
	buf_add(arg, data, len);
}

static void name_slice(struct packing *p, struct slice *sl)
{
	struct hash h;

	keyring_chunk_name_begin(p->s->keys, &h);
	slice_each(sl, add_to_hash, &h);
	hash_end(&h, sl->name, HASH_BYTES);
}

static bool is_in_one_part(const struct slice *sl)
{
	return sl->off - sl->part->start + sl->len <= sl->part->len;
}

/* Where a slice's bytes stand together: in its part, or, when it goes over several, at the end of scratch. */
static const void *slice_bytes(const struct slice *sl, struct buf *scratch)
{
	const size_t at = scratch->len;

	if (is_in_one_part(sl))
		return sl->part->data + (sl->off - sl->part->start);
	slice_each(sl, add_to_buf, scratch);
	return scratch->data + at;
}

/* Names of NAMES_AT_ONCE slices, which are hashed side by side. Without memory for that, one by one. */
static void name_slices(void *arg, size_t batch)
{
	CLEANUP(buf_release) struct buf scratch = BUF_INIT;
	struct packing *p = arg;
	struct slice *first = &p->slices[batch * NAMES_AT_ONCE];
	size_t n =
		p->n - batch * NAMES_AT_ONCE < NAMES_AT_ONCE ? p->n - batch * NAMES_AT_ONCE : NAMES_AT_ONCE;
	struct hash_job jobs[NAMES_AT_ONCE];
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += is_in_one_part(&first[i]) ? 0 : first[i].len;
	if (bytes && buf_reserve(&scratch, bytes) < 0) { /* so that it never moves */
		for (size_t i = 0; i < n; i++)
			name_slice(p, &first[i]);
		return;
	}
	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct hash_job){ slice_bytes(&first[i], &scratch), first[i].len, first[i].name };
	keyring_chunk_names(p->s->keys, jobs, n);
}

static struct log_frame *frame_add(struct packing *p, uint8_t type)
{
	struct group *g = p->g;

	if (g->n_frames == p->cap_frames) {
		size_t cap = p->cap_frames ? p->cap_frames * 2 : 8;
		struct log_frame *grown = realloc(g->frames, cap * sizeof(*grown));

		if (!grown)
			return NULL;
		g->frames = grown;
		p->cap_frames = cap;
	}
	g->frames[g->n_frames] = (struct log_frame){ .type = type, .plain = BUF_INIT, .packed = BUF_INIT };
	return &g->frames[g->n_frames++];
}

/* The data frame that is to take a chunk of this length. */
static int frame_for(struct packing *p, uint32_t len, uint32_t *ret)
{
	struct group *g = p->g;
	struct log_frame *f;

	if (len <= SHARED_CHUNK_MAX && p->shared &&
	    g->frames[p->shared - 1].plain.len + len <= SHARED_FRAME_MAX) {
		*ret = (uint32_t)(p->shared - 1);
		return 0;
	}
	f = frame_add(p, FRAME_DATA);
	if (!f || buf_reserve(&f->plain, len) < 0)
		return -ENOMEM;
	*ret = (uint32_t)(g->n_frames - 1);
	if (len <= SHARED_CHUNK_MAX)
		p->shared = g->n_frames;
	return 0;
}

static int chunk_new(struct packing *p, const struct slice *sl, uint64_t number)
{
	struct group *g = p->g;
	struct new_chunk *c;
	struct found *f;
	uint32_t frame = 0;
	int r;

	if (g->n_chunks == g->cap_chunks) {
		size_t cap = g->cap_chunks ? g->cap_chunks * 2 : 16;
		struct new_chunk *grown = realloc(g->chunks, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		g->chunks = grown;
		g->cap_chunks = cap;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	memcpy(f->name, sl->name, HASH_BYTES);
	f->number = number;
	HASH_ADD(hh, p->found, name, HASH_BYTES, f);
	if (!f->hh.tbl) {
		free(f);
		return -ENOMEM;
	}
	r = frame_for(p, sl->len, &frame);
	if (r < 0)
		return r;
	c = &g->chunks[g->n_chunks++];
	*c = (struct new_chunk){ .number = number, .frame = frame, .len = sl->len };
	c->off = (uint32_t)g->frames[frame].plain.len;
	memcpy(c->name, sl->name, HASH_BYTES);
	slice_each(sl, add_to_buf, &g->frames[frame].plain);
	/* why not all: store/log/passing.c */
	g->frames[frame].passing = sl->len > SHARED_CHUNK_MAX && !sl->last;
	return buf_status(&g->frames[frame].plain);
}

/* Is this chunk, which has the name, one that may be named again? 1, 0, negative. */
static int may_name(struct packing *p, const struct slice *sl, uint64_t number)
{
	int r;

	if (rot_lost_chunk(p->s, number, &p->look)) /* and maybe not retired yet */
		return 0;
	if (atomic_load(&p->s->has_retired)) {
		r = tree_chunk_is_retired(p->s->index, number, NULL);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	if (number >= p->s->chunks_of_others)
		return 1;
	return tree_chunk_is(&p->s->tree, number, p->s->epoch_start, sl->name, sl->len, NULL);
}

/*
 * Is there a chunk of before that has these bytes? Where that cannot be found out, whatever it is that fails,
 * there is none: bytes that were acknowledged are stored once more then, and not lost for want of a chunk
 * that would only have saved room.
 */
static bool find_chunk(struct packing *p, const struct slice *sl, uint64_t *ret)
{
	return tree_find_chunk(p->s->index, sl->name, ret, NULL) == 1 && may_name(p, sl, *ret) == 1;
}

/* Which chunk a slice is: one of this group, one of before, or a new one. */
static int slice_place(struct packing *p, const struct slice *sl)
{
	struct packed_run *run = &p->g->runs[sl->run];
	struct piece piece = { .kind = PIECE_CHUNK, .len = sl->len };
	struct found *f;
	int r;

	HASH_FIND(hh, p->found, sl->name, HASH_BYTES, f);
	if (f) {
		piece.ref = f->number;
	} else if (!find_chunk(p, sl, &piece.ref)) {
		piece.ref = p->g->next_chunk++;
		p->g->chunk_bytes += sl->len;
		r = chunk_new(p, sl, piece.ref);
		if (r < 0)
			return r;
	}
	return piece_push(&run->pieces, &run->n, &run->cap, piece);
}

/* --- records */

static struct log_frame *meta_frame(struct packing *p, size_t need)
{
	struct group *g = p->g;
	struct log_frame *f = g->n_frames > p->n_data ? &g->frames[g->n_frames - 1] : NULL;

	if (f && f->plain.len + need <= META_FRAME_MAX)
		return f;
	return frame_add(p, FRAME_META);
}

static int chunk_by_frame(const void *a, const void *b)
{
	const struct new_chunk *x = a, *y = b;

	if (x->frame != y->frame)
		return x->frame < y->frame ? -1 : 1;
	return (x->off > y->off) - (x->off < y->off);
}

/*
 * Small chunks went to frames begun before those of bigger ones in front of them; numbers follow the order of
 * description, frame by frame. So number anew, and tell the runs' pieces.
 */
static int renumber(struct packing *p)
{
	CLEANUP(cleanup_free) uint64_t *become = NULL;
	const uint64_t base = p->s->next_chunk;
	struct group *g = p->g;

	if (g->n_chunks == 0)
		return 0;
	become = malloc(g->n_chunks * sizeof(*become));
	if (!become)
		return -ENOMEM;
	qsort(g->chunks, g->n_chunks, sizeof(*g->chunks), chunk_by_frame);
	for (size_t i = 0; i < g->n_chunks; i++) {
		become[g->chunks[i].number - base] = base + i;
		g->chunks[i].number = base + i;
	}
	for (size_t r = 0; r < g->n_runs; r++) {
		for (size_t i = 0; i < g->runs[r].n; i++) {
			if (g->runs[r].pieces[i].ref >= base)
				g->runs[r].pieces[i].ref = become[g->runs[r].pieces[i].ref - base];
		}
	}
	return 0;
}

/* A CHUNKS record for each data frame. */
static int describe_chunks(struct packing *p)
{
	struct chunk_entry entries[SHARED_FRAME_MAX / 64];
	CLEANUP(cleanup_free) struct chunk_entry *many = NULL;
	struct group *g = p->g;
	size_t first = 0;

	while (first < g->n_chunks) {
		size_t end = first;
		struct chunk_entry *e = entries;
		struct log_frame *f;

		while (end < g->n_chunks && g->chunks[end].frame == g->chunks[first].frame)
			end++;
		if (end - first > sizeof(entries) / sizeof(entries[0])) {
			free(many);
			e = many = malloc((end - first) * sizeof(*many));
			if (!many)
				return -ENOMEM;
		}
		for (size_t i = first; i < end; i++) {
			memcpy(e[i - first].name, g->chunks[i].name, HASH_BYTES);
			e[i - first].len = g->chunks[i].len;
		}
		f = meta_frame(p, (end - first) * sizeof(struct chunk_entry) + 16);
		if (!f)
			return -ENOMEM;
		chunks_encode(e, end - first, &f->plain);
		first = end;
	}
	return 0;
}

static const struct packed_run *run_of(const struct group *g, uint64_t id)
{
	size_t low = 0, high = g->n_runs;

	while (low < high) { /* ids rise */
		size_t mid = (low + high) / 2;

		if (g->runs[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	assert(low < g->n_runs && g->runs[low].id == id);
	return &g->runs[low];
}

/* The chunk pieces of [off, off + len) of a run. */
static int pieces_of(const struct packed_run *run, uint32_t off, uint32_t len, struct piece **pieces,
		     size_t *n, size_t *cap)
{
	uint32_t at = 0;

	*n = 0;
	for (size_t i = 0; i < run->n && len > 0; i++) {
		struct piece q = run->pieces[i];
		uint32_t skip = off > at ? off - at : 0;

		at += q.len;
		if (skip >= q.len)
			continue;
		q.off += skip;
		q.len = q.len - skip < len ? q.len - skip : len;
		off += q.len;
		len -= q.len;
		if (piece_push(pieces, n, cap, q) < 0)
			return -ENOMEM;
	}
	assert(len == 0);
	return 0;
}

static int encode_data_item(struct packing *p, size_t i, struct op_base *base, struct piece **pieces,
			    size_t *cap)
{
	const struct item *item = &p->g->items[i];
	struct op op = { .tid = p->g->notes[i].tid, .time_ns = p->g->notes[i].time_ns };
	struct log_frame *f;
	size_t n = 0;

	if (pieces_of(run_of(p->g, item->data.run), item->data.run_off, item->data.len, pieces, &n, cap) < 0)
		return -ENOMEM;
	if (item->kind == ITEM_FOLD) {
		op.type = OP_FOLD;
		op.fold.ino = item->data.ino;
		op.fold.block = item->data.offset;
		op.fold.pieces = *pieces;
		op.fold.n_pieces = n;
	} else {
		op.type = OP_WRITE;
		op.write.ino = item->data.ino;
		op.write.offset = item->data.offset;
		op.write.flags = item->data.flags;
		op.write.pieces = *pieces;
		op.write.n_pieces = n;
	}
	f = meta_frame(p, n * 24 + 128);
	if (!f)
		return -ENOMEM;
	op_encode(&op, base, &f->plain);
	return buf_status(&f->plain);
}

/* Say whose the operations are from here on, where that changes. `need`: what the next of them takes. */
static int encode_who(struct packing *p, uint32_t uid, uint32_t *known, size_t need)
{
	struct log_frame *f;

	if (uid == *known)
		return 0;
	f = meta_frame(p, need + WHO_BYTES);
	if (!f)
		return -ENOMEM;
	who_encode(uid, &f->plain);
	*known = uid;
	return buf_status(&f->plain);
}

static int encode_items(struct packing *p)
{
	CLEANUP(cleanup_free) struct piece *pieces = NULL;
	struct group *g = p->g;
	struct op_base base = g->before;
	uint32_t uid = UID_UNKNOWN;
	size_t cap = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct item *item = &g->items[i];
		struct log_frame *f;

		if (encode_who(p, g->notes[i].uid, &uid, item->kind == ITEM_RECORD ? item->record.len : 0) <
		    0)
			return -ENOMEM;
		if (item->kind != ITEM_RECORD) {
			if (encode_data_item(p, i, &base, &pieces, &cap) < 0)
				return -ENOMEM;
			continue;
		}
		f = meta_frame(p, item->record.len);
		if (!f)
			return -ENOMEM;
		buf_add(&f->plain, g->records.data + item->record.off, item->record.len);
		if (buf_status(&f->plain) < 0)
			return -ENOMEM;
		base = (struct op_base){ g->notes[i].tid, g->notes[i].time_ns };
	}
	return 0;
}

/* Later groups must find this one's new chunks by name. Their places follow when it is committed. */
static int publish_names(struct packing *p, struct hf_error *err)
{
	struct index_batch *batch;
	uint8_t number[8];
	int r;

	if (p->g->n_chunks == 0)
		return 0;
	r = index_batch_new(p->s->index, &batch);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->g->n_chunks; i++) {
		put_be64(number, p->g->chunks[i].number);
		index_batch_put(batch, INDEX_NAME, p->g->chunks[i].name, HASH_BYTES, number, sizeof(number));
	}
	r = index_publish(p->s->index, batch, p->g->id, err);
	index_batch_free(batch);
	return r;
}

static int pack(struct packing *p, struct hf_error *err)
{
	struct group *g = p->g;
	int r = 0;

	g->next_chunk = p->s->next_chunk;
	g->chunk_bytes = p->s->chunk_bytes;
	for (size_t i = 0; r == 0 && i < g->n_runs; i++)
		r = cut_run(p, i);
	if (r < 0)
		return r;
	workers_run(p->s->workers, (p->n + NAMES_AT_ONCE - 1) / NAMES_AT_ONCE, name_slices, p);
	for (size_t i = 0; r == 0 && i < p->n; i++)
		r = slice_place(p, &p->slices[i]);
	p->n_data = g->n_frames;
	if (r == 0)
		r = renumber(p);
	if (r == 0)
		r = describe_chunks(p);
	if (r == 0)
		r = encode_items(p);
	if (r == 0)
		r = log_pack(p->s->log, g->frames, g->n_frames);
	if (r == 0)
		r = publish_names(p, err);
	return r;
}

int pack_group(struct hf_store *s, struct group *g, struct hf_error *err)
{
	struct packing p = { .s = s, .g = g };
	struct found *f, *tmp;
	int r;

	r = pack(&p, err);
	if (r == 0) {
		s->next_chunk = g->next_chunk;
		s->chunk_bytes = g->chunk_bytes;
	}
	HASH_ITER(hh, p.found, f, tmp)
	{
		HASH_DEL(p.found, f);
		free(f);
	}
	free(p.slices);
	return r;
}
