/* SPDX-License-Identifier: MIT */
/* A store as a whole: what is stored once, what shares a moment, what a crash leaves, who may open it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/volume/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { MIB = 1 << 20 };

/* --- crashes: in children, and before this process opens a store itself */

static void run_and_kill(const char *path, void (*fn)(struct store_fixture *f))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct store_fixture f = { 0 };

		f.options = (struct hf_open_options){ .flags = HF_OPEN_NO_REPLICATION,
						      .commit_interval_ms = 60000 };
		snprintf(f.path, sizeof(f.path), "%s", path);
		store_open(&f, 0);
		fn(&f);
		(void)kill(getpid(), SIGKILL);
	}
	assert_true(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void leave_orphans(struct store_fixture *f)
{
	static uint8_t data[MIB];
	const uint64_t kept = make_file(f, "kept"), gone = make_file(f, "gone");
	const struct hf_cred cred = { 0, 0 };
	struct hf_attr attr;

	fill_random(data, sizeof(data), 1);
	put(f, kept, 0, data, sizeof(data));
	put(f, gone, 0, data, sizeof(data));
	put_text(f, gone, MIB, "and more");
	hf_ref(f->store, gone, 2);
	assert_int_equal(hf_unlink(f->store, HF_ROOT_INO, "gone", NULL, NULL), 0);
	assert_int_equal(hf_create_nameless(f->store, HF_ROOT_INO, 0600, 0, &cred, &attr, NULL), 0);
	put_text(f, attr.ino, 0, "nameless");
	hf_unref(f->store, gone, 1);
	commit(f);
	expect_bytes(f, HF_TID_HEAD, gone, MIB, "and more", 8); /* still open */
	put_text(f, kept, 0, "never committed");
}

/* Files without a name that somebody had open are gone after a crash, but for the past. */
static void test_orphans(void **state)
{
	struct store_fixture f = { .dir = scratch_make() };
	const struct hf_view now = { NULL, HF_TID_HEAD };
	struct hf_view v = now;
	struct hf_attr attr;
	struct hf_status s;
	uint64_t then;

	(void)state;
	f.options = (struct hf_open_options){ .flags = HF_OPEN_NO_REPLICATION, .commit_interval_ms = 60000 };
	snprintf(f.path, sizeof(f.path), "%s/store", f.dir);
	assert_int_equal(hf_kit_generate(&f.kit, NULL), 0);
	assert_int_equal(hf_store_init(f.path, f.kit, NULL), 0);
	run_and_kill(f.path, leave_orphans);
	store_open(&f, HF_OPEN_READ_ONLY); /* who may write reaps at once, in the background */
	then = status_of(&f).committed_tid;
	store_close(&f);
	store_open(&f, 0);
	v.store = f.store;
	commit(&f);
	s = status_of(&f);
	assert_int_equal(s.live_inodes, 2);
	assert_int_equal(s.live_bytes, MIB);
	assert_int_equal(attr_of(&f, HF_ROOT_INO).nlink, 2);
	assert_int_equal(hf_view_lookup(&v, HF_ROOT_INO, "kept", &attr, NULL), 0);
	assert_int_equal(attr.size_bytes, MIB);
	for (uint64_t ino = attr.ino + 1; ino < attr.ino + 3; ino++) {
		assert_int_equal(hf_view_getattr(&v, ino, &attr, NULL), -ESTALE);
		assert_int_equal(attr_at(&f, then, ino).nlink, 0);
	}
	expect_bytes(&f, then, 3, MIB, "and more", 8);
	store_close(&f);
	assert_int_equal(store_faults(&f), 0);
	store_fixture_release(&f);
}

/* --- equal contents */

static void test_dedup(void **state)
{
	struct store_fixture *f = *state;
	static uint8_t data[MIB], small[4096];
	struct hf_status first, s;
	uint64_t ino;

	fill_random(data, sizeof(data), 1);
	fill_random(small, sizeof(small), 2);
	put(f, make_file(f, "a"), 0, data, sizeof(data));
	put(f, make_file(f, "small a"), 0, small, sizeof(small));
	commit(f);
	first = status_of(f);
	assert_true(first.chunks >= 5 && first.chunks < 40);
	assert_int_equal(first.chunk_bytes, sizeof(data) + sizeof(small));

	/* again, in one go, then in small parts in a row; the same bytes twice within a group */
	put(f, make_file(f, "b"), 0, data, sizeof(data));
	ino = make_file(f, "c");
	for (size_t at = 0; at < sizeof(data); at += 1 << 14)
		put(f, ino, at, data + at, 1 << 14);
	ino = make_file(f, "small b");
	put(f, ino, 0, small, sizeof(small));
	put(f, ino, 2 * sizeof(small), small, sizeof(small));
	commit(f);
	s = status_of(f);
	assert_int_equal(s.chunks, first.chunks);
	assert_int_equal(s.chunk_bytes, first.chunk_bytes);
	assert_true(s.log_bytes - first.log_bytes < 32768);

	/* shifted by some bytes: only what is near the change is new */
	ino = make_file(f, "shifted");
	put_text(f, ino, 0, "some bytes in front");
	put(f, ino, 19, data, sizeof(data));
	commit(f);
	assert_true(status_of(f).chunk_bytes < first.chunk_bytes + 512 * 1024);

	for (int k = 0; k < 2;
	     k++) { /* the store knows its chunks when it is opened again, and when the index is new */
		char name[] = "opened 0";

		store_close(f);
		store_open(f, k ? HF_OPEN_REBUILD : 0);
		s = status_of(f);
		name[7] = (char)('0' + k);
		ino = make_file(f, name);
		put(f, ino, 0, data, sizeof(data));
		expect_bytes(f, HF_TID_HEAD, ino, 0, data, sizeof(data));
		commit(f);
		assert_int_equal(status_of(f).chunks, s.chunks);
		expect_bytes(f, HF_TID_HEAD, ino, 0, data, sizeof(data));
	}
	store_close(f);
	assert_int_equal(store_faults(f), 0);
}

/* --- moments */

static uint64_t tid(struct store_fixture *f)
{
	return status_of(f).head_tid;
}

static void test_shared_moments(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t a = make_file(f, "a"), b = make_file(f, "b");
	const struct hf_setattr chmod = { .mask = HF_SET_MODE, .mode = 0600 };
	uint64_t t;

	put_text(f, a, 0, "one ");
	t = tid(f);
	put_text(f, a, 4, "two ");
	put_text(f, a, 8, "three");
	assert_int_equal(tid(f), t); /* appends, one directly behind the other */
	assert_int_equal(attr_of(f, a).tid, t);
	expect_text(f, t, a, "one two three");
	put_text(f, a, 0, "ONE");
	assert_int_equal(tid(f), t + 1); /* overwriting never shares */
	expect_text(f, t, a, "one two three");
	put_text(f, a, 13, "!");
	assert_int_equal(tid(f), t + 2); /* what went before was no append */
	put_text(f, a, 14, "!");
	assert_int_equal(tid(f), t + 2);
	put_text(f, a, 20, "gap");
	assert_int_equal(tid(f), t + 3); /* not directly behind */
	put_text(f, a, 23, "x");
	put_text(f, b, 0, "b");
	put_text(f, a, 24, "x");
	assert_int_equal(tid(f), t + 5); /* another operation lies between; "x" and "gap" share */
	commit(f);
	put_text(f, a, 25, "x");
	assert_int_equal(tid(f), t + 6); /* of another group */
	assert_int_equal(hf_setattr(f->store, a, &chmod, NULL, NULL), 0);
	put_text(f, a, 26, "x");
	assert_int_equal(tid(f), t + 8);
	t = head(f); /* somebody looks at this moment */
	put_text(f, a, 27, "x");
	assert_int_equal(tid(f), t + 1);
	assert_int_equal(attr_at(f, t, a).size_bytes, 27);
}

/* Whatever is done, each moment can be found by its number and by its time, and times rise. */
static void test_points(void **state)
{
	enum { OPS = 300 };
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "f");
	struct hf_point p[OPS], q;
	char text[40];
	ssize_t n;

	assert_int_equal(hf_point_of_tid(f->store, 0, &q, NULL), 0);
	assert_int_equal(hf_point_of_tid(f->store, 1000000, &q, NULL), -ENOENT);
	assert_int_equal(hf_point_of_time(f->store, 1, &q, NULL), -ENOENT);
	for (int k = 0; k < OPS; k++) {
		put_text(f, ino, 0, k % 2 ? "x" : "y");
		assert_int_equal(hf_point_of_tid(f->store, tid(f), &p[k], NULL), 0);
		if (k % 50 == 0)
			commit(f);
		if (k == 120) {
			store_close(f);
			store_open(f, HF_OPEN_REBUILD);
		}
	}
	for (int k = 0; k < OPS; k++) {
		assert_true(k == 0 || (p[k].tid == p[k - 1].tid + 1 && p[k].time_ns >= p[k - 1].time_ns));
		assert_int_equal(hf_point_of_tid(f->store, p[k].tid, &q, NULL), 0);
		assert_int_equal(q.time_ns, p[k].time_ns);
		assert_int_equal(hf_point_of_time(f->store, p[k].time_ns, &q, NULL), 0);
		assert_true(q.tid >= p[k].tid && q.time_ns == p[k].time_ns);
		assert_int_equal(hf_moment_find(f->store, hf_moment_format(p[k].time_ns, text, sizeof(text)),
						&q, NULL),
				 0);
		assert_int_equal(q.time_ns, p[k].time_ns);
		expect_text(f, p[k].tid, ino, k % 2 ? "x" : "y");
	}
	n = hf_moments_list(f->store, p, OPS, NULL);
	assert_true(n > 0 && p[0].tid == tid(f));
	for (ssize_t k = 1; k < n; k++)
		assert_true(p[k].tid < p[k - 1].tid && p[k].time_ns <= p[k - 1].time_ns);
}

