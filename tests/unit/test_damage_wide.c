/* SPDX-License-Identifier: MIT */
/*
 * Damage of which not each frame can be told: a stretch over several, in which headers are gone; a file that
 * is cut or gone; more places than are written down. What is written once more is stored anew all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holdfast/damage.h"
#include "store/format/format.h"
#include "store/os/os.h"
#include "store/volume/rot.h"
#include "tests/unit/log_helper.h"
#include "tests/unit/store_helper.h"

enum {
	FILE_BYTES = 3 << 20,
	BAD_FROM = 1 << 20, /* in segment 1 */
	BAD_BYTES = 1 << 20,
	SMALL_FILES = 300,
	SMALL_BYTES = 1000,
};

struct wide {
	struct store_fixture f;
	uint64_t ino, whole; /* the file, and the moment when it had all of data */
	uint8_t *data;
	char segment[300];
};

/* A file that is one group in segment 1, which is sealed. */
static int setup(void **state)
{
	struct wide *w = calloc(1, sizeof(*w));

	w->data = malloc(FILE_BYTES);
	fill_random(w->data, FILE_BYTES, 3);
	store_fixture_init(&w->f, NULL);
	store_close(&w->f);
	w->f.options.segment_bytes = 4 << 20;
	store_open(&w->f, 0);
	w->ino = make_file(&w->f, "file");
	put(&w->f, w->ino, 0, w->data, FILE_BYTES);
	commit(&w->f);
	w->whole = head(&w->f);
	fill_random(w->data, FILE_BYTES, 4);
	put(&w->f, w->ino, 0, w->data, FILE_BYTES);
	commit(&w->f);
	fill_random(w->data, FILE_BYTES, 3);
	store_close(&w->f);
	(void)snprintf(w->segment, sizeof(w->segment), "%s/log/0000000001.seg", w->f.path);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct wide *w = *state;

	store_fixture_release(&w->f);
	free(w->data);
	free(w);
	return 0;
}

/* Over BAD_BYTES of segment 1; NULL: zeros. Returns what was there. */
static uint8_t *overwrite(struct wide *w, const uint8_t *with)
{
	uint8_t *was = malloc(BAD_BYTES), *zeros = calloc(1, BAD_BYTES);
	int fd = open(w->segment, O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, was, BAD_BYTES, BAD_FROM), BAD_BYTES);
	assert_int_equal(pwrite(fd, with ? with : zeros, BAD_BYTES, BAD_FROM), BAD_BYTES);
	(void)close(fd);
	free(zeros);
	return was;
}

static long check_open(struct wide *w)
{
	return hf_store_check_open(w->f.store, NULL, NULL, NULL, NULL, NULL);
}

/* The same bytes again, to another file: they are there, also for who opens the store anew. */
static void write_again(struct wide *w)
{
	uint64_t again = make_file(&w->f, "again");

	put(&w->f, again, 0, w->data, FILE_BYTES);
	commit(&w->f);
	store_close(&w->f);
	store_open(&w->f, 0);
	expect_bytes(&w->f, HF_TID_HEAD, again, 0, w->data, FILE_BYTES);
}

static void test_zeros(void **state)
{
	struct wide *w = *state;

	free(overwrite(w, NULL));
	store_open(&w->f, 0);
	assert_true(check_open(w) > 0);
	write_again(w);
}

/* What is in memory still is no reason to name what is on the disk no more. */
static void test_zeros_under_what_is_cached(void **state)
{
	struct wide *w = *state;

	store_open(&w->f, 0);
	expect_bytes(&w->f, w->whole, w->ino, 0, w->data, FILE_BYTES);
	free(overwrite(w, NULL));
	assert_true(check_open(w) > 0);
	write_again(w);
}

/* Known from a check at rest, and not retired yet. */
static void test_zeros_found_at_rest(void **state)
{
	struct wide *w = *state;

	free(overwrite(w, NULL));
	assert_true(store_faults(&w->f) > 0);
	store_open(&w->f, 0);
	write_again(w);
}

static void test_cut(void **state)
{
	struct wide *w = *state;

	assert_int_equal(truncate(w->segment, BAD_FROM), 0);
	store_open(&w->f, 0);
	assert_true(check_open(w) > 0);
	write_again(w);
}

static void test_gone_while_open(void **state)
{
	struct wide *w = *state;
	uint64_t bytes;

	store_open(&w->f, 0);
	expect_bytes(&w->f, w->whole, w->ino, 0, w->data, FILE_BYTES);
	bytes = status_of(&w->f).chunk_bytes;
	assert_int_equal(unlink(w->segment), 0);
	assert_true(check_open(w) > 0);
	put(&w->f, make_file(&w->f, "again"), 0, w->data, FILE_BYTES);
	commit(&w->f);
	assert_int_equal(status_of(&w->f).chunk_bytes - bytes, FILE_BYTES);
}

