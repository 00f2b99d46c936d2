/* SPDX-License-Identifier: MIT */
/* The simulated disk that fault tests stand on: that it keeps what is durable, and nothing else for sure. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/sim_os.h"

enum { SEEDS = 200 };

static int create(const struct os *os, const char *path)
{
	int fd = os->open(os->state, path, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	return fd;
}

static int open_fd(const struct os *os, const char *path)
{
	return os->open(os->state, path, O_RDONLY, 0);
}

static void it_is_a_file_system(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	const struct os *os = sim_os(sim);
	static uint8_t big[10000];
	uint64_t size;
	char data[8];
	int fd, reader;

	(void)state;
	memset(big, 'b', sizeof(big));
	assert_int_equal(os->mkdir(os->state, "/d", 0700), 0);
	assert_int_equal(os->mkdir(os->state, "/d", 0700), -EEXIST);
	assert_int_equal(os->mkdir(os->state, "/none/d", 0700), -ENOENT);
	fd = create(os, "/d/file");
	assert_int_equal(os->open(os->state, "/d/file", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
	assert_int_equal(os->open(os->state, "/d/file/x", O_RDONLY, 0), -ENOTDIR);
	assert_int_equal(os->open(os->state, "/d", O_RDWR, 0), -EISDIR);
	assert_int_equal(os_pwrite_full(os, fd, "abc", 3, 4095), 0);
	assert_int_equal(os_pread_full(os, fd, data, 4, 4094), 0);
	assert_memory_equal(data, "\0abc", 4);
	assert_int_equal(os_pread_full(os, fd, data, 4, 4095), -ENODATA);
	assert_int_equal(os->truncate(os->state, fd, 4096), 0);
	assert_int_equal(os->allocate(os->state, fd, 0, 5000), 0);
	assert_int_equal(os->size(os->state, fd, &size), 0);
	assert_int_equal(size, 5000);
	assert_int_equal(os_pread_full(os, fd, data, 3, 4095), 0);
	assert_memory_equal(data, "a\0\0", 3);
	reader = open_fd(os, "/d/file");
	assert_int_equal(os->pwrite(os->state, reader, "x", 1, 0), -EBADF);
	assert_int_equal(os->close(os->state, reader), 0);
	assert_int_equal(os->close(os->state, reader), -EBADF);
	assert_int_equal(os->rename(os->state, "/d/file", "/file"), 0);
	assert_int_equal(os->rename(os->state, "/d/file", "/file"), -ENOENT);
	assert_int_equal(os->unlink(os->state, "/d"), -EISDIR);
	assert_int_equal(os_write_file(os, "/file", big, sizeof(big), 0600), 0);
	assert_int_equal(os_pread_full(os, fd, data, 1, 4095), 0); /* the old one is still open */
	assert_int_equal(data[0], 'a');
	assert_int_equal(os_read_file(os, "/file", sizeof(big), &got), 0);
	assert_memory_equal(got.data, big, sizeof(big));
	assert_int_equal(sim_used(sim), 15000);
	assert_int_equal(os->close(os->state, fd), 0);
	assert_int_equal(sim_used(sim), 10000);
}

static void count_name(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
}

