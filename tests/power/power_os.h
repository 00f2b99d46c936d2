/* SPDX-License-Identifier: MIT */
/*
 * Real files under a disk whose power can be cut and whose calls can fail. Including this file puts it in the
 * place of os_posix() for the whole program: a store opened in it does its I/O (but for RocksDB's) through
 * here. For one source file of a test program.
 *
 * Every change of a file that no sync has covered yet is kept in a journal, with the bytes before and after.
 * The journal lies in memory shared with children: a child runs the store and is killed, its parent or the
 * next child calls power_cut, which decides by chance for each such change whether it is there, is not, or
 * (512-byte sectors of it) in parts. Files whose name no sync of the folder has covered may be gone. A sync
 * that failed leaves by chance what no later sync will make durable.
 *
 * Syncs do nothing else, and cost nothing: what is killed here is a process, the kernel remembers.
 */
#ifndef TESTS_POWER_POWER_OS_H
#define TESTS_POWER_POWER_OS_H

#define os_posix os_posix_real
#include "store/os/os_posix.c"
#undef os_posix
const struct os *os_posix(void);

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum power_change { POWER_WRITE, POWER_TRUNCATE, POWER_GROW, POWER_CREATE };

enum {
	POWER_CHANGES_MAX = 1 << 15,
	POWER_FILES_MAX = 1024,
	POWER_SECTOR_BYTES = 512,
};
#define POWER_DATA_BYTES ((uint64_t)1 << 30)

struct power_entry {
	uint64_t number;
	enum power_change kind;
	char path[200];
	uint64_t offset, len, old_len; /* old_len: how many of len bytes were there before */
	uint64_t old_size;             /* of the file */
	uint64_t data;    /* where its bytes lie: old_len old ones, then (of a write) len new ones */
	bool done;        /* the call has returned */
	bool lost;        /* a failed sync has left it behind: no other will make it durable */
	uint64_t covered; /* the sync under way that covers it */
};

struct power {
	atomic_flag lock;
	bool moving; /* the journal is being packed: not to be relied on */
	uint64_t number, random;
	uint64_t n, used;
	struct power_entry entries[POWER_CHANGES_MAX];
	/* faults */
	uint64_t changes;   /* changing calls so far */
	uint64_t fail_from; /* 0: none; else calls from this one … */
	uint64_t fail_to;   /* … to this one fail */
	int fail_code;
	uint64_t die_at; /* 0: never; else the process is killed in the midst of this change */
	/* clock */
	int64_t clock_ns;
	uint8_t data[]; /* POWER_DATA_BYTES */
};

static struct power *power;
static char power_paths[POWER_FILES_MAX][200]; /* by descriptor */

/* Once, before the first child. */
static void power_init(uint64_t seed)
{
	void *map = mmap(NULL, sizeof(*power) + POWER_DATA_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED)
		abort();
	power = map;
	power->random = seed;
}

/* Requires lock, or that no child is there. */
static uint64_t power_chance(uint64_t below)
{
	power->random = power->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (power->random >> 33) % below;
}

static void power_lock(void)
{
	while (atomic_flag_test_and_set(&power->lock))
		sched_yield();
}

static void power_unlock(void)
{
	atomic_flag_clear(&power->lock);
}

/* Requires lock. Drop what is durable, so that there is room. */
static void power_pack(void)
{
	uint64_t n = 0, used = 0;

	power->moving = true;
	for (uint64_t k = 0; k < power->n; k++) {
		struct power_entry *e = &power->entries[k];
		uint64_t bytes = e->old_len + (e->kind == POWER_WRITE ? e->len : 0);

		if (e->number == 0)
			continue;
		memmove(power->data + used, power->data + e->data, bytes);
		power->entries[n] = *e;
		power->entries[n++].data = used;
		used += bytes;
	}
	power->n = n;
	power->used = used;
	power->moving = false;
}

/* Requires lock. */
static struct power_entry *power_find(uint64_t number)
{
	for (uint64_t k = power->n; k > 0; k--) {
		if (power->entries[k - 1].number == number)
			return &power->entries[k - 1];
	}
	abort();
}

/* Note a change that is about to be made. Returns its number. */
static uint64_t power_note(int fd, const char *path, enum power_change kind, uint64_t offset,
			   const void *data, uint64_t len)
{
	struct power_entry *e;
	uint64_t old = 0, number;
	struct stat st = { 0 };

	power_lock();
	if (fd >= 0 && fstat(fd, &st) < 0)
		abort();
	if (kind == POWER_TRUNCATE)
		len = (uint64_t)st.st_size > offset ? (uint64_t)st.st_size - offset : 0;
	if ((kind == POWER_WRITE || kind == POWER_TRUNCATE) && (uint64_t)st.st_size > offset)
		old = (uint64_t)st.st_size - offset < len ? (uint64_t)st.st_size - offset : len;
	if (power->n == POWER_CHANGES_MAX || power->used + old + len > POWER_DATA_BYTES / 2)
		power_pack();
	if (power->n == POWER_CHANGES_MAX || power->used + old + len > POWER_DATA_BYTES)
		abort();
	e = &power->entries[power->n];
	*e = (struct power_entry){ .kind = kind,
				   .offset = offset,
				   .len = len,
				   .old_len = old,
				   .old_size = (uint64_t)st.st_size,
				   .data = power->used };
	snprintf(e->path, sizeof(e->path), "%s", path);
	if (old > 0 && pread(fd, power->data + e->data, old, (off_t)offset) != (ssize_t)old)
		abort();
	if (kind == POWER_WRITE)
		memcpy(power->data + e->data + old, data, len);
	power->used += old + (kind == POWER_WRITE ? len : 0);
	e->number = number = ++power->number;
	power->n++;
	power_unlock();
	return number;
}

