/* SPDX-License-Identifier: MIT */
/*
 * The log on a disk whose power fails and whose calls fail, at places chosen by a seed. What must hold
 * (log.h, FORMAT.md §7): after anything, it opens; every group whose commit returned 0 is there, whole; and
 * at most the one that was under way besides.
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
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_os.h"
#include "tests/unit/log_helper.h"

enum { FRAME = 3000, LARGE_FRAME = 1500000, ROUNDS = 8, GROUPS_A_ROUND = 40 };

struct world {
	struct sim *sim;
	struct log_fixture f;
	uint64_t seed;
	uint64_t acked;         /* tid of the last group whose commit returned 0 */
	size_t max_bytes;       /* of a frame */
	struct os os;           /* the simulated one, that hints change nothing of */
	struct log_point known; /* some durable point of the past */
};

static uint64_t seeds_from(uint64_t n, uint64_t *ret_n)
{
	const char *one = getenv("HOLDFAST_SEED"), *many = getenv("HOLDFAST_SEEDS");

	const char *longer = getenv("HOLDFAST_TEST_LONG");

	*ret_n = one ? 1 : many ? strtoull(many, NULL, 10) : longer && !strcmp(longer, "1") ? 3 * n : n;
	return one ? strtoull(one, NULL, 10) : 1;
}

#define fail_seed(w, ...)                                     \
	do {                                                  \
		print_error("seed %" PRIu64 ": ", (w)->seed); \
		fail_msg(__VA_ARGS__);                        \
	} while (0)

static void no_write_back(void *state, int fd, uint64_t offset, uint64_t len)
{
	(void)state;
	(void)fd;
	(void)offset;
	(void)len;
}

static void world_begin(struct world *w, uint64_t seed, uint64_t segment_bytes)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->sim = sim_new(seed);
	assert_non_null(w->sim);
	w->max_bytes = FRAME;
	w->os = *sim_os(w->sim);
	w->os.write_back = no_write_back;
	log_fixture_init(&w->f, &w->os, segment_bytes);
}

static void world_end(struct world *w)
{
	log_fixture_release(&w->f);
	sim_free(w->sim);
}

static struct log *world_create(struct world *w)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;

	if (log_create(&w->f.options, &w->f.cert, &l, &err) < 0)
		fail_seed(w, "create: %s", err.text);
	return l;
}

/* Open, and hold the log to its promises. */
static struct log *world_open(struct world *w)
{
	const struct log_point *known = sim_random(w->sim, 2) ? &w->known : NULL;
	char words[HF_ERROR_TEXT_BYTES];
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;
	int64_t last;

	if (log_open(&w->f.options, known, &l, &err) < 0)
		fail_seed(w, "open%s: %s", known ? " at a known point" : "", err.text);
	last = log_try_groups(l, NULL, w->max_bytes, words, sizeof(words));
	if (last < 0)
		fail_seed(w, "replay: %s", words);
	if ((uint64_t)last < w->acked || (uint64_t)last > w->acked + 1)
		fail_seed(w, "group %" PRIu64 " was acknowledged, the log holds %" PRId64, w->acked, last);
	w->acked = (uint64_t)last;
	return l;
}

/* Commit until one fails, at most n. */
static int put_some(struct world *w, struct log *l, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int r = 0;

		if (sim_random(w->sim, 6) ==
		    0) /* alone: what is torn is not always overwritten by the same length */
			r = log_commit(l, NULL, 0, w->acked, 1000 * w->acked, NULL);
		if (r == 0)
			r = log_put_group(l, w->acked + 1, w->max_bytes);
		if (r < 0)
			return r;
		w->acked++;
		if (sim_random(w->sim, 10) == 0)
			log_durable(l, &w->known);
	}
	return 0;
}