static void names_are_listed(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	int n = 0;

	(void)state;
	assert_int_equal(os->mkdir(os->state, "/d", 0700), 0);
	assert_int_equal(os->close(os->state, create(os, "/d/a")), 0);
	assert_int_equal(os->close(os->state, create(os, "/d/b")), 0);
	assert_int_equal(os->unlink(os->state, "/d/a"), 0);
	assert_int_equal(os->list(os->state, "/d", count_name, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(os->list(os->state, "/", count_name, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(os->list(os->state, "/none", count_name, &n), -ENOENT);
}

/* Synced bytes are always there; what three sectors written over them may become, they become. */
static void writes_are_kept_dropped_or_torn(void **state)
{
	int kept = 0, dropped = 0, torn = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		CLEANUP(sim_freep) struct sim *sim = sim_new(seed);
		const struct os *os = sim_os(sim);
		char old[2048], new[1536], got[2048];
		int fd = create(os, "/f"), n = 0;

		memset(old, 'o', sizeof(old));
		memset(new, 'n', sizeof(new));
		assert_int_equal(os_pwrite_full(os, fd, old, sizeof(old), 0), 0);
		assert_int_equal(os->fdatasync(os->state, fd), 0);
		assert_int_equal(os->sync_dir(os->state, "/"), 0);
		assert_int_equal(os_pwrite_full(os, fd, new, sizeof(new), 0), 0);
		sim_power_cut(sim);
		assert_false(sim_power_is_on(sim));
		assert_int_equal(os->pread(os->state, fd, got, 1, 0), -EIO);
		sim_power_on(sim);
		assert_int_equal(os->pread(os->state, fd, got, 1, 0), -EBADF);

		fd = open_fd(os, "/f");
		assert_int_equal(os_pread_full(os, fd, got, sizeof(got), 0), 0);
		for (size_t i = 0; i < sizeof(got); i += 512) {
			assert_true(got[i] == 'o' || (got[i] == 'n' && i < sizeof(new)));
			for (size_t j = 1; j < 512; j++)
				assert_int_equal(got[i + j], got[i]);
			n += got[i] == 'n';
		}
		kept += n == 3;
		dropped += n == 0;
		torn += n == 1 || n == 2;
	}
	assert_true(kept > SEEDS / 10 && dropped > SEEDS / 10 && torn > SEEDS / 10);
}

static void names_come_and_go_until_their_folder_is_synced(void **state)
{
	int there = 0, moved = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		CLEANUP(sim_freep) struct sim *sim = sim_new(seed);
		const struct os *os = sim_os(sim);
		int new_fd = create(os, "/new"), r;

		assert_int_equal(os->fsync(os->state, new_fd), 0); /* its bytes, not its name */
		assert_int_equal(os->mkdir(os->state, "/d", 0700), 0);
		assert_int_equal(os_write_file(os, "/d/kept", "k", 1, 0600), 0);
		assert_int_equal(os_write_file(os, "/a", "a", 1, 0600),
				 0); /* syncs / and with it /new and /d */
		sim_power_cut(sim);
		sim_power_on(sim);
		assert_true(open_fd(os, "/d/kept") >= 0);
		assert_true(open_fd(os, "/new") >= 0);

		assert_int_equal(os->unlink(os->state, "/new"), 0);
		assert_int_equal(os->rename(os->state, "/a", "/b"), 0);
		(void)create(os, "/c");
		sim_power_cut(sim);
		sim_power_on(sim);
		r = open_fd(os, "/c");
		assert_true(r >= 0 || r == -ENOENT);
		there += r >= 0;
		r = open_fd(os, "/b");
		assert_true((r >= 0) ==
			    (open_fd(os, "/a") == -ENOENT)); /* one or the other, never both or none */
		moved += r >= 0;
	}
	assert_true(there > SEEDS / 4 && there < 3 * SEEDS / 4);
	assert_true(moved > SEEDS / 4 && moved < 3 * SEEDS / 4);
}

/* os_write_file under a cut at each of its steps: the old file or the new, whole. */
static void replacing_a_file_stands_every_cut(void **state)
{
	int old_seen = 0, new_seen = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		CLEANUP(sim_freep) struct sim *sim = sim_new(seed);
		CLEANUP(buf_release) struct buf got = BUF_INIT;
		const struct os *os = sim_os(sim);
		static char old[1500], new[2500];
		int r;

		memset(old, 'o', sizeof(old));
		memset(new, 'n', sizeof(new));
		assert_int_equal(os_write_file(os, "/f", old, sizeof(old), 0600), 0);
		sim_power_cut_at(sim, 1 + sim_random(sim, 6));
		r = os_write_file(os, "/f", new, sizeof(new), 0600);
		assert_int_equal(r, -EIO);
		assert_false(sim_power_is_on(sim));
		sim_power_on(sim);
		assert_int_equal(os_read_file(os, "/f", 4096, &got), 0);
		if (got.len == sizeof(new)) {
			assert_memory_equal(got.data, new, sizeof(new));
			new_seen++;
		} else {
			assert_int_equal(got.len, sizeof(old));
			assert_memory_equal(got.data, old, sizeof(old));
			old_seen++;
		}
		assert_int_equal(os_write_file(os, "/f", new, sizeof(new), 0600), 0);
	}
	assert_true(old_seen > 0 && new_seen > 0);
}

static void calls_fail_as_armed(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	int fd = create(os, "/f");
	uint64_t changes = sim_changes(sim);

	(void)state;
	sim_fail(sim, SIM_PWRITE, 2, 1, -ENOSPC);
	assert_int_equal(os->pwrite(os->state, fd, "a", 1, 0), 1);
	assert_int_equal(os->fsync(os->state, fd), 0);
	assert_int_equal(os->pwrite(os->state, fd, "a", 1, 0), -ENOSPC);
	assert_int_equal(os->pwrite(os->state, fd, "a", 1, 0), -ENOSPC);
	assert_int_equal(os->pwrite(os->state, fd, "a", 1, 0), 1);
	assert_int_equal(sim_changes(sim), changes + 5);
	sim_fail(sim, SIM_ANY_CHANGE, 1, UINT64_MAX, -EIO);
	assert_int_equal(os->rename(os->state, "/f", "/g"), -EIO);
	assert_int_equal(os->unlink(os->state, "/f"), -EIO);
	assert_int_equal(os->mkdir(os->state, "/d", 0700), -EIO);
	assert_int_equal(os->truncate(os->state, fd, 9), -EIO);
	assert_int_equal(os->allocate(os->state, fd, 0, 9), -EIO);
	assert_int_equal(os->sync_dir(os->state, "/"), -EIO);
	assert_int_equal(os->fdatasync(os->state, fd), -EIO);
	sim_fail(sim, SIM_PREAD | SIM_OPEN, 1, 0, -EIO);
	assert_int_equal(open_fd(os, "/f"), -EIO);
	assert_true(open_fd(os, "/f") >= 0);
}

/* The page cache after a failed fsync: read back, but not on the disk, and the next fsync says nothing. */
static void a_failed_sync_loses_writes_for_good(void **state)
{
	int lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		CLEANUP(sim_freep) struct sim *sim = sim_new(seed);
		const struct os *os = sim_os(sim);
		int fd = create(os, "/f");
		char got = 0;

		assert_int_equal(os->sync_dir(os->state, "/"), 0);
		assert_int_equal(os_pwrite_full(os, fd, "x", 1, 0), 0);
		sim_fail(sim, SIM_SYNC, 1, 0, -EIO);
		assert_int_equal(os->fdatasync(os->state, fd), -EIO);
		assert_int_equal(os->fdatasync(os->state, fd), 0);
		assert_int_equal(os_pread_full(os, fd, &got, 1, 0), 0);
		assert_int_equal(got, 'x');
		sim_power_cut(sim);
		sim_power_on(sim);
		lost += os_pread_full(os, open_fd(os, "/f"), &got, 1, 0) == -ENODATA;
	}
	assert_true(lost > SEEDS / 4 && lost < 3 * SEEDS / 4);
}

