/* SPDX-License-Identifier: MIT */
#include "store/index/rocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "store/os/os.h"

const char rocks_state_key[] = "state";
const char rocks_mark_key[] = "mark";
/* There while a change is being made that takes several steps. */
const char rocks_torn_key[] = "torn";
/* Behind every other key of our own family, so that no file ever spans it. */
static const char nudge_key[] = "~nudge";

/* A file of the index's folder. */
static const char damaged_name[] = "damaged";

static const struct {
	const char *words;
	int code;
} error_words[] = {
	{ "While lock file", -EBUSY },
	{ "lock hold by current process", -EBUSY },
	{ "No space left on device", -ENOSPC },
	{ "Space limit reached", -ENOSPC },
	{ "Disk quota exceeded", -ENOSPC },
	{ "Permission denied", -EACCES },
	{ "Operation not permitted", -EPERM },
	{ "Read-only file system", -EROFS },
	{ "Too many open files", -EMFILE },
	{ "Cannot allocate memory", -ENOMEM },
	{ "Memory limit reached", -ENOMEM },
	{ "Input/output error", -EIO },
	{ "No such file or directory", -EUCLEAN },
	{ "does not exist", -EUCLEAN },
};

int rocks_error(char *message, int otherwise, const char *what, struct hf_error *err)
{
	CLEANUP(cleanup_free) char *words = message;
	int code = otherwise;

	if (strncmp(words, "Corruption", 10) == 0) {
		code = -EUCLEAN;
	} else {
		for (size_t i = 0; i < sizeof(error_words) / sizeof(*error_words); i++) {
			if (strstr(words, error_words[i].words)) {
				code = error_words[i].code;
				break;
			}
		}
	}
	return hf_error_set(err, code, "%s: %s", what, words);
}

/* So that what is derived is derived again, whether or not the next opening comes upon the damage. */
static void note_damage(struct rocks *r)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;

	if (r->read_only || atomic_exchange(&r->damaged, true))
		return;
	buf_add_text(&path, "%s/%s", r->dir, damaged_name);
	if (buf_status(&path) == 0)
		fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int rocks_failure(struct rocks *r, char *message, int otherwise, const char *what, struct hf_error *err)
{
	const int code = rocks_error(message, otherwise, what, err);

	if (code == -EUCLEAN)
		note_damage(r);
	return code;
}

bool index_is_noted(const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct stat st;

	buf_add_text(&path, "%s/%s", dir, damaged_name);
	return buf_status(&path) == 0 && lstat(buf_cstr(&path), &st) == 0;
}

int rocks_get(struct rocks *r, int family, struct span key, struct buf *out, struct hf_error *err)
{
	rocksdb_pinnableslice_t *value;
	char *message = NULL;
	const char *data;
	size_t len;

	buf_clear(out);
	value = rocksdb_get_pinned_cf(r->db, r->read, r->families[family], (const char *)key.data, key.len,
				      &message);
	if (message)
		return rocks_failure(r, message, -EIO, "read the index", err);
	if (!value)
		return 0;
	data = rocksdb_pinnableslice_value(value, &len);
	buf_add(out, data, len);
	rocksdb_pinnableslice_destroy(value);
	if (buf_status(out) < 0)
		return hf_error_set(err, -ENOMEM, "read the index: no memory for a value of %zu bytes", len);
	return 1;
}

int rocks_write(struct rocks *r, rocksdb_writebatch_t *batch, const void *state, size_t state_len,
		struct hf_error *err)
{
	char *message = NULL;
	int code = 0;

	if (state_len > 0)
		rocksdb_writebatch_put_cf(batch, r->families[ROCKS_OWN], rocks_state_key,
					  strlen(rocks_state_key), state, state_len);
	atomic_store(&r->unflushed, true);
	rocksdb_write(r->db, r->write, batch, &message);
	atomic_fetch_add(&r->writes, 1);
	rocks_drop_readers(r);
	if (message)
		code = rocks_failure(r, message, -EIO, "write the index", err);
	atomic_store(&r->failed, code);
	return code;
}

/* The number of the last flush that is in the files, 0 when there is none. Negative on failure. */
static int persisted_mark(struct rocks *r, uint64_t *ret, struct hf_error *err)
{
	char *message = NULL, *value;
	size_t len;

	*ret = 0;
	value = rocksdb_get_cf(r->db, r->read_persisted, r->families[ROCKS_OWN], rocks_mark_key,
			       strlen(rocks_mark_key), &len, &message);
	if (message)
		return rocks_failure(r, message, -EIO, "read the index's flush mark", err);
	if (value && len == 8)
		*ret = get_u64((const uint8_t *)value);
	rocksdb_free(value);
	return 0;
}

static int write_mark(struct rocks *r, uint64_t mark, struct hf_error *err)
{
	rocksdb_column_family_handle_t *own = r->families[ROCKS_OWN];
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	uint8_t value[8];
	char *message = NULL;

	put_u64(value, mark);
	rocksdb_writebatch_put_cf(batch, own, rocks_mark_key, strlen(rocks_mark_key), (const char *)value,
				  sizeof(value));
	rocksdb_writebatch_put_cf(batch, own, nudge_key, sizeof(nudge_key) - 1, "", 0);
	rocksdb_writebatch_singledelete_cf(batch, own, nudge_key, sizeof(nudge_key) - 1);
	rocksdb_write(r->db, r->write, batch, &message);
	rocksdb_writebatch_destroy(batch);
	return message ? rocks_failure(r, message, -EIO, "write the index", err) : 0;
}

