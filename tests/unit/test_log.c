/* SPDX-License-Identifier: MIT */
/* The log on real files: what is written is what is replayed, across closing, segments, epochs and replicas.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/log/verifier.h"
#include "tests/unit/log_helper.h"

enum { SMALL_SEGMENT = 64 << 10, SMALL_FRAME = 3000 };

static void no_fault(void *arg, const char *what)
{
	(void)arg;
	print_error("%s\n", what);
}

static void assert_verifies(const struct log *l)
{
	struct log_check check = { .found = no_fault };
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(log_verify(l, &check, NULL, &err), 0);
}

static void test_what_is_written_is_replayed(void **state)
{
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct log_point p;

	(void)state;
	log_durable(l, &p);
	assert_int_equal(p.commit, 0);
	assert_int_equal(p.end.segment, 1);
	assert_int_equal(p.end.offset, SEGMENT_HEADER_BYTES);
	log_put_groups(l, 1, 200, SMALL_FRAME);
	log_durable(l, &p);
	assert_int_equal(p.tid, 200);
	assert_true(p.end.segment > 3); /* it went through several */
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 200);
	assert_verifies(l);
	log_close(l);
	log_fixture_release(&f);
}

static void test_reopening_goes_on(void **state)
{
	struct log_point known = { .end = { 0, 0 } };
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);

	(void)state;
	for (uint64_t i = 1; i <= 40; i++) {
		log_put_groups(l, 5 * i - 4, 5 * i, SMALL_FRAME);
		if (i % 7 == 0)
			log_durable(l, &known);
		log_close(l);
		l = log_fixture_open(&f, i % 2 ? &known : NULL);
		assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 5 * i);
	}
	assert_int_equal(log_check_groups(l, &known, SMALL_FRAME), 200);
	assert_verifies(l);
	log_close(l);
	log_fixture_release(&f);
}

/* A store at rest is as long as what is in it, and its files are named from 1 on. */
static void test_closing_gives_back_what_was_laid_out(void **state)
{
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct log_stats s;
	uint64_t sum = 0;
	char path[160];

	(void)state;
	log_put_groups(l, 1, 100, SMALL_FRAME);
	log_stats(l, &s);
	assert_true(s.allocated_ahead > 0);
	log_close(l);
	for (uint32_t i = 1; i <= s.last_segment; i++) {
		log_fixture_segment(&f, i, path);
		sum += file_bytes(path);
	}
	assert_int_equal(sum, s.bytes);
	log_fixture_segment(&f, s.last_segment + 1, path);
	assert_int_equal(access(path, F_OK), -1);
	log_fixture_release(&f);
}

static void test_groups_larger_than_a_segment(void **state)
{
	enum { BIG = 1300000 };
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);

	(void)state;
	log_put_groups(l, 1, 12, BIG);
	assert_int_equal(log_check_groups(l, NULL, BIG), 12);
	log_close(l);
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, BIG), 12);
	assert_verifies(l);
	log_close(l);
	log_fixture_release(&f);
}

static void test_wrong_calls_are_refused(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct log_frame frames[2] = { { .type = FRAME_META }, { .type = FRAME_DATA } };
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT), *other;
	struct log_point p;

	(void)state;
	buf_add_zeros(&frames[0].plain, 10);
	buf_add_zeros(&frames[1].plain, 10);
	assert_int_equal(log_commit(l, frames, 2, 1, 1, NULL), -EINVAL); /* not packed */
	assert_int_equal(log_pack(l, frames, 2), 0);
	assert_int_equal(log_commit(l, frames, 2, 1, 1, NULL), -EINVAL); /* out of order */
	log_put_groups(l, 1, 5, SMALL_FRAME);
	assert_int_equal(log_commit(l, NULL, 0, 4, 5000, NULL), -EINVAL);
	assert_int_equal(log_commit(l, NULL, 0, 5, 4999, NULL), -EINVAL);
	assert_int_equal(log_commit(l, NULL, 0, 5, COMMIT_TIME_MAX + 1, NULL), -EINVAL);
	assert_int_equal(log_commit(l, NULL, 0, UINT64_C(6) << 32, 5000, NULL), -EINVAL);
	assert_int_equal(log_commit(l, NULL, 0, 5, 5000, NULL), 0);
	log_durable(l, &p);
	assert_int_equal(log_read_frame(l, p.end, 0, &out, NULL), -EINVAL);
	assert_int_equal(log_read_frame(l, (struct log_pos){ 0, 0 }, 0, &out, NULL), -EINVAL);
	assert_int_equal(log_read_frame(l, (struct log_pos){ 1, 319 }, 0, &out, NULL), -EINVAL);
	assert_int_equal(log_read_frame(l, (struct log_pos){ 1, 321 }, 0, &out, NULL), -EUCLEAN);
	assert_int_equal(log_create(&f.options, &f.cert, &other, NULL), -EEXIST);
	log_frame_release(&frames[0]);
	log_frame_release(&frames[1]);
	log_close(l);
	log_fixture_release(&f);
}

