/* SPDX-License-Identifier: MIT */
#include "tests/unit/format_helper.h"

struct owner *format_owner;
struct keyring *format_keys;

int format_setup(void **state)
{
	uint8_t seed[SEED_BYTES], writer[SEED_BYTES];

	(void)state;
	for (size_t i = 0; i < SEED_BYTES; i++) {
		seed[i] = (uint8_t)i;
		writer[i] = (uint8_t)(0x20 + i);
	}
	if (crypto_init() < 0 || owner_new(seed, &format_owner) < 0 ||
	    owner_keyring(format_owner, &format_keys) < 0)
		return -1;
	return keyring_set_writer(format_keys, 2, writer);
}

int format_teardown(void **state)
{
	(void)state;
	keyring_free(format_keys);
	owner_free(format_owner);
	return 0;
}
