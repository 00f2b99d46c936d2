/* SPDX-License-Identifier: MIT */
/* store/base: buffers, cursors, error words, scoped cleanup. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "holdfast/error.h"
#include "store/base/buf.h"

static void integers_stand_as_the_format_says(void **state)
{
	static const uint8_t want[] = {
		0x01, 0x23, 0x45, 0x89, 0x67, 0xcd, 0xab, 0x67, 0x45, 0x23, 0x01, 0xef, 0xcd, 0xab,
		0x89, 0x67, 0x45, 0x23, 0x01, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
	};
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	struct cursor c;

	(void)state;
	buf_add_u8(&b, 1);
	buf_add_u16(&b, 0x4523);
	buf_add_u16(&b, 0x6789);
	buf_add_u32(&b, 0x4567abcd);
	buf_add_u16(&b, 0x0123);
	buf_add_u64(&b, 0x0123456789abcdefu);
	buf_add_be64(&b, 0x0123456789abcdefu);
	assert_int_equal(buf_status(&b), 0);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.data, want, sizeof(want));

	c = cursor_of(b.data, b.len);
	assert_int_equal(cursor_u8(&c), 1);
	assert_int_equal(cursor_u16(&c), 0x4523);
	assert_int_equal(cursor_u16(&c), 0x6789);
	assert_int_equal(cursor_u32(&c), 0x4567abcd);
	assert_int_equal(cursor_u16(&c), 0x0123);
	assert_true(cursor_u64(&c) == 0x0123456789abcdefu);
	assert_true(cursor_be64(&c) == 0x0123456789abcdefu);
	assert_int_equal(cursor_finish(&c), 0);
}

static void varints_come_back(void **state)
{
	(void)state;
	for (unsigned shift = 0; shift < 64; shift++) {
		for (int d = -1; d <= 1; d++) {
			uint64_t v = (UINT64_C(1) << shift) + (uint64_t)(int64_t)d;
			CLEANUP(buf_release) struct buf b = BUF_INIT;
			struct cursor c;

			buf_add_varint(&b, v);
			c = cursor_of(b.data, b.len);
			assert_true(cursor_varint(&c) == v);
			assert_int_equal(cursor_finish(&c), 0);
			c = cursor_of(b.data, b.len - 1);
			(void)cursor_varint(&c);
			assert_int_equal(cursor_status(&c), -EUCLEAN);
		}
	}
}

static void varints_are_refused_unless_shortest(void **state)
{
	static const struct {
		uint8_t raw[11];
		size_t len;
	} bad[] = {
		{ { 0x80, 0x00 }, 2 },
		{ { 0xff, 0x00 }, 2 },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 }, 10 },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x01 }, 11 },
		{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00 }, 11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cursor c = cursor_of(bad[i].raw, bad[i].len);

		assert_true(cursor_varint(&c) == 0);
		assert_int_equal(cursor_status(&c), -EUCLEAN);
	}
}

static void a_cursor_never_passes_its_end(void **state)
{
	static const uint8_t raw[] = { 3, 'a', 'b' };
	struct cursor c = cursor_of(raw, sizeof(raw));
	uint8_t out[4] = { 9, 9, 9, 9 };
	size_t len = 7;

	(void)state;
	assert_null(cursor_bytes(&c, 255, &len));
	assert_int_equal(len, 0);
	assert_int_equal(cursor_left(&c), 0);
	cursor_copy(&c, out, sizeof(out));
	assert_memory_equal(out, "\0\0\0\0", 4);
	assert_int_equal(cursor_u8(&c), 0);
	assert_null(cursor_take(&c, 1));
	assert_int_equal(cursor_status(&c), -EUCLEAN);

	c = cursor_of(raw, sizeof(raw));
	assert_null(cursor_take(&c, SIZE_MAX));
	assert_int_equal(cursor_status(&c), -EUCLEAN);

	c = cursor_of(NULL, 0);
	assert_int_equal(cursor_finish(&c), 0);
	(void)cursor_take(&c, 0);
	assert_int_equal(cursor_finish(&c), 0);
	assert_int_equal(cursor_u8(&c), 0);
	assert_int_equal(cursor_finish(&c), -EUCLEAN);
}

static void lengths_and_reserved_bytes_are_checked(void **state)
{
	static const uint8_t raw[] = { 2, 'a', 'b', 0, 0, 1 };
	struct cursor c = cursor_of(raw, sizeof(raw));
	size_t len;

	(void)state;
	assert_ptr_equal(cursor_bytes(&c, 2, &len), raw + 1);
	assert_int_equal(len, 2);
	cursor_zeros(&c, 2);
	assert_int_equal(cursor_status(&c), 0);
	assert_int_equal(cursor_finish(&c), -EUCLEAN); /* one is left */
	cursor_zeros(&c, 1);
	assert_int_equal(cursor_status(&c), -EUCLEAN);

	c = cursor_of(raw, sizeof(raw));
	assert_null(cursor_bytes(&c, 1, &len));
	assert_int_equal(cursor_status(&c), -EUCLEAN);

	c = cursor_of(raw, sizeof(raw));
	cursor_fail(&c);
	assert_int_equal(cursor_status(&c), -EUCLEAN);
}

