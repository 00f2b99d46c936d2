/* SPDX-License-Identifier: MIT */
/* Alarms as the node keeps them: on a disk that loses power and bits, and delivered once. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "store/alarm/alarm_file.h"
#include "store/alarm/alarms.h"
#include "store/alarm/hook.h"
#include "store/node/pulse.h"
#include "store/replica/post.h"
#include "tests/sim/sim_os.h"
#include "tests/unit/scratch.h"

#define VOLUME "60bd2e02a1b2f4e6f3a9b05cb46ba5de"
#define OTHER "00bd2e02a1b2f4e6f3a9b05cb46ba5de"

static const uint64_t second = UINT64_C(1000000000);

/* A disk with a node's folder on it. */
static struct sim *disk(uint64_t seed)
{
	struct sim *sim = sim_new(seed);
	const struct os *os = sim_os(sim);

	assert_non_null(sim);
	assert_int_equal(os->mkdir(os->state, "/node", 0700), 0);
	assert_int_equal(os->sync_dir(os->state, "/"), 0);
	return sim;
}

static struct alarms *open_alarms(struct sim *sim)
{
	struct alarms *a = NULL;

	assert_int_equal(alarms_open(sim_os(sim), "/node", &a, NULL), 0);
	return a;
}

/* What is on the disk, which must be n alarms. The caller frees it. */
static struct hf_alarm *on_disk(struct sim *sim, size_t n)
{
	struct hf_alarm *all = NULL;
	uint32_t next;
	size_t got;

	assert_int_equal(alarm_files_read(sim_os(sim), "/node", &all, &got, &next, NULL), 0);
	assert_int_equal(got, n);
	return all;
}

static void they_are_counted(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(1);
	CLEANUP(cleanup_free) struct hf_alarm *all = NULL;
	struct alarms *a = open_alarms(sim);

	(void)state;
	alarms_raise(a, "conflict", VOLUME, "first");
	sim_advance(sim, 5 * second);
	alarms_raise(a, "conflict", VOLUME, "second\nline \xff");
	alarms_raise(a, "conflict", OTHER, "another volume");
	alarms_raise(a, "space", NULL, "the node");
	alarms_raise(a, "conflict", VOLUME, "third");
	alarms_close(a);
	a = open_alarms(sim); /* counted on in another run */
	alarms_raise(a, "conflict", VOLUME, "fourth\nline \xff");
	alarms_close(a);
	all = on_disk(sim, 3);
	assert_int_equal(all[0].number, 1);
	assert_string_equal(all[0].kind, "conflict");
	assert_string_equal(all[0].volume_id, VOLUME);
	assert_int_equal(all[0].count, 4);
	assert_int_equal(all[0].last_ns - all[0].first_ns, 5 * second);
	assert_string_equal(all[0].words, "fourth line ?");
	assert_false(all[0].acknowledged);
	assert_string_equal(all[1].volume_id, OTHER);
	assert_int_equal(all[1].count, 1);
	assert_string_equal(all[2].kind, "space");
	assert_string_equal(all[2].volume_id, "");
}

static void an_acknowledged_one_opens_anew(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(2);
	CLEANUP(cleanup_free) struct hf_alarm *before = NULL, *all = NULL, *end = NULL;
	struct alarms *a = open_alarms(sim);

	(void)state;
	alarms_raise(a, "silent", VOLUME, "one");
	before = on_disk(sim, 1);
	/* It is raised once more between a person's look and his acknowledgement. */
	sim_advance(sim, 2 * second);
	alarms_raise(a, "silent", VOLUME, "two");
	assert_int_equal(alarm_file_acknowledge(sim_os(sim), "/node", &before[0]), 0);
	all = on_disk(sim, 1);
	assert_int_equal(all[0].count, 2);
	assert_false(all[0].acknowledged);
	assert_int_equal(alarm_file_acknowledge(sim_os(sim), "/node", &all[0]), 0);
	alarms_raise(a, "silent", VOLUME, "three");
	alarms_close(a);
	end = on_disk(sim, 2);
	assert_true(end[0].acknowledged);
	assert_int_equal(end[0].count, 2);
	assert_int_equal(end[1].number, 2);
	assert_int_equal(end[1].count, 1);
	assert_false(end[1].acknowledged);
}

