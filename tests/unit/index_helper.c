/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/index/internal.h"
#include "tests/unit/index_helper.h"

struct rocks *rocks_of(struct index *x)
{
	return &x->rocks;
}

static struct index *open_with(const struct index_options *o, struct buf *ret_state)
{
	struct hf_error err = HF_ERROR_INIT;
	struct index *x = NULL;
	uint8_t *state;
	size_t len;

	if (index_open(o, &x, &state, &len, &err) < 0)
		fail_msg("%s", err.text);
	if (ret_state) {
		buf_clear(ret_state);
		buf_add(ret_state, state, len);
		assert_int_equal(buf_status(ret_state), 0);
	}
	free(state);
	return x;
}

struct index *open_index(const char *dir, struct buf *ret_state)
{
	const struct index_options o = { .dir = dir, .cache_bytes = 1 << 20 };

	return open_with(&o, ret_state);
}

static struct index *open_with_at(const struct index_options *o, const char *want_state)
{
	CLEANUP(buf_release) struct buf state = BUF_INIT;
	struct index *x = open_with(o, &state);

	assert_int_equal(state.len, want_state ? strlen(want_state) : 0);
	if (want_state)
		assert_memory_equal(state.data, want_state, state.len);
	return x;
}

struct index *open_index_at(const char *dir, const char *want_state)
{
	const struct index_options o = { .dir = dir, .cache_bytes = 1 << 20 };

	return open_with_at(&o, want_state);
}

struct index *open_index_passing(const char *dir, const char *want_state)
{
	const struct index_options o = { .dir = dir, .cache_bytes = 1 << 20, .passing = true };

	return open_with_at(&o, want_state);
}

void write_group(struct index *x, struct index_batch *b, uint64_t group, const void *state, size_t state_len)
{
	struct hf_error err = HF_ERROR_INIT;

	if (index_publish(x, b, group, &err) < 0 ||
	    index_settle(x, group, state, state_len, NULL, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

void put_one(struct index *x, uint64_t group, const char *key, const char *value)
{
	struct index_batch *b;

	assert_int_equal(index_batch_new(x, &b), 0);
	if (value)
		index_batch_put(b, INDEX_HEAD, key, strlen(key), value, strlen(value));
	else
		index_batch_delete(b, INDEX_HEAD, key, strlen(key));
	assert_int_equal(index_publish(x, b, group, NULL), 0);
	index_batch_free(b);
}

void check_one(struct index *x, const char *key, const char *value)
{
	CLEANUP(buf_release) struct buf out = BUF_INIT;

	buf_add(&out, "old", 3);
	assert_int_equal(index_get(x, INDEX_HEAD, key, strlen(key), &out, NULL), value != NULL);
	assert_int_equal(out.len, value ? strlen(value) : 0);
	if (value)
		assert_memory_equal(out.data, value, out.len);
}
