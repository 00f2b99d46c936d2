/* SPDX-License-Identifier: MIT */
#include "store/format/prune.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/format/check.h"

static const char what[] = "prune list";
static const char magic[] = "HFPRUNE1";
static const char hash_domain[] = "holdfast prune list";
static const char domain[] = "holdfast prune";

enum { FRAME_BYTES_MIN = FRAME_HEADER_BYTES + TAG_BYTES };

/* --- writing */

static void encode_head(const struct prune_list *list, size_t len, struct buf *out)
{
	buf_add(out, magic, MAGIC_BYTES);
	buf_add_u16(out, FORMAT_VERSION);
	buf_add_u16(out, 0);
	buf_add_u32(out, (uint32_t)len);
	buf_add(out, list->volume_id, VOLUME_ID_BYTES);
	buf_add(out, list->owner_public, PUBLIC_KEY_BYTES);
	buf_add(out, list->node, PUBLIC_KEY_BYTES);
	buf_add_u32(out, list->epoch);
	buf_add_u32(out, (uint32_t)list->n);
	buf_add_u32(out, list->at_segment);
	buf_add_u32(out, list->at_offset);
	buf_add_u64(out, list->commit);
	buf_add_u64(out, list->tid);
	buf_add(out, list->chain, HASH_BYTES);
	buf_add_u64(out, list->before_tid);
	buf_add_u64(out, list->before_ns);
	buf_add_u64(out, list->made_ns);
	buf_add_u64(out, 0);
}

static void encode_segment(const struct prune_segment *s, struct buf *out)
{
	buf_add_u32(out, s->segment);
	buf_add_u32(out, (uint32_t)s->n);
	buf_add(out, s->chain, HASH_BYTES);
	for (size_t i = 0; i < s->n; i++) {
		buf_add_u32(out, s->ranges[i].offset);
		buf_add_u32(out, s->ranges[i].len);
	}
}

static void hash_list(const uint8_t *raw, size_t len, uint8_t out[HASH_BYTES])
{
	hash_one(hash_domain, raw, len - SIGNATURE_BYTES, out, HASH_BYTES);
}

int prune_list_encode(struct prune_list *list, const struct owner *owner, struct buf *out)
{
	size_t start = out->len, len = PRUNE_HEAD_BYTES + SIGNATURE_BYTES;
	uint8_t hash[HASH_BYTES], sig[SIGNATURE_BYTES];

	for (size_t i = 0; i < list->n; i++)
		len += PRUNE_SEGMENT_BYTES + list->segments[i].n * PRUNE_RANGE_BYTES;
	if (len > PRUNE_LIST_BYTES_MAX)
		return -EFBIG;
	memcpy(list->volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	memcpy(list->owner_public, owner_public(owner), PUBLIC_KEY_BYTES);
	encode_head(list, len, out);
	for (size_t i = 0; i < list->n; i++)
		encode_segment(&list->segments[i], out);
	if (buf_status(out) < 0)
		return -ENOMEM;
	hash_list(out->data + start, len, hash);
	owner_sign(owner, domain, hash, sizeof(hash), sig);
	buf_add(out, sig, sizeof(sig));
	return buf_status(out);
}

/* --- reading */

static int check_length(const uint8_t *raw, size_t len, struct hf_error *err)
{
	if (len < PRUNE_HEAD_BYTES + SIGNATURE_BYTES || len > PRUNE_LIST_BYTES_MAX)
		return hf_error_set(err, -EUCLEAN, "%s: no list has %zu bytes", what, len);
	return check_head(what, raw, len, get_u32(raw + 12), magic, err);
}

static int check_owner(const struct prune_list *list, const uint8_t *raw, size_t len, struct hf_error *err)
{
	uint8_t id[VOLUME_ID_BYTES], hash[HASH_BYTES];

	volume_id_of(list->owner_public, id);
	if (memcmp(id, list->volume_id, sizeof(id)) != 0)
		return hf_error_set(err, -EKEYREJECTED, "%s: its volume id is not the one of its owner key",
				    what);
	hash_list(raw, len, hash);
	if (signature_check(list->owner_public, domain, hash, sizeof(hash), raw + len - SIGNATURE_BYTES) < 0)
		return hf_error_set(err, -EKEYREJECTED, "%s: its signature is not the owner's", what);
	return 0;
}

/* Fills in all but the segments. *ret_n: how many there are to be. */
static int decode_head(struct cursor *c, struct prune_list *ret, uint32_t *ret_n, struct hf_error *err)
{
	uint16_t flags;
	uint64_t reserved;

	(void)cursor_take(c, MAGIC_BYTES + 2);
	flags = cursor_u16(c);
	(void)cursor_u32(c);
	cursor_copy(c, ret->volume_id, VOLUME_ID_BYTES);
	cursor_copy(c, ret->owner_public, PUBLIC_KEY_BYTES);
	cursor_copy(c, ret->node, PUBLIC_KEY_BYTES);
	ret->epoch = cursor_u32(c);
	*ret_n = cursor_u32(c);
	ret->at_segment = cursor_u32(c);
	ret->at_offset = cursor_u32(c);
	ret->commit = cursor_u64(c);
	ret->tid = cursor_u64(c);
	cursor_copy(c, ret->chain, HASH_BYTES);
	ret->before_tid = cursor_u64(c);
	ret->before_ns = cursor_u64(c);
	ret->made_ns = cursor_u64(c);
	reserved = cursor_u64(c);
	if (flags != 0)
		return check_fixed(what, "flags", flags, 0, err);
	return check_fixed(what, "reserved field", reserved, 0, err);
}

static int not_a_list(const char *why, struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "%s: %s", what, why);
}

