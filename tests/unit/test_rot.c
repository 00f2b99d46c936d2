/* SPDX-License-Identifier: MIT */
/*
 * Flipped bits, class by class. The classes are not a list of this test's: they are the rows of the tables of
 * docs/FORMAT.md §2 to §7, held against a real store, and every byte of its log must be in one of them. So a
 * field, a frame type or a file that is new in the format is flipped here too, or fails the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/alarm.h"
#include "holdfast/damage.h"
#include "holdfast/replica.h"
#include "store/format/format.h"
#include "store/os/os.h"
#include "tests/unit/log_helper.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { FILES = 4, ROUNDS = 3, ROWS_MAX = 40, CLASSES_MAX = 400, TABLES = 6, SEGMENT_BYTES = 256 << 10 };

/* --- the document */

struct row {
	unsigned offset, size; /* size 0: the rest */
	char what[80];
};

struct table {
	const char *heading; /* the line that it follows; or that follows a line of its kind */
	unsigned number;     /* of the table under that */
	unsigned bytes;      /* that its rows must cover; 0: open-ended */
	struct row rows[ROWS_MAX];
	size_t n;
};

static struct buf document;

static bool parse_row(const char *line, struct row *ret)
{
	char size[16];
	int at = 0;

	if (sscanf(line, "| %u | %15[^ ] | %n", &ret->offset, size, &at) != 2 || at == 0)
		return false;
	ret->size = isdigit((unsigned char)size[0]) ? (unsigned)atoi(size) : 0;
	(void)snprintf(ret->what, sizeof(ret->what), "%.*s", (int)strcspn(line + at, "|\n"), line + at);
	for (size_t len = strlen(ret->what); len > 0 && ret->what[len - 1] == ' '; len--)
		ret->what[len - 1] = 0;
	return true;
}

static const char *next_line(const char *at)
{
	const char *end = strchr(at, '\n');

	return end ? end + 1 : at + strlen(at);
}

static void read_table(struct table *t)
{
	const char *at = strstr((const char *)document.data, t->heading);
	unsigned table = 0, covered = 0;
	bool in_table = false;

	assert_non_null(at);
	for (at = next_line(at); *at && strncmp(at, "## ", 3) != 0 && strncmp(at, "### ", 4) != 0;
	     at = next_line(at)) {
		struct row row;

		if (strncmp(at, "| offset | size |", 17) == 0) {
			in_table = table++ == t->number;
		} else if (in_table && parse_row(at, &row)) {
			assert_true(t->n < ROWS_MAX);
			assert_int_equal(row.offset, covered); /* no gap in the document */
			covered += row.size;
			t->rows[t->n++] = row;
		}
	}
	if (t->n == 0 || (t->bytes && covered != t->bytes))
		fail_msg("%s: %u bytes of a table that has %u", t->heading, covered, t->bytes);
}

static struct table tables[TABLES] = {
	{ .heading = "## 3. Volume descriptor", .bytes = VOLUME_DESCRIPTOR_BYTES },
	{ .heading = "### 4.3 Key files", .bytes = KEY_FILE_BYTES },
	{ .heading = "### 4.4 Epoch certificate", .bytes = EPOCH_CERT_BYTES },
	{ .heading = "## 5. Segments", .bytes = SEGMENT_HEADER_BYTES },
	{ .heading = "## 6. Frames", .bytes = FRAME_HEADER_BYTES },
	{ .heading = "## 7. Commits and the chain", .bytes = COMMIT_BODY_BYTES },
};
enum { OF_VOLUME, OF_KEY, OF_CERT, OF_SEGMENT, OF_FRAME, OF_COMMIT };

/* Paths in §2's table, one a line. */
static void each_path(void (*fn)(void *arg, const char *path), void *arg)
{
	const char *at = strstr((const char *)document.data, "## 2. A store");

	for (at = next_line(at); strncmp(at, "## ", 3) != 0; at = next_line(at)) {
		const char *end = strstr(at, " | "), *quote = at;

		while (strncmp(at, "| `", 3) == 0 && (quote = strchr(quote, '`')) && quote < end) {
			char path[80];

			(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(quote + 1, "`"), quote + 1);
			fn(arg, path);
			quote = strchr(quote + 1, '`') + 1;
		}
	}
}

