/* SPDX-License-Identifier: MIT */
/* A disk that fills up: what does not fit is refused at the call, nothing acknowledged is lost, removing
 * works, and room that comes back is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"
#include "tests/unit/store_helper.h"

enum { DISK_MIB = 160, BALLAST_MIB = 48, FILE_BYTES = 200000, FILES_MAX = 2000 };

struct full {
	struct store_fixture f;
	char *dir; /* where the small disk is mounted */
	uint64_t inos[FILES_MAX];
	unsigned n; /* files that were acknowledged */
};

/*
 * A file system of its own, seen by this process alone. 0, or the step that could not be done. RocksDB's
 * threads live on from the first store, in the mount namespace of that time: so there is one for all.
 */
static const char *mount_small_disk(const char *dir)
{
	static bool apart;
	char options[32];

	if (geteuid() != 0)
		return "mounting a small disk needs root";
	if (!apart && (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
		return "mounts of one's own are not allowed here";
	apart = true;
	snprintf(options, sizeof(options), "size=%dm", DISK_MIB);
	return mount("none", dir, "tmpfs", 0, options) < 0 ? "a tmpfs may not be mounted here" : NULL;
}

static void ballast_path(struct full *d, char path[300])
{
	snprintf(path, 300, "%s/ballast", d->dir);
}

/* 0 or -errno. Files get data that neither compresses nor was there before. */
static int add_file(struct full *d)
{
	const struct hf_cred cred = { 0, 0 };
	uint8_t *data = malloc(FILE_BYTES);
	struct hf_error err = HF_ERROR_INIT;
	struct hf_attr attr;
	char name[32];
	ssize_t n;

	snprintf(name, sizeof(name), "file %u", d->n);
	fill_random(data, FILE_BYTES, d->n);
	n = hf_create(d->f.store, HF_ROOT_INO, name, S_IFREG | 0644, 0, 0, NULL, &cred, &attr, &err);
	if (n == 0) {
		n = hf_write(d->f.store, attr.ino, 0, data, FILE_BYTES, 0, &err);
		if (n < 0)
			assert_int_equal(hf_unlink(d->f.store, HF_ROOT_INO, name, NULL, NULL), 0);
	}
	if (n < 0)
		assert_non_null(strstr(err.text, "room")); /* the words are for a person */
	free(data);
	if (n >= 0)
		d->inos[d->n++] = attr.ino;
	return n < 0 ? (int)n : 0;
}

static unsigned fill(struct full *d)
{
	unsigned before = d->n;
	int r = 0;

	while (r == 0 && d->n < FILES_MAX)
		r = add_file(d);
	assert_int_equal(r, -ENOSPC);
	return d->n - before;
}

static void expect_all(struct full *d, unsigned from)
{
	uint8_t *data = malloc(FILE_BYTES);

	for (unsigned k = from; k < d->n; k++) {
		fill_random(data, FILE_BYTES, k);
		expect_bytes(&d->f, HF_TID_HEAD, d->inos[k], 0, data, FILE_BYTES);
	}
	free(data);
}

/* Everything that makes things smaller or moves them works on a full disk, and is made durable. */
static void expect_removing_works(struct full *d, unsigned *removed)
{
	const struct hf_setattr shorter = { .mask = HF_SET_SIZE, .size_bytes = 10 };
	char name[32];

	for (int k = 0; k < 20; k++) {
		snprintf(name, sizeof(name), "file %u", *removed);
		if (k % 4 == 0)
			assert_int_equal(hf_setattr(d->f.store, d->inos[*removed], &shorter, NULL, NULL), 0);
		if (k % 4 == 1) {
			assert_int_equal(hf_rename(d->f.store, HF_ROOT_INO, name, HF_ROOT_INO, "moved", 0,
						   NULL),
					 0);
			snprintf(name, sizeof(name), "moved");
		}
		assert_int_equal(hf_unlink(d->f.store, HF_ROOT_INO, name, NULL, NULL), 0);
		(*removed)++;
	}
	commit(&d->f);
	assert_int_equal(status_of(&d->f).failed, 0);
}

static bool room_is_back(struct full *d)
{
	const struct timespec pause = { 0, 100000000 };

	for (int k = 0; k < 100; k++) {
		if (add_file(d) == 0)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* A store on a small disk, part of which something else has; NULL after saying why there can be none. */
static struct full *small_disk(uint64_t segment_bytes, char ballast[300])
{
	struct full *d = calloc(1, sizeof(*d));
	const char *why;
	int fd;

	d->dir = scratch_make();
	why = mount_small_disk(d->dir);
	if (why) {
		print_message("# SKIP %s\n", why);
		scratch_remove(&d->dir);
		free(d);
		return NULL;
	}
	ballast_path(d, ballast);
	fd = open(ballast, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(posix_fallocate(fd, 0, BALLAST_MIB << 20), 0);
	close(fd);
	store_fixture_init(&d->f, d->dir);
	store_close(&d->f);
	d->f.options.segment_bytes = segment_bytes;
	return d;
}

static void small_disk_free(struct full *d)
{
	store_fixture_release(&d->f);
	(void)umount2(d->dir, MNT_DETACH);
	scratch_remove(&d->dir);
	free(d);
}

static void test_full(void **state)
{
	unsigned removed = 0;
	struct hf_space space;
	struct full *d;
	char path[300];

	(void)state;
	d = small_disk(4 << 20, path);
	if (!d)
		skip();
	d->f.options.commit_interval_ms = 50;
	store_open(&d->f, 0);

	print_message("# %u files of %d bytes fit\n", fill(d), FILE_BYTES);
	assert_true(d->n > 100);
	assert_int_equal(hf_store_space(d->f.store, &space, NULL), 0);
	commit(&d->f);
	expect_all(d, removed);
	expect_removing_works(d, &removed);
	expect_all(d, removed);

	assert_int_equal(unlink(path), 0);
	assert_true(room_is_back(d));
	print_message("# %u more when there is room again\n", fill(d));
	expect_removing_works(d, &removed);

	/* full it is closed, checked, opened and emptied */
	store_close(&d->f);
	assert_int_equal(store_faults(&d->f), 0);
	store_open(&d->f, 0);
	expect_all(d, removed);
	expect_removing_works(d, &removed);
	small_disk_free(d);
}

/* Something else takes all room, what was kept back too, between an acknowledgement and its commit. */
static void test_others_fill_it(void **state)
{
	struct full *d;
	struct hf_error err = HF_ERROR_INIT;
	char path[300], more[310];
	static char megabyte[1 << 20];
	int fd;

	(void)state;
	d = small_disk(1 << 20, path);
	if (!d)
		skip();
	store_open(&d->f, 0);
	for (int k = 0; k < 30; k++)
		assert_int_equal(add_file(d), 0);
	snprintf(more, sizeof(more), "%s.more", path);
	fd = open(more, O_CREAT | O_WRONLY, 0600);
	while (write(fd, megabyte, sizeof(megabyte)) > 0)
		;
	close(fd);
	assert_int_equal(hf_store_commit(d->f.store, &err), -ENOSPC);
	assert_true(err.text[0]);
	expect_all(d, 0);
	assert_int_equal(add_file(d), -ENOSPC);
	assert_int_equal(unlink(more), 0);
	commit(&d->f);
	assert_true(room_is_back(d));
	store_close(&d->f);
	assert_int_equal(store_faults(&d->f), 0);
	store_open(&d->f, HF_OPEN_REBUILD);
	expect_all(d, 0);
	small_disk_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_others_fill_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
