/* SPDX-License-Identifier: MIT */
/*
 * The line of a recovery kit, FORMAT.md §4.2. People type it from paper, so an error says which character
 * or how many, and never shows more of the secret than that one character.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/format/format.h"

enum {
	KIT_VERSION = 1,
	KIT_SUM_BYTES = 2,
	KIT_BYTES = 1 + SEED_BYTES + KIT_SUM_BYTES,
	GROUP_CHARS = 4,
	KIT_CHARS = KIT_BYTES * 8 / 5,
	KIT_GROUPS = KIT_CHARS / GROUP_CHARS,
	SUSPECTS_MAX = 3,
};

_Static_assert(KIT_CHARS == 14 * GROUP_CHARS, "a kit is 14 groups of 4");

/* The groups of a line as they were typed, set apart or not. */
struct groups {
	size_t n, len;       /* so many before this one, which is so long yet */
	size_t bad, bad_len; /* the first that is not of 4 characters; 0: none */
};

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

static bool is_between(char ch)
{
	return ch == '-' || isspace((unsigned char)ch);
}

/* How many digits there are, or -1 when there is anything else but what sets groups apart. */
static int count_digits(const char *at, const char *end)
{
	int n = 0;

	for (; at < end; at++) {
		if (!is_between(*at) && digit_value(*at) < 0)
			return -1;
		n += !is_between(*at);
	}
	return n;
}

/* HF1, its 1 read as any other, and a dash; when there is no such line, a blank will do, or digits alone. */
static bool begins_kit(const char *line, const char *end, bool strictly)
{
	const size_t mark = strlen(prefix) - 1;

	if ((size_t)(end - line) < mark || strncasecmp(line, prefix, mark - 1) != 0 ||
	    digit_value(line[mark - 1]) != digit_value(prefix[mark - 1]))
		return false;
	line += mark;
	if (line < end && *line == '-')
		return true;
	return !strictly && ((line < end && is_between(*line)) || count_digits(line, end) >= 0);
}

/* What is behind `HF1-` on the line that begins with it, blanks let go; false when there is none. */
static bool find_line(const char *text, const char *end, bool strictly, const char **ret,
		      const char **ret_end)
{
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *line_end = newline ? newline : end;

		while (line < line_end && isspace((unsigned char)*line))
			line++;
		if (begins_kit(line, line_end, strictly)) {
			*ret = line + strlen(prefix) - 1;
			*ret_end = line_end;
			return true;
		}
		if (!newline)
			break;
		line = newline + 1;
	}
	return false;
}

/*
 * A kit may have been typed on several lines: where the first is short, those behind it that have nothing but
 * groups are of it, when that makes just one kit. Else it is that line alone.
 */
static const char *find_end(const char *line, const char *line_end, const char *end)
{
	const char *at = line_end;
	int n = count_digits(line, line_end);

	while (n >= 0 && n < KIT_CHARS && at < end) {
		const char *next = at + 1, *newline = memchr(next, '\n', (size_t)(end - next));
		int more;

		at = newline ? newline : end;
		more = count_digits(next, at);
		n = more > 0 ? n + more : -1;
	}
	return n == KIT_CHARS ? at : line_end;
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

static void end_group(struct groups *g)
{
	if (g->len == 0)
		return;
	g->n++;
	if (g->len != GROUP_CHARS && g->bad == 0) {
		g->bad = g->n;
		g->bad_len = g->len;
	}
	g->len = 0;
}

static int bad_length(size_t n, const struct groups *g, struct hf_error *err)
{
	char where[64] = "";

	if (g->n == KIT_GROUPS && g->bad)
		(void)snprintf(where, sizeof(where), " (group %zu has %zu)", g->bad, g->bad_len);
	return hf_error_set(
		err, -EUCLEAN,
		"recovery kit: the HF1- line has %zu characters instead of %d groups of %d (%d); look for "
		"one %s%s",
		n, KIT_GROUPS, GROUP_CHARS, KIT_CHARS, n < KIT_CHARS ? "left out" : "too many", where);
}

static int read_digits(const char *line, size_t len, uint8_t digits[KIT_CHARS], struct hf_error *err)
{
	struct groups groups = { .n = 0 };
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int value;

		if (line[i] == '-' || isspace((unsigned char)line[i])) {
			end_group(&groups);
			continue;
		}
		value = digit_value(line[i]);
		if (value < 0)
			return bad_character(line[i], n, err);
		if (n < KIT_CHARS)
			digits[n] = (uint8_t)value;
		groups.len++;
		n++;
	}
	end_group(&groups);
	return n == KIT_CHARS ? 0 : bad_length(n, &groups, err);
}

