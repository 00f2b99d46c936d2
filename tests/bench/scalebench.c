/* SPDX-License-Identifier: MIT */
/*
 * What `make bench-scale` does through the library, without FUSE, because it is done millions of times:
 *
 *	scalebench WORK STORE COUNT [CACHE_MIB]
 *
 * prints what it took as one JSON object. docs/BENCHMARKS.md says what each work is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "holdfast/kit.h"
#include "holdfast/moment.h"
#include "holdfast/op.h"
#include "holdfast/store.h"
#include "holdfast/view.h"

enum {
	MIB = 1 << 20,
	PAGE_BYTES = 4096,
	SMALL_BYTES = 1024,
	SAVED_BYTES = 112, /* what a small write changes */
	FOLDERS = 100,
	FILES_A_FOLDER = 1000,
	KEPT_FILES = 2000,
	KEPT_BYTES = 8192,
	BIG_BYTES = 64 << 20,
	BIG_PAGES = 500, /* of the big file, written over each time */
	DEPTHS = 10,     /* times that what is kept is written over, evenly over the work */
	BUSY_WAIT_MS = 20000,
};

static struct hf_error err = HF_ERROR_INIT;
static const struct hf_cred cred = { 0, 0 };
static struct hf_store *store;
static uint64_t seed = 88172645463325252u;
static uint64_t written_bytes, calls;
static uint8_t page[MIB + PAGE_BYTES];

static void check(int64_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "scalebench: %s: %s\n", what, err.code ? err.text : hf_strerror((int)result));
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* xorshift64*: the same in every run. */
static uint64_t next_random(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545F4914F6CDD1Du;
}

/* Bytes of which a half compresses away, as those of most files do. */
static void fill(size_t len)
{
	for (size_t at = 0; at + 16 <= len; at += 16) {
		uint64_t v = next_random();

		memcpy(page + at, &v, 8);
		memset(page + at + 8, 0, 8);
	}
}

static uint64_t make(uint64_t parent, const char *name, uint32_t mode)
{
	struct hf_attr attr;

	calls++;
	check(hf_create(store, parent, name, mode, 022, 0, NULL, &cred, &attr, &err), name);
	return attr.ino;
}

/* The folder of this name below the root, made if it is not there. */
static uint64_t folder(const char *name)
{
	const struct hf_view view = { store, HF_TID_HEAD };
	struct hf_attr attr;

	if (hf_view_lookup(&view, HF_ROOT_INO, name, &attr, &err) == 0)
		return attr.ino;
	return make(HF_ROOT_INO, name, S_IFDIR | 0755);
}

static void put(uint64_t ino, uint64_t offset, size_t len)
{
	calls++;
	check(hf_write(store, ino, offset, page, len, 0, &err), "write");
	written_bytes += len;
}

/* --- mixed: what a working volume sees */

struct member {
	uint64_t ino, folder;
	char name[32];
};

struct population {
	uint64_t folders[FOLDERS];
	struct member files[FOLDERS * FILES_A_FOLDER];
	uint64_t kept[KEPT_FILES], big;
	uint64_t serial;
};

static void kept_write(struct population *p)
{
	for (size_t i = 0; i < KEPT_FILES; i++) {
		fill(KEPT_BYTES);
		put(p->kept[i], 0, KEPT_BYTES);
	}
	for (size_t i = 0; i < BIG_PAGES; i++) {
		fill(PAGE_BYTES);
		put(p->big, next_random() % (BIG_BYTES / PAGE_BYTES) * PAGE_BYTES, PAGE_BYTES);
	}
}

static void population_file(struct population *p, struct member *m)
{
	m->folder = p->folders[next_random() % FOLDERS];
	snprintf(m->name, sizeof(m->name), "file-%" PRIu64, p->serial++);
	m->ino = make(m->folder, m->name, S_IFREG | 0644);
	fill(SMALL_BYTES);
	put(m->ino, 0, SMALL_BYTES);
}

