/* SPDX-License-Identifier: MIT */
/*
 * A damaged segment is healed from another copy, and only with what its own bytes say was there: whoever
 * gives the other copy, with whatever keys. FORMAT.md §16.3.
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

enum { CALLS_MAX = 60 };

/* The bytes at an offset of the only evidence there is of a segment, or fail. */
static void expect_evidence(const struct mend_bench *b, uint32_t segment, uint32_t offset, uint8_t damaged,
			    uint32_t at)
{
	CLEANUP(buf_release) struct buf kept = BUF_INIT;
	char path[220];

	(void)snprintf(path, sizeof(path), "%s/damaged/%010u-%010u", b->work, segment, offset);
	assert_int_equal(os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, &kept), 0);
	assert_true(at - offset < kept.len);
	assert_int_equal(kept.data[at - offset], damaged);
}

static uint8_t byte_at(const char *path, uint64_t at)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY);
	uint8_t byte = 0;

	assert_true(fd >= 0 && pread(fd, &byte, 1, (off_t)at) == 1);
	return byte;
}

static void test_every_place(void **state)
{
	struct mend_bench b;
	char path[200];
	unsigned healed = 0;

	(void)state;
	mend_bench_init(&b);
	for (uint32_t segment = 1; segment < b.end.end.segment; segment++) {
		uint64_t size, step;

		mend_segment_path(b.work_log, segment, path);
		size = file_bytes(path);
		for (uint64_t at = 0; at < size; at += step) {
			struct mended did;
			struct hf_error err = HF_ERROR_INIT;
			uint8_t damaged;

			step = at < SEGMENT_HEADER_BYTES + 60 || size - at < 400 ? 17 : 611;
			flip_byte(path, at, (uint8_t)(1 << at % 8));
			damaged = byte_at(path, at);
			if (mend_one(&b, segment, &did, &err) != 1)
				fail_msg("segment %u, offset %lu: %s", segment, (unsigned long)at, err.text);
			assert_true(mend_is_whole(&b));
			assert_int_equal(did.groups, at >= SEGMENT_HEADER_BYTES);
			assert_true(did.from <= at && at < did.from + did.bytes);
			expect_evidence(&b, segment, did.from, damaged, (uint32_t)at);
			healed++;
		}
		assert_int_equal(mend_one(&b, segment, &(struct mended){ 0 }, NULL), 0); /* nothing to do */
	}
	print_message("# healed %u times\n", healed);
	mend_bench_release(&b);
}

/* Several groups, a header, a file that is short, and one that is gone: in one go, from the last
 * segment on. */
static void test_much_at_once(void **state)
{
	struct mend_bench b;
	struct mend m;
	struct mended did;
	struct hf_error err = HF_ERROR_INIT;
	char path[200];

	(void)state;
	mend_bench_init(&b);
	m = mend_bench_mend(&b);
	mend_segment_path(b.work_log, 1, path);
	for (unsigned at = 30; at < 12000; at += 1500)
		flip_byte(path, at, 8);
	mend_segment_path(b.work_log, 2, path);
	assert_int_equal(unlink(path), 0);
	mend_segment_path(b.work_log, 3, path);
	assert_int_equal(truncate(path, 1000), 0);
	for (uint32_t segment = SEGMENTS - 1; segment > 0; segment--)
		if (mend_segment(&m, segment, &did, &err) != 1)
			fail_msg("segment %u: %s", segment, err.text);
	assert_true(mend_is_whole(&b));
	mend_bench_release(&b);
}

/* The last segment: what a commit behind says was there is healed; the last group, behind which is nothing,
 * is not. */
static void test_last_segment(void **state)
{
	struct mend_bench b;
	struct hf_error err = HF_ERROR_INIT;
	struct mended did;
	char path[200];
	uint8_t was;

	(void)state;
	mend_bench_init(&b);
	mend_segment_path(b.work_log, b.end.end.segment, path);
	flip_byte(path, 100, 2); /* its header: every commit says what that was */
	if (mend_one(&b, b.end.end.segment, &did, &err) != 1)
		fail_msg("the header: %s", err.text);
	assert_true(mend_is_whole(&b));
	flip_byte(path, 700, 2);
	flip_byte(path, 100, 2); /* and its header */
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), 1);
	assert_true(mend_is_whole(&b));
	flip_byte(path, b.end.end.offset - 10, 2);
	was = byte_at(path, b.end.end.offset - 10);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), 0); /* as if it had been torn */
	assert_int_equal(byte_at(path, b.end.end.offset - 10), was);
	mend_bench_release(&b);
}

