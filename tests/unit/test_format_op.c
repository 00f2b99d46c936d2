/* SPDX-License-Identifier: MIT */
/*
 * Records, FORMAT.md §10. Every operation comes back as it went in, and cut anywhere it is refused. The rules
 * of each are in test_format_op_rules.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "store/format/format.h"

/* clang-format off: one record a line, where it can be */
#define SPAN(text)                                        \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct piece some_pieces[] = {
	{ PIECE_CHUNK, 0, CHUNK_BYTES_MAX, 0 },
	{ PIECE_CHUNK, CHUNK_BYTES_MAX - 1, 1, UINT64_C(1) << 40 },
	{ PIECE_HOLE, 0, UINT32_MAX, 0 },
	{ PIECE_ZERO, 0, 1, 0 },
};
static struct piece block_pieces[] = { { PIECE_CHUNK, 5, BLOCK_BYTES - 1, 77 }, { PIECE_ZERO, 0, 1, 0 } };
static struct chunk_range some_ranges[] = { { 0, 1 }, { 2, 300 }, { UINT64_MAX - 9, 9 } };
static uint64_t some_inos[] = { 2, 300, UINT64_MAX };
static uint8_t big_value[XATTR_VALUE_BYTES_MAX];

/* One of each type, and where a type has shapes, one of each shape. */
static const struct op ops[] = {
	{ .type = OP_CREATE,
	  .tid = 1,
	  .time_ns = 5,
	  .create = { .parent = 1,
		      .ino = 2,
		      .name = SPAN("a"),
		      .mode = S_IFREG | 04755,
		      .uid = 1000,
		      .gid = 100 } },
	{ .type = OP_CREATE,
	  .tid = 2,
	  .time_ns = 5,
	  .create = { .parent = 1,
		      .ino = 3,
		      .name = SPAN("link"),
		      .target = SPAN("../x"),
		      .mode = S_IFLNK | 0777,
		      .uid = UINT32_MAX,
		      .gid = UINT32_MAX } },
	{ .type = OP_CREATE,
	  .tid = 3,
	  .time_ns = 6,
	  .create = { .parent = 0, .ino = 4, .mode = S_IFREG | 0600 } },
	{ .type = OP_CREATE,
	  .tid = 4,
	  .time_ns = 6,
	  .create = { .parent = 1,
		      .ino = 5,
		      .name = SPAN("dir"),
		      .mode = S_IFDIR | 01777,
		      .acl_access = SPAN("acl"),
		      .acl_default = SPAN("default") } },
	{ .type = OP_CREATE,
	  .tid = 5,
	  .time_ns = 6,
	  .create = { .parent = 1,
		      .ino = 6,
		      .name = SPAN("null"),
		      .mode = S_IFCHR | 0666,
		      .rdev = UINT64_MAX } },
	{ .type = OP_LINK, .tid = 6, .time_ns = 7, .link = { .ino = 4, .parent = 5, .name = SPAN("...") } },
	{ .type = OP_UNLINK,
	  .tid = 100,
	  .time_ns = 7,
	  .unlink = { .parent = 1, .ino = 5, .name = SPAN("dir"), .flags = UNLINK_DIR } },
	{ .type = OP_RENAME,
	  .tid = 101,
	  .time_ns = UINT64_C(1700000000000000000),
	  .rename = { .flags = RENAME_OP_EXCHANGE,
		      .parent = 1,
		      .new_parent = 5,
		      .name = SPAN("x"),
		      .new_name = SPAN("y") } },
	{ .type = OP_RENAME,
	  .tid = 102,
	  .time_ns = UINT64_C(1700000000000000000),
	  .rename = { .flags = RENAME_OP_NOREPLACE,
		      .parent = 1,
		      .new_parent = 1,
		      .name = SPAN("x"),
		      .new_name = SPAN(".x") } },
	{ .type = OP_SETATTR,
	  .tid = 103,
	  .time_ns = UINT64_C(1700000000000000001),
	  .setattr = { .ino = 1,
		       .mask = SETATTR_ALL,
		       .mode = 0700,
		       .uid = 7,
		       .gid = 8,
		       .size = INT64_MAX,
		       .atime = { -1, 999999999 },
		       .mtime = { INT64_MIN, 0 },
		       .ctime = { INT64_MAX, 1 },
		       .acl = SPAN("x") } },
	{ .type = OP_SETATTR, .tid = 104, .time_ns = UINT64_C(1700000000000000001), .setattr = { .ino = 9 } },
	{ .type = OP_WRITE,
	  .tid = 105,
	  .time_ns = UINT64_C(1700000000000000002),
	  .write = { .ino = 2,
		     .offset = 12345,
		     .flags = WRITE_KILL_PRIV,
		     .pieces = some_pieces,
		     .n_pieces = COUNT(some_pieces) } },
	{ .type = OP_RANGE,
	  .tid = 106,
	  .time_ns = UINT64_C(1700000000000000003),
	  .range = { .ino = 2, .offset = 1, .len = INT64_MAX - 1, .mode = RANGE_PUNCH, .flags = 3 } },
	{ .type = OP_CLONE,
	  .tid = 107,
	  .time_ns = UINT64_C(1700000000000000003),
	  .clone = { .src_ino = 2,
		     .src_offset = 3,
		     .ino = 4,
		     .offset = 5,
		     .len = 6,
		     .flags = WRITE_KILL_PRIV } },
	{ .type = OP_SETXATTR,
	  .tid = 108,
	  .time_ns = UINT64_C(1700000000000000003),
	  .setxattr = { .ino = 2, .name = SPAN("user.a"), .value = SPAN("v"), .mode_plus_1 = 0644 + 1 } },
	{ .type = OP_SETXATTR,
	  .tid = 109,
	  .time_ns = UINT64_C(1700000000000000003),
	  .setxattr = { .ino = 2, .name = SPAN("user.b"), .value = { big_value, sizeof(big_value) } } },
	{ .type = OP_REMOVEXATTR,
	  .tid = 110,
	  .time_ns = UINT64_C(1700000000000000003),
	  .removexattr = { .ino = 2, .name = SPAN("user.a") } },
	{ .type = OP_REAP,
	  .tid = 111,
	  .time_ns = UINT64_C(1700000000000000004),
	  .reap = { .inos = some_inos, .n = COUNT(some_inos) } },
	{ .type = OP_TAG,
	  .tid = 112,
	  .time_ns = UINT64_C(1700000000000000005),
	  .tag = { .name = SPAN("v1.0_rc-2"), .tid_plus_1 = 100 } },
	{ .type = OP_RETIRE,
	  .tid = 113,
	  .time_ns = UINT64_C(1700000000000000006),
	  .retire = { .ranges = some_ranges, .n = COUNT(some_ranges) } },
	{ .type = OP_FOLD,
	  .tid = UINT64_MAX,
	  .time_ns = UINT64_MAX,
	  .fold = { .ino = 2, .block = 9, .pieces = block_pieces, .n_pieces = COUNT(block_pieces) } },
};