static int read_document(void **state)
{
	const char *dir = getenv("HF_SOURCE_DIR");
	CLEANUP(buf_release) struct buf path = BUF_INIT;

	(void)state;
	assert_int_equal(os_read_file(os_posix(), os_join(&path, dir ? dir : ".", "docs/FORMAT.md"), 1 << 20,
				      &document),
			 0);
	(void)buf_cstr(&document);
	for (size_t i = 0; i < TABLES; i++)
		read_table(&tables[i]);
	return 0;
}

static int drop_document(void **state)
{
	(void)state;
	buf_release(&document);
	return 0;
}

/* --- a store of known contents */

struct known {
	struct store_fixture f;
	uint64_t inos[FILES], moments[ROUNDS];
	char crashed[300]; /* a copy of it as a crash would leave it: laid out ahead */
};

static size_t contents(unsigned file, unsigned round, uint8_t *out)
{
	static const size_t sizes[FILES] = { 90000, 700, 9000, 60000 }; /* in pieces, small, compressed */

	fill_random(out, sizes[file], file * 100 + round);
	if (file == 2)
		memset(out + 600, (int)round, sizes[file] - 600);
	return sizes[file];
}

static int setup(void **state)
{
	struct known *k = calloc(1, sizeof(*k));
	uint8_t data[100000];
	char name[16];

	store_fixture_init(&k->f, NULL);
	store_close(&k->f);
	k->f.options.segment_bytes = SEGMENT_BYTES;
	store_open(&k->f, 0);
	for (unsigned i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "file %u", i);
		k->inos[i] = make_file(&k->f, name);
	}
	for (unsigned r = 0; r < ROUNDS; r++) {
		for (unsigned i = 0; i < FILES; i++) {
			put(&k->f, k->inos[i], 0, data, contents(i, r, data));
			commit(&k->f);
		}
		k->moments[r] = head(&k->f);
	}
	assert_int_equal(hf_tag(k->f.store, "kept", k->moments[0], NULL), 0);
	commit(&k->f);
	(void)snprintf(k->crashed, sizeof(k->crashed), "%s/crashed", k->f.dir);
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

/* Each read is right, or (when `damaged` allows it) fails, with words. Returns how many failed. */
static unsigned read_all(struct known *k, const char *class, bool damaged)
{
	uint8_t wanted[100000], got[100000];
	unsigned refused = 0;

	for (unsigned r = 0; r < ROUNDS; r++) {
		const struct hf_view v = { k->f.store, k->moments[r] };

		for (unsigned i = 0; i < FILES; i++) {
			struct hf_error err = HF_ERROR_INIT;
			ssize_t n = hf_view_read(&v, k->inos[i], 0, got, sizeof(got), &err);
			size_t len = contents(i, r, wanted);

			if (damaged && (n == -EUCLEAN || n == -EPROTONOSUPPORT) && err.text[0])
				refused++;
			else if (n != (ssize_t)len || memcmp(got, wanted, len) != 0)
				fail_msg("%s: file %u of round %u is served wrong: %zd %s", class, i, r, n,
					 err.text);
		}
	}
	return refused;
}

static void flip(const char *path, uint64_t at)
{
	flip_byte(path, at, (uint8_t)(1 << at % 8));
}

static void swallow(void *arg, const char *what)
{
	char *words = arg;

	if (!words[0])
		(void)snprintf(words, HF_ERROR_TEXT_BYTES, "%s", what);
}

/*
 * A flip of a byte of this class: check must find it, with words; and whoever opens the store and reads is
 * refused, or gets what is right.
 */
static void flip_class(struct known *k, const char *class, const char *path, uint64_t at)
{
	char words[HF_ERROR_TEXT_BYTES] = "";
	struct hf_error err = HF_ERROR_INIT;
	struct hf_open_options o = k->f.options;
	long faults;
	int r;

	flip(path, at);
	faults = hf_store_check(k->f.path, swallow, words, NULL, NULL, &err);
	if (faults == 0 || (faults < 0 && !err.text[0]) || (faults > 0 && !words[0]))
		fail_msg("%s, offset %llu of %s: check says %ld %s", class, (unsigned long long)at, path,
			 faults, err.text);
	o.flags |= HF_OPEN_READ_ONLY;
	r = hf_store_open(k->f.path, &o, &k->f.store, &err);
	if (r == 0) {
		(void)read_all(k, class, true);
		store_close(&k->f);
	} else if (!err.text[0] || r == -EIO || r == -ENOMEM) {
		fail_msg("%s: opening fails with %d %s", class, r, err.text);
	}
	flip(path, at);
}

