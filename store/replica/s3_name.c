/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/crypto/wire.h"

enum { DIGITS = 10, PRINT_DIGITS = 2 * S3_PRINT_BYTES, REST_BYTES = 3 * DIGITS + PRINT_DIGITS + 3 };

int s3_name_compare(const struct s3_name *a, const struct s3_name *b)
{
	int r;

	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	r = memcmp(a->print, b->print, S3_PRINT_BYTES);
	return r ? r : log_pos_compare(a->at, b->at);
}

bool s3_name_same_folder(const struct s3_name *a, const struct s3_name *b)
{
	return a->epoch == b->epoch && memcmp(a->print, b->print, S3_PRINT_BYTES) == 0;
}

int s3_name_of_cert(const struct epoch_cert *cert, struct s3_name *ret)
{
	uint8_t hash[SHORT_HASH_BYTES];
	CLEANUP(buf_release) struct buf raw = BUF_INIT;

	epoch_cert_encode(cert, &raw);
	if (buf_status(&raw) < 0)
		return -ENOMEM;
	hash_one(NULL, raw.data, raw.len, hash, sizeof(hash));
	memset(ret, 0, sizeof(*ret));
	ret->epoch = cert->epoch;
	memcpy(ret->print, hash, S3_PRINT_BYTES);
	return 0;
}

size_t s3_name_root(const struct s3_place *p, const uint8_t volume_id[VOLUME_ID_BYTES],
		    char out[S3_KEY_BYTES])
{
	char id[2 * VOLUME_ID_BYTES + 1];

	wire_hex(volume_id, VOLUME_ID_BYTES, id);
	return (size_t)snprintf(out, S3_KEY_BYTES, "%s%s%s/", p->prefix, p->prefix[0] ? "/" : "", id);
}

void s3_name_key(const char *root, const struct s3_name *name, char out[S3_KEY_BYTES])
{
	char print[PRINT_DIGITS + 1];

	wire_hex(name->print, S3_PRINT_BYTES, print);
	(void)snprintf(out, S3_KEY_BYTES, "%.240s%010" PRIu32 "-%s/%010" PRIu32 "-%010" PRIu32, root,
		       name->epoch, print, name->at.segment, name->at.offset);
}

static bool read_digits(const char *at, uint32_t *ret)
{
	uint64_t n = 0;

	for (int i = 0; i < DIGITS; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(at[i] - '0');
	}
	*ret = (uint32_t)n;
	return n <= UINT32_MAX;
}

int s3_name_read(const char *rest, struct s3_name *ret)
{
	const char *print = rest + DIGITS + 1, *segment = print + PRINT_DIGITS + 1,
		   *offset = segment + DIGITS + 1;

	if (strlen(rest) != REST_BYTES || !read_digits(rest, &ret->epoch) || print[-1] != '-' ||
	    wire_unhex(print, PRINT_DIGITS, ret->print, S3_PRINT_BYTES) < 0 || segment[-1] != '/' ||
	    !read_digits(segment, &ret->at.segment) || offset[-1] != '-' ||
	    !read_digits(offset, &ret->at.offset))
		return -EINVAL;
	return ret->epoch > 0 && ret->at.segment > 0 ? 0 : -EINVAL;
}