static void test_read_only_changes_nothing(void **state)
{
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT), *r;
	char crashed[160], before[160];

	(void)state;
	log_fixture_path(&f, "crashed", crashed);
	log_fixture_path(&f, "before", before);
	log_put_groups(l, 1, 50, SMALL_FRAME);
	copy_folder(f.dir, crashed); /* as a crash leaves it: laid out, not cut */
	log_close(l);
	copy_folder(crashed, before);
	f.options.dir = crashed;
	f.options.read_only = true;
	r = log_fixture_open(&f, NULL);
	assert_int_equal(log_check_groups(r, NULL, SMALL_FRAME), 50);
	assert_int_equal(log_commit(r, NULL, 0, 51, 51000, NULL), -EROFS);
	assert_int_equal(log_room(r), 0);
	assert_verifies(r);
	log_close(r);
	assert_true(same_folders(crashed, before));
	log_fixture_release(&f);
}

static void test_room(void **state)
{
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);

	(void)state;
	for (uint64_t i = 1; i <= 100; i++) {
		uint64_t room = log_room(l);

		assert_true(room > SMALL_SEGMENT / 4 && room < SMALL_SEGMENT);
		log_put_groups(l, i, i, SMALL_FRAME);
	}
	log_close(l);
	log_fixture_release(&f);
}

/* --- threads */

static void *wake_main(void *arg)
{
	(void)usleep(50000);
	log_wake(arg);
	return NULL;
}

static void test_waiting(void **state)
{
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct log_point p;
	pthread_t t;
	uint64_t start;

	(void)state;
	log_put_groups(l, 1, 1, SMALL_FRAME);
	log_durable(l, &p);
	assert_true(log_wait(l, (struct log_pos){ 1, 0 }, 10000)); /* there already */
	assert_false(log_wait(l, p.end, 10));
	start = os_posix()->monotonic_ns(NULL);
	assert_int_equal(pthread_create(&t, NULL, wake_main, l), 0);
	assert_false(log_wait(l, p.end, 10000));
	assert_true(os_posix()->monotonic_ns(NULL) - start < 5000000000u);
	pthread_join(t, NULL);
	log_close(l);
	log_fixture_release(&f);
}

/* --- file systems below */

static int no_allocate(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	(void)fd;
	(void)offset;
	(void)len;
	return -EOPNOTSUPP;
}

static void test_without_fallocate(void **state)
{
	struct os os = *os_posix();
	struct log_fixture f;
	struct log *l;

	(void)state;
	log_fixture_init(&f, NULL, SMALL_SEGMENT);
	os.allocate = no_allocate;
	f.options.os = &os;
	assert_int_equal(log_create(&f.options, &f.cert, &l, NULL), 0);
	assert_true(log_room(l) > SMALL_SEGMENT / 2);
	log_put_groups(l, 1, 60, SMALL_FRAME);
	log_close(l);
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 60);
	log_close(l);
	log_fixture_release(&f);
}

/* --- epochs */

static void test_a_new_epoch_ends_the_old_writer(void **state)
{
	CLEANUP(keyring_freep) struct keyring *second = NULL;
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct hf_error err = HF_ERROR_INIT;
	struct epoch_cert cert;
	struct log_point p;

	(void)state;
	log_put_groups(l, 1, 30, SMALL_FRAME);
	log_durable(l, &p);
	log_close(l);

	assert_int_equal(owner_keyring(f.owner, &second), 0);
	log_fixture_cert(&f, second, 2, &p, &cert);
	f.options.keys = second;
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_commit(l, NULL, 0, 31, 31000, &err), -EKEYREJECTED);
	assert_int_equal(log_start_epoch(l, &cert, &err), 0);
	log_durable(l, &p);
	assert_int_equal(p.epoch, 2);
	assert_int_equal(log_start_epoch(l, &cert, &err), -EINVAL);
	log_put_groups(l, 31, 90, SMALL_FRAME);
	log_close(l);

	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 90);
	assert_verifies(l);
	log_close(l);

	f.options.keys = f.keys;
	assert_int_equal(log_open(&f.options, NULL, &l, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "epoch 2"));
	f.options.read_only = true; /* reading is for any writer */
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 90);
	log_close(l);
	log_fixture_release(&f);
}

/* Epochs follow each other without a commit between, even from the beginning. */
static void test_empty_epochs(void **state)
{
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct hf_error err = HF_ERROR_INIT;
	struct log_point p;

	(void)state;
	for (uint32_t epoch = 2; epoch < 8; epoch++) {
		struct epoch_cert cert;

		log_durable(l, &p);
		log_close(l);
		log_fixture_cert(&f, f.keys, epoch, &p, &cert);
		l = log_fixture_open(&f, epoch % 2 ? NULL : &p);
		if (log_start_epoch(l, &cert, &err) < 0)
			fail_msg("%s", err.text);
		if (epoch == 5)
			log_put_groups(l, 1, 1, SMALL_FRAME);
	}
	log_put_groups(l, 2, 3, SMALL_FRAME);
	log_close(l);
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 3);
	assert_verifies(l);
	log_durable(l, &p);
	assert_int_equal(p.end.segment, 7);
	log_close(l);
	log_fixture_release(&f);
}

