/* SPDX-License-Identifier: MIT */
/*
 * One frame: compressed and sealed on the way down, opened and inflated on the way up (FORMAT.md §6).
 *
 * zstd's contexts cost more to make than a small frame costs to compress, so each thread keeps its own, with
 * scratch buffers, until it ends.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <zstd.h>

#include "store/log/log_internal.h"

enum {
	COMPRESS_FROM_BYTES = 64, /* below, nothing shrinks by enough to matter */
	PROBE_FROM_BYTES = 16 << 10,
	PROBE_PARTS = 4,
	PROBE_PART_BYTES = 1024,
	SCRATCH_KEPT_BYTES = 1 << 20,
};

struct codec {
	ZSTD_CCtx *compress;
	ZSTD_DCtx *decompress;
	struct buf stored; /* a frame as it was read */
	struct buf opened; /* and not yet inflated */
};

static pthread_key_t codec_key;
static pthread_once_t codec_once = PTHREAD_ONCE_INIT;
static bool codec_key_made;

static void codec_free(void *arg)
{
	struct codec *c = arg;

	(void)ZSTD_freeCCtx(c->compress);
	(void)ZSTD_freeDCtx(c->decompress);
	buf_release(&c->stored);
	buf_release(&c->opened);
	free(c);
}

static void codec_make_key(void)
{
	codec_key_made = pthread_key_create(&codec_key, codec_free) == 0;
}

/* This thread's; NULL: no memory. */
static struct codec *codec_mine(void)
{
	struct codec *c;

	pthread_once(&codec_once, codec_make_key);
	if (!codec_key_made)
		return NULL;
	c = pthread_getspecific(codec_key);
	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->compress = ZSTD_createCCtx();
	c->decompress = ZSTD_createDCtx();
	if (!c->compress || !c->decompress || pthread_setspecific(codec_key, c) != 0) {
		codec_free(c);
		return NULL;
	}
	return c;
}

/*
 * Does it look like noise (compressed, encrypted)? Counts bytes in a sample: the sum of squared counts is
 * n²/256 + n for noise, and at least n²/181 + n where coding single bytes could save 1/16. What has repeats
 * but no skew is taken for noise between the two; that is rare, and costs space only.
 */
static bool looks_like_noise(const uint8_t *data, size_t len)
{
	const uint64_t n = PROBE_PARTS * PROBE_PART_BYTES;
	uint32_t count[256] = { 0 };
	uint64_t sum = 0;

	if (len < PROBE_FROM_BYTES)
		return false;
	for (size_t part = 0; part < PROBE_PARTS; part++) {
		const uint8_t *p = data + part * (len - PROBE_PART_BYTES) / (PROBE_PARTS - 1);

		for (size_t i = 0; i < PROBE_PART_BYTES; i++)
			count[p[i]]++;
	}
	for (size_t i = 0; i < 256; i++)
		sum += (uint64_t)count[i] * count[i];
	return sum < n * n / 220 + n;
}

/* Try to compress into out: 0, also when it does not shrink by 1/16 (then out is left empty); -ENOMEM. */
static int compress_smaller(const uint8_t *data, size_t len, int level, struct buf *out)
{
	struct codec *c;
	size_t n;

	if (len < COMPRESS_FROM_BYTES || looks_like_noise(data, len))
		return 0;
	c = codec_mine();
	if (!c)
		return 0;
	if (buf_reserve(out, len - len / 16) < 0)
		return -ENOMEM;
	n = ZSTD_compressCCtx(c->compress, out->data, len - len / 16, data, len, level);
	out->len = ZSTD_isError(n) ? 0 : n;
	return 0;
}

int frame_pack(struct log_frame *f, int level)
{
	int r;

	if (f->plain.len > FRAME_PLAIN_MAX)
		return -EFBIG;
	buf_clear(&f->packed);
	r = compress_smaller(f->plain.data, f->plain.len, level, &f->packed);
	if (r < 0)
		return r;
	f->compressed = f->packed.len > 0;
	buf_release(f->compressed ? &f->plain : &f->packed);
	f->ready = true;
	return 0;
}

/* What goes into the log, before it is sealed. */
static const struct buf *frame_body(const struct log_frame *f)
{
	return f->compressed ? &f->packed : &f->plain;
}