static void population_make(struct population *p, size_t n_files)
{
	uint64_t top = folder("work"), kept = folder("kept");
	char name[32];

	for (size_t i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "%02zu", i);
		p->folders[i] = make(top, name, S_IFDIR | 0755);
	}
	for (size_t i = 0; i < KEPT_FILES; i++) {
		snprintf(name, sizeof(name), "kept-%04zu", i);
		p->kept[i] = make(kept, name, S_IFREG | 0644);
	}
	p->big = make(kept, "big", S_IFREG | 0644);
	for (uint64_t at = 0; at < BIG_BYTES; at += MIB) {
		fill(MIB);
		put(p->big, at, MIB);
	}
	for (size_t i = 0; i < n_files; i++)
		population_file(p, &p->files[i]);
}

static void mixed_step(struct population *p, size_t n_files)
{
	struct member *m = &p->files[next_random() % n_files];
	struct hf_setattr change = { .mask = HF_SET_MODE };
	unsigned dice = (unsigned)(next_random() % 100);

	if (dice < 15) { /* a page is written over */
		fill(PAGE_BYTES);
		put(m->ino, next_random() % 4 * PAGE_BYTES, PAGE_BYTES);
	} else if (dice < 60) { /* a few bytes are */
		fill(SAVED_BYTES);
		put(m->ino, next_random() % SMALL_BYTES, SAVED_BYTES);
	} else if (dice < 75) { /* saved by an editor: anew, and renamed over */
		struct member fresh;

		population_file(p, &fresh);
		calls++;
		check(hf_rename(store, fresh.folder, fresh.name, m->folder, m->name, 0, &err), "rename");
		m->ino = fresh.ino;
	} else if (dice < 90) { /* removed, and another made */
		calls++;
		check(hf_unlink(store, m->folder, m->name, NULL, &err), "unlink");
		population_file(p, m);
	} else {
		change.mode = dice % 2 ? 0644 : 0600;
		calls++;
		check(hf_setattr(store, m->ino, &change, NULL, &err), "setattr");
	}
}

static uint64_t head_tid(void)
{
	struct hf_status status;

	hf_store_status(store, &status);
	return status.head_tid;
}

static void mixed(uint64_t count)
{
	struct population *p = calloc(1, sizeof(*p));
	size_t n_files = count / 4 < FOLDERS * FILES_A_FOLDER ? count / 4 : FOLDERS * FILES_A_FOLDER;
	uint64_t start = head_tid();
	char tag[40];

	check(p && n_files ? 0 : -ENOMEM, "mixed");
	population_make(p, n_files);
	for (uint64_t depth = 0; depth < DEPTHS; depth++) {
		uint64_t until = start + count * (depth + 1) / DEPTHS;

		kept_write(p);
		snprintf(tag, sizeof(tag), "depth-%" PRIu64, DEPTHS - depth);
		check(hf_tag(store, tag, HF_TID_HEAD, &err), tag);
		for (uint64_t i = 0; (i % 64 || head_tid() < until); i++)
			mixed_step(p, n_files);
	}
	free(p);
}

/* --- many of one kind */

static void entries(uint64_t count)
{
	uint64_t dir = folder("entries");
	char name[32];

	for (uint64_t i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "entry-%07" PRIu64, i);
		(void)make(dir, name, S_IFREG | 0644);
	}
}

static void files(uint64_t count)
{
	uint64_t top = folder("files"), dir = 0;
	char name[32];

	for (uint64_t i = 0; i < count; i++) {
		if (i % FILES_A_FOLDER == 0) {
			snprintf(name, sizeof(name), "%04" PRIu64, i / FILES_A_FOLDER);
			dir = make(top, name, S_IFDIR | 0755);
		}
		snprintf(name, sizeof(name), "file-%07" PRIu64, i);
		fill(128);
		put(make(dir, name, S_IFREG | 0644), 0, 128);
	}
}

