/* SPDX-License-Identifier: MIT */
/*
 * A frame header that is damaged in the segment that is written to, in front of what the index was made from:
 * writing goes on behind it, and the damage stays to be found, and is all that is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "store/format/format.h"
#include "store/os/os.h"
#include "tests/unit/log_helper.h"

enum { SEGMENT_BYTES = 16 << 10, FRAME = 800, GROUPS = 4, MORE = 14 };

struct last {
	struct log_fixture f;
	char whole[160], path[160]; /* a copy of the folder, and segment 1 */
	struct log_point known;
};

static void last_begin(struct last *t)
{
	struct log *l = log_fixture_create(&t->f, SEGMENT_BYTES);

	log_put_groups(l, 1, GROUPS, FRAME);
	log_durable(l, &t->known);
	assert_int_equal(t->known.end.segment, 1);
	log_close(l);
	log_fixture_path(&t->f, "whole", t->whole);
	log_fixture_segment(&t->f, 1, t->path);
	copy_folder(t->f.dir, t->whole);
}

static void last_end(struct last *t)
{
	remove_folder(t->whole);
	log_fixture_release(&t->f);
}

static long faults(const struct last *t)
{
	const struct log_check check = { .found = NULL };
	struct log_options o = t->f.options;
	struct log *l;
	long n;

	o.read_only = o.damaged_too = true;
	assert_int_equal(log_open(&o, NULL, &l, NULL), 0);
	n = log_verify(l, &check, NULL, NULL);
	log_close(l);
	return n;
}

/* Opened and written to until the segment is sealed. */
static void write_on(struct last *t, bool has_lost)
{
	struct log *l = log_fixture_open(&t->f, &t->known);
	struct log_point end;
	struct log_pos lost;

	assert_int_equal(log_has_lost(l, &lost), has_lost);
	if (has_lost)
		assert_int_equal(lost.segment, 1);
	log_put_groups(l, GROUPS + 1, GROUPS + MORE, FRAME);
	log_durable(l, &end);
	assert_true(end.end.segment > 1);
	assert_int_equal(log_check_groups(l, &t->known, FRAME), GROUPS + MORE);
	log_close(l);
}

/* Where the first frame of this type is. */
static uint32_t find_frame(const struct last *t, uint8_t type)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	struct frame_header h;
	size_t at = SEGMENT_HEADER_BYTES;

	assert_int_equal(os_read_file(os_posix(), t->path, SEGMENT_BYTES_MAX, &file), 0);
	for (;; at += FRAME_HEADER_BYTES + h.body_len) {
		assert_int_equal(frame_header_decode(file.data + at, &h, NULL), 0);
		if (h.type == type)
			return (uint32_t)at;
	}
}

static void flip_header(struct last *t, uint8_t type, uint32_t bit)
{
	const uint32_t at = find_frame(t, type) + bit / 8;
	const uint8_t mask = (uint8_t)(1 << bit % 8);
	struct log_pos lost;
	struct log *l;
	bool has_lost;

	flip_byte(t->path, at, mask);
	l = log_fixture_open(&t->f, &t->known);
	has_lost = log_has_lost(l, &lost);
	log_close(l);
	write_on(t, has_lost);
	if (faults(t) < 1)
		fail_msg("type %u, bit %u: nothing is found", type, bit);
	flip_byte(t->path, at, mask); /* as if healed: the table is right, or says nothing */
	if (faults(t) != 0)
		fail_msg("type %u, bit %u: a table that is wrong", type, bit);
	l = log_fixture_open(&t->f, NULL);
	assert_int_equal(log_check_groups(l, NULL, FRAME), GROUPS + MORE);
	log_close(l);
	remove_folder(t->f.dir);
	copy_folder(t->whole, t->f.dir);
}

static void test_each_bit(void **state)
{
	static const uint8_t types[] = { FRAME_DATA, FRAME_META, FRAME_COMMIT };
	struct last t;

	(void)state;
	last_begin(&t);
	for (size_t i = 0; i < sizeof(types); i++)
		for (uint32_t bit = 0; bit < 8 * FRAME_HEADER_BYTES; bit += bit >= 32 && bit < 40 ? 1 : 13)
			flip_header(&t, types[i], bit);
	write_on(&t, false);
	assert_int_equal(faults(&t), 0);
	last_end(&t);
}

/* More than a bit: what looks like a table, which no segment has before its end; and nothing at all. */
static void test_headers_that_are_others(void **state)
{
	struct log_pos lost;
	struct last t;
	struct log *l;
	uint32_t at;

	(void)state;
	last_begin(&t);
	at = find_frame(&t, FRAME_DATA);
	flip_byte(t.path, at + 4, FRAME_DATA ^ FRAME_TABLE);
	write_on(&t, true);
	assert_true(faults(&t) > 0);
	remove_folder(t.f.dir);
	copy_folder(t.whole, t.f.dir);

	for (uint32_t i = 0; i < 512; i++)
		flip_byte(t.path, at + i, 0x5a);
	l = log_fixture_open(&t.f, &t.known);
	assert_true(log_has_lost(l, &lost));
	assert_int_equal(lost.offset, at);
	log_close(l);
	write_on(&t, true);
	assert_true(faults(&t) > 0);
	last_end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_bit),
		cmocka_unit_test(test_headers_that_are_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
