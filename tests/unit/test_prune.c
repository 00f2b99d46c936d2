/* SPDX-License-Identifier: MIT */
/* What an owner lets go, from the plan to a recovery without it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/replica.h"
#include "store/format/prune.h"
#include "store/node/prune_file.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "tests/unit/prune_helper.h"
#include "tests/unit/replica_helper.h"
#include "tests/unit/scratch.h"

static const uint64_t minute_s = 60;

static void hand_in(struct past *p, uint32_t number)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_prune got;

	if (hf_node_prune(p->node.dir, p->list, p->len, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(got.number, number);
	assert_int_equal(got.state, HF_PRUNE_NEW);
	assert_int_equal(got.bytes, p->plan.bytes);
	assert_int_equal(got.before_tid, p->second);
}

/* hf_node_prune fails with this and such words. */
static void not_taken(struct past *p, const char *dir, const void *list, size_t len, int code,
		      const char *words)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node_prune got;
	int r = hf_node_prune(dir ? dir : p->node.dir, list, len, &got, &err);

	if (r != code || !strstr(err.text, words))
		fail_msg("%d %s, not %d and \"%s\"", r, err.text, code, words);
}

static size_t open_alarms(const struct past *p, const char *kind, char words[HF_ALARM_WORDS_BYTES])
{
	struct hf_node_status s;
	size_t n = 0;

	assert_int_equal(hf_node_status(p->node.dir, &s, NULL), 0);
	for (size_t i = 0; i < s.n_alarms; i++)
		if (strcmp(s.alarms[i].kind, kind) == 0) {
			memcpy(words, s.alarms[i].words, HF_ALARM_WORDS_BYTES);
			n++;
		}
	hf_node_status_release(&s);
	return n;
}

/* --- from the list to the bytes */

static void recover_and_look(struct past *p, const char *from, const char *path)
{
	struct hf_check_summary sum;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION, .cache_bytes = 16 << 20 };
	struct hf_recovery got;
	struct hf_store *store;

	if (hf_recover(from, p->store.kit, path, NULL, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(hf_store_check(path, NULL, NULL, &sum, NULL, &err), 0);
	assert_int_equal(sum.pruned_frames, p->plan.frames);
	for (int round = 0; round < 2; round++) {
		if (hf_store_open(path, &o, &store, &err) < 0)
			fail_msg("%s", err.text);
		past_expect(p, store, false);
		assert_int_equal(hf_store_close(store, NULL), 0);
		o.flags |= HF_OPEN_REBUILD;
	}
}

static void place_of(struct past *p, char out[600])
{
	CLEANUP(buf_release) struct buf url = BUF_INIT;

	memcpy(p->node.place.volume_id, past_volume(p), VOLUME_ID_BYTES);
	p->node.place.has_volume = true;
	assert_int_equal(place_url(&p->node.place, &url), 0);
	(void)snprintf(out, 600, "%s", buf_cstr(&url));
}

/* The node's folder of the volume, without the list: what is not there is then missing. */
static void recover_without_list(struct past *p, const char *path)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_recovery got;
	char list[256], folder[256];

	node_fixture_path(&p->node, past_volume(p), "prunes/000001.list", list);
	node_fixture_path(&p->node, past_volume(p), "", folder);
	folder[strlen(folder) - 1] = 0;
	assert_int_equal(unlink(list), 0);
	assert_int_equal(hf_recover(folder, p->store.kit, path, NULL, &got, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "no list that the owner signed"));
}

/* A replica begun anew by a store that lacks what was pruned lacks it too, and says so. */
static void begin_replica(struct past *p, const char *store, const char *place, const char *name)
{
	struct hf_open_options o = { .cache_bytes = 16 << 20 };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_store *s = NULL;

	if (hf_replica_remove(store, "node", &err) < 0 && err.code != -ENOENT)
		fail_msg("%s", err.text);
	if (hf_replica_add(store, place, name, &err) < 0 || hf_store_open(store, &o, &s, &err) < 0 ||
	    hf_store_drain(s, 30000, &err) < 0)
		fail_msg("%s", err.text);
	past_expect(p, s, false);
	assert_int_equal(hf_store_close(s, NULL), 0);
}

