/* SPDX-License-Identifier: MIT */
/* Key files, FORMAT.md §4.3. */
#include <assert.h>
#include <errno.h>

#include "store/format/check.h"

static const struct {
	const char *what, *magic;
} kinds[] = {
	[KEY_FILE_VOLUME] = { "volume key file", "HFKEYVOL" },
	[KEY_FILE_WRITER] = { "writer key file", "HFKEYWRT" },
};

enum { WRAPPING_NONE = 0 };

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
