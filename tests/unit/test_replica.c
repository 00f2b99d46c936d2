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
#include "store/replica/replica.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "tests/unit/node_helper.h"

enum { GROUP_BYTES = 3000, LONG_MS = 20000 };

struct bench {
	struct node_fixture node;
	struct log_fixture volume;
	char store[128]; /* the folder above the log */
	struct log *log;
	struct replica_set *set;
	const uint8_t *id;
};

static void write_store(struct bench *b)
{
	struct volume_descriptor d = { .created_ns = 1 };
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/keys", b->store);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/replicas", b->store);
	assert_int_equal(mkdir(path, 0700), 0);
	memcpy(d.volume_id, b->id, VOLUME_ID_BYTES);
	memcpy(d.owner_public, owner_public(b->volume.owner), PUBLIC_KEY_BYTES);
	assert_int_equal(files_write_keys(os_posix(), b->store, b->volume.keys, NULL), 0);
	assert_int_equal(files_write_descriptor(os_posix(), b->store, &d, NULL), 0);
}

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	node_fixture_init(&b->node);
	log_fixture_init(&b->volume, NULL, 64 << 10);
	(void)snprintf(b->store, sizeof(b->store), "%.*s", (int)(strrchr(b->volume.dir, '/') - b->volume.dir),
		       b->volume.dir);
	b->id = owner_volume_id(b->volume.owner);
	assert_int_equal(log_create(&b->volume.options, &b->volume.cert, &b->log, NULL), 0);
	write_store(b);
}

static void bench_release(struct bench *b)
{
	replica_set_stop(b->set);
	log_close(b->log);
	log_fixture_release(&b->volume);
	node_fixture_release(&b->node);
}

static void add_node(struct bench *b, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;
	char *line = node_fixture_invite(&b->node, NULL);

	if (hf_replica_add(b->store, line, name, &err) < 0)
		fail_msg("%s", err.text);
	free(line);
}

static void start(struct bench *b)
{
	assert_int_equal(replica_set_start(os_posix(), b->store, b->log, b->volume.keys, true, &b->set, NULL),
			 0);
}

static int wait_all(struct bench *b, unsigned timeout_ms, struct hf_error *err)
{
	struct log_point point;

	log_durable(b->log, &point);
	return replica_set_wait(b->set, &point, timeout_ms, err);
}

static void expect_current(struct bench *b, size_t n)
{
	struct hf_replica_status status[4];
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;

	if (wait_all(b, LONG_MS, &err) < 0)
		fail_msg("%s", err.text);
	log_durable(b->log, &point);
	assert_int_equal(replica_set_status(b->set, status, 4), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(status[i].acked_tid, point.tid);
		assert_int_equal(status[i].lag_bytes, 0);
		assert_true(status[i].lag_seconds == 0);
		assert_string_equal(status[i].error, "");
	}
}

static enum hf_replica_state state_of(struct bench *b, struct hf_replica_status *ret)
{
	assert_int_equal(replica_set_status(b->set, ret, 1), 1);
	return ret->state;
}

/* Wait for a state, for a bounded time. */
static void expect_state(struct bench *b, enum hf_replica_state want, struct hf_replica_status *ret)
{
	const struct timespec pause = { 0, 20000000 };

	for (int i = 0; i < LONG_MS / 20 && state_of(b, ret) != want; i++)
		nanosleep(&pause, NULL);
	assert_string_equal(hf_replica_state_name(ret->state), hf_replica_state_name(want));
}

static void test_catch_up_and_follow(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 150, GROUP_BYTES);
	add_node(&b, "first");
	start(&b);
	expect_current(&b, 1);
	for (uint64_t i = 151; i < 180; i += 3) {
		log_put_groups(b.log, i, i + 2, GROUP_BYTES);
		expect_current(&b, 1);
	}
	bench_release(&b);
}

static void test_empty_log(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	add_node(&b, NULL);
	start(&b);
	expect_current(&b, 1);
	bench_release(&b);
}

