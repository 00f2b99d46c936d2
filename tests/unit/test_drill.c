/* SPDX-License-Identifier: MIT */
/* What drills came to, kept and asked for; samples of a log; what a store says when none was made for long.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/alarm.h"
#include "holdfast/drill.h"
#include "store/alarm/alarms.h"
#include "store/alarm/settings.h"
#include "store/base/cleanup.h"
#include "store/drill/rehearsal.h"
#include "store/drill/results.h"
#include "store/volume/guard_look.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

static const uint64_t day_ns = UINT64_C(86400000000000);

static uint64_t now_ns(void)
{
	return os_posix()->now_ns(os_posix()->state);
}

static struct hf_drill_result result(const char *replica, uint64_t began_ns, bool passed)
{
	struct hf_drill_result r = {
		.began_ns = began_ns,
		.passed = passed,
		.with_kit = true,
		.tid = UINT64_MAX,
		.time_ns = 12345678901234567,
		.rpo_seconds = 0.25,
		.rto_seconds = passed ? 12.5 : -1,
		.rto_all_seconds = 1e15, /* not a time that can be kept */
		.read_bytes = UINT64_C(1) << 63,
		.restored_bytes = 7,
		.compared_files = 3,
		.freshness = HF_FRESHNESS_PROVEN,
	};

	(void)snprintf(r.replica, sizeof(r.replica), "%s", replica);
	if (!passed)
		strcpy(r.failed_step, "fetch");
	return r;
}

/* Segments `first` to `last` were verified, of so many; last 0: none. */
static double record(const struct store_fixture *f, const struct hf_drill_result *r, uint32_t first,
		     uint32_t last, uint32_t of)
{
	uint32_t sampled[64];
	struct hf_drill_coverage c = { .segments = of, .sampled = sampled };
	double share = -1;

	for (uint32_t i = first; last && i <= last; i++)
		sampled[c.n_sampled++] = i;
	assert_int_equal(hf_drill_record(f->path, r, &c, "{\"steps\":[]}", &share, NULL), 0);
	return share;
}

static void file_of(const struct store_fixture *f, char out[300])
{
	(void)snprintf(out, 300, "%s/drills", f->path);
}

static void append_text(const struct store_fixture *f, const char *text)
{
	char name[300];
	FILE *file;

	file_of(f, name);
	file = fopen(name, "a");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static size_t lines_of(const struct store_fixture *f)
{
	char name[300];
	size_t n = 0;
	FILE *file;

	file_of(f, name);
	file = fopen(name, "r");
	assert_non_null(file);
	for (int c; (c = fgetc(file)) != EOF;)
		n += c == '\n';
	(void)fclose(file);
	return n;
}

/* --- kept and asked for */

static void nothing_yet(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_drill_result last;
	struct hf_drill_state s;
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_int_equal(hf_drill_last(f.path, &last, &err), -ENODATA);
	assert_int_equal(hf_drill_last("/", &last, NULL), -ENOENT);
	assert_int_equal(hf_drill_state(f.path, &s, NULL), 0);
	assert_false(s.overdue || s.last_failed);
	assert_int_equal(s.passed_ns, 0);
	assert_int_equal(s.limit_s, 30 * 86400);
	assert_string_equal(s.volume_id, status_of(&f).volume_id);
	store_fixture_release(&f);
}

static void comes_back(void **state)
{
	const struct hf_drill_result said = result("backup", now_ns() - day_ns, true);
	struct hf_drill_result last;
	struct store_fixture f;
	char name[300];
	struct stat st;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_true(record(&f, &said, 1, 4, 4) == 1);
	assert_int_equal(hf_drill_last(f.path, &last, NULL), 0);
	assert_int_equal(last.began_ns, said.began_ns);
	assert_true(last.passed && last.with_kit && !last.weak && !last.sample);
	assert_string_equal(last.failed_step, "");
	assert_string_equal(last.replica, "backup");
	assert_true(last.tid == said.tid && last.time_ns == said.time_ns &&
		    last.read_bytes == said.read_bytes);
	assert_true(last.rpo_seconds == 0.25 && last.rto_seconds == 12.5 && last.rto_all_seconds < 0);
	assert_true(last.restored_bytes == 7 && last.compared_files == 3 &&
		    last.freshness == HF_FRESHNESS_PROVEN);
	assert_true(last.share_verified == 1);
	file_of(&f, name);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	store_fixture_release(&f);
}

static void what_cannot_be_read(void **state)
{
	const struct hf_drill_result said = result("backup", now_ns() - day_ns, true);
	struct hf_error err = HF_ERROR_INIT;
	struct hf_drill_result last;
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, NULL);
	append_text(&f, "no json\n\n{\"version\":1}\n");
	assert_int_equal(hf_drill_last(f.path, &last, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "remove it"));
	(void)record(&f, &said, 1, 1, 1);
	append_text(&f, "{\"version\":2,\"began_ns\":\"5\"}\n{\"cut off");
	assert_int_equal(hf_drill_last(f.path, &last, NULL), 0);
	assert_int_equal(last.began_ns, said.began_ns);
	store_fixture_release(&f);
}