static void test_nobody_has_it(void **state)
{
	struct mend_bench b;
	struct hf_error err = HF_ERROR_INIT;
	struct mended did;
	char path[200], theirs[200];
	uint8_t was;

	(void)state;
	mend_bench_init(&b);
	mend_segment_path(b.work_log, 2, path);
	mend_segment_path(b.good_log, 2, theirs);
	flip_byte(path, 5000, 1);
	flip_byte(theirs, 5000, 1); /* the same group, there too */
	was = byte_at(path, 5000);
	assert_int_equal(mend_one(&b, 2, &did, &err), -ENODATA);
	assert_non_null(strstr(err.text, "no other copy has what belongs there"));
	assert_int_equal(byte_at(path, 5000), was);
	flip_byte(theirs, 5000, 1);
	assert_int_equal(mend_one(&b, 2, &did, &err), 1);
	assert_true(mend_is_whole(&b));
	/* Of two copies, each damaged elsewhere, both are of use. */
	copies_release(&b.copies);
	copies_init(&b.copies, os_posix());
	assert_int_equal(copies_add_folder(&b.copies, "fixture", b.work), 0); /* itself: no help */
	assert_int_equal(copies_add_folder(&b.copies, "good", b.good), 0);
	flip_byte(path, 5000, 1);
	assert_int_equal(mend_one(&b, 2, &did, &err), 1);
	assert_string_equal(b.copies.last, "good");
	mend_bench_release(&b);
}

/* --- the thief has the writer key, and gives the other copy */

/* In place of `good`: the same log up to some group, and then another history, rightly signed. */
static void fork_from(struct mend_bench *b, uint64_t group, size_t frame)
{
	struct log_options o = b->f.options;
	struct log *l;
	char dir[160], log_dir[170];

	log_fixture_path(&b->f, "fork", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	(void)snprintf(log_dir, sizeof(log_dir), "%s/log", dir);
	o.dir = log_dir;
	assert_int_equal(log_create(&o, &b->f.cert, &l, NULL), 0);
	log_put_groups(l, 1, group, FRAME);
	log_put_groups(l, group + 1, b->groups + 40, frame);
	log_close(l);
	copies_release(&b->copies);
	copies_init(&b->copies, os_posix());
	assert_int_equal(copies_add_folder(&b->copies, "thief", dir), 0);
}

static void test_another_history(void **state)
{
	char path[200], before[200];

	(void)state;
	for (uint32_t segment = 1; segment <= SEGMENTS; segment++) {
		struct mend_bench b;
		struct hf_error err = HF_ERROR_INIT;
		struct mended did;
		int r;

		mend_bench_init(&b);
		fork_from(&b, 1, FRAME - 300);
		mend_segment_path(b.work_log, segment, path);
		flip_byte(path, 2000, 1);
		flip_byte(path, 200,
			  segment % 2 ? 0 : 4); /* the header too, so that theirs may stand in for it */
		log_fixture_path(&b.f, "before", before);
		copy_folder(b.work_log, before);
		r = mend_one(&b, segment, &did, &err);
		if (r != -EEXIST && r != -ENODATA)
			fail_msg("segment %u: %d %s", segment, r, err.text);
		assert_true(same_folders(b.work_log, before));
		flip_byte(path, 2000, 1); /* and of what is whole nothing is touched */
		if (segment % 2)
			assert_int_equal(mend_one(&b, segment, &did, &err), 0);
		mend_bench_release(&b);
	}
}

/* Of a last group that is damaged he has another, and of the log a continuation: neither is taken. */
static void test_no_going_on(void **state)
{
	struct mend_bench b;
	struct hf_error err = HF_ERROR_INIT;
	struct mended did;
	char path[200], before[200];

	(void)state;
	mend_bench_init(&b);
	fork_from(&b, b.groups - 1, FRAME - 300);
	mend_segment_path(b.work_log, b.end.end.segment, path);
	assert_int_equal(mend_one(&b, b.end.end.segment, &did, &err), 0); /* nothing is appended */
	assert_true(mend_is_whole(&b));
	flip_byte(path, b.end.end.offset - COMMIT_FRAME_BYTES - 40, 1);
	log_fixture_path(&b.f, "before", before);
	copy_folder(b.work_log, before);
	assert_true(mend_one(&b, b.end.end.segment, &did, &err) < 0); /* its own commit says what was there */
	assert_true(same_folders(b.work_log, before));
	mend_bench_release(&b);
}

/* --- pruned frames stay as they are */

static uint32_t find_data(const char *path, uint32_t *ret_len)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	struct frame_header h;
	size_t at = SEGMENT_HEADER_BYTES;

	assert_int_equal(os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, &file), 0);
	for (;; at += FRAME_HEADER_BYTES + h.body_len) {
		assert_int_equal(frame_header_decode(file.data + at, &h, NULL), 0);
		if (h.type == FRAME_DATA)
			break;
	}
	*ret_len = FRAME_HEADER_BYTES + h.body_len;
	return (uint32_t)at;
}

static void prune(const char *path, uint32_t at, uint32_t len)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;

	assert_int_equal(os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, &file), 0);
	pruned_frame_encode(file.data + at, len);
	assert_int_equal(os_write_file(os_posix(), path, file.data, file.len, 0600), 0);
}

