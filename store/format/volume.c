/* SPDX-License-Identifier: MIT */
/* Volume descriptor, FORMAT.md §3. */
#include <errno.h>
#include <string.h>

#include "store/format/check.h"

static const char what[] = "volume descriptor";
static const char magic[] = "HFVOLUME";

void volume_descriptor_encode(const struct volume_descriptor *v, struct buf *out)
{
	size_t start = out->len;

	buf_add(out, magic, MAGIC_BYTES);
	buf_add_u16(out, FORMAT_VERSION);
	buf_add_u16(out, 0);
	buf_add_u32(out, VOLUME_DESCRIPTOR_BYTES);
	buf_add(out, v->volume_id, VOLUME_ID_BYTES);
	buf_add(out, v->owner_public, PUBLIC_KEY_BYTES);
	buf_add_u64(out, v->created_ns);
	buf_add_zeros(out, 8);
	add_sum(out, start);
}

int volume_descriptor_decode(const void *data, size_t len, struct volume_descriptor *ret,
			     struct hf_error *err)
{
	struct volume_descriptor v;
	struct cursor c = cursor_of(data, len);
	uint8_t id[VOLUME_ID_BYTES];
	int r;

	r = check_head(what, data, len, VOLUME_DESCRIPTOR_BYTES, magic, err);
	if (r == 0)
		r = check_sum(what, data, VOLUME_DESCRIPTOR_BYTES - SHORT_HASH_BYTES, err);
	if (r < 0)
		return r;

	(void)cursor_take(&c, MAGIC_BYTES + 2);
	r = check_fixed(what, "flags", cursor_u16(&c), 0, err);
	if (r == 0)
		r = check_fixed(what, "length", cursor_u32(&c), VOLUME_DESCRIPTOR_BYTES, err);
	if (r < 0)
		return r;
	cursor_copy(&c, v.volume_id, sizeof(v.volume_id));
	cursor_copy(&c, v.owner_public, sizeof(v.owner_public));
	v.created_ns = cursor_u64(&c);
	r = check_fixed(what, "reserved field", cursor_u64(&c), 0, err);
	if (r < 0)
		return r;

	volume_id_of(v.owner_public, id);
	if (memcmp(id, v.volume_id, sizeof(id)) != 0)
		return hf_error_set(err, -EUCLEAN, "%s: its volume id is not the one of its owner key", what);
	*ret = v;
	return 0;
}