static int nudge(struct rocks *r, uint64_t mark, uint64_t *ret_persisted, struct hf_error *err)
{
	int code = write_mark(r, mark, err);

	if (code < 0)
		return code;
	r->mark = mark;
	rocksdb_compact_range_cf_opt(r->db, r->families[ROCKS_OWN], r->compact, nudge_key,
				     sizeof(nudge_key) - 1, nudge_key, sizeof(nudge_key) - 1);
	return persisted_mark(r, ret_persisted, err);
}

static bool is_flushing(struct rocks *r)
{
	return rocks_property(r, "rocksdb.num-running-flushes") > 0 ||
	       rocks_property(r, "rocksdb.mem-table-flush-pending") > 0;
}

/*
 * RocksDB that has recovered from a full disk no longer waits for the flushes asked of it
 * (WaitForFlushMemTables gives up on the recovery's old error). So look after it until none is under way; a
 * write tells when it has stopped again.
 */
static int flush_all(struct rocks *r, struct hf_error *err)
{
	const struct timespec pause = { 0, 10000000 };
	uint64_t mark = r->mark + 1, persisted;
	int code;

	code = nudge(r, mark, &persisted, err);
	while (code == 0 && persisted < mark) {
		bool flushing = is_flushing(r);

		(void)nanosleep(&pause, NULL);
		code = write_mark(r, mark, err);
		if (code == 0)
			code = persisted_mark(r, &persisted, err);
		if (code == 0 && persisted < mark && !flushing)
			return hf_error_set(err, -EIO, "flush the index: RocksDB could not write its files");
	}
	return code;
}

/*
 * The C interface of RocksDB 7.8 has no flush of several families. But a manual compaction of a range that
 * the memtables touch first flushes all families (DBImpl::CompactRangeInternal:
 * SelectColumnFamiliesForAtomicFlush). So a key that is only there for this is put and deleted again, and
 * "compacted": the flush drops the pair, no file ever holds the key, and nothing is left to compact. The call
 * has no result; a mark written with the key and read back from the files alone tells.
 */
int rocks_flush(struct rocks *r, struct hf_error *err)
{
	int code;

	if (r->passing)
		return 0;
	pthread_mutex_lock(&r->flushing);
	if (!atomic_exchange(&r->unflushed, false)) {
		pthread_mutex_unlock(&r->flushing);
		return 0;
	}
	code = flush_all(r, err);
	if (code < 0)
		atomic_store(&r->unflushed, true);
	atomic_store(&r->failed, code);
	pthread_mutex_unlock(&r->flushing);
	return code;
}

int rocks_tear(struct rocks *r, struct hf_error *err)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int code;

	rocksdb_writebatch_put_cf(batch, r->families[ROCKS_OWN], rocks_torn_key, strlen(rocks_torn_key), "",
				  0);
	code = rocks_write(r, batch, NULL, 0, err);
	rocksdb_writebatch_destroy(batch);
	return code < 0 ? code : rocks_flush(r, err);
}

int rocks_mend(struct rocks *r, rocksdb_writebatch_t *batch, const void *state, size_t state_len,
	       struct hf_error *err)
{
	int code;

	rocksdb_writebatch_delete_cf(batch, r->families[ROCKS_OWN], rocks_torn_key, strlen(rocks_torn_key));
	code = rocks_write(r, batch, state, state_len, err);
	return code < 0 ? code : rocks_flush(r, err);
}

int rocks_ingest(struct rocks *r, int family, const char *path, struct hf_error *err)
{
	rocksdb_ingestexternalfileoptions_t *o = rocksdb_ingestexternalfileoptions_create();
	char *message = NULL;

	rocksdb_ingestexternalfileoptions_set_move_files(o, 1);
	rocksdb_ingest_external_file_cf(r->db, r->families[family], &path, 1, o, &message);
	rocksdb_ingestexternalfileoptions_destroy(o);
	return message ? rocks_failure(r, message, -EIO, "add a file to the index", err) : 0;
}

uint64_t rocks_property(struct rocks *r, const char *name)
{
	uint64_t sum = 0;

	for (int i = 0; i < ROCKS_FAMILIES; i++) {
		uint64_t one;

		if (rocksdb_property_int_cf(r->db, r->families[i], name, &one) == 0)
			sum += one;
	}
	return sum;
}

void rocks_close(struct rocks *r)
{
	rocks_drop_readers(r);
	for (int i = 0; i < ROCKS_FAMILIES; i++)
		if (r->db && r->families[i])
			rocksdb_column_family_handle_destroy(r->families[i]);
	if (r->db)
		rocksdb_close(r->db);
	if (r->compact)
		rocksdb_compactoptions_destroy(r->compact);
	if (r->write)
		rocksdb_writeoptions_destroy(r->write);
	if (r->read_persisted)
		rocksdb_readoptions_destroy(r->read_persisted);
	if (r->read)
		rocksdb_readoptions_destroy(r->read);
	if (r->cache)
		rocksdb_cache_destroy(r->cache);
	if (r->dir) /* RocksDB asks nobody whose its files are to be */
		os_give_to_owner(r->dir);
	free(r->dir);
	pthread_mutex_destroy(&r->readers_lock);
	pthread_mutex_destroy(&r->flushing);
	memset(r, 0, sizeof(*r));
}
