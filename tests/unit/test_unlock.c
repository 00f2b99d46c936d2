/* SPDX-License-Identifier: MIT */
/* Passphrases and keys from outside: how they are said on a command line and among mount options, and read.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/cli/unlock.h"
#include "holdfast/key.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

/* A descriptor from which these bytes can be read. */
static int fd_of(const void *data, size_t len)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], data, len), len);
	(void)close(fds[1]);
	return fds[0];
}

static void options_are_taken_out_of_a_list(void **state)
{
	static const struct {
		const char *given, *left;
	} lists[] = {
		{ "", "" },
		{ "nosuid", "nosuid" },
		{ "key-file=/a b/c", "" },
		{ "key-file=/x,nosuid", "nosuid" },
		{ "nosuid,key-file=/x", "nosuid" },
		{ "ro,key-file=/x,cache=1G,passphrase-fd=0,key-fd=0,nodev", "ro,cache=1G,nodev" },
		{ "key-filex=/x,xkey-file=/x", "key-filex=/x,xkey-file=/x" },
		{ "ro,,nodev", "ro,,nodev" },
	};
	struct hf_error err = HF_ERROR_INIT;
	char list[100];

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		(void)snprintf(list, sizeof(list), "%s", lists[i].given);
		if (unlock_take_options(list, &err) < 0)
			fail_msg("%s: %s", lists[i].given, err.text);
		assert_string_equal(list, lists[i].left);
	}
	(void)snprintf(list, sizeof(list), "ro,passphrase-fd=999");
	assert_int_equal(unlock_take_options(list, &err), -EINVAL);
	assert_non_null(strstr(err.text, "open descriptor"));
	(void)snprintf(list, sizeof(list), "passphrase-fd");
	assert_int_equal(unlock_take_options(list, &err), -EINVAL);
	assert_non_null(strstr(err.text, "needs a value"));
	unlock_end();
}

static void arguments_are_taken_out_of_a_line(void **state)
{
	char *line[] = { "holdfast",          "status", "--key-file", "/x", "STORE",
			 "--passphrase-fd=0", "--json", NULL };
	char *wrong[] = { "holdfast", "status", "--passphrase-fd", "zero", NULL };
	char *cut[] = { "holdfast", "status", "STORE", "--key-fd", NULL };
	char *other[] = { "holdfast", "serve", "DIR", "--key-file", "/x", NULL };
	char *none[] = { "holdfast", "serve", "DIR", "--key", NULL };
	int argc = 7;

	(void)state;
	assert_int_equal(unlock_begin(&argc, line, true), 0);
	assert_int_equal(argc, 4);
	assert_string_equal(line[1], "status");
	assert_string_equal(line[2], "STORE");
	assert_string_equal(line[3], "--json");
	assert_null(line[4]);
	assert_int_equal(unlock_passphrase_fd(), 0);
	assert_int_equal(unlock_passphrase_fd(), -1); /* it is read once */
	argc = 4;
	assert_int_equal(unlock_begin(&argc, wrong, true), -EINVAL);
	argc = 4;
	assert_int_equal(unlock_begin(&argc, cut, true), -EINVAL);
	argc = 5;
	assert_int_equal(unlock_begin(&argc, other, false), -EINVAL);
	argc = 4;
	assert_int_equal(unlock_begin(&argc, none, false), 0); /* nothing of ours in it */
	assert_int_equal(argc, 4);
	unlock_end();
	hf_unlock_by(NULL);
}

static void lines_are_read_one_by_one(void **state)
{
	struct secret s = SECRET_INIT;
	struct hf_error err = HF_ERROR_INIT;
	int fd = fd_of("one\ntwo words\r\n\nlast", 20);

	(void)state;
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), 0);
	assert_int_equal(s.len, 3);
	assert_memory_equal(s.text, "one", 3);
	secret_release(&s);
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), 0);
	assert_int_equal(s.len, 9);
	assert_memory_equal(s.text, "two words", 9);
	secret_release(&s);
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), -EINVAL);
	assert_non_null(strstr(err.text, "the passphrase is empty"));
	assert_null(s.text);
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), 0); /* the end is an end of line too */
	assert_int_equal(s.len, 4);
	secret_release(&s);
	secret_release(&s);
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), -EINVAL);
	(void)close(fd);
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), -EBADF);
}

