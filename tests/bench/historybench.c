/* SPDX-License-Identifier: MIT */
/*
 * What questions about the past cost on a volume that `scalebench mixed` has made (docs/BENCHMARKS.md,
 *"Growth"):
 *
 *	historybench STORE FILES ROUNDS
 *
 * makes ten trees of a tenth of FILES each beside what is there, changes 100 files of the first, asks each
 *question ROUNDS times (one that takes minutes: once) and prints the median as one JSON object.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "holdfast/history.h"
#include "holdfast/moment.h"
#include "holdfast/op.h"

enum {
	TREES = 10,
	FILES_A_FOLDER = 1000,
	CHANGED = 100,
	NEAR_OPS = 1000,
	ROUNDS_MAX = 99,
	BUSY_WAIT_MS = 20000
};

static struct hf_error err = HF_ERROR_INIT;
static struct hf_store *store;

static void check(int64_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "historybench: %s: %s\n", what, err.code ? err.text : hf_strerror((int)result));
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t committed(void)
{
	struct hf_status status;

	check(hf_store_commit(store, &err), "commit");
	hf_store_status(store, &status);
	return status.committed_tid;
}

static uint64_t make(uint64_t parent, const char *name, uint32_t mode)
{
	const struct hf_cred cred = { 0, 0 };
	struct hf_attr attr;

	check(hf_create(store, parent, name, mode, 022, 0, NULL, &cred, &attr, &err), name);
	return attr.ino;
}

/* A tree of n files; their inodes. */
static uint64_t *plant(uint64_t top, const char *called, uint64_t n)
{
	uint64_t *inos = calloc(n, sizeof(*inos)), root, dir = 0;
	char name[32];

	check(inos ? 0 : -ENOMEM, "memory");
	root = make(top, called, S_IFDIR | 0755);
	for (uint64_t i = 0; i < n; i++) {
		if (i % FILES_A_FOLDER == 0) {
			snprintf(name, sizeof(name), "%04" PRIu64, i / FILES_A_FOLDER);
			dir = make(root, name, S_IFDIR | 0755);
		}
		snprintf(name, sizeof(name), "file-%06" PRIu64, i);
		inos[i] = make(dir, name, S_IFREG | 0644);
		check(hf_write(store, inos[i], 0, name, strlen(name), 0, &err), "write");
	}
	return inos;
}

/* All trees, and the moments before and after what changed in the first. */
static void prepare(const char *called, uint64_t files, uint64_t *before, uint64_t *after)
{
	const uint64_t top = make(HF_ROOT_INO, called, S_IFDIR | 0755), n = files / TREES;
	uint64_t *first = NULL;
	char name[32];

	for (unsigned k = 0; k < TREES; k++) {
		uint64_t *inos;

		snprintf(name, sizeof(name), "%u", k);
		inos = plant(top, name, n);
		if (k == 0)
			first = inos;
		else
			free(inos);
	}
	*before = committed();
	for (uint64_t i = 0; i < CHANGED; i++)
		check(hf_write(store, first[n / CHANGED * i], 0, "changed", 7, 0, &err), "write");
	*after = committed();
	free(first);
}

/* --- questions */

struct question {
	const char *name, *path;
	uint64_t since, until; /* of a diff: the moments */
	unsigned flags;
	size_t most; /* events; 0: all */
	bool is_diff, once;
};

struct told {
	size_t n, most;
};

static int count_event(void *arg, const struct hf_event *e)
{
	struct told *t = arg;

	(void)e;
	return ++t->n == t->most;
}

static int count_difference(void *arg, const struct hf_difference *d)
{
	struct told *t = arg;

	(void)d;
	t->n++;
	return 0;
}

static int compare_seconds(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void ask(const struct question *q, int most_rounds, bool last)
{
	const int rounds = q->once ? 1 : most_rounds;
	double seconds[ROUNDS_MAX];
	struct told t;

	for (int k = 0; k < rounds; k++) {
		const double start = now();

		t = (struct told){ 0, q->most };
		check(q->is_diff ?
			      hf_diff(store, q->since, q->until, q->path, count_difference, &t, NULL, &err) :
			      hf_log(store, q->path, q->since, q->until, q->flags, count_event, &t, NULL,
				     &err),
		      q->name);
		seconds[k] = now() - start;
	}
	qsort(seconds, (size_t)rounds, sizeof(*seconds), compare_seconds);
	printf(" \"%s\": {\"seconds\": %.6f, \"told\": %zu}%s\n", q->name, seconds[rounds / 2], t.n,
	       last ? "" : ",");
	(void)fflush(stdout);
}

static uint64_t tid_of(const char *moment)
{
	struct hf_point p;

	check(hf_moment_find(store, moment, &p, &err), moment);
	return p.tid;
}

int main(int argc, char **argv)
{
	struct hf_open_options o = { .flags = HF_OPEN_NO_REPLICATION, .busy_wait_ms = BUSY_WAIT_MS };
	const uint64_t files = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
	const int rounds = argc == 4 ? atoi(argv[3]) : 0;
	uint64_t before, after, far;
	char top[40], tree[48], file[80];

	if (files < CHANGED * TREES || rounds < 1 || rounds > ROUNDS_MAX) {
		fprintf(stderr, "usage: historybench STORE FILES ROUNDS (FILES: at least %d)\n",
			CHANGED * TREES);
		return 2;
	}
	check(hf_store_open(argv[1], &o, &store, &err), argv[1]);
	far = tid_of("depth-10");
	snprintf(top, sizeof(top), "tree-%" PRIu64, committed());
	snprintf(tree, sizeof(tree), "%s/0", top);
	snprintf(file, sizeof(file), "%s/0000/file-000000", tree);
	prepare(top, files, &before, &after);

	const struct question questions[] = {
		{ "log of a file with a short past", file, 0, HF_TID_HEAD, 0, 0, false, false },
		{ "log of a file of many versions", "kept/big", 0, HF_TID_HEAD, 0, 0, false, false },
		{ "log -n 20 of all", "", 0, HF_TID_HEAD, HF_NEWEST_FIRST, 20, false, false },
		{ "log -n 20 of a tenth of the files", tree, 0, HF_TID_HEAD, HF_NEWEST_FIRST, 20, false,
		  false },
		{ "log -n 20 of a busy directory", "work/00", 0, HF_TID_HEAD, HF_NEWEST_FIRST, 20, false,
		  false },
		{ "log -n 20 of a quiet directory", "kept", 0, HF_TID_HEAD, HF_NEWEST_FIRST, 20, false,
		  false },
		{ "log of a quiet directory, all of it", "kept", 0, HF_TID_HEAD, 0, 0, false, false },
		{ "diff of near moments, all", "", after - NEAR_OPS, after, 0, 0, true, false },
		{ "diff of all where 100 files changed", "", before, after, 0, 0, true, false },
		{ "diff of a tenth of the files, in which 100 changed", tree, before, after, 0, 0, true,
		  false },
		{ "diff of far moments, a quiet directory", "kept", far, after, 0, 0, true, false },
		{ "diff of far moments, a busy directory", "work/00", far, after, 0, 0, true, false },
		{ "diff of far moments, all", "", far, after, 0, 0, true, true },
	};

	printf("{\"head_tid\": %" PRIu64 ", \"files\": %" PRIu64 ", \"questions\": {\n", after, files);
	for (size_t k = 0; k < sizeof(questions) / sizeof(*questions); k++)
		ask(&questions[k], rounds, k + 1 == sizeof(questions) / sizeof(*questions));
	printf("}}\n");
	check(hf_store_close(store, &err), "close");
	return 0;
}
