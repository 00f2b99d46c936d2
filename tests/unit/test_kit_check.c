/* SPDX-License-Identifier: MIT */
/* Does a kit open a store, what the store remembers of it, and heads of an open store. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "holdfast/head.h"
#include "store/format/format.h"
#include "store/os/os.h"
#include "store/replica/trail.h"
#include "tests/unit/log_helper.h"
#include "tests/unit/store_helper.h"

static struct hf_kit_check check(struct store_fixture *f)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit_check got;

	if (hf_kit_check(f->kit, f->path, &got, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(err.code, 0);
	return got;
}

static void path_in(const struct store_fixture *f, const char *name, char out[400])
{
	(void)snprintf(out, 400, "%s/%s", f->path, name);
}

static void a_good_kit_opens_it_and_is_remembered(void **state)
{
	struct store_fixture f;
	struct hf_kit_check got;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_int_equal(hf_store_kit_checked(f.store), 0);
	got = check(&f); /* nothing in it yet */
	assert_int_equal(got.epoch, 1);
	assert_int_equal(got.cert_segment, 1);
	assert_int_equal(got.frame_segment, 0);
	put_text(&f, make_file(&f, "a"), 0, "some words");
	commit(&f);
	got = check(&f);
	assert_int_equal(got.frame_segment, 1);
	assert_true(got.frame_offset >= SEGMENT_HEADER_BYTES);
	assert_int_equal(got.tid, status_of(&f).committed_tid);
	assert_int_equal(got.not_noted, 0);
	assert_true(got.checked_ns > 0);
	assert_int_equal(hf_store_kit_checked(f.store), got.checked_ns);
	store_close(&f);
	(void)check(&f); /* at rest */
	store_open(&f, HF_OPEN_READ_ONLY);
	assert_true(hf_store_kit_checked(f.store) > got.checked_ns);
	store_fixture_release(&f);
}

static void another_kit_does_not(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit_check got;
	struct store_fixture f;
	struct hf_kit *other;

	(void)state;
	store_fixture_init(&f, NULL);
	assert_int_equal(hf_kit_generate(&other, NULL), 0);
	assert_int_equal(hf_kit_check(other, f.path, &got, &err), -EKEYREJECTED);
	assert_non_null(strstr(err.text, "this kit is of volume"));
	assert_int_equal(hf_store_kit_checked(f.store), 0);
	assert_int_equal(hf_kit_check(f.kit, f.dir, &got, NULL), -ENOENT);
	hf_kit_free(other);
	store_fixture_release(&f);
}

/* Names the volume, but its log is another one's: descriptors can be copied. */
static void another_log_is_noticed(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit_check got;
	struct store_fixture f, other;
	char from[400], to[400];
	struct buf descriptor = BUF_INIT;

	(void)state;
	store_fixture_init(&f, NULL);
	store_fixture_init(&other, NULL);
	store_close(&other);
	path_in(&f, "volume", from);
	path_in(&other, "volume", to);
	assert_int_equal(os_read_file(os_posix(), from, 4096, &descriptor), 0);
	assert_int_equal(os_write_file(os_posix(), to, descriptor.data, descriptor.len, 0644), 0);
	assert_int_equal(hf_kit_check(f.kit, other.path, &got, &err), -EKEYREJECTED);
	assert_true(err.text[0]);
	buf_release(&descriptor);
	store_fixture_release(&other);
	store_fixture_release(&f);
}