static void the_disk_fills_up(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	static const char data[1000];
	uint64_t free_bytes, total;
	int fd = create(os, "/f");

	(void)state;
	sim_set_capacity(sim, 1500);
	assert_int_equal(os_pwrite_full(os, fd, data, 1000, 0), 0);
	assert_int_equal(os->free_bytes(os->state, "/", &free_bytes, &total), 0);
	assert_int_equal(free_bytes, 500);
	assert_int_equal(total, 1500);
	assert_int_equal(os->pwrite(os->state, fd, data, 1000, 1000), 500);
	assert_int_equal(os->pwrite(os->state, fd, data, 1, 1500), -ENOSPC);
	assert_int_equal(os->allocate(os->state, fd, 0, 1501), -ENOSPC);
	assert_int_equal(os_pwrite_full(os, fd, data, 1000, 500), 0); /* what is there may be written over */
	assert_int_equal(os->truncate(os->state, fd, 0), 0);
	assert_int_equal(os->allocate(os->state, fd, 0, 1500), 0);
}

static void short_calls_are_done_in_the_end(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	uint8_t data[300], got[300];
	int fd = create(os, "/f"), short_calls = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	sim_short_io(sim, 700);
	for (int i = 0; i < 50; i++)
		short_calls += os->pwrite(os->state, fd, data, sizeof(data), 0) < (ssize_t)sizeof(data);
	assert_true(short_calls > 20 && short_calls < 50);
	assert_int_equal(os_pwrite_full(os, fd, data, sizeof(data), 0), 0);
	assert_int_equal(os_pread_full(os, fd, got, sizeof(got), 0), 0);
	assert_memory_equal(got, data, sizeof(data));
}

