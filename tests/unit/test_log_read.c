/* SPDX-License-Identifier: MIT */
/* Reading frames of the log: what comes back, what it costs, and while it is written. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "store/format/format.h"
#include "store/os/os.h"
#include "tests/unit/log_helper.h"

enum { SMALL_SEGMENT = 64 << 10, SMALL_FRAME = 3000 };

static void test_compression(void **state)
{
	enum { LEN = 200000 };
	struct log_frame frames[3] = { { .type = FRAME_DATA },
				       { .type = FRAME_DATA },
				       { .type = FRAME_META } };
	CLEANUP(buf_release) struct buf noise = BUF_INIT, out = BUF_INIT;
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, 0);

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
	uint64_t bytes; /* read */
	uint64_t ahead_from, ahead_len;
} asked;

static ssize_t count_pread(void *state, int fd, void *data, size_t len, uint64_t offset)
{
	asked.reads++;
	asked.bytes += len;
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

/* A closed log of one group of frames of noise, LEN bytes each but the last, which text makes compressible.
 */
enum { PART_FRAMES = 3, PART_LEN = 100000 };

static void make_parts(struct log_fixture *f, struct log_frame *frames, uint8_t *noise)
{
	struct log *l = log_fixture_create(f, 0);

	crypto_random(noise, PART_FRAMES * PART_LEN);
	memset(noise + (PART_FRAMES - 1) * PART_LEN, 'a', PART_LEN);
	for (size_t i = 0; i < PART_FRAMES; i++) {
		frames[i].type = FRAME_DATA;
		buf_add(&frames[i].plain, noise + i * PART_LEN, PART_LEN);
	}
	assert_int_equal(log_pack(l, frames, PART_FRAMES), 0);
	assert_int_equal(log_commit(l, frames, PART_FRAMES, 1, 1, NULL), 0);
	log_close(l);
}

static void release_parts(struct log_fixture *f, struct log_frame *frames, struct log *l)
{
	for (size_t i = 0; i < PART_FRAMES; i++)
		log_frame_release(&frames[i]);
	log_close(l);
	log_fixture_release(f);
}

static int compare_seals(void *arg, const struct log_group *group, struct hf_error *err)
{
	const struct log_frame *frames = arg;

	(void)err;
	assert_int_equal(group->n_data, PART_FRAMES);
	for (size_t i = 0; i < PART_FRAMES; i++) {
		assert_int_equal(group->seals[i].body_len, frames[i].seal.body_len);
		assert_memory_equal(group->seals[i].nonce, frames[i].seal.nonce, NONCE_BYTES);
	}
	return 1; /* it was called */
}

static void test_parts_of_frames(void **state)
{
	static const struct {
		size_t off, len;
	} parts[] = { { 0, 1 },       { 0, 16384 },    { 16383, 2 },        { 16384, 16384 },
		      { 4096, 4096 }, { 60000, 4096 }, { PART_LEN - 1, 1 }, { PART_LEN - 5000, 5000 },
		      { 0, PART_LEN } };
	static uint8_t noise[PART_FRAMES * PART_LEN], got[PART_LEN];
	struct log_frame frames[PART_FRAMES] = { 0 };
	const struct log_frame *packed = &frames[PART_FRAMES - 1];
	struct hf_error err = HF_ERROR_INIT;
	struct os os = *os_posix();
	struct log_seal wrong;
	struct log_fixture f;
	struct log *l;

	(void)state;
	make_parts(&f, frames, noise);
	os.pread = count_pread;
	f.options.os = &os;
	l = log_fixture_open(&f, NULL);
	assert_int_equal(log_replay(l, NULL, compare_seals, frames, NULL, &err), 1);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		for (size_t k = 0; k < PART_FRAMES - 1; k++) {
			memset(got, 0, sizeof(got));
			asked.reads = 0;
			asked.bytes = 0;
			assert_int_equal(log_read_part(l, frames[k].pos, &frames[k].seal, parts[i].off,
						       parts[i].len, got, &err),
					 1);
			assert_memory_equal(got, noise + k * PART_LEN + parts[i].off, parts[i].len);
			/* the pieces they are in, and nothing else */
			assert_int_equal(asked.reads, 1);
			assert_true(asked.bytes <=
				    parts[i].len + 2 * FRAME_PIECE_BYTES +
					    (parts[i].len / FRAME_PIECE_BYTES + 2) * TAG_BYTES);
		}
	}
	asked.reads = 0;
	assert_int_equal(packed->seal.body_len, 0); /* a compressed one is not in pieces */
	assert_int_equal(log_read_part(l, packed->pos, &packed->seal, 0, 10, got, &err), 0);
	assert_int_equal(asked.reads, 0);
	/* What does not open it is not believed. */
	assert_int_equal(log_read_part(l, packed->pos, &frames[0].seal, 0, 10, got, &err), 0);
	for (int i = 0; i < 3; i++) {
		wrong = frames[1].seal;
		if (i == 0)
			wrong.nonce[3] ^= 1;
		else
			wrong.body_len = i == 1 ? 7 : UINT32_MAX;
		assert_int_equal(log_read_part(l, frames[1].pos, &wrong, 50000, 4096, got, &err), 0);
	}
	assert_int_equal(log_read_part(l, frames[0].pos, &frames[0].seal, PART_LEN - 9, 10, got, &err), 0);
	assert_int_equal(log_read_part(l, frames[0].pos, &frames[0].seal, 10 * PART_LEN, 1, got, &err), 0);
	assert_int_equal(err.code, 0);
	assert_int_equal(log_read_part(l, (struct log_pos){ 1, 0 }, &frames[0].seal, 0, 1, got, &err),
			 -EINVAL);
	release_parts(&f, frames, l);
}