/* It is told again what may be missing when it has lost that, though shipping goes on. */
static void forget_what_it_knows(struct past *p, struct node_fixture *n, const char *store)
{
	struct hf_open_options o = { .cache_bytes = 16 << 20 };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_store *s = NULL;
	char path[256];

	if (hf_store_open(store, &o, &s, &err) < 0 || hf_store_drain(s, 30000, &err) < 0)
		fail_msg("%s", err.text);
	node_fixture_stop(n);
	node_fixture_path(n, past_volume(p), "prunes", path);
	remove_folder(path);
	node_fixture_path(n, past_volume(p), "log", path);
	remove_folder(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(node_fixture_start(n), 0);
	if (hf_write(s, p->ino, 0, p->new, 1, 0, &err) < 0 || hf_store_drain(s, 30000, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(hf_store_close(s, NULL), 0);
}

static void begin_replicas(struct past *p, const char *store)
{
	struct hf_node_prune *prunes = NULL;
	struct node_fixture second;
	char folder[300], again[300];
	char *line;
	size_t n = 0;

	node_fixture_init(&second);
	line = node_fixture_invite(&second, NULL);
	begin_replica(p, store, line, "second");
	free(line);
	node_keep_port(&second);
	forget_what_it_knows(p, &second, store);
	assert_int_equal(hf_node_prunes(second.dir, &prunes, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(prunes[0].state, HF_PRUNE_KNOWN);
	free(prunes);
	(void)snprintf(folder, sizeof(folder), "%s/folder", p->store.dir);
	begin_replica(p, store, folder, "folder");
	(void)snprintf(again, sizeof(again), "%s/from-folder", p->store.dir);
	recover_and_look(p, folder, again);
	node_fixture_release(&second);
}

static void test_whole_way(void **state)
{
	char place[600], path[300], words[HF_ALARM_WORDS_BYTES];
	struct hf_node_check_summary sum;
	struct hf_node_prune is;
	uint64_t blocks;
	struct still s;
	struct past p;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	still_init(&s, &p);
	blocks = past_blocks(&p);
	still_look(&s, 0);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_ANNOUNCED);
	assert_int_equal(open_alarms(&p, "prune", words), 1);
	assert_non_null(strstr(words, "in 14 days and 0 hours of serving"));
	still_wait(&s, 13);
	is = still_prune(&s, 1);
	assert_int_equal(is.state, HF_PRUNE_ANNOUNCED);
	assert_int_equal(is.waited_s, 13 * 86400);
	assert_int_equal(past_blocks(&p), blocks);
	still_wait(&s, 1);
	is = still_prune(&s, 1);
	assert_int_equal(is.state, HF_PRUNE_DONE);
	assert_int_equal(is.segments_done, is.segments);
	assert_int_equal(is.freed_bytes, p.plan.bytes);
	assert_true(past_blocks(&p) < blocks - PAST_BYTES / 10 * 9);
	still_release(&s);
	assert_int_equal(open_alarms(&p, "prune", words), 1);
	assert_non_null(strstr(words, "done"));

	assert_int_equal(node_fixture_start(&p.node), 0);
	assert_int_equal(hf_node_check(p.node.dir, NULL, NULL, NULL, &sum, NULL, NULL),
			 0); /* it is no damage */
	assert_true(sum.segments > 1);
	place_of(&p, place);
	(void)snprintf(path, sizeof(path), "%s/again", p.store.dir);
	recover_and_look(&p, place, path);
	begin_replicas(&p, path);
	(void)snprintf(path, sizeof(path), "%s/without", p.store.dir);
	recover_without_list(&p, path);
	store_open(&p.store, HF_OPEN_NO_REPLICATION); /* the primary keeps everything */
	past_expect(&p, p.store.store, true);
	store_close(&p.store);
	past_release(&p);
}

/* --- what keeps it from being done */

static void test_refused(void **state)
{
	struct node_fixture other;
	struct past p, strange;
	uint8_t *bad;
	void *first;
	size_t first_len;

	(void)state;
	past_init(&p);
	past_init(&strange);
	node_fixture_init(&other);
	bad = malloc(p.len);
	assert_non_null(bad);
	for (size_t at = 0; at < p.len; at += 13) {
		struct hf_node_prune got;

		memcpy(bad, p.list, p.len);
		bad[at] ^= 1;
		assert_true(hf_node_prune(p.node.dir, bad, p.len, &got, NULL) < 0);
	}
	free(bad);
	not_taken(&p, NULL, p.list, p.len - 1, -EUCLEAN, "prune list");
	not_taken(&p, NULL, strange.list, strange.len, -ENOENT, "not on this node");
	not_taken(&p, other.dir, p.list, p.len, -ENOENT, "not on this node");
	hand_in(&p, 1);
	not_taken(&p, NULL, p.list, p.len, -EEXIST, "handed in before, as prune 1");
	first = p.list;
	first_len = p.len;
	p.list = NULL;
	past_plan(&p);
	not_taken(&p, NULL, p.list, p.len, -EEXIST, "one at a time");
	assert_int_equal(hf_node_prune_cancel(p.node.dir, 7, &(struct hf_node_prune){ 0 }, NULL), -ENOENT);
	assert_int_equal(hf_node_prune_cancel(p.node.dir, 1, &(struct hf_node_prune){ 0 }, NULL), 0);
	assert_int_equal(hf_node_prune_cancel(p.node.dir, 1, &(struct hf_node_prune){ 0 }, NULL), -EALREADY);
	not_taken(&p, NULL, first, first_len, -EEXIST, "it is cancelled");
	hand_in(&p, 2);
	free(first);
	node_fixture_release(&other);
	past_release(&strange);
	past_release(&p);
}

static void test_cancelled(void **state)
{
	char words[HF_ALARM_WORDS_BYTES];
	struct hf_node_prune is;
	uint64_t blocks;
	struct still s;
	struct past p;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	still_init(&s, &p);
	blocks = past_blocks(&p);
	still_look(&s, 0);
	still_wait(&s, 13);
	assert_int_equal(hf_node_prune_cancel(p.node.dir, 1, &is, NULL), 0);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_CANCELLED);
	still_wait(&s, 2);
	still_again(&s);
	assert_int_equal(open_alarms(&p, "prune", words), 1);
	assert_non_null(strstr(words, "cancelled"));
	still_wait(&s, 2);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_CANCELLED);
	assert_int_equal(past_blocks(&p), blocks);
	still_release(&s);
	past_release(&p);
}

struct hand {
	struct past *p;
	int r;
	struct hf_error err;
	struct hf_node_prune got;
};

static void *hand_in_beside(void *arg)
{
	struct hand *h = arg;

	h->r = hf_node_prune(h->p->node.dir, h->p->list, h->p->len, &h->got, &h->err);
	return NULL;
}

/* Two at the same time are one after the other: the second finds the first. */
static void test_one_at_a_time(void **state)
{
	struct hand h = { .r = 0 };
	struct volumes *volumes = NULL;
	uint32_t number = 0;
	pthread_t thread;
	struct past p;
	size_t first_len;
	void *first;
	int turn;

	(void)state;
	past_init(&p);
	first = p.list;
	first_len = p.len;
	p.list = NULL;
	past_plan(&p);
	h.p = &p;
	assert_int_equal(volumes_open(os_posix(), p.node.dir, true, &volumes, NULL), 0);
	turn = prune_file_turn(p.node.dir, NULL);
	assert_true(turn >= 0);
	assert_int_equal(pthread_create(&thread, NULL, hand_in_beside, &h), 0);
	(void)usleep(500000); /* time enough for what it may do without the turn */
	assert_int_equal(prune_file_put(os_posix(), volumes, volumes_nth(volumes, 0), first, first_len,
					&number, NULL),
			 0);
	(void)close(turn);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(h.r, -EEXIST);
	assert_non_null(strstr(h.err.text, "one at a time"));
	volumes_close(volumes);
	free(first);
	past_release(&p);
}

static int no_rename(void *state, const char *from, const char *to)
{
	(void)state;
	(void)from;
	(void)to;
	return -ENOSPC;
}

static void expect_record(struct past *p, const char *words)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	char path[256];

	node_fixture_path(&p->node, past_volume(p), "prunes/000001.json", path);
	assert_int_equal(os_read_file(os_posix(), path, 4096, &text), 0);
	if (!strstr(buf_cstr(&text), words))
		fail_msg("%s: not in: %s", words, buf_cstr(&text));
}

/* An end that could not be written down is at a later look: else it would be said to go on until a restart.
 */
static void test_end_is_written(void **state)
{
	struct hf_node_prune is;
	struct still s;
	struct past p;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	still_init(&s, &p);
	still_look(&s, 0);
	assert_int_equal(hf_node_prune_cancel(p.node.dir, 1, &is, NULL), 0);
	s.os.rename = no_rename;
	still_look(&s, minute_s);
	still_look(&s, minute_s);
	expect_record(&p, "\"announced\"");
	s.os.rename = os_posix()->rename;
	still_look(&s, minute_s);
	expect_record(&p, "\"cancelled\"");
	still_release(&s);
	past_release(&p);
}

static uint64_t year_later(void *state)
{
	return os_posix()->now_ns(state) + UINT64_C(365) * 86400 * 1000000000;
}

/* Neither clock can be pushed, nor does a restart begin or end anything. */
static void test_clocks(void **state)
{
	struct still s;
	struct past p;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	still_init(&s, &p);
	still_look(&s, 0);
	s.os.now_ns = year_later;
	still_look(&s, 10);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_ANNOUNCED);
	still_look(&s, 365 * 86400); /* as long as this it cannot have been served between two looks */
	still_wait(&s, 3);
	still_again(&s);
	assert_int_equal(still_prune(&s, 1).waited_s, 3 * 86400 + 10 + minute_s);
	still_look(&s, 0);
	still_wait(&s, 10);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_ANNOUNCED);
	s.delay_s = 20 * 86400; /* raised since: that holds */
	still_again(&s);
	still_wait(&s, 6);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_ANNOUNCED);
	s.delay_s = 14 * 86400; /* lowered again, and it was announced with that */
	still_again(&s);
	still_look(&s, 0);
	still_look(&s, minute_s);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_DONE);
	still_release(&s);
	past_release(&p);
}