/* Those of two replicas are two; the moment is that of the first time. */
static void they_say_what_they_are_about(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(8);
	CLEANUP(cleanup_free) struct hf_alarm *all = NULL;
	const struct alarm_about here = { .volume = VOLUME, .replica = "here" };
	const struct alarm_about there = { .volume = VOLUME, .replica = "there" };
	struct alarm_about past = { .volume = VOLUME, .moment = "2026-11-21T101530Z" };
	struct alarms *a = open_alarms(sim);

	(void)state;
	alarms_raise_about(a, "lag", &here, "one");
	alarms_raise_about(a, "lag", &there, "two");
	alarms_raise_about(a, "deletion", &past, "three");
	past.moment = "2026-11-21T101700Z";
	alarms_raise_about(a, "deletion", &past, "four");
	alarms_raise_about(a, "lag", &here, "five");
	alarms_close(a);
	all = on_disk(sim, 3);
	assert_string_equal(all[0].replica, "here");
	assert_int_equal(all[0].count, 2);
	assert_string_equal(all[1].replica, "there");
	assert_int_equal(all[1].count, 1);
	assert_string_equal(all[2].replica, "");
	assert_string_equal(all[2].moment, "2026-11-21T101530Z");
	assert_string_equal(all[2].words, "four");
}

static void damage_is_an_alarm(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(3);
	CLEANUP(cleanup_free) struct hf_alarm *all = NULL, *after = NULL;
	CLEANUP(buf_release) struct buf left = BUF_INIT, still = BUF_INIT;
	const struct os *os = sim_os(sim);
	struct alarms *a = open_alarms(sim);
	struct hf_alarm taken;

	(void)state;
	alarms_raise(a, "conflict", VOLUME, "what was said");
	alarms_close(a);
	assert_int_equal(sim_damage(sim, "/node/alarms/000001.json", 0, 4), 0);
	assert_int_equal(os_read_file(os, "/node/alarms/000001.json", 10000, &left), 0);
	a = open_alarms(sim); /* it does not stop the node, and is delivered like any */
	assert_true(alarms_next(a, &taken));
	assert_string_equal(taken.kind, "damaged");
	alarms_delivered(a, taken.number, true);
	alarms_raise(a, "conflict", VOLUME, "what came after");
	alarms_close(a);
	assert_int_equal(os_read_file(os, "/node/alarms/000001.json", 10000, &still), 0);
	assert_int_equal(left.len, still.len);
	assert_memory_equal(left.data, still.data, left.len);
	all = on_disk(sim, 2);
	assert_string_equal(all[0].kind, "damaged");
	assert_non_null(strstr(all[0].words, "000001.json"));
	assert_false(all[0].acknowledged);
	assert_string_equal(all[1].kind, "conflict");
	assert_int_equal(alarm_file_acknowledge(os, "/node", &all[0]), 0);
	/* What acknowledges a good file does not when that is damaged later. */
	assert_int_equal(alarm_file_acknowledge(os, "/node", &all[1]), 0);
	assert_int_equal(sim_damage(sim, "/node/alarms/000002.json", 0, 4), 0);
	after = on_disk(sim, 2);
	assert_true(after[0].acknowledged);
	assert_string_equal(after[1].kind, "damaged");
	assert_false(after[1].acknowledged);
}

/* Raise, raise, acknowledge, raise: how many of these had returned when the power was cut. */
static unsigned script(struct sim *sim)
{
	struct alarms *a;
	struct hf_alarm *all;
	unsigned done = 0;
	uint32_t next;
	size_t n;

	if (alarms_open(sim_os(sim), "/node", &a, NULL) < 0)
		return 0;
	alarms_raise(a, "conflict", VOLUME, "one");
	done += sim_power_is_on(sim);
	alarms_raise(a, "silent", VOLUME, "two");
	done += sim_power_is_on(sim);
	if (alarm_files_read(sim_os(sim), "/node", &all, &n, &next, NULL) == 0) {
		done += n > 0 && alarm_file_acknowledge(sim_os(sim), "/node", &all[0]) == 0;
		free(all);
	}
	alarms_raise(a, "conflict", VOLUME, "three");
	done += sim_power_is_on(sim);
	alarms_close(a);
	return done;
}

static void power_cuts_lose_none(void **state)
{
	unsigned seen[5] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		for (uint64_t cut = 1; cut <= 30; cut++) {
			CLEANUP(sim_freep) struct sim *sim = disk(seed);
			CLEANUP(cleanup_free) struct hf_alarm *all = NULL;
			struct alarms *a;
			unsigned done;
			uint32_t next;
			size_t n;

			sim_power_cut_at(sim, cut);
			done = script(sim);
			if (sim_power_is_on(sim))
				sim_power_cut(sim);
			sim_power_on(sim);
			a = open_alarms(sim);
			alarms_close(a);
			assert_int_equal(alarm_files_read(sim_os(sim), "/node", &all, &n, &next, NULL), 0);
			seen[done]++;
			assert_true(n >= (done >= 4 ? 3 : done >= 2 ? 2 : done));
			for (size_t i = 0; i < n; i++)
				assert_string_not_equal(all[i].kind, "damaged");
			if (done >= 3)
				assert_true(all[0].acknowledged);
			if (done >= 2)
				assert_false(all[1].acknowledged);
		}
	}
	for (unsigned i = 0; i <= 4; i++)
		assert_true(seen[i] > 0);
}

