/* SPDX-License-Identifier: MIT */
/*
 * Frames taken out of a segment, on a disk whose power is cut at every step and whose every call fails once:
 * what is there afterwards is the segment as it was, or as it should be, and the second for sure once it was
 * said to be done.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/log/verifier.h"
#include "store/replica/shelf_prune.h"
#include "tests/sim/sim_os.h"
#include "tests/unit/log_helper.h"

enum { SEGMENT = 24 << 10, GROUPS = 40, GROUP_BYTES = 3000, NUMBER = 2, SEEDS = 8, RANGES_MAX = 64 };

static const char dir[] = "/copy", file[] = "/copy/log/0000000002.seg";

static struct {
	struct log_fixture f;
	struct log *log;
	struct buf before, after; /* the segment's bytes */
	struct prune_range ranges[RANGES_MAX];
	struct prune_segment segment;
	struct prune_list list;
	struct grants grants;
	uint32_t meta; /* where a metadata frame is */
} t;

static void read_file(const char *path, struct buf *out)
{
	buf_clear(out);
	assert_int_equal(os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, out), 0);
}

/* Every other data frame. */
static void choose_frames(void)
{
	size_t at = SEGMENT_HEADER_BYTES, len, seen = 0;

	buf_add(&t.after, t.before.data, t.before.len);
	for (; at < t.before.len; at += len) {
		struct frame_header h;

		assert_int_equal(frame_header_decode(t.before.data + at, &h, NULL), 0);
		len = FRAME_HEADER_BYTES + h.body_len;
		if (h.type == FRAME_META)
			t.meta = (uint32_t)at;
		if (h.type != FRAME_DATA || seen++ % 2 || t.segment.n == RANGES_MAX)
			continue;
		t.ranges[t.segment.n++] = (struct prune_range){ (uint32_t)at, (uint32_t)len };
		pruned_frame_encode(t.after.data + at, len);
	}
	assert_true(t.segment.n > 2 && t.meta > 0);
}

static int group_setup(void **state)
{
	struct segment_header next;
	struct buf raw = BUF_INIT;
	char path[160];

	(void)state;
	log_fixture_init(&t.f, NULL, SEGMENT);
	assert_int_equal(log_create(&t.f.options, &t.f.cert, &t.log, NULL), 0);
	log_put_groups(t.log, 1, GROUPS, GROUP_BYTES);
	log_fixture_segment(&t.f, NUMBER, path);
	read_file(path, &t.before);
	log_fixture_segment(&t.f, NUMBER + 1, path);
	read_file(path, &raw);
	assert_int_equal(segment_header_decode(raw.data, SEGMENT_HEADER_BYTES, &next, NULL), 0);
	buf_release(&raw);
	t.segment = (struct prune_segment){ .segment = NUMBER, .ranges = t.ranges };
	memcpy(t.segment.chain, next.prev_chain, HASH_BYTES);
	choose_frames();
	t.list = (struct prune_list){ .segments = &t.segment, .n = 1, .ranges = t.ranges };
	memcpy(t.list.volume_id, owner_volume_id(t.f.owner), VOLUME_ID_BYTES);
	t.grants = (struct grants){ &t.list, 1 };
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	buf_release(&t.before);
	buf_release(&t.after);
	log_close(t.log);
	log_fixture_release(&t.f);
	return 0;
}

static struct sim *disk(uint64_t seed)
{
	struct sim *sim = sim_new(seed);
	const struct os *os = sim_os(sim);

	assert_int_equal(os->mkdir(os->state, dir, 0700), 0);
	assert_int_equal(os->mkdir(os->state, "/copy/log", 0700), 0);
	assert_int_equal(os->mkdir(os->state, "/copy/prunes", 0700), 0);
	assert_int_equal(os->sync_dir(os->state, "/"), 0);
	assert_int_equal(os->sync_dir(os->state, dir), 0);
	assert_int_equal(os_write_file(os, file, t.before.data, t.before.len, 0600), 0);
	return sim;
}

static int prune(struct sim *sim, struct hf_error *err)
{
	struct shelf_pruned got;
	int r = shelf_prune(sim_os(sim), dir, &t.grants, &t.list, &t.segment, &got, err);

	if (r == 0)
		assert_true(got.frames == 0 || got.bytes == prune_segment_bytes(&t.segment));
	return r;
}

/* Which of the two it is: true, as it should be. Anything else fails. */
static bool is_pruned(struct sim *sim)
{
	CLEANUP(buf_release) struct buf now = BUF_INIT;

	assert_int_equal(os_read_file(sim_os(sim), file, SEGMENT_BYTES_MAX, &now), 0);
	assert_int_equal(now.len, t.before.len);
	if (memcmp(now.data, t.before.data, now.len) == 0)
		return false;
	assert_memory_equal(now.data, t.after.data, now.len);
	return true;
}

static void test_done(void **state)
{
	struct sim *sim = disk(1);
	struct shelf_pruned got;

	(void)state;
	assert_int_equal(shelf_prune_check(sim_os(sim), dir, &t.grants, &t.list, &t.segment, &got, NULL), 0);
	assert_int_equal(got.frames, t.segment.n);
	assert_false(is_pruned(sim));
	assert_int_equal(prune(sim, NULL), 0);
	sim_power_cut(sim);
	sim_power_on(sim);
	assert_true(is_pruned(sim));
	assert_int_equal(prune(sim, NULL), 0); /* nothing is left to do */
	assert_int_equal(shelf_prune_check(sim_os(sim), dir, &t.grants, &t.list, &t.segment, &got, NULL), 0);
	assert_int_equal(got.frames, 0);
	sim_free(sim);
}

