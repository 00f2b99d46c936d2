/* SPDX-License-Identifier: MIT */
/* Writers, readers of now and of the past, committers and directory listers at once. Worth running under
 * ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store_helper.h"

enum { FILE_BYTES = 20000, WRITERS = 2, SECONDS = 3, SECONDS_LONG = 60 };

struct crowd {
	struct store_fixture f;
	uint64_t inos[WRITERS], dir;
	atomic_bool end;
	atomic_ullong writes, reads, past_reads, lists, commits;
	atomic_uint wrong;
	char words[200]; /* of what went wrong first */
};

static void complain(struct crowd *c, const char *what, int64_t number)
{
	if (atomic_fetch_add(&c->wrong, 1) == 0)
		snprintf(c->words, sizeof(c->words), "%s (%lld)", what, (long long)number);
}

/* A file is always one byte repeated: it lies in one block, so no reader may see two of them. */
static void check_uniform(struct crowd *c, const struct hf_view *v, uint64_t ino, atomic_ullong *count)
{
	uint8_t got[FILE_BYTES];
	ssize_t n = hf_view_read(v, ino, 0, got, sizeof(got), NULL);

	if (n != FILE_BYTES && n != 0) {
		complain(c, "a read is short or fails", n);
		return;
	}
	for (ssize_t k = 1; k < n; k++) {
		if (got[k] != got[0]) {
			complain(c, "a read sees half a write, at byte", k);
			return;
		}
	}
	(*count)++;
}

struct writer {
	struct crowd *c;
	unsigned number;
};

static void *write_on(void *arg)
{
	const struct writer *w = arg;
	struct crowd *c = w->c;
	const struct hf_cred cred = { 0, 0 };
	uint8_t data[FILE_BYTES];
	char name[32];
	ssize_t r;

	for (unsigned k = 0; !c->end; k++) {
		memset(data, (int)k, sizeof(data));
		r = hf_write(c->f.store, c->inos[w->number], 0, data, sizeof(data), 0, NULL);
		if (r != FILE_BYTES)
			complain(c, "a write fails", r);
		snprintf(name, sizeof(name), "%u of %u", k % 200, w->number);
		r = hf_unlink(c->f.store, c->dir, name, NULL, NULL);
		if (r < 0 && r != -ENOENT)
			complain(c, "an unlink fails", r);
		r = hf_create(c->f.store, c->dir, name, S_IFREG | 0600, 0, 0, NULL, &cred, NULL, NULL);
		if (r < 0)
			complain(c, "a create fails", r);
		c->writes++;
	}
	return NULL;
}

static void *read_on(void *arg)
{
	struct crowd *c = arg;
	const struct hf_view now = { c->f.store, HF_TID_HEAD };

	for (unsigned k = 0; !c->end; k++)
		check_uniform(c, &now, c->inos[k % WRITERS], &c->reads);
	return NULL;
}

/* A moment that was looked at once is the same ever after. */
static void *read_past(void *arg)
{
	struct crowd *c = arg;
	unsigned seed = 1;

	while (!c->end) {
		struct hf_status s;
		struct hf_point p;
		struct hf_view v = { c->f.store, 0 };
		struct hf_attr first, again;
		int r;

		hf_store_status(c->f.store, &s);
		if (s.head_tid < 10)
			continue;
		r = hf_point_of_tid(c->f.store, s.head_tid - (uint64_t)rand_r(&seed) % (s.head_tid - 5), &p,
				    NULL);
		if (r < 0) {
			complain(c, "a moment is not found", r);
			continue;
		}
		v.tid = p.tid;
		r = hf_view_getattr(&v, c->inos[0], &first, NULL);
		if (r < 0) {
			complain(c, "a file is not there at a moment", r);
			continue;
		}
		check_uniform(c, &v, c->inos[0], &c->past_reads);
		if (hf_view_getattr(&v, c->inos[0], &again, NULL) < 0 || first.tid != again.tid ||
		    first.tid > p.tid)
			complain(c, "a moment is not what it was", (int64_t)p.tid);
	}
	return NULL;
}