static void a_failing_disk_is_tried_again(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(4);
	CLEANUP(cleanup_free) struct hf_alarm *none = NULL, *all = NULL;
	struct alarms *a = open_alarms(sim);

	(void)state;
	sim_fail(sim, SIM_PWRITE, 1, UINT64_MAX, -ENOSPC);
	alarms_raise(a, "space", NULL, "full");
	none = on_disk(sim, 0);
	sim_fail(sim, 0, 0, 0, 0);
	sim_advance(sim, 61 * second);
	alarms_raise(a, "space", NULL, "full");
	all = on_disk(sim, 1);
	assert_int_equal(all[0].count, 2);
	alarms_close(a);
}

static void there_is_a_limit(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(5);
	CLEANUP(cleanup_free) struct hf_alarm *all = NULL, *after = NULL;
	struct alarms *a = open_alarms(sim);
	char kind[24];

	(void)state;
	for (int i = 0; i <= ALARMS_MAX; i++) {
		(void)snprintf(kind, sizeof(kind), "kind%d", i);
		alarms_raise(a, kind, NULL, "words");
	}
	all = on_disk(sim, ALARMS_MAX); /* the last is not kept: open ones are not given up */
	assert_int_equal(alarm_file_acknowledge(sim_os(sim), "/node", &all[7]), 0);
	alarms_raise(a, "one more", NULL, "words");
	after = on_disk(sim, ALARMS_MAX);
	assert_int_equal(after[7].number, 9);
	assert_string_equal(after[ALARMS_MAX - 1].kind, "one more");
	assert_int_equal(after[ALARMS_MAX - 1].number, ALARMS_MAX + 1);
	alarms_close(a);
}

static void expect_due(struct alarms *a, uint64_t count, bool well)
{
	struct hf_alarm taken;

	assert_true(alarms_next(a, &taken));
	assert_int_equal(taken.count, count);
	alarms_delivered(a, taken.number, well);
}

/* Nothing is due: what is raised now is the next that comes. */
static void expect_none_due(struct alarms *a)
{
	struct hf_alarm taken;
	static unsigned n;
	char kind[24];

	(void)snprintf(kind, sizeof(kind), "marker%u", n++);
	alarms_raise(a, kind, NULL, "words");
	assert_true(alarms_next(a, &taken));
	assert_string_equal(taken.kind, kind);
	alarms_delivered(a, taken.number, true);
}

static void each_is_delivered(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(6);
	struct alarms *a = open_alarms(sim);
	struct hf_alarm taken;

	(void)state;
	alarms_raise(a, "silent", VOLUME, "one");
	expect_due(a, 1, true);
	sim_advance(sim, 1800 * second);
	alarms_raise(a, "silent", VOLUME, "two");
	expect_none_due(a);
	sim_advance(sim, 1800 * second);
	alarms_raise(a, "silent", VOLUME, "three");
	expect_due(a, 3, false); /* the hook failed */
	alarms_raise(a, "silent", VOLUME, "four");
	expect_none_due(a);
	sim_advance(sim, 60 * second);
	alarms_raise(a, "silent", VOLUME, "five");
	expect_due(a, 5, false);
	alarms_close(a);
	a = open_alarms(sim); /* a start tries again what failed, and that only */
	expect_due(a, 5, true);
	expect_none_due(a);
	alarms_close(a);
	a = open_alarms(sim);
	expect_none_due(a);
	alarms_stop(a);
	alarms_raise(a, "late", VOLUME, "words");
	assert_false(alarms_next(a, &taken));
	alarms_close(a);
}

/* --- the hook */

