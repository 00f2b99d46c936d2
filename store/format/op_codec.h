/* SPDX-License-Identifier: MIT */
/*
 * How one type of operation is written and read (FORMAT.md §10.3). Private to store/format: op.c has the
 * table of them and what is common (record frame, tid, time), op_name.c those that work on directory
 * entries, op_file.c on the contents of a file, op_retire.c on chunks, op_attr.c on everything else.
 */
#ifndef STORE_FORMAT_OP_CODEC_H
#define STORE_FORMAT_OP_CODEC_H

#include "store/format/format.h"

/*
 * Reads the fields of one record. The first thing that is wrong is remembered with its words; what is read
 * after it is zero and wrongs nothing. Fields are checked as they are read.
 */
struct op_reader {
	struct cursor c;
	int code;         /* 0, -EUCLEAN, -EPROTONOSUPPORT or -ENOMEM */
	const char *what; /* the field, static; NULL: the record as a whole */
	uint64_t value;
};

/* A value that can never be, and one that a later version may have given a meaning. */
void op_reader_damaged(struct op_reader *r, const char *what, uint64_t value);
void op_reader_unknown(struct op_reader *r, const char *what, uint64_t value);
bool op_reader_failed(struct op_reader *r);

uint64_t op_read_ino(struct op_reader *r, const char *what); /* not 0 */
uint32_t op_read_u32(struct op_reader *r, const char *what);
uint32_t op_read_flags(struct op_reader *r, const char *what, uint32_t known);
struct span op_read_name(struct op_reader *r);
struct span op_read_span(struct op_reader *r, const char *what, size_t max);
void op_read_pieces(struct op_reader *r, struct piece **ret, size_t *ret_n, uint64_t *ret_len);
/* A run of a file: fails unless len > 0 and offset + len <= 2^63 - 1. */
void op_check_run(struct op_reader *r, uint64_t offset, uint64_t len);
/* Type (one of the seven; none at all only where may_lack_type) and permissions. */
void op_check_mode(struct op_reader *r, uint32_t mode, bool may_lack_type);

void op_add_span(struct buf *out, const struct span *s);

struct op_codec {
	const char *name;
	void (*encode)(const struct op *op, struct buf *out);
	void (*decode)(struct op_reader *r, struct op *op); /* op is zeroed but for type, tid, time_ns */
};

extern const struct op_codec op_codec_create, op_codec_link, op_codec_unlink, op_codec_rename; /* op_name.c */
extern const struct op_codec op_codec_write, op_codec_range, op_codec_clone, op_codec_fold;    /* op_file.c */
extern const struct op_codec op_codec_setattr, op_codec_setxattr, op_codec_removexattr, op_codec_reap,
	op_codec_tag;                         /* op_attr.c */
extern const struct op_codec op_codec_retire; /* op_retire.c */

#endif
