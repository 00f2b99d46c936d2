/* SPDX-License-Identifier: MIT */
/* The replicator against a node and against a folder: catching up, following, surviving. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/replica/config.h"
#include "store/volume/kit.h"
#include "tests/unit/replica_helper.h"

static void test_catch_up_and_follow(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 150, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	bench_start(&b);
	bench_expect_current(&b, 1);
	for (uint64_t i = 151; i < 180; i += 3) {
		log_put_groups(b.log, i, i + 2, BENCH_GROUP_BYTES);
		bench_expect_current(&b, 1);
	}
	bench_release(&b);
}

static void test_empty_log(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_add_node(&b, NULL);
	bench_start(&b);
	bench_expect_current(&b, 1);
	bench_release(&b);
}

static void test_node_restarts(void **state)
{
	struct bench b;
	struct hf_replica_status status;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 20, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	node_keep_port(&b.node);
	bench_start(&b);
	bench_expect_current(&b, 1);
	node_fixture_stop(&b.node);
	log_put_groups(b.log, 21, 40, BENCH_GROUP_BYTES);
	assert_int_equal(bench_wait(&b, 700, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "first"));
	bench_expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	assert_int_equal(status.acked_tid, 20);
	assert_true(status.lag_bytes > 0 && status.lag_seconds > 0);
	assert_true(status.error[0]);
	assert_int_equal(node_fixture_start(&b.node), 0);
	bench_expect_current(&b, 1);
	/* And with the store started anew while the node is away: the kept receipt says where it was. */
	replica_set_stop(b.set);
	node_fixture_stop(&b.node);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	assert_int_equal(status.acked_tid, 40);
	assert_int_equal(bench_wait(&b, 300, &err), -ETIMEDOUT);
	/* At rest it says the same, and asks nobody. */
	replica_set_stop(b.set);
	assert_int_equal(replica_set_start(os_posix(), b.store, b.log, b.volume.keys, false, &b.set, NULL),
			 0);
	assert_int_equal(bench_state(&b, &status), HF_REPLICA_AT_REST);
	assert_int_equal(status.acked_tid, 40);
	assert_int_equal(bench_wait(&b, 300, &err), 0);
	bench_release(&b);
}

static void test_stop_is_quick(void **state)
{
	struct bench b;
	struct timespec before, after;
	struct hf_replica_status status;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 2, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	node_fixture_stop(&b.node);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	clock_gettime(CLOCK_MONOTONIC, &before);
	replica_set_stop(b.set);
	b.set = NULL;
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 4);
	bench_release(&b);
}

static void test_directory(void **state)
{
	struct bench b;
	struct hf_error err = HF_ERROR_INIT;
	char place[160], copy[300], id[HF_VOLUME_ID_TEXT_BYTES];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 100, BENCH_GROUP_BYTES);
	log_fixture_path(&b.volume, "copy", place);
	assert_int_equal(hf_replica_add(b.store, place, "disk", &err), -EINVAL); /* in the store itself */
	(void)snprintf(place, sizeof(place), "%.140s-copy", b.store);
	assert_int_equal(hf_replica_add(b.store, place, "disk", &err), 0);
	assert_int_equal(hf_replica_add(b.store, place, "disk", &err), -EEXIST);
	bench_add_node(&b, "node");
	bench_start(&b);
	bench_expect_current(&b, 2);
	log_put_groups(b.log, 101, 140, BENCH_GROUP_BYTES);
	bench_expect_current(&b, 2);
	volume_id_text(b.id, id);
	(void)snprintf(copy, sizeof(copy), "%s/%s/log", place, id);
	bench_compare_copy(&b, copy);
	node_fixture_path(&b.node, b.id, "log", copy);
	bench_compare_copy(&b, copy);
	bench_release(&b);
	remove_folder(place);
}

