/* SPDX-License-Identifier: MIT */
#include "store/crypto/derive.h"

#include <assert.h>

_Static_assert(SEED_BYTES == crypto_kdf_KEYBYTES && crypto_kdf_CONTEXTBYTES == 8, "the sizes of the KDF");

void derive(const uint8_t parent[SEED_BYTES], const char context[9], uint64_t number, void *out,
	    size_t out_bytes)
{
	int r = crypto_kdf_derive_from_key(out, out_bytes, number, context, parent);

	assert(r == 0); /* it fails only for a length out of its range */
	(void)r;
}
