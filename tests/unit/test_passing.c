/* SPDX-License-Identifier: MIT */
/* What is written in bulk takes no memory of the system's, but for what somebody is about to read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/log/log_internal.h"
#include "store/volume/volume.h"
#include "tests/unit/replica_helper.h"
#include "tests/unit/store_helper.h"

enum {
	PAGE = 4096,
	FRAME_BYTES = 100000, /* stored, about the same: it is noise */
	FILE_MAX = 64 << 20,
};

/* What was forgotten of the file that was told of last, which tests here have one of. */
static struct {
	const struct log *l;
	bool pages[FILE_MAX / PAGE];
	size_t n;
	unsigned times;
} forgotten;

static void note_forget(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_true(len > 0 && offset % PAGE == 0 && len % PAGE == 0);
	assert_true(offset + len <= FILE_MAX);
	assert_true(offset + len <= log_durable_end(forgotten.l).offset);
	for (uint64_t i = offset / PAGE; i < (offset + len) / PAGE; i++) {
		assert_false(forgotten.pages[i]); /* once */
		forgotten.pages[i] = true;
		forgotten.n++;
	}
	forgotten.times++;
}

static const struct os *noting(struct os *os)
{
	*os = *os_posix();
	os->forget = note_forget;
	return os;
}

static void note_log(const struct log *l)
{
	memset(&forgotten, 0, sizeof(forgotten));
	forgotten.l = l;
}

static struct log *start(struct log_fixture *f, struct os *os)
{
	struct log *l = NULL;

	log_fixture_init(f, NULL, FILE_MAX);
	f->options.os = noting(os);
	assert_int_equal(log_create(&f->options, &f->cert, &l, NULL), 0);
	note_log(l);
	return l;
}

