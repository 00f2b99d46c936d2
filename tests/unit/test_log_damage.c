/* SPDX-License-Identifier: MIT */
/* What is torn is cut off, what is damaged is refused and found: FORMAT.md §7, on real files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/log_helper.h"

enum { SEGMENT = 16 << 10, FRAME = 2000 };

/* A closed log of several segments, and what it looked like in a crash: laid out, not cut to its length. */
struct damage {
	struct log_fixture f;
	char closed[160], crashed[160], work[160];
	struct log_point end, before_last; /* at the end, and one group earlier */
	uint64_t groups;
};

static void damage_begin(struct damage *d)
{
	struct log *l;

	d->groups = 0;
	log_fixture_init(&d->f, NULL, SEGMENT);
	log_fixture_path(&d->f, "log", d->closed);
	log_fixture_path(&d->f, "crashed", d->crashed);
	log_fixture_path(&d->f, "work", d->work);
	assert_int_equal(log_create(&d->f.options, &d->f.cert, &l, NULL), 0);
	do { /* till the last of some segments ends with a group worth tearing */
		log_durable(l, &d->before_last);
		d->groups++;
		log_put_groups(l, d->groups, d->groups, FRAME);
		log_durable(l, &d->end);
	} while (d->end.end.segment < 4 || d->end.end.segment != d->before_last.end.segment ||
		 d->end.end.offset - d->before_last.end.offset < 1500 || d->before_last.end.offset < 3000);
	copy_folder(d->closed, d->crashed);
	log_close(l);
	d->f.options.dir = d->work;
}

static void damage_end(struct damage *d)
{
	log_fixture_release(&d->f);
}

static void work_segment(const struct damage *d, uint32_t segment, char out[200])
{
	(void)snprintf(out, 200, "%s/%010u.seg", d->work, segment);
}

/* The group that the work folder's log ends with; it must open. */
static uint64_t opened_end(const struct damage *d, const struct log_point *known)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;
	uint64_t last;

	if (log_open(&d->f.options, known, &l, &err) < 0)
		fail_msg("%s", err.text);
	last = log_check_groups(l, NULL, FRAME);
	log_put_groups(l, last + 1, last + 3, FRAME); /* and it goes on */
	assert_int_equal(log_check_groups(l, NULL, FRAME), last + 3);
	log_close(l);
	return last;
}

/* Opening is refused with this code (0: as damaged) and words, and not a byte changes. */
static void assert_refused(const struct damage *d, const struct log_point *known, int code, const char *word)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;
	char before[160];
	int r;

	log_fixture_path(&d->f, "before", before);
	copy_folder(d->work, before);
	r = log_open(&d->f.options, known, &l, &err);
	log_close(l);
	if (code || r != -EPROTONOSUPPORT) /* a flipped bit may look like a newer version's */
		assert_int_equal(r, code ? code : -EUCLEAN);
	assert_non_null(strstr(err.text, word));
	assert_true(same_folders(d->work, before));
}

static void count_fault(void *arg, const char *what)
{
	long *n = arg;

	(void)what;
	++*n;
}

/* Faults that log_verify finds in the work folder, opened as a check does. */
static long faults(const struct damage *d)
{
	struct log_options o = d->f.options;
	struct hf_error err = HF_ERROR_INIT;
	long told = 0, n;
	struct log_check check = { .found = count_fault, .arg = &told };
	struct log *l = NULL;

	o.read_only = o.damaged_too = true;
	if (log_open(&o, NULL, &l, &err) < 0)
		fail_msg("%s", err.text);
	n = log_verify(l, &check, NULL, &err);
	if (n < 0)
		fail_msg("%s", err.text);
	assert_int_equal(told, n);
	log_close(l);
	return n;
}

/* --- torn tails */

