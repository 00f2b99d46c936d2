/* SPDX-License-Identifier: MIT */
/*
 * A disk that fails: each changing call of a store's life in turn, once or from then on, with EIO or ENOSPC;
 * then the power goes. What was committed is there afterwards, what is there is a beginning of what was done,
 * and no call ever said more than was true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/power/power_os.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { ROUNDS = 12, COMMIT_EVERY = 3, RECORD_BYTES = 30000, TRIES = 50 };

struct trial {
	struct store_fixture f;
	uint64_t records, number; /* inodes */
	unsigned done;            /* rounds of which every operation was acknowledged */
	unsigned committed;       /* rounds that a commit has covered */
	int code;                 /* what the disk fails with */
};

/* -EIO is for good; -ENOSPC may go away. */
static int expected(struct trial *t, int r, const struct hf_error *err, const char *what)
{
	if (r < 0 && r != t->code && r != -EIO)
		fail_msg("%s fails with %d (%s); the disk failed with %d", what, r, err->text, t->code);
	if (r < 0 && !err->text[0])
		fail_msg("%s fails with %d and without a word", what, r);
	return r;
}

static int write_until(struct trial *t, uint64_t ino, uint64_t offset, const void *data, size_t len)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = -ENOSPC;

	for (int k = 0; k < TRIES && r == -ENOSPC; k++)
		r = expected(t, (int)hf_write(t->f.store, ino, offset, data, len, 0, &err), &err, "write");
	return r < 0 ? r : 0;
}

static int commit_until(struct trial *t)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = -ENOSPC;

	for (int k = 0; k < TRIES && r == -ENOSPC; k++)
		r = expected(t, hf_store_commit(t->f.store, &err), &err, "commit");
	return r;
}

static int one_round(struct trial *t, unsigned round)
{
	static uint8_t record[RECORD_BYTES];
	int r;

	fill_random(record, sizeof(record), round);
	r = write_until(t, t->records, (uint64_t)round * sizeof(record), record, sizeof(record));
	if (r == 0)
		r = write_until(t, t->number, 0, &round, sizeof(round));
	if (r == 0)
		t->done = round + 1;
	if (r == 0 && round % COMMIT_EVERY == COMMIT_EVERY - 1) {
		r = commit_until(t);
		if (r == 0)
			t->committed = t->done;
	}
	return r;
}

/* After an error that is for good, changes are refused, everything can be read, and the status says why. */
static void expect_stopped(struct trial *t)
{
	struct hf_status s = status_of(&t->f);
	unsigned round = 0;

	if (!s.failed)
		return; /* room was what there was none of */
	assert_true(s.failed_text[0]);
	assert_true(hf_write(t->f.store, t->number, 0, &round, sizeof(round), 0, NULL) < 0);
	assert_true(hf_store_commit(t->f.store, NULL) < 0);
	assert_int_equal(attr_of(&t->f, t->records).nlink, 1);
	if (t->done > 0) {
		round = t->done - 1;
		assert_true(attr_of(&t->f, t->records).size_bytes >= (uint64_t)t->done * RECORD_BYTES);
	}
}

/* What is there now is what there was after some of the operations, those that were committed among them. */
static void expect_prefix(struct trial *t)
{
	static uint8_t record[RECORD_BYTES];
	const uint64_t size = attr_of(&t->f, t->records).size_bytes;
	unsigned records = (unsigned)(size / RECORD_BYTES), number = 0;
	const struct hf_view now = { t->f.store, HF_TID_HEAD };
	ssize_t n = hf_view_read(&now, t->number, 0, &number, sizeof(number), NULL);

	assert_int_equal(size % RECORD_BYTES, 0);
	if (n == 0)
		assert_true(records <= 1);
	else
		assert_true(n == sizeof(number) && (records == number + 1 || records == number + 2));
	if (records < t->committed || (n == 0 && t->committed > 0) || (n > 0 && number + 1 < t->committed))
		fail_msg("%u rounds were committed, and there are %u records", t->committed, records);
	for (unsigned k = 0; k < records; k++) {
		fill_random(record, sizeof(record), k);
		expect_bytes(&t->f, HF_TID_HEAD, t->records, (uint64_t)k * RECORD_BYTES, record,
			     sizeof(record));
	}
}

