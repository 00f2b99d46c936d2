/* SPDX-License-Identifier: MIT */
/* What operations mean, now and at every moment before: cases that chance seldom meets (test_model.c tries
 * all others). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/tree/map.h"
#include "tests/unit/store_helper.h"

enum { BLOCK = 65536 };

/* --- block lists, against an array of bytes */

enum { CELLS = 65536 };

/* What a byte of a block is: kind and reference in one number, so that each place has its own. */
static uint64_t cell(const struct piece *p, uint32_t at)
{
	return p->kind < PIECE_CHUNK ? p->kind : p->ref << 20 | (p->off + at + 2);
}

static void compare_list(const struct block_list *l, const uint64_t *cells)
{
	uint64_t allocated = 0;
	uint32_t at = 0;

	for (size_t k = 0; k < l->n; k++) {
		assert_true(l->pieces[k].len > 0);
		for (uint32_t b = 0; b < l->pieces[k].len; b++, at++) {
			if (cell(&l->pieces[k], b) != cells[at])
				fail_msg("byte %u of the block is not what was put there", at);
			allocated += cells[at] != PIECE_HOLE;
		}
	}
	assert_true(l->n == 0 || l->pieces[l->n - 1].kind != PIECE_HOLE);
	for (; at < CELLS; at++)
		assert_int_equal(cells[at], PIECE_HOLE);
	assert_int_equal(block_list_allocated(l), allocated);
}

static void test_block_lists(void **state)
{
	struct block_list l = BLOCK_LIST_INIT, again = BLOCK_LIST_INIT;
	uint64_t *cells = calloc(CELLS, sizeof(*cells));
	struct buf raw = BUF_INIT;
	struct run_table *runs;

	(void)state;
	assert_int_equal(run_table_new(&runs), 0);
	srand(1);
	for (unsigned k = 0; k < 400; k++) {
		uint32_t off = (uint32_t)rand() % CELLS, len = 1 + (uint32_t)rand() % (CELLS - off), half;
		struct piece p[2];

		if (k % 3)
			len = len % 50 + 1 <= CELLS - off ? len % 50 + 1 : 1;
		half = len / 2;
		p[0] = (struct piece){ .kind = k % 5 == 0 ? PIECE_HOLE :
					       k % 5 == 1 ? PIECE_ZERO :
							    PIECE_CHUNK,
				       .len = len - half };
		p[1] = (struct piece){ .kind = PIECE_CHUNK, .off = 7, .len = half, .ref = k + 1 };
		if (p[0].kind == PIECE_CHUNK) {
			p[0].off = k;
			p[0].ref = 1000 + k;
		}
		for (uint32_t b = 0; b < len; b++)
			cells[off + b] = b < len - half ? cell(&p[0], b) : cell(&p[1], b - (len - half));
		/* into itself, or beside it */
		assert_int_equal(block_list_replace(&l, off, len, p, half ? 2 : 1, k % 2 ? &l : &again), 0);
		if (k % 2 == 0) {
			struct block_list before = l;

			l = again;
			again = before;
		}
		compare_list(&l, cells);
		buf_clear(&raw);
		block_list_encode(&l, &raw);
		assert_int_equal(block_list_decode(runs, (struct span){ raw.data, raw.len }, &again), 0);
		compare_list(&again, cells);
	}
	/* neighbours that go on from one another are one */
	assert_int_equal(block_list_replace(&l, 0, CELLS, &(struct piece){ .kind = PIECE_HOLE, .len = CELLS },
					    1, &l),
			 0);
	assert_int_equal(l.n, 0);
	for (uint32_t k = 0; k < 10; k++)
		assert_int_equal(block_list_replace(&l, k * 10, 10,
						    &(struct piece){ .kind = PIECE_CHUNK,
								     .off = k * 10,
								     .len = 10,
								     .ref = 3 },
						    1, &l),
				 0);
	assert_int_equal(l.n, 1);
	/* cut short anywhere it is refused, or is another list; never read past its end */
	for (size_t n = 0; n < raw.len; n++) {
		uint8_t *cut = malloc(n + 1);

		memcpy(cut, raw.data, n);
		(void)!block_list_decode(runs, (struct span){ cut, n }, &again);
		free(cut);
	}
	block_list_release(&l);
	block_list_release(&again);
	buf_release(&raw);
	run_table_free(runs);
	free(cells);
}

/* --- contents */

