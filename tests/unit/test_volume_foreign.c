/* SPDX-License-Identifier: MIT */
/* A thief with all keys of a store signs groups that no holdfast writes: what came before stays readable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/format/format.h"
#include "store/log/log.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "tests/unit/store_helper.h"

struct foreign {
	struct store_fixture f;
	uint64_t ino, before, end; /* moments */
	struct keyring *keys;
};

static int setup(void **state)
{
	struct foreign *v = calloc(1, sizeof(*v));
	struct volume_descriptor d;

	assert_non_null(v);
	store_fixture_init(&v->f, NULL);
	v->ino = make_file(&v->f, "file");
	put_text(&v->f, v->ino, 0, "first");
	v->before = head(&v->f);
	put_text(&v->f, v->ino, 0, "later");
	v->end = head(&v->f);
	commit(&v->f);
	store_close(&v->f);
	assert_int_equal(files_read_descriptor(os_posix(), v->f.path, &d, NULL), 0);
	assert_int_equal(files_read_keys(os_posix(), v->f.path, &d, &v->keys, NULL), 0);
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct foreign *v = *state;

	keyring_free(v->keys);
	store_fixture_release(&v->f);
	free(v);
	return 0;
}

/* Commit frames as they are, with a tid so much behind the log's. */
static void sign_group(struct foreign *v, struct log_frame *frames, size_t n, uint64_t tids)
{
	struct log_options o = { .os = os_posix(), .keys = v->keys };
	struct hf_error err = HF_ERROR_INIT;
	struct log_point end;
	struct log *log;
	char dir[300];

	(void)snprintf(dir, sizeof(dir), "%s/log", v->f.path);
	o.dir = dir;
	assert_int_equal(log_open(&o, NULL, &log, NULL), 0);
	log_durable(log, &end);
	assert_int_equal(log_pack(log, frames, n), 0);
	if (log_commit(log, frames, n, end.tid + tids, end.time_ns + tids, &err) < 0)
		fail_msg("%s", err.text);
	log_close(log);
	for (size_t i = 0; i < n; i++)
		log_frame_release(&frames[i]);
}

static struct log_frame frame_of(uint8_t type, const void *plain, size_t len)
{
	struct log_frame f = { .type = type };

	buf_add(&f.plain, plain, len);
	assert_int_equal(buf_status(&f.plain), 0);
	return f;
}

static void expect_past(struct foreign *v)
{
	expect_text(&v->f, v->before, v->ino, "first");
	expect_text(&v->f, v->end, v->ino, "later");
	expect_text(&v->f, HF_TID_HEAD, v->ino, "later");
}

/* Not for writing, and for reading as it was before; with an index, and without. */
static void expect_reading(struct foreign *v, int code, const char *words)
{
	store_open_fails(&v->f, 0, code, words);
	store_open_fails(&v->f, 0, code, "mount with -o ro");
	for (int i = 0; i < 3; i++) {
		store_open(&v->f, HF_OPEN_READ_ONLY | (i == 2 ? HF_OPEN_REBUILD : 0));
		expect_past(v);
		assert_int_equal(status_of(&v->f).failed, code);
		assert_non_null(strstr(status_of(&v->f).failed_text, words));
		store_close(&v->f);
	}
}

static void test_unknown_record(void **state)
{
	struct log_frame frame = frame_of(FRAME_META, "\x63\x01x", 3);

	sign_group(*state, &frame, 1, 1);
	expect_reading(*state, -EPROTONOSUPPORT, "record type 99");
}

static void test_garbage(void **state)
{
	struct log_frame frame = frame_of(FRAME_META, "\x15\x7fgarbage", 9);

	sign_group(*state, &frame, 1, 1);
	expect_reading(*state, -EUCLEAN, "");
}

static void test_impossible_operation(void **state)
{
	/* UNLINK of a name that is not there, behind an operation that is possible: tag "t". */
	static const uint8_t records[] = {
		27, 5, 1, 1, 1, 't', 1, 18, 9, 1, 1, 1, 4, 'n', 'o', 'n', 'e', 77
	};
	uint8_t body[sizeof(records) + 1] = { 0 };
	struct log_frame frame;

	memcpy(body, records, sizeof(records));
	body[8] = 10; /* with its flags, 0 */
	frame = frame_of(FRAME_META, body, sizeof(body));
	sign_group(*state, &frame, 1, 2);
	expect_reading(*state, -EUCLEAN, "UNLINK");
}

