/* SPDX-License-Identifier: MIT */
/* The frame cache over a log that is made up here: log_read_frame and log_read_part below. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/chunk/cache.h"

enum { THREADS = 6 };

struct log {
	atomic_uint reads, parts;
	bool whole_only;
	atomic_int reading; /* at this moment */
	atomic_int code;    /* what reads give, when negative */
	unsigned pause_ms;
	size_t frame_bytes;
};

static void pause_for(unsigned ms)
{
	const struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* A frame's bytes follow from its place. */
int log_read_frame(const struct log *l, struct log_pos pos, size_t expected, struct buf *out,
		   struct hf_error *err)
{
	struct log *log = (struct log *)l;
	int code;

	(void)expected;
	atomic_fetch_add(&log->reads, 1);
	atomic_fetch_add(&log->reading, 1);
	if (log->pause_ms)
		pause_for(log->pause_ms);
	atomic_fetch_sub(&log->reading, 1);
	code = atomic_load(&log->code); /* once: threads change it */
	if (code < 0)
		return hf_error_set(err, code, "segment %u is bad", pos.segment);
	buf_clear(out);
	buf_add_u32(out, pos.segment);
	buf_add_u32(out, pos.offset);
	buf_add_zeros(out, log->frame_bytes - 8);
	return buf_status(out);
}

int log_read_part(const struct log *l, struct log_pos pos, const struct log_seal *seal, size_t off,
		  size_t len, void *out, struct hf_error *err)
{
	struct log *log = (struct log *)l;
	int code;

	(void)off;
	(void)pos;
	(void)seal;
	if (log->whole_only)
		return 0;
	atomic_fetch_add(&log->parts, 1);
	code = atomic_load(&log->code); /* once: threads change it */
	if (code < 0)
		return hf_error_set(err, code, "segment %u is bad", pos.segment);
	memset(out, 7, len);
	return 1;
}

static const struct log_seal no_seal;

static void check_frame(const struct frame *f, size_t want_len, uint32_t segment, uint32_t offset)
{
	size_t len;
	const uint8_t *data = frame_data(f, &len);

	assert_int_equal(len, want_len);
	assert_int_equal(get_u32(data), segment);
	assert_int_equal(get_u32(data + 4), offset);
}

/* Get, check and release; whether it had to be read. */
static bool was_read(struct frame_cache *c, struct log *log, uint32_t segment, uint32_t offset)
{
	unsigned before = atomic_load(&log->reads);
	struct frame *f;

	assert_int_equal(frame_cache_get(c, (struct log_pos){ segment, offset }, 0, &f, NULL), 0);
	check_frame(f, log->frame_bytes, segment, offset);
	frame_release(f);
	return atomic_load(&log->reads) != before;
}

static void test_hits_and_misses(void **unused)
{
	struct log log = { .frame_bytes = 1000 };
	struct frame_cache_stats stats;
	struct frame_cache *c;

	(void)unused;
	assert_int_equal(frame_cache_new(&log, 1 << 20, &c), 0);
	assert_true(was_read(c, &log, 1, 2));
	assert_true(was_read(c, &log, 2, 1));
	assert_false(was_read(c, &log, 1, 2));
	assert_false(was_read(c, &log, 2, 1));
	frame_cache_stats(c, &stats);
	assert_int_equal(stats.hits, 2);
	assert_int_equal(stats.misses, 2);
	assert_true(stats.bytes >= 2000 && stats.bytes <= 3000);
	frame_cache_free(c);
}

static void test_parts(void **unused)
{
	struct log log = { .frame_bytes = 1000 };
	struct log_pos a = { 1, 2 }, b = { 1, 3000 };
	struct frame_cache_stats stats;
	struct frame_cache *c;
	uint8_t out[100] = { 0 };

	(void)unused;
	assert_int_equal(frame_cache_new(&log, 1 << 20, &c), 0);
	assert_int_equal(frame_cache_part(c, a, &no_seal, 500, 100, out, NULL), 1);
	assert_true(out[0] == 7 && out[99] == 7);
	assert_int_equal(frame_cache_part(c, a, &no_seal, 100, 100, out, NULL), 1);
	assert_int_equal(frame_cache_part(c, b, &no_seal, 200, 100, out, NULL),
			 1); /* another frame does not go on */
	assert_int_equal(frame_cache_part(c, a, &no_seal, 200, 100, out, NULL),
			 0); /* where the last one of this ended */
	assert_int_equal(log.parts, 3);
	frame_cache_stats(c, &stats);
	assert_int_equal(stats.bytes, 0); /* nothing was kept */

	assert_true(was_read(c, &log, a.segment, a.offset));
	assert_int_equal(frame_cache_part(c, a, &no_seal, 700, 100, out, NULL), 0); /* the whole is there */
	log.whole_only = true;
	assert_int_equal(frame_cache_part(c, b, &no_seal, 700, 100, out, NULL), 0);
	log.whole_only = false;
	log.code = -EUCLEAN;
	assert_int_equal(frame_cache_part(c, b, &no_seal, 0, 100, out, NULL), -EUCLEAN);
	frame_cache_free(c);
}

static void test_bounded_and_scan_proof(void **unused)
{
	const uint64_t sizes[] = { 1 << 20, 40 << 20 };
	struct log log = { .frame_bytes = 64 << 10 };
	struct frame_cache_stats stats;
	struct frame_cache *c;
	unsigned again = 0;

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(frame_cache_new(&log, sizes[i], &c), 0);
		for (uint32_t turn = 0; turn < 2; turn++) /* wanted twice: protected */
			for (uint32_t f = 0; f < 4; f++)
				(void)was_read(c, &log, 9, f);
		for (uint32_t f = 0; f < 2000; f++) /* a long walk */
			assert_true(was_read(c, &log, 1, f));
		frame_cache_stats(c, &stats);
		assert_true(stats.bytes <= sizes[i]);
		assert_true(stats.bytes > sizes[i] / 2);
		for (uint32_t f = 0; f < 4; f++)
			again += was_read(c, &log, 9, f);
		assert_int_equal(again, 0);
		assert_true(was_read(c, &log, 1, 0)); /* the walk's beginning is gone */
		assert_false(was_read(c, &log, 1, 1999));
		frame_cache_free(c);
	}
}