static void test_the_end_cut_anywhere(void **state)
{
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	for (uint32_t len = d.before_last.end.offset; len <= d.end.end.offset; len += 1 + len % 50) {
		uint64_t expect = len < d.end.end.offset ? d.groups - 1 : d.groups;

		copy_folder(d.crashed, d.work);
		work_segment(&d, d.end.end.segment, path);
		assert_int_equal(truncate(path, len), 0);
		assert_int_equal(faults(&d), 0);
		if (opened_end(&d, len % 2 ? &d.before_last : NULL) != expect)
			fail_msg("cut to %u bytes", len);
	}
	copy_folder(d.closed, d.work);
	assert_int_equal(opened_end(&d, NULL), d.groups);
	damage_end(&d);
}

static void overwrite(const char *path, uint64_t offset, const void *data, size_t len)
{
	CLEANUP(cleanup_fd) int fd = os_posix()->open(NULL, path, 2, 0);

	assert_true(fd >= 0);
	assert_int_equal(os_pwrite_full(os_posix(), fd, data, len, offset), 0);
}

/* Some sectors of the last write arrived, others not, perhaps the commit did. */
static void test_the_last_write_torn(void **state)
{
	static const uint8_t zeros[512];
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	for (unsigned i = 0; i < 30; i++) {
		uint32_t from = d.before_last.end.offset, to = d.end.end.offset;
		uint32_t at = from + i * (to - from) / 30, len = to - at < 512 ? to - at : 512;

		copy_folder(d.crashed, d.work);
		work_segment(&d, d.end.end.segment, path);
		overwrite(path, at, zeros, len);
		assert_int_equal(faults(&d), 0);
		assert_int_equal(opened_end(&d, i % 2 ? &d.before_last : NULL), d.groups - 1);
	}
	damage_end(&d);
}

/* What was cut off is gone from the disk before anything new is written: it could pass for a commit later. */
static void test_what_is_cut_is_gone(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct log_point p;
	struct damage d;
	struct log *l;
	char path[200];

	(void)state;
	damage_begin(&d);
	copy_folder(d.crashed, d.work);
	work_segment(&d, d.end.end.segment, path);
	flip_byte(path, d.before_last.end.offset + 50, 1); /* its commit is whole */
	assert_int_equal(log_open(&d.f.options, NULL, &l, NULL), 0);
	log_durable(l, &p);
	assert_int_equal(p.tid, d.groups - 1);
	assert_int_equal(os_read_file(os_posix(), path, SIZE_MAX, &b), 0);
	assert_true(b.len > d.end.end.offset); /* laid out anew */
	for (size_t i = p.end.offset; i < b.len; i++)
		assert_int_equal(b.data[i], 0);
	log_close(l);
	damage_end(&d);
}

static void test_noise_behind_the_end(void **state)
{
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	for (unsigned i = 0; i < 40; i++) {
		uint8_t noise[3000];

		crypto_random(noise, sizeof(noise));
		memcpy(noise + 100, "HFr1\3", 5); /* something like a commit */
		if (i % 2)
			memcpy(noise, "HFr1\1\0\0\0", 8); /* something like a frame */
		copy_folder(i % 4 < 2 ? d.crashed : d.closed, d.work);
		work_segment(&d, d.end.end.segment, path);
		overwrite(path, d.end.end.offset, noise, 20 + 70 * i);
		assert_int_equal(opened_end(&d, i % 3 ? NULL : &d.end), d.groups);
	}
	damage_end(&d);
}

/* Files that come before a segment's first byte counts. */
static void test_spare_files(void **state)
{
	static const uint8_t zeros[5000];
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	for (unsigned i = 0; i < 6; i++) {
		static const size_t sizes[] = { 0, 1, 319, 320, 4096, 5000 };
		uint8_t bytes[5000];

		copy_folder(d.closed, d.work);
		work_segment(&d, d.end.end.segment + 1, path);
		memcpy(bytes, zeros, sizeof(bytes));
		if (i % 2)
			memcpy(bytes, "HFSEGMT1", sizes[i] < 8 ? sizes[i] : 8); /* a header torn */
		assert_int_equal(os_write_file(os_posix(), path, bytes, sizes[i], 0600), 0);
		assert_int_equal(faults(&d), 0);
		assert_int_equal(opened_end(&d, i % 3 ? NULL : &d.end), d.groups);
	}
	damage_end(&d);
}

