/* SPDX-License-Identifier: MIT */
/*
 * The first row of a range in a space that only grows, where an iterator made some time ago will do: what it
 * shows is still there. Making one costs several times what a seek costs, and reading the past is one seek
 * after another. Iterators wait in a small pool; a write to RocksDB empties it, so that they do not keep
 * memtables and files that nobody else needs.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/index/internal.h"

struct rocks_reader {
	rocksdb_readoptions_t *read;
	rocksdb_iterator_t *iter;
	enum index_space space;
	uint64_t writes; /* of rocks, when it was made */
};

static void reader_free(struct rocks_reader *i)
{
	if (!i)
		return;
	rocksdb_iter_destroy(i->iter);
	rocksdb_readoptions_destroy(i->read);
	free(i);
}

static struct rocks_reader *reader_new(struct rocks *r, enum index_space space)
{
	struct rocks_reader *i = calloc(1, sizeof(*i));

	if (!i)
		return NULL;
	i->space = space;
	i->writes = atomic_load(&r->writes);
	i->read = rocksdb_readoptions_create(); /* no bounds: they cannot be changed later */
	i->iter = rocksdb_create_iterator_cf(r->db, i->read, r->families[space]);
	return i;
}

void rocks_drop_readers(struct rocks *r)
{
	struct rocks_reader *idle[ROCKS_READERS];
	size_t n;

	pthread_mutex_lock(&r->readers_lock);
	n = r->n_readers;
	for (size_t k = 0; k < n; k++)
		idle[k] = r->readers[k];
	r->n_readers = 0;
	pthread_mutex_unlock(&r->readers_lock);
	for (size_t k = 0; k < n; k++)
		reader_free(idle[k]);
}

static struct rocks_reader *reader_get(struct rocks *r, enum index_space space)
{
	struct rocks_reader *i = NULL;

	pthread_mutex_lock(&r->readers_lock);
	for (size_t k = r->n_readers; !i && k > 0; k--) {
		if (r->readers[k - 1]->space == space) {
			i = r->readers[k - 1];
			r->readers[k - 1] = r->readers[--r->n_readers];
		}
	}
	pthread_mutex_unlock(&r->readers_lock);
	return i ? i : reader_new(r, space);
}

/* A write meanwhile may have emptied the pool before this one was back. */
static void reader_put(struct rocks *r, struct rocks_reader *i)
{
	pthread_mutex_lock(&r->readers_lock);
	if (r->n_readers < ROCKS_READERS && i->writes == atomic_load(&r->writes)) {
		r->readers[r->n_readers++] = i;
		i = NULL;
	}
	pthread_mutex_unlock(&r->readers_lock);
	reader_free(i);
}

/* 1 when the reader shows a row of the range, 0, negative. */
static int reader_first(struct rocks *r, struct rocks_reader *i, struct span from, struct span to,
			struct buf *out, struct hf_error *err)
{
	char *message = NULL;
	struct span key, value;

	rocksdb_iter_seek(i->iter, (const char *)from.data, from.len);
	if (!rocksdb_iter_valid(i->iter)) {
		rocksdb_iter_get_error(i->iter, &message);
		return message ? rocks_failure(r, message, -EIO, "read the index", err) : 0;
	}
	key.data = (const uint8_t *)rocksdb_iter_key(i->iter, &key.len);
	if (span_compare(key, to) >= 0)
		return 0;
	value.data = (const uint8_t *)rocksdb_iter_value(i->iter, &value.len);
	buf_clear(out);
	buf_add(out, value.data, value.len);
	return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "read the index: no memory") : 1;
}

static int first_by_scan(struct index *x, enum index_space space, struct span from, struct span to,
			 struct buf *out, struct hf_error *err)
{
	CLEANUP(index_rows_release) struct index_rows rows = INDEX_ROWS_INIT;
	int code = index_scan(x, space, from, to, 1, 0, &rows, err);

	buf_clear(out);
	if (code < 0 || rows.n == 0)
		return code;
	buf_add(out, rows.entries[0].value.data, rows.entries[0].value.len);
	return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "read the index: no memory") : 1;
}

/*
 * Rows of the range come in rising order of time, so what the overlay holds, and what was settled since the
 * reader was made, lies behind whatever the reader shows.
 */
int index_first(struct index *x, enum index_space space, struct span from, struct span to, struct buf *out,
		struct hf_error *err)
{
	struct rocks_reader *i = reader_get(&x->rocks, space);
	int code;

	assert(from.len >= ROCKS_PREFIX_BYTES && to.len >= ROCKS_PREFIX_BYTES &&
	       memcmp(from.data, to.data, ROCKS_PREFIX_BYTES) == 0);
	if (!i)
		return hf_error_set(err, -ENOMEM, "read the index: no memory");
	code = reader_first(&x->rocks, i, from, to, out, err);
	if (code < 0)
		reader_free(i);
	else
		reader_put(&x->rocks, i);
	return code == 0 ? first_by_scan(x, space, from, to, out, err) : code;
}