static void only_the_newest(void **state)
{
	struct hf_drill_result last;
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, NULL);
	for (uint64_t i = 1; i <= RESULTS_MAX + 20; i++) {
		const struct hf_drill_result r = result("backup", i, true);

		(void)record(&f, &r, 1, 1, 1);
	}
	assert_int_equal(lines_of(&f), RESULTS_MAX);
	assert_int_equal(hf_drill_last(f.path, &last, NULL), 0);
	assert_int_equal(last.began_ns, RESULTS_MAX + 20);
	store_fixture_release(&f);
}

static void share_grows(void **state)
{
	struct hf_drill_result r = result("backup", 1, false);
	struct hf_drill_result other = result("other", 1, false);
	uint8_t *seen = NULL;
	struct store_fixture f;
	uint32_t n = 0;

	(void)state;
	store_fixture_init(&f, NULL);
	r.sample = true;
	assert_true(record(&f, &r, 1, 2, 8) == 0.25);
	assert_true(record(&f, &other, 1, 8, 8) == 1); /* of another replica: no word on this one */
	assert_true(record(&f, &r, 2, 4, 8) == 0.5);
	assert_true(record(&f, &r, 1, 0, 8) == 0.5);
	assert_true(record(&f, &r, 1, 0, 16) == 0.25); /* it has grown */
	assert_int_equal(results_seen(os_posix(), f.path, "backup", &seen, &n), 0);
	assert_int_equal(n, 16);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(seen[i], i < 4);
	free(seen);
	store_fixture_release(&f);
}

static void in_turn(void **state)
{
	char *names[] = { "a", "b", "c" };
	struct store_fixture f;
	struct hf_drill_result r;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_int_equal(results_stalest(os_posix(), f.path, names, 3), 0);
	r = result("a", 10, true);
	(void)record(&f, &r, 1, 1, 1);
	r = result("c", 5, false);
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(results_stalest(os_posix(), f.path, names, 3), 1);
	r = result("b", 20, true);
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(results_stalest(os_posix(), f.path, names, 3), 2);
	store_fixture_release(&f);
}

/* --- when one is due */

static void is_overdue(void **state)
{
	const uint64_t now = now_ns();
	struct hf_drill_result r = result("backup", now - 31 * day_ns, true);
	struct hf_alarm_settings settings;
	struct hf_drill_state s;
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, NULL);
	settings_default(&settings);
	/* never: since it was made */
	assert_int_equal(results_state(os_posix(), f.path, now - 29 * day_ns, &settings, &s, NULL), 0);
	assert_false(s.overdue);
	assert_int_equal(results_state(os_posix(), f.path, now - 30 * day_ns, &settings, &s, NULL), 0);
	assert_true(s.overdue);
	/* a volume of the future is not, whatever the clock has done */
	assert_int_equal(results_state(os_posix(), f.path, now + day_ns, &settings, &s, NULL), 0);
	assert_false(s.overdue);
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(hf_drill_state(f.path, &s, NULL), 0);
	assert_true(s.overdue && !s.last_failed);
	assert_int_equal(s.passed_ns, r.began_ns);
	/* neither one that failed nor a sample is what was due */
	r = result("backup", now - day_ns, false);
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(hf_drill_state(f.path, &s, NULL), 0);
	assert_true(s.overdue && s.last_failed);
	r.sample = true;
	r.failed_step[0] = 0;
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(hf_drill_state(f.path, &s, NULL), 0);
	assert_true(s.overdue && s.last_failed);
	r = result("backup", now - day_ns / 2, true);
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(hf_drill_state(f.path, &s, NULL), 0);
	assert_false(s.overdue || s.last_failed);
	store_fixture_release(&f);
}

