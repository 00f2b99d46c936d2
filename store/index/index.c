/* SPDX-License-Identifier: MIT */
/* Opening and closing, and reading of keys. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "store/index/internal.h"

enum {
	OVERLAY_TABLE_BITS = 6,
	GET_MANY = 32, /* keys handed to RocksDB at once */
};

static int locks_init(struct index *x)
{
	pthread_rwlockattr_t attr;
	int code;

	code = pthread_rwlockattr_init(&attr);
	if (code != 0)
		return -code;
	/* Readers come without pause; a publish must not wait for a gap between them. */
	(void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	code = pthread_rwlock_init(&x->lock, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
	if (code != 0)
		return -code;
	code = pthread_mutex_init(&x->settling, NULL);
	if (code != 0) {
		pthread_rwlock_destroy(&x->lock);
		return -code;
	}
	return 0;
}

static void locks_destroy(struct index *x)
{
	pthread_mutex_destroy(&x->settling);
	pthread_rwlock_destroy(&x->lock);
}

static int memory_init(struct index *x, uint64_t budget_bytes)
{
	int code = map_init(&x->overlay, OVERLAY_TABLE_BITS);

	TAILQ_INIT(&x->groups);
	/* So that nobody who chooses names can choose collisions. Without it they could; nothing breaks. */
	(void)!getrandom(&x->hash_seed, sizeof(x->hash_seed), GRND_NONBLOCK);
	if (code < 0)
		return code;
	code = locks_init(x);
	if (code == 0) {
		code = recent_init(&x->recent, budget_bytes);
		if (code < 0)
			locks_destroy(x);
	}
	if (code < 0)
		map_release(&x->overlay);
	return code;
}

static void memory_release(struct index *x)
{
	map_release(&x->overlay);
	locks_destroy(x);
	recent_release(&x->recent);
}

int index_open(const struct index_options *o, struct index **ret, uint8_t **ret_state, size_t *ret_state_len,
	       struct hf_error *err)
{
	CLEANUP(cleanup_free) struct index *x = NULL;
	struct index_options rest = *o;
	int code;

	if (o->wipe && o->read_only)
		return hf_error_set(err, -EROFS, "the index in %s is opened read-only", o->dir);
	if (o->wipe) {
		code = wipe_folder(o->dir, err);
		if (code < 0)
			return code;
	}
	x = calloc(1, sizeof(*x));
	code = x ? memory_init(x, o->cache_bytes) : -ENOMEM;
	if (code < 0)
		return hf_error_set(err, code, "open the index: %s", strerror(-code));
	if (rest.cache_bytes > recent_bytes(&x->recent))
		rest.cache_bytes -= recent_bytes(&x->recent);
	code = rocks_open(&x->rocks, &rest, ret_state, ret_state_len, err);
	if (code < 0) {
		memory_release(x);
		return code;
	}
	*ret = TAKE_PTR(x);
	return 0;
}

void index_close(struct index *x)
{
	struct group *g;

	if (!x)
		return;
	if (atomic_load(&x->rocks.failed) == 0 && !x->rocks.read_only)
		(void)!rocks_flush(&x->rocks, NULL);
	rocks_close(&x->rocks);
	while ((g = TAILQ_FIRST(&x->groups))) {
		TAILQ_REMOVE(&x->groups, g, in_list);
		free(g);
	}
	memory_release(x);
	free(x);
}

bool index_is_damaged(const struct index *x)
{
	return atomic_load(&x->rocks.damaged);
}

/* With less than that, what tells where a key is would come from the disk again and again. */
enum { LEND_KEPT_BYTES = 4 << 20 };

uint64_t index_lend(struct index *x)
{
	const uint64_t all = x->rocks.cache_bytes;
	uint64_t kept = all / 4 > LEND_KEPT_BYTES ? all / 4 : LEND_KEPT_BYTES;

	kept = kept < all ? kept : all;
	rocksdb_cache_set_capacity(x->rocks.cache, kept);
	return all - kept + x->rocks.buffer_bytes;
}

void index_lend_end(struct index *x)
{
	rocksdb_cache_set_capacity(x->rocks.cache, x->rocks.cache_bytes);
}

/* As index_get, the overlay alone. -ENOENT: it says nothing of the key. */
static int overlay_get(const struct index *x, const struct map_key *key, struct buf *out)
{
	const struct entry *e = map_find(&x->overlay, key);

	buf_clear(out);
	return e ? entry_value(e, out) : -ENOENT;
}

/* What the overlay says nothing of. `mark`, for the head: of before it was asked (recent.h). */
static int get_settled(struct index *x, const struct map_key *k, uint64_t mark, struct buf *out,
		       struct hf_error *err)
{
	const bool head = k->space == INDEX_HEAD;
	int found = head ? recent_get(&x->recent, k, out) : -ENOENT;
	struct span value;

	if (found >= 0)
		return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "read the index: no memory") : found;
	found = rocks_get(&x->rocks, (int)k->space, (struct span){ k->data, k->len }, out, err);
	value = (struct span){ out->data, out->len };
	if (found >= 0 && head)
		recent_note(&x->recent, k, found ? &value : NULL, mark);
	return found;
}

int index_get(struct index *x, enum index_space space, const void *key, size_t key_len, struct buf *out,
	      struct hf_error *err)
{
	struct map_key k = map_key_of(x->hash_seed, space, key, key_len);
	uint64_t mark = space == INDEX_HEAD ? recent_mark(&x->recent, &k) : 0;
	int found;

	pthread_rwlock_rdlock(&x->lock);
	found = overlay_get(x, &k, out);
	pthread_rwlock_unlock(&x->lock);
	if (found == -ENOENT)
		return get_settled(x, &k, mark, out, err);
	if (buf_status(out) < 0)
		return hf_error_set(err, -ENOMEM, "read the index: no memory");
	return found;
}

/* Those of up to GET_MANY keys that the overlay said nothing of, from RocksDB. 0, or the first failure. */
static int read_missing(struct index *x, enum index_space space, const rocksdb_readoptions_t *read, size_t n,
			const struct span *keys, struct buf *out, int *results, struct hf_error *err)
{
	rocksdb_pinnableslice_t *values[GET_MANY];
	const char *wanted[GET_MANY];
	size_t lens[GET_MANY], place[GET_MANY], n_wanted = 0, len;
	char *messages[GET_MANY];
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		if (results[i] != -ENOENT)
			continue;
		wanted[n_wanted] = (const char *)keys[i].data;
		lens[n_wanted] = keys[i].len;
		place[n_wanted++] = i;
	}
	if (n_wanted == 0)
		return 0;
	rocksdb_batched_multi_get_cf(x->rocks.db, read, x->rocks.families[space], n_wanted, wanted, lens,
				     values, messages, false);
	for (size_t j = 0; j < n_wanted; j++) {
		size_t i = place[j];

		if (messages[j]) {
			results[i] = rocks_failure(&x->rocks, messages[j], -EIO, "read the index",
						   failed ? NULL : err);
			failed = failed ? failed : results[i];
		} else if (values[j]) {
			const char *data = rocksdb_pinnableslice_value(values[j], &len);

			buf_add(&out[i], data, len);
			results[i] = 1;
			rocksdb_pinnableslice_destroy(values[j]);
		} else {
			results[i] = 0;
		}
	}
	return failed;
}