/* Many small writes to one block: its list stays short, and every moment keeps its bytes. */
static void test_fold(void **state)
{
	enum { WRITES = 2000, EVERY = 100 };
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "f");
	static uint8_t now[65536], then[WRITES / EVERY][65536];
	uint64_t moments[WRITES / EVERY], made;
	int longest = 0;

	put(f, ino, 0, now, sizeof(now));
	srand(3);
	for (int k = 0; k < WRITES; k++) {
		const size_t at = (size_t)rand() % 65000, len = 1 + (size_t)rand() % 100;
		int pieces;

		fill_random(now + at, len, (uint64_t)k);
		put(f, ino, at, now + at, len);
		pieces = tree_block_pieces(&f->store->tree, ino, 0, &made, NULL);
		longest = pieces > longest ? pieces : longest;
		if (k % EVERY == 0) {
			moments[k / EVERY] = head(f);
			memcpy(then[k / EVERY], now, sizeof(now));
		}
		if (k % 333 == 0)
			commit(f);
	}
	assert_true(longest > FOLD_PIECES / 2 && longest <= FOLD_PIECES + 3);
	for (int round = 0; round < 3; round++) {
		expect_bytes(f, HF_TID_HEAD, ino, 0, now, sizeof(now));
		for (int k = 0; k < WRITES / EVERY; k++)
			expect_bytes(f, moments[k], ino, 0, then[k], sizeof(now));
		store_close(f);
		assert_int_equal(store_faults(f), 0);
		store_open(f, round ? HF_OPEN_REBUILD : 0);
	}
}