struct packing {
	struct log_frame *frames;
	int level;
	atomic_int result;
};

static void pack_job(void *arg, size_t i)
{
	struct packing *p = arg;
	int r = frame_pack(&p->frames[i], p->level);

	if (r < 0)
		atomic_store(&p->result, r);
}

int log_pack(const struct log *l, struct log_frame *frames, size_t n)
{
	struct packing p = { .frames = frames, .level = l->zstd_level };
	uint64_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += frames[i].plain.len;
	/* Waking the workers costs more than a little work. */
	workers_run(bytes > (128 << 10) ? l->workers : NULL, n, pack_job, &p);
	return atomic_load(&p.result);
}

void log_frame_release(struct log_frame *f)
{
	buf_release(&f->plain);
	buf_release(&f->packed);
}

/* Of what is not compressed, some can be read without the rest. */
static size_t frame_piece_bytes(const struct log_frame *f)
{
	return f->type == FRAME_DATA && !f->compressed ? FRAME_PIECE_BYTES : 0;
}

uint64_t frame_stored_bytes(const struct log_frame *f)
{
	return FRAME_HEADER_BYTES + sealed_bytes(frame_body(f)->len, frame_piece_bytes(f));
}

uint64_t log_frame_cost(uint64_t plain_bytes)
{
	enum { TABLE_ENTRY_BYTES = 6 }; /* type and length; one for the frame, one for its commit */

	return sealed_bytes(plain_bytes, FRAME_PIECE_BYTES) + FRAME_HEADER_BYTES + COMMIT_FRAME_BYTES +
	       2 * TABLE_ENTRY_BYTES;
}

void frame_seal_of(const struct frame_header *h, struct log_seal *ret)
{
	*ret = (struct log_seal){ 0 };
	if (h->type != FRAME_DATA || !(h->flags & FRAME_IN_PIECES))
		return;
	ret->body_len = h->body_len;
	memcpy(ret->nonce, h->nonce, NONCE_BYTES);
}

static void seal_one(const struct log *l, struct frame_slot *slot, struct log_pos start, uint8_t *group)
{
	const struct log_frame *f = slot->frame;
	const struct buf *body = frame_body(f);
	uint8_t *out = group + slot->at, ad[FRAME_AD_BYTES];
	const struct sealing sealing = { slot->nonce, ad, sizeof(ad), frame_piece_bytes(f) };
	struct frame_header h = { .type = f->type,
				  .body_len = (uint32_t)sealed_bytes(body->len, sealing.piece_bytes) };

	if (f->compressed)
		h.flags = FRAME_COMPRESSED;
	else if (sealing.piece_bytes && body->len > sealing.piece_bytes)
		h.flags = FRAME_IN_PIECES;
	memcpy(h.nonce, slot->nonce, NONCE_BYTES);
	frame_seal_of(&h, &slot->seal);
	frame_header_encode(&h, out);
	frame_ad(keyring_volume_id(l->keys), start.segment, start.offset + (uint32_t)slot->at, out, ad);
	keyring_seal(l->keys, &sealing, body->data, body->len, out + FRAME_HEADER_BYTES);
}

void frame_seal(const struct log *l, struct frame_slot *slots, size_t n, struct log_pos start, uint8_t *group)
{
	struct hash_job jobs[FRAME_SEAL_MAX];

	assert(n <= FRAME_SEAL_MAX);
	for (size_t i = 0; i < n; i++) {
		seal_one(l, &slots[i], start, group);
		jobs[i] = (struct hash_job){ group + slots[i].at, (size_t)frame_stored_bytes(slots[i].frame),
					     slots[i].hash };
	}
	hash_many(jobs, n);
}

/* --- the way up */

int frame_open_pieces(const struct log *l, struct log_pos pos, const struct frame_header *h, size_t first,
		      const uint8_t *body, size_t len, uint8_t *out, struct hf_error *err)
{
	uint8_t raw[FRAME_HEADER_BYTES], ad[FRAME_AD_BYTES];
	const struct sealing sealing = { h->nonce, ad, sizeof(ad),
					 h->flags & FRAME_IN_PIECES ? FRAME_PIECE_BYTES : 0 };

	frame_header_encode(h, raw);
	frame_ad(keyring_volume_id(l->keys), pos.segment, pos.offset, raw, ad);
	if (keyring_open(l->keys, &sealing, first, body, len, out) < 0)
		return hf_error_set(err, -EUCLEAN,
				    "the frame does not open: its bytes are not those that were written");
	return 0;
}