static void power_seed(uint64_t seed, uint64_t segment_bytes, size_t max_bytes, int rounds)
{
	struct world w;
	struct log *l;

	world_begin(&w, seed, segment_bytes);
	w.max_bytes = max_bytes;
	l = world_create(&w);
	for (int round = 0; round < rounds; round++) {
		sim_power_cut_at(w.sim, 1 + sim_random(w.sim, 120));
		(void)put_some(&w, l, sim_random(w.sim, GROUPS_A_ROUND));
		if (sim_random(w.sim, 4) == 0)
			log_close(l), l = NULL; /* sometimes the power fails behind a clean end, or in it */
		sim_power_cut(w.sim);
		log_close(l);
		sim_power_on(w.sim);
		if (sim_random(w.sim, 3) == 0) { /* or while it is opened again */
			sim_power_cut_at(w.sim, 1 + sim_random(w.sim, 12));
			if (log_open(&w.f.options, NULL, &l, NULL) == 0)
				log_close(l);
			sim_power_cut(w.sim);
			sim_power_on(w.sim);
		}
		l = world_open(&w);
	}
	log_close(l);
	world_end(&w);
}

static void test_power_cuts(void **state)
{
	uint64_t n, first = seeds_from(8, &n);

	(void)state;
	for (uint64_t seed = first; seed < first + n; seed++)
		power_seed(seed, (UINT64_C(16) << 10) << seed % 3, FRAME, ROUNDS);
}

/* Groups that are written in slices. */
static void test_power_cuts_in_large_groups(void **state)
{
	uint64_t n, first = seeds_from(2, &n);

	(void)state;
	for (uint64_t seed = first; seed < first + n; seed++)
		power_seed(seed, 4 << 20, LARGE_FRAME, 3);
}

/*
 * A disk that fails: the log takes no more, says why, and opened anew holds what it acknowledged; through a
 * power cut too.
 */
static void fault_seed(uint64_t seed)
{
	static const unsigned calls[] = { SIM_PWRITE,   SIM_SYNC,  SIM_TRUNCATE, SIM_ALLOCATE,
					  SIM_SYNC_DIR, SIM_PREAD, SIM_OPEN,     SIM_ANY_CHANGE };
	struct world w;
	struct log *l;

	world_begin(&w, seed, 16 << 10);
	l = world_create(&w);
	for (int round = 0; round < ROUNDS; round++) {
		unsigned call = calls[sim_random(w.sim, sizeof(calls) / sizeof(calls[0]))];
		struct log_stats stats;
		int r;

		sim_short_io(w.sim, (unsigned)sim_random(w.sim, 2) * 300);
		sim_fail(w.sim, call, 1 + sim_random(w.sim, 60), sim_random(w.sim, 2) ? UINT64_MAX : 0, -EIO);
		r = put_some(&w, l, GROUPS_A_ROUND);
		log_stats(l, &stats);
		if (stats.failed && log_put_group(l, w.acked + 1, FRAME) != stats.failed)
			fail_seed(&w, "a failed log took a group");
		if (r < 0 && r != -EIO)
			fail_seed(&w, "commit failed with %d", r);
		log_close(l);
		sim_fail(w.sim, 0, 0, 0, 0);
		l = world_open(&w);
		r = put_some(&w, l, 3);
		if (r < 0)
			fail_seed(&w, "commit after reopening failed with %d", r);
		if (sim_random(w.sim, 2)) {
			sim_power_cut(w.sim);
			log_close(l);
			sim_power_on(w.sim);
			l = world_open(&w);
		}
	}
	log_close(l);
	world_end(&w);
}

static void test_failing_calls(void **state)
{
	uint64_t n, first = seeds_from(8, &n);

	(void)state;
	for (uint64_t seed = first; seed < first + n; seed++)
		fault_seed(seed);
}

/* Opening fails with words when the disk does, and changes nothing that matters. */
static void test_failing_calls_while_opening(void **state)
{
	struct world w;
	struct log *l;

	(void)state;
	world_begin(&w, 7, 16 << 10);
	l = world_create(&w);
	assert_int_equal(put_some(&w, l, 60), 0);
	sim_power_cut(w.sim);
	log_close(l);
	sim_power_on(w.sim);
	for (uint64_t n = 1; n < 60; n++) {
		struct hf_error err = HF_ERROR_INIT;
		int r;

		l = NULL;
		sim_fail(w.sim, SIM_ANY_CHANGE | SIM_OPEN | SIM_PREAD, n, 0, -EIO);
		r = log_open(&w.f.options, NULL, &l, &err);
		if (r < 0)
			assert_true(r == -EIO && err.text[0] && !l);
		log_close(l);
		sim_fail(w.sim, 0, 0, 0, 0);
		l = world_open(&w);
		assert_int_equal(put_some(&w, l, 1), 0);
		if (n % 3)
			log_close(l);
		else {
			sim_power_cut(w.sim);
			log_close(l);
			sim_power_on(w.sim);
		}
	}
	world_end(&w);
}