static void test_data_that_nothing_describes(void **state)
{
	struct log_frame frame = frame_of(FRAME_DATA, "data", 4);

	sign_group(*state, &frame, 1, 1);
	expect_reading(*state, -EUCLEAN, "does not describe all its data frames");
}

/* A rightful group behind a foreign one does not count. */
static void test_what_follows(void **state)
{
	struct foreign *v = *state;
	struct log_frame frame = frame_of(FRAME_META, "\x63\x01x", 3);

	sign_group(v, &frame, 1, 1);
	sign_group(v, NULL, 0, 0);
	expect_reading(v, -EPROTONOSUPPORT, "record type 99");
}

/* Numbers and times that are skipped are lost, and no more. */
static void test_far_ahead(void **state)
{
	struct foreign *v = *state;
	uint64_t ino, moment;

	sign_group(v, NULL, 0, UINT32_MAX);
	store_open(&v->f, 0);
	expect_past(v);
	ino = make_file(&v->f, "another");
	put_text(&v->f, ino, 0, "new");
	moment = head(&v->f);
	assert_true(moment > v->end + UINT32_MAX);
	commit(&v->f);
	store_close(&v->f);
	store_open(&v->f, HF_OPEN_REBUILD);
	expect_past(v);
	expect_text(&v->f, moment, ino, "new");
	store_close(&v->f);
}

/* What a recovery does in the end: a new writer, and the old key is dead. */
static void begin_epoch(struct foreign *v)
{
	struct log_options o = { .os = os_posix(), .keys = v->keys };
	struct epoch_cert cert = { .epoch = 2, .format_floor = FORMAT_VERSION };
	struct log_point end;
	struct log *log;
	char dir[300];

	(void)snprintf(dir, sizeof(dir), "%s/log", v->f.path);
	o.dir = dir;
	o.read_only = true;
	assert_int_equal(log_open(&o, NULL, &log, NULL), 0);
	log_durable(log, &end);
	log_close(log);
	assert_int_equal(keyring_make_writer(v->keys, 2), 0);
	memcpy(cert.writer_public, keyring_writer_public(v->keys), PUBLIC_KEY_BYTES);
	memcpy(cert.chain, end.chain, HASH_BYTES);
	cert.first_segment = end.end.segment + 1;
	epoch_cert_sign(&cert, kit_owner(v->f.kit));
	assert_int_equal(files_write_keys(os_posix(), v->f.path, v->keys, NULL), 0);
	o.read_only = false;
	assert_int_equal(log_open(&o, NULL, &log, NULL), 0);
	assert_int_equal(log_start_epoch(log, &cert, NULL), 0);
	log_close(log);
}

/*
 * The thief gives bytes of his own the name of others, which he knows will be written again. In the next
 * epoch they are not taken for those; the same bytes under their right name are.
 */
static void test_a_false_name(void **state)
{
	static const char good[] = "good contents", evil[] = "evil contents", kept[] = "kept contents";
	struct foreign *v = *state;
	struct log_frame frames[2];
	uint8_t chunks[3 + HASH_BYTES + 1] = { 1, 2 + HASH_BYTES, 1 };
	uint64_t first, second, before;

	store_open(&v->f, 0);
	put_text(&v->f, make_file(&v->f, "kept"), 0, kept);
	store_close(&v->f);
	keyring_chunk_name(v->keys, good, strlen(good), chunks + 3);
	chunks[sizeof(chunks) - 1] = (uint8_t)strlen(good);
	frames[0] = frame_of(FRAME_DATA, evil, strlen(evil));
	frames[1] = frame_of(FRAME_META, chunks, sizeof(chunks));
	sign_group(v, frames, 2, 0);
	begin_epoch(v);
	store_open(&v->f, 0);
	before = status_of(&v->f).chunks;
	first = make_file(&v->f, "first");
	put_text(&v->f, first, 0, good);
	commit(&v->f);
	expect_text(&v->f, HF_TID_HEAD, first, good);
	assert_int_equal(status_of(&v->f).chunks, before + 1);
	put_text(&v->f, make_file(&v->f, "second"), 0, good); /* now it is known */
	second = make_file(&v->f, "third");
	put_text(&v->f, second, 0, kept); /* and this was all along */
	commit(&v->f);
	assert_int_equal(status_of(&v->f).chunks, before + 1);
	store_close(&v->f);
	store_open(&v->f, HF_OPEN_REBUILD);
	expect_text(&v->f, HF_TID_HEAD, first, good);
	expect_text(&v->f, HF_TID_HEAD, second, kept);
	expect_past(v);
	store_close(&v->f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unknown_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_impossible_operation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_that_nothing_describes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_follows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_far_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_false_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
