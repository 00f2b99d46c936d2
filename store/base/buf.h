/* SPDX-License-Identifier: MIT */
/*
 * Byte buffers and cursors (layer 0).
 *
 * struct buf is a growable run of bytes that owns its memory. Invariant: data == NULL iff cap == 0, and
 * len <= cap. Writers append at the end; integers are little-endian, varints are LEB128 (at most 10
 * bytes). Appending may fail only for memory: the failure is remembered in `failed`, later appends do
 * nothing, and one check at the end (buf_status) tells.
 *
 * struct cursor reads a borrowed run of bytes. Every read is checked against the end; the first read
 * that would pass it sets `failed`, gives zero, and so do all later ones: parse a whole message, then
 * ask once (cursor_status, or cursor_finish to also refuse trailing bytes).
 */
#ifndef STORE_BASE_BUF_H
#define STORE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/cleanup.h"

struct buf {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool failed; /* memory ran out in an earlier append */
};

#define BUF_INIT                  \
	{                         \
		NULL, 0, 0, false \
	}

void buf_init(struct buf *b);
void buf_release(struct buf *b);              /* frees; b is as after buf_init */
void buf_clear(struct buf *b);                /* empty, memory kept */
int buf_reserve(struct buf *b, size_t extra); /* 0, or -ENOMEM (also remembered) */
void buf_swap(struct buf *a, struct buf *b);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_zeros(struct buf *b, size_t len);
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
void buf_add_be64(struct buf *b, uint64_t v); /* big-endian, so that keys sort as numbers */
enum { VARINT_BYTES_MAX = 10 };
void buf_add_varint_long(struct buf *b, uint64_t v);             /* buf_add_varint of any number */
void buf_add_bytes(struct buf *b, const void *data, size_t len); /* varint length, then the bytes */
void buf_add_text(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *buf_cstr(struct buf *b);             /* terminated (the NUL not in len); "" without memory */
MUST_USE int buf_status(const struct buf *b);    /* 0 or -ENOMEM */
bool buf_is_zeros(const void *data, size_t len); /* these bytes, in a buf or not; of none: true */

static inline void buf_add_varint(struct buf *b, uint64_t v)
{
	if (v < 0x80 && b->len < b->cap && !b->failed)
		b->data[b->len++] = (uint8_t)v;
	else
		buf_add_varint_long(b, v);
}

struct cursor {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t pos;
	bool failed;
};

static inline struct cursor cursor_of(const void *data, size_t len)
{
	return (struct cursor){ .data = data, .len = len, .pos = 0, .failed = false };
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->failed ? 0 : c->len - c->pos;
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
uint64_t cursor_be64(struct cursor *c);
uint64_t cursor_varint_long(struct cursor *c);             /* cursor_varint of any number */
const uint8_t *cursor_take(struct cursor *c, size_t len);  /* borrowed; NULL when it would pass the end */
void cursor_copy(struct cursor *c, void *out, size_t len); /* zeros on failure */
const uint8_t *cursor_bytes(struct cursor *c, size_t max, size_t *ret_len); /* varint length <= max; bytes */
void cursor_zeros(struct cursor *c, size_t len); /* reserved bytes: fails unless all are zero */
void cursor_fail(struct cursor *c);
MUST_USE int cursor_status(const struct cursor *c); /* 0 or -EUCLEAN */
MUST_USE int cursor_finish(const struct cursor *c); /* 0, or -EUCLEAN when failed or bytes are left */

/* Refuses more than 64 bits and needless bytes. */
static inline uint64_t cursor_varint(struct cursor *c)
{
	if (!c->failed && c->pos < c->len && c->data[c->pos] < 0x80)
		return c->data[c->pos++];
	return cursor_varint_long(c);
}

/* Little-endian loads and stores at fixed places. */
static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, (uint16_t)v);
	put_u16(p + 2, (uint16_t)(v >> 16));
}

static inline void put_u64(uint8_t *p, uint64_t v)
{
	put_u32(p, (uint32_t)v);
	put_u32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

static inline uint64_t get_u64(const uint8_t *p)
{
	return (uint64_t)get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
}

static inline uint64_t get_be64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

#endif
