/* SPDX-License-Identifier: MIT */
/* The log on real files: what is written is what is read, across closing, segments, epochs and replicas. */
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

static struct log *create(struct log_fixture *f, uint64_t segment_bytes)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;

	log_fixture_init(f, NULL, segment_bytes);
	if (log_create(&f->options, &f->cert, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

static struct log *reopen(const struct log_fixture *f, const struct log_point *known)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;

	if (log_open(&f->options, known, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

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
	struct log *l = create(&f, SMALL_SEGMENT);
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
	struct log *l = create(&f, SMALL_SEGMENT);

	(void)state;
	for (uint64_t i = 1; i <= 40; i++) {
		log_put_groups(l, 5 * i - 4, 5 * i, SMALL_FRAME);
		if (i % 7 == 0)
			log_durable(l, &known);
		log_close(l);
		l = reopen(&f, i % 2 ? &known : NULL);
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
	struct log *l = create(&f, SMALL_SEGMENT);
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
	struct log *l = create(&f, SMALL_SEGMENT);

	(void)state;
	log_put_groups(l, 1, 12, BIG);
	assert_int_equal(log_check_groups(l, NULL, BIG), 12);
	log_close(l);
	l = reopen(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, BIG), 12);
	assert_verifies(l);
	log_close(l);
	log_fixture_release(&f);
}

static void test_compression(void **state)
{
	enum { LEN = 200000 };
	struct log_frame frames[3] = { { .type = FRAME_DATA },
				       { .type = FRAME_DATA },
				       { .type = FRAME_META } };
	CLEANUP(buf_release) struct buf noise = BUF_INIT, out = BUF_INIT;
	struct log_fixture f;
	struct log *l = create(&f, 0);

	(void)state;
	assert_int_equal(buf_reserve(&noise, LEN), 0);
	crypto_random(noise.data, LEN);
	noise.len = LEN;
	buf_add(&frames[0].plain, noise.data, LEN);
	buf_add_zeros(&frames[1].plain, LEN);
	for (int i = 0; i < 10000; i++)
		buf_add_text(&frames[2].plain, "line %d of a text\n", i);
	assert_int_equal(log_pack(l, frames, 3), 0);
	assert_false(frames[0].compressed);
	assert_true(frames[0].plain.len == LEN && frames[0].packed.len == 0);
	assert_true(frames[1].plain.len == 0 && frames[2].plain.len == 0);
	assert_true(frames[1].compressed && frames[1].packed.len < 1000);
	assert_true(frames[2].compressed);
	assert_int_equal(log_commit(l, frames, 3, 1, 1, NULL), 0);
	assert_int_equal(log_read_frame(l, frames[0].pos, 0, &out, NULL), 0);
	assert_int_equal(out.len, LEN);
	assert_memory_equal(out.data, noise.data, LEN);
	assert_int_equal(log_read_frame(l, frames[1].pos, 0, &out, NULL), 0);
	assert_int_equal(out.len, LEN);
	for (size_t i = 0; i < 3; i++)
		log_frame_release(&frames[i]);
	log_close(l);
	log_fixture_release(&f);
}

/* What the disk is asked for; tests here have one thread that reads. */
static struct {
	unsigned reads, aheads;
	uint64_t ahead_from, ahead_len;
} asked;

static ssize_t count_pread(void *state, int fd, void *data, size_t len, uint64_t offset)
{
	asked.reads++;
	return os_posix()->pread(state, fd, data, len, offset);
}

static void count_read_ahead(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	(void)fd;
	asked.aheads++;
	asked.ahead_from = offset;
	asked.ahead_len = len;
}

static void read_counted(struct log *l, const struct log_frame *frame, size_t expected, const uint8_t *want,
			 size_t len)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;

	asked.reads = asked.aheads = 0;
	assert_int_equal(log_read_frame(l, frame->pos, expected, &out, NULL), 0);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, want, len);
}

/* A frame as long as expected is one read, another two; frames in a row are read ahead, others not. */
static void test_reads_of_frames(void **state)
{
	enum { N = 6, LEN = 50000 };
	struct log_frame frames[N] = { 0 };
	CLEANUP(buf_release) struct buf noise = BUF_INIT;
	struct os os = *os_posix();
	struct log_fixture f;
	struct log *l = create(&f, 0);

	(void)state;
	assert_int_equal(buf_reserve(&noise, N * LEN), 0);
	crypto_random(noise.data, N * LEN);
	for (size_t i = 0; i < N; i++) {
		frames[i].type = FRAME_DATA;
		buf_add(&frames[i].plain, noise.data + i * LEN, LEN);
	}
	assert_int_equal(log_pack(l, frames, N), 0);
	assert_int_equal(log_commit(l, frames, N, 1, 1, NULL), 0);
	log_close(l);
	os.pread = count_pread;
	os.read_ahead = count_read_ahead;
	f.options.os = &os;
	l = reopen(&f, NULL);

	read_counted(l, &frames[4], LEN, noise.data + 4 * LEN, LEN);
	assert_int_equal(asked.reads, 1);
	read_counted(l, &frames[2], 0, noise.data + 2 * LEN, LEN);
	assert_int_equal(asked.reads, 2);
	read_counted(l, &frames[3], LEN / 2, noise.data + 3 * LEN,
		     LEN); /* there is more than was expected … */
	assert_int_equal(asked.reads, 2);
	read_counted(l, &frames[5], 10 * LEN, noise.data + 5 * LEN, LEN); /* … or less, and the log ends */
	assert_int_equal(asked.reads, 1);
	assert_int_equal(asked.aheads, 1); /* it follows the first one read */
	read_counted(l, &frames[0], LEN, noise.data, LEN);
	assert_int_equal(asked.aheads, 0);
	read_counted(l, &frames[1], LEN, noise.data + LEN, LEN);
	assert_int_equal(asked.aheads, 1);
	assert_int_equal(asked.ahead_from, frames[2].pos.offset);
	assert_true(asked.ahead_len >= 1 << 20);
	read_counted(l, &frames[2], LEN, noise.data + 2 * LEN, LEN);
	assert_int_equal(asked.aheads, 0); /* asked for already */
	for (size_t i = 0; i < N; i++)
		log_frame_release(&frames[i]);
	log_close(l);
	log_fixture_release(&f);
}

static void test_wrong_calls_are_refused(void **state)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct log_frame frames[2] = { { .type = FRAME_META }, { .type = FRAME_DATA } };
	struct log_fixture f;
	struct log *l = create(&f, SMALL_SEGMENT), *other;
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
	struct log *l = create(&f, SMALL_SEGMENT), *r;
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
	r = reopen(&f, NULL);
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
	struct log *l = create(&f, SMALL_SEGMENT);

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

struct reading {
	struct log *l;
	atomic_bool stop;
	atomic_int wrong;
	atomic_ulong reads;
};

static void *reader_main(void *arg)
{
	struct reading *r = arg;
	struct log_point from = { .end = { 0, 0 } };

	while (!atomic_load(&r->stop)) {
		char words[HF_ERROR_TEXT_BYTES];
		struct log_point p;

		log_durable(r->l, &p);
		if (p.commit == from.commit) {
			(void)log_wait(r->l, p.end, 20);
			continue;
		}
		if (log_try_groups(r->l, from.commit ? &from : NULL, SMALL_FRAME, words, sizeof(words)) < 0) {
			print_error("%s\n", words);
			atomic_store(&r->wrong, 1);
		}
		from = p;
		atomic_fetch_add(&r->reads, 1);
		(void)log_room(r->l);
	}
	return NULL;
}

static void *raw_main(void *arg)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct log_pos pos = { 1, 0 };
	struct reading *r = arg;

	while (!atomic_load(&r->stop)) {
		struct log_point p;
		int res = log_read_raw(r->l, pos, 10000, &raw, &p, NULL);

		if (res == -ENODATA)
			(void)log_wait(r->l, pos, 20);
		else if (res == -ENOENT)
			pos = (struct log_pos){ pos.segment + 1, 0 };
		else if (res == 0)
			pos = p.end;
		else
			atomic_store(&r->wrong, 1);
	}
	return NULL;
}

