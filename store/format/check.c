/* SPDX-License-Identifier: MIT */
#include "store/format/check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

int check_head(const char *what, const uint8_t *data, size_t len, size_t want_len, const char *magic,
	       struct hf_error *err)
{
	return check_head_version(what, data, len, want_len, magic, FORMAT_VERSION, err);
}

int check_head_version(const char *what, const uint8_t *data, size_t len, size_t want_len, const char *magic,
		       unsigned want_version, struct hf_error *err)
{
	unsigned version;

	if (len < MAGIC_BYTES + 2)
		return hf_error_set(err, -EUCLEAN, "%s: cut short at %zu of %zu bytes", what, len, want_len);
	if (memcmp(data, magic, MAGIC_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN,
				    "%s: does not begin with %s; this is something else, or damaged", what,
				    magic);
	version = get_u16(data + MAGIC_BYTES);
	if (version != want_version)
		return hf_error_set(
			err, -EPROTONOSUPPORT,
			"%s: version %u, and this build knows version %u only; a newer holdfast may read it",
			what, version, want_version);
	if (len != want_len)
		return hf_error_set(err, -EUCLEAN, "%s: %zu bytes long instead of %zu", what, len, want_len);
	return 0;
}

int check_sum(const char *what, const uint8_t *data, size_t covered, struct hf_error *err)
{
	uint8_t sum[SHORT_HASH_BYTES];

	hash_one(NULL, data, covered, sum, sizeof(sum));
	if (memcmp(sum, data + covered, sizeof(sum)) != 0)
		return hf_error_set(err, -EUCLEAN, "%s: damaged (its checksum does not match)", what);
	return 0;
}

void add_sum(struct buf *out, size_t start)
{
	uint8_t sum[SHORT_HASH_BYTES];

	if (buf_status(out) < 0)
		return;
	hash_one(NULL, out->data + start, out->len - start, sum, sizeof(sum));
	buf_add(out, sum, sizeof(sum));
}

int check_fixed(const char *what, const char *field, uint64_t value, uint64_t want, struct hf_error *err)
{
	if (value == want)
		return 0;
	return hf_error_set(err, -EPROTONOSUPPORT,
			    "%s: %s is 0x%" PRIx64
			    ", which this build does not know; a newer holdfast may read it",
			    what, field, value);
}
