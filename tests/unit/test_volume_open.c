/* SPDX-License-Identifier: MIT */
/* Making, opening and writing when something below does not work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "holdfast/kit.h"
#include "store/tree/keys.h"
#include "store/volume/volume.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

static struct rlimit limit(__rlimit_resource_t what, rlim_t value)
{
	struct rlimit before, now;

	assert_int_equal(getrlimit(what, &before), 0);
	now = before;
	now.rlim_cur = value;
	assert_int_equal(setrlimit(what, &now), 0);
	return before;
}

/* Wherever the making of a store fails, it can be tried again, and a store that is there is left alone. */
static void test_init_fails(void **state)
{
	CLEANUP(scratch_remove) char *dir = scratch_make();
	struct store_fixture *f = *state;
	struct hf_error err = HF_ERROR_INIT;
	struct rlimit before;
	struct stat st;
	char path[256];
	unsigned failed = 0;
	int r = -1;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)snprintf(path, sizeof(path), "%s/new", dir);
	for (rlim_t bytes = 0; r < 0; bytes = bytes < 480 ? bytes + 40 : bytes * 2) {
		before = limit(RLIMIT_FSIZE, bytes);
		r = hf_store_init(path, f->kit, &err);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
		assert_true(r == 0 || err.code == r);
		if (r < 0)
			assert_int_equal(stat(path, &st), -1);
		failed += r < 0;
	}
	assert_true(failed > 2);
	assert_int_equal(hf_store_init(path, f->kit, &err), -ENOTEMPTY);
	store_close(f);
	assert_int_equal(hf_store_init(f->path, f->kit, &err), -ENOTEMPTY);
	store_open(f, 0);
	(void)snprintf(path, sizeof(path), "%s/none/new", dir);
	assert_int_equal(hf_store_init(path, f->kit, &err), -ENOENT);
}

/* With ever more descriptors to open: each failure on the way lets go of everything. */
static void test_open_fails(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	struct rlimit before;
	unsigned failed = 0;
	int r = -1;

	put_text(f, ino, 0, "text");
	store_close(f);
	for (rlim_t n = 4; r < 0; n++) {
		struct hf_error err = HF_ERROR_INIT;

		before = limit(RLIMIT_NOFILE, n);
		r = hf_store_open(f->path, &f->options, &f->store, &err);
		if (r == 0) { /* RocksDB may be short of them still, but opens files when it needs them */
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
			break;
		}
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_int_equal(err.code, r);
		failed++;
		assert_true(n < 200);
	}
	assert_true(failed > 2);
	expect_text(f, HF_TID_HEAD, ino, "text");
}

static void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

/* An index that says of itself it is where the log was, and is not what the log's operations led to. */
static void test_index_does_not_fit(void **state)
{
	struct store_fixture *f = *state;
	struct hf_error err = HF_ERROR_INIT;
	struct index_options o = { 0 };
	char index[300], command[1024];
	struct index_batch *batch;
	struct buf value = BUF_INIT;
	uint64_t first = make_file(f, "first"), second;
	struct index *x;
	struct key key;
	uint8_t *where;
	size_t len;

	key = key_entry(f->store->keys, HF_ROOT_INO, (struct span){ (const uint8_t *)"second", 6 });
	put_text(f, first, 0, "one");
	store_close(f);
	(void)snprintf(index, sizeof(index), "%s/index", f->path);
	(void)snprintf(command, sizeof(command), "cp -r %s %s.aside", index, index);
	run(command);
	store_open(f, 0);
	second = make_file(f, "second");
	put_text(f, second, 0, "two");
	store_close(f);
	(void)snprintf(command, sizeof(command), "rm -r %s && mv %s.aside %s", index, index, index);
	run(command);

	o.dir = index;
	assert_int_equal(index_open(&o, &x, &where, &len, &err), 0);
	assert_int_equal(index_batch_new(x, &batch), 0);
	buf_add_varint(&value, 1);
	buf_add_varint(&value, first);
	buf_add_u8(&value, S_IFREG >> 12);
	index_batch_put(batch, INDEX_HEAD, key.bytes, key.len, value.data, value.len);
	assert_int_equal(index_publish(x, batch, 1, &err), 0);
	assert_int_equal(index_settle(x, 1, where, len, NULL, NULL, &err), 0);
	buf_release(&value);
	free(where);
	index_batch_free(batch);
	index_close(x);

	store_open(f, 0);
	expect_text(f, HF_TID_HEAD, first, "one");
	expect_text(f, HF_TID_HEAD, second, "two");
	assert_int_equal(status_of(f).live_inodes, 3);
	(void)make_file(f, "third");
	store_close(f);
	assert_int_equal(store_faults(f), 0);
	store_open(f, 0);
}

