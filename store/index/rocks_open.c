/* SPDX-License-Identifier: MIT */
/* Opening the database: the options of each space, the checks before and after. */
#include "store/index/rocks.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/os/os.h"

/*
 * Of the keys and values that store/tree puts in: of how the index itself is laid out. Another one is
 * rebuilt.
 */
enum { INDEX_VERSION = 6 };

enum {
	MIB = 1 << 20,
	DEFAULT_CACHE_BYTES = 64 * MIB,
	MIN_WRITE_BUFFER_BYTES = 8 * MIB,
	MIN_BLOCK_CACHE_BYTES = 8 * MIB,
	BLOCK_BYTES_SMALL = 4 << 10,
	BLOCK_BYTES_LARGE = 16 << 10,
	FILE_BYTES = 32 * MIB,
	MIN_SHARD_BYTES = 8 * MIB,
	MAX_SHARD_BITS = 6,
	BASE_LEVEL_BYTES = 64 * MIB,
	FILTER_BITS = 10,
	HEADER_LOG_LEVEL = 5, /* the last of InfoLogLevel */
	NO_LOG_LEVEL = 6,     /* behind it: no words at all */
	OPEN_FILES = 256,
	READ_PERSISTED_ONLY = 2, /* rocksdb::kPersistedTier */
};

static const char version_key[] = "version";

static const struct family {
	const char *name;
	size_t block_bytes;
	bool filter;       /* whole-key Bloom filters, in the memtable too */
	bool prefixes;     /* filters of the keys' first ROCKS_PREFIX_BYTES, for scans that stay within one */
	bool partitioned;  /* index and filters in parts: many keys a file, single reads all over */
	bool compress;     /* random keys do not compress */
	bool many_deletes; /* compact where deletions gather, so that scans need not step over them */
	/*
	 * Flushed files that gather before they are merged. Merging is what a longer past costs live work; a
	 * file more costs who reads little where a filter tells that it need not be looked into.
	 */
	int files_gathered;
} families[ROCKS_FAMILIES] = {
	[INDEX_HEAD] = { "head", BLOCK_BYTES_SMALL, true, false, true, true, true, 6 },
	[INDEX_PAST] = { "past", BLOCK_BYTES_LARGE, false, true, true, true, false, 16 },
	[INDEX_CHUNK] = { "chunk", BLOCK_BYTES_SMALL, false, false, false, true, false, 4 },
	[INDEX_NAME] = { "name", BLOCK_BYTES_SMALL, true, false, true, false, false, 12 },
	[INDEX_META] = { "meta", BLOCK_BYTES_SMALL, false, false, false, true, true, 4 },
	[ROCKS_OWN] = { "default", BLOCK_BYTES_SMALL, false, false, false, false, false, 4 },
};

struct setup {
	uint64_t write_buffer_bytes;
	rocksdb_options_t *db;
	rocksdb_options_t *families[ROCKS_FAMILIES];
};

static void setup_release(struct setup *s)
{
	for (int i = 0; i < ROCKS_FAMILIES; i++)
		if (s->families[i])
			rocksdb_options_destroy(s->families[i]);
	if (s->db)
		rocksdb_options_destroy(s->db);
}

static rocksdb_options_t *family_options(const struct rocks *r, const struct family *f,
					 uint64_t write_buffer_bytes, int compression)
{
	rocksdb_options_t *o = rocksdb_options_create();
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_size(t, f->block_bytes);
	rocksdb_block_based_options_set_format_version(t, 5);
	rocksdb_block_based_options_set_block_cache(t, r->cache);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
	if (f->filter) {
		/* Owned by the table options. */
		rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(
									 FILTER_BITS));
		rocksdb_block_based_options_set_whole_key_filtering(t, 1);
		rocksdb_options_set_memtable_whole_key_filtering(o, 1);
		rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.05);
	}
	if (f->prefixes) {
		rocksdb_options_set_prefix_extractor(o, rocksdb_slicetransform_create_fixed_prefix(
								ROCKS_PREFIX_BYTES)); /* owned by o */
		rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(
									 FILTER_BITS));
		rocksdb_block_based_options_set_whole_key_filtering(t, 0);
	}
	if (f->partitioned) {
		rocksdb_block_based_options_set_index_type(
			t, rocksdb_block_based_table_index_type_two_level_index_search);
		rocksdb_block_based_options_set_partition_filters(t, 1);
		rocksdb_block_based_options_set_pin_top_level_index_and_filter(t, 1);
	}
	rocksdb_options_set_block_based_table_factory(o, t);
	rocksdb_block_based_options_destroy(t);

	rocksdb_options_set_write_buffer_size(o, write_buffer_bytes);
	rocksdb_options_set_max_write_buffer_number(o, 4);
	rocksdb_options_set_arena_block_size(o, 256 << 10);
	rocksdb_options_set_target_file_size_base(o, FILE_BYTES);
	rocksdb_options_set_max_bytes_for_level_base(o, BASE_LEVEL_BYTES);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_set_level0_file_num_compaction_trigger(o, f->files_gathered);
	rocksdb_options_set_level0_slowdown_writes_trigger(o, 3 * f->files_gathered + 8);
	rocksdb_options_set_level0_stop_writes_trigger(o, 4 * f->files_gathered + 20);
	rocksdb_options_set_compression(o, f->compress ? compression : rocksdb_no_compression);
	if (f->many_deletes)
		rocksdb_options_add_compact_on_deletion_collector_factory(o, 4096, 2048);
	return o;
}

