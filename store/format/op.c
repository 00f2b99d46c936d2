/* SPDX-License-Identifier: MIT */
/* Operations as records, FORMAT.md §10.3: what is common to all of them. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/format/op_codec.h"

static const struct op_codec *codec_of(uint8_t type)
{
	static const struct op_codec *const codecs[] = {
		[OP_CREATE] = &op_codec_create,     [OP_LINK] = &op_codec_link,
		[OP_UNLINK] = &op_codec_unlink,     [OP_RENAME] = &op_codec_rename,
		[OP_SETATTR] = &op_codec_setattr,   [OP_WRITE] = &op_codec_write,
		[OP_RANGE] = &op_codec_range,       [OP_CLONE] = &op_codec_clone,
		[OP_SETXATTR] = &op_codec_setxattr, [OP_REMOVEXATTR] = &op_codec_removexattr,
		[OP_REAP] = &op_codec_reap,         [OP_TAG] = &op_codec_tag,
		[OP_FOLD] = &op_codec_fold,         [OP_RETIRE] = &op_codec_retire,
	};

	return type < sizeof(codecs) / sizeof(codecs[0]) ? codecs[type] : NULL;
}

const char *op_name(uint8_t type)
{
	const struct op_codec *codec = codec_of(type);

	return codec ? codec->name : "?";
}

void op_encode(const struct op *op, struct op_base *base, struct buf *out)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT;
	const struct op_codec *codec = codec_of(op->type);

	assert(codec);
	assert(op->tid > base->tid && op->time_ns >= base->time_ns);
	buf_add_varint(&body, op->tid - base->tid);
	buf_add_varint(&body, op->time_ns - base->time_ns);
	codec->encode(op, &body);
	if (buf_status(&body) < 0)
		out->failed = true;
	buf_add_u8(out, op->type);
	buf_add_bytes(out, body.data, body.len);
	base->tid = op->tid;
	base->time_ns = op->time_ns;
}

static void read_moment(struct op_reader *r, const struct op_base *base, struct op *op)
{
	uint64_t tid = cursor_varint(&r->c), time_ns = cursor_varint(&r->c);

	if (tid == 0 || tid > UINT64_MAX - base->tid)
		op_reader_damaged(r, "tid difference", tid);
	if (time_ns > UINT64_MAX - base->time_ns)
		op_reader_damaged(r, "time difference", time_ns);
	op->tid = base->tid + tid;
	op->time_ns = base->time_ns + time_ns;
}

static int report(const struct op_reader *r, const char *name, const struct op *op, struct hf_error *err)
{
	if (r->code == -ENOMEM)
		return hf_error_set(err, r->code, "%s record: out of memory", name);
	if (r->code == -EPROTONOSUPPORT)
		return hf_error_set(err, r->code,
				    "%s record, tid %" PRIu64 ": %s 0x%" PRIx64 ", which this build does not "
				    "know; a newer holdfast may read it",
				    name, op->tid, r->what, r->value);
	if (r->what)
		return hf_error_set(err, r->code,
				    "%s record, tid %" PRIu64 ": damaged, %s %" PRIu64 " cannot be", name,
				    op->tid, r->what, r->value);
	return hf_error_set(err, r->code, "%s record: damaged, or not of this form", name);
}

int op_decode(uint8_t type, struct span body, struct op_base *base, struct op *ret, struct hf_error *err)
{
	const struct op_codec *codec = codec_of(type);
	struct op_reader r = { .c = cursor_of(body.data, body.len) };
	CLEANUP(op_release) struct op op;

	memset(&op, 0, sizeof(op));
	if (!codec)
		return hf_error_set(err, -EPROTONOSUPPORT,
				    "metadata frame: record type %u, which this build "
				    "does not know; a newer holdfast may read it",
				    type);
	op.type = type;
	read_moment(&r, base, &op);
	codec->decode(&r, &op);
	if (cursor_finish(&r.c) < 0 && r.code == 0)
		r.code = -EUCLEAN;
	if (r.code < 0)
		return report(&r, codec->name, &op, err);
	base->tid = op.tid;
	base->time_ns = op.time_ns;
	*ret = op;
	memset(&op, 0, sizeof(op)); /* its arrays are the caller's now */
	return 0;
}

void op_release(struct op *op)
{
	switch (op->type) {
	case OP_WRITE:
		free(op->write.pieces);
		op->write.pieces = NULL;
		op->write.n_pieces = 0;
		break;
	case OP_FOLD:
		free(op->fold.pieces);
		op->fold.pieces = NULL;
		op->fold.n_pieces = 0;
		break;
	case OP_RETIRE:
		free(op->retire.ranges);
		op->retire.ranges = NULL;
		op->retire.n = 0;
		break;
	case OP_REAP:
		free(op->reap.inos);
		op->reap.inos = NULL;
		op->reap.n = 0;
		break;
	default:
		break;
	}
}
