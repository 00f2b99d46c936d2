/* SPDX-License-Identifier: MIT */
/* A store in whose index damage is found while it is in use: it says so, and the next opening builds it anew.
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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/volume/volume.h"
#include "tests/unit/index_helper.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { FILES = 100, ROUNDS_MAX = 60, TABLES_MAX = 64, PAUSE_MS = 10, PAUSES_MAX = 6000 };

static void pause_a_little(void)
{
	const struct timespec t = { 0, PAUSE_MS * 1000000L };

	(void)nanosleep(&t, NULL);
}

static void index_path(const struct store_fixture *f, char out[300], const char *name)
{
	(void)snprintf(out, 300, "%s/index/%s", f->path, name);
}

static bool is_noted(const struct store_fixture *f)
{
	char path[300];
	struct stat st;

	index_path(f, path, "damaged");
	return stat(path, &st) == 0;
}

static void note(const struct store_fixture *f)
{
	char path[300];
	int fd;

	index_path(f, path, "damaged");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void name_of(unsigned round, unsigned i, char out[32])
{
	(void)snprintf(out, 32, "%u-%u", round, i);
}

static void make_round(struct store_fixture *f, unsigned round)
{
	char name[32];

	for (unsigned i = 0; i < FILES; i++) {
		name_of(round, i, name);
		put_text(f, make_file(f, name), 0, name);
	}
	commit(f);
}

/* Everything is in files of RocksDB's; false: that failed. */
static bool flush(struct store_fixture *f)
{
	for (unsigned pauses = 0; status_of(f).pending_bytes > 0; pauses++) {
		if (status_of(f).index_damaged)
			return false;
		assert_true(pauses < PAUSES_MAX);
		pause_a_little();
	}
	return index_flush(f->store->index, NULL) == 0;
}

static unsigned harm_tables(struct store_fixture *f)
{
	char dir[300];

	index_path(f, dir, "");
	return (unsigned)scratch_harm(dir, ".sst", SCRATCH_FLIP);
}

static int look_up(struct store_fixture *f, const char *name, struct hf_attr *ret)
{
	const struct hf_view now = { f->store, HF_TID_HEAD };

	return hf_view_lookup(&now, HF_ROOT_INO, name, ret, NULL);
}

static void expect_rounds(struct store_fixture *f, unsigned n)
{
	char name[32];

	for (unsigned round = 0; round < n; round++) {
		for (unsigned i = 0; i < FILES; i++) {
			struct hf_attr a;

			name_of(round, i, name);
			assert_int_equal(look_up(f, name, &a), 0);
			expect_text(f, HF_TID_HEAD, a.ino, name);
		}
	}
}

/* The tables of what was, which nobody reads here. */
struct tables {
	unsigned n;
	char names[TABLES_MAX][32];
};

static void find_past(struct store_fixture *f, struct tables *ret)
{
	const rocksdb_livefiles_t *files = rocksdb_livefiles(rocks_of(f->store->index)->db);

	ret->n = 0;
	for (int i = 0; i < rocksdb_livefiles_count(files); i++) {
		if (strcmp(rocksdb_livefiles_column_family_name(files, i), "past") != 0)
			continue;
		assert_true(ret->n < TABLES_MAX);
		(void)snprintf(ret->names[ret->n++], sizeof(*ret->names), "%s",
			       rocksdb_livefiles_name(files, i) + 1);
	}
	rocksdb_livefiles_destroy(files);
}

static void harm(const struct tables *tables, const char *dir)
{
	assert_true(tables->n > 0);
	for (unsigned i = 0; i < tables->n; i++)
		assert_int_equal(scratch_harm(dir, tables->names[i], SCRATCH_FLIP), 1);
}

static void write_all(struct store_fixture *f, const uint64_t inos[FILES], unsigned round)
{
	char text[32];

	for (unsigned i = 0; i < FILES; i++) {
		name_of(round, i, text);
		put_text(f, inos[i], 0, text);
	}
	commit(f);
}

/* RocksDB comes upon it when it merges, which nobody asked for. What is acknowledged from then on is in the
 * log. */
static void test_found_by_merging(void **state)
{
	struct store_fixture *f = *state;
	uint64_t inos[FILES];
	unsigned round = 10; /* two digits to the end */
	struct tables past;
	char text[32], dir[300];

	for (unsigned i = 0; i < FILES; i++) {
		name_of(0, i, text);
		inos[i] = make_file(f, text);
	}
	write_all(f, inos, round++);
	assert_true(flush(f));
	find_past(f, &past);
	index_path(f, dir, "");
	harm(&past, dir);
	for (; round < ROUNDS_MAX && !status_of(f).index_damaged; round++) {
		write_all(f, inos, round);
		(void)flush(f);
	}
	assert_true(status_of(f).index_damaged);
	assert_true(is_noted(f));
	write_all(f, inos, round);
	store_close(f);

	store_open(f, 0);
	assert_false(status_of(f).index_damaged);
	assert_false(is_noted(f));
	for (unsigned i = 0; i < FILES; i++) {
		name_of(round, i, text);
		expect_text(f, HF_TID_HEAD, inos[i], text);
	}
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	store_open(f, 0);
}

/*
 * An opening that has much to replay comes upon it: RocksDB merges as soon as it is open, what nobody reads
 * as well, and then takes nothing more. (Should it be late, the one after does.)
 */