static void test_node_restarts(void **state)
{
	struct bench b;
	struct hf_replica_status status;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 20, GROUP_BYTES);
	add_node(&b, "first");
	/* A port that stays the same over the restart. */
	char path[160], text[200];
	(void)snprintf(path, sizeof(path), "%s/node.json", b.node.dir);
	(void)snprintf(text, sizeof(text), "{\"version\":1,\"listen\":\"%s\",\"created_ns\":\"1\"}",
		       hf_node_url(b.node.node) + strlen("https://"));
	assert_int_equal(os_write_file(os_posix(), path, text, strlen(text), 0600), 0);
	start(&b);
	expect_current(&b, 1);
	node_fixture_stop(&b.node);
	log_put_groups(b.log, 21, 40, GROUP_BYTES);
	assert_int_equal(wait_all(&b, 700, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "first"));
	expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	assert_int_equal(status.acked_tid, 20);
	assert_true(status.lag_bytes > 0 && status.lag_seconds > 0);
	assert_true(status.error[0]);
	assert_int_equal(node_fixture_start(&b.node), 0);
	expect_current(&b, 1);
	/* And with the store started anew while the node is away: the kept receipt says where it was. */
	replica_set_stop(b.set);
	node_fixture_stop(&b.node);
	start(&b);
	expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	assert_int_equal(status.acked_tid, 40);
	assert_int_equal(wait_all(&b, 300, &err), -ETIMEDOUT);
	/* At rest it says the same, and asks nobody. */
	replica_set_stop(b.set);
	assert_int_equal(replica_set_start(os_posix(), b.store, b.log, b.volume.keys, false, &b.set, NULL),
			 0);
	assert_int_equal(state_of(&b, &status), HF_REPLICA_AT_REST);
	assert_int_equal(status.acked_tid, 40);
	assert_int_equal(wait_all(&b, 300, &err), 0);
	bench_release(&b);
}

static void test_stop_is_quick(void **state)
{
	struct bench b;
	struct timespec before, after;
	struct hf_replica_status status;

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 2, GROUP_BYTES);
	add_node(&b, "first");
	node_fixture_stop(&b.node);
	start(&b);
	expect_state(&b, HF_REPLICA_UNREACHABLE, &status);
	clock_gettime(CLOCK_MONOTONIC, &before);
	replica_set_stop(b.set);
	b.set = NULL;
	clock_gettime(CLOCK_MONOTONIC, &after);
	assert_true(after.tv_sec - before.tv_sec < 4);
	bench_release(&b);
}

static void compare_copy(struct bench *b, const char *folder)
{
	struct log_point point;

	log_durable(b->log, &point);
	for (uint32_t n = 1; n <= point.end.segment; n++) {
		CLEANUP(buf_release) struct buf ours = BUF_INIT, theirs = BUF_INIT;
		char a[160], c[300];

		log_fixture_segment(&b->volume, n, a);
		(void)snprintf(c, sizeof(c), "%s/%010u.seg", folder, n);
		assert_int_equal(os_read_file(os_posix(), a, SEGMENT_BYTES_MAX, &ours), 0);
		assert_int_equal(os_read_file(os_posix(), c, SEGMENT_BYTES_MAX, &theirs), 0);
		assert_int_equal(theirs.len, n == point.end.segment ? point.end.offset : ours.len);
		assert_memory_equal(ours.data, theirs.data, theirs.len);
	}
}

static void test_directory(void **state)
{
	struct bench b;
	struct hf_error err = HF_ERROR_INIT;
	char place[160], copy[300], id[HF_VOLUME_ID_TEXT_BYTES];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 100, GROUP_BYTES);
	log_fixture_path(&b.volume, "copy", place);
	assert_int_equal(hf_replica_add(b.store, place, "disk", &err), 0);
	assert_int_equal(hf_replica_add(b.store, place, "disk", &err), -EEXIST);
	add_node(&b, "node");
	start(&b);
	expect_current(&b, 2);
	log_put_groups(b.log, 101, 140, GROUP_BYTES);
	expect_current(&b, 2);
	volume_id_text(b.id, id);
	(void)snprintf(copy, sizeof(copy), "%s/%s/log", place, id);
	compare_copy(&b, copy);
	node_fixture_path(&b.node, b.id, "log", copy);
	compare_copy(&b, copy);
	bench_release(&b);
}