/* The store goes back to an earlier state of itself: the replica holds more, and nothing more is sent. */
static void test_rolled_back_store(void **state)
{
	struct bench b;
	struct hf_replica_status status;
	char old[160];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 10, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	log_fixture_path(&b.volume, "old", old);
	copy_folder(b.volume.dir, old);
	log_put_groups(b.log, 11, 20, BENCH_GROUP_BYTES);
	bench_start(&b);
	bench_expect_current(&b, 1);
	replica_set_stop(b.set);
	b.set = NULL;
	log_close(b.log);
	remove_folder(b.volume.dir);
	assert_int_equal(rename(old, b.volume.dir), 0);
	assert_int_equal(log_open(&b.volume.options, NULL, &b.log, NULL), 0);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_REFUSED, &status);
	assert_non_null(strstr(status.error, "holds more than this store"));
	/* Going on from there is a fork, however far it gets. */
	replica_set_stop(b.set);
	log_put_groups(b.log, 11, 40, BENCH_GROUP_BYTES / 2);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_REFUSED, &status);
	assert_non_null(strstr(status.error, "another history"));
	assert_int_equal(node_fixture_evidence(&b.node), 0); /* it was never sent */
	bench_release(&b);
}

/* Another node at the same address: the pin does not match. */
static void test_wrong_node(void **state)
{
	struct bench b;
	struct place place;
	struct hf_replica_status status;
	char path[200];

	(void)state;
	bench_init(&b);
	bench_add_node(&b, "first");
	assert_int_equal(config_read(os_posix(), b.store, "first", &place, NULL), 0);
	place.pin[3] ^= 1;
	(void)snprintf(path, sizeof(path), "%s/replicas/first.json", b.store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_write(os_posix(), b.store, "first", &place, NULL), 0);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_REFUSED, &status);
	assert_non_null(strstr(status.error, "pinned"));
	/* The right pin, and another receipt key: receipts are refused. */
	replica_set_stop(b.set);
	place.pin[3] ^= 1;
	place.key[0] ^= 1;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_write(os_posix(), b.store, "first", &place, NULL), 0);
	bench_start(&b);
	bench_expect_state(&b, HF_REPLICA_REFUSED, &status);
	place_release(&place);
	bench_release(&b);
}

static void test_bad_files(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{\"version\":2}",
		"{\"version\":1,\"kind\":\"tape\"}",
		"{\"version\":1,\"kind\":\"node\",\"url\":\"http://x:1\"}",
		"{\"version\":1,\"kind\":\"directory\",\"path\":\"relative\"}",
		"{\"version\":1,\"version\":1,\"kind\":\"directory\",\"path\":\"/x\"}",
	};
	struct bench b;
	struct hf_replica_status status;
	char path[200];

	(void)state;
	bench_init(&b);
	(void)snprintf(path, sizeof(path), "%s/replicas/bad.json", b.store);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(os_write_file(os_posix(), path, texts[i], strlen(texts[i]), 0600), 0);
		bench_start(&b);
		assert_int_equal(bench_state(&b, &status), HF_REPLICA_REFUSED);
		assert_string_equal(status.name, "bad");
		assert_true(status.error[0]);
		assert_int_equal(bench_wait(&b, 10, NULL), -ETIMEDOUT);
		replica_set_stop(b.set);
		b.set = NULL;
	}
	bench_release(&b);
}

static void test_add_and_remove(void **state)
{
	struct bench b;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_replica_status status;
	char *line, url[512];

	(void)state;
	bench_init(&b);
	line = node_fixture_invite(&b.node, NULL);
	assert_int_equal(hf_replica_add(b.store, line, "../x", &err), -EINVAL);
	assert_int_equal(hf_replica_add(b.store, "ftp://x", NULL, &err), -EINVAL);
	assert_int_equal(hf_replica_add(b.store, "holdfast-invite:AAAA", NULL, &err), -EINVAL);
	assert_int_equal(hf_replica_add("/nowhere", line, NULL, &err), -ENOENT);
	assert_int_equal(hf_replica_add(b.store, line, "one", &err), 0);
	assert_int_equal(hf_replica_add(b.store, line, "two", &err), -EEXIST); /* it is the same node */
	assert_non_null(strstr(err.text, "the replica one already"));
	bench_start(&b);
	assert_int_equal(replica_set_status(b.set, &status, 1), 1);
	(void)snprintf(url, sizeof(url), "%s", status.url);
	assert_int_equal(strncmp(url, "https://127.0.0.1:", 18), 0);
	replica_set_stop(b.set);
	b.set = NULL;
	assert_int_equal(hf_replica_remove(b.store, "one", &err), 0);
	assert_int_equal(hf_replica_remove(b.store, "one", &err), -ENOENT);
	/* Enrolled already: the invitation is not even looked at. */
	assert_int_equal(hf_replica_add(b.store, line, "two", &err), 0);
	assert_int_equal(hf_replica_remove(b.store, "two", &err), 0);
	/* By the URL that status prints. */
	assert_int_equal(hf_replica_add(b.store, url, "again", &err), 0);
	url[strlen(url) - 1] = url[strlen(url) - 1] == '0' ? '1' : '0';
	assert_int_equal(hf_replica_add(b.store, url, "wrong", &err), -EKEYREJECTED);
	assert_int_equal(hf_replica_remove(b.store, "again", &err), 0);
	/* A used invitation, by another volume. */
	struct bench other;
	bench_init(&other);
	free(line);
	line = node_fixture_invite(&other.node, b.id);
	assert_int_equal(hf_replica_add(other.store, line, NULL, &err), -EKEYREJECTED);
	free(line);
	line = node_fixture_invite(&b.node, b.id);
	node_fixture_stop(&b.node);
	assert_int_equal(hf_replica_add(b.store, line, NULL, &err), -ECONNREFUSED);
	free(line);
	bench_release(&other);
	bench_release(&b);
}

