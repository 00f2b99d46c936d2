/* SPDX-License-Identifier: MIT */
/* What a store makes of damage: it is not handed on, remembered, told, and nothing new is made of it. */
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

#include "holdfast/history.h"
#include "holdfast/key.h"
#include "store/format/format.h"
#include "store/os/os.h"
#include "store/volume/rot.h"
#include "tests/unit/damage_helper.h"
#include "tests/unit/log_helper.h"
#include "tests/unit/scratch.h"

/* --- nothing new is made of it */

static void test_stored_anew(void **state)
{
	struct one o;
	uint64_t copy, chunks;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	chunks = status_of(&o.f).chunks;
	copy = make_file(&o.f, "the same bytes");
	put(&o.f, copy, 0, o.data, BYTES);
	commit(&o.f);
	assert_int_equal(status_of(&o.f).chunks, chunks); /* so it is while they are whole */
	store_close(&o.f);
	damage(&o);
	store_open(&o.f, 0);
	assert_int_equal(try_read(&o, o.ino), -EUCLEAN);
	expect_known(&o, false);
	/* Met by a reader a moment ago: known at once. */
	put(&o.f, o.ino, 0, o.data, BYTES);
	commit(&o.f);
	assert_int_equal(status_of(&o.f).chunks, chunks + 1);
	assert_int_equal(try_read(&o, o.ino), BYTES); /* what is there now is good again */
	assert_int_equal(try_read(&o, copy), -EUCLEAN);
	store_close(&o.f);

	store_open(&o.f, 0); /* remembered, and by now in the log */
	expect_known(&o, true);
	one_release(&o);
}

/* The log itself says it: neither the note nor the index need be there, and it stays so when the frame is
 * healed. */
static void test_retired_in_the_log(void **state)
{
	struct one o;
	uint64_t chunks, again;
	char note[400];

	(void)state;
	one_init(&o);
	damage(&o);
	store_open(&o.f, 0);
	assert_int_equal(try_read(&o, o.ino), -EUCLEAN);
	store_close(&o.f);
	damage(&o); /* turned back: as if it had been healed */
	(void)snprintf(note, sizeof(note), "%s/verified.json", o.f.path);
	assert_int_equal(unlink(note), 0);
	store_open(&o.f, HF_OPEN_REBUILD);
	assert_int_equal(verified_of(&o).damaged, 0);
	assert_int_equal(try_read(&o, o.ino), BYTES);
	chunks = status_of(&o.f).chunks;
	again = make_file(&o.f, "again");
	put(&o.f, again, 0, o.data, BYTES);
	commit(&o.f);
	assert_int_equal(status_of(&o.f).chunks, chunks + 1);
	again = make_file(&o.f, "a third time"); /* the new one is as good as any */
	put(&o.f, again, 0, o.data, BYTES);
	commit(&o.f);
	assert_int_equal(status_of(&o.f).chunks, chunks + 1);
	assert_int_equal(try_read(&o, again), BYTES);
	one_release(&o);
}

/* A file is not given back what it was by naming it either; not even before that is retired. */
static void test_not_named_again(void **state)
{
	struct hf_view was = { .tid = 0 };
	struct hf_error err = HF_ERROR_INIT;
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	was = (struct hf_view){ o.f.store, head(&o.f) };
	put_text(&o.f, o.ino, 0, "something else");
	commit(&o.f);
	store_close(&o.f);
	damage(&o);
	store_open(&o.f, 0);
	was.store = o.f.store;
	assert_true(hf_view_read(&was, o.ino, 20000, o.data, 100, &err) < 0);
	expect_known(&o, false);
	assert_int_equal(hf_copy_past(&was, o.ino, o.ino, 0, &err), -ENODATA);
	one_release(&o);
}

