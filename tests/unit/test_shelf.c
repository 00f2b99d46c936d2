/* SPDX-License-Identifier: MIT */
/*
 * A volume's copy on a disk whose power fails and whose calls fail. What must hold (shelf.h): after anything
 * it opens, with everything that was acknowledged, and what it holds is a beginning of the log it was given;
 * damage is told from torn writes.
 *
 * HOLDFAST_SEED runs one seed, HOLDFAST_SEEDS that many.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/replica/shelf_scan.h"
#include "tests/sim/sim_os.h"
#include "tests/unit/log_helper.h"

enum { GROUP_BYTES = 3000, GROUPS = 150, SEGMENT = 24 << 10, SEGMENTS_MAX = 64 };

static const char dir[] = "/copy";

/* The log that is copied, whole, in memory. */
struct source {
	struct log_fixture f;
	struct log *log;
	const uint8_t *id;
	struct log_point end;
	struct buf segments[SEGMENTS_MAX]; /* by number */
};

static void source_init(struct source *s)
{
	struct buf piece = BUF_INIT;
	struct log_point behind;
	struct log_pos at = { 1, 0 };
	int r;

	memset(s, 0, sizeof(*s));
	log_fixture_init(&s->f, NULL, SEGMENT);
	assert_int_equal(log_create(&s->f.options, &s->f.cert, &s->log, NULL), 0);
	log_put_groups(s->log, 1, GROUPS, GROUP_BYTES);
	log_durable(s->log, &s->end);
	s->id = owner_volume_id(s->f.owner);
	assert_true(s->end.end.segment > 5 && s->end.end.segment < SEGMENTS_MAX);
	while ((r = log_read_raw(s->log, at, 1 << 20, &piece, &behind, NULL)) != -ENODATA) {
		if (r == -ENOENT) {
			at = (struct log_pos){ at.segment + 1, 0 };
			continue;
		}
		assert_int_equal(r, 0);
		buf_add(&s->segments[at.segment], piece.data, piece.len);
		buf_clear(&piece);
		at = behind.end;
	}
	buf_release(&piece);
}

static void source_release(struct source *s)
{
	for (size_t i = 0; i < SEGMENTS_MAX; i++)
		buf_release(&s->segments[i]);
	log_close(s->log);
	log_fixture_release(&s->f);
}

static struct source source;

static int group_setup(void **state)
{
	(void)state;
	source_init(&source);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	source_release(&source);
	return 0;
}

/* The next append behind `at`: up to max bytes of whole groups, at least one. */
static int next_piece(struct log_pos *at, size_t max, struct buf *out, struct log_point *behind)
{
	int r;

	if (at->segment == 0)
		*at = (struct log_pos){ 1, 0 };
	buf_clear(out);
	r = log_read_raw(source.log, *at, max, out, behind, NULL);
	if (r == -ENOENT) {
		*at = (struct log_pos){ at->segment + 1, 0 };
		r = log_read_raw(source.log, *at, max, out, behind, NULL);
	}
	return r;
}

static struct shelf *open_shelf(const struct os *os)
{
	struct hf_error err = HF_ERROR_INIT;
	struct shelf *s;

