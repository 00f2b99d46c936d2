/* SPDX-License-Identifier: MIT */
/* Operations on attributes (SETATTR, SETXATTR, REMOVEXATTR), REAP and TAG: FORMAT.md §10.3. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "store/format/op_codec.h"

enum { NSEC_PER_SEC = 1000000000 };

static void time_encode(const struct file_time *t, struct buf *out)
{
	assert(t->nsec < NSEC_PER_SEC);
	buf_add_varint(out, (uint64_t)t->sec << 1 ^ (t->sec < 0 ? UINT64_MAX : 0));
	buf_add_varint(out, t->nsec);
}

static void time_decode(struct op_reader *r, struct file_time *t)
{
	uint64_t zigzag = cursor_varint(&r->c);

	t->sec = (int64_t)(zigzag >> 1 ^ (zigzag & 1 ? UINT64_MAX : 0));
	t->nsec = op_read_u32(r, "nanoseconds");
	if (t->nsec >= NSEC_PER_SEC)
		op_reader_damaged(r, "nanoseconds", t->nsec);
}

static void setattr_encode(const struct op *op, struct buf *out)
{
	uint32_t mask = op->setattr.mask;

	assert((mask & ~(uint32_t)SETATTR_ALL) == 0);
	buf_add_varint(out, op->setattr.ino);
	buf_add_varint(out, mask);
	if (mask & SETATTR_MODE)
		buf_add_varint(out, op->setattr.mode);
	if (mask & SETATTR_UID)
		buf_add_varint(out, op->setattr.uid);
	if (mask & SETATTR_GID)
		buf_add_varint(out, op->setattr.gid);
	if (mask & SETATTR_SIZE)
		buf_add_varint(out, op->setattr.size);
	if (mask & SETATTR_ATIME)
		time_encode(&op->setattr.atime, out);
	if (mask & SETATTR_MTIME)
		time_encode(&op->setattr.mtime, out);
	if (mask & SETATTR_CTIME)
		time_encode(&op->setattr.ctime, out);
	if (mask & SETATTR_ACL)
		op_add_span(out, &op->setattr.acl);
}

static void setattr_decode(struct op_reader *r, struct op *op)
{
	uint32_t mask;

	op->setattr.ino = op_read_ino(r, "inode");
	op->setattr.mask = mask = op_read_flags(r, "mask", SETATTR_ALL);
	if (mask & SETATTR_MODE) {
		op->setattr.mode = op_read_u32(r, "mode");
		op_check_mode(r, op->setattr.mode, true);
	}
	if (mask & SETATTR_UID)
		op->setattr.uid = op_read_u32(r, "uid");
	if (mask & SETATTR_GID)
		op->setattr.gid = op_read_u32(r, "gid");
	if (mask & SETATTR_SIZE) {
		op->setattr.size = cursor_varint(&r->c);
		if (op->setattr.size > INT64_MAX)
			op_reader_damaged(r, "size", op->setattr.size);
	}
	if (mask & SETATTR_ATIME)
		time_decode(r, &op->setattr.atime);
	if (mask & SETATTR_MTIME)
		time_decode(r, &op->setattr.mtime);
	if (mask & SETATTR_CTIME)
		time_decode(r, &op->setattr.ctime);
	if (mask & SETATTR_ACL)
		op->setattr.acl = op_read_span(r, "length of the access ACL", XATTR_VALUE_BYTES_MAX);
}

const struct op_codec op_codec_setattr = { "SETATTR", setattr_encode, setattr_decode };

static struct span read_xattr_name(struct op_reader *r)
{
	struct span s = op_read_span(r, "length of the attribute's name", NAME_BYTES_MAX);

	if (!op_reader_failed(r) && (s.len == 0 || memchr(s.data, 0, s.len)))
		op_reader_damaged(r, "attribute's name of length", s.len);
	return s;
}

static void setxattr_encode(const struct op *op, struct buf *out)
{
	assert(op->setxattr.name.len > 0 && op->setxattr.name.len <= NAME_BYTES_MAX);
	assert(op->setxattr.value.len <= XATTR_VALUE_BYTES_MAX);
	buf_add_varint(out, op->setxattr.ino);
	op_add_span(out, &op->setxattr.name);
	op_add_span(out, &op->setxattr.value);
	buf_add_varint(out, op->setxattr.mode_plus_1);
}

static void setxattr_decode(struct op_reader *r, struct op *op)
{
	op->setxattr.ino = op_read_ino(r, "inode");
	op->setxattr.name = read_xattr_name(r);
	op->setxattr.value = op_read_span(r, "length of the value", XATTR_VALUE_BYTES_MAX);
	op->setxattr.mode_plus_1 = op_read_u32(r, "mode");
	if (op->setxattr.mode_plus_1 > 0)
		op_check_mode(r, op->setxattr.mode_plus_1 - 1, true);
}

const struct op_codec op_codec_setxattr = { "SETXATTR", setxattr_encode, setxattr_decode };

static void removexattr_encode(const struct op *op, struct buf *out)
{
	assert(op->removexattr.name.len > 0 && op->removexattr.name.len <= NAME_BYTES_MAX);
	buf_add_varint(out, op->removexattr.ino);
	op_add_span(out, &op->removexattr.name);
}

static void removexattr_decode(struct op_reader *r, struct op *op)
{
	op->removexattr.ino = op_read_ino(r, "inode");
	op->removexattr.name = read_xattr_name(r);
}

const struct op_codec op_codec_removexattr = { "REMOVEXATTR", removexattr_encode, removexattr_decode };

static void reap_encode(const struct op *op, struct buf *out)
{
	assert(op->reap.n > 0);
	buf_add_varint(out, op->reap.n);
	for (size_t i = 0; i < op->reap.n; i++)
		buf_add_varint(out, op->reap.inos[i]);
}

static void reap_decode(struct op_reader *r, struct op *op)
{
	uint64_t n = cursor_varint(&r->c);

	if (n == 0 || n > cursor_left(&r->c)) /* each takes a byte at least */
		op_reader_damaged(r, "count of inodes", n);
	if (op_reader_failed(r))
		return;
	op->reap.inos = calloc((size_t)n, sizeof(*op->reap.inos));
	if (!op->reap.inos) {
		r->code = -ENOMEM;
		return;
	}
	op->reap.n = (size_t)n;
	for (size_t i = 0; i < op->reap.n; i++)
		op->reap.inos[i] = op_read_ino(r, "inode");
}

const struct op_codec op_codec_reap = { "REAP", reap_encode, reap_decode };

static void tag_encode(const struct op *op, struct buf *out)
{
	assert(tag_name_check(op->tag.name.data, op->tag.name.len) == 0);
	op_add_span(out, &op->tag.name);
	buf_add_varint(out, op->tag.tid_plus_1);
}

static void tag_decode(struct op_reader *r, struct op *op)
{
	op->tag.name = op_read_span(r, "length of the tag", TAG_BYTES_MAX);
	if (!op_reader_failed(r) && tag_name_check(op->tag.name.data, op->tag.name.len) < 0)
		op_reader_damaged(r, "tag of length", op->tag.name.len);
	op->tag.tid_plus_1 = cursor_varint(&r->c);
}

const struct op_codec op_codec_tag = { "TAG", tag_encode, tag_decode };
