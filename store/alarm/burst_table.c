/* SPDX-License-Identifier: MIT */
#include "store/alarm/burst_table.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

static uint64_t add_byte(uint64_t h, uint8_t byte)
{
	return (h ^ byte) * FNV_PRIME;
}

uint64_t burst_key(enum burst_key_kind kind, uint64_t ino, const char *name, size_t len)
{
	uint64_t h = add_byte(FNV_OFFSET, (uint8_t)kind);

	for (unsigned i = 0; i < 8; i++)
		h = add_byte(h, (uint8_t)(ino >> (8 * i)));
	for (size_t i = 0; i < len; i++)
		h = add_byte(h, (uint8_t)name[i]);
	return h ^ h >> 32; /* the low bits, which choose the slot, are the weak ones */
}

struct burst_slot *burst_table_find(struct burst_table *t, uint64_t key, uint64_t now, uint64_t buckets)
{
	for (size_t i = 0; i < BURST_PROBES; i++) {
		struct burst_slot *at = &t->slots[(key + i) % BURST_SLOTS];

		if (at->key == key && at->bucket > 0 && at->bucket + buckets > now)
			return at;
	}
	return NULL;
}

void burst_table_put(struct burst_table *t, const struct burst_slot *slot)
{
	struct burst_slot *best = NULL;

	for (size_t i = 0; i < BURST_PROBES; i++) {
		struct burst_slot *at = &t->slots[(slot->key + i) % BURST_SLOTS];

		if (at->key == slot->key) {
			best = at;
			break;
		}
		if (!best || at->bucket < best->bucket)
			best = at;
	}
	*best = *slot;
}
