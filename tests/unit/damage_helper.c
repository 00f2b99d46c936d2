/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store/format/format.h"
#include "store/os/os.h"
#include "tests/unit/damage_helper.h"
#include "tests/unit/log_helper.h"

static void find_frame(struct one *o)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	struct frame_header h;
	size_t at = SEGMENT_HEADER_BYTES;

	(void)snprintf(o->segment, sizeof(o->segment), "%s/log/0000000001.seg", o->f.path);
	assert_int_equal(os_read_file(os_posix(), o->segment, SEGMENT_BYTES_MAX, &file), 0);
	for (;; at += FRAME_HEADER_BYTES + h.body_len) {
		assert_int_equal(frame_header_decode(file.data + at, &h, NULL), 0);
		if (h.type == FRAME_DATA && h.body_len > 30000)
			break;
	}
	o->offset = (uint32_t)at;
	o->len = FRAME_HEADER_BYTES + h.body_len;
}

void one_init(struct one *o)
{
	memset(o, 0, sizeof(*o));
	store_fixture_init(&o->f, NULL);
	store_close(&o->f);
	o->f.options.segment_bytes = SMALL_SEGMENT;
	store_open(&o->f, 0);
	o->ino = make_file(&o->f, "file");
	fill_random(o->data, BYTES, 7);
	put(&o->f, o->ino, 0, o->data, BYTES);
	commit(&o->f);
	store_close(&o->f);
	find_frame(o);
}

void one_release(struct one *o)
{
	store_fixture_release(&o->f);
}

void damage(struct one *o)
{
	flip_byte(o->segment, o->offset + 5000, 4);
}

ssize_t try_read(struct one *o, uint64_t ino)
{
	const struct hf_view v = { o->f.store, HF_TID_HEAD };
	struct hf_error err = HF_ERROR_INIT;
	uint8_t got[BYTES];
	ssize_t n = hf_view_read(&v, ino, 0, got, BYTES, &err);

	if (n < 0)
		assert_true(err.text[0]);
	else
		assert_memory_equal(got, o->data, (size_t)n);
	return n;
}

struct hf_verified verified_of(struct one *o)
{
	struct hf_verified v;

	hf_store_verified(o->f.store, &v);
	return v;
}

void expect_known(struct one *o, bool retired)
{
	struct hf_damage d[3];

	assert_int_equal(verified_of(o).damaged, 1);
	assert_int_equal(hf_store_damage(o->f.store, d, 3), 1);
	assert_int_equal(d[0].segment, 1);
	assert_int_equal(d[0].offset, o->offset);
	assert_int_equal(d[0].retired, retired);
	assert_true(d[0].words[0] && d[0].found_ns);
}
