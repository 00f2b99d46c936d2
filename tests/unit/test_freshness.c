/* SPDX-License-Identifier: MIT */
/* Recoveries held against saved heads: from a replica that has all of it, an older state, a fork. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "holdfast/replica.h"
#include "store/replica/shelf.h"
#include "store/replica/trail.h"
#include "tests/unit/node_helper.h"

enum { GROUPS = 60, GROUP_BYTES = 3000, SEGMENT_SMALL = 32 << 10, LINE_BYTES = 256 };

struct bench {
	struct log_fixture volume;
	struct log *log;
	struct hf_kit *kit;
	char replica[160], path[160];
};

static void bench_init(struct bench *b, uint64_t groups)
{
	memset(b, 0, sizeof(*b));
	b->log = log_fixture_create(&b->volume, SEGMENT_SMALL);
	b->kit = log_fixture_kit(&b->volume);
	log_put_groups(b->log, 1, groups, GROUP_BYTES);
	log_fixture_path(&b->volume, "replica", b->replica);
	log_fixture_path(&b->volume, "new", b->path);
}

static void bench_release(struct bench *b)
{
	hf_kit_free(b->kit);
	log_close(b->log);
	log_fixture_release(&b->volume);
}

/* What `log`, in dir, is at now. */
static void save_head(struct bench *b, struct log *log, const char *dir, char out[LINE_BYTES])
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	struct log_point durable;
	struct log_pos at;
	struct head h;

	log_durable(log, &durable);
	assert_int_equal(trail_last_commit(b->volume.os, dir, &durable, &at, &h.commit, NULL), 0);
	memcpy(h.volume_id, owner_volume_id(b->volume.owner), VOLUME_ID_BYTES);
	h.segment = at.segment;
	h.offset = at.offset;
	head_line_encode(&h, &line);
	assert_true(line.len < LINE_BYTES);
	strcpy(out, buf_cstr(&line));
}

static void ship(struct bench *b, struct log *log)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT;
	struct log_pos at = { 1, 0 };
	struct log_point after;
	struct shelf *shelf;
	int r;

	assert_int_equal(shelf_make(b->volume.os, b->replica, NULL), 0);
	assert_int_equal(shelf_open(b->volume.os, b->replica, owner_volume_id(b->volume.owner), false, &shelf,
				    NULL, NULL),
			 0);
	while ((r = log_read_raw(log, at, 1 << 20, &bytes, &after, NULL)) != -ENODATA) {
		if (r == -ENOENT) {
			at = (struct log_pos){ at.segment + 1, 0 };
			continue;
		}
		assert_int_equal(r, 0);
		assert_true(shelf_append(shelf, at, bytes.data, bytes.len, &after, NULL) >= 0);
		at = after.end;
	}
	shelf_close(shelf);
}

static int recover(struct bench *b, const char *const *heads, size_t n, bool accept_stale,
		   struct hf_recovery *ret, struct hf_error *err)
{
	const struct hf_heads h = { heads, n, accept_stale };

	*err = (struct hf_error)HF_ERROR_INIT;
	return hf_recover_held(b->replica, b->kit, b->path, &h, NULL, ret, err);
}