/* How many open alarms of the kind there are, and the words of the last. */
static size_t open_alarms(const struct store_fixture *f, const char *kind, char words[HF_ALARM_WORDS_BYTES])
{
	CLEANUP(cleanup_free) struct hf_alarm *all = NULL;
	size_t n = 0, found = 0;

	assert_int_equal(hf_store_alarms(f->path, &all, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		if (strcmp(all[i].kind, kind) == 0) {
			found++;
			memcpy(words, all[i].words, HF_ALARM_WORDS_BYTES);
		}
	return found;
}

static void raises_and_closes(void **state)
{
	const uint64_t now = now_ns();
	struct hf_drill_result r = result("backup", now - 45 * day_ns, true);
	char words[HF_ALARM_WORDS_BYTES] = "";
	struct guard_drills looks = { .looked_ns = 0 };
	struct hf_alarm_settings settings;
	struct alarms *alarms;
	struct store_fixture f;

	(void)state;
	store_fixture_init(&f, NULL);
	settings_default(&settings);
	settings.drill_s = 3; /* looked at each time */
	assert_int_equal(alarms_open(os_posix(), f.path, &alarms, NULL), 0);
	alarms_raise(alarms, "lag", NULL, "another one");
	(void)record(&f, &r, 1, 1, 1);
	guard_look_at_drills(&looks, f.store, &settings, alarms);
	guard_look_at_drills(&looks, f.store, &settings, alarms); /* said once */
	assert_int_equal(open_alarms(&f, "drill", words), 1);
	assert_non_null(strstr(words, "for 45 days"));
	settings.drill_s = 30 * 86400;
	/* what it asks for is done; what else is open stays */
	r = result("backup", now, true);
	(void)record(&f, &r, 1, 1, 1);
	assert_int_equal(open_alarms(&f, "drill", words), 0);
	assert_int_equal(open_alarms(&f, "lag", words), 1);
	/* one that failed is told by name, once */
	r = result("backup", now + 1, false);
	(void)record(&f, &r, 1, 0, 1);
	looks.looked_ns = 0;
	guard_look_at_drills(&looks, f.store, &settings, alarms);
	looks.looked_ns = 0;
	guard_look_at_drills(&looks, f.store, &settings, alarms);
	assert_int_equal(open_alarms(&f, "drill", words), 1);
	assert_non_null(strstr(words, "\"fetch\""));
	assert_non_null(strstr(words, "backup"));
	/* off: nothing more */
	assert_int_equal(hf_store_acknowledge(f.path, "all", &(unsigned){ 0 }, NULL), 0);
	settings.drill_s = 0;
	r = result("backup", now + 2, false);
	(void)record(&f, &r, 1, 0, 1);
	looks.looked_ns = 0;
	guard_look_at_drills(&looks, f.store, &settings, alarms);
	assert_int_equal(open_alarms(&f, "drill", words), 0);
	alarms_close(alarms);
	store_fixture_release(&f);
}

/* --- a rehearsal */

enum { FILES = 24, BYTES = 40000 };

/* A store of several segments, and a folder that has all of it. */
static void ship(struct store_fixture *f, char replica[300])
{
	static uint8_t data[BYTES];
	char name[32];

	store_fixture_init(f, NULL);
	store_close(f);
	(void)snprintf(replica, 300, "%s/replica", f->dir);
	assert_int_equal(hf_replica_add(f->path, replica, "copy", NULL), 0);
	f->options.flags = 0;
	f->options.segment_bytes = 128 << 10;
	store_open(f, 0);
	for (unsigned i = 0; i < FILES; i++) {
		uint64_t ino;

		(void)snprintf(name, sizeof(name), "file%u", i);
		ino = make_file(f, name);
		fill_random(data, sizeof(data), i);
		put(f, ino, 0, data, sizeof(data));
		commit(f);
	}
	assert_int_equal(hf_store_drain(f->store, 20000, NULL), 0);
	store_close(f);
}

static struct hf_drill *open_drill(const struct store_fixture *f, const char *from, const struct hf_kit *kit)
{
	const struct hf_drill_options o = { .store = f ? f->path : NULL, .from = from, .kit = kit };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_drill *d = NULL;

	if (hf_drill_open(&o, &d, &err) < 0)
		fail_msg("%s", err.text);
	return d;
}

static void samples(void **state)
{
	struct hf_drill_result r = result("copy", 1, false);
	struct hf_drill_sampled got;
	struct store_fixture f;
	char replica[300], path[320];
	double share = 0;

	(void)state;
	ship(&f, replica);
	(void)snprintf(path, sizeof(path), "%s/sample", f.dir);
	r.sample = true;
	for (unsigned drills = 0; drills < 2; drills++) { /* what was not seen comes first: each adds to it */
		struct hf_error err = HF_ERROR_INIT;
		struct hf_drill *d = open_drill(&f, drills % 2 ? "copy" : replica, drills % 3 ? NULL : f.kit);
		const double before = share;
		struct hf_drill_coverage c;

		/* room for the newest and one more, or two; or for none of them */
		const uint64_t room = drills ? 1 : 200 << 10;

		if (hf_drill_sample(d, path, room, NULL, &got, &err) < 0)
			fail_msg("%s", err.text);
		assert_true(got.n > 1 && got.of > 6 && got.bytes >= room);
		assert_int_equal(got.segments[0], got.of); /* always the newest */
		c = (struct hf_drill_coverage){ got.of, got.segments, got.n };
		assert_int_equal(hf_drill_record(f.path, &r, &c, NULL, &share, NULL), 0);
		free(got.segments);
		hf_drill_free(d);
		assert_true(before < share && share < 1);
	}
	/* with room for all, all of it, and every chunk */
	{
		struct hf_drill *d = open_drill(NULL, replica, f.kit);

		assert_int_equal(hf_drill_sample(d, path, UINT64_MAX, NULL, &got, NULL), 0);
		assert_int_equal(got.n, got.of);
		assert_true(got.chunks >= FILES);
		free(got.segments);
		hf_drill_free(d);
	}
	store_fixture_release(&f);
}

/* Any byte of any segment: told, never passed over. */
static void samples_find_damage(void **state)
{
	struct hf_drill_sampled got;
	struct store_fixture f;
	char replica[300], path[320], log[400], id[HF_VOLUME_ID_TEXT_BYTES];

	(void)state;
	ship(&f, replica);
	(void)snprintf(path, sizeof(path), "%s/sample", f.dir);
	hf_kit_volume_id(f.kit, id);
	(void)snprintf(log, sizeof(log), "%s/%s/log/0000000002.seg", replica, id);
	for (unsigned i = 0; i < 6; i++) {
		static const off_t places[] = { 5, 100, 310, 400, 60000, 100000 };
		struct hf_error err = HF_ERROR_INIT;
		struct hf_drill *d;
		int fd = open(log, O_RDWR);
		uint8_t byte;

		assert_true(fd >= 0);
		assert_int_equal(pread(fd, &byte, 1, places[i]), 1);
		byte ^= 16;
		assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
		d = open_drill(&f, "copy", NULL);
		assert_true(hf_drill_sample(d, path, UINT64_MAX, NULL, &got, &err) < 0);
		assert_true(err.text[0]);
		hf_drill_free(d);
		byte ^= 16;
		assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
		(void)close(fd);
	}
	store_fixture_release(&f);
}

/* It is a store like any other, but that nobody ships it, and nobody was told. */
static void recovers_like_the_real_one(void **state)
{
	struct hf_drill_about about;
	struct hf_recovery got;
	struct hf_point head;
	struct store_fixture f;
	struct hf_store *s;
	char replica[300], path[320], words[HF_ERROR_TEXT_BYTES];
	bool behind;

	(void)state;
	ship(&f, replica);
	for (int with_kit = 0; with_kit < 2; with_kit++) {
		const struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION |
							    (with_kit ? 0 : HF_OPEN_READ_ONLY) };
		struct hf_drill *d = open_drill(&f, NULL, with_kit ? f.kit : NULL);
		struct hf_replica_status replicas[4];
		struct hf_status status;

		hf_drill_about(d, &about);
		assert_string_equal(about.replica, "copy");
		assert_true(about.place == HF_DRILL_FOLDER && about.has_writer && about.own_tid > 0);
		(void)snprintf(path, sizeof(path), "%s/rehearsed%d", f.dir, with_kit);
		assert_int_equal(hf_drill_reach(d, &head, NULL), 0);
		assert_int_equal(head.tid, about.own_tid);
		assert_int_equal(hf_drill_recover(d, path, NULL, NULL, &got, NULL), 0);
		assert_int_equal(got.tid, about.own_tid);
		assert_int_equal(got.epoch, with_kit ? 2 : 0);
		assert_false(got.goes_on);
		assert_int_equal(hf_drill_fresh(d, path, &behind, words), HF_DRILL_PASS);
		assert_false(behind);
		assert_int_equal(hf_store_open(path, &o, &s, NULL), 0);
		hf_store_status(s, &status);
		assert_int_equal(status.live_inodes, FILES + 1);
		assert_int_equal(hf_store_replicas(s, replicas, 4), 0);
		if (with_kit)
			assert_int_equal(hf_tag(s, "x", HF_TID_HEAD, NULL), 0);
		assert_int_equal(hf_store_close(s, NULL), 0);
		hf_drill_free(d);
	}
	/* the primary goes on as it was */
	store_open(&f, 0);
	(void)make_file(&f, "after");
	assert_int_equal(hf_store_drain(f.store, 20000, NULL), 0);
	assert_int_equal(status_of(&f).epoch, 1);
	store_fixture_release(&f);
}

/* The folder is put back to before what it acknowledged; and then there is nothing to hold it against. */
static void an_older_state(void **state)
{
	struct hf_recovery got;
	struct store_fixture f;
	char replica[300], path[320], log[400], id[HF_VOLUME_ID_TEXT_BYTES], words[HF_ERROR_TEXT_BYTES];
	struct hf_drill *d;
	bool behind;

	(void)state;
	ship(&f, replica);
	hf_kit_volume_id(f.kit, id);
	(void)snprintf(log, sizeof(log), "%s/%s/log", replica, id);
	for (uint32_t i = 4; i < 20; i++) {
		char name[460];

		(void)snprintf(name, sizeof(name), "%s/%010u.seg", log, i);
		(void)unlink(name);
	}
	(void)snprintf(path, sizeof(path), "%s/rehearsed", f.dir);
	d = open_drill(&f, NULL, NULL);
	assert_int_equal(hf_drill_recover(d, path, NULL, NULL, &got, NULL), 0);
	assert_int_equal(hf_drill_fresh(d, path, &behind, words), HF_DRILL_FAIL);
	assert_non_null(strstr(words, "older state"));
	hf_drill_free(d);
	(void)snprintf(path, sizeof(path), "%s/alone", f.dir);
	d = open_drill(NULL, replica, f.kit);
	assert_int_equal(hf_drill_recover(d, path, NULL, NULL, &got, NULL), 0);
	assert_int_equal(hf_drill_fresh(d, path, &behind, words), HF_DRILL_WEAK);
	hf_drill_free(d);
	store_fixture_release(&f);
}

static void what_it_takes(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit *other = NULL;
	struct store_fixture f;
	struct hf_drill_options o = { .store = NULL };
	struct hf_drill *d;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_int_equal(hf_drill_open(&o, &d, &err), -EINVAL);
	o.store = f.path;
	assert_int_equal(hf_drill_open(&o, &d, &err), -ENOENT); /* no replica */
	assert_non_null(strstr(err.text, "no replica"));
	assert_int_equal(hf_kit_generate(&other, NULL), 0);
	o.kit = other;
	assert_int_equal(hf_drill_open(&o, &d, &err), -EKEYREJECTED);
	hf_kit_free(other);
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_yet),
		cmocka_unit_test(comes_back),
		cmocka_unit_test(what_cannot_be_read),
		cmocka_unit_test(only_the_newest),
		cmocka_unit_test(share_grows),
		cmocka_unit_test(in_turn),
		cmocka_unit_test(is_overdue),
		cmocka_unit_test(raises_and_closes),
		cmocka_unit_test(samples),
		cmocka_unit_test(samples_find_damage),
		cmocka_unit_test(recovers_like_the_real_one),
		cmocka_unit_test(an_older_state),
		cmocka_unit_test(what_it_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