/* The signatures hold whoever sealed the frame: only opening it tells that the keys are others. */
static void a_frame_under_other_keys_is_noticed(void **state)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	struct log_fixture volume;
	struct volume_descriptor d = { .created_ns = 1 };
	struct keyring *wrong;
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit_check got;
	struct hf_kit *kit;
	struct log *log;
	uint8_t seed[SEED_BYTES], volume_key[SEED_BYTES] = { 7 };
	char path[200], *slash;

	(void)state;
	log_fixture_init(&volume, NULL, 64 << 10);
	assert_int_equal(keyring_new(volume_key, owner_volume_id(volume.owner), &wrong), 0);
	keyring_writer_seed(volume.keys, seed);
	assert_int_equal(keyring_set_writer(wrong, 1, seed), 0);
	volume.options.keys = wrong;
	assert_int_equal(log_create(&volume.options, &volume.cert, &log, NULL), 0);
	log_put_groups(log, 1, 3, 1000);
	log_close(log);

	(void)snprintf(path, sizeof(path), "%s", volume.dir);
	slash = strrchr(path, '/');
	assert_string_equal(slash, "/log"); /* so that its parent can be a store */
	*slash = 0;
	memcpy(d.volume_id, owner_volume_id(volume.owner), VOLUME_ID_BYTES);
	memcpy(d.owner_public, owner_public(volume.owner), PUBLIC_KEY_BYTES);
	volume_descriptor_encode(&d, &line);
	(void)strcat(path, "/volume");
	assert_int_equal(os_write_file(os_posix(), path, line.data, line.len, 0644), 0);
	*strrchr(path, '/') = 0;
	buf_clear(&line);
	kit = log_fixture_kit(&volume);
	assert_int_equal(hf_kit_check(kit, path, &got, &err), -EUCLEAN);
	assert_non_null(strstr(err.text, "does not open with the keys that come from this kit"));
	hf_kit_free(kit);
	keyring_free(wrong);
	log_fixture_release(&volume);
}

static void a_note_that_is_none_says_never(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"{\"version\":1,\"volume\":\"00\",\"time_ns\":\"5\"}",
		"{\"version\":1,\"volume\":\"00000000000000000000000000000000\",\"time_ns\":\"5\"}",
		"{\"version\":2,\"volume\":\"00000000000000000000000000000000\",\"time_ns\":\"5\"}",
	};
	struct store_fixture f;
	char note[400];

	(void)state;
	store_fixture_init(&f, NULL);
	(void)check(&f);
	path_in(&f, "kit-check.json", note);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_true(hf_store_kit_checked(f.store) > 0);
		assert_int_equal(os_write_file(os_posix(), note, bad[i], strlen(bad[i]), 0600), 0);
		assert_int_equal(hf_store_kit_checked(f.store), 0);
		(void)check(&f);
	}
	store_fixture_release(&f);
}

static void heads_follow_the_log(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_head head, later;
	struct store_fixture f;
	struct head decoded;
	char *line, *again;
	uint64_t ino;

	(void)state;
	store_fixture_init(&f, NULL);
	if (hf_store_head(f.store, &line, &head, &err) == 0)
		free(line); /* not run by root: the root directory was given to somebody */
	else
		assert_int_equal(err.code, -ENODATA);
	ino = make_file(&f, "a");
	put_text(&f, ino, 0, "one");
	commit(&f);
	assert_int_equal(hf_store_head(f.store, &line, &head, &err), 0);
	assert_int_equal(head.tid, status_of(&f).committed_tid);
	assert_string_equal(head.volume_id, status_of(&f).volume_id);
	assert_int_equal(head_line_decode(line, strlen(line), &decoded, NULL), 0);
	assert_int_equal(decoded.offset, head.offset);
	assert_int_equal(decoded.commit.number, head.commit);
	assert_int_equal(hf_store_head(f.store, &again, &later, &err), 0);
	assert_string_equal(again, line);
	free(again);
	put_text(&f, ino, 0, "two");
	commit(&f);
	assert_int_equal(hf_store_head(f.store, &again, &later, &err), 0);
	assert_string_not_equal(again, line);
	assert_true(later.commit > head.commit && later.tid > head.tid);
	free(again);
	free(line);
	store_fixture_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_kit_opens_it_and_is_remembered),
		cmocka_unit_test(another_kit_does_not),
		cmocka_unit_test(another_log_is_noticed),
		cmocka_unit_test(a_frame_under_other_keys_is_noticed),
		cmocka_unit_test(a_note_that_is_none_says_never),
		cmocka_unit_test(heads_follow_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
