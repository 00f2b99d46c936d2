/* SPDX-License-Identifier: MIT */
/* What a person sees on a terminal while something goes on, and in which colours; and that nobody else sees
 * any of it. */
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/cli/colour.h"
#include "fs/cli/progress.h"

#define MIB (UINT64_C(1) << 20)

static void line_is(const char *wanted, const char *what, uint64_t done, uint64_t total, uint64_t gained,
		    double seconds)
{
	char line[256];

	progress_format(line, sizeof(line), what, done, total, gained, seconds);
	assert_string_equal(line, wanted);
}

static void test_line(void **state)
{
	char small[12];

	(void)state;
	line_is("files: 1,000 of 4,000 (25 %), 500 a second, 6.0 s left", "files", 1000, 4000, 1000, 2);
	line_is("reading: 100 MiB of 1.0 GiB (10 %), 50 MiB/s, 18 s left", "reading, bytes", 100 * MIB,
		1024 * MIB, 100 * MIB, 2);
	line_is("files: 1,000, 500 a second", "files", 1000, 0, 1000, 2);
	line_is("files: 1,000 of 4,000 (25 %)", "files", 1000, 4000, 0, 0);
	line_is("files: 1,000 of 4,000 (25 %)", "files", 1000, 4000, 0, 2);
	line_is("files: 1 of 100 (1 %), 16 min 30 s left", "files", 1, 100, 1, 10);
	line_is("files: 90 of 100 (90 %), 10 a second, 1.0 s left", "files", 90, 100, 10,
		1); /* the pace is that of late */
	line_is("files: 5 of 4 (100 %), 5 a second", "files", 5, 4, 5, 1);
	line_is(", bytes: 7", ", bytes", 7, 0, 0, 0);
	progress_format(small, sizeof(small), "many words", 1, 2, 1, 1);
	assert_string_equal(small, "many words:");
}

struct terminal {
	int master, slave, kept;
};

static struct terminal terminal_open(unsigned short columns)
{
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	struct terminal t;

	assert_int_equal(openpty(&t.master, &t.slave, NULL, NULL, &size), 0);
	t.kept = dup(STDERR_FILENO);
	assert_int_equal(dup2(t.slave, STDERR_FILENO), STDERR_FILENO);
	return t;
}

/* What is on it; stderr is what it was. */
static char *terminal_close(struct terminal *t, char *out, size_t size)
{
	size_t at = 0;

	assert_true(fflush(stderr) == 0);
	assert_int_equal(write(t->slave, "#", 1), 1); /* behind all that there is */
	do {
		ssize_t n = read(t->master, out + at, size - at);

		assert_true(n > 0 && (size_t)n < size - at);
		at += (size_t)n;
	} while (out[at - 1] != '#');
	out[at - 1] = 0;
	assert_int_equal(dup2(t->kept, STDERR_FILENO), STDERR_FILENO);
	(void)close(t->kept);
	(void)close(t->slave);
	(void)close(t->master);
	return out;
}

static void long_work(double seconds_ago)
{
	struct progress p;
	struct hf_progress told = progress_begin(&p);

	p.start -= seconds_ago;
	told.fn(told.arg, "reading the log, bytes", 0, 100 * MIB);
	p.phase_start -= seconds_ago;
	p.shown = 0;
	told.fn(told.arg, "reading the log, bytes", 50 * MIB, 100 * MIB);
	progress_end(&p);
	progress_end(&p);
}

static void test_terminal(void **state)
{
	struct terminal t;
	char text[512];

	(void)state;
	setenv("TERM", "xterm", 1);
	t = terminal_open(80);
	long_work(5);
	terminal_close(&t, text, sizeof(text));
	assert_non_null(strstr(text, "reading the log: 50 MiB of 100 MiB (50 %), "));
	assert_non_null(strstr(text, "MiB/s, "));
	assert_non_null(strstr(text, " left\r\033[K"));
	assert_string_equal(text + strlen(text) - 4, "\r\033[K"); /* nothing stays */

	t = terminal_open(80);
	long_work(0);
	assert_string_equal(terminal_close(&t, text, sizeof(text)), "");

	t = terminal_open(30);
	long_work(5);
	terminal_close(&t, text, sizeof(text));
	assert_non_null(strstr(text, "\033[Kreading the log: 50 MiB of 10\r\033[K")); /* one line, not two */

	setenv("TERM", "dumb", 1);
	t = terminal_open(80);
	long_work(5);
	assert_string_equal(terminal_close(&t, text, sizeof(text)), "");
	setenv("TERM", "xterm", 1);
}

static void test_no_terminal(void **state)
{
	int pipes[2], kept = dup(STDERR_FILENO);
	char text[64];

	(void)state;
	assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
	assert_int_equal(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
	long_work(5);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	assert_true(read(pipes[0], text, sizeof(text)) < 0);
	(void)close(kept);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

static void test_colour(void **state)
{
	struct terminal t = terminal_open(80);
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	assert_string_equal(colour(stderr, COLOUR_BAD), "\033[31m");
	assert_string_equal(colour(stderr, COLOUR_NONE), "\033[0m");
	assert_string_equal(colour(file, COLOUR_BAD), "");
	setenv("NO_COLOR", "", 1);
	assert_string_equal(colour(stderr, COLOUR_GOOD), "\033[32m");
	setenv("NO_COLOR", "1", 1);
	assert_string_equal(colour(stderr, COLOUR_GOOD), "");
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	assert_string_equal(colour(stderr, COLOUR_NONE), "");
	unsetenv("TERM");
	assert_string_equal(colour(stderr, COLOUR_NONE), "");
	terminal_close(&t, (char[8]){ 0 }, 8);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_no_terminal),
		cmocka_unit_test(test_colour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
