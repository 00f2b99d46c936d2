/* SPDX-License-Identifier: MIT */
/* Epoch certificate, FORMAT.md §4.4. */
#include <errno.h>
#include <string.h>

#include "store/format/check.h"

static const char what[] = "epoch certificate";
static const char magic[] = "HFEPOCH1";
static const char domain[] = "holdfast epoch";

enum { SIGNED_BYTES = EPOCH_CERT_BYTES - SIGNATURE_BYTES };

/* All but the signature. Fixed, so that signing needs no memory. */
static void encode_signed(const struct epoch_cert *cert, uint8_t out[SIGNED_BYTES])
{
	memset(out, 0, SIGNED_BYTES);
	memcpy(out, magic, MAGIC_BYTES);
	put_u16(out + 8, FORMAT_VERSION);
	put_u16(out + 10, cert->format_floor);
	put_u32(out + 12, cert->epoch);
	memcpy(out + 16, cert->volume_id, VOLUME_ID_BYTES);
	memcpy(out + 32, cert->owner_public, PUBLIC_KEY_BYTES);
	memcpy(out + 64, cert->writer_public, PUBLIC_KEY_BYTES);
	put_u64(out + 96, cert->created_ns);
	put_u32(out + 104, cert->first_segment);
	memcpy(out + 112, cert->chain, HASH_BYTES);
}

void epoch_cert_sign(struct epoch_cert *cert, const struct owner *owner)
{
	uint8_t raw[SIGNED_BYTES];

	memcpy(cert->volume_id, owner_volume_id(owner), VOLUME_ID_BYTES);
	memcpy(cert->owner_public, owner_public(owner), PUBLIC_KEY_BYTES);
	encode_signed(cert, raw);
	owner_sign(owner, domain, raw, sizeof(raw), cert->signature);
}

void epoch_cert_encode(const struct epoch_cert *cert, struct buf *out)
{
	uint8_t raw[SIGNED_BYTES];

	encode_signed(cert, raw);
	buf_add(out, raw, sizeof(raw));
	buf_add(out, cert->signature, SIGNATURE_BYTES);
}

static int check_owner(const struct epoch_cert *cert, const uint8_t *raw, struct hf_error *err)
{
	uint8_t id[VOLUME_ID_BYTES];

	volume_id_of(cert->owner_public, id);
	if (memcmp(id, cert->volume_id, sizeof(id)) != 0)
		return hf_error_set(err, -EKEYREJECTED, "%s: its volume id is not the one of its owner key",
				    what);
	if (signature_check(cert->owner_public, domain, raw, SIGNED_BYTES, cert->signature) < 0)
		return hf_error_set(err, -EKEYREJECTED, "%s: its signature is not the owner's", what);
	return 0;
}

int epoch_cert_decode(const void *data, size_t len, struct epoch_cert *ret, struct hf_error *err)
{
	struct epoch_cert cert;
	struct cursor c = cursor_of(data, len);
	uint32_t reserved;
	int r;

	r = check_head(what, data, len, EPOCH_CERT_BYTES, magic, err);
	if (r < 0)
		return r;
	(void)cursor_take(&c, MAGIC_BYTES + 2);
	cert.format_floor = cursor_u16(&c);
	cert.epoch = cursor_u32(&c);
	cursor_copy(&c, cert.volume_id, VOLUME_ID_BYTES);
	cursor_copy(&c, cert.owner_public, PUBLIC_KEY_BYTES);
	cursor_copy(&c, cert.writer_public, PUBLIC_KEY_BYTES);
	cert.created_ns = cursor_u64(&c);
	cert.first_segment = cursor_u32(&c);
	reserved = cursor_u32(&c);
	cursor_copy(&c, cert.chain, HASH_BYTES);
	cursor_copy(&c, cert.signature, SIGNATURE_BYTES);

	r = check_owner(&cert, data, err);
	if (r == 0)
		r = check_fixed(what, "format floor", cert.format_floor, FORMAT_VERSION, err);
	if (r == 0)
		r = check_fixed(what, "reserved field", reserved, 0, err);
	if (r < 0)
		return r;
	if (cert.epoch == 0 || cert.first_segment == 0)
		return hf_error_set(err, -EUCLEAN, "%s: epochs and segments are numbered from 1, not 0",
				    what);
	*ret = cert;
	return 0;
}