/* From the overlay at one instant; the rest is left at -ENOENT. Requires lock. */
static void overlay_get_many(struct index *x, enum index_space space, size_t n, const struct span *keys,
			     struct buf *out, int *results)
{
	for (size_t i = 0; i < n; i++) {
		struct map_key k = map_key_of(x->hash_seed, space, keys[i].data, keys[i].len);

		results[i] = overlay_get(x, &k, &out[i]);
	}
}

static int read_all_missing(struct index *x, enum index_space space, const rocksdb_readoptions_t *read,
			    size_t n, const struct span *keys, struct buf *out, int *results,
			    struct hf_error *err)
{
	int code = 0;

	for (size_t i = 0; i < n; i += GET_MANY) {
		size_t part = n - i < GET_MANY ? n - i : GET_MANY;
		int one =
			read_missing(x, space, read, part, keys + i, out + i, results + i, code ? NULL : err);

		code = code ? code : one;
	}
	return code;
}

/* The same from a snapshot taken together with the look into the overlay. */
static int get_many_at_snapshot(struct index *x, enum index_space space, size_t n, const struct span *keys,
				struct buf *out, int *results, struct hf_error *err)
{
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();
	const rocksdb_snapshot_t *snapshot;
	int code;

	pthread_rwlock_rdlock(&x->lock);
	snapshot = rocksdb_create_snapshot(x->rocks.db);
	overlay_get_many(x, space, n, keys, out, results);
	pthread_rwlock_unlock(&x->lock);
	rocksdb_readoptions_set_snapshot(read, snapshot);
	code = read_all_missing(x, space, read, n, keys, out, results, err);
	rocksdb_release_snapshot(x->rocks.db, snapshot);
	rocksdb_readoptions_destroy(read);
	return code;
}

int index_get_many(struct index *x, enum index_space space, size_t n, const struct span *keys,
		   struct buf *out, int *results, struct hf_error *err)
{
	uint64_t writes;
	int code;

	pthread_rwlock_rdlock(&x->lock);
	writes = atomic_load(&x->writes);
	overlay_get_many(x, space, n, keys, out, results);
	pthread_rwlock_unlock(&x->lock);
	code = read_all_missing(x, space, x->rocks.read, n, keys, out, results, err);
	if (atomic_load(&x->writes) != writes)
		code = get_many_at_snapshot(x, space, n, keys, out, results, err);
	for (size_t i = 0; i < n; i++) {
		if (buf_status(&out[i]) == 0)
			continue;
		results[i] = -ENOMEM;
		code = code ? code : hf_error_set(err, -ENOMEM, "read the index: no memory");
	}
	return code;
}

void index_stats(struct index *x, struct index_stats *ret)
{
	struct index_stats s = { 0 };

	pthread_rwlock_rdlock(&x->lock);
	s.overlay_entries = x->overlay.entries;
	s.overlay_bytes = x->overlay.bytes;
	pthread_rwlock_unlock(&x->lock);
	s.disk_bytes = rocks_property(&x->rocks, "rocksdb.total-sst-files-size");
	s.memory_bytes = s.overlay_bytes + recent_bytes(&x->recent) +
			 rocksdb_cache_get_usage(x->rocks.cache) +
			 rocks_property(&x->rocks, "rocksdb.cur-size-all-mem-tables") +
			 rocks_property(&x->rocks, "rocksdb.estimate-table-readers-mem");
	s.failed = atomic_load(&x->rocks.failed);
	*ret = s;
}

int index_flush(struct index *x, struct hf_error *err)
{
	if (x->rocks.read_only)
		return hf_error_set(err, -EROFS, "the index in %s is opened read-only", x->rocks.dir);
	return rocks_flush(&x->rocks, err);
}
