/* SPDX-License-Identifier: MIT */
/* What a store's files tell without a key, what its replicas told and were found to be, and knocking at them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/head.h"
#include "holdfast/readiness.h"
#include "store/crypto/wire.h"
#include "store/replica/about.h"
#include "store/replica/config.h"
#include "store/replica/peer.h"
#include "store/replica/probed.h"
#include "store/volume/files.h"
#include "tests/unit/replica_helper.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

static struct hf_readiness look(const char *path)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_readiness r;

	if (hf_readiness(path, &r, &err) < 0)
		fail_msg("%s", err.text);
	return r;
}

/* --- the store */

static void a_store_open_and_at_rest(void **state)
{
	struct store_fixture f;
	struct hf_readiness r;
	struct hf_status status;

	(void)state;
	store_fixture_init(&f, NULL);
	put_text(&f, make_file(&f, "a"), 0, "some words");
	commit(&f);
	status = status_of(&f);
	r = look(f.path); /* while it is open here */
	assert_int_equal(r.log.code, 0);
	assert_int_equal(r.log.tid, status.committed_tid);
	assert_int_equal(r.log.time_ns, status.committed_time_ns);
	assert_int_equal(r.log.epoch, 1);
	assert_string_equal(r.volume_id, status.volume_id);
	assert_true(r.created_ns > 0 && r.log.epoch_created_ns >= r.created_ns);
	assert_int_equal(r.key_code, 0);
	assert_int_equal(r.key.how, HF_KEY_PLAIN);
	assert_true(r.index);
	assert_int_equal(r.kit_ns, 0);
	assert_int_equal(r.head_ns, 0);
	assert_int_equal(r.alarm_test_ns, 0);
	assert_int_equal(r.verified_ns, 0);
	assert_int_equal(hf_store_check_open(f.store, NULL, NULL, NULL, NULL, NULL), 0);
	r = look(f.path);
	assert_true(r.verified_ns >= r.created_ns);
	assert_int_equal(r.damaged, 0);
	store_close(&f);
	assert_int_equal(look(f.path).log.tid, status.committed_tid);
	store_fixture_release(&f);
}

/* Nothing is decrypted: keys that are gone change nothing of what is told. */
static void without_any_key(void **state)
{
	char path[400];
	struct store_fixture f;
	struct hf_readiness r;

	(void)state;
	store_fixture_init(&f, NULL);
	put_text(&f, make_file(&f, "a"), 0, "some words");
	store_close(&f);
	(void)snprintf(path, sizeof(path), "%s/keys/volume.key", f.path);
	assert_int_equal(unlink(path), 0);
	r = look(f.path);
	assert_int_equal(r.log.code, 0);
	assert_true(r.log.tid > 0);
	assert_int_equal(r.key.how, HF_KEY_ELSEWHERE);
	store_fixture_release(&f);
}

static void a_log_that_is_damaged_is_told(void **state)
{
	char path[400];
	struct store_fixture f;
	struct hf_readiness r;
	int fd;

	(void)state;
	store_fixture_init(&f, NULL);
	put_text(&f, make_file(&f, "a"), 0, "some words");
	commit(&f);
	put_text(&f, make_file(&f, "b"), 0, "others");
	store_close(&f);
	(void)snprintf(path, sizeof(path), "%s/log/0000000001.seg", f.path);
	fd = os_posix()->open(NULL, path, O_RDWR, 0);
	assert_true(fd >= 0);
	assert_int_equal(os_pwrite_full(os_posix(), fd, "dam", 3, 365), 0); /* of the first group of two */
	assert_int_equal(close(fd), 0);
	r = look(f.path);
	assert_int_equal(r.log.code, -EUCLEAN);
	assert_true(r.log.text[0]);
	assert_int_equal(r.log.tid, 0);
	store_fixture_release(&f);
}

static void notes(void **state)
{
	struct store_fixture f;
	struct hf_readiness r;
	struct hf_kit_check kit;
	char path[400];

	(void)state;
	store_fixture_init(&f, NULL);
	put_text(&f, make_file(&f, "a"), 0, "some words");
	commit(&f);
	assert_int_equal(hf_kit_check(f.kit, f.path, &kit, NULL), 0);
	assert_int_equal(hf_note_head(f.path, NULL), 0);
	r = look(f.path);
	assert_int_equal(r.kit_ns, kit.checked_ns);
	assert_true(r.head_ns >= kit.checked_ns);
	(void)snprintf(path, sizeof(path), "%s/head-given.json", f.path);
	assert_int_equal(os_write_file(os_posix(), path, "{}", 2, 0600), 0);
	assert_int_equal(look(f.path).head_ns, 0);
	assert_int_equal(hf_note_head(f.dir, NULL), -ENOENT);
	assert_int_equal(hf_readiness(f.dir, &r, NULL), -ENOENT);
	store_fixture_release(&f);
}

