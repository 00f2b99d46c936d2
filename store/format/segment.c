/* SPDX-License-Identifier: MIT */
/* Segment header and segment file names, FORMAT.md §2 and §5. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/format/check.h"

static const char what[] = "segment header";
static const char magic[] = "HFSEGMT1";

void segment_header_encode(const struct segment_header *h, struct buf *out)
{
	size_t start = out->len;

	buf_add(out, magic, MAGIC_BYTES);
	buf_add_u16(out, FORMAT_VERSION);
	buf_add_u16(out, 0);
	buf_add_u32(out, SEGMENT_HEADER_BYTES);
	buf_add(out, h->volume_id, VOLUME_ID_BYTES);
	buf_add_u32(out, h->segment);
	buf_add_u32(out, h->epoch);
	buf_add_u64(out, h->prev_tid);
	buf_add_u64(out, h->prev_time_ns);
	buf_add_u64(out, h->prev_commit);
	buf_add(out, h->prev_chain, HASH_BYTES);
	epoch_cert_encode(&h->cert, out);
	add_sum(out, start);
}

/* That the segment may stand where it says, and under this certificate. */
static int check_agrees(const struct segment_header *h, struct hf_error *err)
{
	static const uint8_t no_chain[HASH_BYTES];
	const struct epoch_cert *cert = &h->cert;

	if (h->segment == 0)
		return hf_error_set(err, -EUCLEAN, "%s: segments are numbered from 1, not 0", what);
	if (memcmp(h->volume_id, cert->volume_id, VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: segment %" PRIu32 " has the epoch certificate of another "
				    "volume",
				    what, h->segment);
	if (h->epoch != cert->epoch || h->segment < cert->first_segment)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: segment %" PRIu32 " of epoch %" PRIu32
				    " has a certificate for epoch %" PRIu32 " from segment %" PRIu32 " on",
				    what, h->segment, h->epoch, cert->epoch, cert->first_segment);
	if (h->segment == cert->first_segment && memcmp(h->prev_chain, cert->chain, HASH_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: segment %" PRIu32 " begins epoch %" PRIu32
				    " at another chain value than the certificate names",
				    what, h->segment, h->epoch);
	if (h->segment == 1 && h->prev_commit != 0)
		return hf_error_set(err, -EUCLEAN, "%s: segment 1 says that a commit came before it", what);
	if (h->prev_commit == 0 &&
	    (h->prev_tid != 0 || h->prev_time_ns != 0 || memcmp(h->prev_chain, no_chain, HASH_BYTES) != 0))
		return hf_error_set(err, -EUCLEAN,
				    "%s: segment %" PRIu32 " has a tid, a time or a chain value before "
				    "it, but no commit",
				    what, h->segment);
	return 0;
}

int segment_header_decode(const void *data, size_t len, struct segment_header *ret, struct hf_error *err)
{
	struct segment_header h;
	struct cursor c = cursor_of(data, len);
	int r;

	r = check_head(what, data, len, SEGMENT_HEADER_BYTES, magic, err);
	if (r == 0)
		r = check_sum(what, data, SEGMENT_HEADER_BYTES - SHORT_HASH_BYTES, err);
	if (r < 0)
		return r;

	(void)cursor_take(&c, MAGIC_BYTES + 2);
	r = check_fixed(what, "flags", cursor_u16(&c), 0, err);
	if (r == 0)
		r = check_fixed(what, "length", cursor_u32(&c), SEGMENT_HEADER_BYTES, err);
	if (r < 0)
		return r;
	cursor_copy(&c, h.volume_id, VOLUME_ID_BYTES);
	h.segment = cursor_u32(&c);
	h.epoch = cursor_u32(&c);
	h.prev_tid = cursor_u64(&c);
	h.prev_time_ns = cursor_u64(&c);
	h.prev_commit = cursor_u64(&c);
	cursor_copy(&c, h.prev_chain, HASH_BYTES);
	r = epoch_cert_decode(cursor_take(&c, EPOCH_CERT_BYTES), EPOCH_CERT_BYTES, &h.cert, err);
	if (r < 0)
		return hf_error_prefix(err, r, "%s", what);
	r = check_agrees(&h, err);
	if (r < 0)
		return r;
	*ret = h;
	return 0;
}

void segment_file_name(uint32_t segment, char out[16])
{
	(void)snprintf(out, 16, "%010" PRIu32 ".seg", segment);
}

bool segment_file_number(const char *name, uint32_t *ret)
{
	uint64_t n = 0;

	for (int i = 0; i < 10; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(name[i] - '0');
	}
	if (strcmp(name + 10, ".seg") != 0 || n == 0 || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}
