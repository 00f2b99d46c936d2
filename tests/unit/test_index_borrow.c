/* SPDX-License-Identifier: MIT */
/* An index that leads to the tables of another, which stays as it is. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/index/borrow.h"
#include "tests/unit/index_helper.h"
#include "tests/unit/scratch.h"

enum { KEYS = 2000, FLUSHES = 8 };

static void put_keys(struct index *x, uint64_t group, const char *state)
{
	struct index_batch *b;
	uint8_t key[8];

	assert_int_equal(index_batch_new(x, &b), 0);
	for (uint64_t i = 0; i < KEYS; i++) {
		put_be64(key, i);
		index_batch_put(b, INDEX_HEAD, key, 8, state, strlen(state));
	}
	write_group(x, b, group, state, strlen(state));
	index_batch_free(b);
}

/* With more tables than gather before they are merged. */
static void make_tables(const char *dir)
{
	struct index *x = open_index_at(dir, NULL);

	for (int i = 0; i < ROCKS_FAMILIES; i++)
		assert_int_equal(rocks_set_merging(rocks_of(x), i, false, NULL), 0);
	for (uint64_t i = 1; i <= FLUSHES; i++) {
		put_keys(x, i, "s");
		assert_int_equal(index_flush(x, NULL), 0);
	}
	index_close(x);
}

/* Tables of its own, and those of others that it leads to. */
static void count_tables(const char *dir, unsigned *ret_own, unsigned *ret_led)
{
	DIR *folder = opendir(dir);
	struct dirent *d;
	struct stat st;

	*ret_own = *ret_led = 0;
	assert_non_null(folder);
	while ((d = readdir(folder))) {
		if (!strstr(d->d_name, ".sst"))
			continue;
		assert_int_equal(fstatat(dirfd(folder), d->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
		*(S_ISLNK(st.st_mode) ? ret_led : ret_own) += 1;
	}
	(void)closedir(folder);
}

static struct index_borrowed *borrow(const char *from)
{
	struct index_borrowed *b = NULL;
	struct hf_error err = HF_ERROR_INIT;

	if (index_borrow(from, &b, &err) < 0)
		fail_msg("%s", err.text);
	return b;
}

/* What comes to it is in memory: its tables are left as they are, and no new ones are written. */
static void test_nothing_is_rewritten(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index_borrowed *b;
	unsigned own, led;
	struct index *x;

	(void)unused;
	make_tables(dir);
	b = borrow(dir);
	count_tables(b->dir, &own, &led);
	assert_int_equal(own, 0);
	assert_true(led >= FLUSHES);
	x = open_index_passing(b->dir, "s");
	put_keys(x, FLUSHES + 1, "t");
	assert_int_equal(index_flush(x, NULL), 0);
	(void)usleep(300000); /* time to merge */
	count_tables(b->dir, &own, &led);
	assert_int_equal(own, 0);
	assert_true(led >= FLUSHES);
	index_close(x);
	count_tables(b->dir, &own, &led);
	assert_int_equal(own, 0);
	assert_true(led >= FLUSHES);
	index_give_back(b);
	x = open_index_at(dir, "s");
	index_close(x);
}

static void touch(const char *dir, const char *name)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd;

	buf_add_text(&path, "%s/%s", dir, name);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
}

static bool has(const struct index_borrowed *b, const char *name)
{
	return faccessat(b->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What a database is opened by, and no more: also not of what lies beside it. */
static void test_what_is_taken(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct index_borrowed *b;

	(void)unused;
	make_tables(dir);
	touch(dir, "damaged");
	touch(dir, "000099.log");
	touch(dir, "000099.dbtmp");
	touch(dir, "something");
	b = borrow(dir);
	assert_true(has(b, "CURRENT") && has(b, "IDENTITY") && has(b, "damaged") && has(b, "000099.log"));
	assert_false(has(b, "LOCK") || has(b, "LOG") || has(b, "000099.dbtmp") || has(b, "something"));
	index_give_back(b);
	assert_true(access(dir, F_OK) == 0);
}

static void test_no_link_is_followed(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf link = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;
	struct index_borrowed *b = NULL;

	(void)unused;
	buf_add_text(&link, "%s/index", dir);
	assert_int_equal(symlink("/", buf_cstr(&link)), 0);
	assert_int_equal(index_borrow(buf_cstr(&link), &b, &err), -ELOOP);
	assert_non_null(strstr(err.text, buf_cstr(&link)));
	assert_null(b);
}

static bool is_in(const struct index_borrowed *b, const char *dir)
{
	return strncmp(b->dir, dir, strlen(dir)) == 0 && b->dir[strlen(dir)] == '/';
}

/* It is borrowed where no other user can put something else in its place. */
static void test_places(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(cleanup_free) char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
	CLEANUP(cleanup_free) char *real = realpath(dir, NULL);
	static const struct {
		mode_t mode;
		bool fits;
	} modes[] = { { 0700, true }, { 0777, false }, { 01777, true }, { 0770, false }, { 0755, true } };

	(void)unused;
	assert_int_equal(setenv("TMPDIR", dir, 1), 0);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct index_borrowed *b;

		assert_int_equal(chmod(dir, modes[i].mode), 0);
		b = borrow(NULL);
		assert_int_equal(is_in(b, real), modes[i].fits);
		index_give_back(b);
	}
	assert_int_equal(before ? setenv("TMPDIR", before, 1) : unsetenv("TMPDIR"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_rewritten),
		cmocka_unit_test(test_what_is_taken),
		cmocka_unit_test(test_no_link_is_followed),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