static void buffers_grow_and_are_reused(void **state)
{
	CLEANUP(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;
	const uint8_t *memory;

	(void)state;
	assert_string_equal(buf_cstr(&a), "");
	for (int i = 0; i < 1000; i++)
		buf_add_text(&a, "%03d,", i);
	assert_int_equal(a.len, 4000);
	assert_memory_equal(a.data + 3996, "999,", 4);
	assert_int_equal(strlen(buf_cstr(&a)), 4000);
	buf_add_zeros(&b, 3);
	buf_add_bytes(&b, "xy", 2);
	assert_memory_equal(b.data, "\0\0\0\2xy", 6);
	buf_swap(&a, &b);
	assert_int_equal(a.len, 6);
	assert_int_equal(b.len, 4000);
	memory = b.data;
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	buf_add(&b, "z", 1);
	assert_ptr_equal(b.data, memory);
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
}

static void lack_of_memory_is_remembered(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;

	(void)state;
	buf_add(&b, "abc", 3);
	assert_int_equal(buf_reserve(&b, SIZE_MAX - 2), -ENOMEM);
	buf_add(&b, "d", 1);
	assert_int_equal(b.len, 3);
	assert_int_equal(buf_status(&b), -ENOMEM);
	buf_clear(&b);
	assert_int_equal(buf_status(&b), 0);
}

static void errors_carry_words(void **state)
{
	struct hf_error err = HF_ERROR_INIT;
	char long_text[2 * HF_ERROR_TEXT_BYTES];

	(void)state;
	assert_int_equal(hf_error_set(NULL, -EIO, "nobody reads this"), -EIO);
	assert_int_equal(hf_error_prefix(NULL, -EIO, "nor this"), -EIO);
	assert_int_equal(hf_error_prefix(&err, -EUCLEAN, "read %s", "x"), -EUCLEAN);
	assert_string_equal(err.text, "read x: data damaged");
	assert_int_equal(hf_error_set(&err, -ENOSPC, "segment %d", 7), -ENOSPC);
	assert_int_equal(hf_error_prefix(&err, -EIO, "commit"), -ENOSPC);
	assert_string_equal(err.text, "commit: segment 7");

	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = 0;
	(void)hf_error_set(&err, -EIO, "%s", long_text);
	assert_int_equal(strlen(err.text), HF_ERROR_TEXT_BYTES - 1);
	(void)hf_error_prefix(&err, -EIO, "%s", long_text);
	assert_int_equal(strlen(err.text), HF_ERROR_TEXT_BYTES - 1);
	assert_string_equal(hf_strerror(-EKEYREJECTED), "wrong key");
	assert_string_equal(hf_strerror(-EPROTONOSUPPORT), "unknown version");
	assert_string_equal(hf_strerror(-ENOENT), strerror(ENOENT));
}

static void what_is_taken_is_not_cleaned(void **state)
{
	char *kept;
	int fd;

	(void)state;
	{
		CLEANUP(cleanup_free) char *p = strdup("kept");
		CLEANUP(cleanup_free) char *none = NULL;
		CLEANUP(cleanup_fd) int no_fd = -1;
		CLEANUP(cleanup_fd) int a_fd = dup(2);

		assert_null(none);
		assert_int_equal(no_fd, -1);
		kept = TAKE_PTR(p);
		assert_null(p);
		fd = TAKE_FD(a_fd);
		assert_int_equal(a_fd, -1);
	}
	assert_string_equal(kept, "kept");
	free(kept);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_stand_as_the_format_says),
		cmocka_unit_test(varints_come_back),
		cmocka_unit_test(varints_are_refused_unless_shortest),
		cmocka_unit_test(a_cursor_never_passes_its_end),
		cmocka_unit_test(lengths_and_reserved_bytes_are_checked),
		cmocka_unit_test(buffers_grow_and_are_reused),
		cmocka_unit_test(lack_of_memory_is_remembered),
		cmocka_unit_test(errors_carry_words),
		cmocka_unit_test(what_is_taken_is_not_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