static void test_frames_outlive_the_cache(void **unused)
{
	struct log log = { .frame_bytes = 100000 };
	struct frame *held, *large;
	struct frame_cache_stats stats;
	struct frame_cache *c;

	(void)unused;
	assert_int_equal(frame_cache_new(&log, 150000, &c), 0);
	assert_int_equal(frame_cache_get(c, (struct log_pos){ 3, 4 }, 0, &held, NULL), 0);
	assert_true(was_read(c, &log, 5, 6)); /* puts it out */
	assert_true(was_read(c, &log, 3, 4));
	check_frame(held, 100000, 3, 4);
	log.frame_bytes = 200000; /* more than there is room for at all */
	assert_int_equal(frame_cache_get(c, (struct log_pos){ 7, 8 }, 0, &large, NULL), 0);
	log.frame_bytes = 100000;
	assert_false(was_read(c, &log, 3, 4)); /* and nothing was put out for it */
	frame_cache_stats(c, &stats);
	assert_true(stats.bytes <= 150000);
	frame_cache_free(c);
	check_frame(held, 100000, 3, 4);
	check_frame(large, 200000, 7, 8);
	frame_release(held);
	frame_release(large);
	frame_release(NULL);
}

static void test_failures_are_not_kept(void **unused)
{
	struct log log = { .frame_bytes = 10, .code = -EUCLEAN };
	struct hf_error err = HF_ERROR_INIT;
	struct frame *f = NULL;
	struct frame_cache *c;

	(void)unused;
	assert_int_equal(frame_cache_new(&log, 1 << 20, &c), 0);
	assert_int_equal(frame_cache_get(c, (struct log_pos){ 3, 4 }, 0, &f, &err), -EUCLEAN);
	assert_null(f);
	assert_string_equal(err.text, "segment 3 is bad");
	assert_int_equal(frame_cache_get(c, (struct log_pos){ 3, 4 }, 0, &f, NULL), -EUCLEAN);
	assert_int_equal(log.reads, 2);
	atomic_store(&log.code, 0);
	assert_true(was_read(c, &log, 3, 4));
	assert_false(was_read(c, &log, 3, 4));
	frame_cache_free(c);
}

