/* SPDX-License-Identifier: MIT */
/*
 * What a record may say, FORMAT.md §10: each rule of the document has a record that breaks it alone, written
 * field by field.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "store/format/format.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A record written field by field: `v` is a varint, `s` a text with its length. */
enum field_kind { END, V, S, Z /* that many zero bytes with their length */ };
struct field {
	enum field_kind kind;
	uint64_t v;
	const char *s;
};
/* clang-format off */
#define V(n) { V, n, NULL }
#define S(text) { S, 0, text }
#define Z(n) { Z, n, NULL }
/* clang-format on */

struct bad_record {
	uint8_t type;
	int code;
	const char *words;
	struct field fields[16];
};

static int decode_fields(uint8_t type, uint64_t tid, const struct field *fields, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct op_base base = { 0, 0 };
	struct op op;
	int r;

	buf_add_varint(&b, tid);
	buf_add_varint(&b, 1);
	for (; fields->kind != END; fields++) {
		if (fields->kind == V)
			buf_add_varint(&b, fields->v);
		else if (fields->kind == S)
			buf_add_bytes(&b, fields->s, strlen(fields->s));
		else {
			buf_add_varint(&b, fields->v);
			buf_add_zeros(&b, (size_t)fields->v);
		}
	}
	r = op_decode(type, (struct span){ b.data, b.len }, &base, &op, err);
	if (r == 0)
		op_release(&op);
	return r;
}

/* clang-format off: one record a line */
#define FILE_MODE (S_IFREG | 0644)
#define MAX63 INT64_MAX

/* parent, name, inode, mode, uid, gid, device, target, ACLs */
#define CREATE(parent, name, ino, mode, uid, gid, target, access)              \
	{                                                                      \
		parent, name, ino, mode, uid, gid, V(0), target, access, S("") \
	}