static void power_done(uint64_t number)
{
	power_lock();
	power_find(number)->done = true;
	power_unlock();
}

static bool power_is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' && !strchr(path + len + 1, '/');
}

static bool power_overlap(const struct power_entry *a, const struct power_entry *b)
{
	return strcmp(a->path, b->path) == 0 && a->offset < b->offset + b->len &&
	       b->offset < a->offset + a->len;
}

/* Requires lock. The entry is durable; what was lost below it is covered by it, what is in doubt begins from
 * it. */
static void power_durable(struct power_entry *e, uint64_t size)
{
	for (uint64_t k = 0; k < power->n; k++) {
		struct power_entry *other = &power->entries[k];

		if (other->number && other->lost && other->number < e->number && power_overlap(e, other))
			other->number = 0;
		if (other->number && other != e && strcmp(other->path, e->path) == 0 &&
		    other->old_size < size)
			other->old_size = size;
	}
	e->number = 0;
}

/* A sync of a file, or of a folder: everything that had returned before it began is durable when it ends. */
static int power_sync(const char *path, bool folder, int fault)
{
	static atomic_ullong syncs;
	uint64_t me = atomic_fetch_add(&syncs, 1) + 1;
	struct stat st = { 0 };

	for (int end = 0; end < 2; end++) {
		power_lock();
		if (!end)
			(void)stat(path, &st);
		for (uint64_t k = 0; k < power->n; k++) {
			struct power_entry *e = &power->entries[k];
			bool mine = folder ? e->kind == POWER_CREATE && power_is_in(e->path, path) :
					     e->kind != POWER_CREATE && strcmp(e->path, path) == 0;

			if (!end && mine && e->number && e->done && !e->lost)
				e->covered = me;
			else if (end && e->number && e->covered == me && fault == 0)
				power_durable(e, folder ? 0 : (uint64_t)st.st_size);
			else if (end && e->number && e->covered == me)
				e->lost = power_chance(2);
		}
		power_unlock();
	}
	return fault;
}

static void power_die(void)
{
	bool now;

	power_lock();
	now = power->die_at && power->changes >= power->die_at;
	power_unlock();
	if (now)
		(void)kill(getpid(), SIGKILL);
}

/* Count a changing call; the fault it is to have, or 0. */
static int power_fault(void)
{
	int fault = 0;

	power_lock();
	power->changes++;
	if (power->fail_from && power->changes >= power->fail_from && power->changes <= power->fail_to)
		fault = power->fail_code;
	power_unlock();
	return fault;
}

/* The n-th changing call from now and `more` after it fail. */
__attribute__((unused)) static void power_fail(uint64_t n, uint64_t more, int code)
{
	power_lock();
	power->fail_from = n ? power->changes + n : 0;
	power->fail_to = power->fail_from + more;
	power->fail_code = code;
	power_unlock();
}

/* --- the cut */

static void power_put(int fd, uint64_t offset, const uint8_t *data, uint64_t len)
{
	if (len > 0 && pwrite(fd, data, len, (off_t)offset) != (ssize_t)len)
		abort();
}

static void power_undo(const struct power_entry *e)
{
	int fd = open(e->path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || e->kind == POWER_CREATE) {
		if (fd >= 0)
			(void)close(fd);
		return; /* removed meanwhile */
	}
	power_put(fd, e->offset, power->data + e->data, e->old_len);
	if (ftruncate(fd, (off_t)e->old_size) < 0)
		abort();
	(void)close(fd);
}