/* Damage is met in the piece it is in, and told by whoever reads the whole. */
static void test_damage_in_a_part(void **state)
{
	static uint8_t noise[PART_FRAMES * PART_LEN], got[PART_LEN];
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	struct log_frame frames[PART_FRAMES] = { 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct log_fixture f;
	char path[160];
	struct log *l;

	(void)state;
	make_parts(&f, frames, noise);
	l = log_fixture_open(&f, NULL);
	log_fixture_segment(&f, 1, path);
	flip_byte(path, frames[0].pos.offset + FRAME_HEADER_BYTES + 2 * (FRAME_PIECE_BYTES + TAG_BYTES) + 5,
		  1);
	assert_int_equal(log_read_part(l, frames[0].pos, &frames[0].seal, 0, 2 * FRAME_PIECE_BYTES, got,
				       &err),
			 1);
	assert_memory_equal(got, noise, 2 * FRAME_PIECE_BYTES);
	assert_int_equal(log_read_part(l, frames[0].pos, &frames[0].seal, 2 * FRAME_PIECE_BYTES, 1, got,
				       &err),
			 0);
	assert_int_equal(log_read_part(l, frames[0].pos, &frames[0].seal, 3 * FRAME_PIECE_BYTES, 1, got,
				       &err),
			 1);
	assert_int_equal(log_read_frame(l, frames[0].pos, PART_LEN, &out, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "0000000001.seg is damaged at offset"));
	/* Where the header alone is damaged, the bytes are there still. */
	flip_byte(path, frames[1].pos.offset + 20, 1);
	assert_int_equal(log_read_part(l, frames[1].pos, &frames[1].seal, 50000, 100, got, &err), 1);
	assert_memory_equal(got, noise + PART_LEN + 50000, 100);
	assert_int_equal(log_read_frame(l, frames[1].pos, PART_LEN, &out, &err), -EUCLEAN);
	release_parts(&f, frames, l);
}

/* A frame as long as expected is one read, another two; frames in a row are read ahead, others not. */
static void test_reads_of_frames(void **state)
{
	enum { N = 6, LEN = 50000 };
	struct log_frame frames[N] = { 0 };
	CLEANUP(buf_release) struct buf noise = BUF_INIT;
	struct os os = *os_posix();
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, 0);

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
	l = log_fixture_open(&f, NULL);

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
	struct reading r = { .l = log_fixture_create(&f, SMALL_SEGMENT) };
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

/* --- a segment that is replaced by others, as healing does */

static struct {
	struct log *l;
	char path[160];
	const uint8_t *bytes; /* NULL: nothing is replaced */
	size_t len;
} replacing;

static void replace_segment(void)
{
	assert_int_equal(os_write_file(os_posix(), replacing.path, replacing.bytes, replacing.len, 0600), 0);
	replacing.bytes = NULL;
	log_forget_segment(replacing.l, 1);
}

/* Just when somebody has opened the file of before. */
static int open_and_replace(void *state, const char *path, int flags, mode_t mode)
{
	int fd = os_posix()->open(state, path, flags, mode);

	if (replacing.bytes && strcmp(path, replacing.path) == 0)
		replace_segment();
	return fd;
}

/* Who opened it just before may still read what was; who comes after reads what is there now. */
static void test_replaced_while_opened(void **state)
{
	struct log_frame frame = { .type = FRAME_DATA };
	CLEANUP(buf_release) struct buf whole = BUF_INIT, out = BUF_INIT;
	struct os os = *os_posix();
	struct log_fixture f;
	struct log *l = log_fixture_create(&f, 0);

	(void)state;
	buf_add_zeros(&frame.plain, 1000);
	crypto_random(frame.plain.data, 1000);
	assert_int_equal(log_pack(l, &frame, 1), 0);
	assert_int_equal(log_commit(l, &frame, 1, 1, 1, NULL), 0);
	log_close(l);
	log_fixture_segment(&f, 1, replacing.path);
	assert_int_equal(os_read_file(os_posix(), replacing.path, 1 << 20, &whole), 0);
	os.open = open_and_replace;
	f.options.os = &os;
	f.options.read_only = true;
	l = replacing.l = log_fixture_open(&f, NULL);
	log_forget_segment(l, 1); /* opening has read it */
	flip_byte(replacing.path, frame.pos.offset + FRAME_HEADER_BYTES + 500, 1);
	replacing.bytes = whole.data;
	replacing.len = whole.len;
	assert_int_equal(log_read_frame(l, frame.pos, 0, &out, NULL), -EUCLEAN);
	assert_null(replacing.bytes);
	assert_int_equal(log_read_frame(l, frame.pos, 0, &out, NULL), 0);
	log_frame_release(&frame);
	log_close(l);
	log_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compression),           cmocka_unit_test(test_reads_of_frames),
		cmocka_unit_test(test_parts_of_frames),       cmocka_unit_test(test_damage_in_a_part),
		cmocka_unit_test(test_readers_while_writing), cmocka_unit_test(test_replaced_while_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
