/* SPDX-License-Identifier: MIT */
/*
 * Readers see each publish whole or not at all, while publishes, settling and flushing run beside them. Every
 * publish puts one number, always a higher one, under all of a set of keys; whoever reads them at once must
 * find one number.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "store/index/index.h"
#include "tests/unit/scratch.h"

enum { SET = 40, RUN_MS = 1500, PER_GROUP = 7, SELDOM = 48 };

struct run {
	struct index *x;
	atomic_bool stop;
	atomic_uint_fast64_t group;          /* being published to */
	atomic_uint_fast64_t seldom[SELDOM]; /* keys in turn, one a publish: what was said of each at least */
	atomic_uint_fast64_t reads;
	atomic_int faults;
};

static void set_key(uint8_t key[2], int i)
{
	key[0] = 'k';
	key[1] = (uint8_t)i;
}

static void fault(struct run *run, const char *what)
{
	fprintf(stderr, "%s\n", what);
	atomic_fetch_add(&run->faults, 1);
	atomic_store(&run->stop, true);
}

/* Most of the time in RocksDB alone. */
static void seldom_key(uint8_t key[2], uint64_t i)
{
	key[0] = 's';
	key[1] = (uint8_t)i;
}

/* Looks for what is not there, so that little else is remembered. */
static void look_elsewhere(struct run *run, uint64_t *number)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;

	for (int i = 0; i < 100; i++, ++*number)
		if (index_get(run->x, INDEX_HEAD, number, sizeof(*number), &out, NULL) != 0)
			fault(run, "get saw what is not there");
}

static void *publisher(void *arg)
{
	struct run *run = arg;
	struct index_batch *b;
	uint8_t key[2];

	if (index_batch_new(run->x, &b) < 0)
		abort();
	for (uint64_t n = 1; !atomic_load(&run->stop); n++) {
		for (int i = 0; i < SET; i++) {
			set_key(key, i);
			index_batch_put(b, INDEX_HEAD, key, 2, &n, sizeof(n));
			key[0] = 'z'; /* behind the set, coming and going */
			if (n % 2)
				index_batch_delete(b, INDEX_HEAD, key, 2);
			else
				index_batch_put(b, INDEX_HEAD, key, 2, "", 0);
		}
		seldom_key(key, n % SELDOM);
		index_batch_put(b, INDEX_HEAD, key, 2, &n, sizeof(n));
		if (index_publish(run->x, b, atomic_load(&run->group), NULL) < 0)
			fault(run, "publish");
		atomic_store(&run->seldom[n % SELDOM], n);
		if (n % PER_GROUP == 0)
			atomic_fetch_add(&run->group, 1);
	}
	index_batch_free(b);
	return NULL;
}

static void *settler(void *arg)
{
	struct run *run = arg;
	uint64_t done = 0;

	while (!atomic_load(&run->stop)) {
		if (done + 1 >= atomic_load(&run->group)) {
			(void)sched_yield();
			continue;
		}
		done++;
		if (index_settle(run->x, done, &done, sizeof(done), NULL, NULL, NULL) < 0)
			fault(run, "settle");
		if (done % 64 == 0 && index_flush(run->x, NULL) < 0)
			fault(run, "flush");
	}
	return NULL;
}

static void *scanner(void *arg)
{
	struct run *run = arg;
	struct index_rows rows = INDEX_ROWS_INIT;
	struct span from = { (const uint8_t *)"k", 1 }, to = { (const uint8_t *)"l", 1 };
	uint64_t last = 0;

	for (unsigned turn = 0; !atomic_load(&run->stop); turn++) {
		if (index_scan(run->x, INDEX_HEAD, from, to, 100, turn % 2 ? INDEX_REVERSE : 0, &rows, NULL) <
		    0)
			fault(run, "scan");
		if (rows.n != 0 && rows.n != SET)
			fault(run, "a scan saw a part of a publish's keys");
		for (size_t i = 0; i < rows.n; i++) {
			uint64_t n = get_u64(rows.entries[i].value.data);

			if (n < last || (i > 0 && n != last))
				fault(run, "a scan saw two publishes mixed, or an old one");
			last = n;
		}
		atomic_fetch_add(&run->reads, 1);
	}
	index_rows_release(&rows);
	return NULL;
}

static void *seldom_getter(void *arg)
{
	struct run *run = arg;
	CLEANUP(buf_release) struct buf out = BUF_INIT;
	uint64_t number = 0;
	uint8_t key[2];

	for (uint64_t i = 0; !atomic_load(&run->stop); i = (i + 1) % SELDOM) {
		uint64_t least = atomic_load(&run->seldom[i]);
		int found;

		look_elsewhere(run, &number);

		seldom_key(key, i);
		found = index_get(run->x, INDEX_HEAD, key, 2, &out, NULL);
		if (found < 0 || (found ? get_u64(out.data) : 0) < least)
			fault(run, "get saw an old value of what changes seldom");
		atomic_fetch_add(&run->reads, 1);
	}
	return NULL;
}

static void *getter(void *arg)
{
	struct run *run = arg;
	uint8_t bytes[SET][2];
	struct span keys[SET];
	struct buf out[SET] = { BUF_INIT };
	int results[SET];
	uint64_t last = 0;

	for (int i = 0; i < SET; i++) {
		set_key(bytes[i], i);
		keys[i] = (struct span){ bytes[i], 2 };
	}
	while (!atomic_load(&run->stop)) {
		if (index_get_many(run->x, INDEX_HEAD, SET, keys, out, results, NULL) < 0)
			fault(run, "get_many");
		for (int i = 0; i < SET; i++) {
			uint64_t n = results[i] == 1 ? get_u64(out[i].data) : 0;

			if (n < last || (i > 0 && n != last))
				fault(run, "get_many saw two publishes mixed, or an old one");
			last = n;
		}
		if (index_get(run->x, INDEX_HEAD, bytes[3], 2, &out[3], NULL) < 0 ||
		    (out[3].len && get_u64(out[3].data) < last))
			fault(run, "get saw an old value");
		atomic_fetch_add(&run->reads, 1);
	}
	for (int i = 0; i < SET; i++)
		buf_release(&out[i]);
	return NULL;
}

static void test_whole_publishes(void **unused)
{
	void *(*const roles[])(void *) = { publisher, settler,       scanner,      scanner,
					   getter,    seldom_getter, seldom_getter };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index_options o = { .dir = dir, .cache_bytes = 1 };
	struct timespec time = { RUN_MS / 1000, RUN_MS % 1000 * 1000000L };
	pthread_t threads[sizeof(roles) / sizeof(*roles)];
	struct run run = { .group = 1 };
	uint8_t *state;
	size_t len;

	(void)unused;
	assert_int_equal(index_open(&o, &run.x, &state, &len, NULL), 0);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, roles[i], &run), 0);
	(void)nanosleep(&time, NULL);
	atomic_store(&run.stop, true);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	printf("%lu groups, %lu reads\n", (unsigned long)run.group, (unsigned long)run.reads);
	assert_int_equal(run.faults, 0);
	assert_true(run.group > 3 && run.reads > 10);
	index_close(run.x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_publishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
