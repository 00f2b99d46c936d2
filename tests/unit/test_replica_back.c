/* SPDX-License-Identifier: MIT */
/*
 * One side or the other has lost its state, or gone back to an earlier one: replication goes on from what the
 * replica itself says, and a replica that has less than it signed for is told.
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
#include <sys/stat.h>
#include <unistd.h>

#include "store/replica/config.h"
#include "store/replica/regress.h"
#include "tests/unit/replica_helper.h"

static void stop(struct bench *b)
{
	replica_set_stop(b->set);
	b->set = NULL;
}

static struct hf_replica_status status_now(struct bench *b)
{
	struct hf_replica_status status;

	(void)bench_state(b, &status);
	return status;
}

static void expect_copy(struct bench *b)
{
	char path[256];

	node_fixture_path(&b->node, b->id, "log", path);
	bench_compare_copy(b, path);
	assert_int_equal(node_fixture_evidence(&b->node), 0);
}

/* A node with 30 groups of 90, which it had all signed for, before a stop or while shipping goes on. */
static void restore_older(struct bench *b, bool while_running)
{
	char copy[160];

	bench_init(b);
	log_put_groups(b->log, 1, 30, BENCH_GROUP_BYTES);
	bench_add_node(b, "first");
	node_keep_port(&b->node);
	bench_start(b);
	bench_expect_current(b, 1);
	node_fixture_stop(&b->node);
	node_fixture_copy(&b->node, copy);
	assert_int_equal(node_fixture_start(&b->node), 0);
	log_put_groups(b->log, 31, 90, BENCH_GROUP_BYTES);
	bench_expect_current(b, 1);
	assert_int_equal(status_now(b).regressed_ns, 0);
	if (!while_running)
		stop(b);
	node_fixture_put_back(&b->node, copy);
}

static void test_older_copy(void **state)
{
	struct hf_replica_status status;
	struct regress kept;
	struct bench b;

	(void)state;
	restore_older(&b, false);
	/* So slowly that it can be looked at while it gets what it lacks. */
	assert_int_equal(config_write_limit(os_posix(), b.store, "first", 16 << 10, NULL), 0);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_REGRESSED, &status);
	assert_non_null(strstr(status.error, "restored from an older copy"));
	assert_true(status.acked_tid < 90 && status.lag_bytes > 0);
	regress_read(os_posix(), b.store, "first", &kept);
	assert_int_equal(kept.count, 1);
	replica_set_limit(b.set, "first", 0);
	bench_expect_current(&b, 1);
	status = status_now(&b);
	assert_true(status.regressed_ns > 0);
	assert_int_equal(status.regressed_from_tid, 90);
	assert_int_equal(status.regressed_to_tid, 30);
	expect_copy(&b);
	/* It stays told over a restart, and is told once. */
	stop(&b);
	bench_start(&b);
	bench_expect_current(&b, 1);
	assert_int_equal(status_now(&b).regressed_from_tid, 90);
	regress_read(os_posix(), b.store, "first", &kept);
	assert_int_equal(kept.count, 1);
	/* Until a person has acknowledged it. */
	stop(&b);
	assert_int_equal(hf_replica_acknowledge(b.store, "first", NULL), 0);
	bench_start(&b);
	bench_expect_current(&b, 1);
	assert_int_equal(status_now(&b).regressed_ns, 0);
	bench_release(&b);
}

static void test_older_copy_while_shipping(void **state)
{
	struct hf_replica_status status;
	struct bench b;

	(void)state;
	restore_older(&b, true);
	log_put_groups(b.log, 91, 95, BENCH_GROUP_BYTES);
	bench_expect_current(&b, 1);
	status = status_now(&b);
	assert_int_equal(status.regressed_to_tid, 30);
	assert_in_range(status.regressed_from_tid, 90, 94);
	expect_copy(&b);
	replica_set_acknowledge(b.set, "first");
	assert_int_equal(status_now(&b).regressed_ns, 0);
	bench_release(&b);
}

