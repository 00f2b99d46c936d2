/* SPDX-License-Identifier: MIT */
/* Looking at moments changes nothing; who waits for durability gets it, however many wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/volume/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { OPS = 40, THREADS = 8, SYNCS = 30 };

static int count_tag(void *arg, const char *name, const struct hf_point *point)
{
	unsigned *n = arg;

	(void)name;
	(void)point;
	++*n;
	return 0;
}

/* Every operation is found by its number and by its time. */
static void expect_points(struct store_fixture *f, const struct hf_point *points, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct hf_point p = { 0, 0 };

		assert_int_equal(hf_point_of_tid(f->store, points[i].tid, &p, NULL), 0);
		assert_int_equal(p.tid, points[i].tid);
		assert_int_equal(p.time_ns, points[i].time_ns);
		assert_int_equal(hf_point_of_time(f->store, points[i].time_ns, &p, NULL), 0);
		assert_int_equal(p.time_ns, points[i].time_ns);
		assert_true(p.tid >= points[i].tid);
		if (i > 0 && points[i].time_ns > points[i - 1].time_ns) {
			assert_int_equal(hf_point_of_time(f->store, points[i].time_ns - 1, &p, NULL), 0);
			assert_int_equal(p.tid, points[i - 1].tid);
		}
	}
}

/* Whether they are in the open group, on the way, in the index, or read from the log again. */
static void test_points(void **state)
{
	struct store_fixture *f = *state;
	struct hf_point points[OPS], list[OPS];
	unsigned tags = 0;
	char name[16];

	for (size_t i = 0; i < OPS; i++) {
		(void)snprintf(name, sizeof(name), "f%zu", i);
		(void)make_file(f, name);
		points[i] = (struct hf_point){ status_of(f).head_tid, status_of(f).head_time_ns };
	}
	assert_int_equal(hf_tag(f->store, "tag", points[3].tid, NULL), 0);
	expect_points(f, points, OPS);
	assert_true(hf_moments_list(f->store, list, OPS, NULL) > 0);
	assert_int_equal(hf_tags_list(f->store, count_tag, &tags, NULL), 0);
	assert_int_equal(tags, 1);
	assert_int_equal(status_of(f).committed_tid, 0); /* asking is no reason to write */
	commit(f);
	expect_points(f, points, OPS);
	(void)make_file(f, "more");
	expect_points(f, points, OPS);
	store_close(f);
	store_open(f, 0);
	expect_points(f, points, OPS);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	expect_points(f, points, OPS);
}

/* A moment that somebody has asked for is not appended to, though nothing was committed. */
static void test_fixed(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), tid;
	struct hf_point p;

	put_text(f, ino, 0, "one");
	tid = status_of(f).head_tid;
	put_text(f, ino, 3, "two");
	assert_int_equal(status_of(f).head_tid, tid); /* they share a moment */
	assert_int_equal(hf_point_of_tid(f->store, tid, &p, NULL), 0);
	put_text(f, ino, 6, "three");
	assert_int_equal(status_of(f).head_tid, tid + 1);
	expect_text(f, tid, ino, "onetwo");
	expect_text(f, HF_TID_HEAD, ino, "onetwothree");
}

static void says(struct store_fixture *f, const char *moment, const char *words)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_point p;

	assert_int_equal(hf_moment_find(f->store, moment, &p, &err), -ENOENT);
	if (!strstr(err.text, words))
		fail_msg("of %s: \"%s\", not \"%s\"", moment, err.text, words);
	assert_int_equal(hf_moment_find(f->store, moment, &p, NULL), -ENOENT);
}