static void lengths_are_bounded(void **state)
{
	char text[SECRET_BYTES_MAX + 2];
	struct secret s = SECRET_INIT, copy = SECRET_INIT;
	struct hf_error err = HF_ERROR_INIT;
	int fd;

	(void)state;
	memset(text, 'x', sizeof(text));
	fd = fd_of(text, SECRET_BYTES_MAX);
	assert_int_equal(secret_read_line(fd, "passphrase", &s, &err), 0);
	assert_int_equal(s.len, SECRET_BYTES_MAX);
	assert_int_equal(secret_copy(&s, &copy, &err), 0);
	assert_int_equal(copy.len, s.len);
	assert_memory_equal(copy.text, s.text, s.len);
	secret_release(&copy);
	secret_release(&s);
	(void)close(fd);
	for (int all = 0; all <= 1; all++) {
		fd = fd_of(text, SECRET_BYTES_MAX + 1);
		assert_int_equal((all ? secret_read_all : secret_read_line)(fd, "volume key", &s, &err),
				 -EINVAL);
		assert_non_null(strstr(err.text, "the volume key is longer than 1024 bytes"));
		(void)close(fd);
	}
	fd = fd_of("a\nb\0c", 5); /* a file is not lines */
	assert_int_equal(secret_read_all(fd, "volume key", &s, &err), 0);
	assert_int_equal(s.len, 5);
	assert_memory_equal(s.text, "a\nb\0c", 5);
	secret_release(&s);
	(void)close(fd);
}

/* What was read before going to the background is still there, and read from the descriptor once. */
static void what_opening_will_ask_for_is_had_before(void **state)
{
	struct hf_keeping by = { .how = HF_KEY_PASSPHRASE,
				 .passphrase = "pass word",
				 .passphrase_len = 9,
				 .passes = 1,
				 .memory_kib = 64 };
	struct hf_error err = HF_ERROR_INIT;
	struct store_fixture f;
	char fd_text[32], *line[] = { "holdfast", "mount", fd_text, NULL };
	int fd = fd_of("pass word\nnext\n", 15), argc = 3;
	char next;

	(void)state;
	store_fixture_init(&f, NULL);
	store_close(&f);
	assert_int_equal(hf_key_keep(f.path, &by, NULL), 0);
	(void)snprintf(fd_text, sizeof(fd_text), "--passphrase-fd=%d", fd);
	assert_int_equal(unlock_begin(&argc, line, true), 0);
	if (unlock_prepare(f.path, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(read(fd, &next, 1), 1);
	assert_int_equal(next, 'n'); /* the rest is somebody else's */
	(void)close(fd);
	store_open(&f, 0);
	store_close(&f);
	store_open(&f, 0); /* as often as it takes */
	store_close(&f);
	unlock_end();
	hf_unlock_by(NULL);
	store_fixture_release(&f);
}

static void a_credential_is_taken_by_a_store_without_a_key(void **state)
{
	struct hf_keeping elsewhere = { .how = HF_KEY_ELSEWHERE };
	char *line[] = { "holdfast", "status", NULL };
	struct store_fixture f;
	char path[400];
	int argc = 2;

	(void)state;
	store_fixture_init(&f, NULL);
	store_close(&f);
	(void)snprintf(path, sizeof(path), "%s/holdfast-key", f.dir);
	elsewhere.key_file = path;
	assert_int_equal(hf_key_keep(f.path, &elsewhere, NULL), 0);
	assert_int_equal(unlock_begin(&argc, line, true), 0);
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	store_open_fails(&f, 0, -ENOKEY, "kept elsewhere");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", "/nowhere", 1), 0);
	store_open_fails(&f, 0, -ENOKEY, "kept elsewhere");
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", f.dir, 1), 0);
	store_open(&f, 0);
	store_close(&f);
	(void)unsetenv("CREDENTIALS_DIRECTORY");
	unlock_end();
	hf_unlock_by(NULL);
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_taken_out_of_a_list),
		cmocka_unit_test(arguments_are_taken_out_of_a_line),
		cmocka_unit_test(lines_are_read_one_by_one),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(what_opening_will_ask_for_is_had_before),
		cmocka_unit_test(a_credential_is_taken_by_a_store_without_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