struct listing {
	struct crowd *c;
	uint64_t last;
	unsigned n;
};

static int list_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	struct listing *l = arg;

	if (cookie <= l->last || type != S_IFREG || !strstr(name, " of ") || (attr && attr->ino != ino))
		complain(l->c, "a listing is out of order or wrong", (int64_t)cookie);
	l->last = cookie;
	l->n++;
	return 0;
}

static void *list_on(void *arg)
{
	struct crowd *c = arg;
	const struct hf_view now = { c->f.store, HF_TID_HEAD };

	while (!c->end) {
		struct listing l = { .c = c };
		int r = hf_view_readdir(&now, c->dir, 0, HF_READDIR_ATTR, list_entry, &l, NULL);

		if (r < 0)
			complain(c, "a listing fails", r);
		if (l.n > 200 * WRITERS)
			complain(c, "a listing has too many entries", l.n);
		c->lists++;
	}
	return NULL;
}

static void *commit_on(void *arg)
{
	struct crowd *c = arg;
	const struct timespec pause = { 0, 2000000 };

	while (!c->end) {
		struct hf_status before, after;

		hf_store_status(c->f.store, &before);
		if (hf_fsync(c->f.store, c->inos[0], NULL) < 0)
			complain(c, "fsync fails", 0);
		hf_store_status(c->f.store, &after);
		if (after.committed_tid < before.head_tid || after.head_tid < after.committed_tid ||
		    after.head_time_ns < before.head_time_ns)
			complain(c, "fsync did not make durable what was there", (int64_t)before.head_tid);
		c->commits++;
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

static void test_crowd(void **state)
{
	const char *text = getenv("HOLDFAST_TEST_LONG");
	struct crowd *c = calloc(1, sizeof(*c));
	void *(*const fns[])(void *) = { read_on, read_past, list_on, commit_on };
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS + 4];
	struct hf_status s;
	char name[8] = "0";

	(void)state;
	store_fixture_init(&c->f, NULL);
	store_close(&c->f);
	c->f.options.segment_bytes = 1 << 20;
	c->f.options.commit_interval_ms = 20;
	store_open(&c->f, 0);
	c->dir = make_dir(&c->f, HF_ROOT_INO, "d");
	for (unsigned k = 0; k < WRITERS; k++) {
		name[0] = (char)('0' + k);
		c->inos[k] = make_file(&c->f, name);
	}
	for (unsigned k = 0; k < WRITERS; k++) {
		writers[k] = (struct writer){ c, k };
		assert_int_equal(pthread_create(&threads[k], NULL, write_on, &writers[k]), 0);
	}
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(pthread_create(&threads[WRITERS + k], NULL, fns[k], c), 0);
	sleep(text && *text == '1' ? SECONDS_LONG : SECONDS);
	c->end = true;
	for (unsigned k = 0; k < WRITERS + 4; k++)
		assert_int_equal(pthread_join(threads[k], NULL), 0);
	s = status_of(&c->f);
	print_message("# %llu rounds of writing, %llu reads, %llu of the past, %llu listings, %llu commits; "
		      "%llu operations\n",
		      (unsigned long long)c->writes, (unsigned long long)c->reads,
		      (unsigned long long)c->past_reads, (unsigned long long)c->lists,
		      (unsigned long long)c->commits, (unsigned long long)s.head_tid);
	if (c->wrong)
		fail_msg("%u things went wrong, first: %s", c->wrong, c->words);
	assert_true(c->writes > 0 && c->reads > 0 && c->past_reads > 0 && c->lists > 0 && c->commits > 0);
	store_close(&c->f);
	assert_int_equal(store_faults(&c->f), 0);
	store_fixture_release(&c->f);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