/*
 * By itself RocksDB divides it into up to 64 parts, and what is larger than a part is never kept: a file's
 * filter would be read, and summed, at each look into it.
 */
static rocksdb_cache_t *cache_create(uint64_t bytes)
{
	rocksdb_lru_cache_options_t *o = rocksdb_lru_cache_options_create();
	rocksdb_cache_t *cache;
	int bits = 0;

	while (bits < MAX_SHARD_BITS && bytes >> (bits + 1) >= MIN_SHARD_BYTES)
		bits++;
	rocksdb_lru_cache_options_set_capacity(o, bytes);
	rocksdb_lru_cache_options_set_num_shard_bits(o, bits);
	cache = rocksdb_cache_create_lru_opts(o);
	rocksdb_lru_cache_options_destroy(o);
	return cache;
}

static void setup_make(struct setup *s, struct rocks *r, const struct index_options *o, int compression,
		       int log_level)
{
	uint64_t budget = o->cache_bytes ? o->cache_bytes : DEFAULT_CACHE_BYTES;
	uint64_t write_buffers = budget / 4 > MIN_WRITE_BUFFER_BYTES ? budget / 4 : MIN_WRITE_BUFFER_BYTES;
	uint64_t blocks = budget > write_buffers + MIN_BLOCK_CACHE_BYTES ? budget - write_buffers :
									   MIN_BLOCK_CACHE_BYTES;

	r->cache_bytes = blocks;
	r->buffer_bytes = write_buffers;
	if (!r->cache)
		r->cache = cache_create(blocks);
	s->db = rocksdb_options_create();
	rocksdb_options_set_create_if_missing(s->db, !o->read_only);
	rocksdb_options_set_create_missing_column_families(s->db, !o->read_only);
	rocksdb_options_set_atomic_flush(s->db, 1);
	rocksdb_options_set_db_write_buffer_size(s->db, write_buffers);
	rocksdb_options_set_paranoid_checks(s->db, 1);
	rocksdb_options_set_max_background_jobs(s->db, 2);
	rocksdb_options_set_max_open_files(s->db, OPEN_FILES);
	rocksdb_options_set_max_file_opening_threads(s->db, 2);
	rocksdb_options_set_bytes_per_sync(s->db, 1 * MIB);
	rocksdb_options_set_avoid_unnecessary_blocking_io(s->db, 1);
	/*
	 * No words of its own into its LOG file (which must not be limited in size, or its heads are written
	 * all the same): where RocksDB is built with assertions, words that find the disk full end the
	 * process at the next.
	 */
	rocksdb_options_set_info_log_level(s->db, log_level);
	rocksdb_options_set_keep_log_file_num(s->db, 1);
	rocksdb_options_set_stats_dump_period_sec(s->db, 0);
	rocksdb_options_set_stats_persist_period_sec(s->db, 0);
	for (int i = 0; i < ROCKS_FAMILIES; i++) {
		s->families[i] = family_options(r, &families[i], write_buffers, compression);
		rocksdb_options_set_disable_auto_compactions(s->families[i], !r->merging);
	}
}

/* Closing flushes what no write-ahead log has, unless told not to; the C interface has no call for that. */
static void let_go_unflushed(struct setup *s)
{
	rocksdb_options_t *told = rocksdb_options_create();
	char *message = NULL;

	rocksdb_get_options_from_string(s->db, "avoid_flush_during_shutdown=true", told, &message);
	if (!message) {
		rocksdb_options_destroy(s->db);
		s->db = told;
		return;
	}
	rocksdb_free(message); /* then it takes longer */
	rocksdb_options_destroy(told);
}