static void test_holes(void **state)
{
	struct store_fixture *f = *state;
	const struct hf_view now = { f->store, HF_TID_HEAD };
	const uint64_t ino = make_file(f, "sparse");
	static uint8_t zeros[3 * BLOCK], data[BLOCK];
	uint64_t before;

	fill_random(data, sizeof(data), 1);
	put(f, ino, BLOCK + 100, data, 1000);
	assert_int_equal(attr_of(f, ino).blocks, 2);
	assert_int_equal(hf_view_seek(&now, ino, 0, SEEK_DATA, NULL), BLOCK + 100);
	assert_int_equal(hf_view_seek(&now, ino, BLOCK + 100, SEEK_HOLE, NULL), BLOCK + 1100);
	assert_int_equal(hf_view_seek(&now, ino, 0, SEEK_HOLE, NULL), 0);
	expect_bytes(f, HF_TID_HEAD, ino, 0, zeros, BLOCK + 100);
	before = head(f);

	/* punched: zeros that take no space; what was stays in the past */
	assert_int_equal(hf_fallocate(f->store, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BLOCK + 200,
				      1 << 30, 0, NULL),
			 0);
	assert_int_equal(attr_of(f, ino).size_bytes, BLOCK + 1100);
	assert_int_equal(attr_of(f, ino).blocks, 1);
	expect_bytes(f, HF_TID_HEAD, ino, BLOCK + 100, data, 100);
	expect_bytes(f, HF_TID_HEAD, ino, BLOCK + 200, zeros, 900);
	expect_bytes(f, before, ino, BLOCK + 100, data, 1000);

	/* zeroed: takes space; and grows the file unless asked not to */
	assert_int_equal(hf_fallocate(f->store, ino, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 3 * BLOCK,
				      0, NULL),
			 0);
	assert_int_equal(attr_of(f, ino).size_bytes, BLOCK + 1100);
	assert_int_equal(attr_of(f, ino).blocks, 3 * BLOCK / 512);
	expect_bytes(f, HF_TID_HEAD, ino, 0, zeros, BLOCK + 1100);
	assert_int_equal(hf_view_seek(&now, ino, 0, SEEK_HOLE, NULL), BLOCK + 1100);
	assert_int_equal(hf_fallocate(f->store, ino, FALLOC_FL_ZERO_RANGE, 0, 2 * BLOCK, 0, NULL), 0);
	assert_int_equal(attr_of(f, ino).size_bytes, 2 * BLOCK);

	/* allocated over data: the data stays */
	put(f, ino, 10, data, 1000);
	assert_int_equal(hf_fallocate(f->store, ino, 0, 0, 3 * BLOCK, 0, NULL), 0);
	assert_int_equal(attr_of(f, ino).size_bytes, 3 * BLOCK);
	expect_bytes(f, HF_TID_HEAD, ino, 10, data, 1000);
	expect_bytes(f, before, ino, BLOCK + 100, data, 1000);
	expect_bytes(f, before, ino, 0, zeros, 100);
}

static void resize(struct store_fixture *f, uint64_t ino, uint64_t size)
{
	const struct hf_setattr c = { .mask = HF_SET_SIZE, .size_bytes = size };

	assert_int_equal(hf_setattr(f->store, ino, &c, NULL, NULL), 0);
}

static void test_truncate(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "f"), sizes[] = { BLOCK + 5, BLOCK, 100, 1, 0 };
	static uint8_t data[3 * BLOCK], wanted[3 * BLOCK];
	uint64_t moments[5];

	fill_random(data, sizeof(data), 2);
	for (size_t k = 0; k < 5; k++) {
		put(f, ino, 0, data, sizeof(data));
		moments[k] = head(f);
		resize(f, ino, sizes[k]);
		resize(f, ino, sizeof(data)); /* what was cut off does not come back */
		memset(wanted, 0, sizeof(wanted));
		memcpy(wanted, data, sizes[k]);
		expect_bytes(f, HF_TID_HEAD, ino, 0, wanted, sizeof(wanted));
		assert_int_equal(attr_of(f, ino).blocks, (sizes[k] + 511) / 512);
		put(f, ino, 2 * BLOCK, "x", 1);
	}
	for (size_t k = 0; k < 5; k++)
		expect_bytes(f, moments[k], ino, 0, data, sizeof(data));
	/* blocks kept behind the end: cut off, they hold nothing when the file grows over them */
	resize(f, ino, 10);
	assert_int_equal(hf_fallocate(f->store, ino, FALLOC_FL_KEEP_SIZE, 0, 2 * BLOCK, 0, NULL), 0);
	assert_int_equal(attr_of(f, ino).blocks, 2 * BLOCK / 512);
	resize(f, ino, 10);
	assert_int_equal(attr_of(f, ino).blocks, 1);
	assert_int_equal(hf_setattr(f->store, ino,
				    &(struct hf_setattr){ .mask = HF_SET_SIZE,
							  .size_bytes = (uint64_t)INT64_MAX + 1 },
				    NULL, NULL),
			 -EFBIG);
	resize(f, ino, INT64_MAX);
	put(f, ino, INT64_MAX - 1, "z", 1);
	expect_bytes(f, HF_TID_HEAD, ino, INT64_MAX - 1, "z", 1);
	assert_int_equal(hf_write(f->store, ino, INT64_MAX, "z", 1, 0, NULL), -EFBIG);
}

