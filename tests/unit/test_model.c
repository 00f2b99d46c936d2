/* SPDX-License-Identifier: MIT */
/*
 * The store against a model of it (tests/model/storm.h). HF_MODEL_SEED repeats one storm, HF_MODEL_OPS says
 * how many operations each has, HOLDFAST_TEST_LONG=1 makes it long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/base/cleanup.h"
#include "tests/model/arena.h"
#include "tests/model/storm.h"
#include "tests/unit/scratch.h"

enum { ARENA_BYTES_LOG2 = 33, OPS = 600, STORMS = 2, LONG_OPS = 5000, LONG_SECONDS = 1800 };

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void one_storm(uint64_t seed, uint64_t ops)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(cleanup_free) char *path = NULL;
	struct timespec from, to;
	struct storm *s;
	int r;

	assert_true(asprintf(&path, "%s/store", dir) > 0);
	clock_gettime(CLOCK_MONOTONIC, &from);
	s = storm_new(path, seed, ops);
	r = storm_run(s);
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("# HF_MODEL_SEED=%llu HF_MODEL_OPS=%llu: %u sessions, %u crashes, %zu moments, %zu MiB "
		      "of model, %ld s\n",
		      (unsigned long long)seed, (unsigned long long)ops, s->sessions, s->crashes,
		      s->n_moments, arena_used() >> 20, (long)(to.tv_sec - from.tv_sec));
	if (r < 0 && getenv("KEEP")) {
		print_message("# kept: %s\n", dir);
		free(dir);
		dir = NULL;
	}
	assert_int_equal(r, 0);
}

static void test_storms(void **state)
{
	const bool long_one = number("HOLDFAST_TEST_LONG", 0) == 1;
	const uint64_t ops = number("HF_MODEL_OPS", long_one ? LONG_OPS : OPS),
		       seed = number("HF_MODEL_SEED", 0);
	const time_t end = time(NULL) + LONG_SECONDS;

	(void)state;
	if (seed) {
		one_storm(seed, ops);
		return;
	}
	for (int k = 0; long_one ? time(NULL) < end : k < STORMS; k++)
		one_storm((uint64_t)time(NULL) * 1000 + (uint64_t)getpid() % 1000 + (uint64_t)k * 1000003,
			  ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storms),
	};

	arena_new((size_t)1 << ARENA_BYTES_LOG2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