rocksdb_options_t *rocks_table_options(const struct rocks *r, int family)
{
	return family_options(r, &families[family], MIN_WRITE_BUFFER_BYTES, r->compression);
}

int rocks_set_merging(struct rocks *r, int family, bool on, struct hf_error *err)
{
	static const char *const names[] = { "disable_auto_compactions" };
	const char *values[] = { on ? "false" : "true" };
	char *message = NULL;

	if (!r->merging)
		return 0;
	rocksdb_set_options_cf(r->db, r->families[family], 1, names, values, &message);
	return message ? rocks_failure(r, message, -EIO, "change the index's options", err) : 0;
}

static void open_with(struct rocks *r, const struct index_options *o, int compression, int log_level,
		      char **message)
{
	CLEANUP(setup_release) struct setup s = { 0 };
	const char *names[ROCKS_FAMILIES];

	setup_make(&s, r, o, compression, log_level);
	if (r->passing)
		let_go_unflushed(&s);
	for (int i = 0; i < ROCKS_FAMILIES; i++)
		names[i] = families[i].name;
	if (o->read_only)
		r->db = rocksdb_open_for_read_only_column_families(s.db, o->dir, ROCKS_FAMILIES, names,
								   (const rocksdb_options_t *const *)
									   s.families,
								   r->families, 0, message);
	else
		r->db = rocksdb_open_column_families(s.db, o->dir, ROCKS_FAMILIES, names,
						     (const rocksdb_options_t *const *)s.families,
						     r->families, message);
}

static int open_database(struct rocks *r, const struct index_options *o, struct hf_error *err)
{
	static const int compressions[] = { rocksdb_lz4_compression, rocksdb_snappy_compression,
					    rocksdb_no_compression };
	char *message = NULL;

	for (size_t i = 0; i < sizeof(compressions) / sizeof(*compressions); i++) {
		rocksdb_free(message);
		message = NULL;
		open_with(r, o, compressions[i], NO_LOG_LEVEL, &message);
		if (message &&
		    strstr(message, "info_log_level")) { /* RocksDB 9 knows no level behind the last */
			rocksdb_free(message);
			message = NULL;
			open_with(r, o, compressions[i], HEADER_LOG_LEVEL, &message);
		}
		if (!message) {
			r->compression = compressions[i];
			return 0;
		}
		r->db = NULL;
		if (!strstr(message, "is not linked with the binary"))
			break;
	}
	return rocks_error(message, -EUCLEAN, "open the index", err);
}

static struct span own_key(const char *name)
{
	return (struct span){ (const uint8_t *)name, strlen(name) };
}

static int check_version(struct rocks *r, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	char *message = NULL;
	uint8_t version[4];
	int found;

	found = rocks_get(r, ROCKS_OWN, own_key(version_key), &value, err);
	if (found < 0)
		return found;
	if (found && (value.len != sizeof(version) || get_u32(value.data) != INDEX_VERSION))
		return hf_error_set(err, -EUCLEAN, "the index in %s is of another version", r->dir);
	if (found || r->read_only)
		return 0;
	put_u32(version, INDEX_VERSION);
	rocksdb_put_cf(r->db, r->write, r->families[ROCKS_OWN], version_key, sizeof(version_key) - 1,
		       (const char *)version, sizeof(version), &message);
	return message ? rocks_failure(r, message, -EIO, "write the index", err) : 0;
}

static int check_whole(struct rocks *r, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf value = BUF_INIT;
	int found = rocks_get(r, ROCKS_OWN, own_key(rocks_torn_key), &value, err);

	if (found > 0)
		return hf_error_set(err, -EUCLEAN, "the index in %s was being built when that was cut off",
				    r->dir);
	return found;
}

static int read_own(struct rocks *r, uint8_t **ret_state, size_t *ret_state_len, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf mark = BUF_INIT;
	CLEANUP(buf_release) struct buf state = BUF_INIT;
	int found;

	found = rocks_get(r, ROCKS_OWN, own_key(rocks_mark_key), &mark, err);
	if (found < 0)
		return found;
	if (found && mark.len == 8)
		r->mark = get_u64(mark.data);
	found = rocks_get(r, ROCKS_OWN, own_key(rocks_state_key), &state, err);
	if (found < 0)
		return found;
	if (found && buf_reserve(&state, 1) < 0)
		return hf_error_set(err, -ENOMEM, "open the index: no memory");
	*ret_state_len = state.len;
	*ret_state = TAKE_PTR(state.data);
	return 0;
}

