/* SPDX-License-Identifier: MIT */
/* Where each chunk is: by its number, and which number a name has. */
#include <errno.h>
#include <string.h>

#include "store/tree/keys.h"
#include "store/tree/tree.h"

/* Segment, offset, offset in the plaintext, length; of a frame in pieces its length and nonce besides. */
enum {
	PLACE_BYTES = 16,
	PLACE_BYTES_MAX = PLACE_BYTES + 4 + NONCE_BYTES,
};

static size_t place_encode(const struct chunk_place *place, uint8_t out[PLACE_BYTES_MAX])
{
	put_u32(out, place->frame.segment);
	put_u32(out + 4, place->frame.offset);
	put_u32(out + 8, place->off);
	put_u32(out + 12, place->len);
	if (place->seal.body_len == 0)
		return PLACE_BYTES;
	put_u32(out + PLACE_BYTES, place->seal.body_len);
	memcpy(out + PLACE_BYTES + 4, place->seal.nonce, NONCE_BYTES);
	return PLACE_BYTES_MAX;
}

static bool place_decode(const uint8_t *v, size_t len, struct chunk_place *ret)
{
	if (len != PLACE_BYTES && len != PLACE_BYTES_MAX)
		return false;
	*ret = (struct chunk_place){ .frame = { get_u32(v), get_u32(v + 4) },
				     .off = get_u32(v + 8),
				     .len = get_u32(v + 12) };
	if (len == PLACE_BYTES_MAX) {
		ret->seal.body_len = get_u32(v + PLACE_BYTES);
		memcpy(ret->seal.nonce, v + PLACE_BYTES + 4, NONCE_BYTES);
	}
	return true;
}

void tree_put_chunk(struct index_batch *batch, uint64_t number, const uint8_t name[HASH_BYTES],
		    const struct chunk_place *place)
{
	uint8_t key[8], value[PLACE_BYTES_MAX];

	put_be64(key, number);
	index_batch_put(batch, INDEX_CHUNK, key, sizeof(key), value, place_encode(place, value));
	if (name)
		index_batch_put(batch, INDEX_NAME, name, HASH_BYTES, key, sizeof(key));
}

int tree_find_chunk(struct index *x, const uint8_t name[HASH_BYTES], uint64_t *ret_number,
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	int r = index_get(x, INDEX_NAME, name, HASH_BYTES, &value, err);

	if (r == 1 && value.len != 8)
		return hf_error_set(err, -EUCLEAN,
				    "the index of chunk names is damaged: mount with -o rebuild");
	if (r == 1)
		*ret_number = get_be64(value.data);
	return r;
}

int tree_chunk_place(const struct tree *t, uint64_t number, struct chunk_place *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	uint8_t key[8];
	int r;

	put_be64(key, number);
	r = index_get(t->index, INDEX_CHUNK, key, sizeof(key), &value, err);
	if (r < 0)
		return r;
	if (r == 0 || !place_decode(value.data, value.len, ret))
		return hf_error_set(err, -EUCLEAN, "chunk %llu is not in the index: mount with -o rebuild",
				    (unsigned long long)number);
	return 0;
}

struct chunk_walk {
	int (*each)(void *arg, uint64_t number, const struct chunk_place *place);
	void *arg;
	struct hf_error *err;
};

static int take_chunk(void *arg, const struct index_entry *e)
{
	const struct chunk_walk *w = arg;
	struct chunk_place place;

	if (e->key.len != 8 || !place_decode(e->value.data, e->value.len, &place))
		return hf_error_set(w->err, -EUCLEAN,
				    "the index of chunks is damaged: mount with -o rebuild");
	return w->each(w->arg, get_be64(e->key.data), &place);
}

int tree_each_chunk(struct index *x, int (*each)(void *arg, uint64_t number, const struct chunk_place *place),
		    void *arg, struct hf_error *err)
{
	const struct span all = { NULL, 0 };
	struct chunk_walk w = { each, arg, err };

	return index_each(x, INDEX_CHUNK, all, all, take_chunk, &w, err);
}