static void test_found_by_opening(void **state)
{
	enum { FLUSHES = 20 }; /* RocksDB merges 16 of that family's */
	struct store_fixture *f = *state;
	uint64_t inos[FILES];
	char command[1024], aside[300], text[32];
	struct tables past;

	assert_int_equal(rocks_set_merging(rocks_of(f->store->index), INDEX_PAST, false, NULL), 0);
	for (unsigned i = 0; i < FILES; i++) {
		name_of(0, i, text);
		inos[i] = make_file(f, text);
	}
	for (unsigned round = 10; round < 10 + FLUSHES; round++) {
		write_all(f, inos, round);
		assert_true(flush(f));
	}
	find_past(f, &past);
	assert_int_equal(past.n, FLUSHES);
	store_close(f);
	(void)snprintf(aside, sizeof(aside), "%s/aside", f->dir);
	(void)snprintf(command, sizeof(command), "cp -r %s/index %s", f->path, aside);
	assert_int_equal(system(command), 0);
	harm(&past, aside);
	store_open(f, 0);
	for (unsigned round = 30; round < 70; round++)
		write_all(f, inos, round);
	store_close(f);
	(void)snprintf(command, sizeof(command), "rm -r %s/index && mv %s %s/index", f->path, aside, f->path);
	assert_int_equal(system(command), 0);

	for (unsigned opened = 0; opened < 2; opened++) {
		store_open(f, 0);
		for (unsigned i = 0; i < FILES; i++) {
			name_of(69, i, text);
			expect_text(f, HF_TID_HEAD, inos[i], text);
		}
		store_close(f);
	}
	assert_int_equal(store_faults(f), 0);
	store_open(f, 0);
}

static void test_found_by_reading(void **state)
{
	struct store_fixture *f = *state;
	struct hf_attr a;

	make_round(f, 0);
	store_close(f);
	store_open(f, 0);
	assert_false(status_of(f).index_damaged);
	assert_true(harm_tables(f) > 0);
	assert_int_equal(look_up(f, "0-1", &a), -EUCLEAN);
	assert_true(status_of(f).index_damaged);
	assert_true(is_noted(f));
	store_close(f);
	assert_true(store_faults(f) > 0); /* what cannot be read, whatever was noted */

	store_open(f, 0);
	assert_false(status_of(f).index_damaged);
	expect_rounds(f, 1);
}

/* That bytes are stored already cannot be read: they are stored again, and nothing that was acknowledged is
 * lost. */
static void test_names_cannot_be_read(void **state)
{
	struct store_fixture *f = *state;
	uint64_t first = make_file(f, "first"), second = make_file(f, "second");
	uint64_t chunks;

	put_text(f, first, 0, "the same bytes");
	store_close(f);
	store_open(f, 0);
	put_text(f, second, 0, "other bytes");
	commit(f);
	chunks = status_of(f).chunks;
	assert_true(harm_tables(f) > 0);
	put_text(f, second, 0, "the same bytes"); /* all that this reads is known by now */
	commit(f);
	assert_true(status_of(f).index_damaged);
	assert_int_equal(status_of(f).chunks, chunks + 1);
	store_close(f);
	store_open(f, 0);
	expect_text(f, HF_TID_HEAD, first, "the same bytes");
	expect_text(f, HF_TID_HEAD, second, "the same bytes");
	put_text(f, first, 0, "the same bytes");
	commit(f);
	assert_int_equal(status_of(f).chunks, chunks + 1);
}

/* Noted alone, it is a fault that check tells of; who only reads has it built anew when he says so. */
static void test_reading_only(void **state)
{
	struct store_fixture *f = *state;

	make_round(f, 0);
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	note(f);
	assert_int_equal(store_faults(f), 1);
	store_open(f, HF_OPEN_READ_ONLY);
	assert_true(status_of(f).index_damaged);
	expect_rounds(f, 1);
	store_close(f);
	assert_true(is_noted(f));
	store_open(f, HF_OPEN_READ_ONLY | HF_OPEN_REBUILD);
	assert_false(status_of(f).index_damaged);
	expect_rounds(f, 1);
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	store_open(f, 0);
}

/* What a damaged index knows of the log is heard: it is not taken away before the log has it. */
static void test_log_lacks_what_it_has(void **state)
{
	struct store_fixture *f = *state;
	char log[300], command[1024];

	make_round(f, 0);
	store_close(f);
	(void)snprintf(log, sizeof(log), "%s/log/0000000001.seg", f->path);
	(void)snprintf(command, sizeof(command), "cp %s %s/whole", log, f->dir);
	assert_int_equal(system(command), 0);
	store_open(f, 0);
	make_round(f, 1);
	store_close(f);
	(void)snprintf(command, sizeof(command), "mv %s %s/longer && mv %s/whole %s", log, f->dir, f->dir,
		       log);
	assert_int_equal(system(command), 0);
	note(f);
	store_open_fails(f, 0, -EUCLEAN, "the index was made from it");
	assert_true(is_noted(f));
	(void)snprintf(command, sizeof(command), "mv %s/longer %s", f->dir, log);
	assert_int_equal(system(command), 0);
	store_open(f, 0);
	assert_false(is_noted(f));
	expect_rounds(f, 2);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_found_by_merging), CASE(test_found_by_opening),
		CASE(test_found_by_reading), CASE(test_names_cannot_be_read),
		CASE(test_reading_only),     CASE(test_log_lacks_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