/* clang-format on */

static void assert_span(struct span got, struct span want)
{
	assert_int_equal(got.len, want.len);
	if (want.len > 0)
		assert_memory_equal(got.data, want.data, want.len);
}

static void assert_pieces(const struct piece *got, size_t n_got, const struct piece *want, size_t n_want)
{
	assert_int_equal(n_got, n_want);
	for (size_t i = 0; i < n_want; i++) {
		assert_int_equal(got[i].kind, want[i].kind);
		assert_int_equal(got[i].off, want[i].off);
		assert_int_equal(got[i].len, want[i].len);
		assert_true(got[i].ref == want[i].ref);
	}
}

static void assert_create(const struct op *got, const struct op *want)
{
	assert_true(got->create.parent == want->create.parent && got->create.ino == want->create.ino);
	assert_span(got->create.name, want->create.name);
	assert_span(got->create.target, want->create.target);
	assert_span(got->create.acl_access, want->create.acl_access);
	assert_span(got->create.acl_default, want->create.acl_default);
	assert_int_equal(got->create.mode, want->create.mode);
	assert_int_equal(got->create.uid, want->create.uid);
	assert_int_equal(got->create.gid, want->create.gid);
	assert_true(got->create.rdev == want->create.rdev);
}

static void assert_setattr(const struct op *got, const struct op *want)
{
	assert_true(got->setattr.ino == want->setattr.ino);
	assert_int_equal(got->setattr.mask, want->setattr.mask);
	assert_int_equal(got->setattr.mode, want->setattr.mode);
	assert_int_equal(got->setattr.uid, want->setattr.uid);
	assert_int_equal(got->setattr.gid, want->setattr.gid);
	assert_true(got->setattr.size == want->setattr.size);
	assert_true(got->setattr.atime.sec == want->setattr.atime.sec);
	assert_true(got->setattr.mtime.sec == want->setattr.mtime.sec);
	assert_true(got->setattr.ctime.sec == want->setattr.ctime.sec);
	assert_int_equal(got->setattr.atime.nsec, want->setattr.atime.nsec);
	assert_int_equal(got->setattr.mtime.nsec, want->setattr.mtime.nsec);
	assert_int_equal(got->setattr.ctime.nsec, want->setattr.ctime.nsec);
	assert_span(got->setattr.acl, want->setattr.acl);
}

