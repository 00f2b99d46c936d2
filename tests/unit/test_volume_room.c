/* SPDX-License-Identifier: MIT */
/*
 * A disk that had no room and has it again: who writes before the store has found that out waits for its next
 * try, and is not refused. Where it says that it has room and takes nothing, he is refused in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/store_helper.h"

/* The real disk, for all of this program; but the log's files may be kept from growing. */
#define os_posix os_posix_real
#include "store/os/os_posix.c"
#undef os_posix
const struct os *os_posix(void);

enum { DATA_BYTES = 200000, WRITES = 200 }; /* 40 MB: twice what may be under way */

static struct {
	atomic_bool gives_nothing, says_it_is_full;
	/* since it is as it is: */
	atomic_uint asked;     /* how much it has */
	atomic_uint said_full; /* to whom asked */
	atomic_uint refused;   /* what the log wanted */
	atomic_uint mends_at;  /* so many refused, then it gives again; 0: never */
	atomic_uint fills_at;  /* so many refused, then it says that it is full; 0: never */
} disk;

static int disk_allocate(void *state, int fd, uint64_t offset, uint64_t len)
{
	unsigned n;

	if (!atomic_load(&disk.gives_nothing))
		return os_posix_real()->allocate(state, fd, offset, len);
	n = atomic_fetch_add(&disk.refused, 1) + 1;
	if (n == atomic_load(&disk.mends_at))
		atomic_store(&disk.gives_nothing, false);
	if (n == atomic_load(&disk.fills_at))
		atomic_store(&disk.says_it_is_full, true);
	return -ENOSPC;
}

static int disk_free_bytes(void *state, const char *path, uint64_t *ret_free, uint64_t *ret_total)
{
	int r = os_posix_real()->free_bytes(state, path, ret_free, ret_total);
	const char *name = strrchr(path, '/');

	if (name && strcmp(name, "/log") == 0) /* by who lays the log out, and not by who admits */
		return r;
	atomic_fetch_add(&disk.asked, 1);
	if (r == 0 && atomic_load(&disk.says_it_is_full)) {
		atomic_fetch_add(&disk.said_full, 1);
		*ret_free = 0;
	}
	return r;
}

static struct os the_disk;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_the_disk(void)
{
	the_disk = *os_posix_real();
	the_disk.allocate = disk_allocate;
	the_disk.free_bytes = disk_free_bytes;
}

const struct os *os_posix(void)
{
	(void)pthread_once(&once, make_the_disk);
	return &the_disk;
}

static void disk_is(bool gives_nothing, bool says_it_is_full, unsigned mends_at)
{
	atomic_store(&disk.asked, 0);
	atomic_store(&disk.said_full, 0);
	atomic_store(&disk.refused, 0);
	atomic_store(&disk.mends_at, mends_at);
	atomic_store(&disk.fills_at, 0);
	atomic_store(&disk.says_it_is_full, says_it_is_full);
	atomic_store(&disk.gives_nothing, gives_nothing);
}

static int setup(void **state)
{
	struct store_fixture *f;

	disk_is(false, false, 0);
	store_setup(state);
	f = *state;
	store_close(f);
	f->options.segment_bytes = 4 << 20; /* what is laid out ahead is a part of that */
	store_open(f, 0);
	return 0;
}

/* The k-th record of a file. 0 or -errno. */
static int write_record(struct store_fixture *f, uint64_t ino, unsigned k)
{
	static uint8_t data[DATA_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	ssize_t n;

	fill_random(data, sizeof(data), k);
	n = hf_write(f->store, ino, (uint64_t)k * sizeof(data), data, sizeof(data), 0, &err);
	if (n < 0)
		assert_non_null(strstr(err.text, "no room left below")); /* the words are for a person */
	return n < 0 ? (int)n : 0;
}

static unsigned write_records(struct store_fixture *f, uint64_t ino, unsigned from, int *ret_code)
{
	unsigned k = from;

	*ret_code = 0;
	while (*ret_code == 0 && k < from + WRITES) {
		*ret_code = write_record(f, ino, k);
		k += *ret_code == 0;
	}
	return k;
}

static void expect_records(struct store_fixture *f, uint64_t ino, unsigned n)
{
	static uint8_t data[DATA_BYTES];

	for (unsigned k = 0; k < n; k++) {
		fill_random(data, sizeof(data), k);
		expect_bytes(f, HF_TID_HEAD, ino, (uint64_t)k * sizeof(data), data, sizeof(data));
	}
}

static void test_room_comes_back(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	int r;

	disk_is(true, false, 6);
	assert_int_equal(write_records(f, ino, 0, &r), WRITES);
	assert_int_equal(r, 0);
	assert_true(atomic_load(&disk.refused) >= 6);
	commit(f);
	expect_records(f, ino, WRITES);
}

static void test_full_is_refused_at_once(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	unsigned n;
	int r;

	disk_is(true, true, 0);
	n = write_records(f, ino, 0, &r);
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(atomic_load(&disk.said_full), 1); /* who waits asks again after each try */
	disk_is(false, false, 0);
	commit(f);
	n = write_records(f, ino, n, &r);
	assert_int_equal(r, 0);
	expect_records(f, ino, n);
}

/* Others take the room that was waited for. */
static void test_full_while_waited_for(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	int r;

	disk_is(true, false, 0);
	atomic_store(&disk.fills_at, 6);
	assert_true(write_records(f, ino, 0, &r) > 50); /* so much is under way: it was waited */
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(atomic_load(&disk.said_full), 1);
	disk_is(false, false, 0);
	commit(f);
}

/* As a file system that has bytes and lacks something else. */
static void test_room_that_is_none(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	unsigned n, asked;
	int r;

	disk_is(true, false, 0);
	n = write_records(f, ino, 0, &r);
	assert_int_equal(r, -ENOSPC);
	assert_true(n > 50 && atomic_load(&disk.refused) >= 10);
	asked = atomic_load(&disk.asked);
	for (int k = 0; k < 5; k++) /* once it was waited for in vain nobody waits again */
		assert_int_equal(write_record(f, ino, n), -ENOSPC);
	assert_int_equal(atomic_load(&disk.asked), asked + 5);

	disk_is(true, true, 0);
	assert_int_equal(write_record(f, ino, n), -ENOSPC);
	disk_is(true, false, 6); /* room that was not there is a new hope */
	assert_int_equal(write_record(f, ino, n++), 0);

	disk_is(false, false, 0);
	commit(f);
	n = write_records(f, ino, n, &r); /* what had been in vain is forgotten */
	assert_int_equal(r, 0);
	disk_is(true, false, 6);
	n = write_records(f, ino, n, &r);
	assert_int_equal(r, 0);
	commit(f);
	expect_records(f, ino, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_room_comes_back, setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_full_is_refused_at_once, setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_full_while_waited_for, setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_room_that_is_none, setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
