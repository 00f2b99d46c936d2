/* SPDX-License-Identifier: MIT */
/*
 * Who has the writer key chooses what a frame's body is, and may put a signed commit into it: an append of
 * that, torn by a power cut, is torn, and no damage that stops the shelf from being opened.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/replica/shelf_scan.h"
#include "tests/sim/sim_os.h"
#include "tests/unit/log_helper.h"

enum { GROUP_BYTES = 3000, GROUPS = 4, BODY_BYTES = 9000 };

static const char dir[] = "/copy";
static const char segment_file[] = "/copy/log/0000000001.seg";

struct source {
	struct log_fixture f;
	const uint8_t *id;
	struct buf bytes; /* of segment 1 */
	struct log_point end;
};

static void source_init(struct source *s)
{
	struct log *log;

	memset(s, 0, sizeof(*s));
	log = log_fixture_create(&s->f, 1 << 20);
	s->id = owner_volume_id(s->f.owner);
	log_put_groups(log, 1, GROUPS, GROUP_BYTES);
	assert_int_equal(log_read_raw(log, (struct log_pos){ 1, 0 }, 1 << 20, &s->bytes, &s->end, NULL), 0);
	log_close(log);
}

static void source_release(struct source *s)
{
	buf_release(&s->bytes);
	log_fixture_release(&s->f);
}

/* Behind what is in `out`, a group's beginning. */
static void add_commit(const struct source *s, struct buf *out, struct commit c, struct chain *chain)
{
	const struct frame_header h = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	uint8_t raw[FRAME_HEADER_BYTES], body[COMMIT_BODY_BYTES];

	c.tid = s->end.tid;
	c.time_ns = s->end.time_ns;
	c.epoch = s->end.epoch;
	frame_header_encode(&h, raw);
	commit_encode(&c, body);
	if (chain)
		chain_commit(chain, raw, body, c.chain);
	commit_encode(&c, body);
	commit_sign(s->f.keys, 1, s->end.end.offset + (uint32_t)out->len, body);
	buf_add(out, raw, sizeof(raw));
	buf_add(out, body, sizeof(body));
}

/* A group of one frame that holds, or does not, a later commit signed for where it stands. */
static void make_group(const struct source *s, bool misleads, struct buf *out)
{
	const struct frame_header h = { .type = FRAME_DATA, .body_len = BODY_BYTES };
	const struct commit within = { .number = s->end.commit + 6 };
	const struct commit own = { .number = s->end.commit + 1, .frames = 1 };
	uint8_t raw[FRAME_HEADER_BYTES], hash[HASH_BYTES];
	struct chain chain;

	frame_header_encode(&h, raw);
	buf_add(out, raw, sizeof(raw));
	if (misleads)
		add_commit(s, out, within, NULL);
	while (out->len < FRAME_HEADER_BYTES + BODY_BYTES)
		buf_add(out, "x", 1);
	hash_one(NULL, out->data, out->len, hash, sizeof(hash));
	chain_resume(&chain, s->end.chain);
	chain_frame(&chain, hash);
	add_commit(s, out, own, &chain);
	assert_int_equal(buf_status(out), 0);
}

static struct shelf *make_shelf(const struct source *s, struct sim *sim)
{
	struct log_point point;
	struct shelf *shelf;

	assert_int_equal(shelf_make(sim_os(sim), dir, NULL), 0);
	assert_int_equal(shelf_open(sim_os(sim), dir, s->id, false, &shelf, NULL, NULL), 0);
	assert_int_equal(shelf_append(shelf, (struct log_pos){ 1, 0 }, s->bytes.data, s->bytes.len, &point,
				      NULL),
			 0);
	return shelf;
}

/* The power is cut somewhere in the append: 1 when what is left of it is torn. */
static int cut_seed(const struct source *s, const struct buf *group, uint64_t seed)
{
	struct sim *sim = sim_new(seed);
	struct shelf *shelf = make_shelf(s, sim);
	struct log_point point, acked = s->end;
	struct hf_error err = HF_ERROR_INIT;
	uint64_t cut = 0;

	sim_power_cut_at(sim, 1 + sim_random(sim, 4));
	if (shelf_append(shelf, s->end.end, group->data, group->len, &point, NULL) == 0)
		acked = point;
	sim_power_cut(sim);
	shelf_close(shelf);
	sim_power_on(sim);
	if (shelf_open(sim_os(sim), dir, s->id, false, &shelf, &cut, &err) < 0)
		fail_msg("seed %" PRIu64 ": %s", seed, err.text);
	shelf_position(shelf, &point);
	assert_true(log_pos_compare(point.end, acked.end) >= 0);
	shelf_close(shelf);
	sim_free(sim);
	return cut > 0;
}

static void test_torn(void **state)
{
	CLEANUP(buf_release) struct buf group = BUF_INIT;
	struct source s;
	int torn = 0;

	(void)state;
	source_init(&s);
	make_group(&s, true, &group);
	for (uint64_t seed = 1; seed <= 60; seed++)
		torn += cut_seed(&s, &group, seed);
	assert_true(torn > 5);
	source_release(&s);
}

/* What was durable, and is damaged later in front of another commit, is damage still. */
static void test_damaged(void **state)
{
	CLEANUP(buf_release) struct buf group = BUF_INIT;
	struct sim *sim = sim_new(1);
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;
	struct shelf *shelf;
	struct source s;

	(void)state;
	source_init(&s);
	make_group(&s, true, &group);
	shelf = make_shelf(&s, sim);
	assert_int_equal(shelf_append(shelf, s.end.end, group.data, group.len, &point, NULL), 0);
	shelf_close(shelf);
	assert_int_equal(sim_damage(sim, segment_file, SEGMENT_HEADER_BYTES + 60, 1), 0);
	assert_int_equal(shelf_open(sim_os(sim), dir, s.id, false, &shelf, NULL, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "a valid commit follows"));
	sim_free(sim);
	source_release(&s);
}

/* An honest writer's group costs no more than it did. */
static void test_which_mislead(void **state)
{
	CLEANUP(buf_release) struct buf honest = BUF_INIT, other = BUF_INIT;
	struct source s;

	(void)state;
	source_init(&s);
	make_group(&s, false, &honest);
	make_group(&s, true, &other);
	assert_false(shelf_may_mislead(honest.data, honest.len));
	assert_true(shelf_may_mislead(other.data, other.len));
	assert_false(shelf_may_mislead(other.data, 0));
	source_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_which_mislead),
	};

	return crypto_init() < 0 || cmocka_run_group_tests_name("shelf misled", tests, NULL, NULL);
}
