/* SPDX-License-Identifier: MIT */
/* Key files, FORMAT.md §4.3. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/format/check.h"

static const struct {
	const char *what, *magic;
} kinds[] = {
	[KEY_FILE_VOLUME] = { "volume key file", "HFKEYVOL" },
	[KEY_FILE_WRITER] = { "writer key file", "HFKEYWRT" },
};

enum { WRAPPING_NONE = 0, WRAPPING_PASSPHRASE = 1, WRAPPING_VOLUME_KEY = 2 };
enum { WRAPPED_VERSION = 2, WRAPPED_COVERED_BYTES = 80 };

void key_file_encode(enum key_file_kind kind, const struct key_file *k, struct buf *out)
{
	size_t start = out->len;

	assert(kind == KEY_FILE_VOLUME ? k->epoch == 0 : k->epoch > 0);
	buf_add(out, kinds[kind].magic, MAGIC_BYTES);
	buf_add_u16(out, FORMAT_VERSION);
	buf_add_u16(out, WRAPPING_NONE);
	buf_add_u32(out, k->epoch);
	buf_add(out, k->volume_id, VOLUME_ID_BYTES);
	buf_add(out, k->secret, SEED_BYTES);
	add_sum(out, start);
}

int key_file_decode(enum key_file_kind kind, const void *data, size_t len, struct key_file *ret,
		    struct hf_error *err)
{
	const char *what = kinds[kind].what;
	struct cursor c = cursor_of(data, len);
	uint32_t epoch;
	int r;

	r = check_head(what, data, len, KEY_FILE_BYTES, kinds[kind].magic, err);
	if (r == 0)
		r = check_sum(what, data, KEY_FILE_BYTES - SHORT_HASH_BYTES, err);
	if (r < 0)
		return r;

	(void)cursor_take(&c, MAGIC_BYTES + 2);
	r = check_fixed(what, "wrapping", cursor_u16(&c), WRAPPING_NONE, err);
	if (r < 0)
		return r;
	epoch = cursor_u32(&c);
	if (kind == KEY_FILE_VOLUME)
		r = check_fixed(what, "reserved field", epoch, 0, err);
	else if (epoch == 0)
		r = hf_error_set(err, -EUCLEAN, "%s: its epoch is 0, and epochs begin with 1", what);
	if (r < 0)
		return r;
	ret->epoch = epoch;
	cursor_copy(&c, ret->volume_id, VOLUME_ID_BYTES);
	cursor_copy(&c, ret->secret, SEED_BYTES);
	return 0;
}

/* --- wrapped */

static uint16_t wrapping_of(enum key_file_kind kind)
{
	return kind == KEY_FILE_VOLUME ? WRAPPING_PASSPHRASE : WRAPPING_VOLUME_KEY;
}

bool key_file_is_wrapped(const void *data, size_t len)
{
	return len >= MAGIC_BYTES + 2 && get_u16((const uint8_t *)data + MAGIC_BYTES) == WRAPPED_VERSION;
}

/* All that is in front of what is sealed. */
static void encode_front(enum key_file_kind kind, const struct key_wrapped *k, struct buf *out)
{
	buf_add(out, kinds[kind].magic, MAGIC_BYTES);
	buf_add_u16(out, WRAPPED_VERSION);
	buf_add_u16(out, wrapping_of(kind));
	buf_add_u32(out, k->epoch);
	buf_add(out, k->volume_id, VOLUME_ID_BYTES);
	buf_add_u32(out, k->cost.passes);
	buf_add_u32(out, k->cost.memory_kib);
	buf_add(out, k->salt, WRAP_SALT_BYTES);
	buf_add(out, k->nonce, NONCE_BYTES);
}

void key_wrapped_encode(enum key_file_kind kind, const struct key_wrapped *k, struct buf *out)
{
	size_t start = out->len;

	assert(kind == KEY_FILE_VOLUME ? k->epoch == 0 && wrap_cost_ok(&k->cost) : k->epoch > 0);
	encode_front(kind, k, out);
	buf_add(out, k->sealed, WRAPPED_BYTES);
	add_sum(out, start);
}

void key_wrapped_ad(enum key_file_kind kind, const struct key_wrapped *k, uint8_t out[WRAPPED_KEY_AD_BYTES])
{
	static const char domain[] = "holdfast key"; /* with its NUL */
	uint8_t front[WRAPPED_COVERED_BYTES];
	struct buf b = { .data = front, .cap = sizeof(front) }; /* it never grows */

	_Static_assert(sizeof(domain) + sizeof(front) == WRAPPED_KEY_AD_BYTES, "the parts of it");
	encode_front(kind, k, &b);
	assert(b.len == sizeof(front) && !b.failed);
	memcpy(out, domain, sizeof(domain));
	memcpy(out + sizeof(domain), front, sizeof(front));
}

static int check_wrapped_volume(const struct key_wrapped *k, struct hf_error *err)
{
	int r = check_fixed(kinds[KEY_FILE_VOLUME].what, "reserved field", k->epoch, 0, err);

	if (r == 0 && !wrap_cost_ok(&k->cost))
		r = hf_error_set(
			err, -EUCLEAN,
			"%s: %" PRIu32 " passes over %" PRIu32
			" KiB are asked for to try a passphrase, and no more than %d over %d are made",
			kinds[KEY_FILE_VOLUME].what, k->cost.passes, k->cost.memory_kib, WRAP_PASSES_MAX,
			WRAP_KIB_MAX);
	return r;
}

static int check_wrapped_writer(const struct key_wrapped *k, struct hf_error *err)
{
	static const uint8_t zeros[WRAP_SALT_BYTES];
	const char *what = kinds[KEY_FILE_WRITER].what;

	if (k->epoch == 0)
		return hf_error_set(err, -EUCLEAN, "%s: its epoch is 0, and epochs begin with 1", what);
	if (k->cost.passes || k->cost.memory_kib || memcmp(k->salt, zeros, sizeof(zeros)) != 0)
		return hf_error_set(
			err, -EPROTONOSUPPORT,
			"%s: fields for a passphrase are not empty, which this build does not know", what);
	return 0;
}

int key_wrapped_decode(enum key_file_kind kind, const void *data, size_t len, struct key_wrapped *ret,
		       struct hf_error *err)
{
	const char *what = kinds[kind].what;
	struct cursor c = cursor_of(data, len);
	struct key_wrapped k;
	int r;

	r = check_head_version(what, data, len, WRAPPED_KEY_FILE_BYTES, kinds[kind].magic, WRAPPED_VERSION,
			       err);
	if (r == 0)
		r = check_sum(what, data, WRAPPED_KEY_FILE_BYTES - SHORT_HASH_BYTES, err);
	if (r < 0)
		return r;
	(void)cursor_take(&c, MAGIC_BYTES + 2);
	r = check_fixed(what, "wrapping", cursor_u16(&c), wrapping_of(kind), err);
	if (r < 0)
		return r;
	k.epoch = cursor_u32(&c);
	cursor_copy(&c, k.volume_id, VOLUME_ID_BYTES);
	k.cost.passes = cursor_u32(&c);
	k.cost.memory_kib = cursor_u32(&c);
	cursor_copy(&c, k.salt, WRAP_SALT_BYTES);
	cursor_copy(&c, k.nonce, NONCE_BYTES);
	cursor_copy(&c, k.sealed, WRAPPED_BYTES);
	r = kind == KEY_FILE_VOLUME ? check_wrapped_volume(&k, err) : check_wrapped_writer(&k, err);
	if (r == 0)
		*ret = k;
	return r;
}