/* What is not there leads to what is. */
static void test_nearest(void **state)
{
	struct store_fixture *f = *state;
	struct hf_point first, last, p;
	char text[40], words[100];

	says(f, "2001", "nothing");
	(void)make_file(f, "one");
	first = (struct hf_point){ status_of(f).head_tid, status_of(f).head_time_ns };
	(void)make_file(f, "two");
	last = (struct hf_point){ status_of(f).head_tid, status_of(f).head_time_ns };
	says(f, "evening", "nor any other");
	assert_int_equal(hf_tag(f->store, "before-upgrade", first.tid, NULL), 0);
	assert_int_equal(hf_tag(f->store, "evening", last.tid, NULL), 0);
	assert_int_equal(hf_tag(f->store, "v1.0", last.tid, NULL), 0);
	commit(f);
	last = (struct hf_point){ status_of(f).head_tid, status_of(f).head_time_ns };
	says(f, "before-upgarde", "the nearest of 3 is before-upgrade");
	says(f, "Evening", "is evening");
	says(f, "v1.1", "is v1.0");
	says(f, "v", "is v1.0");
	(void)snprintf(words, sizeof(words), "the last is tid-%llu (%s)", (unsigned long long)last.tid,
		       hf_moment_format(last.time_ns, text, sizeof(text)));
	says(f, "tid-4711", words);
	assert_int_equal(hf_moment_find(f->store, text, &p, NULL), 0); /* what is shown can be asked for */
	assert_int_equal(p.tid, last.tid);
	assert_int_equal(hf_point_of_time(f->store, 0, &p, NULL), -ENOENT);
	assert_int_equal(hf_point_of_tid(f->store, 1, &first, NULL), 0);
	(void)snprintf(words, sizeof(words), "first moment is %s (tid-1)",
		       hf_moment_format(first.time_ns, text, sizeof(text)));
	says(f, "2001", words);
	assert_int_equal(hf_moment_find(f->store, text, &p, NULL), 0);
	assert_int_equal(p.tid, 1);
}

struct syncing {
	struct store_fixture *f;
	atomic_uint number, lied;
};

static void *append_and_sync(void *arg)
{
	struct syncing *s = arg;
	unsigned number = atomic_fetch_add(&s->number, 1);
	char name[16];
	uint64_t ino;

	(void)snprintf(name, sizeof(name), "t%u", number);
	ino = make_file(s->f, name);
	for (unsigned i = 0; i < SYNCS; i++) {
		put(s->f, ino, i * 8, "12345678", 8);
		if (hf_fsync(s->f->store, ino, NULL) < 0 ||
		    status_of(s->f).committed_tid < attr_of(s->f, ino).tid)
			atomic_fetch_add(&s->lied, 1);
	}
	return NULL;
}

/* Nobody is told so before it is durable, and nobody waits for ever. */
static void test_many_wait(void **state)
{
	struct syncing s = { .f = *state };
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_and_sync, &s), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(s.lied, 0);
	assert_int_equal(status_of(s.f).pending_bytes > s.f->store->pending_max, 0);
}

static uint64_t too_late(void *state)
{
	(void)state;
	return COMMIT_TIME_MAX + 1000;
}

/* Of a clock of the year 2262 there is the last time that can be written, and what was so is read by all. */
static void test_the_last_time(void **state)
{
	struct store_fixture *f = *state;
	const struct os *os = f->store->os;
	struct os late = *os;
	uint64_t ino = make_file(f, "file");

	commit(f);
	late.now_ns = too_late;
	f->store->os = &late;
	put_text(f, ino, 0, "written");
	commit(f);
	put_text(f, ino, 0, "and then");
	commit(f);
	f->store->os = os;
	assert_int_equal(status_of(f).head_time_ns, COMMIT_TIME_MAX);
	put_text(f, ino, 0, "once the clock is right");
	commit(f);
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	store_open(f, HF_OPEN_REBUILD);
	expect_text(f, HF_TID_HEAD, ino, "once the clock is right");
	put_text(f, ino, 0, "Once");
	commit(f);
	store_close(f);
	store_open(f, HF_OPEN_READ_ONLY);
	expect_text(f, HF_TID_HEAD, ino, "Once the clock is right");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_points, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_fixed, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_nearest, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_many_wait, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_the_last_time, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
