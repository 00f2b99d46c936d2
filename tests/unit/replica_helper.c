/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/volume/files.h"
#include "tests/unit/replica_helper.h"

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

void bench_init(struct bench *b)
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

void bench_release(struct bench *b)
{
	replica_set_stop(b->set);
	log_close(b->log);
	log_fixture_release(&b->volume);
	node_fixture_release(&b->node);
}

void node_keep_port(struct node_fixture *n)
{
	char path[160], text[200];

	(void)snprintf(path, sizeof(path), "%s/node.json", n->dir);
	(void)snprintf(text, sizeof(text), "{\"version\":1,\"listen\":\"%s\",\"created_ns\":\"1\"}",
		       hf_node_url(n->node) + strlen("https://"));
	assert_int_equal(os_write_file(os_posix(), path, text, strlen(text), 0600), 0);
}

void bench_add_node(struct bench *b, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;
	char *line = node_fixture_invite(&b->node, NULL);

	if (hf_replica_add(b->store, line, name, &err) < 0)
		fail_msg("%s", err.text);
	free(line);
}

void bench_start(struct bench *b)
{
	assert_int_equal(replica_set_start(os_posix(), b->store, b->log, b->volume.keys, true, &b->set, NULL),
			 0);
}

int bench_wait(struct bench *b, unsigned timeout_ms, struct hf_error *err)
{
	struct log_point point;

	log_durable(b->log, &point);
	return replica_set_wait(b->set, &point, timeout_ms, err);
}

void bench_expect_current(struct bench *b, size_t n)
{
	struct hf_replica_status status[4];
	struct hf_error err = HF_ERROR_INIT;
	struct log_point point;

	if (bench_wait(b, LONG_MS, &err) < 0)
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

enum hf_replica_state bench_state(struct bench *b, struct hf_replica_status *ret)
{
	assert_int_equal(replica_set_status(b->set, ret, 1), 1);
	return ret->state;
}

/* Wait for a state, for a bounded time. */
void bench_expect_state(struct bench *b, enum hf_replica_state want, struct hf_replica_status *ret)
{
	const struct timespec pause = { 0, 20000000 };

	for (int i = 0; i < LONG_MS / 20 && bench_state(b, ret) != want; i++)
		nanosleep(&pause, NULL);
	assert_string_equal(hf_replica_state_name(ret->state), hf_replica_state_name(want));
}

void bench_compare_copy(struct bench *b, const char *folder)
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