/* --- opening */

static void test_busy(void **state)
{
	struct store_fixture *f = *state;
	struct store_fixture other = *f;

	store_close(f);
	f->options.holder = "mounted on /srv/git";
	store_open(f, 0);
	store_open_fails(&other, 0, -EBUSY, "mounted on /srv/git");
	store_open_fails(&other, HF_OPEN_READ_ONLY, -EBUSY, "mounted on /srv/git");
	other.options.busy_wait_ms = 120;
	store_open_fails(&other, 0, -EBUSY, "mounted on /srv/git");
	store_close(f);
	store_open(&other, 0);
	store_close(&other);
	store_open(f, 0);
}

static void test_read_only(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "f"), dir = make_dir(f, HF_ROOT_INO, "d");
	const struct hf_setattr change = { .mask = HF_SET_MODE, .mode = 0600 };
	const struct hf_cred cred = { 0, 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_status before, after;

	put_text(f, ino, 0, "text");
	store_close(f);
	store_open(f, HF_OPEN_READ_ONLY);
	before = status_of(f);
	expect_text(f, HF_TID_HEAD, ino, "text");
	expect_text(f, head(f), ino, "text");
	assert_int_equal(hf_create(f->store, 1, "x", S_IFREG, 0, 0, NULL, &cred, NULL, &err), -EROFS);
	assert_true(err.text[0]);
	assert_int_equal(hf_create_nameless(f->store, 1, 0600, 0, &cred, NULL, NULL), -EROFS);
	assert_int_equal(hf_link(f->store, ino, 1, "x", NULL, NULL), -EROFS);
	assert_int_equal(hf_unlink(f->store, 1, "f", NULL, NULL), -EROFS);
	assert_int_equal(hf_rmdir(f->store, 1, "d", NULL, NULL), -EROFS);
	assert_int_equal(hf_rename(f->store, 1, "f", dir, "f", 0, NULL), -EROFS);
	assert_int_equal(hf_setattr(f->store, ino, &change, NULL, NULL), -EROFS);
	assert_int_equal(hf_write(f->store, ino, 0, "x", 1, 0, NULL), -EROFS);
	assert_int_equal(hf_fallocate(f->store, ino, 0, 0, 1, 0, NULL), -EROFS);
	assert_int_equal(hf_copy_range(f->store, ino, 0, ino, 100, 1, 0, NULL), -EROFS);
	assert_int_equal(hf_setxattr(f->store, ino, "user.x", "", 0, 0, 0, NULL), -EROFS);
	assert_int_equal(hf_removexattr(f->store, ino, "user.x", NULL), -EROFS);
	assert_int_equal(hf_tag(f->store, "t", HF_TID_HEAD, NULL), -EROFS);
	assert_int_equal(hf_untag(f->store, "t", NULL), -EROFS);
	assert_int_equal(hf_store_commit(f->store, NULL), 0);
	after = status_of(f);
	assert_int_equal(after.head_tid, before.head_tid);
	assert_int_equal(after.log_bytes, before.log_bytes);
}

