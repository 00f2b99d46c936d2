/* SPDX-License-Identifier: MIT */
#include "store/base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

int buf_reserve(struct buf *b, size_t extra)
{
	size_t need, cap;
	uint8_t *data;

	if (b->failed)
		return -ENOMEM;
	if (extra <= b->cap - b->len)
		return 0;
	if (extra > SIZE_MAX / 2 - b->len) {
		b->failed = true;
		return -ENOMEM;
	}
	need = b->len + extra;
	cap = b->cap < 64 ? 64 : b->cap;
	while (cap < need)
		cap += cap / 2;
	data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return -ENOMEM;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

void buf_swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0 || buf_reserve(b, len) < 0)
		return;
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void buf_add_zeros(struct buf *b, size_t len)
{
	if (len == 0 || buf_reserve(b, len) < 0)
		return;
	memset(b->data + b->len, 0, len);
	b->len += len;
}

void buf_add_u8(struct buf *b, uint8_t v)
{
	buf_add(b, &v, 1);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
	uint8_t raw[2];

	put_u16(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_u32(struct buf *b, uint32_t v)
{
	uint8_t raw[4];

	put_u32(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_u64(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	put_u64(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_be64(struct buf *b, uint64_t v)
{
	uint8_t raw[8];

	put_be64(raw, v);
	buf_add(b, raw, sizeof(raw));
}

void buf_add_varint_long(struct buf *b, uint64_t v)
{
	uint8_t *p;
	size_t n = 0;

	if (buf_reserve(b, VARINT_BYTES_MAX) < 0)
		return;
	p = b->data + b->len;
	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	b->len += n;
}

void buf_add_bytes(struct buf *b, const void *data, size_t len)
{
	buf_add_varint(b, len);
	buf_add(b, data, len);
}

void buf_add_text(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || buf_reserve(b, (size_t)n + 1) < 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
	if (buf_reserve(b, 1) < 0)
		return "";
	b->data[b->len] = 0;
	return (const char *)b->data;
}

int buf_status(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

bool buf_is_zeros(const void *data, size_t len)
{
	const uint8_t *p = data;

	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

const uint8_t *cursor_take(struct cursor *c, size_t len)
{
	const uint8_t *p;

	if (c->failed || len > c->len - c->pos) {
		c->failed = true;
		return NULL;
	}
	p = c->pos > 0 ? c->data + c->pos : c->data; /* not NULL + 0, which C leaves undefined */
	c->pos += len;
	return p;
}

void cursor_copy(struct cursor *c, void *out, size_t len)
{
	const uint8_t *p = cursor_take(c, len);

	if (len == 0)
		return;
	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
}

uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 1);

	return p ? *p : 0;
}

uint16_t cursor_u16(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 2);

	return p ? get_u16(p) : 0;
}

uint32_t cursor_u32(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 4);

	return p ? get_u32(p) : 0;
}

uint64_t cursor_u64(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 8);

	return p ? get_u64(p) : 0;
}

uint64_t cursor_be64(struct cursor *c)
{
	const uint8_t *p = cursor_take(c, 8);

	return p ? get_be64(p) : 0;
}

uint64_t cursor_varint_long(struct cursor *c)
{
	const uint8_t *p = c->data + c->pos, *end = c->data + c->len;
	uint64_t v = 0;

	if (c->failed)
		return 0;
	for (unsigned shift = 0; p < end; shift += 7) {
		uint8_t byte = *p++;

		if ((shift == 63 && byte > 1) || (byte == 0 && shift > 0))
			break; /* over 64 bits, or a form that is longer than it needs to be */
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			c->pos = (size_t)(p - c->data);
			return v;
		}
	}
	c->failed = true;
	return 0;
}

const uint8_t *cursor_bytes(struct cursor *c, size_t max, size_t *ret_len)
{
	uint64_t len = cursor_varint(c);
	const uint8_t *p;

	*ret_len = 0;
	if (len > max) {
		c->failed = true;
		return NULL;
	}
	p = cursor_take(c, (size_t)len);
	if (p)
		*ret_len = (size_t)len;
	return p;
}

void cursor_zeros(struct cursor *c, size_t len)
{
	const uint8_t *p = cursor_take(c, len);

	for (size_t i = 0; p && i < len; i++) {
		if (p[i])
			c->failed = true;
	}
}

void cursor_fail(struct cursor *c)
{
	c->failed = true;
}

int cursor_status(const struct cursor *c)
{
	return c->failed ? -EUCLEAN : 0;
}

int cursor_finish(const struct cursor *c)
{
	return c->failed || c->pos != c->len ? -EUCLEAN : 0;
}
