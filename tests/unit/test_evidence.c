/* SPDX-License-Identifier: MIT */
/* What is kept of refused appends is bounded for each volume by itself, also by a node that is started anew.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/node/evidence.h"
#include "tests/unit/scratch.h"

static const char one[] = "11111111111111111111111111111111", other[] = "22222222222222222222222222222222";

struct bench {
	char *dir, folder[160];
	struct evidence *e;
};

static void bench_open(struct bench *b)
{
	assert_int_equal(evidence_open(os_posix(), b->dir, &b->e, NULL), 0);
}

static void bench_init(struct bench *b)
{
	b->dir = scratch_make();
	(void)snprintf(b->folder, sizeof(b->folder), "%s/evidence", b->dir);
	assert_int_equal(os_posix()->mkdir(os_posix()->state, b->folder, 0700), 0);
	bench_open(b);
}

static void bench_again(struct bench *b)
{
	evidence_close(b->e);
	bench_open(b);
}

static void bench_release(struct bench *b)
{
	evidence_close(b->e);
	scratch_remove(&b->dir);
}

static int keep(struct bench *b, const char *volume, unsigned *ret)
{
	const struct evidence_item item = {
		.volume = volume,
		.at = { 1, 320 },
		.target = "/v1",
		.why = "it is a test",
		.signature_input = "a",
		.signature = "b",
		.digest = "c",
		.body = "nonsense",
		.body_len = 8,
	};

	return evidence_keep(b->e, &item, ret);
}

static bool has_body(const struct bench *b, unsigned number)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%06u.bin", b->folder, number);
	return access(path, F_OK) == 0;
}

static void expect_stats(struct bench *b, uint64_t want_files, uint64_t want_bytes)
{
	uint64_t files, bytes;

	evidence_stats(b->e, &files, &bytes);
	assert_int_equal(files, want_files);
	assert_int_equal(bytes, want_bytes);
}

static void test_shares_of_items(void **state)
{
	struct bench b;
	unsigned n = 0;

	(void)state;
	bench_init(&b);
	for (int i = 0; i < EVIDENCE_FILES_MAX; i++)
		assert_int_equal(keep(&b, one, &n), 0);
	assert_int_equal(keep(&b, one, &n), -EDQUOT);
	assert_int_equal(keep(&b, other, &n), 0);
	assert_int_equal(n, EVIDENCE_FILES_MAX);
	bench_again(&b);
	assert_int_equal(keep(&b, one, &n), -EDQUOT);
	assert_int_equal(keep(&b, other, &n), 0);
	expect_stats(&b, EVIDENCE_FILES_MAX + 2, 8 * (EVIDENCE_FILES_MAX + 2));
	bench_release(&b);
}

static void test_shares_of_bytes(void **state)
{
	struct bench b;
	char path[200];
	unsigned n = 0;

	(void)state;
	bench_init(&b);
	assert_int_equal(keep(&b, one, &n), 0);
	(void)snprintf(path, sizeof(path), "%s/%06u.bin", b.folder, n);
	assert_int_equal(truncate(path, (off_t)EVIDENCE_BYTES_MAX - 4), 0);
	bench_again(&b);
	assert_int_equal(keep(&b, one, &n), 0); /* what is said of it */
	assert_false(has_body(&b, n));
	assert_int_equal(keep(&b, other, &n), 0);
	assert_true(has_body(&b, n));
	bench_release(&b);
}

/* An item that cannot be read is nobody's, and its number is not given again. */
static void test_damaged_item(void **state)
{
	struct bench b;
	char path[200];
	unsigned n = 0;

	(void)state;
	bench_init(&b);
	assert_int_equal(keep(&b, one, &n), 0);
	(void)snprintf(path, sizeof(path), "%s/%06u.json", b.folder, n);
	assert_int_equal(truncate(path, 3), 0);
	bench_again(&b);
	expect_stats(&b, 1, 8);
	assert_int_equal(keep(&b, one, &n), 0);
	assert_int_equal(n, 1);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares_of_items),
		cmocka_unit_test(test_shares_of_bytes),
		cmocka_unit_test(test_damaged_item),
	};

	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
