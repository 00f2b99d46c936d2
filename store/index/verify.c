/* SPDX-License-Identifier: MIT */
/*
 * Reading all of RocksDB's files once: each block's checksum is looked at. A damaged filter, which only
 * spares reading, is not found by this; RocksDB then does without it.
 */
#include <errno.h>

#include "store/index/internal.h"

static int verify_family(struct rocks *r, int family, rocksdb_readoptions_t *options, struct hf_error *err)
{
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, options, r->families[family]);
	char *message = NULL;

	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
		continue;
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	return message ? rocks_failure(r, message, -EUCLEAN, "read the index", err) : 0;
}

int index_verify(struct index *x, struct hf_error *err)
{
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();
	int code = 0;

	if (index_is_damaged(x))
		code = hf_error_set(err, -EUCLEAN, "the index in %s was found damaged when it was in use",
				    x->rocks.dir);
	rocksdb_readoptions_set_verify_checksums(options, 1);
	rocksdb_readoptions_set_fill_cache(options, 0);
	rocksdb_readoptions_set_total_order_seek(options, 1);
	for (int i = 0; code == 0 && i < ROCKS_FAMILIES; i++)
		code = verify_family(&x->rocks, i, options, err);
	rocksdb_readoptions_destroy(options);
	return code;
}