static void test_copy_range(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t a = make_file(f, "a"), b = make_file(f, "b");
	static uint8_t data[3 * BLOCK], wanted[4 * BLOCK];
	struct hf_status before, after;
	uint64_t moment;

	fill_random(data, sizeof(data), 3);
	put(f, a, 0, data, sizeof(data));
	put(f, b, 0, data + 1000, BLOCK);
	commit(f);
	before = status_of(f);
	moment = head(f);
	assert_int_equal(hf_copy_range(f->store, a, 777, b, BLOCK - 5, 2 * BLOCK, 0, NULL), 2 * BLOCK);
	memcpy(wanted, data + 1000, BLOCK);
	memcpy(wanted + BLOCK - 5, data + 777, 2 * BLOCK);
	expect_bytes(f, HF_TID_HEAD, b, 0, wanted, 3 * BLOCK - 5);
	expect_bytes(f, moment, b, 0, data + 1000, BLOCK);
	/* within one file and even one block, as long as nothing overlaps */
	assert_int_equal(hf_copy_range(f->store, b, 0, b, 2000, 2000, 0, NULL), 2000);
	memcpy(wanted + 2000, wanted, 2000);
	assert_int_equal(hf_copy_range(f->store, b, 0, b, 1999, 2000, 0, NULL), -EINVAL);
	/* a hole copies as a hole, and over what was there; no more than the source has */
	resize(f, a, 10 * BLOCK);
	assert_int_equal(hf_copy_range(f->store, a, 5 * BLOCK, b, 100, 50, 0, NULL), 50);
	memset(wanted + 100, 0, 50);
	assert_int_equal(hf_copy_range(f->store, a, 10 * BLOCK - 7, b, 200, 100, 0, NULL), 7);
	memset(wanted + 200, 0, 7);
	assert_int_equal(hf_copy_range(f->store, a, 10 * BLOCK, b, 300, 100, 0, NULL), 0);
	expect_bytes(f, HF_TID_HEAD, b, 0, wanted, 3 * BLOCK - 5);
	/* a long hole is no long work */
	resize(f, a, INT64_MAX);
	assert_int_equal(hf_copy_range(f->store, a, 10 * BLOCK, b, 10 * BLOCK, (size_t)1 << 45, 0, NULL),
			 (ssize_t)1 << 45);
	commit(f);
	after = status_of(f);
	assert_int_equal(after.chunks, before.chunks);
	expect_bytes(f, HF_TID_HEAD, b, 0, wanted, 3 * BLOCK - 5);
}

/* --- names */

static int count_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		       const struct hf_attr *attr)
{
	uint64_t *seen = arg; /* count, sum of inodes, last cookie */

	(void)name;
	(void)attr;
	assert_int_equal(type, S_IFREG);
	assert_true(cookie > seen[2]);
	seen[0]++;
	seen[1] += ino;
	seen[2] = cookie;
	return 0;
}

struct resume {
	struct store_fixture *f;
	uint64_t dir, cookie, seen;
	unsigned took;
};

static int take_seven(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	struct resume *r = arg;

	(void)ino;
	(void)type;
	(void)attr;
	if (r->took++ == 7)
		return 1;
	r->cookie = cookie;
	r->seen += strncmp(name, "kept", 4) == 0;
	return 0;
}

/* More entries than are fetched at a time, coming and going: each moment keeps its own, a listing in parts
 * misses none that stays. */