static void overwrite(uint64_t count)
{
	uint64_t ino = make(HF_ROOT_INO, "overwritten", S_IFREG | 0644);
	char tag[40];

	for (uint64_t i = 0; i < count; i++) {
		fill(PAGE_BYTES);
		put(ino, next_random() % 16 * PAGE_BYTES, PAGE_BYTES);
		if (i % (count / 10 ? count / 10 : 1) == 0) {
			snprintf(tag, sizeof(tag), "overwrite-%" PRIu64, i / (count / 10 ? count / 10 : 1));
			check(hf_tag(store, tag, HF_TID_HEAD, &err), tag);
		}
	}
}

/* `count` MiB that do not compress, in files of 256 MiB. */
static void data(uint64_t count)
{
	uint64_t ino = 0;
	char name[32];

	for (uint64_t i = 0; i < count; i++) {
		if (i % 256 == 0) {
			snprintf(name, sizeof(name), "data-%" PRIu64, i / 256);
			ino = make(HF_ROOT_INO, name, S_IFREG | 0644);
		}
		for (size_t at = 0; at < MIB; at += 8) {
			uint64_t v = next_random();

			memcpy(page + at, &v, 8);
		}
		put(ino, i % 256 * MIB, MIB);
	}
}

static void nothing(uint64_t count)
{
	(void)count;
}

/* --- */

static const struct work {
	const char *name;
	void (*run)(uint64_t count);
	unsigned flags;
} works[] = {
	{ "mixed", mixed, 0 },
	{ "entries", entries, 0 },
	{ "files", files, 0 },
	{ "data", data, 0 },
	{ "overwrite", overwrite, 0 },
	{ "open", nothing, 0 },
	{ "rebuild", nothing, HF_OPEN_REBUILD },
};

/* The number behind a word at the beginning of a line. */
static uint64_t proc_number(const char *path, const char *word)
{
	char line[256];
	uint64_t number = 0;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, word, strlen(word)) == 0)
			number = strtoull(line + strlen(word), NULL, 10);
	if (f)
		(void)fclose(f);
	return number;
}

static uint64_t peak_kib(void)
{
	return proc_number("/proc/self/status", "VmHWM:");
}

/* What this process has given to the disk. */
static uint64_t disk_bytes(void)
{
	return proc_number("/proc/self/io", "write_bytes:");
}

static void measure(const struct work *w, const char *path, uint64_t count, uint64_t cache_bytes)
{
	struct hf_open_options o = { .flags = w->flags,
				     .cache_bytes = cache_bytes,
				     .busy_wait_ms = BUSY_WAIT_MS };
	struct hf_status before, after;
	double start = now(), opened, done;

	check(hf_store_open(path, &o, &store, &err), path);
	opened = now();
	hf_store_status(store, &before);
	w->run(count);
	check(hf_store_commit(store, &err), "commit");
	done = now();
	hf_store_status(store, &after);
	printf("{\"open_seconds\": %.3f, \"seconds\": %.3f, \"operations\": %" PRIu64
	       ", \"head_tid\": %" PRIu64 ", \"log_bytes\": %" PRIu64 ", \"log_total_bytes\": %" PRIu64
	       ", \"index_bytes\": %" PRIu64 ", \"written_bytes\": %" PRIu64,
	       opened - start, done - opened, calls, after.head_tid, after.log_bytes - before.log_bytes,
	       after.log_bytes, after.index_bytes, written_bytes);
	check(hf_store_close(store, &err), "close");
	printf(", \"close_seconds\": %.3f, \"peak_bytes\": %" PRIu64 ", \"disk_bytes\": %" PRIu64 "}\n",
	       now() - done, peak_kib() * 1024, disk_bytes());
}

int main(int argc, char **argv)
{
	uint64_t count = argc >= 4 ? strtoull(argv[3], NULL, 10) : 0;
	uint64_t cache_mib = argc >= 5 ? strtoull(argv[4], NULL, 10) : 0;

	for (size_t i = 0; argc >= 4 && i < sizeof(works) / sizeof(*works); i++) {
		if (strcmp(argv[1], works[i].name) == 0) {
			measure(&works[i], argv[2], count, cache_mib * MIB);
			return 0;
		}
	}
	fprintf(stderr, "usage: scalebench WORK STORE COUNT [CACHE_MIB]\n");
	return 2;
}