static void test_wrong_keys_are_refused(void **state)
{
	CLEANUP(keyring_freep) struct keyring *same = NULL, *foreign = NULL, *none = NULL;
	CLEANUP(owner_freep) struct owner *other = NULL;
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	log_put_groups(l, 1, 30, SMALL_FRAME);
	log_close(l);
	assert_int_equal(owner_keyring(f.owner, &same), 0);
	assert_int_equal(keyring_make_writer(same, 1), 0); /* of epoch 1, but not the one certified */
	f.options.keys = same;
	assert_int_equal(log_open(&f.options, NULL, &l, &err), -EKEYREJECTED);
	assert_int_equal(owner_keyring(f.owner, &none), 0);
	f.options.keys = none;
	assert_int_equal(log_open(&f.options, NULL, &l, &err), -EKEYREJECTED);
	assert_int_equal(owner_new(NULL, &other), 0);
	assert_int_equal(owner_keyring(other, &foreign), 0);
	assert_int_equal(keyring_make_writer(foreign, 1), 0);
	f.options.keys = foreign;
	assert_int_equal(log_open(&f.options, NULL, &l, &err), -EKEYREJECTED);
	f.options.read_only = true;
	assert_int_equal(log_open(&f.options, NULL, &l, &err), -EKEYREJECTED);
	log_fixture_release(&f);
}

/* --- replicas */

/* What a replica does: verify each piece, then write it where it belongs. Returns the bytes it took. */
static uint64_t replicate(const struct log *l, const char *to, struct verifier *v, size_t max_bytes)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct log_pos pos = v->point.end.segment ? v->point.end : (struct log_pos){ 1, 0 };
	uint64_t bytes = 0;

	for (;;) {
		CLEANUP(cleanup_fd) int fd = -1;
		struct log_point point;
		size_t at = 0, used;
		char path[200], name[16];
		int r = log_read_raw(l, pos, max_bytes, &raw, &point, NULL);

		if (r == -ENODATA)
			return bytes;
		if (r == -ENOENT) {
			pos = (struct log_pos){ pos.segment + 1, 0 };
			continue;
		}
		assert_int_equal(r, 0);
		if (pos.offset == 0) {
			assert_int_equal(verifier_segment(v, raw.data, NULL), 0);
			at = SEGMENT_HEADER_BYTES;
		}
		for (; at < raw.len; at += used)
			assert_int_equal(verifier_group(v, raw.data + at, raw.len - at, &used, NULL, NULL),
					 1);
		assert_int_equal(log_pos_compare(v->point.end, point.end), 0);
		assert_int_equal(v->point.commit, point.commit);
		assert_int_equal(v->point.tid, point.tid);
		assert_int_equal(v->point.sealed, point.sealed);
		assert_memory_equal(v->point.chain, point.chain, HASH_BYTES);
		segment_file_name(pos.segment, name);
		(void)snprintf(path, sizeof(path), "%s/%s", to, name);
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		assert_int_equal(os_pwrite_full(os_posix(), fd, raw.data, raw.len, pos.offset), 0);
		bytes += raw.len;
		pos = v->point.end;
	}
}

static void test_raw_bytes_make_the_same_files(void **state)
{
	static const size_t sizes[] = { 0, 1, 400, 5000, 1 << 20 };
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, SMALL_SEGMENT);
	struct epoch_cert cert;
	struct log_point p;
	char to[160];

	(void)state;
	log_put_groups(l, 1, 60, SMALL_FRAME);
	log_durable(l, &p);
	log_close(l);
	log_fixture_cert(&f, f.keys, 2, &p, &cert);
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_start_epoch(l, &cert, NULL), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct verifier v;
		char name[16];

		(void)snprintf(name, sizeof(name), "replica%zu", i);
		log_fixture_path(&f, name, to);
		assert_int_equal(mkdir(to, 0700), 0);
		verifier_begin(&v, keyring_volume_id(f.keys));
		assert_true(replicate(l, to, &v, sizes[i]) > 100000);
		assert_int_equal(replicate(l, to, &v, sizes[i]), 0);
		log_put_groups(l, 61 + 20 * i, 80 + 20 * i, SMALL_FRAME);
		assert_true(replicate(l, to, &v, sizes[i]) > 10000);
	}
	log_close(l);
	assert_true(same_folders(f.dir, to)); /* the last one saw everything */
	log_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_replayed),
		cmocka_unit_test(test_reopening_goes_on),
		cmocka_unit_test(test_closing_gives_back_what_was_laid_out),
		cmocka_unit_test(test_groups_larger_than_a_segment),
		cmocka_unit_test(test_wrong_calls_are_refused),
		cmocka_unit_test(test_read_only_changes_nothing),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_without_fallocate),
		cmocka_unit_test(test_a_new_epoch_ends_the_old_writer),
		cmocka_unit_test(test_empty_epochs),
		cmocka_unit_test(test_wrong_keys_are_refused),
		cmocka_unit_test(test_raw_bytes_make_the_same_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
