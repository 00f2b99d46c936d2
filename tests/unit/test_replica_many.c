/* SPDX-License-Identifier: MIT */
/*
 * Several replicas of a store that is open: each with its own position, added and removed meanwhile, and an
 * fsync that waits for their receipts.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store/replica/config.h"
#include "tests/unit/replica_helper.h"
#include "tests/unit/store_helper.h"

enum { SHORT_MS = 300 };

struct many {
	struct store_fixture f;
	struct node_fixture a, b;
	char disk[300];
	uint64_t ino;
	size_t puts;
};

/* A store with some past, which is shipped from the next opening on; two nodes at ports that stay. */
static void many_init(struct many *m)
{
	memset(m, 0, sizeof(*m));
	store_fixture_init(&m->f, NULL);
	node_fixture_init(&m->a);
	node_fixture_init(&m->b);
	node_keep_port(&m->a);
	node_keep_port(&m->b);
	(void)snprintf(m->disk, sizeof(m->disk), "%s/disk", m->f.dir);
	m->ino = make_file(&m->f, "file");
	for (int i = 0; i < 20; i++) {
		put_text(&m->f, m->ino, m->puts++, "x");
		commit(&m->f);
	}
	store_close(&m->f);
	m->f.options.flags = 0;
}

static void many_release(struct many *m)
{
	store_fixture_release(&m->f);
	node_fixture_release(&m->a);
	node_fixture_release(&m->b);
}

static int add(struct many *m, struct node_fixture *n, const char *name, struct hf_error *err)
{
	char got[HF_REPLICA_NAME_BYTES], *line = n ? node_fixture_invite(n, NULL) : NULL;
	const struct hf_replica_options options = { .name = name, .ret_name = got };
	const char *place = line ? line : m->disk;
	int r = m->f.store ? hf_store_replica_add(m->f.store, place, &options, err) :
			     hf_replica_add_with(m->f.path, place, &options, err);

	if (r == 0)
		assert_string_equal(got, name);
	free(line);
	return r;
}

static void must_add(struct many *m, struct node_fixture *n, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;

	if (add(m, n, name, &err) < 0)
		fail_msg("%s: %s", name, err.text);
}

static struct hf_replica_status status_named(struct many *m, const char *name)
{
	struct hf_replica_status all[8];
	size_t n = hf_store_replicas(m->f.store, all, 8);

	for (size_t i = 0; i < n && i < 8; i++)
		if (!strcmp(all[i].name, name))
			return all[i];
	fail_msg("no replica is named %s", name);
	return all[0];
}

static void expect_state(struct many *m, const char *name, enum hf_replica_state want)
{
	const struct timespec pause = { 0, 20000000 };
	enum hf_replica_state got = status_named(m, name).state;

	for (int i = 0; i < LONG_MS / 20 && got != want; i++) {
		nanosleep(&pause, NULL);
		got = status_named(m, name).state;
	}
	assert_string_equal(hf_replica_state_name(got), hf_replica_state_name(want));
}

static void must_drain(struct many *m)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_store_drain(m->f.store, LONG_MS, &err) < 0)
		fail_msg("%s", err.text);
}

static void put_more(struct many *m)
{
	put_text(&m->f, m->ino, m->puts++, "y");
	commit(&m->f);
}

/* What the folder of a volume holds, below `place`: bytes in its segments. */
static uint64_t copy_bytes(struct many *m, const char *place)
{
	struct hf_status s = status_of(&m->f);
	uint64_t bytes = 0;
	char path[500];

	for (unsigned i = 1; i <= 100; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/log/%010u.seg", place, s.volume_id, i);
		if (access(path, F_OK) < 0)
			break;
		bytes += file_bytes(path);
	}
	return bytes;
}