/* Put a group into the log that holds this operation alone, as a writer could who has the keys and means
 * harm. */
static void forge(struct store_fixture *f, struct op *op)
{
	struct log_frame frame = { .type = FRAME_META, .plain = BUF_INIT, .packed = BUF_INIT };
	struct log_options o = { .os = os_posix() };
	struct hf_error err = HF_ERROR_INIT;
	struct volume_descriptor v;
	struct keyring *keys;
	struct log_point end;
	struct op_base base;
	struct log *log;
	char dir[300];

	(void)snprintf(dir, sizeof(dir), "%s/log", f->path);
	assert_int_equal(files_read_descriptor(o.os, f->path, &v, &err), 0);
	assert_int_equal(files_read_keys(o.os, f->path, &v, &keys, &err), 0);
	o.dir = dir;
	o.keys = keys;
	assert_int_equal(log_open(&o, NULL, &log, &err), 0);
	log_durable(log, &end);
	base = (struct op_base){ end.tid, end.time_ns };
	op->tid = end.tid + 1;
	op->time_ns = end.time_ns;
	op_encode(op, &base, &frame.plain);
	assert_int_equal(log_pack(log, &frame, 1), 0);
	assert_int_equal(log_commit(log, &frame, 1, op->tid, op->time_ns, &err), 0);
	log_frame_release(&frame);
	log_close(log);
	keyring_free(keys);
}

/* What is signed and makes no sense is damage, with and without an index, and nothing is lost by looking. */
static void test_impossible(void **state)
{
	struct store_fixture *f = *state;
	struct op op = { .type = OP_UNLINK };

	(void)make_file(f, "file");
	store_close(f);
	op.unlink.parent = HF_ROOT_INO;
	op.unlink.name = (struct span){ (const uint8_t *)"none", 4 };
	op.unlink.ino = 2;
	forge(f, &op);
	store_open_fails(f, 0, -EUCLEAN, "(UNLINK) of the log cannot be done");
	store_open_fails(f, HF_OPEN_REBUILD, -EUCLEAN, "(UNLINK) of the log cannot be done");
	store_open(f, HF_OPEN_READ_ONLY); /* what came before can be read */
	assert_non_null(strstr(status_of(f).failed_text, "(UNLINK) of the log cannot be done"));
	store_close(f);
}

/* One record must not make work without end. */
static void test_endless(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file");
	struct op op = { .type = OP_RANGE };

	store_close(f);
	op.range.ino = ino;
	op.range.mode = RANGE_ALLOCATE;
	op.range.len = UINT64_C(1) << 62;
	forge(f, &op);
	store_open_fails(f, 0, -EUCLEAN, "(RANGE) of the log cannot be done");
}

/* The descriptors of this process that are of files in the log. */
static void spoil_log(struct store_fixture *f)
{
	DIR *fds = opendir("/proc/self/fd");
	int instead = open("/dev/null", O_RDONLY);
	struct dirent *d;
	unsigned n = 0;

	assert_non_null(fds);
	while ((d = readdir(fds))) {
		char link[64], to[512];
		ssize_t len;

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%.20s", d->d_name);
		len = readlink(link, to, sizeof(to) - 1);
		to[len > 0 ? len : 0] = 0;
		if (strncmp(to, f->path, strlen(f->path)) != 0 || !strstr(to, ".seg"))
			continue;
		assert_true(dup2(instead, atoi(d->d_name)) >= 0); /* cannot be written to */
		n++;
	}
	(void)closedir(fds);
	(void)close(instead);
	assert_true(n > 0);
}

/* After a write that failed nothing more is taken and nothing hangs; what was there is read, what was durable
 * is safe. */