static void assert_refused(struct bench *b, const char *head, bool accept_stale, int code, const char *words)
{
	struct hf_recovery got;
	struct hf_error err;

	assert_int_equal(recover(b, &head, 1, accept_stale, &got, &err), code);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static void the_head_behind_an_epoch_is_the_last_commit_before_it(struct bench *b, const char *line)
{
	struct log_options o = b->volume.options;
	struct log_point durable;
	struct log *log;
	char dir[200], now[LINE_BYTES];

	(void)snprintf(dir, sizeof(dir), "%s/log", b->path);
	o.dir = dir;
	o.read_only = true;
	assert_int_equal(log_open(&o, NULL, &log, NULL), 0);
	log_durable(log, &durable);
	assert_int_equal(durable.end.offset, SEGMENT_HEADER_BYTES);
	save_head(b, log, dir, now);
	assert_string_equal(now, line);
	log_close(log);
}

/* A head of every commit there was, many segments of them, in one file among other words. */
static void all_heads_are_in_a_whole_copy(void **state)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	struct hf_recovery got;
	struct hf_error err;
	struct log_point end;
	struct bench b;
	const char *texts[2];
	char line[LINE_BYTES];

	(void)state;
	bench_init(&b, 1);
	for (uint64_t i = 1; i <= GROUPS; i++) {
		save_head(&b, b.log, b.volume.dir, line);
		buf_add_text(&file, "day %u: %s\n", (unsigned)i, line);
		if (i < GROUPS)
			log_put_groups(b.log, i + 1, i + 1, GROUP_BYTES);
	}
	log_durable(b.log, &end);
	assert_true(end.end.segment > 3);
	ship(&b, b.log);
	texts[0] = buf_cstr(&file);
	texts[1] = line;
	if (recover(&b, texts, 2, false, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got.freshness, HF_FRESHNESS_PROVEN);
	assert_int_equal(got.proven_ns, 1000 * GROUPS);
	assert_int_equal(got.tid, GROUPS);
	assert_string_equal(got.stale_text, "");
	the_head_behind_an_epoch_is_the_last_commit_before_it(&b, line);
	bench_release(&b);
}

static void without_a_head_nothing_is_proven(void **state)
{
	struct hf_recovery got;
	struct hf_error err;
	struct bench b;

	(void)state;
	bench_init(&b, GROUPS);
	ship(&b, b.log);
	assert_int_equal(recover(&b, NULL, 0, false, &got, &err), 0);
	assert_int_equal(got.freshness, HF_FRESHNESS_UNPROVEN);
	assert_int_equal(got.proven_ns, 0);
	bench_release(&b);
}

/* Of the whole log, when the copy ends before it by one commit, or by many. */
static void an_older_state(uint64_t missing)
{
	char line[LINE_BYTES], earlier[LINE_BYTES];
	const char *both[2] = { earlier, line };
	struct hf_recovery got;
	struct hf_error err;
	struct bench b;

	bench_init(&b, GROUPS);
	save_head(&b, b.log, b.volume.dir, earlier);
	ship(&b, b.log);
	log_put_groups(b.log, GROUPS + 1, GROUPS + missing, GROUP_BYTES);
	save_head(&b, b.log, b.volume.dir, line);
	assert_refused(&b, line, false, -ENODATA, "an older state");
	assert_false(exists(b.path)); /* nothing was fetched for it */
	assert_int_equal(recover(&b, both, 2, false, &got, &err), -ENODATA);
	if (recover(&b, both, 2, true, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got.freshness, HF_FRESHNESS_STALE);
	assert_int_equal(got.proven_ns, 1000 * GROUPS);
	assert_non_null(strstr(got.stale_text, "an older state"));
	assert_int_equal(got.tid, GROUPS);
	bench_release(&b);
}

static void an_older_state_is_refused(void **state)
{
	(void)state;
	an_older_state(1);
	an_older_state(GROUPS);
}

/* Two histories from one beginning, written with the same keys: the copy has the other one. */
static void a_forked_log(uint64_t theirs)
{
	char line[LINE_BYTES], common[LINE_BYTES], dir[160];
	const char *head = line;
	struct log_options o;
	struct hf_recovery got;
	struct hf_error err;
	struct bench b;
	struct log *fork;

	bench_init(&b, GROUPS);
	save_head(&b, b.log, b.volume.dir, common);
	log_close(b.log);
	log_fixture_path(&b.volume, "fork", dir);
	copy_folder(b.volume.dir, dir);
	b.log = log_fixture_open(&b.volume, NULL);
	log_put_groups(b.log, GROUPS + 1, GROUPS + 5, GROUP_BYTES);
	save_head(&b, b.log, b.volume.dir, line);
	o = b.volume.options;
	o.dir = dir;
	assert_int_equal(log_open(&o, NULL, &fork, NULL), 0);
	log_put_groups(fork, GROUPS + 1, GROUPS + theirs, GROUP_BYTES);
	ship(&b, fork);
	log_close(fork);
	assert_refused(&b, line, false, -EEXIST, "a fork");
	assert_true(exists(b.path));
	assert_int_equal(recover(&b, &head, 1, true, &got, &err), 0);
	assert_int_equal(got.freshness, HF_FRESHNESS_STALE);
	assert_non_null(strstr(got.stale_text, "a fork"));
	log_fixture_path(&b.volume, "newer", b.path);
	head = common;
	assert_int_equal(recover(&b, &head, 1, false, &got, &err), 0);
	assert_int_equal(got.freshness, HF_FRESHNESS_PROVEN);
	bench_release(&b);
}

static void a_fork_is_refused(void **state)
{
	(void)state;
	a_forked_log(5);
	a_forked_log(GROUPS);
}

static void a_head_of_another_volume_is_refused(void **state)
{
	struct bench b, other;
	char line[LINE_BYTES];

	(void)state;
	bench_init(&b, 5);
	bench_init(&other, 5);
	ship(&b, b.log);
	save_head(&other, other.log, other.volume.dir, line);
	assert_refused(&b, line, false, -EKEYREJECTED, "the saved head is of volume");
	assert_refused(&b, line, true, -EKEYREJECTED, "the saved head is of volume");
	assert_false(exists(b.path));
	bench_release(&other);
	bench_release(&b);
}

/* Somebody who can compute a checksum, and cannot sign. */
static void a_head_that_nobody_signed_is_refused(void **state)
{
	CLEANUP(buf_release) struct buf forged = BUF_INIT;
	struct bench b;
	char line[LINE_BYTES];
	struct head h;

	(void)state;
	bench_init(&b, GROUPS);
	ship(&b, b.log);
	save_head(&b, b.log, b.volume.dir, line);
	assert_int_equal(head_line_decode(line, strlen(line), &h, NULL), 0);
	h.commit.time_ns += 1000000000;
	head_line_encode(&h, &forged);
	assert_refused(&b, buf_cstr(&forged), false, -EKEYREJECTED, "is not signed by the writer");
	assert_refused(&b, buf_cstr(&forged), true, -EKEYREJECTED, "is not signed by the writer");
	bench_release(&b);
}

static void a_damaged_head_is_refused(void **state)
{
	struct bench b;
	char line[LINE_BYTES];

	(void)state;
	bench_init(&b, 5);
	ship(&b, b.log);
	save_head(&b, b.log, b.volume.dir, line);
	line[100] = line[100] == 'A' ? 'B' : 'A';
	assert_refused(&b, line, true, -EUCLEAN, "checksum does not match");
	assert_refused(&b, "nothing of the kind", true, -EUCLEAN, "no saved head");
	assert_false(exists(b.path));
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_heads_are_in_a_whole_copy),
		cmocka_unit_test(without_a_head_nothing_is_proven),
		cmocka_unit_test(an_older_state_is_refused),
		cmocka_unit_test(a_fork_is_refused),
		cmocka_unit_test(a_head_of_another_volume_is_refused),
		cmocka_unit_test(a_head_that_nobody_signed_is_refused),
		cmocka_unit_test(a_damaged_head_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