static void test_frozen(void **state)
{
	struct hf_node_prune is;
	uint64_t blocks;
	struct still s;
	unsigned n = 0;
	struct past p;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	still_init(&s, &p);
	blocks = past_blocks(&p);
	still_look(&s, 0);
	still_wait(&s, 1);
	alarms_raise(s.alarms, "space", NULL, "nearly full");
	still_wait(&s, 1); /* which is what it is for */
	alarms_raise(s.alarms, "conflict", NULL, "other bytes are here");
	still_wait(&s, 20);
	is = still_prune(&s, 1);
	assert_int_equal(is.state, HF_PRUNE_ANNOUNCED);
	assert_true(is.frozen);
	assert_true(is.waited_s <= 2 * 86400);
	still_again(&s); /* the alarm stays, and so does what it holds up */
	still_wait(&s, 20);
	assert_int_equal(past_blocks(&p), blocks);
	assert_int_equal(hf_node_acknowledge(p.node.dir, "all", &n, NULL), 0);
	assert_int_equal(n, 3);
	still_wait(&s, 11);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_ANNOUNCED);
	still_wait(&s, 2);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_DONE);
	still_release(&s);
	past_release(&p);
}

/* Whoever took the volume over may know better. */
static void test_epoch(void **state)
{
	char place[600], path[300];
	struct hf_recovery got;
	uint64_t blocks;
	struct still s;
	struct past p;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	place_of(&p, place);
	(void)snprintf(path, sizeof(path), "%s/again", p.store.dir);
	assert_int_equal(hf_recover(place, p.store.kit, path, NULL, &got, NULL), 0);
	still_init(&s, &p);
	blocks = past_blocks(&p);
	still_look(&s, 0);
	still_wait(&s, 1);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_REFUSED);
	assert_non_null(strstr(still_prune(&s, 1).words, "taken over since"));
	assert_int_equal(past_blocks(&p), blocks);
	still_release(&s);
	past_release(&p);
}

