/* SPDX-License-Identifier: MIT */
/*
 * Killed at any moment, the index is found at exactly one of its states, all spaces alike; open in one
 * process it is refused to another. The other process is this program again, started with a word of what to
 * do.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/index/index.h"
#include "tests/unit/scratch.h"

enum { ROUNDS = 8, PAD_BYTES = 4000, FLUSH_EACH = 1000, STRETCH = 6000, REPORT_EACH = 50 };

/* What the writing child tells from time to time: the last group settled, and the last flushed. */
struct report {
	uint64_t settled, flushed;
};

static const char counter_key[] = "~counter";

static struct index *open_at(const char *dir, uint64_t *ret_state)
{
	struct index_options o = { .dir = dir, .cache_bytes = 1 };
	struct hf_error err = HF_ERROR_INIT;
	struct index *x = NULL;
	uint8_t *state;
	size_t len;

	if (index_open(&o, &x, &state, &len, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	*ret_state = len == 8 ? get_u64(state) : 0;
	free(state);
	return x;
}

/*
 * Group n: in each space a counter at n, and a key n with some bytes behind it (enough that RocksDB flushes
 * on its own too, and in every other stretch alone); key n - 5 is deleted again.
 */
static void publish_group(struct index *x, struct index_batch *b, uint64_t n)
{
	uint8_t value[PAD_BYTES], key[8];

	memset(value, (int)n, sizeof(value));
	put_u64(value, n);
	for (int s = 0; s < INDEX_SPACES; s++) {
		put_be64(key, n);
		index_batch_put(b, (enum index_space)s, counter_key, sizeof(counter_key), value, 8);
		index_batch_put(b, (enum index_space)s, key, 8, value,
				s == (int)(n % INDEX_SPACES) ? sizeof(value) : 8);
		if (n > 5) {
			put_be64(key, n - 5);
			index_batch_delete(b, (enum index_space)s, key, 8);
		}
	}
	if (index_publish(x, b, n, NULL) < 0)
		abort();
}

static int child_writes(const char *dir)
{
	struct report report = { 0 };
	uint64_t n;
	struct index *x = open_at(dir, &n);
	struct index_batch *b;
	uint8_t state[8];

	if (index_batch_new(x, &b) < 0)
		return 1;
	for (;;) {
		publish_group(x, b, ++n);
		put_u64(state, n);
		if (index_settle(x, n, state, 8, NULL, NULL, NULL) < 0)
			return 1;
		report.settled = n;
		if (n % FLUSH_EACH == 0 && n / STRETCH % 2 == 0) {
			if (index_flush(x, NULL) < 0)
				return 1;
			report.flushed = n;
		}
		if (n % REPORT_EACH == 0 && write(STDOUT_FILENO, &report, sizeof(report)) != sizeof(report))
			return 1;
	}
}

static int child_opens(const char *dir)
{
	struct index_options o = { .dir = dir };
	struct index_options wipe = { .dir = dir, .wipe = true };
	struct index *x;
	uint8_t *state;
	size_t len;

	return index_open(&o, &x, &state, &len, NULL) == -EBUSY &&
			       index_open(&wipe, &x, &state, &len, NULL) == -EBUSY ?
		       0 :
		       1;
}

static pid_t start(const char *what, const char *dir, int *ret_from)
{
	int pipes[2];
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(pipes[1], STDOUT_FILENO);
		(void)close(pipes[0]);
		(void)close(pipes[1]);
		(void)execl("/proc/self/exe", "test_index_crash", what, dir, (char *)NULL);
		_exit(127);
	}
	(void)close(pipes[1]);
	*ret_from = pipes[0];
	return pid;
}

/* Everything in x is of state n: nothing later, nothing missing. */
static void check_state(struct index *x, uint64_t n)
{
	struct buf out = BUF_INIT;
	struct index_rows rows = INDEX_ROWS_INIT;
	struct span all = { NULL, 0 };

	for (int s = 0; s < INDEX_SPACES; s++) {
		enum index_space space = (enum index_space)s;
		uint64_t first = n > 5 ? n - 4 : 1;

		assert_int_equal(index_scan(x, space, all, all, 100, 0, &rows, NULL), 0);
		if (n == 0) {
			assert_int_equal(rows.n, 0);
			continue;
		}
		assert_int_equal(rows.n, n - first + 2);
		for (size_t i = 0; i + 1 < rows.n; i++)
			assert_int_equal(get_be64(rows.entries[i].key.data), first + i);
		assert_int_equal(index_get(x, space, counter_key, sizeof(counter_key), &out, NULL), 1);
		assert_int_equal(get_u64(out.data), n);
	}
	index_rows_release(&rows);
	buf_release(&out);
}

/* Let the child write some groups and a little more, and kill it. Returns what it last said was flushed. */
static uint64_t run_and_kill(const char *dir, uint64_t groups, unsigned more_us)
{
	struct report report, last = { 0 };
	uint64_t first = 0;
	int from, status;
	pid_t pid = start("write", dir, &from);

	while (read(from, &report, sizeof(report)) == sizeof(report)) {
		last = report;
		first = first ? first : last.settled;
		if (last.settled >= first + groups)
			break;
	}
	usleep(more_us);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	while (read(from, &report, sizeof(report)) == sizeof(report))
		last = report;
	(void)close(from);
	return last.flushed;
}

static void test_killed(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	unsigned long random = scratch_seed();
	uint64_t before = 0;

	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t flushed, n;
		struct index *x;

		random = random * 6364136223846793005u + 1442695040888963407u;
		flushed = run_and_kill(dir, FLUSH_EACH + (random >> 33) % 2500,
				       (unsigned)(random >> 48) % 30000);
		x = open_at(dir, &n);
		printf("flushed %" PRIu64 ", found %" PRIu64 "\n", flushed, n);
		check_state(x, n);
		assert_true(n >= flushed && n >= before); /* what a flush promised is there */
		index_close(x);
		before = n;
	}
	assert_true(before > 0);
}

static void test_locked(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	uint64_t n;
	struct index *x = open_at(dir, &n);
	int from, status;
	pid_t pid = start("open", dir, &from);

	(void)unused;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	(void)close(from);
	index_close(x);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_locked),
	};

	if (argc == 3)
		return strcmp(argv[1], "write") == 0 ? child_writes(argv[2]) : child_opens(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