/* Found by a check, of a store at rest: the next one who writes the same bytes knows. */
static void test_check_remembers(void **state)
{
	struct hf_damage first, again;
	struct hf_verified v;
	struct one o;
	uint64_t chunks;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	assert_int_equal(verified_of(&o).complete_ns, 0);
	store_close(&o.f);
	assert_int_equal(store_faults(&o.f), 0);
	store_open(&o.f, 0);
	v = verified_of(&o);
	assert_true(v.complete_ns > 0);
	assert_int_equal(v.complete_tid, head(&o.f));
	assert_int_equal(v.damaged, 0);
	store_close(&o.f);
	damage(&o);
	assert_int_equal(store_faults(&o.f), 1);
	store_open(&o.f, 0);
	expect_known(&o, false);
	assert_int_equal(verified_of(&o).began_ns, 0); /* that was all of it: nothing is under way */
	assert_int_equal(hf_store_damage(o.f.store, &first, 1), 1);
	store_close(&o.f);
	assert_int_equal(store_faults(&o.f), 1);
	store_open(&o.f, 0);
	assert_int_equal(hf_store_damage(o.f.store, &again, 1), 1);
	assert_int_equal(again.found_ns, first.found_ns);
	chunks = status_of(&o.f).chunks;
	put(&o.f, o.ino, 0, o.data, BYTES);
	commit(&o.f);
	assert_int_equal(status_of(&o.f).chunks, chunks + 1);
	assert_int_equal(try_read(&o, o.ino), BYTES);
	assert_int_equal(hf_store_check_open(o.f.store, NULL, NULL, NULL, NULL, NULL), 1);
	expect_known(&o, true);
	one_release(&o);
}

/* --- a header */

/* A bit of each field of the frame's header, the body being whole. */
static const struct {
	uint8_t at, mask;
} header_bits[] = { { 0, 1 }, { 4, 1 << 6 },  { 5, 1 << 3 }, { 7, 1 },
		    { 8, 1 }, { 11, 1 << 7 }, { 12, 1 },     { 30, 1 } };

static void begin_epoch(struct one *o)
{
	static const struct hf_rekey_told told;
	struct hf_rekey done;

	assert_int_equal(hf_rekey(o->f.path, o->f.kit, 0, &told, &done, NULL), 0);
}

/* The same bytes, to another file; what else was done is in the same group, and nothing stops. */
static void expect_stored_anew(struct one *o)
{
	uint64_t chunks = status_of(&o->f).chunks, copy, other;
	struct hf_error err = HF_ERROR_INIT;

	other = make_file(&o->f, "other");
	put_text(&o->f, other, 0, "acknowledged");
	copy = make_file(&o->f, "copy");
	put(&o->f, copy, 0, o->data, BYTES);
	if (hf_fsync(o->f.store, copy, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(status_of(&o->f).chunks, chunks + 2);
	assert_int_equal(try_read(o, copy), BYTES);
	expect_text(&o->f, HF_TID_HEAD, other, "acknowledged");
}

/* Behind another epoch, the bytes are looked at before they are named: by who writes. */
static void test_header_of_another_epoch(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(header_bits) / sizeof(header_bits[0]); i++) {
		struct one o;

		one_init(&o);
		begin_epoch(&o);
		flip_byte(o.segment, o.offset + header_bits[i].at, header_bits[i].mask);
		store_open(&o.f, 0);
		expect_stored_anew(&o);
		one_release(&o);
	}
}

/* What is no damage does not stop it either. */
static void test_segment_of_another_epoch_cannot_be_opened(void **state)
{
	struct one o;

	(void)state;
	one_init(&o);
	begin_epoch(&o);
	store_open(&o.f, 0);
	assert_int_equal(unlink(o.segment), 0);
	log_forget_segment(o.f.store->log, 1); /* nor is it open still */
	expect_stored_anew(&o);
	one_release(&o);
}

/* In the segment that is written to, the store is opened to be written to, and knows. */
static void test_header_in_the_last_segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(header_bits) / sizeof(header_bits[0]); i++) {
		uint8_t other[3 * BYTES];
		struct one o;

		if (header_bits[i].at >= 16) /* a nonce is as good as another, until it is used */
			continue;
		one_init(&o);
		flip_byte(o.segment, o.offset + header_bits[i].at, header_bits[i].mask);
		store_open(&o.f, 0);
		expect_stored_anew(&o);
		fill_random(other, sizeof(other), 8);
		put(&o.f, make_file(&o.f, "what seals it"), 0, other, sizeof(other));
		commit(&o.f);
		assert_true(verified_of(&o).damaged > 0);
		assert_int_equal(try_read(&o, o.ino), -EUCLEAN);
		store_close(&o.f);
		assert_true(hf_store_check(o.f.path, NULL, NULL, NULL, NULL, NULL) > 0);
		store_open(&o.f, 0);
		assert_true(verified_of(&o).damaged > 0);
		store_close(&o.f);
		flip_byte(o.segment, o.offset + header_bits[i].at, header_bits[i].mask);
		assert_int_equal(store_faults(&o.f), 0);
		store_open(&o.f, 0);
		assert_int_equal(try_read(&o, o.ino), BYTES);
		one_release(&o);
	}
}

