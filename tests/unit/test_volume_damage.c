/* SPDX-License-Identifier: MIT */
/* Stores that were harmed: the index is made anew, everything else is refused or found, and nothing is ever
 * served wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/crypto/crypto.h"
#include "store/format/format.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { FILES = 6, ROUNDS = 5, FILE_BYTES = 40000, FLIPS = 30, FLIPS_LONG = 400 };

/* A store of known contents: file k at moment r holds what contents(k, r) says. Closed. */
struct known {
	struct store_fixture f;
	uint64_t inos[FILES], moments[ROUNDS];
};

static void contents(unsigned file, unsigned round, uint8_t *out)
{
	fill_random(out, FILE_BYTES, file * 1000 + round);
	memset(out + FILE_BYTES / 2, (int)round, FILE_BYTES / 4); /* some of it compresses */
}

static int setup(void **state)
{
	struct known *k = calloc(1, sizeof(*k));
	uint8_t data[FILE_BYTES];
	char name[16];

	store_fixture_init(&k->f, NULL);
	store_close(&k->f);
	k->f.options.segment_bytes = 256 << 10;
	store_open(&k->f, 0);
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file %u", i);
		k->inos[i] = make_file(&k->f, name);
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < FILES; i++) {
			contents(i, r, data);
			put(&k->f, k->inos[i], 0, data, sizeof(data));
			if (i % 2)
				commit(&k->f);
		}
		k->moments[r] = head(&k->f);
	}
	store_close(&k->f);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	struct known *k = *state;

	store_fixture_release(&k->f);
	free(k);
	return 0;
}

/* Read everything: each read is right, or (when `damaged` allows it) says that it is not. Returns how many
 * said so. */
static unsigned read_all(struct known *k, bool damaged)
{
	uint8_t wanted[FILE_BYTES], got[FILE_BYTES];
	unsigned refused = 0;

	for (unsigned r = 0; r <= ROUNDS; r++) {
		const struct hf_view v = { k->f.store, r == ROUNDS ? HF_TID_HEAD : k->moments[r] };

		for (unsigned i = 0; i < FILES; i++) {
			struct hf_error err = HF_ERROR_INIT;
			ssize_t n = hf_view_read(&v, k->inos[i], 0, got, sizeof(got), &err);

			contents(i, r == ROUNDS ? ROUNDS - 1 : r, wanted);
			if (damaged && (n == -EUCLEAN || n == -EPROTONOSUPPORT) && err.text[0])
				refused++;
			else if (n != FILE_BYTES || memcmp(got, wanted, FILE_BYTES) != 0)
				fail_msg("file %u of round %u: %zd %s", i, r, n,
					 n < 0 ? err.text : "and the wrong bytes");
		}
	}
	return refused;
}

static void file_path(struct known *k, const char *name, char out[512])
{
	snprintf(out, 512, "%s/%s", k->f.path, name);
}

/* --- the index is derived */

static void test_index_gone(void **state)
{
	static const char *const names[] = { "IDENTITY", ".sst", "MANIFEST", "CURRENT", "LOCK" };
	const enum scratch_harm harms[] = { SCRATCH_REMOVE, SCRATCH_GARBAGE, SCRATCH_TRUNCATE, SCRATCH_FLIP };
	struct known *k = *state;
	char index[512];

	file_path(k, "index", index);
	for (unsigned n = 0; n < 5; n++) {
		for (unsigned h = 0; h < 4; h++) {
			struct hf_error err = HF_ERROR_INIT;
			int r;

			assert_true(scratch_harm(index, names[n], harms[h]) > 0);
			r = hf_store_open(k->f.path, &k->f.options, &k->f.store, &err);
			if (r < 0)
				fail_msg("with harm %u to \"%s\" in the index the store does not open: %d %s",
					 h, names[n], r, err.text);
			if (read_all(k, true) >
			    0) { /* damage in the midst of a table is met when it is read */
				store_close(&k->f);
				store_open(&k->f, 0); /* and then it is known */
			}
			assert_int_equal(read_all(k, false), 0);
			store_close(&k->f);
		}
	}
	{
		char *whole = strdup(index);

		scratch_remove(&whole); /* the folder, too */
	}
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, false), 0);
	store_close(&k->f);
	assert_int_equal(store_faults(&k->f), 0);
}

/* --- flipped bits in the log */