static void expect_copies(struct many *m, bool a, bool b, bool disk)
{
	uint64_t bytes = status_of(&m->f).log_bytes;
	char place[200];

	(void)snprintf(place, sizeof(place), "%s/volumes", m->a.dir);
	assert_true((copy_bytes(m, place) == bytes) == a);
	(void)snprintf(place, sizeof(place), "%s/volumes", m->b.dir);
	assert_true((copy_bytes(m, place) == bytes) == b);
	assert_true((copy_bytes(m, m->disk) == bytes) == disk);
}

/* Each has its own position: one that is away keeps nobody back, and catches up. */
static void test_one_away(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_replica_status status;
	struct many m;

	(void)state;
	many_init(&m);
	must_add(&m, &m.a, "a");
	must_add(&m, &m.b, "b");
	must_add(&m, NULL, "disk");
	store_open(&m.f, 0);
	must_drain(&m);
	expect_copies(&m, true, true, true);
	assert_int_equal(status_named(&m, "b").failing_since_ns, 0);
	node_fixture_stop(&m.b);
	put_more(&m);
	expect_state(&m, "b", HF_REPLICA_UNREACHABLE);
	assert_int_equal(hf_store_drain(m.f.store, SHORT_MS, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "replica b"));
	expect_state(&m, "a", HF_REPLICA_CURRENT);
	expect_state(&m, "disk", HF_REPLICA_CURRENT);
	status = status_named(&m, "b");
	assert_true(status.failing_since_ns > 0 && status.lag_bytes > 0);
	assert_int_equal(status_named(&m, "a").failing_since_ns, 0);
	expect_copies(&m, true, false, true);
	assert_int_equal(node_fixture_start(&m.b), 0);
	must_drain(&m);
	expect_copies(&m, true, true, true);
	expect_state(&m, "b", HF_REPLICA_CURRENT);
	assert_int_equal(status_named(&m, "b").failing_since_ns, 0);
	many_release(&m);
}

static void test_add_and_remove_while_open(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_replica_status status;
	uint64_t had;
	char place[200];
	struct many m;

	(void)state;
	many_init(&m);
	must_add(&m, &m.b, "b");
	store_open(&m.f, 0);
	must_add(&m, NULL, "disk");
	must_add(&m, &m.a, "a");
	assert_int_equal(add(&m, &m.a, "a", &err), -EEXIST);
	assert_int_equal(add(&m, &m.a, "no/name", &err), -EINVAL);
	assert_int_equal(hf_store_replicas(m.f.store, &status, 1), 3);
	assert_string_equal(status.name, "a"); /* by name */
	must_drain(&m);
	expect_copies(&m, true, true, true); /* the whole past */
	put_more(&m);
	must_drain(&m);
	expect_copies(&m, true, true, true);
	/* By name, by URL, by path; what is there stays there. */
	had = status_of(&m.f).log_bytes;
	assert_int_equal(hf_store_replica_remove(m.f.store, "nobody", &err), -ENOENT);
	assert_int_equal(hf_store_replica_remove(m.f.store, "b", &err), 0);
	assert_int_equal(hf_store_replica_remove(m.f.store, "b", &err), -ENOENT);
	assert_int_equal(hf_store_replica_remove(m.f.store, m.disk, &err), 0);
	put_more(&m);
	must_drain(&m);
	(void)snprintf(place, sizeof(place), "%s/volumes", m.b.dir);
	assert_int_equal(copy_bytes(&m, place), had);
	assert_int_equal(copy_bytes(&m, m.disk), had);
	expect_copies(&m, true, false, false);
	/* It stays so over a restart. */
	store_close(&m.f);
	store_open(&m.f, 0);
	assert_int_equal(hf_store_replicas(m.f.store, NULL, 0), 1);
	many_release(&m);
}

