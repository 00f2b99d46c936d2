/* SPDX-License-Identifier: MIT */
/* The recovery kit, FORMAT.md §4.2: what people do to a line they type from paper, and what they are told. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "store/format/format.h"

/* The seed 00 01 … 1f, encoded by a second implementation of the document. */
static const char good[] = "HF1-0400-20G3-0G2G-C1R8-1450-P30D-1R7H-048J-2CA1-A5GQ-30CH-M6RW-3MF1-YTQX";

static int decode(const char *text, struct hf_error *err)
{
	uint8_t seed[SEED_BYTES], want[SEED_BYTES];
	int r;

	memset(seed, 0xee, sizeof(seed));
	memset(want, 0xee, sizeof(want));
	r = kit_text_decode(text, strlen(text), seed, err);
	for (size_t i = 0; r == 0 && i < SEED_BYTES; i++)
		want[i] = (uint8_t)i;
	assert_memory_equal(seed, want, SEED_BYTES); /* and untouched when refused */
	return r;
}

static void assert_refused(const char *text, int code, const char *words)
{
	struct hf_error err = HF_ERROR_INIT;

	assert_int_equal(decode(text, &err), code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void a_seed_makes_one_line(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	uint8_t seed[SEED_BYTES], got[SEED_BYTES];

	(void)state;
	for (size_t i = 0; i < SEED_BYTES; i++)
		seed[i] = (uint8_t)i;
	kit_line_encode(seed, &b);
	assert_string_equal(buf_cstr(&b), good);
	for (int i = 0; i < 50; i++) {
		buf_clear(&b);
		crypto_random(seed, sizeof(seed));
		kit_line_encode(seed, &b);
		assert_int_equal(kit_text_decode((const char *)b.data, b.len, got, NULL), 0);
		assert_memory_equal(got, seed, SEED_BYTES);
	}
}

static void the_line_is_found_in_a_file(void **state)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(decode(good, NULL), 0);
	buf_add_text(&b, "Recovery kit\r\nKeep it safe; HF1- begins the line.\r\n\r\n  %s  \r\nmade 2024\r\n",
		     good);
	assert_int_equal(decode(buf_cstr(&b), NULL), 0);
}

static void hands_and_eyes_are_forgiven(void **state)
{
	char text[128];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i <= strlen(good); i++) /* lower case */
		text[i] = (char)tolower((unsigned char)good[i]);
	assert_int_equal(decode(text, NULL), 0);
	strcpy(text, good); /* O for 0, I and L for 1 */
	for (size_t i = 4; text[i]; i++) {
		if (text[i] == '0')
			text[i] = n++ % 2 ? 'O' : 'o';
		else if (text[i] == '1')
			text[i] = "IiLl"[n++ % 4];
	}
	assert_true(n >= 4);
	assert_string_not_equal(text, good);
	assert_int_equal(decode(text, NULL), 0);
	strcpy(text, good);
	for (size_t i = 4; text[i]; i++) { /* blanks between the groups */
		if (text[i] == '-')
			text[i] = i % 2 ? ' ' : '\t';
	}
	assert_int_equal(decode(text, NULL), 0);
	n = 4;
	for (size_t i = 4; good[i]; i++) { /* nothing at all between them */
		if (good[i] != '-')
			text[n++] = good[i];
	}
	text[n] = 0;
	assert_int_equal(decode(text, NULL), 0);
}

static void a_line_may_be_typed_in_other_ways(void **state)
{
	char text[256] = "a kit, typed by hand\n";
	const size_t from = strlen(text);

	(void)state;
	for (const char *one = "iIlL"; *one; one++) { /* the 1 of the mark as any other */
		strcpy(text + from, good);
		text[from + 2] = *one;
		assert_int_equal(decode(text, NULL), 0);
	}
	strcpy(text + from, good); /* blanks for all dashes */
	for (char *dash = text + from; (dash = strchr(dash, '-'));)
		*dash = ' ';
	assert_int_equal(decode(text, NULL), 0);
	memcpy(text + from + 4, good + 4, strlen(good) - 4); /* for the first */
	assert_int_equal(decode(text, NULL), 0);
	memmove(text + from + 3, text + from + 4, strlen(text + from + 3)); /* none there */
	assert_int_equal(decode(text, NULL), 0);
	strcpy(text + from, good); /* a group a line, the mark alone too */
	for (char *dash = text + from; (dash = strchr(dash, '-'));)
		*dash = '\n';
	assert_int_equal(decode(text, NULL), 0);
	text[strlen(text) - 1] = 'Y';
	assert_refused(text, -EUCLEAN, "look at group 14, character 4");
	strcpy(text, good); /* two lines, and words behind them */
	text[4 + 5 * 7 - 1] = '\n';
	strcat(text, "\n\nkeep this safe\n");
	assert_int_equal(decode(text, NULL), 0);
	/* A line that is short takes nothing of what is no part of it. */
	strcpy(text, good);
	strcpy(text + strlen(text) - 1, "\n7777\n");
	assert_refused(text, -EUCLEAN, "has 55 characters");
	/* The line with the dash counts, whatever stands before it. */
	strcpy(text, "HF1 is what it begins with\n");
	strcat(text, good);
	assert_int_equal(decode(text, NULL), 0);
}

