/* SPDX-License-Identifier: MIT */
/* The scrub finds damage by itself; and it is healed from a replica, at rest and while the store is open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "holdfast/alarm.h"
#include "holdfast/replica.h"
#include "store/format/format.h"
#include "store/os/os.h"
#include "store/volume/volume.h"
#include "tests/unit/damage_helper.h"
#include "tests/unit/log_helper.h"
#include "tests/unit/scratch.h"

enum { LONG_S = 20 };

/* --- the scrub */

static bool eventually(bool (*fn)(struct one *o), struct one *o)
{
	struct timespec pause = { 0, 20000000 };

	for (int i = 0; i < LONG_S * 50; i++) {
		if (fn(o))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

static bool is_found(struct one *o)
{
	struct hf_damage d;

	return hf_store_damage(o->f.store, &d, 1) == 1 && d.retired;
}

static bool is_complete(struct one *o)
{
	return verified_of(o).complete_ns > 0;
}

static bool is_healed(struct one *o)
{
	return verified_of(o).damaged == 0;
}

static void open_scrubbed(struct one *o)
{
	o->f.options.flags &= ~(unsigned)HF_OPEN_NO_REPLICATION;
	o->f.options.scrub_s = 1;
	store_open(&o->f, 0);
}

static void test_scrub(void **state)
{
	struct hf_alarm *alarms = NULL;
	struct one o;
	size_t n = 0;

	(void)state;
	one_init(&o);
	open_scrubbed(&o);
	assert_true(eventually(is_complete, &o));
	assert_int_equal(verified_of(&o).scrub_s, 1);
	assert_int_equal(verified_of(&o).damaged, 0);
	damage(&o); /* under its feet, and nobody reads it */
	assert_true(eventually(is_found, &o));
	assert_int_equal(hf_store_alarms(o.f.path, &alarms, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_string_equal(alarms[0].kind, "damage");
	assert_non_null(strstr(alarms[0].words, "file"));  /* which file's bytes they are */
	assert_non_null(strstr(alarms[0].words, "tid-2")); /* and when they were written */
	assert_non_null(strstr(alarms[0].words, "--repair"));
	free(alarms);
	damage(&o); /* turned back: the next pass sees that all is well */
	assert_true(eventually(is_healed, &o));
	one_release(&o);
}

/* A pass goes on where it was, in a later mount. */
static void test_scrub_goes_on(void **state)
{
	char path[400], text[400];
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	for (unsigned i = 0; i < 12; i++) {
		fill_random(o.data, BYTES, 100 + i);
		put(&o.f, o.ino, 0, o.data, BYTES);
		commit(&o.f);
	}
	assert_true(status_of(&o.f).log_segments > 3);
	/* As a scrub of a day leaves it that is at segment 3 after an hour. */
	(void)snprintf(path, sizeof(path), "%s/verified.json", o.f.path);
	(void)snprintf(text, sizeof(text),
		       "{\"version\":1,\"volume\":\"%s\",\"complete_ns\":\"0\",\"complete_tid\":\"0\","
		       "\"began_ns\":\"%llu\","
		       "\"segment\":3,\"damage\":[]}",
		       status_of(&o.f).volume_id,
		       (unsigned long long)(os_posix()->now_ns(NULL) - 3600000000000u));
	store_close(&o.f);
	assert_int_equal(os_write_file(os_posix(), path, text, strlen(text), 0600), 0);
	damage(&o);
	o.f.options.flags &= ~(unsigned)HF_OPEN_NO_REPLICATION;
	o.f.options.scrub_s = 86400;
	store_open(&o.f, 0);
	assert_true(verified_of(&o).done_bytes >= SMALL_SEGMENT); /* two segments are behind it */
	assert_true(verified_of(&o).began_ns > 0);
	store_close(&o.f);
	o.f.options.scrub_s = 1; /* in a hurry: the rest of this pass, which does not see segment 1 again */
	store_open(&o.f, 0);
	assert_true(eventually(is_complete, &o));
	assert_true(eventually(is_found, &o)); /* but the next one does */
	one_release(&o);
}

/* --- healing */

struct healing {
	unsigned found, healed;
	char last[HF_ERROR_TEXT_BYTES + 200];
};

static void count_found(void *arg, const char *what)
{
	struct healing *h = arg;

	print_message("# %s\n", what);
	h->found++;
	(void)snprintf(h->last, sizeof(h->last), "%s", what);
}

static void count_healed(void *arg, const char *what)
{
	struct healing *h = arg;

	(void)what;
	h->healed++;
}

static struct hf_repair repair(struct one *o, bool copies, struct healing *h)
{
	const struct hf_repair_options options = {
		.repair = true, .copies = copies, .found = count_found, .healed = count_healed, .arg = h
	};
	struct hf_error err = HF_ERROR_INIT;
	struct hf_repair did;
	int r;

	memset(h, 0, sizeof(*h));
	r = o->f.store ? hf_store_repair_open(o->f.store, &options, &did, &err) :
			 hf_store_repair(o->f.path, &options, &did, &err);
	if (r < 0)
		fail_msg("%s", err.text);
	return did;
}

/* The store ships to a folder until that has everything; then it is closed. */
static void ship(struct one *o, char folder[300])
{
	struct hf_error err = HF_ERROR_INIT;

	(void)snprintf(folder, 300, "%s/there", o->f.dir);
	assert_int_equal(hf_replica_add(o->f.path, folder, "there", &err), 0);
	o->f.options.flags &= ~(unsigned)HF_OPEN_NO_REPLICATION;
	store_open(&o->f, 0);
	if (hf_store_drain(o->f.store, LONG_S * 1000, &err) < 0)
		fail_msg("%s", err.text);
}

static void grow(struct one *o)
{
	uint8_t more[BYTES];

	for (unsigned i = 0; i < 6; i++) { /* so that segment 1 has ended */
		char name[16];

		(void)snprintf(name, sizeof(name), "more %u", i);
		fill_random(more, BYTES, 60 + i);
		put(&o->f, make_file(&o->f, name), 0, more, BYTES);
		commit(&o->f);
	}
	assert_true(status_of(&o->f).log_segments > 1);
}

static void test_heal_at_rest(void **state)
{
	char folder[300], path[400];
	struct healing h;
	struct hf_repair did;
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	grow(&o);
	store_close(&o.f);
	damage(&o);
	did = repair(&o, false, &h); /* nobody has it */
	assert_int_equal(did.faults, 1);
	assert_int_equal(did.healed_segments, 0);
	damage(&o);
	ship(&o, folder);
	store_close(&o.f);
	damage(&o);
	did = repair(&o, false, &h);
	assert_int_equal(did.found, 1);
	assert_int_equal(did.faults, 0);
	assert_int_equal(did.healed_segments, 1);
	assert_int_equal(h.healed, 1);
	assert_int_equal(store_faults(&o.f), 0);
	/* The descriptor too, of which no replica has a copy. */
	(void)snprintf(path, sizeof(path), "%s/volume", o.f.path);
	flip_byte(path, 40, 1);
	store_open_fails(&o.f, 0, -EUCLEAN, "volume");
	did = repair(&o, false, &h);
	assert_int_equal(did.faults, 0);
	assert_int_equal(h.healed, 1);
	assert_int_equal(store_faults(&o.f), 0);
	store_open(&o.f, 0);
	assert_int_equal(verified_of(&o).damaged, 0);
	assert_int_equal(try_read(&o, o.ino), BYTES);
	one_release(&o);
}

static void test_heal_while_open(void **state)
{
	char folder[300], last[400];
	struct hf_check_summary sum;
	struct healing h;
	struct hf_repair did;
	struct log_point end;
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	grow(&o);
	store_close(&o.f);
	ship(&o, folder);
	damage(&o);
	assert_int_equal(try_read(&o, o.ino), -EUCLEAN);
	did = repair(&o, false, &h);
	assert_int_equal(did.faults, 0);
	assert_int_equal(did.healed_segments, 1);
	assert_int_equal(verified_of(&o).damaged, 0);
	assert_int_equal(try_read(&o, o.ino), BYTES); /* from the file that is there now */
	/* What is written to is not replaced under the writer. */
	put_text(&o.f, make_file(&o.f, "in the last segment"), 0, "some");
	commit(&o.f);
	(void)snprintf(last, sizeof(last), "%s/log/%010llu.seg", o.f.path,
		       (unsigned long long)status_of(&o.f).log_segments);
	flip_byte(last, 350, 1);
	did = repair(&o, false, &h);
	assert_true(did.faults > 0);
	assert_int_equal(did.healed_segments, 0);
	flip_byte(last, 350, 1);
	assert_int_equal(repair(&o, false, &h).faults, 0);
	/* How far its log goes an open store knows, though the last commit is damaged and no log opens there.
	 */
	log_durable(o.f.store->log, &end);
	flip_byte(last, end.end.offset - 10, 1);
	assert_true(hf_store_check_open(o.f.store, NULL, NULL, &sum, NULL, NULL) > 0);
	assert_int_equal(sum.commits, end.commit);
	assert_int_equal(sum.last_tid, end.tid);
	assert_int_equal(sum.segments, end.end.segment);
	one_release(&o);
}

static void end_path(const struct one *o, unsigned long long segment, char path[400])
{
	(void)snprintf(path, 400, "%s/log/%010llu.seg", o->f.path, segment);
}

static void cut_end(const char *path, uint64_t len)
{
	assert_int_equal(truncate(path, (off_t)(file_bytes(path) - len)), 0);
}

enum { SPOILS = 8 };

/* One thing that may happen to the end of a log; what is left must not be taken for all of it. */
static void spoil_end(const struct one *o, unsigned long long last, unsigned how)
{
	char path[400];

	end_path(o, last, path);
	switch (how) {
	case 0:
		flip_byte(path, file_bytes(path) - 10, 1);
		break;
	case 1:
		cut_end(path, COMMIT_FRAME_BYTES + 1);
		break;
	case 2:
		assert_int_equal(truncate(path, 40), 0);
		break;
	case 3: /* the last segment */
	case 4: /* and the one before it, */
	case 5: /* or its end */
	case 6: /* or its end, to the byte behind a commit */
		assert_int_equal(unlink(path), 0);
		end_path(o, last - 1, path);
		if (how == 4)
			assert_int_equal(unlink(path), 0);
		else if (how > 4)
			cut_end(path, how == 5 ? 7 : COMMIT_FRAME_BYTES);
		break;
	default: /* all of it, and its folder */
		for (; last > 0; last--) {
			end_path(o, last, path);
			assert_int_equal(unlink(path), 0);
		}
		*strrchr(path, '/') = 0;
		assert_int_equal(rmdir(path), 0);
	}
}

/*
 * The end of the log is gone, and behind it is nothing that says so: the index knows, or else what a replica
 * has given its receipt for. It is found, it does not open, nor for a rebuild, and it is healed.
 */
static void heal_the_end(unsigned files)
{
	char folder[300], command[700];
	unsigned long long last;
	struct healing h;
	struct hf_repair did;
	struct one o;

	one_init(&o);
	if (files > 1) {
		store_open(&o.f, 0);
		grow(&o);
		store_close(&o.f);
	}
	ship(&o, folder);
	last = status_of(&o.f).log_segments;
	assert_int_equal(last > 1, files > 1);
	store_close(&o.f);
	(void)snprintf(command, sizeof(command), "rm -r '%s/index'", o.f.path);
	for (unsigned i = 0; i < 2 * SPOILS; i++) {
		const unsigned how = i % SPOILS;

		if (i == SPOILS) /* from now on nothing but the receipt */
			assert_int_equal(system(command), 0);
		if (last == 1 && how > 3 && how < SPOILS - 1)
			continue;
		spoil_end(&o, last, last == 1 && how == 3 ? SPOILS - 1 : how);
		if (store_faults(&o.f) == 0)
			fail_msg("%u: no fault", i);
		store_open_fails(&o.f, 0, -EUCLEAN, "holdfast check");
		store_open_fails(&o.f, HF_OPEN_REBUILD, -EUCLEAN, "holdfast check");
		did = repair(&o, false, &h);
		if (did.found == 0 || did.faults > 0 || did.healed_segments == 0)
			fail_msg("%u: found %llu, left %llu, healed %llu", i, (unsigned long long)did.found,
				 (unsigned long long)did.faults, (unsigned long long)did.healed_segments);
		assert_int_equal(store_faults(&o.f), 0);
	}
	store_open(&o.f, 0);
	assert_int_equal(try_read(&o, o.ino), BYTES);
	assert_int_equal(verified_of(&o).damaged, 0);
	one_release(&o);
}

static void test_heal_the_end(void **state)
{
	(void)state;
	heal_the_end(2);
	heal_the_end(1);
}

/* Nobody has what is gone, and the index alone knows of it: it is taken away by no means but by hand. */
static void test_the_only_witness(void **state)
{
	char index[300], command[900], last[400];
	struct healing h;
	struct one o;

	(void)state;
	one_init(&o);
	(void)snprintf(index, sizeof(index), "%s/index", o.f.path);
	end_path(&o, 1, last);
	cut_end(last, 20);
	store_open_fails(&o.f, 0, -EUCLEAN, "holdfast check");
	store_open_fails(&o.f, HF_OPEN_REBUILD, -EUCLEAN, "holdfast check");
	store_open_fails(&o.f, HF_OPEN_REBUILD | HF_OPEN_READ_ONLY, -EUCLEAN, "holdfast check");
	assert_int_equal(repair(&o, false, &h).faults, 1);
	/* Damaged as well, in a file of its keys and values: it is left until the log is whole. */
	(void)snprintf(
		command, sizeof(command),
		"f=$(ls -S '%s'/*.sst | head -n 1) && printf XXXX | dd of=\"$f\" bs=1 seek=20 conv=notrunc status=none",
		index);
	assert_int_equal(system(command), 0);
	assert_int_equal(repair(&o, false, &h).faults, 2);
	assert_int_equal(repair(&o, false, &h).faults, 2);
	(void)snprintf(command, sizeof(command), "rm -r '%s'", index);
	assert_int_equal(system(command), 0);
	store_open(&o.f, 0);
	one_release(&o);
}

/* A receipt that has rotted, or names no place there is, says nothing of the log. */
static void test_no_receipt(void **state)
{
	static const char far[] =
		"{\"segment\":1,\"offset\":4294967295,\"commit\":\"9\",\"tid\":\"9\",\"time_ns\":\"9\","
		"\"epoch\":1,\"chain\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\","
		"\"node_time_ns\":\"9\"}";
	static const char *const texts[] = { "", "{}", far };
	CLEANUP(buf_release) struct buf was = BUF_INIT;
	char folder[300], receipt[400];
	struct one o;

	(void)state;
	one_init(&o);
	ship(&o, folder);
	store_close(&o.f);
	o.f.options.flags |= HF_OPEN_NO_REPLICATION; /* so that it is not written anew */
	(void)snprintf(receipt, sizeof(receipt), "%s/replicas/there.receipt", o.f.path);
	assert_int_equal(os_read_file(os_posix(), receipt, 4096, &was), 0);
	for (size_t i = 0; i < was.len - 1; i++) { /* behind its last byte nothing is */
		flip_byte(receipt, i, 1);
		if (store_faults(&o.f) != 0)
			fail_msg("byte %zu", i);
		flip_byte(receipt, i, 1);
		if (i % 16 == 0) {
			store_open(&o.f, 0);
			store_close(&o.f);
		}
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(os_write_file(os_posix(), receipt, texts[i], strlen(texts[i]), 0600), 0);
		assert_int_equal(store_faults(&o.f), 0);
		store_open(&o.f, 0);
		store_close(&o.f);
	}
	one_release(&o);
}

/* The other way: the folder's bytes rot, and are read back. */
static void test_heal_a_folder(void **state)
{
	char folder[300], id[HF_VOLUME_ID_TEXT_BYTES], theirs[500], receipt[400];
	struct healing h = { 0 };
	struct hf_repair_options look = { .copies = true, .found = count_found, .arg = &h };
	unsigned long long last;
	struct hf_repair did;
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	grow(&o);
	memcpy(id, status_of(&o.f).volume_id, sizeof(id));
	last = status_of(&o.f).log_segments;
	store_close(&o.f);
	ship(&o, folder);
	store_close(&o.f);
	(void)snprintf(theirs, sizeof(theirs), "%s/%s/log/0000000001.seg", folder, id);
	assert_int_equal(hf_store_repair(o.f.path, &look, &did, NULL), 0);
	assert_int_equal(did.faults, 0);
	assert_int_equal(did.copies, 1);
	for (uint32_t at = 3; at < 20000; at += 1700) {
		flip_byte(theirs, at, 1);
		memset(&h, 0, sizeof(h));
		assert_int_equal(hf_store_repair(o.f.path, &look, &did, NULL), 0);
		assert_int_equal(did.faults, 1);
		assert_non_null(strstr(h.last, "there"));
		did = repair(&o, true, &h);
		assert_int_equal(did.found, 1);
		assert_int_equal(did.faults, 0);
		assert_int_equal(h.healed, 1);
	}
	assert_int_equal(unlink(theirs), 0); /* all of it */
	did = repair(&o, true, &h);
	assert_int_equal(did.faults, 0);
	/* Each healed from the other at once: not in the same group, of which nobody had a whole one. */
	flip_byte(theirs, 60000, 1);
	damage(&o);
	did = repair(&o, true, &h);
	assert_int_equal(did.found, 2);
	assert_int_equal(did.faults, 0);
	assert_int_equal(store_faults(&o.f), 0);
	/* Its last group: nothing behind it says what it was, but the receipt that was kept of it. */
	(void)snprintf(theirs, sizeof(theirs), "%s/%s/log/%010llu.seg", folder, id, last);
	flip_byte(theirs, file_bytes(theirs) - 100, 1);
	did = repair(&o, true, &h);
	assert_int_equal(h.healed, 1);
	assert_int_equal(did.found, 1);
	assert_int_equal(did.faults, 0);
	/* An older state of it. */
	cut_end(theirs, 7000);
	did = repair(&o, true, &h);
	assert_int_equal(did.found, 1);
	assert_int_equal(did.faults, 0);
	assert_int_equal(unlink(theirs), 0);
	did = repair(&o, true, &h);
	assert_int_equal(did.found, 1);
	assert_int_equal(did.faults, 0);
	assert_int_equal(unlink(theirs), 0);
	(void)snprintf(theirs, sizeof(theirs), "%s/%s/log/%010llu.seg", folder, id, last - 1);
	assert_int_equal(unlink(theirs), 0);
	did = repair(&o, true, &h);
	assert_int_equal(did.found, 2);
	assert_int_equal(did.faults, 0);
	(void)snprintf(theirs, sizeof(theirs), "%s/%s/log/%010llu.seg", folder, id, last);
	(void)snprintf(receipt, sizeof(receipt), "%s/replicas/there.receipt", o.f.path);
	assert_int_equal(unlink(receipt), 0);
	flip_byte(theirs, file_bytes(theirs) - 100, 1);
	did = repair(&o, true, &h); /* so it stays, and is not called healed */
	assert_int_equal(h.healed, 0);
	assert_int_equal(did.found, 1);
	assert_int_equal(did.faults, 1);
	one_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scrub),
		cmocka_unit_test(test_scrub_goes_on),
		cmocka_unit_test(test_heal_at_rest),
		cmocka_unit_test(test_heal_while_open),
		cmocka_unit_test(test_heal_the_end),
		cmocka_unit_test(test_no_receipt),
		cmocka_unit_test(test_the_only_witness),
		cmocka_unit_test(test_heal_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