static void assert_name_op(const struct op *got, const struct op *want)
{
	switch (want->type) {
	case OP_LINK:
		assert_true(got->link.ino == want->link.ino && got->link.parent == want->link.parent);
		assert_span(got->link.name, want->link.name);
		break;
	case OP_UNLINK:
		assert_true(got->unlink.ino == want->unlink.ino && got->unlink.parent == want->unlink.parent);
		assert_span(got->unlink.name, want->unlink.name);
		assert_int_equal(got->unlink.flags, want->unlink.flags);
		break;
	default:
		assert_int_equal(got->rename.flags, want->rename.flags);
		assert_true(got->rename.parent == want->rename.parent);
		assert_true(got->rename.new_parent == want->rename.new_parent);
		assert_span(got->rename.name, want->rename.name);
		assert_span(got->rename.new_name, want->rename.new_name);
	}
}

static void assert_file_op(const struct op *got, const struct op *want)
{
	switch (want->type) {
	case OP_WRITE:
		assert_true(got->write.ino == want->write.ino && got->write.offset == want->write.offset);
		assert_int_equal(got->write.flags, want->write.flags);
		assert_pieces(got->write.pieces, got->write.n_pieces, want->write.pieces,
			      want->write.n_pieces);
		break;
	case OP_RANGE:
		assert_true(got->range.ino == want->range.ino && got->range.offset == want->range.offset);
		assert_true(got->range.len == want->range.len);
		assert_int_equal(got->range.mode, want->range.mode);
		assert_int_equal(got->range.flags, want->range.flags);
		break;
	case OP_CLONE:
		assert_true(got->clone.src_ino == want->clone.src_ino);
		assert_true(got->clone.src_offset == want->clone.src_offset);
		assert_true(got->clone.ino == want->clone.ino && got->clone.offset == want->clone.offset);
		assert_true(got->clone.len == want->clone.len);
		assert_int_equal(got->clone.flags, want->clone.flags);
		break;
	default:
		assert_true(got->fold.ino == want->fold.ino && got->fold.block == want->fold.block);
		assert_pieces(got->fold.pieces, got->fold.n_pieces, want->fold.pieces, want->fold.n_pieces);
	}
}

static void assert_other_op(const struct op *got, const struct op *want)
{
	switch (want->type) {
	case OP_SETXATTR:
		assert_true(got->setxattr.ino == want->setxattr.ino);
		assert_span(got->setxattr.name, want->setxattr.name);
		assert_span(got->setxattr.value, want->setxattr.value);
		assert_int_equal(got->setxattr.mode_plus_1, want->setxattr.mode_plus_1);
		break;
	case OP_REMOVEXATTR:
		assert_true(got->removexattr.ino == want->removexattr.ino);
		assert_span(got->removexattr.name, want->removexattr.name);
		break;
	case OP_REAP:
		assert_int_equal(got->reap.n, want->reap.n);
		assert_memory_equal(got->reap.inos, want->reap.inos, want->reap.n * sizeof(uint64_t));
		break;
	case OP_RETIRE:
		assert_int_equal(got->retire.n, want->retire.n);
		assert_memory_equal(got->retire.ranges, want->retire.ranges,
				    want->retire.n * sizeof(struct chunk_range));
		break;
	default:
		assert_int_equal(want->type, OP_TAG);
		assert_span(got->tag.name, want->tag.name);
		assert_true(got->tag.tid_plus_1 == want->tag.tid_plus_1);
	}
}