static off_t log_bytes(struct known *k, unsigned segment, char path[512])
{
	struct stat st;

	snprintf(path, 512, "%s/log/%010u.seg", k->f.path, segment);
	return stat(path, &st) == 0 ? st.st_size : 0;
}

static void flip(const char *path, off_t at, uint8_t mask)
{
	int fd = open(path, O_RDWR);
	uint8_t byte = 0;

	assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
	byte ^= mask;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_flips(void **state)
{
	const char *text = getenv("HOLDFAST_TEST_LONG");
	const unsigned flips = text && *text == '1' ? FLIPS_LONG : FLIPS;
	unsigned refused = 0, served = 0;
	struct known *k = *state;
	unsigned segments = 1;
	char path[512];

	while (log_bytes(k, segments + 1, path) > 0)
		segments++;
	assert_true(segments >= 4);
	srand((unsigned)scratch_seed());
	for (unsigned n = 0; n < flips; n++) {
		const unsigned segment = 1 + (unsigned)rand() % segments;
		const off_t size = log_bytes(k, segment, path), at = n % 5 ? rand() % size : rand() % 400;
		const uint8_t mask = (uint8_t)(1 << rand() % 8);
		struct hf_open_options o = k->f.options;
		struct hf_error err = HF_ERROR_INIT;
		int r;

		flip(path, at, mask);
		if (store_faults(&k->f) <= 0)
			fail_msg("check does not find the flip of %02x at %ld of segment %u", mask, (long)at,
				 segment);
		o.flags |= n < flips / 2 ?
				   0 :
				   HF_OPEN_REBUILD; /* first with an index that knows where the log was */
		r = hf_store_open(k->f.path, &o, &k->f.store, &err);
		if (r == 0) {
			served++;
			(void)read_all(k, true);
			(void)hf_store_close(k->f.store, NULL);
			k->f.store = NULL;
		} else if (r != -EUCLEAN && r != -EKEYREJECTED && r != -EPROTONOSUPPORT) {
			fail_msg("a flip of %02x at %ld of segment %u: opening fails with %d %s", mask,
				 (long)at, segment, r, err.text);
		} else {
			refused++;
			if (!strstr(err.text, "segment") && !strstr(err.text, ".seg"))
				fail_msg("the words do not say where: %s", err.text);
		}
		flip(path, at, mask);
	}
	print_message("# %u flips: %u refused when opening, %u by reads\n", flips, refused, served);
	assert_true(refused > 0);
	assert_int_equal(store_faults(&k->f), 0);
	store_open(&k->f, HF_OPEN_REBUILD); /* all flips undone, nothing was lost by the attempts */
	assert_int_equal(read_all(k, false), 0);
}

static void test_segment_gone(void **state)
{
	struct known *k = *state;
	char path[512], away[520];

	for (unsigned segment = 1; segment < 4; segment++) {
		assert_true(log_bytes(k, segment, path) > 0);
		snprintf(away, sizeof(away), "%s.away", path);
		assert_int_equal(rename(path, away), 0);
		store_open_fails(&k->f, HF_OPEN_REBUILD, -EUCLEAN, "is missing");
		assert_true(store_faults(&k->f) != 0);
		assert_int_equal(rename(away, path), 0);
	}
	store_open(&k->f, HF_OPEN_REBUILD);
	assert_int_equal(read_all(k, false), 0);
}

/* A segment of another volume in the place of one. */
static void test_foreign_segment(void **state)
{
	struct known *k = *state, *other;
	char path[512], theirs[512], away[520];
	void *other_state;

	setup(&other_state);
	other = other_state;
	assert_true(log_bytes(k, 2, path) > 0 && log_bytes(other, 2, theirs) > 0);
	snprintf(away, sizeof(away), "%s.away", path);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(rename(theirs, path), 0);
	store_open_fails(&k->f, HF_OPEN_REBUILD, -EKEYREJECTED, "segment 2 is of another volume");
	assert_true(store_faults(&k->f) > 0);
	assert_int_equal(rename(away, path), 0);
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, false), 0);
	teardown(&other_state);
}

/* --- keys */

static void copy_file(const char *from, const char *to)
{
	char command[1100];

	snprintf(command, sizeof(command), "cp '%s' '%s'", from, to);
	assert_int_equal(system(command), 0);
}

