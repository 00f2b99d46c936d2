/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/sim/splitmix.h"
#include "tests/unit/log_helper.h"

/* --- volumes */

void log_fixture_init(struct log_fixture *f, const struct os *os, uint64_t segment_bytes)
{
	const char *tmp = getenv("TMPDIR");
	struct log_point none = { .end = { 0, 0 } };
	char base[100];

	memset(f, 0, sizeof(*f));
	f->os = os ? os : os_posix();
	assert_int_equal(crypto_init(), 0);
	if (os) {
		(void)snprintf(f->dir, sizeof(f->dir), "/log");
	} else {
		(void)snprintf(base, sizeof(base), "%s/log.XXXXXX", tmp ? tmp : "/tmp");
		assert_non_null(mkdtemp(base));
		(void)snprintf(f->dir, sizeof(f->dir), "%s/log", base);
	}
	assert_int_equal(owner_new(NULL, &f->owner), 0);
	assert_int_equal(owner_keyring(f->owner, &f->keys), 0);
	log_fixture_cert(f, f->keys, 1, &none, &f->cert);
	assert_int_equal(workers_new(2, &f->workers), 0);
	f->options = (struct log_options){ .os = f->os,
					   .dir = f->dir,
					   .keys = f->keys,
					   .workers = f->workers,
					   .segment_bytes = segment_bytes };
}

struct log *log_fixture_create(struct log_fixture *f, uint64_t segment_bytes)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;

	log_fixture_init(f, NULL, segment_bytes);
	if (log_create(&f->options, &f->cert, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

struct log *log_fixture_open(const struct log_fixture *f, const struct log_point *known)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log *l = NULL;

	if (log_open(&f->options, known, &l, &err) < 0)
		fail_msg("%s", err.text);
	return l;
}

struct hf_kit *log_fixture_kit(const struct log_fixture *f)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	struct hf_kit *kit;
	uint8_t seed[SEED_BYTES];

	owner_seed(f->owner, seed);
	kit_line_encode(seed, &line);
	assert_int_equal(hf_kit_parse((const char *)line.data, line.len, &kit, NULL), 0);
	return kit;
}

void log_fixture_release(struct log_fixture *f)
{
	if (f->os == os_posix()) {
		*strrchr(f->dir, '/') = 0;
		remove_folder(f->dir);
	}
	workers_free(f->workers);
	keyring_free(f->keys);
	owner_free(f->owner);
}

void log_fixture_path(const struct log_fixture *f, const char *name, char out[160])
{
	size_t len = (size_t)(strrchr(f->dir, '/') - f->dir);

	(void)snprintf(out, 160, "%.*s/%s", (int)len, f->dir, name);
}

void log_fixture_segment(const struct log_fixture *f, uint32_t segment, char out[160])
{
	(void)snprintf(out, 160, "%s/%010" PRIu32 ".seg", f->dir, segment);
}