/* A group of data frames of noise, of which a character says each: p, passing; k, not. */
static void put_frames(struct log *l, const char *kinds, uint64_t tid, struct log_pos *ret_places)
{
	struct log_frame frames[64] = { 0 };
	size_t n = strlen(kinds);

	for (size_t i = 0; i < n; i++) {
		frames[i].type = FRAME_DATA;
		frames[i].passing = kinds[i] == 'p';
		assert_int_equal(buf_reserve(&frames[i].plain, FRAME_BYTES), 0);
		frames[i].plain.len = FRAME_BYTES;
		crypto_random(frames[i].plain.data, FRAME_BYTES);
	}
	assert_int_equal(log_pack(l, frames, n), 0);
	assert_int_equal(log_commit(l, frames, n, tid, tid, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		if (ret_places)
			ret_places[i] = frames[i].pos;
		log_frame_release(&frames[i]);
	}
}

static void test_which_pages(void **state)
{
	static const char kinds[] = "kppkpk";
	struct log_pos places[sizeof(kinds)];
	struct log_fixture f;
	struct log_point end;
	struct os os;
	struct log *l = start(&f, &os);

	(void)state;
	put_frames(l, kinds, 1, places);
	log_durable(l, &end);
	places[sizeof(kinds) - 1] = (struct log_pos){ end.end.segment, end.end.offset - COMMIT_FRAME_BYTES };
	assert_int_equal(forgotten.times, 2);
	for (size_t i = 0; i + 1 < sizeof(kinds); i++) {
		uint32_t first = (places[i].offset + PAGE - 1) / PAGE, past = places[i + 1].offset / PAGE;

		assert_true(past > first);
		for (uint32_t page = first; page < past; page++)
			assert_int_equal(forgotten.pages[page], kinds[i] == 'p');
	}
	/* The page between two that are forgotten is, too; those at the edges of others are not. */
	assert_true(forgotten.pages[places[2].offset / PAGE]);
	assert_false(forgotten.pages[places[3].offset / PAGE]);
	assert_false(forgotten.pages[places[1].offset / PAGE]);
	log_close(l);
	log_fixture_release(&f);
}

static void test_wanted(void **state)
{
	struct log_point first, second;
	struct log_fixture f;
	struct os os;
	struct log *l = start(&f, &os);

	(void)state;
	log_wanted_from(l, (struct log_pos){ 1, 0 });
	put_frames(l, "ppp", 1, NULL);
	log_durable(l, &first);
	put_frames(l, "ppp", 2, NULL);
	log_durable(l, &second);
	assert_int_equal(forgotten.times, 0);
	log_wanted_from(l, first.end);
	put_frames(l, "k", 3, NULL);
	assert_int_equal(forgotten.times, 1);
	assert_true(forgotten.n > 3 * FRAME_BYTES / PAGE - 3 && forgotten.n <= 3 * FRAME_BYTES / PAGE + 3);
	log_wanted_from(l, (struct log_pos){ second.end.segment, second.end.offset - 2 * FRAME_BYTES });
	put_frames(l, "k", 4, NULL); /* a part of the second group is wanted, and so all of it stays */
	assert_int_equal(forgotten.times, 1);
	log_wanted_from(l, LOG_POS_MAX);
	put_frames(l, "p", 5, NULL);
	assert_int_equal(forgotten.times, 3);
	log_close(l);
	log_fixture_release(&f);
}

/* More is waiting for a reader than is kept account of: what is oldest is left to the system. */
static void test_many(void **state)
{
	struct log_fixture f;
	struct os os;
	struct log *l = start(&f, &os);
	uint64_t tid = 0;

	(void)state;
	log_wanted_from(l, (struct log_pos){ 1, 0 });
	for (int i = 0; i < PASSING_MAX + 10; i++)
		put_frames(l, "p", ++tid, NULL);
	assert_int_equal(forgotten.times, 0);
	log_wanted_from(l, LOG_POS_MAX);
	put_frames(l, "k", ++tid, NULL);
	assert_int_equal(forgotten.times, PASSING_MAX);
	log_close(l);
	log_fixture_release(&f);
}

/* A replica that is away wants all that it has not got; when it has it, nobody does. */
static void test_replicas(void **state)
{
	struct hf_replica_status status;
	struct bench b;
	struct os os;

	(void)state;
	bench_init(&b);
	log_close(b.log);
	b.volume.options.os = noting(&os);
	b.volume.options.segment_bytes = FILE_MAX;
	assert_int_equal(log_open(&b.volume.options, NULL, &b.log, NULL), 0);
	note_log(b.log);
	bench_add_node(&b, "first");
	node_keep_port(&b.node);
	node_fixture_stop(&b.node);
	bench_start(&b);
	put_frames(b.log, "ppppp", 1, NULL);
	bench_expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	put_frames(b.log, "ppppp", 2, NULL);
	assert_int_equal(forgotten.n, 0);
	assert_int_equal(node_fixture_start(&b.node), 0);
	bench_expect_current(&b, 1);
	put_frames(b.log, "k", 3, NULL);
	assert_int_equal(forgotten.times, 2);
	bench_expect_current(&b, 1);
	/* Nobody is shipped to any more. */
	assert_int_equal(replica_set_remove(b.set, "first", NULL), 0);
	put_frames(b.log, "pp", 4, NULL);
	assert_int_equal(forgotten.times, 3);
	bench_release(&b);
}

/* Of many files of this size, nothing is: the kernel has not all of their last pages. */
static void files_stay(struct store_fixture *f, size_t len)
{
	enum { FILES = 50 };
	uint8_t *bytes = malloc(FILES * len);

	fill_random(bytes, FILES * len, len);
	for (size_t i = 0; i < FILES; i++) {
		char name[24];

		(void)snprintf(name, sizeof(name), "%zu-%zu", len, i);
		put(f, make_file(f, name), 0, bytes + i * len, len);
	}
	commit(f);
	assert_int_equal(forgotten.n, 0);
	free(bytes);
}

/* Of a long write all but its end is. */
static void test_what_passes(void **state)
{
	enum { LONG = 4 << 20 };
	static struct os os;
	struct store_fixture *f = *state;
	uint8_t *bytes = malloc(LONG);
	uint64_t ino;

	f->store->log->os = noting(&os);
	note_log(f->store->log);
	files_stay(f, 6000);
	files_stay(f, 34000); /* a chunk and a frame each */
	ino = make_file(f, "long");
	fill_random(bytes, LONG, 2);
	for (size_t at = 0; at < LONG; at += 64 << 10)
		put(f, ino, at, bytes + at, 64 << 10);
	commit(f);
	assert_in_range(forgotten.n, LONG / PAGE / 4 * 3, LONG / PAGE - 1);
	expect_bytes(f, HF_TID_HEAD, ino, 0, bytes, LONG);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_pages),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_replicas),
		cmocka_unit_test_setup_teardown(test_what_passes, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