struct few_unlinks {
	struct os os;
	int left;
};

static int few_unlink(void *state, const char *path)
{
	struct few_unlinks *few = state;

	return few->left-- > 0 ? os_posix()->unlink(os_posix()->state, path) : -EIO;
}

static void count_file(void *arg, const char *name)
{
	*(int *)arg += name[0] != '.';
}

/* Cut short at any file, it is a replica still, and can be removed: nothing is left for one of its name. */
static void test_removed_in_part(void **state)
{
	static const char *const beside[] = { "credentials", "receipt", "regressed" };
	struct few_unlinks few = { .os = *os_posix() };
	struct hf_error err = HF_ERROR_INIT;
	char path[256], folder[200];
	struct bench b;
	int files;

	(void)state;
	assert_null(few.os.state); /* the others do not look at it */
	few.os.state = &few;
	few.os.unlink = few_unlink;
	bench_init(&b);
	(void)snprintf(folder, sizeof(folder), "%s/replicas", b.store);
	for (int n = 0; n <= 3; n++) {
		assert_int_equal(config_write(os_posix(), b.store, "one", &b.node.place, NULL), 0);
		for (size_t i = 0; i < 3; i++) {
			(void)snprintf(path, sizeof(path), "%s/one.%s", folder, beside[i]);
			assert_int_equal(os_write_file(os_posix(), path, "x", 1, 0600), 0);
		}
		few.left = n;
		assert_int_equal(config_remove(&few.os, b.store, "one", &err), -EIO);
		assert_true(config_exists(os_posix(), b.store, "one"));
		assert_int_equal(config_remove(os_posix(), b.store, "one", &err), 0);
		files = 0;
		assert_int_equal(os_posix()->list(os_posix()->state, folder, count_file, &files), 0);
		assert_int_equal(files, 0);
	}
	assert_int_equal(config_remove(os_posix(), b.store, "one", &err), -ENOENT);
	bench_release(&b);
}

/* A node whose disk lost its end (a backup put back): the replicator sends it again. */
static void test_node_lost_its_end(void **state)
{
	struct bench b;
	struct log_point point;
	char path[256];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 5, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	bench_start(&b);
	bench_expect_current(&b, 1);
	log_durable(b.log, &point);
	replica_set_stop(b.set);
	b.set = NULL;
	node_fixture_stop(&b.node);
	node_fixture_path(&b.node, b.id, "log/0000000001.seg", path);
	assert_int_equal(truncate(path, (off_t)point.end.offset - 10), 0);
	assert_int_equal(node_fixture_start(&b.node), 0);
	struct place place = b.node.place;
	place.has_token = false;
	(void)snprintf(path, sizeof(path), "%s/replicas/first.json", b.store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_write(os_posix(), b.store, "first", &place, NULL), 0); /* another port */
	bench_start(&b);
	bench_expect_current(&b, 1);
	bench_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_catch_up_and_follow), cmocka_unit_test(test_empty_log),
		cmocka_unit_test(test_node_restarts),       cmocka_unit_test(test_stop_is_quick),
		cmocka_unit_test(test_directory),           cmocka_unit_test(test_rolled_back_store),
		cmocka_unit_test(test_wrong_node),          cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_add_and_remove),      cmocka_unit_test(test_node_lost_its_end),
		cmocka_unit_test(test_removed_in_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