/* A crash while a header was written: it is torn, and the file behind it was laid out already. */
static void test_two_spare_files(void **state)
{
	static const uint8_t zeros[4096];
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	for (unsigned i = 0; i < 8; i++) {
		CLEANUP(buf_release) struct buf segment = BUF_INIT;
		uint8_t bytes[4096] = { 0 };

		copy_folder(d.closed, d.work);
		work_segment(&d, d.end.end.segment, path);
		assert_int_equal(os_read_file(os_posix(), path, 1 << 20, &segment), 0);
		memcpy(bytes, segment.data, 108);
		work_segment(&d, d.end.end.segment + 2, path);
		assert_int_equal(os_write_file(os_posix(), path, zeros, i & 1 ? sizeof(zeros) : 0, 0600), 0);
		work_segment(&d, d.end.end.segment + 1, path);
		if (i < 6) /* else not even its name came to be */
			assert_int_equal(os_write_file(os_posix(), path, bytes, i & 2 ? sizeof(bytes) : 108,
						       0600),
					 0);
		assert_int_equal(faults(&d), 0);
		assert_int_equal(opened_end(&d, i & 4 ? NULL : &d.end), d.groups);
		assert_int_equal(opened_end(&d, NULL), d.groups + 3);
		assert_int_equal(faults(&d), 0);
	}
	damage_end(&d);
}

/* --- damage */

static void test_damage_in_the_last_segment_is_refused(void **state)
{
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	for (uint32_t at = 0; at < d.before_last.end.offset; at += 151) {
		copy_folder(at % 2 ? d.crashed : d.closed, d.work);
		work_segment(&d, d.end.end.segment, path);
		flip_byte(path, at, (uint8_t)(1 << at % 8));
		assert_refused(&d, NULL, 0, "");
		assert_true(faults(&d) > 0);
	}
	/* The very last group too, where a clean end shows that it was whole. */
	for (uint32_t at = d.before_last.end.offset; at < d.end.end.offset - COMMIT_FRAME_BYTES; at += 61) {
		copy_folder(d.closed, d.work);
		work_segment(&d, d.end.end.segment, path);
		flip_byte(path, at, 1);
		assert_refused(&d, NULL, 0, "");
		assert_true(faults(&d) > 0);
	}
	damage_end(&d);
}

static void test_damage_behind_a_known_point_is_refused(void **state)
{
	struct damage d;
	struct log_point known;
	char path[200];

	(void)state;
	damage_begin(&d);
	copy_folder(d.closed, d.work);
	work_segment(&d, d.end.end.segment, path);
	flip_byte(path, d.end.end.offset - 100, 1); /* in the commit the index knows */
	assert_refused(&d, &d.end, -EUCLEAN, "holdfast check");
	assert_int_equal(truncate(path, d.end.end.offset - 1), 0);
	assert_refused(&d, &d.end, -EUCLEAN, "holdfast check");
	copy_folder(d.closed, d.work);
	assert_int_equal(unlink(path),
			 0); /* the log as it was before that segment: still shorter than known */
	assert_refused(&d, &d.end, -EUCLEAN, "holdfast check");
	copy_folder(d.closed, d.work);
	known = d.end;
	known.chain[0] ^= 1;
	assert_refused(&d, &known, -EUCLEAN, "holdfast check");
	known = d.end;
	known.tid++;
	assert_refused(&d, &known, -EUCLEAN, "holdfast check");
	known = d.end;
	known.end.offset--;
	assert_refused(&d, &known, -EUCLEAN, "holdfast check");
	assert_int_equal(opened_end(&d, &d.end), d.groups);
	damage_end(&d);
}

static void copy_file(const char *from, const char *to)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;

	assert_int_equal(os_read_file(os_posix(), from, SIZE_MAX, &b), 0);
	assert_int_equal(os_write_file(os_posix(), to, b.data, b.len, 0600), 0);
}