/* --- every byte of a log has a class */

struct classes {
	char (*names)[120];
	size_t n;
};

static bool is_new(struct classes *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->names[i], name) == 0)
			return false;
	assert_true(c->n < CLASSES_MAX);
	(void)snprintf(c->names[c->n++], sizeof(*c->names), "%s", name);
	return true;
}

static void flip_rows(struct known *k, struct classes *c, const struct table *t, const char *of,
		      const char *path, uint64_t begin)
{
	char name[120];

	for (size_t i = 0; i < t->n; i++) {
		const struct row *row = &t->rows[i];

		if (row->size == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s: %.60s", of, row->what);
		if (!is_new(c, name))
			continue;
		flip_class(k, name, path, begin + row->offset);
		flip_class(k, name, path, begin + row->offset + row->size - 1);
	}
}

static const char *type_name(uint8_t type, uint8_t flags)
{
	switch ((enum frame_type)type) {
	case FRAME_DATA:
		return flags & FRAME_IN_PIECES  ? "data frame in pieces" :
		       flags & FRAME_COMPRESSED ? "compressed data frame" :
						  "data frame";
	case FRAME_META:
		return flags & FRAME_COMPRESSED ? "compressed metadata frame" : "metadata frame";
	case FRAME_COMMIT:
		return "commit frame";
	case FRAME_TABLE:
		return "table frame";
	case FRAME_PRUNED: /* tests/unit/test_mend.c has some: no store that writes does */
		break;
	}
	fail_msg("a frame of type %u: it has no class here", type);
	return NULL;
}

static void flip_body(struct known *k, struct classes *c, const char *of, const char *path, uint64_t begin,
		      uint32_t len)
{
	static const char *const parts[] = { "first byte", "middle", "last byte of the tag" };
	const uint64_t at[] = { begin, begin + len / 2, begin + len - 1 };
	char name[120];

	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(name, sizeof(name), "%s, body: %s", of, parts[i]);
		if (is_new(c, name))
			flip_class(k, name, path, at[i]);
	}
}

static void flip_segment(struct known *k, struct classes *c, const char *path, bool is_last)
{
	CLEANUP(buf_release) struct buf b = BUF_INIT;
	size_t at = SEGMENT_HEADER_BYTES;

	assert_int_equal(os_read_file(os_posix(), path, SEGMENT_BYTES_MAX, &b), 0);
	flip_rows(k, c, &tables[OF_SEGMENT], "segment header", path, 0);
	flip_rows(k, c, &tables[OF_CERT], "certificate in a segment header", path, 96);
	while (at < b.len) {
		struct frame_header h;
		const char *of;
		char name[60];

		assert_int_equal(frame_header_decode(b.data + at, &h, NULL),
				 0); /* every byte is in a frame */
		of = type_name(h.type, h.flags);
		if (is_last &&
		    at + FRAME_HEADER_BYTES + h.body_len == b.len) /* the log's last commit: see below */
			break;
		(void)snprintf(name, sizeof(name), "%s, header", of);
		flip_rows(k, c, &tables[OF_FRAME], name, path, at);
		if (h.type == FRAME_COMMIT)
			flip_rows(k, c, &tables[OF_COMMIT], "commit", path, at + FRAME_HEADER_BYTES);
		else
			flip_body(k, c, of, path, at + FRAME_HEADER_BYTES, h.body_len);
		at += FRAME_HEADER_BYTES + h.body_len;
	}
}