static void a_call_comes_up_short_once(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	char data[100] = { 0 };
	int fd = create(os, "/f");

	(void)state;
	sim_fail(sim, SIM_ANY, 2, 0, SIM_SHORT);
	assert_int_equal(os->pwrite(os->state, fd, data, sizeof(data), 0), sizeof(data));
	assert_in_range(os->pwrite(os->state, fd, data, sizeof(data), 0), 1, sizeof(data) - 1);
	assert_int_equal(os->pwrite(os->state, fd, data, sizeof(data), 0), sizeof(data));
	sim_fail(sim, SIM_ANY, 1, 0, SIM_SHORT); /* of a call that cannot, nothing comes */
	assert_int_equal(os->fsync(os->state, fd), 0);
	assert_int_equal(os->pread(os->state, fd, data, sizeof(data), 0), sizeof(data));
}

/* What a test looks at itself is not counted, and does not fail. */
static void faults_can_be_off(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	struct sim_counts counts;
	uint64_t calls = sim_calls(sim);
	int fd = create(os, "/f");

	(void)state;
	sim_fail(sim, SIM_ANY, 1, UINT64_MAX, -EIO);
	sim_power_cut_at(sim, 1);
	sim_faults_off(sim);
	sim_faults_off(sim);
	assert_int_equal(os->fsync(os->state, fd), 0);
	sim_faults_on(sim);
	assert_int_equal(os->fsync(os->state, fd), 0);
	sim_faults_on(sim);
	assert_int_equal(sim_calls(sim), calls + 1);
	assert_int_equal(os->fsync(os->state, fd), -EIO);
	assert_false(sim_power_is_on(sim));
	sim_counts(sim, &counts);
	assert_int_equal(counts.cuts, 1);
	assert_int_equal(counts.failed[3], 1);
	assert_int_equal(counts.calls[3], 1);
}

static void a_closed_file_is_closed_though_it_fails(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	int fd = create(os, "/f");

	(void)state;
	sim_fail(sim, SIM_CLOSE, 1, 0, -EIO);
	assert_int_equal(os->close(os->state, fd), -EIO);
	assert_int_equal(os->close(os->state, fd), -EBADF);
}

static ssize_t at_worst(struct sim *sim, const char *path)
{
	char got[16];

	return sim_read_durable(sim, path, got, sizeof(got), 0);
}

static void what_a_cut_would_leave_for_sure(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	char got[16];
	int fd;

	(void)state;
	assert_int_equal(os->mkdir(os->state, "/d", 0700), 0);
	fd = create(os, "/d/./../d/f");
	assert_int_equal(os_pwrite_full(os, fd, "abc", 3, 0), 0);
	assert_int_equal(sim_read_now(sim, "/d/f", got, sizeof(got), 0), 3);
	assert_int_equal(at_worst(sim, "/d/f"), -ENOENT);
	assert_int_equal(os->fsync(os->state, fd), 0);
	assert_int_equal(os->sync_dir(os->state, "/d"), 0);
	assert_int_equal(at_worst(sim, "/d/f"), -ENOENT);
	assert_int_equal(os->sync_dir(os->state, "/d/.."), 0);
	assert_int_equal(at_worst(sim, "/d/f"), 3);
	assert_int_equal(os_pwrite_full(os, fd, "d", 1, 3), 0);
	assert_int_equal(at_worst(sim, "/d/f"), 3);
	assert_int_equal(sim_read_durable(sim, "/d/f", got, 2, 2), 1);
	assert_int_equal(got[0], 'c');
}

