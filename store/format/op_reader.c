/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>

#include "store/format/op_codec.h"

static void fail(struct op_reader *r, int code, const char *what, uint64_t value)
{
	if (op_reader_failed(r))
		return;
	r->code = code;
	r->what = what;
	r->value = value;
	cursor_fail(&r->c);
}

void op_reader_damaged(struct op_reader *r, const char *what, uint64_t value)
{
	fail(r, -EUCLEAN, what, value);
}

void op_reader_unknown(struct op_reader *r, const char *what, uint64_t value)
{
	fail(r, -EPROTONOSUPPORT, what, value);
}

bool op_reader_failed(struct op_reader *r)
{
	if (r->code == 0 && cursor_status(&r->c) < 0)
		r->code = -EUCLEAN;
	return r->code != 0;
}

uint64_t op_read_ino(struct op_reader *r, const char *what)
{
	uint64_t ino = cursor_varint(&r->c);

	if (ino == 0)
		op_reader_damaged(r, what, ino);
	return ino;
}

uint32_t op_read_u32(struct op_reader *r, const char *what)
{
	uint64_t v = cursor_varint(&r->c);

	if (v > UINT32_MAX) {
		op_reader_damaged(r, what, v);
		return 0;
	}
	return (uint32_t)v;
}

uint32_t op_read_flags(struct op_reader *r, const char *what, uint32_t known)
{
	uint64_t v = cursor_varint(&r->c);

	if (v & ~(uint64_t)known) {
		op_reader_unknown(r, what, v);
		return 0;
	}
	return (uint32_t)v;
}

struct span op_read_span(struct op_reader *r, const char *what, size_t max)
{
	uint64_t len = cursor_varint(&r->c);
	struct span s = { NULL, 0 };

	if (len > max) {
		op_reader_damaged(r, what, len);
		return s;
	}
	s.data = cursor_take(&r->c, (size_t)len);
	if (s.data)
		s.len = (size_t)len;
	return s;
}

struct span op_read_name(struct op_reader *r)
{
	struct span s = op_read_span(r, "length of the name", NAME_BYTES_MAX);

	if (!op_reader_failed(r) && name_check(s.data, s.len) < 0)
		op_reader_damaged(r, "name of length", s.len);
	return s;
}

void op_read_pieces(struct op_reader *r, struct piece **ret, size_t *ret_n, uint64_t *ret_len)
{
	size_t cap = 0;
	int code;

	*ret_len = 0;
	if (op_reader_failed(r))
		return;
	code = pieces_decode(&r->c, ret, ret_n, &cap);
	if (code < 0) {
		r->code = code;
		r->what = NULL;
		return;
	}
	/* At most 65,536 lengths of 32 bits: no overflow. */
	for (size_t i = 0; i < *ret_n; i++)
		*ret_len += (*ret)[i].len;
}

void op_check_run(struct op_reader *r, uint64_t offset, uint64_t len)
{
	if (len == 0 || len > INT64_MAX)
		op_reader_damaged(r, "length", len);
	else if (offset > INT64_MAX - len)
		op_reader_damaged(r, "offset", offset);
}

void op_check_mode(struct op_reader *r, uint32_t mode, bool may_lack_type)
{
	if (mode & ~(uint32_t)(S_IFMT | 07777)) {
		op_reader_damaged(r, "mode", mode);
		return;
	}
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		break;
	default:
		if (!may_lack_type || (mode & S_IFMT))
			op_reader_damaged(r, "mode", mode);
	}
}

void op_add_span(struct buf *out, const struct span *s)
{
	buf_add_bytes(out, s->data, s->len);
}
