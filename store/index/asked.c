/* SPDX-License-Identifier: MIT */
#include "store/index/asked.h"

#include <errno.h>
#include <string.h>

int asked_init(struct asked *a)
{
	return -pthread_mutex_init(&a->lock, NULL);
}

void asked_release(struct asked *a)
{
	pthread_mutex_destroy(&a->lock);
}

static struct asked_slot *slot_of(struct asked *a, const struct map_key *key)
{
	return &a->slots[key->hash % ASKED_SLOTS];
}

int asked_get(struct asked *a, const struct map_key *key, uint64_t writes, struct buf *out)
{
	const struct asked_slot *s = slot_of(a, key);
	int r = -ENOENT;

	pthread_mutex_lock(&a->lock);
	if (s->writes == writes && s->hash == key->hash && s->key_len == key->len && key->len > 0 &&
	    memcmp(s->key, key->data, key->len) == 0) {
		r = s->found;
		buf_add(out, s->value, s->value_len);
	}
	pthread_mutex_unlock(&a->lock);
	return r;
}

void asked_note(struct asked *a, const struct map_key *key, uint64_t writes, const struct buf *value)
{
	struct asked_slot *s = slot_of(a, key);

	if (key->len > ASKED_KEY_BYTES || (value && value->len > ASKED_VALUE_BYTES))
		return;
	pthread_mutex_lock(&a->lock);
	s->writes = writes;
	s->hash = key->hash;
	s->key_len = (uint16_t)key->len;
	memcpy(s->key, key->data, key->len);
	s->found = value != NULL;
	s->value_len = value ? (uint16_t)value->len : 0;
	if (s->value_len)
		memcpy(s->value, value->data, value->len);
	pthread_mutex_unlock(&a->lock);
}