static void assert_op(const struct op *got, const struct op *want)
{
	assert_int_equal(got->type, want->type);
	assert_true(got->tid == want->tid && got->time_ns == want->time_ns);
	switch (want->type) {
	case OP_CREATE:
		assert_create(got, want);
		break;
	case OP_SETATTR:
		assert_setattr(got, want);
		break;
	case OP_LINK:
	case OP_UNLINK:
	case OP_RENAME:
		assert_name_op(got, want);
		break;
	case OP_WRITE:
	case OP_RANGE:
	case OP_CLONE:
	case OP_FOLD:
		assert_file_op(got, want);
		break;
	default:
		assert_other_op(got, want);
	}
}

static void operations_come_back_in_a_row(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct op_base base = { 0, 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct span body;
	struct cursor c;
	uint8_t type;

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++)
		op_encode(&ops[i], &base, &b);
	assert_int_equal(buf_status(&b), 0);
	assert_true(base.tid == UINT64_MAX && base.time_ns == UINT64_MAX);

	base = (struct op_base){ 0, 0 };
	c = cursor_of(b.data, b.len);
	for (size_t i = 0; i < COUNT(ops); i++) {
		struct op op;

		assert_int_equal(record_next(&c, &type, &body, &err), 1);
		assert_int_equal(op_decode(type, body, &base, &op, &err), 0);
		assert_op(&op, &ops[i]);
		assert_true(base.tid == op.tid && base.time_ns == op.time_ns);
		op_release(&op);
	}
	assert_int_equal(record_next(&c, &type, &body, &err), 0);
}

static void no_truncation_passes(void **state)
{
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++) {
		struct op_base zero = { 0, 0 }, base = zero;
		CLEANUP(buf_release) struct buf b = BUF_INIT;
		struct span body;
		struct cursor c;
		uint8_t type;
		size_t step;

		op_encode(&ops[i], &base, &b);
		c = cursor_of(b.data, b.len);
		assert_int_equal(record_next(&c, &type, &body, &err), 1);
		step = body.len > 1000 ? 97 : 1;
		for (size_t len = 0; len < body.len; len += step) {
			CLEANUP(cleanup_free) uint8_t *cut = malloc(len > 0 ? len : 1);
			struct op op;

			memcpy(cut, body.data, len);
			base = zero;
			err = (struct hf_error)HF_ERROR_INIT;
			assert_int_equal(op_decode(type, (struct span){ cut, len }, &base, &op, &err),
					 -EUCLEAN);
			assert_non_null(strstr(err.text, op_name(type)));
			assert_true(base.tid == 0 && base.time_ns == 0);
		}
		for (size_t len = 1; len < b.len; len += step) {
			c = cursor_of(b.data, len);
			assert_int_equal(record_next(&c, &type, &body, &err), -EUCLEAN);
		}
		buf_add_u8(&b, 0); /* nor does a byte too many */
		c = cursor_of(b.data, b.len);
		assert_int_equal(record_next(&c, &type, &body, &err), 1);
		body.len++;
		base = zero;
		assert_int_equal(op_decode(type, body, &base, &(struct op){ 0 }, &err), -EUCLEAN);
	}
}

static void pieces_are_gathered_up_to_the_limit(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	CLEANUP(cleanup_free) struct piece *many = calloc(RECORD_PIECES_MAX, sizeof(*many));
	CLEANUP(cleanup_free) struct piece *got = NULL;
	size_t n = 0, cap = 0;
	struct cursor c;

	(void)state;
	pieces_encode(some_pieces, 2, &b);
	pieces_encode(some_pieces + 2, 2, &b);
	c = cursor_of(b.data, b.len);
	assert_int_equal(pieces_decode(&c, &got, &n, &cap), 0);
	assert_int_equal(pieces_decode(&c, &got, &n, &cap), 0);
	assert_int_equal(cursor_finish(&c), 0);
	assert_pieces(got, n, some_pieces, COUNT(some_pieces));

	for (size_t i = 0; i < RECORD_PIECES_MAX; i++)
		many[i] = (struct piece){ PIECE_ZERO, 0, 1, 0 };
	buf_clear(&b);
	pieces_encode(many, RECORD_PIECES_MAX, &b);
	c = cursor_of(b.data, b.len);
	assert_int_equal(pieces_decode(&c, &got, &n, &cap), -EUCLEAN); /* four are there */
	n = 0;
	c = cursor_of(b.data, b.len);
	assert_int_equal(pieces_decode(&c, &got, &n, &cap), 0);
	assert_pieces(got, n, many, RECORD_PIECES_MAX);
}