static void test_readers_while_writing(void **state)
{
	struct log_fixture f;
	struct reading r = { .l = create(&f, SMALL_SEGMENT) };
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i ? reader_main : raw_main, &r), 0);
	log_put_groups(r.l, 1, 250, SMALL_FRAME);
	atomic_store(&r.stop, true);
	log_wake(r.l);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.wrong, 0);
	assert_true(r.reads > 10);
	log_close(r.l);
	log_fixture_release(&f);
}

static void *wake_main(void *arg)
{
	(void)usleep(50000);
	log_wake(arg);
	return NULL;
}

static void test_waiting(void **state)
{
	struct log_fixture f;
	struct log *l = create(&f, SMALL_SEGMENT);
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
	l = reopen(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 60);
	log_close(l);
	log_fixture_release(&f);
}

/* --- epochs */

static void test_a_new_epoch_ends_the_old_writer(void **state)
{
	CLEANUP(keyring_freep) struct keyring *second = NULL;
	struct log_fixture f;
	struct log *l = create(&f, SMALL_SEGMENT);
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
	l = reopen(&f, NULL);
	assert_int_equal(log_commit(l, NULL, 0, 31, 31000, &err), -EKEYREJECTED);
	assert_int_equal(log_start_epoch(l, &cert, &err), 0);
	log_durable(l, &p);
	assert_int_equal(p.epoch, 2);
	assert_int_equal(log_start_epoch(l, &cert, &err), -EINVAL);
	log_put_groups(l, 31, 90, SMALL_FRAME);
	log_close(l);

	l = reopen(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 90);
	assert_verifies(l);
	log_close(l);

	f.options.keys = f.keys;
	assert_int_equal(log_open(&f.options, NULL, &l, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "epoch 2"));
	f.options.read_only = true; /* reading is for any writer */
	l = reopen(&f, NULL);
	assert_int_equal(log_check_groups(l, NULL, SMALL_FRAME), 90);
	log_close(l);
	log_fixture_release(&f);
}

