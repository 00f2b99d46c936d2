/* SPDX-License-Identifier: MIT */
/* A store's alarms: what is done to a real one, and what its files say afterwards. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/alarm.h"
#include "holdfast/history.h"
#include "store/alarm/acknowledge.h"
#include "store/base/cleanup.h"
#include "store/volume/guard_look.h"
#include "tests/sim/sim_os.h"
#include "tests/unit/store_helper.h"

enum { FILES = 60, BYTES = 8192 };

struct fixture {
	struct store_fixture f;
	uint64_t inos[FILES];
	uint64_t before; /* the last operation before what is to be noticed */
};

static void fill_text(uint8_t *data, unsigned seed)
{
	for (size_t i = 0; i < BYTES; i++)
		data[i] = (uint8_t) "lines of words, much as people and compilers write them\n"
			[(i * 7 + i / 13 + seed) % 56];
}

static const char *name_of(unsigned i, const char *ending, char out[32])
{
	(void)snprintf(out, 32, "note%u.txt%s", i, ending);
	return out;
}

/* A store whose limits suit it, watched, with some files. */
static void begin(struct fixture *x, bool random)
{
	static const char *const limits[] = { "files=20", "deletion=20%", "overwrite=50%", "encryption=20",
					      "young=off" };
	uint8_t data[BYTES];
	char name[32];

	store_fixture_init(&x->f, NULL);
	store_close(&x->f);
	assert_int_equal(hf_alarm_set(x->f.path, limits, 5, NULL), 0);
	x->f.options.flags = 0;
	store_open(&x->f, 0);
	for (unsigned i = 0; i < FILES; i++) {
		x->inos[i] = make_file(&x->f, name_of(i, "", name));
		if (random)
			fill_random(data, sizeof(data), i);
		else
			fill_text(data, i);
		put(&x->f, x->inos[i], 0, data, sizeof(data));
	}
	commit(&x->f);
	x->before = head(&x->f);
}

/* Closing takes a last look; then the files say what was seen. */
static struct hf_alarm *end(struct fixture *x, size_t *ret_n)
{
	struct hf_alarm *alarms = NULL;

	store_close(&x->f);
	assert_int_equal(hf_store_alarms(x->f.path, &alarms, ret_n, NULL), 0);
	for (size_t i = 0; i < *ret_n; i++)
		print_message("%s: %s\n", alarms[i].kind, alarms[i].words);
	return alarms;
}

static void expect_none(struct fixture *x)
{
	size_t n;

	free(end(x, &n));
	assert_int_equal(n, 0);
	store_fixture_release(&x->f);
}

/* One of this kind, and at its moment all is as it was. */
static void expect_alarm(struct fixture *x, const char *kind)
{
	CLEANUP(cleanup_free) struct hf_alarm *alarms = NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_point point;
	const struct hf_alarm *found = NULL;
	uint8_t data[BYTES];
	size_t n;

	alarms = end(x, &n);
	for (size_t i = 0; i < n; i++)
		if (strcmp(alarms[i].kind, kind) == 0)
			found = &alarms[i];
	assert_non_null(found);
	assert_non_null(strstr(found->words, found->moment));
	store_open(&x->f, HF_OPEN_NO_REPLICATION);
	assert_int_equal(hf_moment_find(x->f.store, found->moment, &point, &err), 0);
	assert_int_equal(point.tid, x->before);
	for (unsigned i = 0; i < FILES; i++) {
		fill_text(data, i);
		expect_bytes(&x->f, point.tid, x->inos[i], 0, data, sizeof(data));
	}
	store_fixture_release(&x->f);
}

static void write_random(struct fixture *x, uint64_t ino, uint64_t seed)
{
	uint8_t data[BYTES];

	fill_random(data, sizeof(data), seed);
	put(&x->f, ino, 0, data, sizeof(data));
}

static void remove_name(struct fixture *x, const char *name)
{
	assert_int_equal(hf_unlink(x->f.store, HF_ROOT_INO, name, NULL, NULL), 0);
}

static void rename_to(struct fixture *x, const char *from, const char *to)
{
	assert_int_equal(hf_rename(x->f.store, HF_ROOT_INO, from, HF_ROOT_INO, to, 0, NULL), 0);
}

static void set_size(struct fixture *x, uint64_t ino, uint64_t size)
{
	struct hf_setattr change = { .mask = HF_SET_SIZE, .size_bytes = size };

	assert_int_equal(hf_setattr(x->f.store, ino, &change, NULL, NULL), 0);
}