static void test_keys(void **state)
{
	static const char *const names[] = { "keys/volume.key", "keys/writer.key" };
	struct known *k = *state;
	struct store_fixture other;
	char mine[512], theirs[512], kept[520];

	store_fixture_init(&other, NULL);
	store_close(&other);
	for (unsigned n = 0; n < 2; n++) {
		file_path(k, names[n], mine);
		snprintf(theirs, sizeof(theirs), "%s/%s", other.path, names[n]);
		snprintf(kept, sizeof(kept), "%s.kept", mine);
		copy_file(mine, kept);
		copy_file(theirs, mine);
		store_open_fails(&k->f, 0, -EKEYREJECTED, names[n]);
		copy_file(kept, mine);
		for (off_t at = 0; at < KEY_FILE_BYTES; at += 9) {
			struct hf_error err = HF_ERROR_INIT;
			int r;

			flip(mine, at, 1);
			r = hf_store_open(k->f.path, &k->f.options, &k->f.store, &err);
			assert_true(r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT);
			assert_non_null(strstr(err.text, names[n]));
			flip(mine, at, 1);
		}
		assert_int_equal(unlink(mine), 0);
		if (n == 1) {
			store_open_fails(&k->f, 0, -EKEYREJECTED, names[n]);
			store_open(&k->f, HF_OPEN_READ_ONLY); /* reading needs no key to write with */
			assert_int_equal(read_all(k, false), 0);
			store_close(&k->f);
		} else {
			store_open_fails(&k->f, 0, -ENOENT, names[n]);
		}
		copy_file(kept, mine);
	}
	store_open(&k->f, 0);
	store_fixture_release(&other);
}

/* The right volume's key file with a writer key that no certificate names. */
static void test_wrong_writer(void **state)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct known *k = *state;
	struct key_file key;
	uint8_t bytes[KEY_FILE_BYTES];
	char path[512];
	int fd;

	file_path(k, "keys/writer.key", path);
	fd = open(path, O_RDWR);
	assert_int_equal(read(fd, bytes, sizeof(bytes)), KEY_FILE_BYTES);
	assert_int_equal(key_file_decode(KEY_FILE_WRITER, bytes, sizeof(bytes), &key, NULL), 0);
	key.secret[5] ^= 4;
	key_file_encode(KEY_FILE_WRITER, &key, &raw);
	assert_int_equal(pwrite(fd, raw.data, raw.len, 0), KEY_FILE_BYTES);
	store_open_fails(&k->f, 0, -EKEYREJECTED, "");
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), KEY_FILE_BYTES);
	close(fd);
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, false), 0);
}

/* --- versions to come */

/* Put another version in its place, and make the sum behind it right again. */
static void make_newer(const char *path, off_t version_at, size_t covered, uint8_t version)
{
	uint8_t raw[512];
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0 && pread(fd, raw, covered, 0) == (ssize_t)covered);
	raw[version_at] = version;
	hash_one(NULL, raw, covered, raw + covered, SHORT_HASH_BYTES);
	assert_int_equal(pwrite(fd, raw, covered + SHORT_HASH_BYTES, 0), covered + SHORT_HASH_BYTES);
	close(fd);
}

static void test_unknown_versions(void **state)
{
	static const struct {
		const char *name;
		off_t at;
		size_t covered;
		uint8_t version;
		const char *words;
	} files[] = { { "volume", 8, 80, 2, "version 2" },
		      { "keys/volume.key", 8, 64, 3, "version 3" }, /* 2 is a wrapped one */
		      { "keys/writer.key", 8, 64, 3, "version 3" },
		      { "log/0000000001.seg", 8, 304, 2, "version 2" } };
	struct known *k = *state;
	char path[512], kept[520];

	for (unsigned n = 0; n < 4; n++) {
		file_path(k, files[n].name, path);
		snprintf(kept, sizeof(kept), "%s.kept", path);
		copy_file(path, kept);
		make_newer(path, files[n].at, files[n].covered, files[n].version);
		store_open_fails(&k->f, HF_OPEN_REBUILD, -EPROTONOSUPPORT, files[n].words);
		copy_file(kept, path);
		assert_int_equal(unlink(kept), 0);
	}
	/* a type of frame that this build does not know */
	assert_true(log_bytes(k, 1, path) > 0);
	flip(path, 320 + 4, 8);
	store_open_fails(&k->f, HF_OPEN_REBUILD, -EUCLEAN, "type 0x9, which this build does not know");
	flip(path, 320 + 4, 8);
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_index_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_segment_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_writer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_versions, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