/* The store goes back to an earlier state of itself: the replica holds more, and nothing more is sent. */
static void test_rolled_back_store(void **state)
{
	struct bench b;
	struct hf_replica_status status;
	char old[160];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 10, GROUP_BYTES);
	add_node(&b, "first");
	log_fixture_path(&b.volume, "old", old);
	copy_folder(b.volume.dir, old);
	log_put_groups(b.log, 11, 20, GROUP_BYTES);
	start(&b);
	expect_current(&b, 1);
	replica_set_stop(b.set);
	b.set = NULL;
	log_close(b.log);
	remove_folder(b.volume.dir);
	assert_int_equal(rename(old, b.volume.dir), 0);
	assert_int_equal(log_open(&b.volume.options, NULL, &b.log, NULL), 0);
	start(&b);
	expect_state(&b, HF_REPLICA_REFUSED, &status);
	assert_non_null(strstr(status.error, "holds more than this store"));
	/* Going on from there is a fork, however far it gets. */
	replica_set_stop(b.set);
	log_put_groups(b.log, 11, 40, GROUP_BYTES / 2);
	start(&b);
	expect_state(&b, HF_REPLICA_REFUSED, &status);
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
	add_node(&b, "first");
	assert_int_equal(config_read(os_posix(), b.store, "first", &place, NULL), 0);
	place.pin[3] ^= 1;
	(void)snprintf(path, sizeof(path), "%s/replicas/first.json", b.store);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_write(os_posix(), b.store, "first", &place, NULL), 0);
	start(&b);
	expect_state(&b, HF_REPLICA_REFUSED, &status);
	assert_non_null(strstr(status.error, "pinned"));
	/* The right pin, and another receipt key: receipts are refused. */
	replica_set_stop(b.set);
	place.pin[3] ^= 1;
	place.key[0] ^= 1;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_write(os_posix(), b.store, "first", &place, NULL), 0);
	start(&b);
	expect_state(&b, HF_REPLICA_REFUSED, &status);
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
		start(&b);
		assert_int_equal(state_of(&b, &status), HF_REPLICA_REFUSED);
		assert_string_equal(status.name, "bad");
		assert_true(status.error[0]);
		assert_int_equal(wait_all(&b, 10, NULL), -ETIMEDOUT);
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
	assert_int_equal(hf_replica_add(b.store, line, "two", &err),
			 0); /* enrolled already: the invitation is not even looked at */
	start(&b);
	assert_int_equal(replica_set_status(b.set, &status, 1), 2);
	(void)snprintf(url, sizeof(url), "%s", status.url);
	assert_int_equal(strncmp(url, "https://127.0.0.1:", 18), 0);
	replica_set_stop(b.set);
	b.set = NULL;
	assert_int_equal(hf_replica_remove(b.store, "one", &err), 0);
	assert_int_equal(hf_replica_remove(b.store, "one", &err), -ENOENT);
	assert_int_equal(hf_replica_remove(b.store, "two", &err), 0);
	/* By the URL that status prints. */
	assert_int_equal(hf_replica_add(b.store, url, "again", &err), 0);
	url[strlen(url) - 1] = url[strlen(url) - 1] == '0' ? '1' : '0';
	assert_int_equal(hf_replica_add(b.store, url, "wrong", &err), -EKEYREJECTED);
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

/* A node whose disk lost its end (a backup put back): the replicator sends it again. */
static void test_node_lost_its_end(void **state)
{
	struct bench b;
	struct log_point point;
	char path[256];

	(void)state;
	bench_init(&b);
	log_put_groups(b.log, 1, 5, GROUP_BYTES);
	add_node(&b, "first");
	start(&b);
	expect_current(&b, 1);
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
	start(&b);
	expect_current(&b, 1);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