/* The words say at which place one error would explain it. */
static void assert_placed(const char *text, size_t n, const char *more)
{
	char words[80];

	(void)snprintf(words, sizeof(words), "group %zu, character %zu%s", n / 4 + 1, n % 4 + 1, more);
	assert_refused(text, -EUCLEAN, words);
	assert_refused(text, -EUCLEAN, "checksum does not match");
}

static void every_wrong_character_is_noticed(void **state)
{
	size_t n = 0;
	char text[128];

	(void)state;
	for (size_t i = 4; good[i]; i++) {
		if (good[i] == '-')
			continue;
		strcpy(text, good);
		text[i] = good[i] == 'Z' ? 'Y' : 'Z';
		assert_placed(text, n++, "");
	}
	assert_int_equal(n, 56);
	n = 0;
	for (size_t i = 4; good[i + 1]; i++) { /* two neighbours the other way round */
		if (good[i] == '-')
			continue;
		strcpy(text, good);
		text[i] = good[i + 1];
		text[i + 1] = good[i];
		if (good[i + 1] != '-' && good[i] != good[i + 1])
			assert_placed(text, n, ", changed places with the next");
		n++;
	}
	strcpy(text, good); /* two groups swapped */
	memcpy(text + 9, good + 14, 4);
	memcpy(text + 14, good + 9, 4);
	assert_refused(text, -EUCLEAN, "compare them group by group");
}

static void what_cannot_be_is_named(void **state)
{
	char text[128];

	(void)state;
	strcpy(text, good);
	text[4 + 5 + 2] = 'u';
	assert_refused(text, -EUCLEAN, "'u' (group 2, character 3)");
	text[4 + 5 + 2] = '*';
	assert_refused(text, -EUCLEAN, "'*' (group 2, character 3)");
	text[4 + 5 + 2] = '\x01';
	assert_refused(text, -EUCLEAN, "group 2, character 3");
}

static void a_wrong_length_is_named(void **state)
{
	char text[128];

	(void)state;
	strcpy(text, good);
	text[strlen(text) - 1] = 0;
	assert_refused(text, -EUCLEAN, "has 55 characters instead of 14 groups of 4");
	assert_refused(text, -EUCLEAN, "left out (group 14 has 3)");
	strcpy(text, good);
	strcat(text, "7");
	assert_refused(text, -EUCLEAN, "too many (group 14 has 5)");
	strcpy(text, good);
	memmove(text + 4 + 5 + 1, good + 4 + 5 + 2, strlen(good) - 10);
	assert_refused(text, -EUCLEAN, "(group 2 has 3)");
	assert_refused("HF1-", -EUCLEAN, "has 0 characters");
	memset(text, '7', sizeof(text));
	memcpy(text, "HF1-", 4);
	text[sizeof(text) - 1] = 0;
	assert_refused(text, -EUCLEAN, "too many");
}

static void a_missing_line_is_named(void **state)
{
	char text[128];

	(void)state;
	assert_refused("", -EUCLEAN, "no line begins with HF1-");
	assert_refused("HF1", -EUCLEAN, "no line begins with HF1-");
	assert_refused("\n\n\n", -EUCLEAN, "no line begins with HF1-");
	assert_refused(good + 4, -EUCLEAN, "HF1- included");
	strcpy(text, "# ");
	strcat(text, good);
	assert_refused(text, -EUCLEAN, "no line begins with HF1-");
}

static void a_later_version_is_named(void **state)
{
	(void)state;
	/* Version byte 2, and the checksum right for it. */
	assert_refused("HF1-0800-20G3-0G2G-C1R8-1450-P30D-1R7H-048J-2CA1-A5GQ-30CH-M6RW-3MF1-YWYP",
		       -EPROTONOSUPPORT, "version 2");
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_makes_one_line),
		cmocka_unit_test(the_line_is_found_in_a_file),
		cmocka_unit_test(hands_and_eyes_are_forgiven),
		cmocka_unit_test(a_line_may_be_typed_in_other_ways),
		cmocka_unit_test(every_wrong_character_is_noticed),
		cmocka_unit_test(what_cannot_be_is_named),
		cmocka_unit_test(a_wrong_length_is_named),
		cmocka_unit_test(a_missing_line_is_named),
		cmocka_unit_test(a_later_version_is_named),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
