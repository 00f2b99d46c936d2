/* SPDX-License-Identifier: MIT */
/*
 * The line of a recovery kit, FORMAT.md §4.2. People type it from paper, so an error says which character
 * or how many, and never shows more of the secret than that one character.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "store/format/format.h"

enum {
	KIT_VERSION = 1,
	KIT_SUM_BYTES = 2,
	KIT_BYTES = 1 + SEED_BYTES + KIT_SUM_BYTES,
	GROUP_CHARS = 4,
	KIT_CHARS = KIT_BYTES * 8 / 5,
};

_Static_assert(KIT_CHARS == 14 * GROUP_CHARS, "a kit is 14 groups of 4");

static const char prefix[] = "HF1-";
static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Bytes as base 32, the most significant bit first; both lengths come out even. */
static void to_base32(const uint8_t raw[KIT_BYTES], char out[KIT_CHARS])
{
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < KIT_BYTES; i++) {
		bits = (bits << 8 | raw[i]) & 0xfff;
		for (n_bits += 8; n_bits >= 5; n_bits -= 5)
			out[n++] = alphabet[bits >> (n_bits - 5) & 31];
	}
	assert(n == KIT_CHARS && n_bits == 0);
}

static void from_base32(const uint8_t digits[KIT_CHARS], uint8_t out[KIT_BYTES])
{
	unsigned bits = 0, n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < KIT_CHARS; i++) {
		bits = (bits << 5 | digits[i]) & 0xfff;
		n_bits += 5;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	assert(n == KIT_BYTES && n_bits == 0);
}

static void kit_sum(const uint8_t raw[1 + SEED_BYTES], uint8_t out[KIT_SUM_BYTES])
{
	uint8_t hash[HASH_BYTES];

	hash_one("holdfast kit", raw, 1 + SEED_BYTES, hash, sizeof(hash));
	memcpy(out, hash, KIT_SUM_BYTES);
	crypto_wipe(hash, sizeof(hash));
}

void kit_line_encode(const uint8_t seed[SEED_BYTES], struct buf *out)
{
	uint8_t raw[KIT_BYTES];
	char chars[KIT_CHARS];

	raw[0] = KIT_VERSION;
	memcpy(raw + 1, seed, SEED_BYTES);
	kit_sum(raw, raw + 1 + SEED_BYTES);
	to_base32(raw, chars);
	buf_add(out, prefix, strlen(prefix));
	for (size_t i = 0; i < KIT_CHARS; i += GROUP_CHARS) {
		if (i > 0)
			buf_add(out, "-", 1);
		buf_add(out, chars + i, GROUP_CHARS);
	}
	crypto_wipe(raw, sizeof(raw));
	crypto_wipe(chars, sizeof(chars));
}

/* The value of a digit, or -1. */
static int digit_value(char ch)
{
	int upper = toupper((unsigned char)ch);
	const char *p;

	if (upper == 'O')
		return 0;
	if (upper == 'I' || upper == 'L')
		return 1;
	p = upper ? strchr(alphabet, upper) : NULL;
	return p ? (int)(p - alphabet) : -1;
}

/* What is behind `HF1-` on the line that begins with it, blanks let go; false when there is none. */
static bool find_line(const char *text, size_t len, const char **ret, size_t *ret_len)
{
	const char *end = len > 0 ? text + len : text;

	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;

		while (line < line_end && isspace((unsigned char)*line))
			line++;
		if ((size_t)(line_end - line) >= strlen(prefix) &&
		    strncasecmp(line, prefix, strlen(prefix)) == 0) {
			*ret = line + strlen(prefix);
			*ret_len = (size_t)(line_end - *ret);
			return true;
		}
		if (!newline)
			break;
		line = newline + 1;
	}
	return false;
}

static int bad_character(char ch, size_t n, struct hf_error *err)
{
	size_t group = n / GROUP_CHARS + 1, place = n % GROUP_CHARS + 1;

	if (toupper((unsigned char)ch) == 'U')
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: '%c' (group %zu, character %zu) is never used in a kit; look "
			"whether it is a V",
			ch, group, place);
	if (isprint((unsigned char)ch))
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: '%c' (group %zu, character %zu) is never used in a kit; only the "
			"digits and the letters but I, L, O and U are",
			ch, group, place);
	return hf_error_set(err, -EUCLEAN,
			    "recovery kit: group %zu, character %zu is neither a digit nor a letter", group,
			    place);
}

static int read_digits(const char *line, size_t len, uint8_t digits[KIT_CHARS], struct hf_error *err)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int value;

		if (line[i] == '-' || isspace((unsigned char)line[i]))
			continue;
		value = digit_value(line[i]);
		if (value < 0)
			return bad_character(line[i], n, err);
		if (n < KIT_CHARS)
			digits[n] = (uint8_t)value;
		n++;
	}
	if (n != KIT_CHARS)
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: the HF1- line has %zu characters instead of 14 groups of 4 (%d); "
			"look for one %s",
			n, KIT_CHARS, n < KIT_CHARS ? "left out" : "too many");
	return 0;
}

static int check_raw(const uint8_t raw[KIT_BYTES], struct hf_error *err)
{
	uint8_t sum[KIT_SUM_BYTES];

	kit_sum(raw, sum);
	if (memcmp(sum, raw + 1 + SEED_BYTES, sizeof(sum)) != 0)
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: the checksum does not match, so at least one character of the "
			"HF1- line is not as it was printed; compare them group by group");
	if (raw[0] != KIT_VERSION)
		return hf_error_set(err, -EPROTONOSUPPORT,
				    "recovery kit: version %u, and this build knows version %d only; a newer "
				    "holdfast may read it",
				    raw[0], KIT_VERSION);
	return 0;
}

int kit_text_decode(const char *text, size_t len, uint8_t ret_seed[SEED_BYTES], struct hf_error *err)
{
	uint8_t digits[KIT_CHARS], raw[KIT_BYTES];
	const char *line;
	size_t line_len;
	int r;

	if (!find_line(text, len, &line, &line_len))
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: no line begins with HF1-; give the whole line, HF1- included");
	r = read_digits(line, line_len, digits, err);
	if (r == 0) {
		from_base32(digits, raw);
		r = check_raw(raw, err);
	}
	if (r == 0)
		memcpy(ret_seed, raw + 1, SEED_BYTES);
	crypto_wipe(digits, sizeof(digits));
	crypto_wipe(raw, sizeof(raw));
	return r;
}