static int decode_ranges(struct cursor *c, struct prune_range *ranges, size_t n, struct hf_error *err)
{
	uint64_t end = 0;

	for (size_t i = 0; i < n; i++) {
		ranges[i].offset = cursor_u32(c);
		ranges[i].len = cursor_u32(c);
		if (ranges[i].offset < SEGMENT_HEADER_BYTES || ranges[i].offset <= end ||
		    ranges[i].len < FRAME_BYTES_MIN)
			return not_a_list("a range that cannot be", err);
		end = (uint64_t)ranges[i].offset + ranges[i].len;
		if (end > SEGMENT_BYTES_MAX - COMMIT_FRAME_BYTES)
			return not_a_list("a range that passes the end of its segment", err);
	}
	return 0;
}

/* The ranges' memory is taken from `free_ranges`, of which there are as many as the list can have. */
static int decode_segment(struct cursor *c, uint32_t above, struct prune_range *free_ranges,
			  struct prune_segment *ret, struct hf_error *err)
{
	ret->segment = cursor_u32(c);
	ret->n = cursor_u32(c);
	cursor_copy(c, ret->chain, HASH_BYTES);
	ret->ranges = free_ranges;
	if (cursor_status(c) < 0 || ret->n == 0 || ret->n > cursor_left(c) / PRUNE_RANGE_BYTES)
		return not_a_list("a segment with more or fewer ranges than there are", err);
	if (ret->segment <= above)
		return not_a_list("segments out of order", err);
	return decode_ranges(c, free_ranges, ret->n, err);
}

static int decode_segments(struct cursor *c, uint32_t n, struct prune_list *ret, struct hf_error *err)
{
	size_t used = 0;
	uint32_t above = 0;

	if (n == 0 || n > cursor_left(c) / (PRUNE_SEGMENT_BYTES + PRUNE_RANGE_BYTES))
		return not_a_list("it has more or fewer segments than it says", err);
	ret->segments = calloc(n, sizeof(*ret->segments));
	ret->ranges = calloc(cursor_left(c) / PRUNE_RANGE_BYTES, sizeof(*ret->ranges));
	if (!ret->segments || !ret->ranges)
		return hf_error_set(err, -ENOMEM, "no memory for a prune list");
	for (; ret->n < n; ret->n++) {
		struct prune_segment *s = &ret->segments[ret->n];
		int r = decode_segment(c, above, ret->ranges + used, s, err);

		if (r < 0)
			return r;
		above = s->segment;
		used += s->n;
	}
	if (cursor_finish(c) < 0)
		return not_a_list("bytes behind its end", err);
	return above < ret->at_segment ? 0 : not_a_list("a segment that had not ended when it was made", err);
}

int prune_list_decode(const void *data, size_t len, struct prune_list *ret, struct hf_error *err)
{
	struct prune_list list = { .n = 0 };
	struct cursor c;
	uint32_t n = 0;
	int r = check_length(data, len, err);

	if (r < 0)
		return r;
	c = cursor_of(data, len - SIGNATURE_BYTES);
	r = decode_head(&c, &list, &n, err);
	if (r == 0)
		r = check_owner(&list, data, len, err);
	if (r == 0)
		r = decode_segments(&c, n, &list, err);
	if (r < 0) {
		prune_list_release(&list);
		return r;
	}
	*ret = list;
	return 0;
}

void prune_list_release(struct prune_list *list)
{
	free(list->segments);
	free(list->ranges);
	list->segments = NULL;
	list->ranges = NULL;
	list->n = 0;
}

/* --- questions */

const struct prune_segment *prune_list_find(const struct prune_list *list, uint32_t segment)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (list->segments[mid].segment < segment)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->n && list->segments[low].segment == segment ? &list->segments[low] : NULL;
}

bool prune_segment_covers(const struct prune_segment *s, uint32_t offset, uint32_t len)
{
	size_t low = 0, high = s->n;

	while (low < high) { /* the first range that ends behind the offset */
		size_t mid = low + (high - low) / 2;

		if ((uint64_t)s->ranges[mid].offset + s->ranges[mid].len <= offset)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && s->ranges[low].offset <= offset &&
	       (uint64_t)offset + len <= (uint64_t)s->ranges[low].offset + s->ranges[low].len;
}

uint64_t prune_segment_bytes(const struct prune_segment *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->ranges[i].len;
	return sum;
}

uint64_t prune_list_bytes(const struct prune_list *list)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < list->n; i++)
		sum += prune_segment_bytes(&list->segments[i]);
	return sum;
}
