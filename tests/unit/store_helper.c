/* SPDX-License-Identifier: MIT */
#include "tests/unit/store_helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "store/base/cleanup.h"
#include "tests/unit/scratch.h"

static const struct hf_cred nobody_special = { 0, 0 };

static void must(int64_t r, const struct hf_error *err, const char *what)
{
	if (r < 0)
		fail_msg("%s: %lld %s", what, (long long)r, err->text);
}

void store_fixture_init(struct store_fixture *f, const char *dir)
{
	struct hf_error err = HF_ERROR_INIT;

	*f = (struct store_fixture){ .dir = dir ? NULL : scratch_make() };
	f->options = (struct hf_open_options){ .flags = HF_OPEN_NO_REPLICATION,
					       .commit_interval_ms = 60000,
					       .cache_bytes = 16 << 20 };
	snprintf(f->path, sizeof(f->path), "%s/store", dir ? dir : f->dir);
	must(hf_kit_generate(&f->kit, &err), &err, "kit");
	must(hf_store_init(f->path, f->kit, &err), &err, "init");
	store_open(f, 0);
}

void store_fixture_release(struct store_fixture *f)
{
	if (f->store)
		(void)hf_store_close(f->store, NULL);
	hf_kit_free(f->kit);
	scratch_remove(&f->dir);
}

int store_setup(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	store_fixture_init(f, NULL);
	*state = f;
	return 0;
}

int store_teardown(void **state)
{
	store_fixture_release(*state);
	free(*state);
	return 0;
}

void store_close(struct store_fixture *f)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_store_close(f->store, &err);

	f->store = NULL;
	must(r, &err, "close");
}

void store_open(struct store_fixture *f, unsigned flags)
{
	struct hf_open_options o = f->options;
	struct hf_error err = HF_ERROR_INIT;

	o.flags |= flags;
	must(hf_store_open(f->path, &o, &f->store, &err), &err, "open");
}

void store_open_fails(struct store_fixture *f, unsigned flags, int code, const char *words)
{
	struct hf_open_options o = f->options;
	struct hf_error err = HF_ERROR_INIT;
	int r;

	o.flags |= flags;
	r = hf_store_open(f->path, &o, &f->store, &err);
	if (r == 0)
		fail_msg("the store was opened, which should fail with %d", code);
	if (r != code || err.code != code || !strstr(err.text, words))
		fail_msg("opening fails with %d (%d %s), not with %d and \"%s\"", r, err.code, err.text, code,
			 words);
}

static void print_fault(void *arg, const char *what)
{
	(void)arg;
	print_message("# found: %s\n", what);
}

long store_faults(struct store_fixture *f)
{
	struct hf_check_summary summary;
	struct hf_error err = HF_ERROR_INIT;
	long n = hf_store_check(f->path, print_fault, NULL, &summary, NULL, &err);

	if (n < 0)
		print_message("# check cannot run: %s\n", err.text);
	return n;
}

uint64_t make_in(struct store_fixture *f, uint64_t parent, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;

	must(hf_create(f->store, parent, name, S_IFREG | 0644, 0, 0, NULL, &nobody_special, &attr, &err),
	     &err, name);
	return attr.ino;
}

uint64_t make_file(struct store_fixture *f, const char *name)
{
	return make_in(f, HF_ROOT_INO, name);
}

uint64_t make_dir(struct store_fixture *f, uint64_t parent, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;

	must(hf_create(f->store, parent, name, S_IFDIR | 0755, 0, 0, NULL, &nobody_special, &attr, &err),
	     &err, name);
	return attr.ino;
}

void put(struct store_fixture *f, uint64_t ino, uint64_t offset, const void *data, size_t len)
{
	struct hf_error err = HF_ERROR_INIT;
	ssize_t n = hf_write(f->store, ino, offset, data, len, 0, &err);

	must(n, &err, "write");
	assert_int_equal(n, len);
}

void put_text(struct store_fixture *f, uint64_t ino, uint64_t offset, const char *text)
{
	put(f, ino, offset, text, strlen(text));
}

void commit(struct store_fixture *f)
{
	struct hf_error err = HF_ERROR_INIT;

	must(hf_store_commit(f->store, &err), &err, "commit");
}

struct hf_status status_of(struct store_fixture *f)
{
	struct hf_status s;

	hf_store_status(f->store, &s);
	return s;
}

struct hf_attr attr_at(struct store_fixture *f, uint64_t tid, uint64_t ino)
{
	const struct hf_view v = { f->store, tid };
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;

	must(hf_view_getattr(&v, ino, &attr, &err), &err, "getattr");
	return attr;
}

struct hf_attr attr_of(struct store_fixture *f, uint64_t ino)
{
	return attr_at(f, HF_TID_HEAD, ino);
}

uint64_t head(struct store_fixture *f)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_point p;

	must(hf_point_of_time(f->store, UINT64_MAX, &p, &err), &err, "the head");
	return p.tid;
}

void expect_bytes(struct store_fixture *f, uint64_t tid, uint64_t ino, uint64_t offset, const void *data,
		  size_t len)
{
	const struct hf_view v = { f->store, tid };
	CLEANUP(cleanup_free) uint8_t *got = malloc(len + 1);
	struct hf_error err = HF_ERROR_INIT;
	ssize_t n;

	assert_non_null(got);
	n = hf_view_read(&v, ino, offset, got, len, &err);
	must(n, &err, "read");
	assert_int_equal(n, len);
	if (len > 0)
		assert_memory_equal(got, data, len);
}

void expect_text(struct store_fixture *f, uint64_t tid, uint64_t ino, const char *text)
{
	assert_int_equal(attr_at(f, tid, ino).size_bytes, strlen(text));
	expect_bytes(f, tid, ino, 0, text, strlen(text));
}

void fill_random(void *data, size_t len, uint64_t seed)
{
	uint8_t *p = data;

	for (size_t k = 0; k < len; k++) {
		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		p[k] = (uint8_t)(seed >> 56);
	}
}