static void test_pruned(void **state)
{
	struct prune_range range;
	struct prune_segment pruned = { .segment = 2, .ranges = &range, .n = 1 };
	struct prune_list list = { .segments = &pruned, .n = 1 };
	struct grants grants = { &list, 1 };
	struct mend_bench b;
	struct mend m;
	struct mended did;
	struct hf_error err = HF_ERROR_INIT;
	char ours[200], theirs[200], before[200];

	(void)state;
	mend_bench_init(&b);
	m = mend_bench_mend(&b);
	mend_segment_path(b.work_log, 2, ours);
	mend_segment_path(b.good_log, 2, theirs);
	range.offset = find_data(ours, &range.len);

	/* Pruned here, and the group's commit damaged: what is taken from there does not come back. */
	m.grants = &grants;
	prune(ours, range.offset, range.len);
	log_fixture_path(&b.f, "before", before);
	copy_folder(b.work_log, before);
	flip_byte(ours, range.offset + range.len + 60, 1);
	if (mend_segment(&m, 2, &did, &err) != 1)
		fail_msg("%s", err.text);
	assert_true(same_folders(b.work_log, before));

	/* Pruned there, and whole here but for the commit: stays whole. Pruned there and damaged here: is not
	 * healed. */
	copy_folder(b.good_log, b.work_log);
	prune(theirs, range.offset, range.len);
	m.grants = &b.none;
	copy_folder(b.work_log, before);
	flip_byte(ours, range.offset + range.len + 60, 1);
	if (mend_segment(&m, 2, &did, &err) != 1)
		fail_msg("%s", err.text);
	assert_true(same_folders(b.work_log, before));
	flip_byte(ours, range.offset + 100, 1);
	assert_int_equal(mend_segment(&m, 2, &did, &err), -ENODATA);
	mend_bench_release(&b);
}

/* --- cut short: every call that changes something fails once */

static struct os failing;
static unsigned calls, fail_at;

static bool fails(void)
{
	return ++calls >= fail_at; /* from there on the disk is gone */
}

static ssize_t failing_pwrite(void *s, int fd, const void *data, size_t len, uint64_t offset)
{
	return fails() ? -EIO : os_posix()->pwrite(s, fd, data, len, offset);
}

static int failing_fsync(void *s, int fd)
{
	return fails() ? -EIO : os_posix()->fsync(s, fd);
}

static int failing_truncate(void *s, int fd, uint64_t len)
{
	return fails() ? -ENOSPC : os_posix()->truncate(s, fd, len);
}

static int failing_rename(void *s, const char *from, const char *to)
{
	return fails() ? -EIO : os_posix()->rename(s, from, to);
}

static int failing_sync_dir(void *s, const char *path)
{
	return fails() ? -EIO : os_posix()->sync_dir(s, path);
}

static int failing_mkdir(void *s, const char *path, mode_t mode)
{
	return fails() ? -ENOSPC : os_posix()->mkdir(s, path, mode);
}

static void test_cut_short(void **state)
{
	struct mend_bench b;
	char path[200], before[200];
	unsigned as_it_was = 0, healed = 0;

	(void)state;
	mend_bench_init(&b);
	failing = *os_posix();
	failing.pwrite = failing_pwrite;
	failing.fsync = failing.fdatasync = failing_fsync;
	failing.truncate = failing_truncate;
	failing.rename = failing_rename;
	failing.sync_dir = failing_sync_dir;
	failing.mkdir = failing_mkdir;
	mend_segment_path(b.work_log, 2, path);
	log_fixture_path(&b.f, "before", before);
	for (fail_at = 1; fail_at < CALLS_MAX; fail_at++) {
		struct mend m = mend_bench_mend(&b);
		struct mended did;
		struct hf_error err = HF_ERROR_INIT;
		int r;

		copy_folder(b.good_log, b.work_log);
		flip_byte(path, 3000, 1);
		flip_byte(path, 9000, 1);
		copy_folder(b.work_log, before);
		m.os = &failing;
		calls = 0;
		r = mend_segment(&m, 2, &did, &err);
		if (r == 1)
			break;
		assert_true(r < 0 && err.text[0]);
		if (same_folders(b.work_log, before))
			as_it_was++;
		else if (mend_is_whole(&b))
			healed++;
		else
			fail_msg("cut short at call %u, the segment is neither as it was nor healed",
				 fail_at);
		assert_int_equal(mend_one(&b, 2, &did, &err) >= 0, 1); /* and then it goes on */
		assert_true(mend_is_whole(&b));
	}
	print_message("# %u calls: as it was %u times, healed %u\n", fail_at - 1, as_it_was, healed);
	assert_in_range(fail_at, 8, CALLS_MAX - 1);
	assert_true(as_it_was > 5 && healed >= 1);
	mend_bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_place),     cmocka_unit_test(test_much_at_once),
		cmocka_unit_test(test_last_segment),    cmocka_unit_test(test_nobody_has_it),
		cmocka_unit_test(test_another_history), cmocka_unit_test(test_no_going_on),
		cmocka_unit_test(test_pruned),          cmocka_unit_test(test_cut_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
