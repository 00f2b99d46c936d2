/* SPDX-License-Identifier: MIT */
#include "store/alarm/burst_table.h"

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define MIX UINT64_C(0x9e3779b97f4a7c15)
#define FNV_PRIME UINT64_C(1099511628211)

static uint64_t add_byte(uint64_t h, uint8_t byte)
{
	return (h ^ byte) * FNV_PRIME;
}

uint64_t burst_key(enum burst_key_kind kind, uint64_t ino, const char *name, size_t len)
{
	uint64_t h = (add_byte(FNV_OFFSET, (uint8_t)kind) ^ ino) * MIX;

	h ^= h >> 32;
	for (size_t i = 0; i < len; i++)
		h = add_byte(h, (uint8_t)name[i]);
	return h ^ h >> 32; /* the low bits, which choose the slot, are the weak ones */
}

const struct burst_slot *burst_table_find(const struct burst_table *t, uint64_t key, uint64_t now,
					  uint64_t buckets)
{
	for (size_t i = 0; i < BURST_PROBES; i++) {
		const size_t at = (key + i) % BURST_SLOTS;

		if (t->keys[at] == key && t->buckets[at] > 0 && t->buckets[at] + buckets > now)
			return &t->slots[at];
	}
	return NULL;
}

void burst_table_drop(struct burst_table *t, const struct burst_slot *slot)
{
	t->buckets[slot - t->slots] = 0;
}

void burst_table_put(struct burst_table *t, const struct burst_slot *slot)
{
	size_t best = slot->key % BURST_SLOTS;

	for (size_t i = 0; i < BURST_PROBES; i++) {
		const size_t at = (slot->key + i) % BURST_SLOTS;

		if (t->keys[at] == slot->key) {
			best = at;
			break;
		}
		if (t->buckets[at] < t->buckets[best])
			best = at;
	}
	t->keys[best] = slot->key;
	t->buckets[best] = slot->bucket;
	t->slots[best] = *slot;
}