static const struct bad_record bad_names[] = {
	{ OP_CREATE, 0, "", CREATE(V(1), S("n"), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "name", CREATE(V(1), S(""), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "name", CREATE(V(1), S("."), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "name", CREATE(V(1), S(".."), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "name", CREATE(V(1), S("a/b"), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "name", CREATE(V(1), Z(1), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "name", CREATE(V(1), Z(256), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "nameless",
	  CREATE(V(0), S("n"), V(2), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "inode", CREATE(V(1), S("n"), V(0), V(FILE_MODE), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "mode", CREATE(V(1), S("n"), V(2), V(0644), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "mode", CREATE(V(1), S("n"), V(2), V(0170644), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "mode", CREATE(V(1), S("n"), V(2), V(0300644), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "uid",
	  CREATE(V(1), S("n"), V(2), V(FILE_MODE), V(1L << 32), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "gid",
	  CREATE(V(1), S("n"), V(2), V(FILE_MODE), V(0), V(1L << 32), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "target",
	  CREATE(V(1), S("n"), V(2), V(FILE_MODE), V(0), V(0), S("t"), S("")) },
	{ OP_CREATE, -EUCLEAN, "target",
	  CREATE(V(1), S("n"), V(2), V(S_IFLNK | 0777), V(0), V(0), S(""), S("")) },
	{ OP_CREATE, -EUCLEAN, "target",
	  CREATE(V(1), S("n"), V(2), V(S_IFLNK | 0777), V(0), V(0), Z(4096), S("")) },
	{ OP_CREATE, -EUCLEAN, "ACL", CREATE(V(1), S("n"), V(2), V(FILE_MODE), V(0), V(0), S(""), Z(65537)) },
	{ OP_LINK, -EUCLEAN, "parent", { V(2), V(0), S("n") } },
	{ OP_LINK, -EUCLEAN, "inode", { V(0), V(1), S("n") } },
	{ OP_LINK, -EUCLEAN, "name", { V(2), V(1), S("..") } },
	{ OP_UNLINK, 0, "", { V(1), S("n"), V(2), V(0) } },
	{ OP_UNLINK, -EPROTONOSUPPORT, "flags 0x2", { V(1), S("n"), V(2), V(2) } },
	{ OP_RENAME, 0, "", { V(0), V(1), S("n"), V(1), S("m") } },
	{ OP_RENAME, -EPROTONOSUPPORT, "flags 0x4", { V(4), V(1), S("n"), V(1), S("m") } },
	{ OP_RENAME, -EUCLEAN, "flags", { V(3), V(1), S("n"), V(1), S("m") } },
	{ OP_RENAME, -EUCLEAN, "name", { V(0), V(1), S("n"), V(1), S("") } },
	{ OP_RENAME, -EUCLEAN, "new parent", { V(0), V(1), S("n"), V(0), S("m") } },
};

static const struct bad_record bad_contents[] = {
	{ OP_WRITE, 0, "", { V(2), V(MAX63 - 1), V(0), V(1), V(1), V(1) } },
	{ OP_WRITE, -EUCLEAN, "offset", { V(2), V(MAX63), V(0), V(1), V(1), V(1) } },
	{ OP_WRITE, -EUCLEAN, "offset", { V(2), V(UINT64_MAX), V(0), V(1), V(1), V(1) } },
	{ OP_WRITE, -EUCLEAN, "length", { V(2), V(0), V(0), V(0) } },
	{ OP_WRITE, -EPROTONOSUPPORT, "flags 0x2", { V(2), V(0), V(2), V(1), V(1), V(1) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(1), V(1), V(0) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(2), V(1), V(0), V(1), V(9) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(1), V(1), V(UINT32_MAX + 1L) } },
	{ OP_WRITE, 0, "", { V(2), V(0), V(0), V(1), V(2), V(0), V(CHUNK_BYTES_MAX) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(1), V(2), V(1), V(CHUNK_BYTES_MAX) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(1), V(2), V(CHUNK_BYTES_MAX), V(1) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(2), V(1), V(1) } },
	{ OP_WRITE, -EUCLEAN, "damaged", { V(2), V(0), V(0), V(UINT64_MAX), V(1), V(1) } },
	{ OP_RANGE, 0, "", { V(2), V(1), V(0), V(0), V(1) } },
	{ OP_RANGE, -EPROTONOSUPPORT, "mode 0x4", { V(2), V(4), V(0), V(0), V(1) } },
	{ OP_RANGE, -EPROTONOSUPPORT, "mode 0x0", { V(2), V(0), V(0), V(0), V(1) } },
	{ OP_RANGE, -EPROTONOSUPPORT, "flags 0x4", { V(2), V(1), V(4), V(0), V(1) } },
	{ OP_RANGE, -EUCLEAN, "length", { V(2), V(1), V(0), V(0), V(0) } },
	{ OP_RANGE, -EUCLEAN, "offset", { V(2), V(1), V(0), V(MAX63), V(1) } },
	{ OP_CLONE, -EUCLEAN, "offset", { V(2), V(MAX63), V(3), V(0), V(1), V(0) } },
	{ OP_CLONE, -EUCLEAN, "offset", { V(2), V(0), V(3), V(MAX63), V(1), V(0) } },
	{ OP_CLONE, -EPROTONOSUPPORT, "flags 0x2", { V(2), V(0), V(3), V(0), V(1), V(2) } },
	{ OP_FOLD, 0, "", { V(2), V(0), V(1), V(0), V(BLOCK_BYTES) } },
	{ OP_FOLD, -EUCLEAN, "length", { V(2), V(0), V(1), V(0), V(BLOCK_BYTES + 1) } },
	{ OP_FOLD, -EUCLEAN, "length", { V(2), V(0), V(0) } },
	{ OP_FOLD, -EUCLEAN, "block", { V(2), V(1L << 47), V(1), V(0), V(1) } },
	{ OP_RETIRE, 0, "", { V(2), V(0), V(1), V(1), V(1) } },
	{ OP_RETIRE, -EUCLEAN, "gap", { V(2), V(0), V(1), V(0), V(1) } },
	{ OP_RETIRE, -EUCLEAN, "chunks", { V(1), V(5), V(0) } },
	{ OP_RETIRE, 0, "", { V(1), V(1), V(UINT64_MAX - 1) } },
	{ OP_RETIRE, -EUCLEAN, "chunks", { V(1), V(1), V(UINT64_MAX) } },
	{ OP_RETIRE, -EUCLEAN, "gap", { V(2), V(0), V(UINT64_MAX), V(1), V(1) } },
	{ OP_RETIRE, -EUCLEAN, "ranges", { V(0), V(0), V(0) } },
	{ OP_RETIRE, -EUCLEAN, "ranges", { V(RECORD_RANGES_MAX + 1), V(0), V(1) } },
	{ OP_RETIRE, -EUCLEAN, "ranges", { V(2), V(0), V(1) } },
};

static const struct bad_record bad_others[] = {
	{ OP_SETATTR, 0, "", { V(1), V(0) } },
	{ OP_SETATTR, -EPROTONOSUPPORT, "mask 0x200", { V(1), V(512) } },
	{ OP_SETATTR, -EUCLEAN, "mode", { V(1), V(SETATTR_MODE), V(0170000) } },
	{ OP_SETATTR, -EUCLEAN, "size", { V(1), V(SETATTR_SIZE), V(UINT64_C(1) << 63) } },
	{ OP_SETATTR, 0, "", { V(1), V(SETATTR_MTIME), V(1), V(999999999) } },
	{ OP_SETATTR, -EUCLEAN, "nanoseconds", { V(1), V(SETATTR_MTIME), V(1), V(1000000000) } },
	{ OP_SETATTR, -EUCLEAN, "ACL", { V(1), V(SETATTR_ACL), Z(65537) } },
	{ OP_SETATTR, -EUCLEAN, "damaged", { V(1), V(SETATTR_UID) } },
	{ OP_SETXATTR, 0, "", { V(1), S("user.x"), S(""), V(0) } },
	{ OP_SETXATTR, -EUCLEAN, "name", { V(1), S(""), S(""), V(0) } },
	{ OP_SETXATTR, -EUCLEAN, "name", { V(1), Z(3), S(""), V(0) } },
	{ OP_SETXATTR, -EUCLEAN, "value", { V(1), S("user.x"), Z(65537), V(0) } },
	{ OP_SETXATTR, -EUCLEAN, "mode", { V(1), S("user.x"), S(""), V(0170001) } },
	{ OP_REMOVEXATTR, -EUCLEAN, "name", { V(1), S("") } },
	{ OP_REAP, -EUCLEAN, "count", { V(0) } },
	{ OP_REAP, -EUCLEAN, "count", { V(2), V(7) } },
	{ OP_REAP, -EUCLEAN, "count", { V(UINT64_MAX), V(7) } },
	{ OP_REAP, -EUCLEAN, "inode", { V(1), V(0) } },
	{ OP_TAG, 0, "", { S("t"), V(0) } },
	{ OP_TAG, -EUCLEAN, "tag", { S(""), V(0) } },
	{ OP_TAG, -EUCLEAN, "tag", { S(".t"), V(0) } },
	{ OP_TAG, -EUCLEAN, "tag", { S("a b"), V(0) } },
	{ OP_TAG, -EUCLEAN, "tag", { Z(129), V(0) } },
	{ 30, -EPROTONOSUPPORT, "record type 30", { V(0) } },
	{ 15, -EPROTONOSUPPORT, "record type 15", { V(0) } },
	{ RECORD_CHUNKS, -EPROTONOSUPPORT, "record type 1", { V(0) } },
	{ 255, -EPROTONOSUPPORT, "record type 255", { V(0) } },
};

/* clang-format on */

static void assert_rules(const struct bad_record *records, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct hf_error err = HF_ERROR_INIT;
		int r = decode_fields(records[i].type, 1, records[i].fields, &err);

		if (r != records[i].code || !strstr(err.text, records[i].words))
			fail_msg("%s record %zu: %d \"%s\" instead of %d with \"%s\"",
				 op_name(records[i].type), i, r, err.text, records[i].code, records[i].words);
	}
}

static void each_rule_about_names_is_kept(void **state)
{
	(void)state;
	assert_rules(bad_names, COUNT(bad_names));
}

static void each_rule_about_contents_is_kept(void **state)
{
	(void)state;
	assert_rules(bad_contents, COUNT(bad_contents));
}

static void each_other_rule_is_kept(void **state)
{
	(void)state;
	assert_rules(bad_others, COUNT(bad_others));
}

static void moments_go_forward(void **state)
{
	static const struct field fields[] = { S("t"), V(0), { END, 0, NULL } };
	struct op_base base = { UINT64_MAX, 0 };
	static const uint8_t body[] = { 1, 0, 1, 't', 0 }, late[] = { 1, 1, 1, 't', 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct op op;

	(void)state;
	assert_int_equal(decode_fields(OP_TAG, 1, fields, &err), 0);
	assert_int_equal(decode_fields(OP_TAG, 0, fields, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "tid difference"));
	assert_int_equal(op_decode(OP_TAG, (struct span){ body, sizeof(body) }, &base, &op, &err), -EUCLEAN);
	base = (struct op_base){ 0, UINT64_MAX };
	assert_int_equal(op_decode(OP_TAG, (struct span){ late, sizeof(late) }, &base, &op, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "time difference"));
	assert_int_equal(op_decode(OP_TAG, (struct span){ body, sizeof(body) }, &base, &op, &err), 0);
}

static void names_are_judged(void **state)
{
	char name[300];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_int_equal(name_check(name, 255), 0);
	assert_int_equal(name_check(name, 256), -ENAMETOOLONG);
	assert_int_equal(name_check("", 0), -EINVAL);
	assert_int_equal(name_check(".", 1), -EINVAL);
	assert_int_equal(name_check("..", 2), -EINVAL);
	assert_int_equal(name_check("...", 3), 0);
	assert_int_equal(name_check(".a", 2), 0);
	assert_int_equal(name_check("a\0b", 3), -EINVAL);
	assert_int_equal(name_check("/", 1), -EINVAL);
	assert_int_equal(name_check("\xff\n", 2), 0);
	assert_int_equal(tag_name_check(name, 128), 0);
	assert_int_equal(tag_name_check(name, 129), -ENAMETOOLONG);
	assert_int_equal(tag_name_check("-a", 2), -EINVAL);
	assert_int_equal(tag_name_check("a-.", 3), 0);
	assert_int_equal(tag_name_check("a:b", 3), -EINVAL);
	assert_string_equal(op_name(OP_FOLD), "FOLD");
	assert_string_equal(op_name(OP_RETIRE), "RETIRE");
	assert_string_equal(op_name(RECORD_CHUNKS), "?");
	assert_string_equal(op_name(200), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_about_names_is_kept),
		cmocka_unit_test(each_rule_about_contents_is_kept),
		cmocka_unit_test(each_other_rule_is_kept),
		cmocka_unit_test(moments_go_forward),
		cmocka_unit_test(names_are_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
