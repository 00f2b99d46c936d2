/* SPDX-License-Identifier: MIT */
/* Operations on directory entries: CREATE, LINK, UNLINK, RENAME (FORMAT.md §10.3). */
#include <assert.h>
#include <sys/stat.h>

#include "store/format/op_codec.h"

static void create_encode(const struct op *op, struct buf *out)
{
	assert(op->create.parent != 0 ? name_check(op->create.name.data, op->create.name.len) == 0 :
					op->create.name.len == 0);
	assert(op->create.target.len <= TARGET_BYTES_MAX);
	buf_add_varint(out, op->create.parent);
	op_add_span(out, &op->create.name);
	buf_add_varint(out, op->create.ino);
	buf_add_varint(out, op->create.mode);
	buf_add_varint(out, op->create.uid);
	buf_add_varint(out, op->create.gid);
	buf_add_varint(out, op->create.rdev);
	op_add_span(out, &op->create.target);
	op_add_span(out, &op->create.acl_access);
	op_add_span(out, &op->create.acl_default);
}

static void create_decode(struct op_reader *r, struct op *op)
{
	op->create.parent = cursor_varint(&r->c);
	if (op->create.parent != 0)
		op->create.name = op_read_name(r);
	else
		(void)op_read_span(r, "length of the name of a nameless file", 0);
	op->create.ino = op_read_ino(r, "inode");
	op->create.mode = op_read_u32(r, "mode");
	op_check_mode(r, op->create.mode, false);
	op->create.uid = op_read_u32(r, "uid");
	op->create.gid = op_read_u32(r, "gid");
	op->create.rdev = cursor_varint(&r->c);
	op->create.target = op_read_span(r, "length of the link target", TARGET_BYTES_MAX);
	if (S_ISLNK(op->create.mode) != (op->create.target.len > 0))
		op_reader_damaged(r, "length of the link target", op->create.target.len);
	op->create.acl_access = op_read_span(r, "length of the access ACL", XATTR_VALUE_BYTES_MAX);
	op->create.acl_default = op_read_span(r, "length of the default ACL", XATTR_VALUE_BYTES_MAX);
}

const struct op_codec op_codec_create = { "CREATE", create_encode, create_decode };

static void link_encode(const struct op *op, struct buf *out)
{
	assert(name_check(op->link.name.data, op->link.name.len) == 0);
	buf_add_varint(out, op->link.ino);
	buf_add_varint(out, op->link.parent);
	op_add_span(out, &op->link.name);
}

static void link_decode(struct op_reader *r, struct op *op)
{
	op->link.ino = op_read_ino(r, "inode");
	op->link.parent = op_read_ino(r, "parent");
	op->link.name = op_read_name(r);
}

const struct op_codec op_codec_link = { "LINK", link_encode, link_decode };

static void unlink_encode(const struct op *op, struct buf *out)
{
	assert(name_check(op->unlink.name.data, op->unlink.name.len) == 0);
	buf_add_varint(out, op->unlink.parent);
	op_add_span(out, &op->unlink.name);
	buf_add_varint(out, op->unlink.ino);
	buf_add_varint(out, op->unlink.flags);
}

static void unlink_decode(struct op_reader *r, struct op *op)
{
	op->unlink.parent = op_read_ino(r, "parent");
	op->unlink.name = op_read_name(r);
	op->unlink.ino = op_read_ino(r, "inode");
	op->unlink.flags = op_read_flags(r, "flags", UNLINK_DIR);
}

const struct op_codec op_codec_unlink = { "UNLINK", unlink_encode, unlink_decode };

enum { RENAME_OP_ALL = RENAME_OP_EXCHANGE | RENAME_OP_NOREPLACE };

static void rename_encode(const struct op *op, struct buf *out)
{
	assert(name_check(op->rename.name.data, op->rename.name.len) == 0);
	assert(name_check(op->rename.new_name.data, op->rename.new_name.len) == 0);
	buf_add_varint(out, op->rename.flags);
	buf_add_varint(out, op->rename.parent);
	op_add_span(out, &op->rename.name);
	buf_add_varint(out, op->rename.new_parent);
	op_add_span(out, &op->rename.new_name);
}

static void rename_decode(struct op_reader *r, struct op *op)
{
	op->rename.flags = op_read_flags(r, "flags", RENAME_OP_ALL);
	if (op->rename.flags == RENAME_OP_ALL) /* an exchange replaces nothing */
		op_reader_damaged(r, "flags", op->rename.flags);
	op->rename.parent = op_read_ino(r, "parent");
	op->rename.name = op_read_name(r);
	op->rename.new_parent = op_read_ino(r, "new parent");
	op->rename.new_name = op_read_name(r);
}

const struct op_codec op_codec_rename = { "RENAME", rename_encode, rename_decode };