static bool has_current(const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct stat st;

	buf_add_text(&path, "%s/CURRENT", dir);
	return buf_status(&path) == 0 && stat(buf_cstr(&path), &st) == 0;
}

/*
 * RocksDB makes a new database where there is no CURRENT file, over the rest of an old one. So: nothing but
 * what a first opening may have left (-ENOENT when nothing is to be made), or -EUCLEAN.
 */
static int check_folder(const struct index_options *o, struct hf_error *err)
{
	struct dirent *d;
	struct stat st;
	bool remains = false;
	DIR *folder;
	int made;

	/* Whoever prepared the store may not make us write where he cannot. */
	if (lstat(o->dir, &st) == 0 && S_ISLNK(st.st_mode))
		return hf_error_set(err, -ELOOP,
				    "the index folder %s is a symbolic link: remove it, and it is made anew",
				    o->dir);
	if (has_current(o->dir))
		return 0;
	folder = opendir(o->dir);
	if (!folder && errno != ENOENT)
		return hf_error_set(err, -errno, "open the index folder %s: %s", o->dir, strerror(errno));
	while (folder && (d = readdir(folder)))
		if (strncmp(d->d_name, "MANIFEST", 8) == 0 || strstr(d->d_name, ".sst"))
			remains = true;
	if (folder)
		(void)closedir(folder);
	if (remains)
		return hf_error_set(err, -EUCLEAN, "the index in %s has lost its CURRENT file", o->dir);
	if (o->read_only)
		return hf_error_set(err, -ENOENT, "there is no index in %s", o->dir);
	/* Names and sizes are in it in clear: for the owner alone. */
	made = folder ? 0 : os_make_real_folder(o->dir);
	return made < 0 ? hf_error_set(err, made, "make the index folder %s: %s", o->dir, strerror(-made)) :
			  0;
}

/*
 * RocksDB writes down its options at each opening and change of them, comes upon a log level that has no
 * name, and leaves the beginning behind: it never takes such files away.
 */
static void drop_leftovers(const char *dir)
{
	DIR *folder = opendir(dir);
	struct dirent *d;

	while (folder && (d = readdir(folder))) {
		const char *end = strrchr(d->d_name, '.');

		if (strncmp(d->d_name, "OPTIONS-", 8) == 0 && end && strcmp(end, ".dbtmp") == 0)
			(void)unlinkat(dirfd(folder), d->d_name, 0);
	}
	if (folder)
		(void)closedir(folder);
}

static int make_options(struct rocks *r, const struct index_options *o)
{
	pthread_mutex_init(&r->flushing, NULL);
	pthread_mutex_init(&r->readers_lock, NULL);
	r->read_only = o->read_only;
	r->passing = o->passing;
	r->merging = !o->passing || !has_current(o->dir);
	r->dir = strdup(o->dir);
	r->read = rocksdb_readoptions_create();
	r->read_persisted = rocksdb_readoptions_create();
	rocksdb_readoptions_set_read_tier(r->read_persisted, READ_PERSISTED_ONLY);
	r->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_disable_WAL(r->write, 1);
	r->compact = rocksdb_compactoptions_create();
	rocksdb_compactoptions_set_exclusive_manual_compaction(r->compact, 0);
	return r->dir ? 0 : -ENOMEM;
}

int rocks_open(struct rocks *r, const struct index_options *o, uint8_t **ret_state, size_t *ret_state_len,
	       struct hf_error *err)
{
	uint8_t *state = NULL;
	size_t state_len = 0;
	int code;

	memset(r, 0, sizeof(*r));
	code = make_options(r, o);
	if (code == 0)
		code = check_folder(o, err);
	if (code == 0)
		code = open_database(r, o, err);
	if (code == 0)
		code = check_version(r, err);
	if (code == 0)
		code = check_whole(r, err);
	if (code == 0)
		code = read_own(r, &state, &state_len, err);
	if (code < 0) {
		rocks_close(r);
		return code;
	}
	if (!r->read_only)
		drop_leftovers(r->dir);
	if (index_is_noted(r->dir))
		atomic_store(&r->damaged, true);
	*ret_state = state;
	*ret_state_len = state_len;
	return 0;
}