/* The store lost what it knew of its replicas, but where they are: the node says the rest. */
static void test_receipts_lost(void **state)
{
	struct bench b;
	char path[200];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 30, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	bench_start(&b);
	bench_expect_current(&b, 1);
	stop(&b);
	(void)snprintf(path, sizeof(path), "%s/replicas/first.receipt", b.store);
	assert_int_equal(unlink(path), 0);
	log_put_groups(b.log, 31, 60, BENCH_GROUP_BYTES);
	bench_start(&b);
	bench_expect_current(&b, 1);
	assert_int_equal(status_now(&b).regressed_ns, 0);
	stop(&b);
	assert_int_equal(access(path, F_OK), 0); /* and it is known again */
	/* What is there and is none is not believed. */
	assert_int_equal(os_write_file(os_posix(), path, "{}", 2, 0600), 0);
	bench_start(&b);
	bench_expect_current(&b, 1);
	assert_int_equal(status_now(&b).regressed_ns, 0);
	expect_copy(&b);
	bench_release(&b);
}

/* The volume's log is gone from the node, which still knows the volume. */
static void test_node_emptied(void **state)
{
	struct bench b;
	char path[256];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 60, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	node_keep_port(&b.node);
	bench_start(&b);
	bench_expect_current(&b, 1);
	node_fixture_stop(&b.node);
	node_fixture_path(&b.node, b.id, "log", path);
	remove_folder(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(node_fixture_start(&b.node), 0);
	log_put_groups(b.log, 61, 65, BENCH_GROUP_BYTES);
	bench_expect_current(&b, 1);
	assert_true(status_now(&b).regressed_ns > 0);
	assert_int_equal(status_now(&b).regressed_to_tid, 0);
	expect_copy(&b);
	bench_release(&b);
}

/* A node made anew in place of the old one, with the volume gone: it says so, and what to do helps. */
static void test_node_made_anew(void **state)
{
	struct hf_replica_status status;
	struct hf_error err = HF_ERROR_INIT;
	char path[256], *line;
	struct bench b;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 60, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	node_keep_port(&b.node);
	bench_start(&b);
	bench_expect_current(&b, 1);
	node_fixture_stop(&b.node);
	node_fixture_path(&b.node, b.id, "", path);
	path[strlen(path) - 1] = 0;
	remove_folder(path);
	assert_int_equal(node_fixture_start(&b.node), 0);
	log_put_groups(b.log, 61, 65, BENCH_GROUP_BYTES);
	bench_expect_state(&b, HF_REPLICA_REFUSED, &status);
	assert_non_null(strstr(status.error, "add it again"));
	stop(&b);
	assert_int_equal(hf_replica_remove(b.store, "first", &err), 0);
	line = node_fixture_invite(&b.node, NULL);
	assert_int_equal(hf_replica_add(b.store, line, "first", &err), 0);
	free(line);
	bench_start(&b);
	bench_expect_current(&b, 1);
	assert_int_equal(status_now(&b).regressed_ns, 0); /* another one, which has signed for nothing yet */
	expect_copy(&b);
	bench_release(&b);
}

static void test_regress_file(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[1]",
		"{\"version\":2,\"count\":\"1\"}",
		"{\"version\":1,\"count\":1,\"found_ns\":\"1\",\"had_tid\":\"1\",\"has_tid\":\"1\"}",
	};
	struct regress r = { 0 }, got;
	struct bench b;
	char path[200];

	(void)state;
	bench_init(&b);
	regress_add(&r, 10, 90, 30);
	regress_add(&r, 20, 50, 40);
	assert_int_equal(regress_write(os_posix(), b.store, "first", &r), 0);
	regress_read(os_posix(), b.store, "first", &got);
	assert_true(got.count == 2 && got.found_ns == 20 && got.had_tid == 90 && got.has_tid == 30);
	(void)snprintf(path, sizeof(path), "%s/replicas/first.regressed", b.store);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(os_write_file(os_posix(), path, bad[i], strlen(bad[i]), 0600), 0);
		regress_read(os_posix(), b.store, "first", &got);
		assert_int_equal(got.count, 0);
	}
	assert_int_equal(regress_remove(os_posix(), b.store, "first", NULL), 0);
	assert_int_equal(regress_remove(os_posix(), b.store, "first", NULL), 0);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_copy),     cmocka_unit_test(test_older_copy_while_shipping),
		cmocka_unit_test(test_receipts_lost),  cmocka_unit_test(test_node_emptied),
		cmocka_unit_test(test_node_made_anew), cmocka_unit_test(test_regress_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