/* --- alarms tried */

static void write_hook(const char *path, const char *script)
{
	assert_int_equal(os_write_file(os_posix(), path, script, strlen(script), 0700), 0);
}

static void alarms_are_tried(void **state)
{
	char hook[300], setting[320], told[300], script[700];
	struct hf_error err = HF_ERROR_INIT;
	const char *changes[] = { setting };
	struct store_fixture f;
	struct hf_readiness r;
	struct hf_alarm *open;
	struct buf text = BUF_INIT;
	size_t n;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_int_equal(hf_alarm_test(f.path, &err), -EDESTADDRREQ);
	assert_int_equal(look(f.path).alarm_test_ns, 0); /* which was no test */
	(void)snprintf(hook, sizeof(hook), "%s/hook", f.dir);
	(void)snprintf(told, sizeof(told), "%s/told", f.dir);
	(void)snprintf(setting, sizeof(setting), "hook=%s", hook);
	(void)snprintf(script, sizeof(script), "#!/bin/sh\necho \"$1\" > '%s'\ncat >> '%s'\n", told, told);
	write_hook(hook, script);
	assert_int_equal(hf_alarm_set(f.path, changes, 1, &err), 0);
	if (hf_alarm_test(f.path, &err) < 0)
		fail_msg("%s", err.text);
	r = look(f.path);
	assert_true(r.alarm_test_ns > 0 && r.alarm_test_passed);
	assert_int_equal(os_read_file(os_posix(), told, 4096, &text), 0);
	assert_int_equal(strncmp(buf_cstr(&text), "test\n{", 6), 0);
	assert_non_null(strstr(buf_cstr(&text), "\"alarm\":0"));
	assert_int_equal(hf_store_alarms(f.path, &open, &n, NULL), 0);
	assert_int_equal(n, 0); /* nothing of it stays */
	free(open);
	write_hook(hook, "#!/bin/sh\nexit 3\n");
	assert_int_equal(hf_alarm_test(f.path, &err), -EPROTO);
	r = look(f.path);
	assert_false(r.alarm_test_passed);
	assert_non_null(strstr(r.alarm_test_text, "did not end well"));
	assert_int_equal(unlink(hook), 0);
	assert_int_equal(hf_alarm_test(f.path, &err), -ENOENT);
	assert_non_null(strstr(look(f.path).alarm_test_text, "hook"));
	buf_release(&text);
	store_fixture_release(&f);
}

/* Words that are cut off, wherever in a character that is, are kept as a test that failed. */
static void a_test_that_failed_at_length(void **state)
{
	char setting[900], note[300];
	struct hf_error err = HF_ERROR_INIT;
	const char *change = setting;
	struct store_fixture f;
	struct hf_readiness r;

	(void)state;
	store_fixture_init(&f, NULL);
	(void)snprintf(note, sizeof(note), "%s/alarm-test.json", f.path);
	for (int odd = 0; odd < 2; odd++) {
		size_t len = (size_t)snprintf(setting, sizeof(setting), "hook=/%s", odd ? "o" : "");

		while (len + 3 < sizeof(setting)) {
			memcpy(setting + len, "\xc3\xa9", 3);
			len += 2;
		}
		if (hf_alarm_set(f.path, &change, 1, &err) < 0)
			fail_msg("%s", err.text);
		assert_true(hf_alarm_test(f.path, &err) < 0);
		r = look(f.path);
		assert_true(r.alarm_test_ns > 0 && !r.alarm_test_passed);
		assert_int_equal(unlink(note), 0);
	}
	store_fixture_release(&f);
}

/* --- what is kept of replicas */