/* --- what is noticed */

static void removed(void **state)
{
	struct fixture x;
	char name[32];

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		remove_name(&x, name_of(i, "", name));
	expect_alarm(&x, "deletion");
}

static void emptied(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		set_size(&x, x.inos[i], 0);
	expect_alarm(&x, "overwrite");
}

static void punched(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		assert_int_equal(hf_fallocate(x.f.store, x.inos[i],
					      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, BYTES, 0, NULL),
				 0);
	expect_alarm(&x, "overwrite");
}

static void encrypted_in_place(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		write_random(&x, x.inos[i], i);
	expect_alarm(&x, "encryption");
}

static void encrypted_after_cutting(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++) {
		set_size(&x, x.inos[i],
			 i % 2 ? 0 : BYTES - 1); /* the latter alone is no reason not to look */
		write_random(&x, x.inos[i], i);
	}
	expect_alarm(&x, "encryption");
}

static void encrypted_by_copying(void **state)
{
	struct fixture x;
	uint64_t scratch;

	(void)state;
	begin(&x, false);
	scratch = make_file(&x.f, "scratch");
	write_random(&x, scratch, 1);
	x.before = head(&x.f);
	for (unsigned i = 0; i < FILES; i++)
		assert_int_equal(hf_copy_range(x.f.store, scratch, 0, x.inos[i], 0, BYTES, 0, NULL), BYTES);
	expect_alarm(&x, "encryption");
}

static void encrypted_and_renamed_over(void **state)
{
	struct fixture x;
	char name[32], other[32];

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		write_random(&x, make_file(&x.f, name_of(i, ".new", other)), i);
	x.before = head(&x.f);
	for (unsigned i = 0; i < FILES; i++)
		rename_to(&x, name_of(i, ".new", other), name_of(i, "", name));
	expect_alarm(&x, "encryption");
}

static void encrypted_beside(void **state)
{
	struct fixture x;
	char name[32], other[32];

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		write_random(&x, make_file(&x.f, name_of(i, ".locked", other)), i);
	x.before = head(&x.f);
	for (unsigned i = 0; i < FILES; i++)
		remove_name(&x, name_of(i, "", name));
	expect_alarm(&x, "encryption");
}

/* Removed first: what was in them is to be seen before that. */
static void encrypted_anew(void **state)
{
	struct fixture x;
	char name[32];

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++) {
		remove_name(&x, name_of(i, "", name));
		write_random(&x, make_file(&x.f, name_of(i, i % 2 ? "" : ".locked", name)), i);
	}
	expect_alarm(&x, "encryption");
}

/* --- what is not */

static void written_anew(void **state)
{
	struct fixture x;
	uint8_t data[BYTES];

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES / 3; i++) {
		fill_text(data, i + 1000);
		put(&x.f, x.inos[i], 0, data, sizeof(data));
	}
	expect_none(&x);
}

/* Pictures, archives: they did not compress before either. */
static void random_before(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, true);
	for (unsigned i = 0; i < FILES / 2; i++)
		write_random(&x, x.inos[i], i + 1000);
	expect_none(&x);
}

/* gzip: less than there was, beside it, and the old one goes. */
static void compressed(void **state)
{
	struct fixture x;
	uint8_t data[BYTES / 2];
	char name[32];

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES / 2; i++) {
		fill_random(data, sizeof(data), i);
		put(&x.f, make_file(&x.f, name_of(i, ".gz", name)), 0, data, sizeof(data));
		if (i < FILES / 4 - 1) /* fewer than deletions are */
			remove_name(&x, name_of(i, "", name));
	}
	expect_none(&x);
}

/* A film, a download, a disk image: laid out first. */
static void laid_out_before(void **state)
{
	struct fixture x;
	char name[32];
	uint64_t ino;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++) {
		ino = make_file(&x.f, name_of(i, ".film", name));
		assert_int_equal(hf_fallocate(x.f.store, ino, 0, 0, BYTES, 0, NULL), 0);
		write_random(&x, ino, i);
	}
	expect_none(&x);
}

static void one_file_over_and_over(void **state)
{
	struct fixture x;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < 1000; i++)
		write_random(&x, x.inos[0], i);
	expect_none(&x);
}

/* --- settings, acknowledging */

static void expect_refused(struct fixture *x, const char *change)
{
	struct hf_error err = HF_ERROR_INIT;
	const char *const changes[] = { "lag=1m", change };

	assert_int_equal(hf_alarm_set(x->f.path, changes, 2, &err), -EINVAL);
	assert_true(err.text[0]);
}