static void test_return_of_a_removed(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_replica_status status;
	struct many m;

	(void)state;
	many_init(&m);
	store_open(&m.f, 0);
	must_add(&m, NULL, "disk");
	must_add(&m, &m.a, "a");
	must_drain(&m);
	status = status_named(&m, "a");
	assert_int_equal(hf_store_replica_remove(m.f.store, status.url, &err), 0);
	assert_int_equal(hf_store_replica_remove(m.f.store, "disk", &err), 0);
	assert_int_equal(hf_store_replicas(m.f.store, NULL, 0), 0);
	must_drain(&m); /* nothing to wait for */
	put_more(&m);
	must_add(&m, NULL, "second");
	assert_int_equal(hf_store_replica_add(m.f.store, status.url,
					      &(struct hf_replica_options){ .name = NULL }, &err),
			 0);
	must_drain(&m);
	expect_copies(&m, true, false, true);
	assert_int_equal(node_fixture_evidence(&m.a), 0);
	many_release(&m);
}

static void test_limit(void **state)
{
	const struct hf_replica_options slow = { .name = "slow", .limit_bytes_s = 16384 },
					slower = { .name = "slower", .limit_bytes_s = 16383 };
	struct hf_error err = HF_ERROR_INIT;
	static uint8_t noise[1 << 20];
	struct many m;

	(void)state;
	many_init(&m);
	store_open(&m.f, 0);
	fill_random(noise, sizeof(noise), 1);
	for (int i = 0; i < 16; i++) {
		put(&m.f, m.ino, (uint64_t)i * 65536, noise + i * 65536, 65536);
		commit(&m.f);
	}
	assert_int_equal(hf_store_replica_add(m.f.store, m.disk, &slower, &err), -EINVAL);
	assert_int_equal(hf_store_replica_add(m.f.store, m.disk, &slow, &err), 0);
	assert_int_equal(status_named(&m, "slow").limit_bytes_s, 16384);
	/* A MiB takes a minute so. */
	assert_int_equal(hf_store_drain(m.f.store, 1000, &err), -ETIMEDOUT);
	assert_int_equal(hf_store_replica_limit(m.f.store, "slow", 1, &err), -EINVAL);
	store_close(&m.f);
	store_open(&m.f, 0);
	assert_int_equal(status_named(&m, "slow").limit_bytes_s, 16384);
	assert_int_equal(hf_store_drain(m.f.store, 1000, &err), -ETIMEDOUT);
	assert_int_equal(hf_store_replica_limit(m.f.store, "slow", 0, &err), 0);
	must_drain(&m); /* at once, whatever is owed */
	assert_int_equal(status_named(&m, "slow").limit_bytes_s, 0);
	expect_copies(&m, false, false, true);
	store_close(&m.f);
	assert_int_equal(hf_replica_limit(m.f.path, "slow", 5 << 20, &err), 0);
	assert_int_equal(hf_replica_limit(m.f.path, "fast", 5 << 20, &err), -ENOENT);
	store_open(&m.f, 0);
	assert_int_equal(status_named(&m, "slow").limit_bytes_s, 5 << 20);
	many_release(&m);
}

/* Of a store at rest, nothing but adding one needs its keys: they may be behind a passphrase, or gone. */
static void test_without_keys(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	char keys[300], away[300];
	struct many m;

	(void)state;
	many_init(&m);
	must_add(&m, NULL, "disk");
	must_add(&m, &m.a, "a");
	(void)snprintf(keys, sizeof(keys), "%s/keys", m.f.path);
	(void)snprintf(away, sizeof(away), "%s/away", m.f.dir);
	assert_int_equal(rename(keys, away), 0);
	assert_true(add(&m, &m.b, "b", &err) < 0);
	assert_int_equal(hf_replica_limit(m.f.path, m.disk, 1 << 20, &err), 0);
	assert_int_equal(hf_replica_acknowledge(m.f.path, "a", &err), 0);
	assert_int_equal(hf_replica_remove(m.f.path, "b", &err), -ENOENT);
	assert_int_equal(hf_replica_remove(m.f.path, "a", &err), 0);
	assert_int_equal(rename(away, keys), 0);
	store_open(&m.f, 0);
	assert_int_equal(hf_store_replicas(m.f.store, NULL, 0), 1);
	assert_int_equal(status_named(&m, "disk").limit_bytes_s, 1 << 20);
	many_release(&m);
}