static void write_program(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void hooks_run(void **state)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	CLEANUP(buf_release) struct buf text = BUF_INIT, got = BUF_INIT;
	CLEANUP(cleanup_fd) int stop = eventfd(0, EFD_CLOEXEC);
	struct hf_alarm alarm = { .kind = "conflict; exit 1", .volume_id = VOLUME };
	struct hf_error err = HF_ERROR_INIT;
	char path[300], program[800], out[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/hook", dir);
	(void)snprintf(out, sizeof(out), "%s/out", dir);
	buf_add_text(&text, "{\"json\":1}\n");
	(void)snprintf(program, sizeof(program), "#!/bin/sh\necho \"$#,$1,$2,$(cat)\" > %s\n", out);
	write_program(path, program);
	assert_int_equal(hook_run(path, &alarm, &text, stop, 30000, &err), 0);
	assert_int_equal(os_read_file(os_posix(), out, 1000, &got), 0);
	assert_string_equal(buf_cstr(&got), "2,conflict; exit 1," VOLUME ",{\"json\":1}\n");
	write_program(path, "#!/bin/sh\nexit 3\n"); /* without reading */
	assert_int_equal(hook_run(path, &alarm, &text, stop, 30000, &err), -EPROTO);
	write_program(path, "#!/bin/sh\nsleep 100 & wait\n");
	assert_int_equal(hook_run(path, &alarm, &text, stop, 200, &err), -ETIMEDOUT);
	assert_int_equal(eventfd_write(stop, 1), 0);
	assert_int_equal(hook_run(path, &alarm, &text, stop, 30000, &err), -ECANCELED);
	assert_int_equal(hook_run("/nonexistent/hook", &alarm, &text, stop, 30000, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/hook"));
}

/* --- the pulse of a volume */

static bool never(void *arg)
{
	(void)arg;
	return false;
}

/* What goes wrong is logged, and who has the URL of a webhook can post to it. */
static void a_webhook_is_not_told_to_the_log(void **state)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct hf_error err = HF_ERROR_INIT;

	(void)state;
	buf_add_text(&text, "{}");
	assert_int_equal(buf_status(&text), 0);
	/* nobody listens at port 1 */
	assert_int_equal(post_json("http://127.0.0.1:1/hooks/5ecret", &text, 5, never, NULL, &err), -EIO);
	assert_non_null(strstr(err.text, "127.0.0.1"));
	assert_null(strstr(err.text, "5ecret"));
}

static void a_pulse_outlives_a_restart(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = disk(7);
	const struct os *os = sim_os(sim);
	struct pulse p;
	uint64_t mono;

	(void)state;
	sim_advance(sim, 100000 * second);
	pulse_init(&p, os->monotonic_ns(os->state));
	pulse_heard(&p, os->monotonic_ns(os->state), os->now_ns(os->state));
	pulse_said(&p, 7, 5, 5, os->monotonic_ns(os->state));
	pulse_save(&p, os, "/node");
	pulse_release(&p);
	sim_advance(sim, 3600 * second);
	mono = os->monotonic_ns(os->state);
	pulse_init(&p, mono);
	pulse_load(&p, os, "/node");
	assert_int_equal(p.said_tid, 7);
	assert_int_equal(pulse_silence(&p, mono, 3601 * second), 0);
	assert_int_equal(pulse_silence(&p, mono, 3599 * second), 3600 * second);
	assert_int_equal(pulse_silence(&p, mono + 3000 * second, 3599 * second), 0); /* said already */
	assert_int_equal(pulse_silence(&p, mono + 3600 * second, 3599 * second), 7200 * second);
	pulse_release(&p);
	/* Damaged, it counts for nothing. */
	assert_int_equal(sim_damage(sim, "/node/heard", 1, 1), 0);
	pulse_init(&p, mono);
	pulse_load(&p, os, "/node");
	assert_int_equal(pulse_silence(&p, mono, 1), 0);
	pulse_release(&p);
}

static void a_stall_is_seen(void **state)
{
	struct pulse p;
	uint64_t limit = 10 * second, at = 1000 * second;

	(void)state;
	pulse_init(&p, at);
	assert_int_equal(pulse_stall(&p, 5, at + 100 * second, limit), 0); /* it never said anything */
	pulse_said(&p, 9, 9, 5, at);
	pulse_said(&p, 9, 9, 5, at + 9 * second);
	assert_int_equal(pulse_stall(&p, 5, at + 10 * second, limit), 0);
	assert_int_equal(pulse_stall(&p, 5, at + 11 * second, limit), 11 * second);
	assert_int_equal(pulse_stall(&p, 5, at + 12 * second, limit), 0);
	/* Something comes, then nothing again. */
	pulse_said(&p, 9, 9, 6, at + 13 * second);
	assert_int_equal(pulse_stall(&p, 6, at + 22 * second, limit), 0);
	pulse_said(&p, 9, 9, 6, at + 23 * second);
	assert_int_equal(pulse_stall(&p, 6, at + 24 * second, limit), 11 * second);
	/* Silence is another matter. */
	assert_int_equal(pulse_stall(&p, 6, at + 60 * second, limit), 0);
	/* All is there. */
	pulse_said(&p, 9, 9, 9, at + 61 * second);
	assert_int_equal(pulse_stall(&p, 9, at + 71 * second, limit), 0);
	pulse_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_counted),
		cmocka_unit_test(an_acknowledged_one_opens_anew),
		cmocka_unit_test(they_say_what_they_are_about),
		cmocka_unit_test(damage_is_an_alarm),
		cmocka_unit_test(power_cuts_lose_none),
		cmocka_unit_test(a_failing_disk_is_tried_again),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(each_is_delivered),
		cmocka_unit_test(hooks_run),
		cmocka_unit_test(a_webhook_is_not_told_to_the_log),
		cmocka_unit_test(a_pulse_outlives_a_restart),
		cmocka_unit_test(a_stall_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