static int restored_one(void *arg, const struct hf_restored *r)
{
	(void)arg;
	(void)r;
	return 0;
}

/* A file whose present contents cannot be read is brought back all the same. */
static void test_header_of_what_is_restored(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(header_bits) / sizeof(header_bits[0]); i++) {
		struct hf_restore_summary sum;
		struct hf_error err = HF_ERROR_INIT;
		uint8_t other[3 * BYTES];
		uint64_t before;
		struct one o;

		one_init(&o);
		store_open(&o.f, 0);
		fill_random(other, sizeof(other), 8);
		put(&o.f, make_file(&o.f, "filler"), 0, other,
		    sizeof(other)); /* so that segment 1 is sealed */
		commit(&o.f);
		put(&o.f, o.ino, 0, other, BYTES);
		commit(&o.f);
		before = head(&o.f);
		put(&o.f, o.ino, 0, o.data, BYTES); /* made of the frame once more */
		commit(&o.f);
		store_close(&o.f);
		flip_byte(o.segment, o.offset + header_bits[i].at, header_bits[i].mask);
		store_open(&o.f, 0);
		if (hf_restore(o.f.store, before, "/file", NULL, 0, restored_one, NULL, NULL, &sum, &err) < 0)
			fail_msg("%s", err.text);
		expect_bytes(&o.f, HF_TID_HEAD, o.ino, 0, other, BYTES);
		one_release(&o);
	}
}

/* --- what is known changes while it is gone through */

/* What is healed takes nobody's place among those that were told. */
static void test_told_each(void **state)
{
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	rot_found(o.f.store, (struct log_pos){ 1, 300 }, "a");
	rot_settle(o.f.store);
	assert_int_equal(o.f.store->rot->n_told, 1);
	rot_found(o.f.store, (struct log_pos){ 2, 300 }, "b");
	rot_healed(o.f.store, 1);
	assert_int_equal(verified_of(&o).damaged, 1);
	assert_int_equal(o.f.store->rot->n_told, 0);
	rot_settle(o.f.store);
	assert_int_equal(o.f.store->rot->n_told, 1);
	one_release(&o);
}

/* Of the one chunk that there is; NULL: the index has lost it. */
static void set_place(struct one *o, const uint8_t place[16])
{
	static const uint8_t first[8];
	struct index_batch *batch;

	assert_int_equal(index_batch_new(o->f.store->index, &batch), 0);
	if (place)
		index_batch_put(batch, INDEX_CHUNK, first, sizeof(first), place, 16);
	else
		index_batch_delete(batch, INDEX_CHUNK, first, sizeof(first));
	assert_int_equal(index_publish(o->f.store->index, batch, o->f.store->open->id, NULL), 0);
	index_batch_free(batch);
}

/* What cannot be retired is not noted as if it were, and is tried again. */
static void test_retired_the_next_time(void **state)
{
	uint8_t place[16] = { 0 };
	struct one o;

	(void)state;
	one_init(&o);
	store_open(&o.f, 0);
	put_u32(place, 1);
	put_u32(place + 4, o.offset);
	put_u32(place + 12, BYTES);
	set_place(&o, NULL);
	rot_found(o.f.store, (struct log_pos){ 1, o.offset }, "it");
	rot_settle(o.f.store);
	expect_known(&o, false);
	set_place(&o, place);
	rot_settle(o.f.store); /* nothing was found meanwhile */
	expect_known(&o, true);
	one_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_anew),
		cmocka_unit_test(test_retired_in_the_log),
		cmocka_unit_test(test_not_named_again),
		cmocka_unit_test(test_check_remembers),
		cmocka_unit_test(test_told_each),
		cmocka_unit_test(test_retired_the_next_time),
		cmocka_unit_test(test_header_of_another_epoch),
		cmocka_unit_test(test_segment_of_another_epoch_cannot_be_opened),
		cmocka_unit_test(test_header_in_the_last_segment),
		cmocka_unit_test(test_header_of_what_is_restored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
