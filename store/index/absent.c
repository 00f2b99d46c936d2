/* SPDX-License-Identifier: MIT */
#include "store/index/absent.h"

#include <string.h>

int absent_init(struct absent *a)
{
	return -pthread_mutex_init(&a->lock, NULL);
}

void absent_release(struct absent *a)
{
	pthread_mutex_destroy(&a->lock);
}

static struct absent_slot *slot_of(struct absent *a, const struct map_key *key)
{
	return &a->slots[key->hash % ABSENT_SLOTS];
}

bool absent_known(struct absent *a, const struct map_key *key, uint64_t writes)
{
	const struct absent_slot *s = slot_of(a, key);
	bool known;

	pthread_mutex_lock(&a->lock);
	known = s->writes == writes && s->hash == key->hash && s->key_len == key->len && key->len > 0 &&
		memcmp(s->key, key->data, key->len) == 0;
	pthread_mutex_unlock(&a->lock);
	return known;
}

void absent_note(struct absent *a, const struct map_key *key, uint64_t writes)
{
	struct absent_slot *s = slot_of(a, key);

	if (key->len > ABSENT_KEY_BYTES)
		return;
	pthread_mutex_lock(&a->lock);
	s->writes = writes;
	s->hash = key->hash;
	s->key_len = (uint16_t)key->len;
	memcpy(s->key, key->data, key->len);
	pthread_mutex_unlock(&a->lock);
}
