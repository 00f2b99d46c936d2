/* SPDX-License-Identifier: MIT */
/*
 * What lacks for a moment, descriptors or memory: who asks is told, nothing acknowledged is dropped, and
 * writing goes on when it is there again.
 */
#define os_posix os_posix_real
#include "store/os/os_posix.c"
#undef os_posix
const struct os *os_posix(void);

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/store_helper.h"

enum { RECORD_BYTES = 300000, SEGMENT_BYTES = 1 << 20, TRIES = 40 };

static struct record {
	uint8_t data[RECORD_BYTES];
} record;

/* --- no descriptors: no new file of the log can be opened */

static atomic_int open_fails; /* with this; 0: it does not */
static atomic_uint opens_failed;

static int failing_open(void *state, const char *path, int flags, mode_t mode)
{
	int code = atomic_load(&open_fails);

	if (code && flags & O_EXCL && strstr(path, ".seg")) {
		atomic_fetch_add(&opens_failed, 1);
		return code;
	}
	return os_posix_real()->open(state, path, flags, mode);
}

const struct os *os_posix(void)
{
	static struct os os;

	if (!os.open) {
		os = *os_posix_real();
		os.open = failing_open;
	}
	return &os;
}

static void put_record(struct store_fixture *f, uint64_t ino, unsigned n)
{
	fill_random(record.data, sizeof(record.data), n);
	put(f, ino, (uint64_t)n * RECORD_BYTES, record.data, sizeof(record.data));
}

static void expect_records(struct store_fixture *f, uint64_t ino, unsigned n)
{
	assert_int_equal(attr_of(f, ino).size_bytes, (uint64_t)n * RECORD_BYTES);
	for (unsigned k = 0; k < n; k++) {
		fill_random(record.data, sizeof(record.data), k);
		expect_bytes(f, HF_TID_HEAD, ino, (uint64_t)k * RECORD_BYTES, record.data,
			     sizeof(record.data));
	}
}

static void without_descriptors(int code)
{
	struct store_fixture f;
	struct hf_error err = HF_ERROR_INIT;
	unsigned n = 0;
	uint64_t ino;
	int r = 0;

	store_fixture_init(&f, NULL);
	store_close(&f);
	f.options.segment_bytes = SEGMENT_BYTES;
	store_open(&f, 0);
	ino = make_file(&f, "file");
	atomic_store(&opens_failed, 0);
	atomic_store(&open_fails, code);
	while (r == 0 && n < TRIES) {
		put_record(&f, ino, n++);
		r = hf_store_commit(f.store, &err);
	}
	assert_int_equal(r, code);
	assert_true(err.text[0] && atomic_load(&opens_failed) > 0);
	assert_int_equal(status_of(&f).failed, 0);
	put_record(&f, ino, n++); /* it is taken meanwhile */
	atomic_store(&open_fails, 0);
	commit(&f);
	expect_records(&f, ino, n);
	store_close(&f);
	store_open(&f, HF_OPEN_REBUILD);
	expect_records(&f, ino, n);
	store_close(&f);
	assert_int_equal(store_faults(&f), 0);
	store_fixture_release(&f);
}

static void test_no_descriptors(void **state)
{
	(void)state;
	without_descriptors(-EMFILE);
	without_descriptors(-ENFILE);
}

/* --- no memory: one request of our own code fails, and then the next, … */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0 /* they have one of theirs */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#ifndef OWN_MALLOC
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
extern char __executable_start, etext;

static atomic_long requests, fail_at = -1;

static bool memory_fails(const void *caller)
{
	if ((const char *)caller < &__executable_start || (const char *)caller > &etext ||
	    atomic_load(&fail_at) < 0)
		return false;
	return atomic_fetch_add(&requests, 1) == atomic_load(&fail_at);
}

void *malloc(size_t n)
{
	return memory_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return memory_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return memory_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}

static void test_no_memory(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	unsigned n = 0, failed = 0;
	bool met = true;

	commit(f);
	while (met) {
		struct hf_error err = HF_ERROR_INIT;
		int r;

		put_record(f, ino, n);
		atomic_store(&requests, 0);
		atomic_store(&fail_at, (long)n++);
		r = hf_store_commit(f->store, &err);
		met = atomic_load(&requests) >= (long)n;
		atomic_store(&fail_at, -1);
		if (status_of(f).failed)
			fail_msg("request %u of a commit fails, and no more is taken: %s", n, err.text);
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_true(err.text[0]);
			failed++;
		}
		commit(f);
	}
	print_message("# %u requests for memory failed, and %u commits by that\n", n - 1, failed);
	assert_true(failed > 10);
	expect_records(f, ino, n);
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	expect_records(f, ino, n);
	store_close(f);
	assert_int_equal(store_faults(f), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_descriptors),
#if OWN_MALLOC
		cmocka_unit_test_setup_teardown(test_no_memory, store_setup, store_teardown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