/* One life. Returns whether the fault was met. */
static bool one_trial(uint64_t n, uint64_t more, int code)
{
	struct trial t = { .code = code };
	struct hf_error err = HF_ERROR_INIT;
	bool met;
	int r = 0;

	store_fixture_init(&t.f, NULL);
	t.records = make_file(&t.f, "records");
	t.number = make_file(&t.f, "number");
	store_close(&t.f);
	t.f.options.segment_bytes = 256 << 10;
	(void)power_cut();
	power_fail(n, more, code);
	r = expected(&t, hf_store_open(t.f.path, &t.f.options, &t.f.store, &err), &err, "open");
	for (unsigned round = 0; r == 0 && round < ROUNDS; round++)
		r = one_round(&t, round);
	met = power->changes >= power->fail_from;
	if (t.f.store) {
		if (r < 0)
			expect_stopped(&t);
		r = hf_store_close(t.f.store, &err);
		t.f.store = NULL;
		if (r == 0)
			t.committed = t.done;
		(void)expected(&t, r, &err, "close");
	}
	(void)power_cut();
	store_open(&t.f, n % 3 == 0 ? HF_OPEN_REBUILD : 0);
	expect_prefix(&t);
	store_close(&t.f);
	assert_int_equal(store_faults(&t.f), 0);
	store_fixture_release(&t.f);
	return met;
}

static void every_call(int code)
{
	uint64_t n = 1;

	while (one_trial(n, n % 3 == 1 ? UINT64_MAX / 2 : n % 3 == 2 ? 0 : 4, code))
		n++;
	print_message("# %llu changing calls failed with %s, one at a time\n", (unsigned long long)n - 1,
		      strerror(-code));
	assert_true(n > 20);
}

static void test_io_errors(void **state)
{
	(void)state;
	every_call(-EIO);
}

static void test_no_room(void **state)
{
	(void)state;
	every_call(-ENOSPC);
}

/*
 * What a failed sync has left can be read, and goes with the power: an index that a reader made of it would
 * be ahead of the log for ever, and the store be taken for damaged.
 */
static void test_reading_after_a_failed_sync(void **state)
{
	(void)state;
	for (uint64_t k = 0; k < 16; k++) {
		struct store_fixture f;
		uint64_t ino;

		store_fixture_init(&f, NULL);
		ino = make_file(&f, "file");
		commit(&f);
		put_text(&f, ino, 0, "what may be lost");
		power_fail(1 + k % 4, 0, -EIO);
		(void)!hf_store_commit(f.store, NULL);
		power_fail(0, 0, 0);
		(void)!hf_store_close(TAKE_PTR(f.store), NULL);
		store_open(&f, HF_OPEN_READ_ONLY);
		store_close(&f);
		(void)power_cut();
		store_open(&f, 0);
		assert_int_equal(attr_of(&f, ino).nlink, 1);
		store_close(&f);
		assert_int_equal(store_faults(&f), 0);
		store_fixture_release(&f);
	}
}

/* The first operation is not before there was a volume, though the clock was set back. */
static void test_clock_set_back_at_the_beginning(void **state)
{
	struct store_fixture f;
	struct hf_point made, first;

	(void)state;
	store_fixture_init(&f, NULL);
	power->clock_ns = -INT64_C(3600000000000);
	(void)make_file(&f, "file");
	assert_int_equal(hf_point_of_tid(f.store, 0, &made, NULL), 0);
	assert_int_equal(hf_point_of_tid(f.store, head(&f), &first, NULL), 0);
	assert_true(first.tid > 0 && first.time_ns >= made.time_ns);
	store_close(&f);
	power->clock_ns = 0;
	store_fixture_release(&f);
}

/* And a time that is set to now is the operation's own. */
static void test_times_set_by_a_clock_set_back(void **state)
{
	const struct hf_setattr now = { .mask = HF_SET_ATIME_NOW | HF_SET_MTIME_NOW };
	struct store_fixture f;
	struct hf_attr attr;

	(void)state;
	store_fixture_init(&f, NULL);
	power->clock_ns = -INT64_C(3600000000000);
	assert_int_equal(hf_setattr(f.store, HF_ROOT_INO, &now, &attr, NULL), 0);
	assert_memory_equal(&attr.mtime, &attr.ctime, sizeof(attr.ctime));
	assert_memory_equal(&attr.atime, &attr.ctime, sizeof(attr.ctime));
	store_close(&f);
	power->clock_ns = 0;
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_io_errors),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_reading_after_a_failed_sync),
		cmocka_unit_test(test_clock_set_back_at_the_beginning),
		cmocka_unit_test(test_times_set_by_a_clock_set_back),
	};

	power_init(scratch_seed());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