/* All of it is retired, in the log, and stays so when it is healed and no note tells of it. */
static void test_retired_in_the_log(void **state)
{
	struct wide *w = *state;
	uint8_t *was = overwrite(w, NULL);
	uint64_t chunks, bytes;
	char note[300];

	store_open(&w->f, 0);
	assert_true(check_open(w) > 0);
	store_close(&w->f);
	free(overwrite(w, was));
	free(was);
	(void)snprintf(note, sizeof(note), "%s/verified.json", w->f.path);
	assert_int_equal(unlink(note), 0);
	assert_int_equal(store_faults(&w->f), 0);
	assert_int_equal(unlink(note), 0);
	store_open(&w->f, HF_OPEN_REBUILD);
	chunks = status_of(&w->f).chunks;
	bytes = status_of(&w->f).chunk_bytes;
	write_again(w);
	assert_true(status_of(&w->f).chunk_bytes - bytes >= BAD_BYTES);
	assert_true(status_of(&w->f).chunk_bytes - bytes < 2 * BAD_BYTES); /* and no more than that */
	assert_true(status_of(&w->f).chunks - chunks > 4);
}

/* A file is not given its past back by naming what no place is known of. */
static void test_not_named_again(void **state)
{
	struct wide *w = *state;
	struct hf_view was;
	int64_t r = 0;

	free(overwrite(w, NULL));
	assert_true(store_faults(&w->f) > 0);
	store_open(&w->f, 0);
	was = (struct hf_view){ w->f.store, w->whole };
	r = hf_copy_past(&was, w->ino, w->ino, BAD_FROM + BAD_BYTES / 2, NULL); /* behind the frames known */
	assert_int_equal(r, -ENODATA);
	r = hf_copy_past(&was, w->ino, w->ino, BAD_FROM + 2 * BAD_BYTES - (64 << 10), NULL);
	assert_int_equal(r, FILE_BYTES); /* these are whole */
}

/* --- more than is written down */

static void flip_data_frames(struct store_fixture *f)
{
	for (unsigned segment = 1;; segment++) {
		CLEANUP(buf_release) struct buf file = BUF_INIT;
		struct frame_header h;
		char path[300];

		(void)snprintf(path, sizeof(path), "%s/log/%010u.seg", f->path, segment);
		if (os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, &file) < 0)
			return;
		for (size_t at = SEGMENT_HEADER_BYTES; at < file.len; at += FRAME_HEADER_BYTES + h.body_len) {
			assert_int_equal(frame_header_decode(file.data + at, &h, NULL), 0);
			if (h.type == FRAME_DATA)
				flip_byte(path, at + FRAME_HEADER_BYTES + 10, 1);
		}
	}
}

static void small_file(unsigned i, uint8_t data[SMALL_BYTES])
{
	fill_random(data, SMALL_BYTES, 1000 + i);
}

static void test_more_than_is_noted(void **state)
{
	struct store_fixture f;
	uint8_t data[SMALL_BYTES];
	uint64_t inos[SMALL_FILES];
	struct hf_verified v;
	char name[16];

	(void)state;
	store_fixture_init(&f, NULL);
	store_close(&f);
	f.options.segment_bytes = 64 << 10;
	store_open(&f, 0);
	for (unsigned i = 0; i < SMALL_FILES; i++) {
		(void)snprintf(name, sizeof(name), "%u", i);
		small_file(i, data);
		put(&f, make_file(&f, name), 0, data, SMALL_BYTES);
		commit(&f);
	}
	store_close(&f);
	flip_data_frames(&f);
	assert_true(hf_store_check(f.path, NULL, NULL, NULL, NULL, NULL) > HF_DAMAGE_MAX);
	store_open(&f, 0);
	/* Were these healed, there would be the rest, of which no place is known. */
	for (unsigned segment = 1; segment < 100; segment++)
		rot_healed(f.store, segment);
	hf_store_verified(f.store, &v);
	assert_int_equal(v.damaged, 0);
	assert_true(rot_knows_some(f.store));
	for (unsigned i = 0; i < SMALL_FILES; i++) {
		(void)snprintf(name, sizeof(name), "again %u", i);
		small_file(i, data);
		inos[i] = make_file(&f, name);
		put(&f, inos[i], 0, data, SMALL_BYTES);
	}
	commit(&f);
	store_close(&f);
	store_open(&f, 0);
	for (unsigned i = 0; i < SMALL_FILES; i++) {
		small_file(i, data);
		expect_bytes(&f, HF_TID_HEAD, inos[i], 0, data, SMALL_BYTES);
	}
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zeros_under_what_is_cached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zeros_found_at_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retired_in_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_named_again, setup, teardown),
		cmocka_unit_test(test_more_than_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