static void test_every_class_of_the_log(void **state)
{
	struct known *k = *state;
	struct classes c = { calloc(CLASSES_MAX, 120), 0 };
	unsigned segments = 0;
	char path[400], next[400];
	struct stat st;

	do {
		segments++;
		(void)snprintf(path, sizeof(path), "%s/log/%010u.seg", k->f.path, segments);
		(void)snprintf(next, sizeof(next), "%s/log/%010u.seg", k->f.path, segments + 1);
		flip_segment(k, &c, path, stat(next, &st) != 0);
	} while (stat(next, &st) == 0);
	print_message("# %zu classes in %u segments\n", c.n, segments);
	assert_true(segments >= 2);
	/* Each type of frame was there, or the classes are not all. */
	assert_false(is_new(&c, "data frame, body: middle") &&
		     is_new(&c, "data frame in pieces, body: middle"));
	assert_false(is_new(&c, "data frame in pieces, body: first byte"));
	assert_false(is_new(&c, "compressed data frame, body: first byte"));
	assert_false(is_new(&c, "table frame, body: first byte"));
	assert_false(is_new(&c, "commit: signature"));
	free(c.names);
	assert_int_equal(store_faults(&k->f),
			 0); /* all were turned back, and nothing was changed by looking */
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, "after all", false), 0);
}

/*
 * The last commit of all: nothing behind it says that it was there, but the index, which knows how far the
 * log was. It is not cut off as if it had been torn.
 */
static void test_the_last_commit(void **state)
{
	struct known *k = *state;
	struct stat st;
	char path[400];
	unsigned last = 1;

	for (;; last++) {
		(void)snprintf(path, sizeof(path), "%s/log/%010u.seg", k->f.path, last + 1);
		if (stat(path, &st) != 0)
			break;
	}
	(void)snprintf(path, sizeof(path), "%s/log/%010u.seg", k->f.path, last);
	assert_int_equal(stat(path, &st), 0);
	for (off_t back = 1; back <= COMMIT_FRAME_BYTES; back += 25) {
		flip(path, (uint64_t)(st.st_size - back));
		assert_int_equal(store_faults(&k->f), 1);
		store_open_fails(&k->f, 0, -EUCLEAN, "holdfast check");
		flip(path, (uint64_t)(st.st_size - back));
	}
	assert_int_equal(store_faults(&k->f), 0);
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, "the last commit", false), 0);
}

/* --- what is laid out ahead is no part of the log: flipped, nothing is lost and nothing wrong */

static void test_laid_out_space(void **state)
{
	struct known *k = *state;
	char path[600], command[1300], own[256];
	struct stat st;
	uint8_t byte;
	int fd;

	store_open(&k->f, 0);
	put_text(&k->f, k->inos[1], 0, "so that something is laid out");
	commit(&k->f);
	(void)snprintf(command, sizeof(command), "cp -r '%s' '%s'", k->f.path, k->crashed);
	assert_int_equal(system(command), 0);
	store_close(&k->f);
	memcpy(own, k->f.path, sizeof(own));
	(void)snprintf(k->f.path, sizeof(k->f.path), "%.200s", k->crashed);
	for (unsigned segment = 9; segment > 0; segment--) {
		(void)snprintf(path, sizeof(path), "%s/log/%010u.seg", k->crashed, segment);
		if (stat(path, &st) == 0)
			break;
	}
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && st.st_size > 0);
	assert_int_equal(pread(fd, &byte, 1, st.st_size - 1), 1);
	assert_int_equal(byte, 0); /* it is laid out */
	(void)close(fd);
	flip(path, (uint64_t)st.st_size - 1);
	flip(path, (uint64_t)st.st_size - 4096);
	assert_int_equal(store_faults(&k->f), 0);
	store_open(&k->f, 0);
	(void)read_all(k, "laid out", false);
	store_close(&k->f);
	assert_int_equal(store_faults(&k->f), 0);
	memcpy(k->f.path, own, sizeof(own));
}

/* --- the files beside the log */

