/* SPDX-License-Identifier: MIT */
/* store/os: the system calls behind struct os, and what is the same over every struct os. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/os/os.h"

static char dir[256];

static const char *path_of(struct buf *b, const char *name)
{
	return os_join(b, dir, name);
}

static void count_name(void *arg, const char *name)
{
	size_t *n = arg;

	assert_string_not_equal(name, ".");
	assert_string_not_equal(name, "..");
	*n += 1;
}

static void remove_name(void *arg, const char *name)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;

	(void)arg;
	if (unlink(path_of(&b, name)) < 0)
		(void)rmdir(path_of(&b, name));
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/hf-os-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	const struct os *os = os_posix();

	(void)state;
	(void)os->list(os->state, dir, remove_name, NULL);
	return rmdir(dir);
}

static void a_file_is_written_read_and_cut(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	const struct os *os = os_posix();
	uint64_t size;
	char got[8];
	int fd;

	(void)state;
	fd = os->open(os->state, path_of(&b, "a"), O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(os_pwrite_full(os, fd, "0123456789", 10, 5), 0);
	assert_int_equal(os->fdatasync(os->state, fd), 0);
	assert_int_equal(os->fsync(os->state, fd), 0);
	assert_int_equal(os->size(os->state, fd, &size), 0);
	assert_int_equal(size, 15);
	assert_int_equal(os_pread_full(os, fd, got, 5, 6), 0);
	assert_memory_equal(got, "12345", 5);
	assert_int_equal(os_pread_full(os, fd, got, 8, 10), -ENODATA);
	assert_int_equal(os_pread_full(os, fd, got, 0, 1000), 0);
	assert_int_equal(os->truncate(os->state, fd, 6), 0);
	assert_int_equal(os->size(os->state, fd, &size), 0);
	assert_int_equal(size, 6);
	assert_int_equal(os->pread(os->state, fd, got, 1, UINT64_MAX), -EFBIG);
	assert_int_equal(os->pwrite(os->state, fd, got, 1, INT64_MAX), -EFBIG);
	assert_int_equal(os->truncate(os->state, fd, UINT64_MAX), -EFBIG);
	assert_int_equal(os->close(os->state, fd), 0);
	assert_int_equal(os->close(os->state, fd), -EBADF);
	assert_int_equal(os->pread(os->state, fd, got, 1, 0), -EBADF);
	assert_int_equal(os->open(os->state, path_of(&b, "a"), O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
	assert_int_equal(os->open(os->state, path_of(&b, "none"), O_RDONLY, 0), -ENOENT);
}

static void allocating_grows_a_file(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	const struct os *os = os_posix();
	uint64_t size;
	int fd = os->open(os->state, path_of(&b, "allocated"), O_RDWR | O_CREAT, 0600);
	int r;

	(void)state;
	assert_true(fd >= 0);
	r = os->allocate(os->state, fd, 0, 8192);
	if (r != -EOPNOTSUPP) {
		assert_int_equal(r, 0);
		assert_int_equal(os->size(os->state, fd, &size), 0);
		assert_int_equal(size, 8192);
	}
	assert_int_equal(os->close(os->state, fd), 0);
}

static void names_are_made_listed_moved_and_removed(void **state)
{
	CLEANUP(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;
	const struct os *os = os_posix();
	size_t before = 0, after = 0;

	(void)state;
	assert_int_equal(os->list(os->state, dir, count_name, &before), 0);
	assert_int_equal(os->mkdir(os->state, path_of(&a, "d"), 0700), 0);
	assert_int_equal(os->mkdir(os->state, path_of(&a, "d"), 0700), -EEXIST);
	assert_int_equal(os_write_file(os, path_of(&a, "one"), "1", 1, 0600), 0);
	assert_int_equal(os->rename(os->state, path_of(&a, "one"), path_of(&b, "two")), 0);
	assert_int_equal(os->rename(os->state, path_of(&a, "one"), path_of(&b, "two")), -ENOENT);
	assert_int_equal(os->sync_dir(os->state, dir), 0);
	assert_int_equal(os->list(os->state, dir, count_name, &after), 0);
	assert_int_equal(after, before + 2);
	assert_int_equal(os->unlink(os->state, path_of(&b, "two")), 0);
	assert_int_equal(os->unlink(os->state, path_of(&b, "two")), -ENOENT);
	assert_int_equal(os->list(os->state, path_of(&a, "none"), count_name, &after), -ENOENT);
	assert_int_equal(os->sync_dir(os->state, path_of(&a, "none")), -ENOENT);
}

static void a_file_is_replaced_whole(void **state)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, temp = BUF_INIT, got = BUF_INIT;
	const struct os *os = os_posix();
	struct stat st;

	(void)state;
	(void)path_of(&path, "file");
	/* Left by a crash while the file was replaced before: no obstacle. */
	assert_int_equal(os_write_file(os, path_of(&temp, "file.new"), "torn", 4, 0644), 0);
	assert_int_equal(os_write_file(os, buf_cstr(&path), "first", 5, 0600), 0);
	assert_int_equal(os_write_file(os, buf_cstr(&path), "second!", 7, 0600), 0);
	buf_add(&got, ">", 1);
	assert_int_equal(os_read_file(os, buf_cstr(&path), 7, &got), 0);
	assert_string_equal(buf_cstr(&got), ">second!");
	assert_int_equal(os_read_file(os, buf_cstr(&path), 6, &got), -EFBIG);
	assert_int_equal(os_read_file(os, buf_cstr(&temp), 6, &got), -ENOENT);
	assert_int_equal(got.len, 8);
	assert_int_equal(stat(buf_cstr(&path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(os_write_file(os, path_of(&temp, "none/file"), "x", 1, 0600), -ENOENT);

	assert_int_equal(os_write_file(os, buf_cstr(&path), NULL, 0, 0600), 0);
	buf_clear(&got);
	assert_int_equal(os_read_file(os, buf_cstr(&path), 0, &got), 0);
	assert_int_equal(got.len, 0);
}

/* A disk that does one byte a call, then nothing. */
struct slow {
	size_t left;
};

static ssize_t slow_pread(void *state, int fd, void *data, size_t len, uint64_t offset)
{
	struct slow *s = state;

	(void)fd, (void)len, (void)offset;
	if (s->left == 0)
		return 0;
	s->left--;
	*(char *)data = 'x';
	return 1;
}

static ssize_t slow_pwrite(void *state, int fd, const void *data, size_t len, uint64_t offset)
{
	struct slow *s = state;

	(void)fd, (void)data, (void)len, (void)offset;
	if (s->left == 0)
		return 0;
	s->left--;
	return 1;
}

static void short_calls_are_made_again(void **state)
{
	struct slow slow = { .left = 4 };
	const struct os os = { .state = &slow, .pread = slow_pread, .pwrite = slow_pwrite };
	char data[4] = "";

	(void)state;
	assert_int_equal(os_pread_full(&os, 0, data, 4, 0), 0);
	assert_memory_equal(data, "xxxx", 4);
	assert_int_equal(os_pread_full(&os, 0, data, 1, 0), -ENODATA);
	slow.left = 3;
	assert_int_equal(os_pwrite_full(&os, 0, data, 3, 0), 0);
	slow.left = 3;
	assert_int_equal(os_pwrite_full(&os, 0, data, 4, 0), -EIO);
}

static void clocks_and_space(void **state)
{
	const struct os *os = os_posix();
	uint64_t a = os->monotonic_ns(os->state), b = os->monotonic_ns(os->state), free_bytes, total;

	(void)state;
	assert_true(b >= a);
	assert_true(os->now_ns(os->state) > UINT64_C(1500000000) * 1000000000);
	assert_int_equal(os->free_bytes(os->state, dir, &free_bytes, &total), 0);
	assert_true(total > 0 && free_bytes <= total);
	assert_int_equal(os->free_bytes(os->state, "/nonexistent/x", &free_bytes, &total), -ENOENT);
}

static void paths_are_joined(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;

	(void)state;
	assert_string_equal(os_join(&b, "a/b", "c"), "a/b/c");
	assert_string_equal(os_join(&b, "/", "c"), "/c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_written_read_and_cut),
		cmocka_unit_test(allocating_grows_a_file),
		cmocka_unit_test(names_are_made_listed_moved_and_removed),
		cmocka_unit_test(a_file_is_replaced_whole),
		cmocka_unit_test(short_calls_are_made_again),
		cmocka_unit_test(clocks_and_space),
		cmocka_unit_test(paths_are_joined),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