struct wanting {
	struct frame_cache *cache;
	struct log *log;
	uint64_t seed;
	int code;
	char text[64];
};

static void *want(void *arg)
{
	struct wanting *w = arg;
	struct hf_error err = HF_ERROR_INIT;
	struct frame *f;

	w->code = frame_cache_get(w->cache, (struct log_pos){ 5, 5 }, 0, &f, &err);
	if (w->code == 0)
		frame_release(f);
	else
		memcpy(w->text, err.text, sizeof(w->text) - 1);
	return NULL;
}

/* Many at once: one read, and what it gives is everybody's. */
static void want_together(struct frame_cache *c, struct log *log, int code)
{
	struct wanting w[THREADS];
	pthread_t threads[THREADS];

	memset(w, 0, sizeof(w));
	atomic_store(&log->reads, 0);
	atomic_store(&log->code, code);
	for (int i = 0; i < THREADS; i++) {
		w[i].cache = c;
		w[i].log = log;
		assert_int_equal(pthread_create(&threads[i], NULL, want, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(w[i].code, code);
		assert_string_equal(w[i].text, code ? "segment 5 is bad" : "");
	}
	assert_int_equal(log->reads, 1);
}

static void test_one_read_for_all(void **unused)
{
	struct log log = { .frame_bytes = 5000, .pause_ms = 300 };
	struct frame_cache *c;

	(void)unused;
	assert_int_equal(frame_cache_new(&log, 1 << 20, &c), 0);
	want_together(c, &log, -EIO);
	want_together(c, &log, 0);
	assert_false(was_read(c, &log, 5, 5));
	frame_cache_free(c);
}

static void *walk(void *arg)
{
	struct wanting *w = arg;
	uint64_t random = w->seed;

	for (int i = 0; i < 20000; i++) {
		uint32_t at;

		random = random * 6364136223846793005u + 1442695040888963407u;
		at = (uint32_t)(random >> 40) % 300;
		if (i % 100 == 0)
			atomic_store(&w->log->code, i % 1000 == 0 ? -EIO : 0);
		for (;;) {
			struct frame *f;
			size_t len;
			int code = frame_cache_get(w->cache, (struct log_pos){ at % 7 + 1, at }, 0, &f, NULL);

			if (code == -EIO) {
				atomic_store(&w->log->code, 0);
				continue;
			}
			if (code < 0 || get_u32(frame_data(f, &len) + 4) != at)
				w->code = -1;
			if (code == 0)
				frame_release(f);
			break;
		}
	}
	return NULL;
}

static void test_many_threads(void **unused)
{
	struct log log = { .frame_bytes = 4000 };
	struct wanting w[THREADS];
	pthread_t threads[THREADS];
	struct frame_cache *c;

	(void)unused;
	assert_int_equal(frame_cache_new(&log, 400000, &c), 0);
	memset(w, 0, sizeof(w));
	for (int i = 0; i < THREADS; i++) {
		w[i].cache = c;
		w[i].log = &log;
		w[i].seed = (uint64_t)i;
		assert_int_equal(pthread_create(&threads[i], NULL, walk, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(w[i].code, 0);
	frame_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hits_and_misses),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_bounded_and_scan_proof),
		cmocka_unit_test(test_frames_outlive_the_cache),
		cmocka_unit_test(test_failures_are_not_kept),
		cmocka_unit_test(test_one_read_for_all),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