static void test_big_directory(void **state)
{
	enum { FILES = 1500 };
	struct store_fixture *f = *state;
	const uint64_t dir = make_dir(f, HF_ROOT_INO, "d");
	uint64_t moments[4], sums[4] = { 0 }, counts[4] = { 0 }, inos[FILES];
	struct resume r = { .f = f, .dir = dir };
	char name[32];

	for (unsigned k = 0; k < FILES; k++) {
		snprintf(name, sizeof(name), "%s %u", k % 3 == 0 ? "kept" : "gone", k);
		inos[k] = make_in(f, dir, name);
	}
	for (int round = 0; round < 4; round++) {
		for (unsigned k = 0; round > 0 && k < FILES; k++) {
			snprintf(name, sizeof(name), "gone %u", k);
			if (k % 3 == (unsigned)round % 3 && k % 3) {
				assert_int_equal(hf_unlink(f->store, dir, name, NULL, NULL), 0);
				inos[k] = 0;
			} else if (k % 3 && inos[k] == 0) {
				inos[k] = make_in(f, dir, name);
			}
		}
		for (unsigned k = 0; k < FILES; k++) {
			counts[round] += inos[k] != 0;
			sums[round] += inos[k];
		}
		moments[round] = head(f);
		if (round == 1)
			commit(f);
	}
	for (int round = 0; round < 4; round++) {
		const struct hf_view v = { f->store, moments[round] };
		uint64_t seen[3] = { 0 };

		assert_int_equal(hf_view_readdir(&v, dir, 0, HF_READDIR_ATTR, count_entry, seen, NULL), 0);
		assert_int_equal(seen[0], counts[round]);
		assert_int_equal(seen[1], sums[round]);
	}
	for (unsigned k = 0;; k++) {
		const struct hf_view now = { f->store, HF_TID_HEAD };

		r.took = 0;
		assert_int_equal(hf_view_readdir(&now, dir, r.cookie, 0, take_seven, &r, NULL), 0);
		if (r.took < 8)
			break;
		snprintf(name, sizeof(name), "gone %u", k);
		if (hf_unlink(f->store, dir, name, NULL, NULL) < 0)
			(void)make_in(f, dir, name);
	}
	assert_int_equal(r.seen, FILES / 3);
}

static void test_moves(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t a = make_dir(f, HF_ROOT_INO, "a"), b = make_dir(f, a, "b"), c = make_dir(f, b, "c"),
		       file = make_in(f, c, "file");
	const uint64_t first = head(f);
	struct hf_view then = { f->store, first };
	struct hf_attr attr;
	uint64_t parent;

	assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "a", c, "x", 0, NULL), -EINVAL);
	assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "a", c, "file", RENAME_EXCHANGE, NULL), -EINVAL);
	assert_int_equal(hf_rename(f->store, c, "file", HF_ROOT_INO, "a", RENAME_EXCHANGE, NULL), -EINVAL);
	assert_int_equal(hf_rename(f->store, c, "file", HF_ROOT_INO, "a", 0, NULL), -EISDIR);
	assert_int_equal(hf_rename(f->store, HF_ROOT_INO, "a", HF_ROOT_INO, "a", 0, NULL), 0);
	assert_int_equal(hf_rename(f->store, b, "c", HF_ROOT_INO, "c", 0, NULL), 0);
	assert_int_equal(attr_of(f, HF_ROOT_INO).nlink, 4);
	assert_int_equal(attr_of(f, b).nlink, 2);
	assert_int_equal(hf_view_walk(&(struct hf_view){ f->store, HF_TID_HEAD }, "/c//file/", &attr, NULL),
			 0);
	assert_int_equal(attr.ino, file);
	assert_int_equal(hf_view_walk(&then, "a/b/c/file", &attr, NULL), 0);
	assert_int_equal(hf_view_walk(&then, "c/file", &attr, NULL), -ENOENT);
	assert_int_equal(hf_view_walk(&then, "a/b/c/file/x", &attr, NULL), -ENOTDIR);
	assert_int_equal(hf_view_parent(&then, c, &parent, NULL), 0);
	assert_int_equal(parent, b);
	/* a directory and a file change places */
	assert_int_equal(hf_rename(f->store, c, "file", HF_ROOT_INO, "a", RENAME_EXCHANGE, NULL), 0);
	assert_int_equal(attr_of(f, HF_ROOT_INO).nlink, 3);
	assert_int_equal(attr_of(f, c).nlink, 3);
	assert_int_equal(hf_view_parent(&(struct hf_view){ f->store, HF_TID_HEAD }, a, &parent, NULL), 0);
	assert_int_equal(parent, c);
	assert_int_equal(attr_of(f, a).ctime.tv_nsec, attr_of(f, file).ctime.tv_nsec);
}