static bool sum_holds(const uint8_t raw[KIT_BYTES])
{
	uint8_t sum[KIT_SUM_BYTES];

	kit_sum(raw, sum);
	return memcmp(sum, raw + 1 + SEED_BYTES, sizeof(sum)) == 0;
}

/* --- where an error may be */

static bool would_hold(const uint8_t digits[KIT_CHARS])
{
	uint8_t raw[KIT_BYTES];
	bool holds;

	from_base32(digits, raw);
	holds = raw[0] == KIT_VERSION && sum_holds(raw);
	crypto_wipe(raw, sizeof(raw));
	return holds;
}

/* Is there another character for this place with which the checksum holds? */
static bool is_suspect(uint8_t digits[KIT_CHARS], size_t at)
{
	uint8_t typed = digits[at];
	bool holds = false;

	for (uint8_t v = 0; v < 32 && !holds; v++) {
		digits[at] = v;
		holds = v != typed && would_hold(digits);
	}
	digits[at] = typed;
	return holds;
}

static bool is_swapped(uint8_t digits[KIT_CHARS], size_t at)
{
	uint8_t a = digits[at], b = digits[at + 1];
	bool holds;

	digits[at] = b;
	digits[at + 1] = a;
	holds = a != b && would_hold(digits);
	digits[at] = a;
	digits[at + 1] = b;
	return holds;
}

/*
 * A checksum of 16 bits does not say where the error is. But most errors are one character, or two neighbours
 * in the wrong order, and few of those would make it right: the true one always, another one by chance in
 * forty.
 */
static void name_suspects(uint8_t digits[KIT_CHARS], struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < KIT_CHARS && n < SUSPECTS_MAX; i++) {
		if (is_suspect(digits, i))
			buf_add_text(out, "%s group %zu, character %zu", n++ ? ", or" : "",
				     i / GROUP_CHARS + 1, i % GROUP_CHARS + 1);
		if (i + 1 < KIT_CHARS && is_swapped(digits, i))
			buf_add_text(out, "%s group %zu, character %zu, changed places with the next",
				     n++ ? ", or" : "", i / GROUP_CHARS + 1, i % GROUP_CHARS + 1);
	}
}

static int bad_sum(uint8_t digits[KIT_CHARS], struct hf_error *err)
{
	CLEANUP(buf_release) struct buf where = BUF_INIT;

	name_suspects(digits, &where);
	if (where.len)
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: the checksum does not match, so at least one character of the HF1- "
			"line is not as it was printed; if it is one alone, look at%s",
			buf_cstr(&where));
	return hf_error_set(
		err, -EUCLEAN,
		"recovery kit: the checksum does not match, so several characters of the HF1- line are "
		"not as they were printed; compare them group by group");
}

static int check_raw(const uint8_t raw[KIT_BYTES], uint8_t digits[KIT_CHARS], struct hf_error *err)
{
	if (!sum_holds(raw))
		return bad_sum(digits, err);
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
	const char *end = len > 0 ? text + len : text, *line, *line_end;
	int r;

	if (!find_line(text, end, true, &line, &line_end) &&
	    (!find_line(text, end, false, &line, &line_end) ||
	     count_digits(line, find_end(line, line_end, end)) == 0))
		return hf_error_set(
			err, -EUCLEAN,
			"recovery kit: no line begins with HF1-; give the whole line, HF1- included");
	line_end = find_end(line, line_end, end);
	r = read_digits(line, (size_t)(line_end - line), digits, err);
	if (r == 0) {
		from_base32(digits, raw);
		r = check_raw(raw, digits, err);
	}
	if (r == 0)
		memcpy(ret_seed, raw + 1, SEED_BYTES);
	crypto_wipe(digits, sizeof(digits));
	crypto_wipe(raw, sizeof(raw));
	return r;
}
