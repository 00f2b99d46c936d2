/* SPDX-License-Identifier: MIT */
/* A replica's share of the line: at any instants, no more than the rate, and no less than it for long. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "store/replica/pace.h"

#define SECOND_NS UINT64_C(1000000000)

static const uint64_t start_ns = 5 * SECOND_NS;

static struct pace pace_at(uint64_t rate)
{
	struct pace p;

	memset(&p, 0, sizeof(p));
	pace_set(&p, rate, start_ns);
	return p;
}

static void test_no_limit(void **state)
{
	struct pace p = pace_at(0);

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(pace_wait_ns(&p, start_ns), 0);
		pace_sent(&p, 64 << 20, start_ns);
	}
	assert_int_equal(pace_step(&p, 8 << 20), 8 << 20);
	assert_int_equal(pace_flow(&p), 0);
}

static void test_owes(void **state)
{
	struct pace p = pace_at(1000000);
	uint64_t now = start_ns, wait;

	(void)state;
	assert_int_equal(pace_wait_ns(&p, now), 0);
	pace_sent(&p, 4000000, now); /* a second's worth was there, and three are owed */
	wait = pace_wait_ns(&p, now);
	assert_in_range(wait, 3 * SECOND_NS, 3 * SECOND_NS + 10000);
	assert_true(pace_wait_ns(&p, now + 2 * SECOND_NS) > 0);
	assert_int_equal(pace_wait_ns(&p, now + wait), 0);
	/* However long nothing was sent, a second's worth is all that comes together. */
	now += 1000 * SECOND_NS;
	pace_sent(&p, 2000000, now);
	assert_in_range(pace_wait_ns(&p, now), SECOND_NS, SECOND_NS + 10000);
}

/* Sent whenever it may be, in pieces of any size: the sum keeps to the rate. */
static void test_average(void **state)
{
	const uint64_t rate = 100000;
	struct pace p = pace_at(rate);
	uint64_t now = start_ns, sent = 0, step = 7;

	(void)state;
	while (now < start_ns + 100 * SECOND_NS) {
		uint64_t wait = pace_wait_ns(&p, now);

		if (wait) {
			now += wait;
			continue;
		}
		step = (step * 1103515245 + 12345) % 250000;
		pace_sent(&p, step, now);
		sent += step;
	}
	assert_in_range(sent, 100 * rate - 250000, 101 * rate + 250000);
}

static void test_changes(void **state)
{
	struct pace p = pace_at(1000);

	(void)state;
	pace_sent(&p, 101000, start_ns); /* 100 s owed */
	pace_set(&p, 100000, start_ns);
	assert_in_range(pace_wait_ns(&p, start_ns), SECOND_NS, SECOND_NS + 100000);
	pace_set(&p, 0, start_ns);
	assert_int_equal(pace_wait_ns(&p, start_ns), 0);
	pace_set(&p, 1000, start_ns); /* what was sent without a limit is not owed */
	assert_int_equal(pace_wait_ns(&p, start_ns), 0);
}

static void test_clock_back(void **state)
{
	struct pace p = pace_at(1000);

	(void)state;
	pace_sent(&p, 3000, start_ns);
	assert_in_range(pace_wait_ns(&p, start_ns - SECOND_NS), 2 * SECOND_NS, 2 * SECOND_NS + 10000000);
}

static void test_sizes(void **state)
{
	struct pace p = pace_at(PACE_RATE_MIN);

	(void)state;
	assert_int_equal(pace_step(&p, 8 << 20), PACE_FLOW_MIN);
	assert_int_equal(pace_flow(&p), PACE_FLOW_MIN);
	p = pace_at(1 << 20);
	assert_int_equal(pace_step(&p, 8 << 20), 1 << 20);
	assert_int_equal(pace_flow(&p), 1 << 20);
	p = pace_at(1 << 30);
	assert_int_equal(pace_step(&p, 8 << 20), 8 << 20);
	assert_int_equal(pace_flow(&p), 1 << 30);
}

/* The rate is what somebody typed, or what is in a file. */
static void test_any_rate(void **state)
{
	static const uint64_t rates[] = { PACE_RATE_MAX, PACE_RATE_MAX + 1, INT64_MAX, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct pace p = pace_at(rates[i]);

		assert_int_equal(pace_flow(&p), PACE_RATE_MAX);
		assert_int_equal(pace_wait_ns(&p, start_ns), 0);
		for (int n = 0; n < 1 << 17; n++)
			pace_sent(&p, 8 << 20, start_ns);
		assert_int_equal(pace_wait_ns(&p, start_ns), 1);
		assert_int_equal(pace_wait_ns(&p, start_ns + 1), 0);
	}
}

/* A line that is slower than nodes have patience: cut off until what is sent at once comes through. */
static void test_step(void **state)
{
	enum { MAX = 8 << 20, THROUGH = 600 << 10 };
	struct pace p = pace_at(0);
	unsigned lost = 0, taken = 0;

	(void)state;
	for (int i = 0; i < 200; i++) {
		size_t step = pace_step(&p, MAX);

		if (step > THROUGH) {
			pace_lost(&p, step);
			lost++;
		} else {
			pace_taken(&p, step, MAX);
			taken++;
		}
	}
	assert_true(taken > 160); /* four are lost in the beginning, and then one in nine */
	assert_true(lost > 10);
	/* A line that is fast again gets all of it after a while, and what is short does not hasten it. */
	for (int i = 0; i < 1000; i++)
		pace_taken(&p, 1000, MAX);
	assert_true(pace_step(&p, MAX) <= 2 * THROUGH);
	for (int i = 0; i < 6 * PACE_TAKEN; i++)
		pace_taken(&p, pace_step(&p, MAX), MAX);
	assert_int_equal(pace_step(&p, MAX), MAX);
	/* Never nothing, also of what is longer than a step, and its share of the line stays. */
	for (int i = 0; i < 30; i++)
		pace_lost(&p, MAX);
	assert_int_equal(pace_step(&p, MAX), PACE_STEP_MIN);
	pace_set(&p, 20 << 10, start_ns);
	assert_int_equal(pace_step(&p, MAX), PACE_STEP_MIN);
	pace_taken(&p, 5, MAX);
	pace_set(&p, 1 << 20, start_ns);
	assert_int_equal(pace_step(&p, MAX), PACE_STEP_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit),   cmocka_unit_test(test_owes),
		cmocka_unit_test(test_average),    cmocka_unit_test(test_changes),
		cmocka_unit_test(test_clock_back), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_any_rate),   cmocka_unit_test(test_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