static void test_links(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "first"), dir = make_dir(f, HF_ROOT_INO, "d");
	const struct hf_cred cred = { 1, 1 };
	struct hf_attr attr;
	char name[32];
	int r = 0, n;

	assert_int_equal(hf_link(f->store, dir, HF_ROOT_INO, "x", NULL, NULL), -EPERM);
	for (n = 1; r == 0; n++) {
		snprintf(name, sizeof(name), "%d", n);
		r = hf_link(f->store, ino, dir, name, NULL, NULL);
	}
	assert_int_equal(r, -EMLINK);
	assert_true(n >= 32000);
	assert_int_equal(attr_of(f, ino).nlink, n - 1);
	/* without a name, but open: only what never had one may get one */
	assert_int_equal(hf_create_nameless(f->store, dir, 0600, 0, &cred, &attr, NULL), 0);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(hf_link(f->store, attr.ino, HF_ROOT_INO, "named", NULL, NULL), 0);
	hf_unref(f->store, attr.ino, 1);
	hf_ref(f->store, attr.ino, 1);
	assert_int_equal(hf_unlink(f->store, HF_ROOT_INO, "named", NULL, NULL), 0);
	assert_int_equal(hf_link(f->store, attr.ino, HF_ROOT_INO, "named", NULL, NULL), -ENOENT);
	hf_unref(f->store, attr.ino, 1);
	commit(f);
	assert_int_equal(hf_view_getattr(&(struct hf_view){ f->store, HF_TID_HEAD }, attr.ino, &attr, NULL),
			 -ESTALE);
}

/* --- attributes in the past: of names that begin alike, and of a setxattr that was a removal */

static void test_xattr_past(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "f");
	static const char *const names[] = { "user.a", "user.ab", "user.abc", "user.b" };
	uint64_t moments[8];
	char list[256];

	for (unsigned k = 0; k < 8; k++) {
		if (k < 4)
			assert_int_equal(hf_setxattr(f->store, ino, names[k], "value", k + 1, 0, 0, NULL), 0);
		else
			assert_int_equal(hf_removexattr(f->store, ino, names[k - 4], NULL), 0);
		moments[k] = head(f);
	}
	for (unsigned k = 0; k < 8; k++) {
		const struct hf_view v = { f->store, moments[k] };

		for (unsigned n = 0; n < 4; n++) {
			const bool there = k < 4 ? n <= k : n > k - 4;

			assert_int_equal(hf_view_getxattr(&v, ino, names[n], list, sizeof(list), NULL),
					 there ? (ssize_t)n + 1 : -ENODATA);
		}
		assert_int_equal(hf_view_listxattr(&v, ino, list, 3, NULL), k < 7 ? -ERANGE : 0);
	}
	assert_int_equal(hf_view_getxattr(&(struct hf_view){ f->store, moments[0] }, ino, "user.ab", NULL, 0,
					  NULL),
			 -ENODATA);
}

static void test_kill_priv(void **state)
{
	struct store_fixture *f = *state;
	const uint64_t ino = make_file(f, "tool");
	struct hf_setattr c = { .mask = HF_SET_MODE, .mode = 06755 };
	uint64_t before;

	assert_int_equal(hf_setattr(f->store, ino, &c, NULL, NULL), 0);
	assert_int_equal(hf_setxattr(f->store, ino, "security.capability", "cap", 3, 0, 0, NULL), 0);
	before = head(f);
	put_text(f, ino, 0, "root writes");
	assert_int_equal(attr_of(f, ino).mode & 07777, 06755);
	assert_int_equal(hf_write(f->store, ino, 0, "x", 1, HF_WRITE_KILL_PRIV, NULL), 1);
	assert_int_equal(attr_of(f, ino).mode & 07777, 0755);
	assert_int_equal(hf_view_getxattr(&(struct hf_view){ f->store, HF_TID_HEAD }, ino,
					  "security.capability", NULL, 0, NULL),
			 -ENODATA);
	assert_int_equal(hf_view_getxattr(&(struct hf_view){ f->store, before }, ino, "security.capability",
					  NULL, 0, NULL),
			 3);
	assert_int_equal(attr_at(f, before, ino).mode & 07777, 06755);
	/* setgid without the group's right to execute is something else, and stays */
	c.mode = 06745;
	assert_int_equal(hf_setattr(f->store, ino, &c, NULL, NULL), 0);
	c.mask = HF_SET_KILL_PRIV;
	assert_int_equal(hf_setattr(f->store, ino, &c, NULL, NULL), 0);
	assert_int_equal(attr_of(f, ino).mode & 07777, 02745);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_block_lists),
		cmocka_unit_test_setup_teardown(test_holes, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_truncate, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_copy_range, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_big_directory, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_moves, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_links, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_xattr_past, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(test_kill_priv, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