/* A folder whose name was lost takes what is in it along. */
static void folders_are_lost_with_what_is_in_them(void **state)
{
	int lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		CLEANUP(sim_freep) struct sim *sim = sim_new(seed);
		const struct os *os = sim_os(sim);

		assert_int_equal(os->mkdir(os->state, "/d", 0700), 0);
		assert_int_equal(os_write_file(os, "/d/f", "x", 1, 0600), 0);
		sim_power_cut(sim);
		sim_power_on(sim);
		lost += open_fd(os, "/d/f") == -ENOENT;
		(void)os->mkdir(os->state, "/d", 0700);
		assert_int_equal(os_write_file(os, "/d/g", "y", 1, 0600), 0);
	}
	assert_true(lost > SEEDS / 4 && lost < 3 * SEEDS / 4);
}

static void disks_lie_when_they_are_told_to(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	char data[100] = { 0 }, got[100];
	int fd = create(os, "/f");

	(void)state;
	sim_lie(sim, SIM_LIE_SYNC_DIR, 1000);
	assert_int_equal(os->sync_dir(os->state, "/"), 0);
	assert_int_equal(at_worst(sim, "/f"), -ENOENT);
	sim_lie(sim, SIM_LIE_SYNC, 1000);
	assert_int_equal(os->sync_dir(os->state, "/"), 0);
	assert_int_equal(os_pwrite_full(os, fd, "a", 1, 0), 0);
	assert_int_equal(os->fdatasync(os->state, fd), 0);
	assert_int_equal(at_worst(sim, "/f"), 0);
	sim_lie(sim, SIM_LIE_LATE, 1000);
	assert_int_equal(os->fdatasync(os->state, fd), 0);
	assert_int_equal(os_pwrite_full(os, fd, "b", 1, 1), 0);
	assert_int_equal(os->fdatasync(os->state, fd), 0);
	assert_int_equal(at_worst(sim, "/f"), 1);
	assert_int_equal(os->fdatasync(os->state, fd), 0);
	assert_int_equal(at_worst(sim, "/f"), 2);
	sim_lie(sim, SIM_LIE_SHORT, 1000);
	assert_int_equal(os->pwrite(os->state, fd, data, sizeof(data), 0), sizeof(data));
	assert_true(sim_read_now(sim, "/f", got, sizeof(got), 0) < (ssize_t)sizeof(data));
	sim_lie(sim, SIM_LIE_READ, 1000);
	assert_int_equal(os->pread(os->state, fd, got, 1, 0), 1);
	assert_true(got[0] != data[0]);
	sim_lie(sim, SIM_LIE_NONE, 0);
	assert_int_equal(os->pread(os->state, fd, got, 1, 0), 1);
	assert_int_equal(got[0], data[0]);
}

/* A sync that fails between two that come late loses some of what the next one has to make durable. */
static void late_syncs_may_fail_between(void **state)
{
	enum { WRITES = 16 };

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		CLEANUP(sim_freep) struct sim *sim = sim_new(seed);
		const struct os *os = sim_os(sim);
		int fd = create(os, "/f");
		struct sim_counts counts;
		char got[WRITES + 1];
		ssize_t n;

		assert_int_equal(os->sync_dir(os->state, "/"), 0);
		sim_lie(sim, SIM_LIE_LATE, 1000);
		for (uint64_t i = 0; i < WRITES; i++)
			assert_int_equal(os_pwrite_full(os, fd, "x", 1, i), 0);
		assert_int_equal(os->fdatasync(os->state, fd), 0);
		assert_int_equal(os_pwrite_full(os, fd, "y", 1, WRITES), 0); /* of the sync after the next */
		sim_fail(sim, SIM_SYNC, 1, 0, -EIO);
		assert_int_equal(os->fdatasync(os->state, fd), -EIO);
		assert_int_equal(os->fdatasync(os->state, fd), 0);
		sim_counts(sim, &counts);
		n = sim_read_durable(sim, "/f", got, sizeof(got), 0);
		assert_true(n >= 0 && n <= WRITES);
		for (ssize_t i = 0; i < n; i++) {
			assert_true(got[i] == 'x' || got[i] == 0);
			counts.lost += got[i] == 'x';
		}
		assert_true(counts.lost == WRITES || counts.lost == WRITES + 1);
	}
}