static void they_are_set(void **state)
{
	static const char *const bad[] = { "lag",           "lag=",         "lag=soon",       "lag=-1",
					   "lag=1y",        "window=off",   "window=1",       "files=0",
					   "deletion=101%", "deletion=20s", "hook=program",   "url=ftp://x",
					   "colour=red",    "=1",           "lag=99999999999" };
	static const char *const good[] = { "lag=2m",         "unreachable=off",
					    "window=1h",      "files=5",
					    "deletion=30%",   "encryption=7",
					    "hook=/bin/true", "url=https://example.org/" };
	struct hf_alarm_settings s;
	struct fixture x;

	(void)state;
	begin(&x, false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(&x, bad[i]);
	assert_int_equal(hf_alarm_settings(x.f.path, &s, NULL), 0);
	assert_int_equal(s.lag_s, 600); /* with one that is refused none is changed */
	assert_int_equal(s.encryption_files, 20);
	assert_int_equal(hf_alarm_set(x.f.path, good, 8, NULL), 0);
	assert_int_equal(hf_alarm_settings(x.f.path, &s, NULL), 0);
	assert_int_equal(s.lag_s, 120);
	assert_int_equal(s.unreachable_s, 0);
	assert_int_equal(s.window_s, 3600);
	assert_int_equal(s.files, 5);
	assert_int_equal(s.deletion_percent, 30);
	assert_int_equal(s.overwrite_percent, 50); /* not named: as it was */
	assert_int_equal(s.encryption_files, 7);
	assert_string_equal(s.hook, "/bin/true");
	assert_int_equal(hf_alarm_set(x.f.path, (const char *const[]){ "hook=none" }, 1, NULL), 0);
	assert_int_equal(hf_alarm_settings(x.f.path, &s, NULL), 0);
	assert_string_equal(s.hook, "");
	assert_int_equal(hf_alarm_set(x.f.dir, good, 1, NULL), -ENOENT); /* not a store */
	store_fixture_release(&x.f);
}

static void damaged_settings_are_an_alarm(void **state)
{
	CLEANUP(cleanup_free) struct hf_alarm *alarms = NULL;
	struct hf_alarm_settings s;
	struct fixture x;
	char path[300];
	size_t n;
	FILE *f;

	(void)state;
	begin(&x, false);
	(void)snprintf(path, sizeof(path), "%s/alarms.json", x.f.path);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs("{\"version\":1,\"files\":0}", f) > 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(hf_alarm_settings(x.f.path, &s, NULL), -EUCLEAN);
	alarms = end(&x, &n);
	assert_int_equal(n, 1);
	assert_string_equal(alarms[0].kind, "settings");
	store_open(&x.f, 0); /* it opens all the same */
	store_fixture_release(&x.f);
}

static void they_are_acknowledged(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_alarm *alarms;
	struct fixture x;
	unsigned done;
	char name[32];
	size_t n;

	(void)state;
	begin(&x, false);
	for (unsigned i = 0; i < FILES; i++)
		remove_name(&x, name_of(i, "", name));
	free(end(&x, &n));
	assert_int_equal(n, 1);
	assert_int_equal(hf_store_acknowledge(x.f.path, "7", &done, &err), -ENOENT);
	assert_int_equal(hf_store_acknowledge(x.f.path, "x", &done, &err), -EINVAL);
	store_open(&x.f, 0);
	assert_int_equal(hf_store_acknowledge(x.f.path, "1", &done, &err), 0); /* while it is open */
	assert_int_equal(done, 1);
	alarms = end(&x, &n);
	free(alarms);
	assert_int_equal(n, 0);
	store_fixture_release(&x.f);
}

/* --- replicas, as they say they are */

struct watched {
	struct sim *sim;
	struct alarms *alarms;
	struct guard_replicas replicas;
	struct hf_replica_status all[3];
	uint64_t now_ns;
};

/* So many of them are there, so long after the last look. */
static void look(struct watched *w, size_t n, unsigned later_s)
{
	const struct hf_alarm_settings s = { .lag_s = 600, .unreachable_s = 3600 };

	w->now_ns += later_s * UINT64_C(1000000000);
	guard_look_at_statuses(&w->replicas, w->all, n, "60bd2e02a1b2f4e6f3a9b05cb46ba5de", w->now_ns, &s,
			       w->alarms);
}

static void expect_open(struct watched *w, const char *wanted)
{
	CLEANUP(cleanup_free) struct hf_alarm *all = NULL;
	char got[400] = "";
	size_t n, len = 0;

	assert_int_equal(alarm_read_open(sim_os(w->sim), "/store", &all, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s %s %d; ", all[i].kind,
					all[i].replica, (int)all[i].count);
	assert_string_equal(got, wanted);
}

static void begin_watching(struct watched *w)
{
	const struct os *os;

	memset(w, 0, sizeof(*w));
	w->sim = sim_new(1);
	assert_non_null(w->sim);
	os = sim_os(w->sim);
	assert_int_equal(os->mkdir(os->state, "/store", 0700), 0);
	assert_int_equal(alarms_open(os, "/store", &w->alarms, NULL), 0);
	w->now_ns = 1000;
	(void)snprintf(w->all[0].name, sizeof(w->all[0].name), "a");
	(void)snprintf(w->all[1].name, sizeof(w->all[1].name), "b");
	for (unsigned i = 0; i < 2; i++)
		w->all[i].state = HF_REPLICA_CURRENT;
}

static void end_watching(struct watched *w)
{
	alarms_close(w->alarms);
	sim_free(w->sim);
}

static void replicas_that_are_away(void **state)
{
	struct watched w;

	(void)state;
	begin_watching(&w);
	w.all[1].state = HF_REPLICA_UNREACHABLE;
	look(&w, 2, 0);
	look(&w, 2, 3000);
	w.all[1].state = HF_REPLICA_CURRENT; /* back in time */
	look(&w, 2, 500);
	w.all[1].state = HF_REPLICA_UNREACHABLE;
	look(&w, 2, 100);
	look(&w, 2, 3599);
	expect_open(&w, "");
	w.all[0] = w.all[1]; /* the first is removed: it is the same that is away */
	look(&w, 1, 1);
	look(&w, 1, 1);
	alarms_close(w.alarms); /* counts are on the disk then */
	assert_int_equal(alarms_open(sim_os(w.sim), "/store", &w.alarms, NULL), 0);
	expect_open(&w, "unreachable b 1; ");
	look(&w, 1, 3600);
	alarms_close(w.alarms);
	assert_int_equal(alarms_open(sim_os(w.sim), "/store", &w.alarms, NULL), 0);
	expect_open(&w, "unreachable b 2; ");
	end_watching(&w);
}

static void replicas_in_other_trouble(void **state)
{
	struct watched w;

	(void)state;
	begin_watching(&w);
	w.all[0].lag_seconds = 599;
	look(&w, 2, 0);
	expect_open(&w, "");
	w.all[0].lag_seconds = 601;
	w.all[1].state = HF_REPLICA_REFUSED;
	look(&w, 2, 100);
	look(&w, 2, 100);
	expect_open(&w, "lag a 1; refused b 1; ");
	w.all[1].state = HF_REPLICA_CURRENT;
	w.all[1].regressed_ns = 77;
	look(&w, 2, 100);
	look(&w, 2, 100);
	expect_open(&w, "lag a 1; refused b 1; regressed b 1; ");
	end_watching(&w);
}

/* Restoring takes away as much as anything could; but it was asked for. */
static void test_restoring(void **state)
{
	struct hf_restore_summary sum;
	struct hf_error err = HF_ERROR_INIT;
	struct fixture x;

	(void)state;
	begin(&x, false);
	assert_int_equal(hf_restore(x.f.store, 0, "", NULL, 0, NULL, NULL, NULL, &sum, &err), 0);
	assert_int_equal(sum.removed, FILES);
	expect_none(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_restoring),
		cmocka_unit_test(removed),
		cmocka_unit_test(emptied),
		cmocka_unit_test(punched),
		cmocka_unit_test(encrypted_in_place),
		cmocka_unit_test(encrypted_after_cutting),
		cmocka_unit_test(encrypted_by_copying),
		cmocka_unit_test(encrypted_and_renamed_over),
		cmocka_unit_test(encrypted_beside),
		cmocka_unit_test(encrypted_anew),
		cmocka_unit_test(written_anew),
		cmocka_unit_test(random_before),
		cmocka_unit_test(compressed),
		cmocka_unit_test(laid_out_before),
		cmocka_unit_test(one_file_over_and_over),
		cmocka_unit_test(they_are_set),
		cmocka_unit_test(damaged_settings_are_an_alarm),
		cmocka_unit_test(they_are_acknowledged),
		cmocka_unit_test(replicas_that_are_away),
		cmocka_unit_test(replicas_in_other_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