static void test_at_rest_and_read_only(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct many m;

	(void)state;
	many_init(&m);
	store_open(&m.f, 0);
	assert_int_equal(hf_replica_add(m.f.path, m.disk, "disk", &err), -EBUSY); /* it is open here */
	store_close(&m.f);
	store_open(&m.f, HF_OPEN_READ_ONLY);
	assert_int_equal(add(&m, NULL, "disk", &err), -EROFS);
	store_close(&m.f);
	store_open(&m.f, HF_OPEN_NO_REPLICATION);
	must_add(&m, NULL, "disk");
	expect_state(&m, "disk", HF_REPLICA_AT_REST);
	must_drain(&m);
	store_close(&m.f);
	store_open(&m.f, 0);
	must_drain(&m);
	expect_copies(&m, false, false, true);
	many_release(&m);
}

/* --- an fsync that waits */

static int put_and_fsync(struct many *m, struct hf_error *err)
{
	put_text(&m->f, m->ino, m->puts++, "z");
	return hf_fsync(m->f.store, m->ino, err);
}

static struct hf_sync_status sync_status(struct many *m)
{
	struct hf_sync_status s;

	hf_store_sync_status(m->f.store, &s);
	return s;
}

/* The node of this name once more, under another one and by this host: as earlier builds took it. */
static void add_twin(struct many *m, const char *name, const char *again, const char *host)
{
	struct hf_error err = HF_ERROR_INIT;
	struct place place;
	char url[PLACE_URL_BYTES];

	if (config_read(os_posix(), m->f.path, name, &place, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(strncmp(place.url, "https://127.0.0.1:", 18), 0);
	(void)snprintf(url, sizeof(url), "https://%s:%.200s", host, place.url + 18);
	memcpy(place.url, url, sizeof(url));
	if (config_write(os_posix(), m->f.path, again, &place, &err) < 0)
		fail_msg("%s", err.text);
	place_release(&place);
}

static void test_sync(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct many m;

	(void)state;
	many_init(&m);
	m.f.options.sync_receipts = 1;
	m.f.options.sync_timeout_ms = LONG_MS;
	store_open_fails(&m.f, 0, -EINVAL, "wait for 1 receipt");
	must_add(&m, &m.a, "a");
	must_add(&m, &m.b, "b");
	add_twin(&m, "b", "b-again", "127.0.0.1"); /* one place, and so one receipt */
	add_twin(&m, "b", "b-by-number", "127.1");
	m.f.options.sync_receipts = 3;
	store_open_fails(&m.f, 0, -EINVAL, "there are 2 replicas");
	m.f.options.sync_receipts = 2;
	store_open(&m.f, 0);
	for (int i = 0; i < 20; i++) {
		uint64_t tid;

		if (put_and_fsync(&m, &err) < 0)
			fail_msg("%s", err.text);
		tid = status_of(&m.f).head_tid; /* with its receipts there already */
		assert_int_equal(status_named(&m, "a").acked_tid, tid);
		assert_true(status_named(&m, "b").acked_tid == tid ||
			    status_named(&m, "b-again").acked_tid == tid ||
			    status_named(&m, "b-by-number").acked_tid == tid);
	}
	assert_int_equal(hf_fsync(m.f.store, m.ino, &err), 0); /* nothing new */
	assert_int_equal(sync_status(&m).needed, 2);
	assert_int_equal(sync_status(&m).failed, 0);
	/* None that is needed can be taken away; with another one it can. */
	assert_int_equal(hf_store_replica_remove(m.f.store, "a", &err), -EBUSY);
	assert_non_null(strstr(err.text, "sync=replica:2"));
	assert_int_equal(hf_store_replica_remove(m.f.store, "b", &err), 0); /* b again is the same */
	assert_int_equal(hf_store_replica_remove(m.f.store, "b-by-number", &err), 0);
	assert_int_equal(hf_store_replica_remove(m.f.store, "b-again", &err), -EBUSY);
	must_add(&m, NULL, "disk");
	assert_int_equal(hf_store_replica_remove(m.f.store, "a", &err), 0);
	assert_int_equal(put_and_fsync(&m, &err), 0);
	many_release(&m);
}

/* One of two is away: one receipt comes, two do not. What was written is durable here, and goes there later.
 */
static void test_sync_one_away(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_status s;
	struct many m;

	(void)state;
	many_init(&m);
	must_add(&m, &m.a, "a");
	must_add(&m, &m.b, "b");
	m.f.options.sync_receipts = 1;
	m.f.options.sync_timeout_ms = LONG_MS;
	store_open(&m.f, 0);
	must_drain(&m);
	node_fixture_stop(&m.b);
	for (int i = 0; i < 5; i++)
		if (put_and_fsync(&m, &err) < 0)
			fail_msg("%s", err.text);
	store_close(&m.f);
	m.f.options.sync_receipts = 2;
	m.f.options.sync_timeout_ms = SHORT_MS;
	store_open(&m.f, 0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(put_and_fsync(&m, &err), -EIO);
		assert_non_null(strstr(err.text, "durable on this machine"));
		assert_non_null(strstr(err.text, "replica b"));
		assert_int_equal(sync_status(&m).failed, i);
		assert_true(sync_status(&m).failed_ns > 0);
		assert_string_equal(sync_status(&m).text, err.text);
	}
	s = status_of(&m.f);
	assert_int_equal(s.committed_tid, s.head_tid);
	assert_int_equal(s.failed, 0);
	expect_state(&m, "a", HF_REPLICA_CURRENT); /* it was not kept back */
	assert_int_equal(status_named(&m, "a").acked_tid, s.head_tid);
	assert_int_equal(node_fixture_start(&m.b), 0);
	must_drain(&m);
	assert_int_equal(put_and_fsync(&m, &err), 0);
	assert_string_equal(sync_status(&m).text, "");
	assert_int_equal(sync_status(&m).failed, 3);
	expect_copies(&m, true, true, false);
	many_release(&m);
}

struct syncer {
	pthread_t thread;
	struct many *m;
	int code;
};

static void *sync_many(void *arg)
{
	struct syncer *s = arg;

	for (int i = 0; i < 20 && s->code == 0; i++) {
		(void)hf_write(s->m->f.store, s->m->ino, (uint64_t)i, "w", 1, 0, NULL);
		s->code = hf_fsync(s->m->f.store, s->m->ino, NULL);
	}
	return NULL;
}

/* From several threads, while replicas come, go and are looked at. */
static void test_sync_threads(void **state)
{
	struct syncer syncers[6];
	struct hf_error err = HF_ERROR_INIT;
	struct hf_replica_status status[4];
	struct many m;

	(void)state;
	many_init(&m);
	must_add(&m, &m.a, "a");
	m.f.options.sync_receipts = 1;
	m.f.options.sync_timeout_ms = LONG_MS;
	store_open(&m.f, 0);
	for (size_t i = 0; i < 6; i++) {
		syncers[i] = (struct syncer){ .m = &m };
		assert_int_equal(pthread_create(&syncers[i].thread, NULL, sync_many, &syncers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		must_add(&m, i % 2 ? &m.b : NULL, "other");
		assert_int_equal(hf_store_replicas(m.f.store, status, 4), 2);
		if (hf_store_replica_remove(m.f.store, "other", &err) < 0)
			fail_msg("%s", err.text);
	}
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(pthread_join(syncers[i].thread, NULL), 0);
		assert_int_equal(syncers[i].code, 0);
	}
	assert_int_equal(status_named(&m, "a").acked_tid, status_of(&m.f).head_tid);
	many_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_away),
		cmocka_unit_test(test_add_and_remove_while_open),
		cmocka_unit_test(test_return_of_a_removed),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_at_rest_and_read_only),
		cmocka_unit_test(test_sync),
		cmocka_unit_test(test_sync_one_away),
		cmocka_unit_test(test_sync_threads),
		cmocka_unit_test(test_without_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