static void what_a_node_tells(void **state)
{
	static const char *const bad[] = { "",
					   "used_bytes=1",
					   "software=",
					   "software=1; used_bytes=x",
					   "software=1; used_bytes=99999999999999999999",
					   "software=1; budget_bytes=-1",
					   "software=1234567890123456789012345678901234567890" };
	struct about a = { "0.1.0", 5, 7, ABOUT_NO_BUDGET }, b;
	CLEANUP(buf_release) struct buf text = BUF_INIT;

	(void)state;
	about_text(&a, &text);
	assert_string_equal(buf_cstr(&text), "software=0.1.0; used_bytes=5; free_bytes=7");
	assert_int_equal(about_parse(buf_cstr(&text), &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	a.budget_bytes = 0;
	buf_clear(&text);
	about_text(&a, &text);
	assert_int_equal(about_parse(buf_cstr(&text), &b), 0);
	assert_int_equal(b.budget_bytes, 0);
	assert_int_equal(about_parse("later=1;budget_bytes=3; software=2.0", &b), 0);
	assert_string_equal(b.software, "2.0");
	assert_int_equal(b.budget_bytes, 3);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(about_parse(bad[i], &b), -EBADMSG);
}

/* With its last position: one that gives none, or says nothing with it, has told nothing. */
static void a_node_that_tells_nothing_any_more(void **state)
{
	struct node_bench b;
	struct peer_options o = { .os = os_posix() };
	struct peer *peer;
	struct receipt head;

	(void)state;
	node_bench_init(&b, 1);
	node_bench_enrol(&b);
	o.place = &b.node.place;
	o.signer = b.writer;
	memcpy(o.volume_id, b.id, sizeof(o.volume_id));
	assert_int_equal(peer_open(&o, &peer, NULL), 0);
	assert_int_equal(peer_position(peer, &head, NULL), 0);
	assert_true(peer->about.software[0] && peer->about.free_bytes > 0);
	node_fixture_stop(&b.node);
	assert_true(peer_position(peer, &head, NULL) < 0);
	assert_string_equal(peer->about.software, "");
	peer_free(peer);
	node_bench_release(&b);
}

static void what_was_found_of_a_bucket(void **state)
{
	char *dir = scratch_make(), path[300];
	struct probed p = { .first_ns = 5, .last_ns = 7 }, q;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/replicas", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	for (unsigned i = 0; i < HF_PROBED_MAX + 3; i++)
		probed_add(&p, (enum hf_finding)(i % 4), "object lock", "words \x01of a server");
	assert_int_equal(p.n, HF_PROBED_MAX);
	probed_read(os_posix(), dir, "vault", &q);
	assert_int_equal(q.last_ns, 0);
	assert_int_equal(probed_write(os_posix(), dir, "vault", &p), 0);
	probed_read(os_posix(), dir, "vault", &q);
	assert_int_equal(q.first_ns, 5);
	assert_int_equal(q.last_ns, 7);
	assert_int_equal(q.n, HF_PROBED_MAX);
	assert_int_equal(q.all[3].finding, HF_FINDING_DANGER);
	assert_string_equal(q.all[3].words, "words  of a server");
	(void)snprintf(path, sizeof(path), "%s/replicas/vault.probed", dir);
	assert_int_equal(os_write_file(os_posix(), path, "{\"version\":1,\"first_ns\":\"1\"}", 27, 0600), 0);
	probed_read(os_posix(), dir, "vault", &q);
	assert_int_equal(q.last_ns, 0);
	scratch_remove(&dir);
}

static void until_when_a_certificate_is_good(void **state)
{
	uint64_t end_ns;

	(void)state;
	assert_int_equal(wire_certificate_end("no certificate", &end_ns), -EBADMSG);
	assert_int_equal(wire_certificate_end("", &end_ns), -EBADMSG);
}

/* --- a node */

/* The bench's store has a log and keys, and gets a descriptor, so that it is one. */
static void describe(struct bench *b)
{
	struct volume_descriptor d = { .created_ns = 1 };

	memcpy(d.volume_id, owner_volume_id(b->volume.owner), VOLUME_ID_BYTES);
	memcpy(d.owner_public, owner_public(b->volume.owner), PUBLIC_KEY_BYTES);
	assert_int_equal(files_write_descriptor(os_posix(), b->store, &d, NULL), 0);
}

static struct hf_replica_facts only_replica(const char *store)
{
	struct hf_readiness r = look(store);
	struct hf_replica_facts *all, one;
	struct hf_error err = HF_ERROR_INIT;
	size_t n;

	if (hf_readiness_replicas(store, &r.log, &all, &n, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(n, 1);
	one = all[0];
	free(all);
	return one;
}

static void a_node_is_known(void **state)
{
	struct hf_replica_facts p;
	struct hf_knock k;
	struct bench b;

	(void)state;
	bench_init(&b);
	describe(&b);
	log_put_groups(b.log, 1, 20, BENCH_GROUP_BYTES);
	bench_add_node(&b, "first");
	node_keep_port(&b.node);
	p = only_replica(b.store);
	assert_int_equal(p.code, 0);
	assert_int_equal(p.kind, HF_PLACE_NODE);
	assert_string_equal(p.host, "127.0.0.1");
	assert_int_equal(p.acked_tid, 0);
	assert_true(p.lag_bytes > 0);
	assert_int_equal(p.told_ns, 0);
	bench_start(&b);
	bench_expect_current(&b, 1);
	replica_set_stop(b.set);
	b.set = NULL;
	p = only_replica(b.store);
	assert_int_equal(p.acked_tid, 20);
	assert_int_equal(p.lag_bytes, 0);
	assert_true(p.told_ns > 0); /* and it told of itself */
	assert_true(p.software[0] >= '0' && p.software[0] <= '9');
	assert_true(p.free_bytes > 0);
	assert_true(p.budget_bytes == UINT64_MAX);
	log_put_groups(b.log, 21, 21, BENCH_GROUP_BYTES);
	p = only_replica(b.store);
	assert_true(p.lag_bytes > 0 && p.lag_since_ns > 0);

	assert_int_equal(hf_replica_knock(b.store, "first", 5000, &k, NULL), 0);
	if (k.code < 0)
		fail_msg("%s", k.text);
	assert_string_equal(k.address, "127.0.0.1");
	assert_true(k.has_clock && k.clock_ahead_s >= -2 && k.clock_ahead_s <= 2);
	assert_true(k.certificate_ends_ns > os_posix()->now_ns(os_posix()->state));
	assert_int_equal(hf_replica_knock(b.store, "second", 5000, &k, NULL), -ENOENT);
	assert_int_equal(hf_replica_knock(b.store, "../x", 5000, &k, NULL), -EINVAL);
	assert_int_equal(hf_replica_probe(b.store, "first", NULL, NULL, NULL), -EINVAL);

	node_fixture_stop(&b.node);
	assert_int_equal(hf_replica_knock(b.store, "first", 5000, &k, NULL), 0);
	assert_int_equal(k.code, -ECONNREFUSED);
	assert_true(k.text[0]);
	bench_release(&b);
}

/* Where another node answers than the one that was pinned, that is seen before anything is said. */
static void another_node_is_not_it(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_knock k;
	struct place place;
	struct bench b;

	(void)state;
	bench_init(&b);
	describe(&b);
	bench_add_node(&b, "first");
	assert_int_equal(config_read(os_posix(), b.store, "first", &place, &err), 0);
	place.pin[3] ^= 1;
	assert_int_equal(config_remove(os_posix(), b.store, "first", &err), 0);
	assert_int_equal(config_write(os_posix(), b.store, "first", &place, &err), 0);
	place_release(&place);
	assert_int_equal(hf_replica_knock(b.store, "first", 5000, &k, NULL), 0);
	assert_int_equal(k.code, -EKEYREJECTED);
	assert_non_null(strstr(k.text, "another TLS key"));
	bench_release(&b);
}

static void folders_and_damaged_files(void **state)
{
	struct hf_replica_facts p;
	char place[160], path[300];
	struct hf_knock k;
	struct bench b;

	(void)state;
	bench_init(&b);
	describe(&b);
	(void)snprintf(place, sizeof(place), "%.140s-copy", b.store);
	assert_int_equal(hf_replica_add(b.store, place, "disk", NULL), 0);
	p = only_replica(b.store);
	assert_int_equal(p.kind, HF_PLACE_DIRECTORY);
	assert_string_equal(p.path, place);
	assert_string_equal(p.host, "");
	assert_int_equal(hf_replica_knock(b.store, "disk", 5000, &k, NULL), 0);
	assert_int_equal(k.code, 0);
	assert_false(k.has_clock);
	(void)snprintf(path, sizeof(path), "%s/replicas/disk.json", b.store);
	assert_int_equal(os_write_file(os_posix(), path, "{}", 2, 0600), 0);
	p = only_replica(b.store);
	assert_int_equal(p.code, -EUCLEAN);
	assert_true(p.text[0]);
	assert_int_equal(hf_replica_knock(b.store, "disk", 5000, &k, NULL), -EUCLEAN);
	bench_release(&b);
	remove_folder(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_store_open_and_at_rest),
		cmocka_unit_test(without_any_key),
		cmocka_unit_test(a_log_that_is_damaged_is_told),
		cmocka_unit_test(notes),
		cmocka_unit_test(alarms_are_tried),
		cmocka_unit_test(a_test_that_failed_at_length),
		cmocka_unit_test(what_a_node_tells),
		cmocka_unit_test(a_node_that_tells_nothing_any_more),
		cmocka_unit_test(what_was_found_of_a_bucket),
		cmocka_unit_test(until_when_a_certificate_is_good),
		cmocka_unit_test(a_node_is_known),
		cmocka_unit_test(another_node_is_not_it),
		cmocka_unit_test(folders_and_damaged_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