static void test_write_fails(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), after;
	const struct hf_cred cred = { 0, 0 };
	struct hf_error err = HF_ERROR_INIT;

	put_text(f, ino, 0, "durable");
	commit(f);
	after = make_file(f, "after");
	put_text(f, after, 0, "never durable");
	spoil_log(f);
	assert_int_equal(hf_fsync(f->store, after, &err), -EIO);
	assert_int_equal(hf_fsync(f->store, after, &err), -EIO);
	assert_int_equal(hf_create(f->store, HF_ROOT_INO, "more", 0644, 0, 0, NULL, &cred, NULL, &err), -EIO);
	assert_int_equal(hf_unlink(f->store, HF_ROOT_INO, "file", NULL, &err), -EIO);
	assert_int_equal(hf_write(f->store, ino, 0, "x", 1, 0, &err), -EIO);
	assert_true(status_of(f).failed < 0);
	assert_true(strlen(status_of(f).failed_text) > 0);
	expect_text(f, HF_TID_HEAD, after, "never durable");
	assert_int_equal(hf_store_close(f->store, &err), -EIO);
	f->store = NULL;
	store_open(f, 0);
	expect_text(f, HF_TID_HEAD, ino, "durable");
	assert_int_equal(hf_view_lookup(&(struct hf_view){ f->store, HF_TID_HEAD }, HF_ROOT_INO, "after",
					&(struct hf_attr){ 0 }, NULL),
			 -ENOENT);
	(void)make_file(f, "after");
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	expect_text(f, HF_TID_HEAD, ino, "durable");
}

/* RocksDB, when built with assertions, ends the process once its own words found the disk full: it has none.
 */
static void test_no_words(void **state)
{
	struct store_fixture *f = *state;
	char path[300];
	struct stat st;

	(void)make_file(f, "file");
	store_close(f);
	store_open(f, HF_OPEN_REBUILD);
	(void)snprintf(path, sizeof(path), "%s/index/LOG", f->path);
	assert_true(stat(path, &st) < 0 || st.st_size == 0);
}

/* Reading alone: no operation, no change to the log, and still all that was there. */
static void test_read_only(void **state)
{
	struct store_fixture *f = *state;
	uint64_t ino = make_file(f, "file"), tid;
	const struct hf_cred cred = { 0, 0 };
	struct hf_point p;

	put_text(f, ino, 0, "text");
	hf_ref(f->store, ino, 1);
	assert_int_equal(hf_unlink(f->store, HF_ROOT_INO, "file", NULL, NULL), 0);
	tid = head(f);
	store_close(f); /* an orphan is left: nobody let go of it */
	store_open(f, HF_OPEN_READ_ONLY);
	expect_text(f, HF_TID_HEAD, ino, "text");
	assert_int_equal(hf_create(f->store, HF_ROOT_INO, "new", 0644, 0, 0, NULL, &cred, NULL, NULL),
			 -EROFS);
	assert_int_equal(hf_write(f->store, ino, 0, "x", 1, 0, NULL), -EROFS);
	assert_int_equal(hf_tag(f->store, "tag", HF_TID_HEAD, NULL), -EROFS);
	assert_int_equal(hf_fsync(f->store, ino, NULL), 0);
	hf_ref(f->store, ino, 1);
	hf_unref(f->store, ino, 1);
	assert_int_equal(hf_point_of_tid(f->store, tid, &p, NULL), 0);
	assert_int_equal(status_of(f).head_tid, tid);
	store_close(f);
	store_open(f, 0);
	commit(f);
	assert_int_equal(status_of(f).head_tid, tid + 1); /* now it is reaped */
}

/* Who reads shares with who shares, and with nobody else; who writes is told which of the two keeps him away.
 */
static void test_lock_is_shared(void **state)
{
	struct store_fixture *f = *state;
	struct hf_error err = HF_ERROR_INIT;
	bool shared = true;
	int first, second;

	store_close(f);
	first = files_lock(f->path, "the first", 0, &shared, &err);
	assert_true(first >= 0 && !shared);
	assert_int_equal(files_lock(f->path, "another", 0, &shared, &err), -EBUSY);
	assert_non_null(strstr(err.text, "the first"));
	assert_int_equal(flock(first, LOCK_SH), 0);
	second = files_lock(f->path, "another", 0, &shared, &err);
	assert_true(second >= 0 && shared);
	assert_int_equal(files_lock(f->path, "a third", 0, NULL, &err), -EBUSY);
	assert_null(strstr(err.text, "the first"));
	assert_non_null(strstr(err.text, "by a process that reads it"));
	(void)close(first);
	(void)close(second);
	store_open(f, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_init_fails, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_open_fails, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_index_does_not_fit, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_impossible, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_endless, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_write_fails, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_no_words, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_lock_is_shared, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