static const struct {
	const char *path; /* as in FORMAT.md §2 */
	const char *why;  /* it is not flipped below; NULL: it is */
} files[] = {
	{ "volume", NULL },
	{ "keys/volume.key", NULL },
	{ "keys/writer.key", NULL },
	{ "keys/writer.next", "only while an epoch is begun: of the form of writer.key" },
	{ "log/NNNNNNNNNN.seg", "above" },
	{ "index/", "test_index" },
	{ "replicas/NAME.json", NULL },
	{ "replicas/NAME.receipt", "derived: what cannot be read is asked for again" },
	{ "replicas/NAME.regressed", "a note for a person: what cannot be read is one all the same" },
	{ "replicas/NAME.about", "derived: what cannot be read is told again" },
	{ "replicas/NAME.probed", "a reminder: what cannot be read reminds" },
	{ "replicas/NAME.credentials", "text that a person may change" },
	{ "prunes/NNNNNN.list", "signed: a damaged one grants nothing (test_prune_file)" },
	{ "lock", "its text is for a person" },
	{ "socket", "no file" },
	{ "kit-check.json", "a reminder: what cannot be read reminds" },
	{ "head-given.json", "likewise" },
	{ "alarm-test.json", "likewise" },
	{ "drills", "a report of what was rehearsed, and no part of what is kept (test_drill)" },
	{ "alarms/NNNNNN.json", "a damaged one is an open alarm of kind damaged (test_alarms)" },
	{ "alarms/NNNNNN.ack", "likewise: then it is not acknowledged" },
	{ "alarms.json", NULL },
	{ "verified.json", "derived" },
	{ "damaged/", "evidence: it is damaged" },
};

static void know_path(void *arg, const char *path)
{
	size_t *known = arg;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (strcmp(files[i].path, path) == 0) {
			++*known;
			return;
		}
	}
	fail_msg("FORMAT.md §2 has %s, which this test does not know", path);
}

static void test_every_file_is_known(void **state)
{
	size_t known = 0;

	(void)state;
	each_path(know_path, &known);
	assert_int_equal(known, sizeof(files) / sizeof(files[0]));
}

static void test_small_files(void **state)
{
	struct known *k = *state;
	struct classes c = { calloc(CLASSES_MAX, 120), 0 };
	char path[400];
	const char *hook = "hook=/bin/true";

	(void)snprintf(path, sizeof(path), "%s/volume", k->f.path);
	flip_rows(k, &c, &tables[OF_VOLUME], "volume descriptor", path, 0);
	(void)snprintf(path, sizeof(path), "%s/keys/volume.key", k->f.path);
	flip_rows(k, &c, &tables[OF_KEY], "volume key", path, 0);
	(void)snprintf(path, sizeof(path), "%s/keys/writer.key", k->f.path);
	flip_rows(k, &c, &tables[OF_KEY], "writer key", path, 0);
	free(c.names);

	/* Text: a letter that is another one cannot be told, but what is no JSON any more is. */
	(void)snprintf(path, sizeof(path), "%s/replica", k->f.dir);
	assert_int_equal(hf_replica_add(k->f.path, path, "there", NULL), 0);
	assert_int_equal(hf_alarm_set(k->f.path, &hook, 1, NULL), 0);
	assert_int_equal(store_faults(&k->f), 0);
	(void)snprintf(path, sizeof(path), "%s/replicas/there.json", k->f.path);
	flip_byte(path, 0, 1);
	assert_int_equal(store_faults(&k->f), 1);
	flip_byte(path, 0, 1);
	(void)snprintf(path, sizeof(path), "%s/alarms.json", k->f.path);
	flip_byte(path, 0, 1);
	assert_int_equal(store_faults(&k->f), 1);
	flip_byte(path, 0, 1);
	assert_int_equal(store_faults(&k->f), 0);
}

/* --- the index: found when it is read or checked; it is derived, and nothing is lost with it */

static void test_index(void **state)
{
	struct known *k = *state;
	char dir[400];
	struct hf_repair did;
	const struct hf_repair_options o = { .repair = true };
	struct hf_error err = HF_ERROR_INIT;

	(void)snprintf(dir, sizeof(dir), "%s/index", k->f.path);
	assert_true(scratch_harm(dir, ".sst", SCRATCH_FLIP) > 0);
	assert_true(store_faults(&k->f) > 0);
	if (hf_store_repair(k->f.path, &o, &did, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(did.found > 0);
	assert_int_equal(did.faults, 0);
	store_open(&k->f, 0);
	assert_int_equal(read_all(k, "index", false), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_file_is_known),
		cmocka_unit_test_setup_teardown(test_every_class_of_the_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_last_commit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_laid_out_space, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_index, setup, teardown),
	};

	return cmocka_run_group_tests(tests, read_document, drop_document);
}