void log_fixture_cert(struct log_fixture *f, struct keyring *keys, uint32_t epoch, const struct log_point *p,
		      struct epoch_cert *ret)
{
	assert_int_equal(keyring_make_writer(keys, epoch), 0);
	memset(ret, 0, sizeof(*ret));
	ret->epoch = epoch;
	ret->format_floor = 1;
	ret->created_ns = 1;
	ret->first_segment = p->end.segment + 1;
	memcpy(ret->chain, p->chain, HASH_BYTES);
	memcpy(ret->writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	epoch_cert_sign(ret, f->owner);
}

/* --- groups */

enum { FRAMES_MAX = 6 };

/* Frames of group i: some noise, some that compresses, sometimes none at all. */
static size_t make_frames(uint64_t i, size_t max_bytes, struct log_frame frames[FRAMES_MAX])
{
	uint64_t state = i;
	size_t n_data = (size_t)(splitmix64(&state) % 4), n_meta = (size_t)(splitmix64(&state) % 3);

	memset(frames, 0, FRAMES_MAX * sizeof(*frames));
	for (size_t k = 0; k < n_data + n_meta; k++) {
		size_t len = (size_t)(splitmix64(&state) % (max_bytes + 1));
		bool noise = splitmix64(&state) & 1;

		frames[k].type = k < n_data ? FRAME_DATA : FRAME_META;
		buf_add_u64(&frames[k].plain, i << 8 | k);
		while (frames[k].plain.len < len)
			buf_add_u64(&frames[k].plain, noise ? splitmix64(&state) : i);
		assert_int_equal(buf_status(&frames[k].plain), 0);
	}
	return n_data + n_meta;
}

static void release_frames(struct log_frame frames[FRAMES_MAX])
{
	for (size_t k = 0; k < FRAMES_MAX; k++)
		log_frame_release(&frames[k]);
}

int log_put_group(struct log *l, uint64_t i, size_t max_bytes)
{
	struct hf_error err = HF_ERROR_INIT;
	struct log_frame frames[FRAMES_MAX];
	size_t n = make_frames(i, max_bytes, frames);
	int r;

	assert_int_equal(log_pack(l, frames, n), 0);
	r = log_commit(l, frames, n, i, 1000 * i, &err);
	if (r < 0)
		assert_true(err.code == r && err.text[0]);
	release_frames(frames);
	return r;
}

void log_put_groups(struct log *l, uint64_t first, uint64_t last, size_t max_bytes)
{
	for (uint64_t i = first; i <= last; i++)
		assert_int_equal(log_put_group(l, i, max_bytes), 0);
}

struct checking {
	const struct log *l;
	uint64_t last; /* group seen last */
	struct log_point point;
	size_t max_bytes;
};

static int wrong(struct hf_error *err, uint64_t group, const char *what)
{
	return hf_error_set(err, -EBADMSG, "group %" PRIu64 ": %s", group, what);
}

static int check_frames(struct checking *c, const struct log_group *g, const struct log_frame *frames,
			size_t n, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf plain = BUF_INIT;
	uint64_t i = g->after.tid;

	if (g->n_data + g->n_meta != n)
		return wrong(err, i, "another number of frames");
	for (size_t k = 0; k < n; k++) {
		struct span got;

		if (k < g->n_data) {
			int r = log_read_frame(c->l, g->data[k], 0, &plain, err);

			if (r < 0)
				return r;
			got = (struct span){ plain.data, plain.len };
		} else {
			got = g->meta[k - g->n_data];
		}
		if (frames[k].type != (k < g->n_data ? FRAME_DATA : FRAME_META) ||
		    got.len != frames[k].plain.len || memcmp(got.data, frames[k].plain.data, got.len) != 0)
			return wrong(err, i, "other content");
	}
	return 0;
}

static int check_group(void *arg, const struct log_group *g, struct hf_error *err)
{
	struct checking *c = arg;
	struct log_frame frames[FRAMES_MAX];
	size_t n;
	int r;

	if (g->before.commit != c->point.commit || g->before.tid != c->point.tid ||
	    g->before.time_ns != c->point.time_ns || g->after.commit != c->point.commit + 1)
		return wrong(err, g->after.tid, "does not follow the one before");
	c->point = g->after;
	if (g->after.sealed)
		return g->n_data || g->n_meta ? wrong(err, g->after.tid, "frames in a seal") : 0;
	if (g->after.tid == c->last && !g->n_data && !g->n_meta)
		return 0; /* a commit alone */
	if (g->after.tid != c->last + 1 || g->after.time_ns != 1000 * g->after.tid)
		return wrong(err, g->after.tid, "out of turn");
	c->last = g->after.tid;
	n = make_frames(c->last, c->max_bytes, frames);
	r = check_frames(c, g, frames, n, err);
	release_frames(frames);
	return r;
}

int64_t log_try_groups(const struct log *l, const struct log_point *from, size_t max_bytes, char *words,
		       size_t len)
{
	struct checking c = { .l = l, .max_bytes = max_bytes };
	struct hf_error err = HF_ERROR_INIT;
	struct log_point end;
	int r;

	if (from) {
		c.point = *from;
		c.last = from->tid;
	}
	log_durable(l, &end);
	r = log_replay(l, from, check_group, &c, NULL, &err);
	if (r == 0 && c.point.commit < end.commit)
		r = wrong(&err, c.last, "replay ends before the durable point");
	if (r < 0) {
		(void)snprintf(words, len, "%s", err.text);
		return -1;
	}
	return (int64_t)c.last;
}

uint64_t log_check_groups(const struct log *l, const struct log_point *from, size_t max_bytes)
{
	char words[HF_ERROR_TEXT_BYTES];
	int64_t last = log_try_groups(l, from, max_bytes, words, sizeof(words));

	if (last < 0)
		fail_msg("%s", words);
	return (uint64_t)last;
}

/* --- real files */

static void read_file(const char *path, struct buf *out)
{
	buf_clear(out);
	assert_int_equal(os_read_file(os_posix(), path, SIZE_MAX, out), 0);
}

static void write_file(const char *path, const struct buf *b)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(os_pwrite_full(os_posix(), fd, b->data, b->len, 0), 0);
}

static void each_file(const char *dir, void (*fn)(const char *path, const char *name, void *arg), void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[512];

	if (!d)
		return;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		fn(path, e->d_name, arg);
	}
	closedir(d);
}

static void copy_one(const char *path, const char *name, void *arg)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	char to[512];

	(void)snprintf(to, sizeof(to), "%s/%s", (const char *)arg, name);
	read_file(path, &b);
	write_file(to, &b);
}

static void remove_one(const char *path, const char *name, void *arg)
{
	(void)name;
	(void)arg;
	if (unlink(path) < 0)
		remove_folder(path);
}

void remove_folder(const char *path)
{
	each_file(path, remove_one, NULL);
	(void)rmdir(path);
}

void copy_folder(const char *from, const char *to)
{
	char target[160];

	(void)snprintf(target, sizeof(target), "%s", to);
	remove_folder(to);
	assert_int_equal(mkdir(to, 0700), 0);
	each_file(from, copy_one, target);
}

struct comparing {
	const char *other;
	size_t files;
	bool differ;
};

static void compare_one(const char *path, const char *name, void *arg)
{
	CLEANUP(buf_release) struct buf a = BUF_INIT, b = BUF_INIT;
	struct comparing *c = arg;
	char to[512];

	c->files++;
	(void)snprintf(to, sizeof(to), "%s/%s", c->other, name);
	if (access(to, F_OK) < 0) {
		c->differ = true;
		return;
	}
	read_file(path, &a);
	read_file(to, &b);
	if (a.len != b.len || (a.len && memcmp(a.data, b.data, a.len) != 0))
		c->differ = true;
}

bool same_folders(const char *a, const char *b)
{
	struct comparing there = { .other = b }, back = { .other = a };

	each_file(a, compare_one, &there);
	each_file(b, compare_one, &back);
	return !there.differ && !back.differ && there.files == back.files;
}

uint64_t file_bytes(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

void flip_byte(const char *path, uint64_t offset, uint8_t mask)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDWR);
	uint8_t b;

	assert_true(fd >= 0);
	assert_int_equal(os_pread_full(os_posix(), fd, &b, 1, offset), 0);
	b ^= mask;
	assert_int_equal(os_pwrite_full(os_posix(), fd, &b, 1, offset), 0);
}