static void chunks_come_back(void **state)
{
	static const struct chunk_entry entries[] = { { "one", 1 }, { "two", CHUNK_BYTES_MAX } };
	CLEANUP(buf_release) struct buf b = BUF_INIT, bad = BUF_INIT;
	struct chunk_entry *got = NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct span body;
	struct cursor c;
	uint8_t type;
	size_t n;

	(void)state;
	chunks_encode(entries, 2, &b);
	c = cursor_of(b.data, b.len);
	assert_int_equal(record_next(&c, &type, &body, &err), 1);
	assert_int_equal(type, RECORD_CHUNKS);
	assert_int_equal(chunks_decode(body, &got, &n, &err), 0);
	assert_int_equal(n, 2);
	assert_memory_equal(got, entries, sizeof(entries));
	free(got);
	for (size_t len = 0; len < body.len; len++)
		assert_int_equal(chunks_decode((struct span){ body.data, len }, &got, &n, &err), -EUCLEAN);
	assert_int_equal(record_next(&c, &type, &body, &err), 0);

	for (uint64_t len = 0; len <= CHUNK_BYTES_MAX + 1; len += CHUNK_BYTES_MAX + 1) {
		buf_clear(&bad);
		buf_add_varint(&bad, 1);
		buf_add_zeros(&bad, HASH_BYTES);
		buf_add_varint(&bad, len);
		assert_int_equal(chunks_decode((struct span){ bad.data, bad.len }, &got, &n, &err), -EUCLEAN);
	}
	buf_clear(&bad);
	buf_add_varint(&bad, UINT64_MAX);
	buf_add_zeros(&bad, 33);
	assert_int_equal(chunks_decode((struct span){ bad.data, bad.len }, &got, &n, &err), -EUCLEAN);
	buf_clear(&bad);
	buf_add_varint(&bad, 0);
	assert_int_equal(chunks_decode((struct span){ bad.data, bad.len }, &got, &n, &err), -EUCLEAN);
}

/* On whose behalf: all there are, and nothing else. */
static void who_comes_back(void **state)
{
	static const uint32_t uids[] = { 0, 1, 1000, 65534, UINT32_MAX - 1, UID_UNKNOWN };
	struct hf_error err = HF_ERROR_INIT;
	uint32_t got = 7;

	(void)state;
	for (size_t i = 0; i < COUNT(uids); i++) {
		CLEANUP(buf_release) struct buf b = BUF_INIT;
		struct span body;
		struct cursor c;
		uint8_t type;

		who_encode(uids[i], &b);
		assert_int_equal(buf_status(&b), 0);
		c = cursor_of(b.data, b.len);
		assert_int_equal(record_next(&c, &type, &body, &err), 1);
		assert_int_equal(type, RECORD_WHO);
		assert_int_equal(who_decode(body, &got, &err), 0);
		assert_int_equal(got, uids[i]);
		assert_int_equal(record_next(&c, &type, &body, &err), 0);
		for (size_t len = 0; len < body.len; len++)
			assert_int_equal(who_decode((struct span){ body.data, len }, &got, &err), -EUCLEAN);
		buf_add_u8(&b, 0);
		assert_int_equal(who_decode((struct span){ b.data + b.len - 1 - body.len, body.len + 1 },
					    &got, &err),
				 -EUCLEAN);
	}
	for (uint64_t v = (uint64_t)UINT32_MAX + 1; v != 0;
	     v = v == UINT64_MAX ? 0 : UINT64_MAX) { /* no user has that */
		CLEANUP(buf_release) struct buf b = BUF_INIT;

		buf_add_varint(&b, v);
		got = 7;
		assert_int_equal(who_decode((struct span){ b.data, b.len }, &got, &err), -EUCLEAN);
		assert_int_equal(got, 7);
		assert_non_null(strstr(err.text, "WHO"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_come_back_in_a_row),
		cmocka_unit_test(no_truncation_passes),
		cmocka_unit_test(pieces_are_gathered_up_to_the_limit),
		cmocka_unit_test(chunks_come_back),
		cmocka_unit_test(who_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
