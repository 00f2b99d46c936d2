/* SPDX-License-Identifier: MIT */
/* Which requests have been seen, when there are many, and when the clock is not what it was. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "store/crypto/crypto.h"
#include "store/node/nonces.h"

static const uint64_t start_s = 1795800000;

static int add(struct nonces *n, uint64_t number, uint64_t created_s, uint64_t now_s)
{
	struct http_sig_params params;

	memset(&params, 0, sizeof(params));
	memcpy(params.nonce, &number, sizeof(number));
	params.created_s = created_s;
	return nonces_add(n, &params, now_s);
}

static void test_replayed(void **state)
{
	struct nonces *n;

	(void)state;
	assert_int_equal(nonces_new(&n), 0);
	assert_int_equal(add(n, 1, start_s, start_s), 0);
	assert_int_equal(add(n, 1, start_s, start_s), -EEXIST);
	assert_int_equal(add(n, 2, start_s + HTTP_SIG_CLOCK_SLACK_S, start_s), 0);
	assert_int_equal(add(n, 3, start_s - HTTP_SIG_CLOCK_SLACK_S, start_s), 0);
	for (uint64_t later = 0; later <= HTTP_SIG_CLOCK_SLACK_S; later += 10)
		assert_int_equal(add(n, 1, start_s, start_s + later), -EEXIST);
	/* Signed as far ahead as can be, it can be sent again for twice as long. */
	assert_int_equal(add(n, 2, start_s + HTTP_SIG_CLOCK_SLACK_S, start_s + 2 * HTTP_SIG_CLOCK_SLACK_S),
			 -EEXIST);
	/* A body may have come so late that nobody knows. */
	assert_int_equal(add(n, 4, start_s, start_s + 2 * HTTP_SIG_CLOCK_SLACK_S), -ESTALE);
	nonces_clear(n);
	assert_int_equal(add(n, 2, start_s + HTTP_SIG_CLOCK_SLACK_S, start_s + HTTP_SIG_CLOCK_SLACK_S), 0);
	nonces_free(n);
}

/* Each second's number of requests, until so many were made; *ret_told: how often that is to be told. */
static uint64_t stream(struct nonces *n, uint64_t each_s, uint64_t all, unsigned *ret_told)
{
	uint64_t number = 0, now = start_s;

	*ret_told = 0;
	for (; number < all; now++)
		for (uint64_t i = 0; i < each_s && number < all; i++) {
			int r = add(n, number++, now, now);

			assert_in_range(r, 0, 1);
			*ret_told += r == 1;
		}
	return now - 1;
}

/* An honest writer that waits for each receipt, on a fast line: for longer than there is room for. */
static void test_fast(void **state)
{
	enum { EACH_S = 1500, ALL = 3 * NONCES_MAX };
	struct nonces *n;
	unsigned told;
	uint64_t now;

	(void)state;
	assert_int_equal(nonces_new(&n), 0);
	now = stream(n, EACH_S, ALL, &told);
	assert_int_equal(told, 1);
	/* None of it can be sent again, whether it is remembered or not. */
	assert_int_equal(add(n, ALL - 1, now, now), -EEXIST);
	assert_int_equal(add(n, ALL - 100 * EACH_S, now - 100, now), -EEXIST);
	assert_int_equal(add(n, ALL - 250 * EACH_S, now - 250, now), -ESTALE);
	/* A clock that is somewhat behind does; one that is more so is told. */
	assert_int_equal(add(n, ALL, now - 100, now), 0);
	assert_int_equal(add(n, ALL + 1, now - 250, now), -ESTALE);
	assert_int_equal(add(n, ALL + 1, now, now), 0);
	nonces_free(n);
}

/* Whoever has the key can use it up, for as long as he could have before; then it is good again. */
static void test_used_up(void **state)
{
	struct nonces *n;

	(void)state;
	assert_int_equal(nonces_new(&n), 0);
	for (uint64_t i = 0; i < NONCES_MAX; i++)
		assert_int_equal(add(n, i, start_s + HTTP_SIG_CLOCK_SLACK_S, start_s), 0);
	assert_int_equal(add(n, NONCES_MAX, start_s + HTTP_SIG_CLOCK_SLACK_S, start_s), -EBUSY);
	assert_int_equal(add(n, NONCES_MAX, start_s, start_s), -EBUSY);
	assert_int_equal(add(n, NONCES_MAX, start_s + HTTP_SIG_CLOCK_SLACK_S + 1,
			     start_s + HTTP_SIG_CLOCK_SLACK_S + 1),
			 0);
	nonces_free(n);
}

/* A clock that is a year ahead for a minute, or a year behind, leaves nothing that is in the way. */
static void test_clock(void **state)
{
	static const int64_t year_s = 31536000;
	struct nonces *n;

	(void)state;
	for (int64_t jump_s = -year_s; jump_s <= year_s; jump_s += 2 * year_s) {
		uint64_t number = 0, wrong_s = (uint64_t)((int64_t)start_s + jump_s);
		unsigned told = 0;

		assert_int_equal(nonces_new(&n), 0);
		for (uint64_t s = 0; s < 100; s++)
			assert_int_equal(add(n, number++, start_s + s, start_s + s), 0);
		/* Once more than there is room for, so that what was early there is refused there. */
		for (; number < NONCES_MAX + 1000; number++)
			assert_in_range(add(n, number, wrong_s + number / 5000, wrong_s + number / 5000), 0,
					1);
		for (uint64_t s = 160; s < 2000; s++) {
			int r = add(n, number++, start_s + s, start_s + s);

			told += r == 1;
			assert_in_range(r, 0, 1);
		}
		assert_int_equal(told, 0);
		nonces_free(n);
	}
}

/* A step that is told by no alarm gives nobody a second try. */
static void test_small_step(void **state)
{
	const uint64_t created_s = start_s + HTTP_SIG_CLOCK_SLACK_S;
	struct nonces *n;

	(void)state;
	assert_int_equal(nonces_new(&n), 0);
	assert_int_equal(add(n, 1, start_s, start_s), 0);
	assert_int_equal(add(n, 2, created_s + NONCES_CLOCK_STEP_S, created_s + NONCES_CLOCK_STEP_S), 0);
	assert_int_equal(add(n, 1, start_s, created_s), -EEXIST);
	nonces_free(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replayed),   cmocka_unit_test(test_fast),
		cmocka_unit_test(test_used_up),    cmocka_unit_test(test_clock),
		cmocka_unit_test(test_small_step),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("nonces", tests, NULL, NULL);
}