	if (shelf_open(os, dir, source.id, false, &s, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

/* What the shelf holds is what the source holds up to there. */
static void check_prefix(struct shelf *s)
{
	struct log_point point;

	shelf_position(s, &point);
	assert_true(log_pos_compare(point.end, source.end.end) <= 0);
	for (uint32_t n = 1; n <= point.end.segment; n++) {
		struct buf *want = &source.segments[n];
		uint64_t bytes;
		uint8_t *have;

		assert_int_equal(shelf_segment_bytes(s, n, &bytes, NULL), 0);
		assert_int_equal(bytes, n == point.end.segment ? point.end.offset : want->len);
		have = malloc(bytes);
		assert_non_null(have);
		assert_int_equal(shelf_read(s, (struct log_pos){ n, 0 }, have, bytes, NULL), bytes);
		assert_memory_equal(have, want->data, bytes);
		free(have);
	}
}

/* --- a disk that works */

static void test_append_and_read(void **state)
{
	CLEANUP(buf_release) struct buf piece = BUF_INIT;
	struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	struct log_point behind, got;
	struct log_pos at = { 0, 0 };
	struct epoch_cert cert;
	struct shelf *s;
	uint8_t bytes[100];

	(void)state;
	assert_int_equal(shelf_open(os, dir, source.id, false, &s, NULL, NULL), -ENOENT);
	assert_int_equal(shelf_make(os, dir, NULL), 0);
	assert_int_equal(shelf_make(os, dir, NULL), 0);
	s = open_shelf(os);
	assert_int_equal(shelf_cert(s, &cert), -ENODATA);
	for (int i = 0; next_piece(&at, i % 2 ? 1 : 9000, &piece, &behind) == 0; i++) {
		assert_int_equal(shelf_append(s, at, piece.data, piece.len, &got, NULL), 0);
		assert_int_equal(log_pos_compare(got.end, behind.end), 0);
		assert_int_equal(got.tid, behind.tid);
		assert_memory_equal(got.chain, behind.chain, HASH_BYTES);
		assert_int_equal(shelf_append(s, at, piece.data, piece.len, &got, NULL), 1);
		piece.data[piece.len - 1] ^= 1;
		assert_int_equal(shelf_append(s, at, piece.data, piece.len, &got, NULL), -EEXIST);
		at = behind.end;
	}
	assert_int_equal(log_pos_compare(at, source.end.end), 0);
	check_prefix(s);
	assert_int_equal(shelf_cert(s, &cert), 0);
	assert_int_equal(cert.epoch, 1);
	assert_int_equal(shelf_read(s, (struct log_pos){ at.segment, at.offset - 10 }, bytes, 100, NULL), 10);
	assert_int_equal(shelf_read(s, at, bytes, 100, NULL), 0);
	assert_int_equal(shelf_read(s, (struct log_pos){ at.segment + 1, 0 }, bytes, 100, NULL), -ENOENT);
	shelf_close(s);
	s = open_shelf(os);
	check_prefix(s);
	shelf_close(s);
	assert_int_equal(shelf_open(os, dir, (const uint8_t *)"another volume..", false, &s, NULL, NULL),
			 -EKEYREJECTED);
	sim_free(sim);
}

static void test_refusals(void **state)
{
	CLEANUP(buf_release) struct buf piece = BUF_INIT;
	struct sim *sim = sim_new(1);
	struct log_point behind, got;
	struct log_pos at = { 0, 0 }, first;
	struct hf_error err = HF_ERROR_INIT;
	struct shelf *s;

	(void)state;
	assert_int_equal(shelf_make(sim_os(sim), dir, NULL), 0);
	s = open_shelf(sim_os(sim));
	assert_int_equal(shelf_append(s, (struct log_pos){ 0, 0 }, "x", 1, &got, &err), -EUCLEAN);
	assert_int_equal(shelf_append(s, (struct log_pos){ 1, 0 }, "x", 1, &got, &err), -EUCLEAN);
	assert_int_equal(shelf_append(s, (struct log_pos){ 1, 0 }, "x", 0, &got, &err), -EUCLEAN);
	assert_int_equal(shelf_append(s, (struct log_pos){ 1, 320 }, "x", 1, &got, &err), -ERANGE);
	assert_int_equal(shelf_append(s, (struct log_pos){ 2, 0 }, "x", 1, &got, &err), -ERANGE);
	assert_int_equal(shelf_append(s, (struct log_pos){ 1, UINT32_MAX }, "x", 1, &got, &err), -EUCLEAN);
	assert_int_equal(next_piece(&at, 9000, &piece, &behind), 0);
	/* A bare header is an append of its own. */
	assert_int_equal(shelf_append(s, at, piece.data, SEGMENT_HEADER_BYTES, &got, &err), 0);
	assert_int_equal(got.end.offset, SEGMENT_HEADER_BYTES);
	/* The same and more, from the beginning: begin at the end. */
	assert_int_equal(shelf_append(s, at, piece.data, piece.len, &got, &err), -ERANGE);
	first = (struct log_pos){ 1, SEGMENT_HEADER_BYTES };
	assert_int_equal(shelf_append(s, first, piece.data + first.offset, piece.len - first.offset - 1, &got,
				      &err),
			 -EUCLEAN);
	piece.data[piece.len - 1] ^= 1; /* of the signature */
	assert_int_equal(shelf_append(s, first, piece.data + first.offset, piece.len - first.offset, &got,
				      &err),
			 -EKEYREJECTED);
	piece.data[piece.len - 1] ^= 1;
	assert_int_equal(shelf_append(s, first, piece.data + first.offset, piece.len - first.offset, &got,
				      &err),
			 0);
	/* The next segment before this one is sealed. */
	assert_int_equal(shelf_append(s, (struct log_pos){ 2, 0 }, source.segments[2].data,
				      source.segments[2].len, &got, &err),
			 -EUCLEAN);
	check_prefix(s);
	shelf_close(s);
	sim_free(sim);
}

/* --- damage */

/* The first segment but for its last group. */
static struct shelf *shelf_of_one(struct sim *sim, struct log_point *ret)
{
	CLEANUP(buf_release) struct buf piece = BUF_INIT;
	struct log_pos at = { 0, 0 };
	struct log_point behind;
	struct shelf *s;

	assert_int_equal(shelf_make(sim_os(sim), dir, NULL), 0);
	s = open_shelf(sim_os(sim));
	for (int i = 0; i < 5; i++) {
		assert_int_equal(next_piece(&at, 1, &piece, &behind), 0);
		assert_int_equal(shelf_append(s, at, piece.data, piece.len, ret, NULL), 0);
		at = behind.end;
	}
	assert_int_equal(at.segment, 1);
	return s;
}

static void test_damage(void **state)
{
	static const char file[] = "/copy/log/0000000001.seg";
	struct sim *sim = sim_new(1);
	struct log_point end;
	struct hf_error err = HF_ERROR_INIT;
	struct shelf *s = shelf_of_one(sim, &end);
	uint64_t cut = 0;

	(void)state;
	shelf_close(s);
	/* In front of a later commit: damage. */
	assert_int_equal(sim_damage(sim, file, 400, 1), 0);
	assert_int_equal(shelf_open(sim_os(sim), dir, source.id, false, &s, NULL, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "segment 1 is damaged at offset 320"));
	assert_int_equal(shelf_open(sim_os(sim), dir, source.id, true, &s, NULL, &err), -EUCLEAN);
	assert_int_equal(sim_damage(sim, file, 400, 1), 0);
	/* The header. */
	assert_int_equal(sim_damage(sim, file, 20, 1), 0);
	assert_int_equal(shelf_open(sim_os(sim), dir, source.id, false, &s, NULL, &err), -EUCLEAN);
	assert_int_equal(sim_damage(sim, file, 20, 1), 0);
	/* In the last group: as a torn append would leave it, and so cut off. */
	assert_int_equal(sim_damage(sim, file, end.end.offset - COMMIT_FRAME_BYTES - 3, 1), 0);
	assert_int_equal(shelf_open(sim_os(sim), dir, source.id, false, &s, &cut, &err), 0);
	assert_true(cut > COMMIT_FRAME_BYTES);
	check_prefix(s);
	shelf_close(s);
	sim_free(sim);
}

static void test_missing_segment(void **state)
{
	CLEANUP(buf_release) struct buf piece = BUF_INIT;
	struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	struct log_pos at = { 0, 0 };
	struct log_point behind;
	struct hf_error err = HF_ERROR_INIT;
	struct shelf *s;

	(void)state;
	assert_int_equal(shelf_make(os, dir, NULL), 0);
	s = open_shelf(os);
	while (next_piece(&at, 1 << 20, &piece, &behind) == 0) {
		assert_int_equal(shelf_append(s, at, piece.data, piece.len, &behind, NULL), 0);
		at = behind.end;
	}
	shelf_close(s);
	assert_int_equal(os->unlink(os->state, "/copy/log/0000000003.seg"), 0);
	assert_int_equal(shelf_open(os, dir, source.id, false, &s, NULL, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "missing"));
	sim_free(sim);
}

/* --- power and faults */

struct world {
	struct sim *sim;
	uint64_t seed;
	struct shelf *s;
	struct log_point acked;
};

#define fail_seed(w, ...)                                     \
	do {                                                  \
		print_error("seed %" PRIu64 ": ", (w)->seed); \
		fail_msg(__VA_ARGS__);                        \
	} while (0)

static void world_open(struct world *w)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;

	if (shelf_open(sim_os(w->sim), dir, source.id, false, &w->s, NULL, &err) < 0)
		fail_seed(w, "open: %s", err.text);
	shelf_position(w->s, &point);
	if (log_pos_compare(point.end, w->acked.end) < 0)
		fail_seed(w,
			  "acknowledged up to segment %" PRIu32 ", offset %" PRIu32 ", back at %" PRIu32
			  ", %" PRIu32,
			  w->acked.end.segment, w->acked.end.offset, point.end.segment, point.end.offset);
	check_prefix(w->s);
	w->acked = point;
}

/* Append until one fails, at most n; the code of the last. */
static int put_some(struct world *w, uint64_t n)
{
	CLEANUP(buf_release) struct buf piece = BUF_INIT;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < n; i++) {
		struct log_pos at = w->acked.end;
		struct log_point behind;

		if (next_piece(&at, sim_random(w->sim, 2) ? 1 : 1 + sim_random(w->sim, 20000), &piece,
			       &behind) < 0)
			return 0;
		r = shelf_append(w->s, at, piece.data, piece.len, &behind, NULL);
		if (r == 0)
			w->acked = behind;
	}
	return r;
}

static void power_seed(uint64_t seed)
{
	struct world w = { .sim = sim_new(seed), .seed = seed };

	assert_int_equal(shelf_make(sim_os(w.sim), dir, NULL), 0);
	world_open(&w);
	while (log_pos_compare(w.acked.end, source.end.end) < 0) {
		sim_power_cut_at(w.sim, 1 + sim_random(w.sim, 40));
		(void)put_some(&w, 1 + sim_random(w.sim, 20));
		sim_power_cut(w.sim);
		shelf_close(w.s);
		sim_power_on(w.sim);
		if (sim_random(w.sim, 3) == 0) { /* and again while it is opened */
			sim_power_cut_at(w.sim, 1 + sim_random(w.sim, 5));
			if (shelf_open(sim_os(w.sim), dir, source.id, false, &w.s, NULL, NULL) == 0)
				shelf_close(w.s);
			sim_power_cut(w.sim);
			sim_power_on(w.sim);
		}
		if (sim_random(w.sim, 3) ==
		    0) { /* or a sync fails, and what it was of is seen until the next cut */
			sim_fail(w.sim, SIM_SYNC, 1 + sim_random(w.sim, 3), 0, -EIO);
			if (shelf_open(sim_os(w.sim), dir, source.id, false, &w.s, NULL, NULL) == 0)
				shelf_close(w.s);
			sim_fail(w.sim, 0, 0, 0, 0);
		}
		world_open(&w);
	}
	shelf_close(w.s);
	sim_free(w.sim);
}

static void run_seeds(uint64_t n, void (*run)(uint64_t seed))
{
	const char *one = getenv("HOLDFAST_SEED"), *many = getenv("HOLDFAST_SEEDS");
	uint64_t first = one ? strtoull(one, NULL, 10) : 1;

	n = one ? 1 : many ? strtoull(many, NULL, 10) : n;
	for (uint64_t seed = first; seed < first + n; seed++)
		run(seed);
}

static void test_power_cuts(void **state)
{
	(void)state;
	run_seeds(25, power_seed);
}

static void fault_seed(uint64_t seed)
{
	static const unsigned calls[] = { SIM_PWRITE,   SIM_SYNC, SIM_TRUNCATE,
					  SIM_SYNC_DIR, SIM_OPEN, SIM_ANY_CHANGE };
	static const int codes[] = { -EIO, -ENOSPC };
	struct world w = { .sim = sim_new(seed), .seed = seed };

	assert_int_equal(shelf_make(sim_os(w.sim), dir, NULL), 0);
	world_open(&w);
	for (int round = 0; round < 20; round++) {
		unsigned call = calls[sim_random(w.sim, sizeof(calls) / sizeof(calls[0]))];

		sim_short_io(w.sim, (unsigned)sim_random(w.sim, 2) * 300);
		sim_fail(w.sim, call, 1 + sim_random(w.sim, 20), sim_random(w.sim, 2) ? 3 : 0,
			 codes[sim_random(w.sim, 2)]);
		(void)put_some(&w, 12);
		sim_fail(w.sim, 0, 0, 0, 0);
		(void)put_some(&w, 2); /* what failed for good says so; what did not goes on */
		if (sim_random(w.sim, 2))
			sim_power_cut(w.sim);
		shelf_close(w.s);
		sim_power_on(w.sim);
		world_open(&w);
	}
	shelf_close(w.s);
	sim_free(w.sim);
}

static void test_failing_calls(void **state)
{
	(void)state;
	run_seeds(40, fault_seed);
}

static void test_full_disk(void **state)
{
	struct world w = { .sim = sim_new(5), .seed = 5 };
	struct log_point before;

	(void)state;
	sim_set_capacity(w.sim, 60 << 10);
	assert_int_equal(shelf_make(sim_os(w.sim), dir, NULL), 0);
	world_open(&w);
	assert_int_equal(put_some(&w, 1000), -ENOSPC);
	before = w.acked;
	assert_int_equal(put_some(&w, 1), -ENOSPC);
	check_prefix(w.s);
	sim_set_capacity(w.sim, 8 << 20);
	assert_int_equal(put_some(&w, 1000), 0); /* goes on where it was, without being opened anew */
	assert_true(log_pos_compare(w.acked.end, before.end) > 0);
	check_prefix(w.s);
	shelf_close(w.s);
	sim_free(w.sim);
}

/* --- what need not be kept in memory */

static struct {
	uint64_t synced, end; /* of the last segment, as the calls have it so far */
	unsigned times;
} forgotten;

static const struct os *beneath;

static ssize_t note_pwrite(void *state, int fd, const void *data, size_t len, uint64_t offset)
{
	if (len > SHELF_NOTE_BYTES)
		forgotten.end = offset + len;
	return beneath->pwrite(state, fd, data, len, offset);
}

static int note_sync(void *state, int fd)
{
	forgotten.synced = forgotten.end;
	return beneath->fdatasync(state, fd);
}

static int note_fsync(void *state, int fd)
{
	forgotten.synced = forgotten.end;
	return beneath->fsync(state, fd);
}

static void note_forget(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	(void)fd;
	forgotten.times++;
	assert_true(len > 0);
	assert_int_equal(offset % 4096, 0);
	assert_int_equal(len % 4096, 0); /* the page that the next append goes on in stays */
	assert_int_equal(offset + len, forgotten.synced - forgotten.synced % 4096);
}

static void append_all(const struct os *os, bool forget)
{
	CLEANUP(buf_release) struct buf piece = BUF_INIT;
	struct log_pos at = { 0, 0 };
	struct log_point behind, got;
	struct shelf *s;

	memset(&forgotten, 0, sizeof(forgotten));
	assert_int_equal(shelf_make(os, dir, NULL), 0);
	s = open_shelf(os);
	if (forget)
		shelf_forget(s);
	for (; next_piece(&at, 9000, &piece, &behind) == 0; at = behind.end)
		assert_int_equal(shelf_append(s, at, piece.data, piece.len, &got, NULL), 0);
	check_prefix(s);
	shelf_close(s);
}

static void test_forgetting(void **state)
{
	struct sim *sim;
	struct os os;

	(void)state;
	for (int forget = 0; forget < 2; forget++) {
		sim = sim_new(6);
		beneath = sim_os(sim);
		os = *beneath;
		os.pwrite = note_pwrite;
		os.fdatasync = note_sync;
		os.fsync = note_fsync;
		os.forget = note_forget;
		append_all(&os, forget);
		assert_int_equal(forgotten.times > 0, forget);
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_read), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_damage),          cmocka_unit_test(test_missing_segment),
		cmocka_unit_test(test_power_cuts),      cmocka_unit_test(test_failing_calls),
		cmocka_unit_test(test_full_disk),       cmocka_unit_test(test_forgetting),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