static void test_power(void **state)
{
	bool done = false;

	(void)state;
	for (uint64_t cut = 1; !done; cut++) {
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			struct sim *sim = disk(seed);
			int r;

			sim_power_cut_at(sim, cut);
			r = prune(sim, NULL);
			done = sim_power_is_on(sim);
			sim_power_cut(sim);
			sim_power_on(sim);
			assert_true(r == 0 || !done);
			assert_true(is_pruned(sim) || r < 0);
			assert_int_equal(prune(sim, NULL), 0);
			assert_true(is_pruned(sim));
			sim_free(sim);
		}
		assert_true(cut < 200);
	}
}

static void test_faults(void **state)
{
	bool failed = true;

	(void)state;
	for (uint64_t n = 1; failed; n++) {
		struct sim *sim = disk(n);
		struct hf_error err = HF_ERROR_INIT;

		sim_fail(sim, SIM_ANY_CHANGE | SIM_OPEN | SIM_PREAD, n, 0, n % 2 ? -EIO : -ENOSPC);
		failed = prune(sim, &err) < 0;
		sim_fail(sim, 0, 0, 0, 0);
		assert_true(!failed || err.code < 0);
		assert_true(is_pruned(sim) || failed);
		assert_int_equal(prune(sim, NULL), 0);
		sim_power_cut(sim);
		sim_power_on(sim);
		assert_true(is_pruned(sim));
		sim_free(sim);
		assert_true(n < 200);
	}
}

/* With these ranges, or this chain value, or a byte of the segment changed: refused, and left alone. */
static void refused(struct prune_range range, bool chain, uint64_t damage, int code, const char *words)
{
	struct sim *sim = disk(1);
	struct prune_segment segment = t.segment;
	struct prune_list list = t.list;
	struct hf_error err = HF_ERROR_INIT;
	struct shelf_pruned got;
	struct grants grants;

	list.segments = &segment;
	grants = (struct grants){ &list, 1 };
	if (range.len) {
		segment.ranges = &range;
		segment.n = 1;
	}
	if (chain)
		segment.chain[5] ^= 1;
	if (damage)
		assert_int_equal(sim_damage(sim, file, damage, 1), 0);
	assert_int_equal(shelf_prune(sim_os(sim), dir, &grants, &list, &segment, &got, &err), code);
	if (!strstr(err.text, words))
		fail_msg("%s: not in: %s", words, err.text);
	if (damage)
		assert_int_equal(sim_damage(sim, file, damage, 1), 0);
	assert_false(is_pruned(sim));
	sim_free(sim);
}

static void test_refused(void **state)
{
	const struct prune_range first = t.ranges[0], none = { 0, 0 };

	(void)state;
	refused((struct prune_range){ first.offset, first.len - 1 }, false, 0, -EUCLEAN,
		"not whole data frames");
	refused((struct prune_range){ first.offset + 1, first.len }, false, 0, -EUCLEAN,
		"not whole data frames");
	refused((struct prune_range){ first.offset, first.len + 40 }, false, 0, -EUCLEAN,
		"not whole data frames");
	refused((struct prune_range){ t.meta, 100 }, false, 0, -EUCLEAN, "not whole data frames");
	refused(none, true, 0, -EUCLEAN, "chain ends otherwise");
	refused(none, false, first.offset + 60, -EUCLEAN, "not those it was made over");
	refused(none, false, t.before.len - 3, -EKEYREJECTED, "not signed by the writer");
}

/* What is left verifies where a list names it, and nowhere else; nor with anything in the place of what was
 * there. */
static void test_verified(void **state)
{
	static const struct {
		bool granted;
		bool stuffed;
	} cases[] = { { true, false }, { false, false }, { true, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(buf_release) struct buf bytes = BUF_INIT;
		struct hf_error err = HF_ERROR_INIT;
		struct verifier v;
		size_t used, at = SEGMENT_HEADER_BYTES;
		int r = 1;

		buf_add(&bytes, t.after.data, t.after.len);
		if (cases[i].stuffed)
			bytes.data[t.ranges[1].offset + t.ranges[1].len - 1] = 1;
		verifier_begin(&v, t.list.volume_id);
		if (cases[i].granted)
			verifier_grant(&v, &t.grants);
		assert_int_equal(verifier_enter(&v, bytes.data, NULL), 0);
		for (; r == 1 && at < bytes.len; at += used)
			r = verifier_group(&v, bytes.data + at, bytes.len - at, &used, NULL, &err);
		if (cases[i].granted && !cases[i].stuffed) {
			assert_int_equal(r, 1);
			assert_memory_equal(v.point.chain, t.segment.chain, HASH_BYTES);
		} else {
			assert_int_equal(r, -EUCLEAN);
			assert_non_null(
				strstr(err.text, cases[i].stuffed ? "bytes in the place" : "no list"));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done),     cmocka_unit_test(test_power),
		cmocka_unit_test(test_faults),   cmocka_unit_test(test_refused),
		cmocka_unit_test(test_verified),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