static void test_missing_and_foreign_segments(void **state)
{
	struct damage d, other;
	char path[200], from[200];

	(void)state;
	damage_begin(&d);
	damage_begin(&other);
	for (uint32_t i = 1; i < d.end.end.segment; i++) {
		copy_folder(d.closed, d.work);
		work_segment(&d, i, path);
		assert_int_equal(unlink(path), 0);
		assert_refused(&d, NULL, -EUCLEAN, "missing");
		assert_refused(&d, &d.end, -EUCLEAN, "missing");
		assert_int_equal(faults(&d), 1);
	}
	for (uint32_t i = 1; i <= d.end.end.segment; i++) {
		copy_folder(d.closed, d.work);
		work_segment(&d, i, path);
		(void)snprintf(from, sizeof(from), "%s/%010u.seg", other.closed, i);
		copy_file(from, path);
		if (i == d.end.end.segment)
			assert_refused(&d, NULL, -EKEYREJECTED, "volume");
		assert_true(faults(&d) > 0);
	}
	/* The same segment twice. */
	copy_folder(d.closed, d.work);
	work_segment(&d, d.end.end.segment + 1, path);
	(void)snprintf(from, sizeof(from), "%s/%010u.seg", d.closed, d.end.end.segment);
	copy_file(from, path);
	assert_refused(&d, NULL, -EUCLEAN, "holdfast check");
	/* And far away, so that all between are missing: that is one thing to be told. */
	copy_folder(d.closed, d.work);
	(void)snprintf(from, sizeof(from), "%s/%010u.seg", d.closed, d.end.end.segment);
	work_segment(&d, UINT32_MAX, path);
	copy_file(from, path);
	assert_refused(&d, NULL, -EUCLEAN, "missing");
	assert_true(faults(&d) > 0 && faults(&d) < 8);
	damage_end(&other);
	damage_end(&d);
}

/* Every flipped bit of a closed log is found: headers, frames, commits, tables. */
static void test_verify_finds_every_flip(void **state)
{
	struct damage d;
	char path[200];

	(void)state;
	damage_begin(&d);
	copy_folder(d.closed, d.work);
	assert_int_equal(faults(&d), 0);
	for (uint32_t segment = 1; segment <= d.end.end.segment; segment++) {
		uint64_t size, step;

		work_segment(&d, segment, path);
		size = file_bytes(path);
		for (uint64_t at = 0; at < size; at += step) {
			/*
			 * Headers and the seal densely, frames by sampling; the last commit of an open
			 * segment is its end.
			 */
			step = at < SEGMENT_HEADER_BYTES + 60 || size - at < 600 ? 7 : 331;
			if (segment == d.end.end.segment && size - at <= COMMIT_FRAME_BYTES)
				break;
			flip_byte(path, at, 4);
			if (faults(&d) == 0)
				fail_msg("segment %u, offset %lu", segment, (unsigned long)at);
			flip_byte(path, at, 4);
		}
	}
	assert_int_equal(faults(&d), 0);
	damage_end(&d);
}

/* A bad place does not hide another in a later segment, and reading around it works. */
static void test_verify_goes_on(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct damage d;
	struct log *l;
	char path[200];
	long n = 0;
	struct log_check check = { .found = count_fault, .arg = &n };

	(void)state;
	damage_begin(&d);
	copy_folder(d.closed, d.work);
	for (uint32_t segment = 1; segment <= 3; segment++) {
		work_segment(&d, segment, path);
		flip_byte(path, 5000, 1);
	}
	assert_int_equal(faults(&d), 3);
	work_segment(&d, 2, path);
	flip_byte(path, 200, 1); /* a header: its segment cannot be entered */
	assert_int_equal(faults(&d), 3);
	/* An undamaged end opens all the same; what is damaged is told when it is read. */
	d.f.options.read_only = true;
	assert_int_equal(log_open(&d.f.options, NULL, &l, NULL), 0);
	assert_int_equal(log_verify(l, &check, NULL, NULL), 3);
	assert_int_equal(log_read_frame(l, (struct log_pos){ 3, 320 }, 0, &out, &err), 0);
	log_close(l);
	damage_end(&d);
}

struct first_data {
	struct log_pos pos;
};

static int find_data(void *arg, const struct log_group *g, struct hf_error *err)
{
	struct first_data *f = arg;

	(void)err;
	if (!g->n_data)
		return 0;
	f->pos = g->data[0];
	return 1;
}