/*
 * A group whose sync failed can be read until the power goes. Who made sure of it before it was believed
 * finds it again, though the log was open for reading only.
 */
static void test_reading_makes_sure(void **state)
{
	unsigned seen = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60 || (seen <= 30 && seed <= 600); seed++) {
		struct world w;
		struct log_point end;
		struct log *l;
		int r;

		world_begin(&w, seed, 64 << 10);
		l = world_create(&w);
		assert_int_equal(put_some(&w, l, 3), 0);
		sim_fail(w.sim, SIM_SYNC, 1, 0, -EIO);
		r = log_put_group(l, w.acked + 1, FRAME);
		log_close(l);
		sim_fail(w.sim, 0, 0, 0, 0);
		if (r == 0) { /* the sync that failed was one of space laid out ahead */
			world_end(&w);
			continue;
		}
		assert_int_equal(r, -EIO);
		w.f.options.read_only = true;
		assert_int_equal(log_open(&w.f.options, NULL, &l, NULL), 0);
		assert_int_equal(log_make_sure(l, NULL), 0);
		log_durable(l, &end);
		log_close(l);
		seen += end.tid == w.acked + 1;
		w.acked = end.tid;
		sim_power_cut(w.sim);
		sim_power_on(w.sim);
		w.f.options.read_only = false;
		log_close(world_open(&w));
		world_end(&w);
	}
	assert_true(seen > 30);
}

static void fail_the_sync_of_a_length(void *sim, enum sim_call call)
{
	if (call == SIM_TRUNCATE)
		sim_fail(sim, SIM_SYNC, 1, 0, -EIO);
}

static void count_fault(void *arg, const char *text)
{
	print_error("%s\n", text);
	++*(unsigned *)arg;
}

/*
 * A segment was sealed, and the sync that should have made its length durable failed: the length can be seen
 * until the power goes. Who goes on behind it has set it once more.
 */
static void test_a_length_whose_sync_failed(void **state)
{
	unsigned faults = 0;
	const struct log_check check = { .found = count_fault, .arg = &faults };

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct log_point end;
		struct world w;
		struct log *l;

		world_begin(&w, seed, 64 << 10);
		l = world_create(&w);
		sim_before_call(w.sim, fail_the_sync_of_a_length, w.sim);
		assert_int_equal(put_some(&w, l, 1000), -EIO);
		sim_before_call(w.sim, NULL, NULL);
		log_close(l);
		sim_fail(w.sim, 0, 0, 0, 0);
		l = world_open(&w);
		assert_int_equal(put_some(&w, l, 3), 0);
		log_durable(l, &end);
		assert_true(end.end.segment == 2);
		sim_power_cut(w.sim);
		log_close(l);
		sim_power_on(w.sim);
		l = world_open(&w);
		assert_int_equal(log_verify(l, &check, NULL, NULL), 0);
		log_close(l);
		world_end(&w);
	}
	assert_int_equal(faults, 0);
}

/* A log that is cut while it is made is there or is not, and can be made then. */
static void test_power_cuts_while_creating(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 200; seed++) {
		struct world w;
		struct log *l = NULL;
		struct hf_error err = HF_ERROR_INIT;
		int r;

		world_begin(&w, seed, 16 << 10);
		sim_power_cut_at(w.sim, 1 + seed % 16);
		r = log_create(&w.f.options, &w.f.cert, &l, NULL);
		sim_power_cut(w.sim);
		log_close(l);
		sim_power_on(w.sim);
		l = NULL;
		if (log_open(&w.f.options, NULL, &l, &err) == -ENOENT) {
			if (r == 0)
				fail_seed(&w, "made, and gone");
			l = world_create(&w);
		} else if (!l) {
			fail_seed(&w, "open: %s", err.text);
		}
		assert_int_equal(put_some(&w, l, 5), 0);
		log_close(l);
		world_end(&w);
	}
}

/* --- space */