/* A list that anybody with the disk put there, and a segment that is not as a list says. */
static void test_damage(void **state)
{
	char path[256], name[32];
	struct prune_list list;
	struct still s;
	struct past p;
	FILE *f;

	(void)state;
	past_init(&p);
	hand_in(&p, 1);
	node_fixture_path(&p.node, past_volume(&p), "prunes/000002.list", path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p.list, 1, p.len, f), p.len);
	assert_int_equal(fclose(f), 0);
	flip_byte(path, 100, 1);
	still_init(&s, &p);
	still_look(&s, 0);
	assert_int_equal(still_prune(&s, 2).state, HF_PRUNE_REFUSED);
	still_wait(&s, 13);
	assert_int_equal(prune_list_decode(p.list, p.len, &list, NULL), 0);
	(void)snprintf(name, sizeof(name), "log/%010u.seg", list.segments[0].segment);
	node_fixture_path(&p.node, past_volume(&p), name, path);
	flip_byte(path, list.segments[0].ranges[0].offset + 5000, 1);
	prune_list_release(&list);
	still_wait(&s, 1);
	assert_int_equal(still_prune(&s, 1).state, HF_PRUNE_REFUSED);
	still_release(&s);
	past_release(&p);
}

/* Nothing that can be asked of a node has anything to do with it. */
static void test_requests(void **state)
{
	static const char *const methods[] = { "PUT", "DELETE", "PATCH" };
	CLEANUP(keyring_freep) struct keyring *keys = NULL;
	struct volume_descriptor d;
	struct http_signer owner;
	uint8_t *bad;
	struct wire_answer a;
	struct wire w;
	struct past p;

	(void)state;
	past_init(&p);
	owner = http_signer_of_owner(kit_owner(p.store.kit));
	w = wire_read(&p.node, owner, past_volume(&p), "/prunes/1", NULL);
	(void)wire_expect(&w, 404, "not_found");
	hand_in(&p, 1);
	wire_send(&w, &a);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.len, p.len);
	assert_memory_equal(a.body.data, p.list, p.len);
	wire_answer_release(&a);
	for (size_t i = 0; i < 2 * sizeof(methods) / sizeof(methods[0]); i++) {
		w = wire_read(&p.node, owner, past_volume(&p), i & 1 ? "/prunes" : "/prunes/1", NULL);
		w.method = methods[i / 2];
		w.body = p.list;
		w.body_len = p.len;
		(void)wire_expect(&w, 405, "method");
	}
	/* What the writer may let it know is another node's list, and nothing else. */
	assert_int_equal(files_read_descriptor(os_posix(), p.store.path, &d, NULL), 0);
	assert_int_equal(files_read_keys(os_posix(), p.store.path, &d, &keys, NULL), 0);
	w = wire_read(&p.node, http_signer_of_writer(keys), past_volume(&p), "/prunes", NULL);
	w.method = "POST";
	w.body = p.list;
	w.body_len = p.len;
	(void)wire_expect(&w, 403, "not_allowed");
	bad = malloc(p.len);
	assert_non_null(bad);
	memcpy(bad, p.list, p.len);
	bad[64] ^= 1; /* for another node, says the thief with the writer's key */
	w.body = bad;
	(void)wire_expect(&w, 403, "bad_log_signature");
	w.body_len = 100;
	(void)wire_expect(&w, 422, "not_verified");
	free(bad);
	past_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_way),     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_cancelled),     cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_frozen),        cmocka_unit_test(test_epoch),
		cmocka_unit_test(test_damage),        cmocka_unit_test(test_requests),
		cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_end_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