static void test_a_flipped_frame_is_never_served(void **state)
{
	CLEANUP(buf_release) struct buf good = BUF_INIT, out = BUF_INIT;
	struct first_data first = { { 0, 0 } };
	struct damage d;
	struct log *l;
	char path[200];

	(void)state;
	damage_begin(&d);
	copy_folder(d.closed, d.work);
	assert_int_equal(log_open(&d.f.options, NULL, &l, NULL), 0);
	assert_int_equal(log_replay(l, NULL, find_data, &first, NULL, NULL), 1);
	assert_int_equal(log_read_frame(l, first.pos, 0, &good, NULL), 0);
	work_segment(&d, first.pos.segment, path);
	for (uint32_t at = first.pos.offset; at < first.pos.offset + 300; at++) {
		struct hf_error err = HF_ERROR_INIT;
		int r;

		flip_byte(path, at, (uint8_t)(1 << at % 8));
		r = log_read_frame(l, first.pos, 0, &out, &err);
		assert_int_equal(r, -EUCLEAN);
		assert_true(err.text[0] && out.len == 0);
		flip_byte(path, at, (uint8_t)(1 << at % 8));
	}
	assert_int_equal(log_read_frame(l, first.pos, 0, &out, NULL), 0);
	assert_int_equal(out.len, good.len);
	assert_memory_equal(out.data, good.data, good.len);
	log_close(l);
	damage_end(&d);
}

/* Of a log that is written to, what was durable is looked at: a group in flight behind that is no damage. */
static void test_no_further_than_it_was_durable(void **state)
{
	struct damage d;
	struct log_options o;
	struct log_point at, end;
	struct log *l = NULL;
	long told = 0;
	struct log_check check = { .found = count_fault, .arg = &told };
	char name[200];

	(void)state;
	damage_begin(&d);
	copy_folder(d.crashed, d.work);
	assert_int_equal(log_open(&d.f.options, NULL, &l, NULL), 0);
	log_put_groups(l, d.groups + 1, d.groups + 1, 100);
	log_durable(l, &at);
	log_put_groups(l, d.groups + 2, d.groups + 4, 100);
	log_durable(l, &end);
	assert_int_equal(at.end.segment, end.end.segment);
	log_close(l);
	work_segment(&d, at.end.segment, name);
	flip_byte(name, at.end.offset + 1, 255); /* as one sees it who was here before the writer */
	assert_refused(&d, NULL, -EUCLEAN, "damaged");
	o = d.f.options;
	o.read_only = true;
	o.ends = &at;
	assert_int_equal(log_open(&o, NULL, &l, NULL), 0);
	log_durable(l, &end);
	assert_memory_equal(end.chain, at.chain, HASH_BYTES);
	assert_int_equal(log_verify(l, &check, NULL, NULL), 0);
	assert_int_equal(told, 0);
	log_close(l);

	flip_byte(name, at.end.offset - 1, 1); /* in front of it, to the last byte, it is */
	assert_int_equal(log_open(&o, NULL, &l, NULL), -EUCLEAN);
	o.damaged_too = true;
	assert_int_equal(log_open(&o, NULL, &l, NULL), 0);
	assert_int_equal(log_verify(l, &check, NULL, NULL), 1);
	assert_int_equal(told, 1);
	log_close(l);
	damage_end(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_end_cut_anywhere),
		cmocka_unit_test(test_the_last_write_torn),
		cmocka_unit_test(test_what_is_cut_is_gone),
		cmocka_unit_test(test_noise_behind_the_end),
		cmocka_unit_test(test_spare_files),
		cmocka_unit_test(test_two_spare_files),
		cmocka_unit_test(test_damage_in_the_last_segment_is_refused),
		cmocka_unit_test(test_damage_behind_a_known_point_is_refused),
		cmocka_unit_test(test_missing_and_foreign_segments),
		cmocka_unit_test(test_verify_finds_every_flip),
		cmocka_unit_test(test_verify_goes_on),
		cmocka_unit_test(test_a_flipped_frame_is_never_served),
		cmocka_unit_test(test_no_further_than_it_was_durable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
