/* SPDX-License-Identifier: MIT */
/* A loader cut off: by a crash, by kill -9 or by a disk that does not take a file. */
#include <dirent.h>
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/load_helper.h"
#include "tests/unit/scratch.h"

/*
 * In a process of its own, for the threads that RocksDB has in this one would be missing after a fork: load
 * up to step `to` and leave without a word, having finished and flushed or not.
 */
static int leave(const char *dir, const struct load *how, uint32_t to, bool finish, bool flush)
{
	uint32_t at;
	struct index *x = open_at_step(dir, &at);

	load_steps(x, how, at, to, finish);
	_exit(flush ? index_flush(x, NULL) != 0 : 0);
}

static pid_t start_leave(const char *dir, const struct load *how, uint32_t to, bool finish, bool flush)
{
	char self[300], until[16];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	pid_t pid;

	assert_true(len > 0);
	self[len] = 0;
	(void)snprintf(until, sizeof(until), "%" PRIu32, to);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execl(self, self, dir, how == &load_large ? "large" : "", until, finish ? "finish" : "",
			    flush ? "flush" : "", NULL);
		_exit(99);
	}
	return pid;
}

static void run_leave(const char *dir, const struct load *how, uint32_t to, bool finish, bool flush)
{
	pid_t pid = start_leave(dir, how, to, finish, flush);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Opened again after a crash: at a step, or known to be of no use and begun anew. */
static struct index *reopen(const char *dir, uint32_t *ret_at)
{
	struct hf_error err = HF_ERROR_INIT;
	struct index *x = NULL;
	int code = try_open(dir, false, &x, ret_at, &err);

	if (code == -EUCLEAN)
		code = try_open(dir, true, &x, ret_at, &err);
	if (code < 0)
		fail_msg("%s", err.text);
	return x;
}

/* Ended somewhere between two writes: what is found is where some step led, and it can go on from there. */
static void test_left(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(scratch_remove) char *other = scratch_make();
	uint32_t at = 0, last = 0, stops = 0;
	struct index *x, *y;

	(void)unused;
	while (at < STEPS) {
		uint32_t to = at + 600 < STEPS ? at + 600 : STEPS;

		run_leave(dir, &load_small, to, to == STEPS || at % 2, to == STEPS || mix(stops) % 3 > 0);
		x = open_at_step(dir, &at);
		assert_true(at >= last && at <= to);
		expect_step(x, &load_small, at);
		index_close(x);
		last = at;
		assert_true(++stops < 100);
	}
	x = open_at_step(dir, &at);
	y = open_at_step(other, &at);
	settle_steps(y, &load_small, 0, STEPS);
	expect_same(x, y);
	index_close(x);
	index_close(y);
}

/* What a whole load takes, in microseconds. */
static uint64_t time_leave(const struct load *how)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct timespec from, to;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	run_leave(dir, how, STEPS, true, true);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000 + (uint64_t)(to.tv_nsec / 1000) -
	       (uint64_t)(from.tv_nsec / 1000);
}

/* Killed at any moment, in the middle of a write too, and from there on again. */
static void expect_killed(const struct load *how)
{
	enum { ROUNDS = 12 };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	const uint64_t whole_us = time_leave(how);
	unsigned long random = scratch_seed();
	struct index *x;
	uint32_t at;

	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = start_leave(dir, how, STEPS, true, true);
		int status;

		random = random * 6364136223846793005u + 1442695040888963407u;
		usleep((unsigned)((random >> 33) % whole_us));
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || status == 0);
		x = reopen(dir, &at);
		printf("killed after step %" PRIu32 "\n", at);
		expect_step(x, how, at);
		index_close(x);
		if (at == STEPS) { /* and once more */
			assert_int_equal(try_open(dir, true, &x, &at, NULL), 0);
			index_close(x);
		}
	}
}

static void test_killed(void **unused)
{
	(void)unused;
	expect_killed(&load_small);
	expect_killed(&load_large);
}

struct path {
	char name[300];
};

/* Of the loader's next file of that space. */
static struct path load_path(const char *dir, enum index_space space)
{
	struct path p;

	(void)snprintf(p.name, sizeof(p.name), "%s/load-%d.sst", dir, (int)space);
	return p;
}

/*
 * What takes several steps and was cut off in between is known: the head's file could not be written. Before
 * that, nothing is torn: the past's could not.
 */
static void test_torn(void **unused)
{
	static const struct {
		enum index_space space;
		int code;
	} obstructed[] = { { INDEX_PAST, 0 }, { INDEX_HEAD, -EUCLEAN } };
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct hf_error err = HF_ERROR_INIT;
	struct index *x;
	uint32_t at;

	(void)unused;
	x = open_at_step(dir, &at);
	load_steps(x, &load_large, 0, STEPS / 2, true);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(mkdir(load_path(dir, obstructed[i].space).name, 0700), 0);
		assert_true(try_load(x, &load_large, STEPS / 2, STEPS, true, &err) < 0);
		assert_int_equal(rmdir(load_path(dir, obstructed[i].space).name), 0);
		index_close(x);
		assert_int_equal(try_open(dir, false, &x, &at, &err), obstructed[i].code);
		if (i == 0)
			expect_step(x, &load_large, STEPS / 2);
	}
	assert_non_null(strstr(err.text, "cut off"));
	assert_int_equal(try_open(dir, true, &x, &at, &err), 0);
	assert_int_equal(at, 0);
	load_steps(x, &load_large, 0, STEPS, true);
	expect_step(x, &load_large, STEPS);
	index_close(x);
}

static void find_table(const char *dir, struct path *ret)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool found = false;

	assert_non_null(d);
	while (!found && (e = readdir(d))) {
		found = strlen(e->d_name) > 4 && !strcmp(e->d_name + strlen(e->d_name) - 4, ".sst");
		(void)snprintf(ret->name, sizeof(ret->name), "%s/%s", dir, e->d_name);
	}
	(void)closedir(d);
	assert_true(found);
}

/* Killed when RocksDB had given a file its own name, and the loader's was there still: it is not written to.
 */
static void test_left_over(void **unused)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct path table;
	struct index *x;
	uint32_t at;

	(void)unused;
	x = open_at_step(dir, &at);
	load_steps(x, &load_large, 0, STEPS / 2, true);
	index_close(x);
	find_table(dir, &table);
	assert_int_equal(link(table.name, load_path(dir, INDEX_HEAD).name), 0);
	assert_int_equal(link(table.name, load_path(dir, INDEX_PAST).name), 0);
	x = open_at_step(dir, &at);
	load_steps(x, &load_large, at, STEPS, true);
	index_close(x);
	x = open_at_step(dir, &at);
	assert_int_equal(at, STEPS);
	expect_step(x, &load_large, at);
	index_close(x);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_left),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_left_over),
	};

	if (argc == 6)
		return leave(argv[1], *argv[2] ? &load_large : &load_small, (uint32_t)atoi(argv[3]), *argv[4],
			     *argv[5]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