/* A full disk: nothing of the group is done, the log goes on when there is room again. */
static void test_no_space(void **state)
{
	struct world w;
	struct log *l;
	int r;

	(void)state;
	world_begin(&w, 3, 64 << 10);
	sim_set_capacity(w.sim, 400 << 10);
	l = world_create(&w);
	r = put_some(&w, l, 10000);
	assert_int_equal(r, -ENOSPC);
	assert_true(w.acked > 20);
	for (int i = 0; i < 5; i++)
		assert_int_equal(log_put_group(l, w.acked + 1, FRAME), -ENOSPC);
	log_close(l);
	l = world_open(&w);
	assert_int_equal(log_put_group(l, w.acked + 1, FRAME), -ENOSPC);
	sim_set_capacity(w.sim, 1 << 20);
	assert_int_equal(put_some(&w, l, 50), 0);
	log_close(l);
	l = world_open(&w);
	log_close(l);
	world_end(&w);
}

/* A quota that has no file left for the next segment is no room either, and goes by as that does. */
static void test_no_quota(void **state)
{
	struct world w;
	struct log *l;

	(void)state;
	world_begin(&w, 4, 64 << 10);
	w.f.options.segment_bytes = 64 << 10;
	l = world_create(&w);
	sim_fail(w.sim, SIM_OPEN, 1, 1000000, -EDQUOT);
	assert_int_equal(put_some(&w, l, 10000), -ENOSPC);
	sim_fail(w.sim, 0, 0, 0, 0);
	assert_int_equal(put_some(&w, l, 50), 0);
	log_close(l);
	l = world_open(&w);
	log_close(l);
	world_end(&w);
}

/*
 * What fits in log_room by log_frame_cost is never refused for want of space, however it is cut into groups.
 */
static void test_room_is_a_promise(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		uint64_t promised = 0;
		struct world w;
		struct log *l;

		world_begin(&w, seed, 64 << 10);
		sim_set_capacity(w.sim, (300 << 10) + sim_random(w.sim, 100 << 10));
		l = world_create(&w);
		for (uint64_t i = 1;; i++) {
			struct log_frame frame = { .type = FRAME_META };
			size_t len = (size_t)sim_random(w.sim, 9000);
			int r;

			if (promised < log_frame_cost(len)) {
				sim_advance(w.sim, 1000000000);
				promised = log_room(l);
			}
			if (promised < log_frame_cost(len))
				break;
			promised -= log_frame_cost(len);
			buf_add_zeros(&frame.plain, len);
			if (frame.plain.len)
				crypto_random(frame.plain.data, len);
			assert_int_equal(log_pack(l, &frame, 1), 0);
			r = log_commit(l, &frame, 1, i, i, NULL);
			log_frame_release(&frame);
			if (r < 0)
				fail_seed(&w, "group %" PRIu64 " of %zu bytes: %d", i, len, r);
			assert_true(i < 10000);
		}
		assert_true(sim_used(w.sim) > 200 << 10); /* and that was most of the disk */
		log_close(l);
		world_end(&w);
	}
}

/* Room that was promised and is not there when it is written to: that is no full disk, and stays so until
 * opened. */
static void test_promised_room_is_gone(void **state)
{
	struct world w;
	struct log *l;

	(void)state;
	world_begin(&w, 5, 64 << 10);
	l = world_create(&w);
	assert_int_equal(put_some(&w, l, 5), 0);
	/* Every one until then: the next may be of space laid out ahead. */
	sim_fail(w.sim, SIM_PWRITE, 1, UINT64_MAX, -ENOSPC);
	assert_int_equal(log_put_group(l, w.acked + 1, FRAME), -EIO);
	sim_fail(w.sim, 0, 0, 0, 0);
	assert_int_equal(log_put_group(l, w.acked + 1, FRAME), -EIO);
	log_close(l);
	l = world_open(&w);
	assert_int_equal(put_some(&w, l, 5), 0);
	log_close(l);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_cuts),
		cmocka_unit_test(test_power_cuts_in_large_groups),
		cmocka_unit_test(test_failing_calls),
		cmocka_unit_test(test_failing_calls_while_opening),
		cmocka_unit_test(test_reading_makes_sure),
		cmocka_unit_test(test_a_length_whose_sync_failed),
		cmocka_unit_test(test_power_cuts_while_creating),
		cmocka_unit_test(test_no_space),
		cmocka_unit_test(test_no_quota),
		cmocka_unit_test(test_room_is_a_promise),
		cmocka_unit_test(test_promised_room_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