/* Epochs follow each other without a commit between, even from the beginning. */
static void test_empty_epochs(void **state)
{
	struct log_fixture f;
	struct log *l = create(&f, SMALL_SEGMENT);
	struct hf_error err = HF_ERROR_INIT;
	struct log_point p;

	(void)state;
	for (uint32_t epoch = 2; epoch < 8; epoch++) {
		struct epoch_cert cert;

		log_durable(l, &p);
		log_close(l);
		log_fixture_cert(&f, f.keys, epoch, &p, &cert);
		l = reopen(&f, epoch % 2 ? NULL : &p);
		if (log_start_epoch(l, &cert, &err) < 0)
			fail_msg("%s", err.text);
		if (epoch == 5)
			log_put_groups(l, 1, 1, SMALL_FRAME);
	}
	log_put_groups(l, 2, 3, SMALL_FRAME);
	log_close(l);
	l = reopen(&f, NULL);
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
	struct log *l = create(&f, SMALL_SEGMENT);
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
	struct log *l = create(&f, SMALL_SEGMENT);
	struct epoch_cert cert;
	struct log_point p;
	char to[160];

	(void)state;
	log_put_groups(l, 1, 60, SMALL_FRAME);
	log_durable(l, &p);
	log_close(l);
	log_fixture_cert(&f, f.keys, 2, &p, &cert);
	l = reopen(&f, NULL);
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
		cmocka_unit_test(test_compression),
		cmocka_unit_test(test_reads_of_frames),
		cmocka_unit_test(test_wrong_calls_are_refused),
		cmocka_unit_test(test_read_only_changes_nothing),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_readers_while_writing),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_without_fallocate),
		cmocka_unit_test(test_a_new_epoch_ends_the_old_writer),
		cmocka_unit_test(test_empty_epochs),
		cmocka_unit_test(test_wrong_keys_are_refused),
		cmocka_unit_test(test_raw_bytes_make_the_same_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
