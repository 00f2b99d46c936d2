/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "store/base/workers.h"

enum { JOBS = 5000 };

struct tally {
	atomic_uint calls[JOBS];
	pthread_t seen_by[JOBS];
};

static void count_job(void *arg, size_t i)
{
	struct tally *t = arg;

	atomic_fetch_add(&t->calls[i], 1);
	t->seen_by[i] = pthread_self();
}

static void assert_each_once(const struct tally *t, size_t n)
{
	for (size_t i = 0; i < JOBS; i++)
		assert_int_equal(t->calls[i], i < n ? 1 : 0);
}

static void test_every_index_once(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 100, JOBS };
	static struct tally t;
	struct workers *w;

	(void)state;
	assert_int_equal(workers_new(3, &w), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(&t, 0, sizeof(t));
		workers_run(w, sizes[i], count_job, &t);
		assert_each_once(&t, sizes[i]);
	}
	workers_free(w);
	workers_free(NULL);
}

static void test_without_workers_runs_on_the_caller(void **state)
{
	static struct tally t;
	struct workers *w;

	(void)state;
	memset(&t, 0, sizeof(t));
	workers_run(NULL, 100, count_job, &t);
	assert_each_once(&t, 100);
	for (size_t i = 0; i < 100; i++)
		assert_true(pthread_equal(t.seen_by[i], pthread_self()));

	memset(&t, 0, sizeof(t));
	assert_int_equal(workers_new(0, &w), 0);
	workers_run(w, 1, count_job, &t);
	assert_each_once(&t, 1);
	assert_true(pthread_equal(t.seen_by[0], pthread_self()));
	workers_free(w);
}

/* Two jobs that wait for each other can only end when two threads run them. */
static void meet_job(void *arg, size_t i)
{
	pthread_barrier_t *b = arg;

	(void)i;
	(void)pthread_barrier_wait(b);
}

static void test_jobs_run_side_by_side(void **state)
{
	pthread_barrier_t b;
	struct workers *w;

	(void)state;
	pthread_barrier_init(&b, NULL, 3);
	assert_int_equal(workers_new(2, &w), 0);
	for (int i = 0; i < 50; i++)
		workers_run(w, 3, meet_job, &b);
	workers_free(w);
	pthread_barrier_destroy(&b);
}

static void *run_many(void *arg)
{
	static const size_t sizes[] = { 2, 7, 64, 500 };
	struct tally *t = calloc(1, sizeof(*t));

	for (int round = 0; t && round < 400; round++) {
		size_t n = sizes[round % 4];

		memset(t, 0, sizeof(*t));
		workers_run(arg, n, count_job, t);
		for (size_t i = 0; i < JOBS; i++) {
			if (t->calls[i] != (i < n)) {
				free(t);
				return (void *)1;
			}
		}
	}
	free(t);
	return NULL;
}

static void test_threads_share_the_pool(void **state)
{
	pthread_t threads[4];
	struct workers *w;

	(void)state;
	assert_int_equal(workers_new(2, &w), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_many, w), 0);
	for (size_t i = 0; i < 4; i++) {
		void *wrong;

		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	workers_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_index_once),
		cmocka_unit_test(test_without_workers_runs_on_the_caller),
		cmocka_unit_test(test_jobs_run_side_by_side),
		cmocka_unit_test(test_threads_share_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
