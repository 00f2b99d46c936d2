/* SPDX-License-Identifier: MIT */
/*
 * The gear hash of a byte run is h = (h << 1) + gear[byte], so that it depends on the last 64 bytes alone. A
 * chunk ends behind a byte where the hash has zeros in certain places: many places while the chunk is shorter
 * than the average, few when it is longer, which draws lengths towards the average. No chunk ends before
 * CUT_MIN_BYTES, so what is more than 64 bytes in front of that is not even looked at.
 */
#include "store/chunk/cut.h"

#include <pthread.h>

enum {
	WINDOW_BYTES = 64,
	ZEROS_SHORT = 18, /* the paper's normalisation level 2: two bits to either side of 2^16 */
	ZEROS_LONG = 14,
};

/* The places are at the top, where all of the window has come to bear, but not the topmost: see scan. */
#define MASK(zeros) (((UINT64_C(1) << (zeros)) - 1) << (63 - (zeros)))

static const char seed_text[] = "holdfast content-defined cutting, gear table 1";

static uint64_t gear[256];
static uint64_t gear_doubled[256]; /* each of gear << 1 */
static pthread_once_t made = PTHREAD_ONCE_INIT;

/* FNV-1a of the text, then a splitmix64 sequence from there. */
static void make_tables(void)
{
	uint64_t state = 0xcbf29ce484222325u;

	for (const char *p = seed_text; *p; p++)
		state = (state ^ (uint8_t)*p) * 0x100000001b3u;
	for (int i = 0; i < 256; i++) {
		uint64_t z = state += 0x9e3779b97f4a7c15u;

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
		gear[i] = z ^ (z >> 31);
		gear_doubled[i] = gear[i] << 1;
	}
}

void cut_init(struct cut *c)
{
	(void)pthread_once(&made, make_tables);
	c->gear = 0;
	c->len = 0;
}

/*
 * Hash on, and stop behind the first byte where the hash is zero under mask. Returns how many bytes were
 * taken; *ret_end: whether it stopped. Two bytes a turn: with h the hash before them, the hash behind the
 * first, doubled, is (h << 2) + 2 * gear, which is compared under the doubled mask.
 */
static size_t scan(uint64_t *h, uint64_t mask, const uint8_t *data, size_t len, bool *ret_end)
{
	uint64_t hash = *h;
	size_t i = 0;

	*ret_end = true;
	for (; i + 2 <= len; i += 2) {
		hash = (hash << 2) + gear_doubled[data[i]];
		if (!(hash & mask << 1))
			return i + 1;
		hash += gear[data[i + 1]];
		if (!(hash & mask))
			return i + 2;
	}
	if (i < len) {
		hash = (hash << 1) + gear[data[i++]];
		if (!(hash & mask))
			return i;
	}
	*ret_end = false;
	*h = hash;
	return i;
}

static size_t upto(size_t have, size_t border, size_t left)
{
	size_t n = border > have ? border - have : 0;

	return n < left ? n : left;
}

size_t cut_feed(struct cut *c, const uint8_t *data, size_t len, bool *ret_end)
{
	static const struct {
		size_t border;
		uint64_t mask;
	} stretches[] = { { CUT_AVERAGE_BYTES, MASK(ZEROS_SHORT) }, { CUT_MAX_BYTES, MASK(ZEROS_LONG) } };
	size_t done = upto(c->len, CUT_MIN_BYTES - WINDOW_BYTES, len), n;
	bool end = false;

	c->len += done;
	n = upto(c->len, CUT_MIN_BYTES, len - done);
	for (size_t i = 0; i < n; i++)
		c->gear = (c->gear << 1) + gear[data[done + i]];
	c->len += n;
	done += n;
	for (size_t i = 0; i < sizeof(stretches) / sizeof(*stretches) && !end; i++) {
		n = upto(c->len, stretches[i].border, len - done);
		n = scan(&c->gear, stretches[i].mask, data + done, n, &end);
		c->len += n;
		done += n;
	}
	end = end || c->len == CUT_MAX_BYTES;
	if (end) {
		c->len = 0;
		c->gear = 0;
	}
	*ret_end = end;
	return done;
}