static void test_not_a_store(void **state)
{
	struct store_fixture *f = *state;
	struct store_fixture other = *f;

	snprintf(other.path, sizeof(other.path), "%s/nowhere", f->dir);
	store_open_fails(&other, 0, -ENOENT, "nowhere");
	snprintf(other.path, sizeof(other.path), "%s", f->dir);
	store_open_fails(&other, 0, -ENOENT, f->dir);
	assert_int_equal(hf_store_init(f->path, f->kit, NULL), -ENOTEMPTY);
	assert_int_equal(hf_store_check(f->dir, NULL, NULL, NULL, NULL, NULL), -ENOENT);
}

/* Closing commits; committing says what is durable; the log grows by segments. */
static void test_segments(void **state)
{
	struct store_fixture *f = *state;
	static uint8_t data[300000];
	uint64_t ino, last;

	store_close(f);
	f->options.segment_bytes = 1 << 20;
	store_open(f, 0);
	ino = make_file(f, "f");
	for (uint64_t k = 0; k < 20; k++) {
		fill_random(data, sizeof(data), k);
		put(f, ino, k * sizeof(data), data, sizeof(data));
		if (k % 3 == 0)
			commit(f);
	}
	last = tid(f);
	assert_true(status_of(f).committed_tid < last);
	commit(f);
	assert_int_equal(status_of(f).committed_tid, last);
	assert_true(status_of(f).log_segments >= 5);
	put_text(f, ino, 0, "at last");
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	store_open(f, 0);
	assert_int_equal(status_of(f).committed_tid, last + 1);
	expect_bytes(f, HF_TID_HEAD, ino, 0, "at last", 7);
	expect_bytes(f, HF_TID_HEAD, ino, 19 * sizeof(data), data, sizeof(data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orphans),
		cmocka_unit_test_setup_teardown(test_dedup, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_shared_moments, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_points, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_fold, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_busy, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_not_a_store, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_segments, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
