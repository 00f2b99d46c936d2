/* SPDX-License-Identifier: MIT */
/*
 * Storms (tests/model/storm.h) over a disk that loses power whenever a session ends, and under a clock that
 * jumps: what was durable is there, and nothing but what was, in order. HF_MODEL_SEED, HF_MODEL_OPS and
 * HOLDFAST_TEST_LONG as in test_model.c.
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
#include "tests/power/power_os.h"
#include "tests/unit/scratch.h"

enum { ARENA_BYTES_LOG2 = 33, OPS = 500, STORMS = 2, LONG_OPS = 4000, LONG_SECONDS = 900 };

static uint64_t in_doubt;

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static void between_sessions(struct storm *s)
{
	(void)s;
	in_doubt += power_cut();
	if (power_chance(10))
		power->die_at = power->changes + 1 + power_chance(power_chance(2) ? 30 : 200);
	power->clock_ns += ((int64_t)power_chance(2000) - 1000) * 1000000000;
}

static void one_storm(uint64_t seed, uint64_t ops)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(cleanup_free) char *path = NULL;
	struct storm *s;
	int r;

	assert_true(asprintf(&path, "%s/store", dir) > 0);
	power->random = seed;
	power->changes = in_doubt = 0;
	s = storm_new(path, seed, ops);
	s->between_sessions = between_sessions;
	r = storm_run(s);
	print_message("# HF_MODEL_SEED=%llu HF_MODEL_OPS=%llu: %u sessions, %u crashes, %zu moments; %llu "
		      "changes of files, "
		      "%llu in doubt\n",
		      (unsigned long long)seed, (unsigned long long)ops, s->sessions, s->crashes,
		      s->n_moments, (unsigned long long)power->changes, (unsigned long long)in_doubt);
	if (r < 0 && getenv("KEEP"))
		dir = NULL;
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
	power_init(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