/* The same calls with the same results are the same trace, and no others. */
static void runs_are_compared_by_their_trace(void **state)
{
	CLEANUP(sim_freep) struct sim *a = sim_new(7), *b = sim_new(7);

	(void)state;
	assert_int_equal(os_write_file(sim_os(a), "/f", "abc", 3, 0600), 0);
	assert_int_equal(os_write_file(sim_os(b), "/f", "abc", 3, 0600), 0);
	assert_true(sim_trace(a) == sim_trace(b));
	assert_int_equal(os_write_file(sim_os(a), "/f", "abc", 3, 0600), 0);
	assert_int_equal(os_write_file(sim_os(b), "/f", "ab", 2, 0600), 0);
	assert_true(sim_trace(a) != sim_trace(b));
	sim_trace_begin(a);
	sim_trace_begin(b);
	assert_true(sim_trace(a) == sim_trace(b));
	assert_int_equal(os_pwrite_full(sim_os(a), create(sim_os(a), "/g"), "abc", 3, 0), 0);
	assert_int_equal(os_pwrite_full(sim_os(b), create(sim_os(b), "/g"), "bc", 2, 1), 0);
	assert_true(sim_trace(a) != sim_trace(b));
}

static void bits_rot(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	CLEANUP(buf_release) struct buf got = BUF_INIT;
	const struct os *os = sim_os(sim);

	(void)state;
	assert_int_equal(os_write_file(os, "/f", "abc", 3, 0600), 0);
	assert_int_equal(sim_damage(sim, "/f", 1, 1), 0);
	assert_int_equal(sim_damage(sim, "/f", 3, 1), -ENODATA);
	assert_int_equal(sim_damage(sim, "/g", 0, 1), -ENOENT);
	assert_int_equal(os_read_file(os, "/f", 3, &got), 0);
	sim_power_cut(sim);
	sim_power_on(sim);
	assert_int_equal(os_read_file(os, "/f", 3, &got), 0);
	assert_string_equal(buf_cstr(&got), "accacc");
}

static void the_clock_is_the_tests(void **state)
{
	CLEANUP(sim_freep) struct sim *sim = sim_new(1);
	const struct os *os = sim_os(sim);
	uint64_t wall = os->now_ns(os->state), mono = os->monotonic_ns(os->state);

	(void)state;
	assert_true(os->now_ns(os->state) == wall && os->monotonic_ns(os->state) == mono);
	sim_advance(sim, 5);
	assert_true(os->now_ns(os->state) == wall + 5 && os->monotonic_ns(os->state) == mono + 5);
	sim_set_now(sim, 3);
	assert_true(os->now_ns(os->state) == 3 && os->monotonic_ns(os->state) == mono + 5);
}

static void a_seed_says_all(void **state)
{
	CLEANUP(sim_freep) struct sim *a = sim_new(7), *b = sim_new(7), *c = sim_new(8);
	int same = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		uint64_t v = sim_random(a, 1000);

		assert_true(v < 1000 && v == sim_random(b, 1000));
		same += v == sim_random(c, 1000);
	}
	assert_true(same < 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_a_file_system),
		cmocka_unit_test(names_are_listed),
		cmocka_unit_test(writes_are_kept_dropped_or_torn),
		cmocka_unit_test(names_come_and_go_until_their_folder_is_synced),
		cmocka_unit_test(replacing_a_file_stands_every_cut),
		cmocka_unit_test(calls_fail_as_armed),
		cmocka_unit_test(a_failed_sync_loses_writes_for_good),
		cmocka_unit_test(the_disk_fills_up),
		cmocka_unit_test(short_calls_are_done_in_the_end),
		cmocka_unit_test(a_call_comes_up_short_once),
		cmocka_unit_test(faults_can_be_off),
		cmocka_unit_test(a_closed_file_is_closed_though_it_fails),
		cmocka_unit_test(what_a_cut_would_leave_for_sure),
		cmocka_unit_test(folders_are_lost_with_what_is_in_them),
		cmocka_unit_test(disks_lie_when_they_are_told_to),
		cmocka_unit_test(late_syncs_may_fail_between),
		cmocka_unit_test(runs_are_compared_by_their_trace),
		cmocka_unit_test(bits_rot),
		cmocka_unit_test(the_clock_is_the_tests),
		cmocka_unit_test(a_seed_says_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