static int inflate(const uint8_t *data, size_t len, struct buf *out, struct hf_error *err)
{
	unsigned long long plain = ZSTD_getFrameContentSize(data, len);
	struct codec *c = codec_mine();
	size_t n;
	int r;

	if (plain == ZSTD_CONTENTSIZE_ERROR || plain == ZSTD_CONTENTSIZE_UNKNOWN || plain > FRAME_BODY_MAX)
		return hf_error_set(err, -EUCLEAN, "the frame is not compressed as it says");
	r = c ? buf_reserve(out, plain ? (size_t)plain : 1) :
		-ENOMEM; /* nothing, too, has a place to go to */
	if (r < 0)
		return r;
	n = ZSTD_decompressDCtx(c->decompress, out->data + out->len, (size_t)plain, data, len);
	if (ZSTD_isError(n) || n != plain)
		return hf_error_set(err, -EUCLEAN, "the frame is not compressed as it says");
	out->len += n;
	return 0;
}

struct buf *frame_scratch(void)
{
	struct codec *c = codec_mine();

	if (!c)
		return NULL;
	buf_clear(&c->stored);
	return &c->stored;
}

void frame_scratch_done(struct buf *scratch)
{
	if (scratch->cap > SCRATCH_KEPT_BYTES)
		buf_release(scratch);
}

int frame_open(const struct log *l, struct log_pos pos, const struct frame_header *h, const uint8_t *body,
	       struct buf *out, struct hf_error *err)
{
	struct codec *c = codec_mine();
	struct buf *opened = out;
	int r;

	if (c && h->flags & FRAME_COMPRESSED) {
		opened = &c->opened;
		buf_clear(opened);
	}
	if (!c || buf_reserve(opened, h->body_len) < 0)
		return hf_error_set(err, -ENOMEM, "no memory for a frame of %" PRIu32 " bytes", h->body_len);
	r = frame_open_pieces(l, pos, h, 0, body, h->body_len, opened->data + opened->len, err);
	if (r < 0)
		return r;
	if (opened == out) {
		out->len += frame_plain_len(h);
		return 0;
	}
	r = inflate(opened->data, frame_plain_len(h), out, err);
	frame_scratch_done(opened);
	return r;
}

/* --- many at once */

void frame_batch_add(struct frame_batch *b, struct log_pos pos, const struct frame_header *h,
		     const uint8_t *body)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 16;
		struct frame_batch_item *items = realloc(b->items, cap * sizeof(*items));

		if (!items) {
			b->failed = true;
			return;
		}
		for (size_t i = b->cap; i < cap; i++)
			buf_init(&items[i].plain);
		b->items = items;
		b->cap = cap;
	}
	b->items[b->n].pos = pos;
	b->items[b->n].header = *h;
	b->items[b->n].body = body;
	b->items[b->n].result = 0;
	b->items[b->n].err.code = 0;
	b->n++;
}

static void batch_job(void *arg, size_t i)
{
	struct frame_batch *b = arg;
	struct frame_batch_item *item = &b->items[i];

	buf_clear(&item->plain);
	if (item->header.type == FRAME_COMMIT || item->header.type == FRAME_PRUNED || item->result)
		return;
	item->result = frame_open(b->l, item->pos, &item->header, item->body, &item->plain, &item->err);
}

void frame_batch_open(struct frame_batch *b, bool with_data)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < b->n; i++) {
		if (b->items[i].header.type == FRAME_DATA && !with_data)
			b->items[i].result = 1; /* left alone */
		else
			bytes += b->items[i].header.body_len;
	}
	workers_run(bytes > (128 << 10) && !b->alone ? b->l->workers : NULL, b->n, batch_job, b);
}

void frame_batch_clear(struct frame_batch *b)
{
	b->n = 0;
}

void frame_batch_release(struct frame_batch *b)
{
	for (size_t i = 0; i < b->cap; i++)
		buf_release(&b->items[i].plain);
	free(b->items);
	*b = (struct frame_batch)FRAME_BATCH_INIT;
}
