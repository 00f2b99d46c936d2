/* SPDX-License-Identifier: MIT */
/*
 * The end of a log, behind which nothing is, is healed by what something beside it knows: and by nothing
 * else, whoever gives the other copy. FORMAT.md §16.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/mend_helper.h"

/* Something beside the log says how far it went: then its last group is healed, or all of its last segment.
 */
static void test_known_point(void **state)
{
	struct log_known known = { .who = "a receipt says so" };
	struct hf_error err = HF_ERROR_INIT;
	struct mended did;
	char path[200];
	struct mend_bench b;

	(void)state;
	mend_bench_init(&b);
	known.point = b.end;
	b.known = &known;
	mend_segment_path(b.work_log, b.end.end.segment, path);
	for (uint32_t back = 10; back < 2 * COMMIT_FRAME_BYTES; back += 90) {
		flip_byte(path, b.end.end.offset - back, 2);
		if (mend_one(&b, b.end.end.segment, &did, &err) != 1)
			fail_msg("%u bytes from the end: %s", back, err.text);
		assert_int_equal(did.groups, 1);
		assert_true(mend_is_whole(&b));
	}
	assert_int_equal(truncate(path, b.end.end.offset - 1), 0);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), 1);
	assert_true(mend_is_whole(&b));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), 1);
	assert_true(mend_is_whole(&b));
	/* Nobody else has that much. */
	mend_segment_path(b.good_log, b.end.end.segment, path);
	flip_byte(path, b.end.end.offset - 10, 2);
	mend_segment_path(b.work_log, b.end.end.segment, path);
	flip_byte(path, b.end.end.offset - 10, 2);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), -ENODATA);
	mend_bench_release(&b);
}

/* --- the thief has the writer key, and gives the other copy */

/* In place of `good`: the same log without its last group, and another one there, rightly signed. */
static void fork_last(struct mend_bench *b, size_t frame)
{
	struct log_options o = b->f.options;
	char dir[160], log_dir[170], path[200];
	struct log *l;

	log_fixture_path(&b->f, "fork", dir);
	mend_copy_log(b->good_log, dir, log_dir);
	mend_segment_path(log_dir, b->end.end.segment, path);
	assert_int_equal(truncate(path, b->end.end.offset - 1), 0);
	o.dir = log_dir;
	assert_int_equal(log_open(&o, NULL, &l, NULL), 0);
	log_put_groups(l, b->groups, b->groups + 4, frame);
	log_close(l);
	copies_release(&b->copies);
	copies_init(&b->copies, os_posix());
	assert_int_equal(copies_add_folder(&b->copies, "thief", dir), 0);
}

/* What is known beside the log decides, and not what he has signed; nor does it undo what is whole. */
static void test_another_end(void **state)
{
	struct log_known known = { .who = "a receipt says so" };
	struct hf_error err = HF_ERROR_INIT;
	struct mended did;
	char path[200], before[200];
	struct mend_bench b;

	(void)state;
	mend_bench_init(&b);
	known.point = b.end;
	b.known = &known;
	fork_last(&b, FRAME - 300);
	mend_segment_path(b.work_log, b.end.end.segment, path);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), 0);
	flip_byte(path, b.end.end.offset - 10, 1);
	log_fixture_path(&b.f, "before", before);
	copy_folder(b.work_log, before);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), -ENODATA);
	assert_non_null(strstr(err.text, "another history"));
	assert_non_null(strstr(err.text, known.who));
	assert_true(same_folders(b.work_log, before));
	/* A point that its own commits contradict: the log stays, and it is said. */
	flip_byte(path, b.end.end.offset - 10, 1);
	known.point.chain[0] ^= 1;
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), -EEXIST);
	assert_non_null(strstr(err.text, known.who));
	assert_true(mend_is_whole(&b));
	mend_bench_release(&b);
}

/*
 * Two points are known, and all behind the first is lost. He has other groups there, and seals the segment in
 * front of the second, so that it is never passed.
 */
static void test_sealed_short(void **state)
{
	struct log_known known[2] = { { .who = "an old receipt" }, { .who = "a new receipt" } };
	struct hf_error err = HF_ERROR_INIT;
	struct log_options o;
	struct log_point now;
	struct mended did;
	struct mend_bench b;
	struct mend m;
	struct log *l;
	char path[200], dir[160], log_dir[170], before[200];

	(void)state;
	memset(&b, 0, sizeof(b));
	l = log_fixture_create(&b.f, 4 * SEGMENT);
	log_put_groups(l, 1, 3, FRAME);
	log_durable(l, &known[0].point);
	log_put_groups(l, 4, 16, FRAME);
	log_durable(l, &known[1].point);
	log_close(l);
	assert_int_equal(known[1].point.end.segment, 1);
	assert_in_range(known[0].point.end.offset, 1, SEGMENT);
	assert_true(known[1].point.end.offset > SEGMENT);
	log_fixture_path(&b.f, "work", b.work);
	log_fixture_path(&b.f, "fork", dir);
	mend_copy_log(b.f.dir, b.work, b.work_log);
	mend_copy_log(b.f.dir, dir, log_dir);
	mend_segment_path(log_dir, 1, path);
	assert_int_equal(truncate(path, known[0].point.end.offset), 0);
	o = b.f.options;
	o.dir = log_dir;
	o.segment_bytes = SEGMENT;
	assert_int_equal(log_open(&o, NULL, &l, NULL), 0);
	for (uint64_t group = 4; log_durable(l, &now), now.end.segment == 1; group++)
		log_put_groups(l, group, group, 300);
	log_close(l);
	assert_true(file_bytes(path) < known[1].point.end.offset);
	copies_init(&b.copies, os_posix());
	assert_int_equal(copies_add_folder(&b.copies, "thief", dir), 0);
	mend_segment_path(b.work_log, 1, path);
	assert_int_equal(truncate(path, known[0].point.end.offset + 10), 0);
	log_fixture_path(&b.f, "before", before);
	copy_folder(b.work_log, before);
	m = mend_bench_mend(&b);
	m.known = known;
	m.n_known = 2;
	assert_int_equal(mend_segment(&m, 1, &did, &err), -EEXIST);
	assert_non_null(strstr(err.text, known[1].who));
	assert_true(same_folders(b.work_log, before));
	mend_bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_point),
		cmocka_unit_test(test_another_end),
		cmocka_unit_test(test_sealed_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