static void power_redo(const struct power_entry *e)
{
	const uint64_t chance = power_chance(100);
	const uint8_t *data = power->data + e->data + e->old_len;
	int fd = open(e->path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	if (e->kind == POWER_WRITE && chance < 40) {
		power_put(fd, e->offset, data, e->len);
	} else if (e->kind == POWER_WRITE && chance < 65) {
		for (uint64_t at = 0; at < e->len;) {
			uint64_t end = (e->offset + at) / POWER_SECTOR_BYTES * POWER_SECTOR_BYTES +
				       POWER_SECTOR_BYTES - e->offset;

			end = end < e->len ? end : e->len;
			if (power_chance(2))
				power_put(fd, e->offset + at, data + at, end - at);
			at = end;
		}
	} else if (e->kind == POWER_TRUNCATE && chance < 50) {
		(void)!ftruncate(fd, (off_t)e->offset);
	} else if (e->kind == POWER_GROW && chance < 50 && (uint64_t)st.st_size < e->offset + e->len) {
		(void)!ftruncate(fd, (off_t)(e->offset + e->len));
	} else if (e->kind == POWER_CREATE && chance < 50) {
		(void)unlink(e->path);
	}
	(void)close(fd);
}

/* The process that used the disk is dead. Returns how many changes were in doubt. */
static uint64_t power_cut(void)
{
	uint64_t n = 0;

	if (!power->moving) {
		for (uint64_t k = power->n; k > 0; k--) {
			if (power->entries[k - 1].number)
				power_undo(&power->entries[k - 1]);
		}
		for (uint64_t k = 0; k < power->n; k++) {
			if (power->entries[k].number) {
				power_redo(&power->entries[k]);
				n++;
			}
		}
	}
	power->moving = false;
	power->n = power->used = 0;
	power->fail_from = power->die_at = 0;
	atomic_flag_clear(&power->lock);
	return n;
}

/* --- the table */

static const char *power_path(int fd)
{
	return power_paths[fd % POWER_FILES_MAX];
}

static int power_open(void *state, const char *path, int flags, mode_t mode)
{
	bool makes = flags & O_CREAT && access(path, F_OK) < 0;
	uint64_t number = 0;
	int fd, fault = makes ? power_fault() : 0;

	if (fault)
		return fault;
	if (makes)
		number = power_note(-1, path, POWER_CREATE, 0, NULL, 0);
	fd = os_posix_real()->open(state, path, flags, mode);
	if (number)
		power_done(number);
	if (fd >= POWER_FILES_MAX)
		abort();
	if (fd >= 0)
		snprintf(power_paths[fd], sizeof(power_paths[fd]), "%s", path);
	return fd;
}

static ssize_t power_pwrite(void *state, int fd, const void *data, size_t len, uint64_t offset)
{
	int fault = power_fault();
	uint64_t number;
	ssize_t n;

	if (fault) {
		bool nothing;

		len = len / 2;
		power_lock();
		nothing = power_chance(2);
		power_unlock();
		if (len == 0 || nothing)
			return fault;
	}
	number = power_note(fd, power_path(fd), POWER_WRITE, offset, data, len);
	power_die();
	n = os_posix_real()->pwrite(state, fd, data, len, offset);
	power_done(number);
	return fault ? fault : n;
}

static int power_fdatasync(void *state, int fd)
{
	int fault = power_fault();

	(void)state;
	power_die();
	return power_sync(power_path(fd), false, fault);
}

static int power_truncate(void *state, int fd, uint64_t len)
{
	int r = power_fault();
	uint64_t number;

	if (r)
		return r;
	number = power_note(fd, power_path(fd), POWER_TRUNCATE, len, NULL, 0);
	power_die();
	r = os_posix_real()->truncate(state, fd, len);
	power_done(number);
	return r;
}

static int power_allocate(void *state, int fd, uint64_t offset, uint64_t len)
{
	int r = power_fault();
	uint64_t number;

	if (r)
		return r;
	number = power_note(fd, power_path(fd), POWER_GROW, offset, NULL, len);
	power_die();
	r = os_posix_real()->allocate(state, fd, offset, len);
	power_done(number);
	return r;
}

static int power_rename(void *state, const char *from, const char *to)
{
	int r = power_fault();

	return r ? r : os_posix_real()->rename(state, from, to);
}

static int power_unlink(void *state, const char *path)
{
	int r = power_fault();

	if (r == 0)
		r = os_posix_real()->unlink(state, path);
	if (r < 0)
		return r;
	power_lock();
	for (uint64_t k = 0; k < power->n; k++) { /* another file of that name is another file */
		if (strcmp(power->entries[k].path, path) == 0)
			power->entries[k].number = 0;
	}
	power_unlock();
	return 0;
}

static int power_mkdir(void *state, const char *path, mode_t mode)
{
	int r = power_fault();

	return r ? r : os_posix_real()->mkdir(state, path, mode);
}

static int power_sync_dir(void *state, const char *path)
{
	int fault = power_fault();

	(void)state;
	power_die();
	return power_sync(path, true, fault);
}

static uint64_t power_now_ns(void *state)
{
	return os_posix_real()->now_ns(state) + (uint64_t)power->clock_ns;
}

const struct os *os_posix(void)
{
	static struct os os;

	if (!os.open) {
		struct os o = *os_posix_real();

		o.pwrite = power_pwrite;
		o.fdatasync = power_fdatasync;
		o.fsync = power_fdatasync;
		o.truncate = power_truncate;
		o.allocate = power_allocate;
		o.rename = power_rename;
		o.unlink = power_unlink;
		o.mkdir = power_mkdir;
		o.sync_dir = power_sync_dir;
		o.now_ns = power_now_ns;
		o.write_back = NULL;
		o.open = power_open;
		os = o;
	}
	return &os;
}

#endif
