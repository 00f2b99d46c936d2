/* SPDX-License-Identifier: MIT */
/*
 * A disk whose cache is volatile, for a loop device: `disk DIR BYTES MOUNTPOINT [SEED]` shows one file,
 * MOUNTPOINT/disk, of so many bytes. What was written is read back at once, but only a sync makes it durable,
 * as of a real disk; when the cache has CACHE_BYTES, the oldest goes first. DIR, on a file system with
 * reflinks, has two sparse files: `now`, with every write, and `durable`, with those that a sync has covered.
 *
 * What is written to MOUNTPOINT/control, a line a write, is done between two requests:
 *
 *	cut FILE all|none|some   make FILE what the disk is if the power fails now: a reflink of `durable`,
 *	                         and of the writes in its cache all, none, or each by chance: kept, dropped,
 *	                         or torn by sectors
 *	fail none|read|write|all these requests fail with EIO from now on (write: syncs as well)
 *	full on|off              writes fail with ENOSPC, as on thin provisioned storage that has run out
 *	lie on|off               a sync returns 0 and makes nothing durable
 *
 * Reading it gives counts, as JSON. One thread: a request is wholly before another or wholly after it.
 */
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CACHE_BYTES = 64 << 20, SECTOR_BYTES = 512, LINE_BYTES = 4096 };

struct pending {
	uint64_t off;
	size_t len;
	char *data;
};

static struct {
	int now, durable;
	off_t size;
	struct pending *cache; /* [first, end): the oldest first */
	size_t first, end, room, bytes;
	uint64_t random;
	bool fail_reads, fail_writes, full, lie;
	uint64_t writes, syncs, failed, cuts, kept, dropped, torn;
} disk;

/* xorshift64* */
static uint64_t next_random(void)
{
	disk.random ^= disk.random >> 12;
	disk.random ^= disk.random << 25;
	disk.random ^= disk.random >> 27;
	return disk.random * UINT64_C(0x2545f4914f6cdd1d);
}

static int write_all(int fd, const char *data, size_t len, uint64_t off)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The oldest write in the cache goes to what is durable. */
static int make_oldest_durable(void)
{
	struct pending *p = &disk.cache[disk.first];
	int r = write_all(disk.durable, p->data, p->len, p->off);

	if (r < 0)
		return r;
	free(p->data);
	disk.bytes -= p->len;
	if (++disk.first == disk.end)
		disk.first = disk.end = 0;
	return 0;
}

static int put_into_cache(const char *data, size_t len, uint64_t off)
{
	struct pending p = { off, len, malloc(len ? len : 1) };

	if (!p.data)
		return -ENOMEM;
	memcpy(p.data, data, len);
	if (disk.end == disk.room && disk.first > 0) {
		memmove(disk.cache, disk.cache + disk.first, (disk.end - disk.first) * sizeof(p));
		disk.end -= disk.first;
		disk.first = 0;
	}
	if (disk.end == disk.room) {
		size_t room = disk.room ? 2 * disk.room : 1024;
		struct pending *grown = realloc(disk.cache, room * sizeof(p));

		if (!grown) {
			free(p.data);
			return -ENOMEM;
		}
		disk.cache = grown;
		disk.room = room;
	}
	disk.cache[disk.end++] = p;
	disk.bytes += len;
	return 0;
}

static int disk_write(const char *data, size_t len, off_t off)
{
	int r;

	disk.writes++;
	if (disk.fail_writes || disk.full) {
		disk.failed++;
		return disk.fail_writes ? -EIO : -ENOSPC;
	}
	if (off < 0 || off >= disk.size || (off_t)len > disk.size - off)
		return -EIO;
	r = write_all(disk.now, data, len, (uint64_t)off);
	if (r == 0)
		r = put_into_cache(data, len, (uint64_t)off);
	while (r == 0 && !disk.lie && disk.bytes > CACHE_BYTES)
		r = make_oldest_durable();
	return r < 0 ? r : (int)len;
}

static int disk_sync(void)
{
	int r = 0;

	disk.syncs++;
	if (disk.fail_writes) {
		disk.failed++;
		return -EIO;
	}
	while (r == 0 && !disk.lie && disk.first < disk.end)
		r = make_oldest_durable();
	return r;
}

static int disk_read(char *to, size_t len, off_t off)
{
	ssize_t n;

	if (disk.fail_reads) {
		disk.failed++;
		return -EIO;
	}
	if (off >= disk.size)
		return 0;
	if ((off_t)len > disk.size - off)
		len = (size_t)(disk.size - off);
	n = pread(disk.now, to, len, off);
	if (n < 0)
		return -errno;
	memset(to + n, 0, len - (size_t)n); /* sparse, to its end */
	return (int)len;
}

/* --- the power fails */

static int add_torn(int fd, const struct pending *p)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < p->len; at += SECTOR_BYTES) {
		size_t len = p->len - at < SECTOR_BYTES ? p->len - at : SECTOR_BYTES;

		if (next_random() >> 63)
			r = write_all(fd, p->data + at, len, p->off + at);
	}
	return r;
}

static int cut(const char *file, const char *mode)
{
	bool all = strcmp(mode, "all") == 0, none = strcmp(mode, "none") == 0;
	int fd, r;

	if (!all && !none && strcmp(mode, "some") != 0)
		return -EINVAL;
	fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = ioctl(fd, FICLONE, disk.durable) < 0 ? -errno : 0;
	for (size_t i = disk.first; r == 0 && i < disk.end; i++) {
		const struct pending *p = &disk.cache[i];
		unsigned lot = all ? 0 : none ? 1 : (unsigned)(next_random() >> 62);

		if (lot == 0 || lot == 3) {
			r = write_all(fd, p->data, p->len, p->off);
			disk.kept++;
		} else if (lot == 1) {
			disk.dropped++;
		} else {
			r = add_torn(fd, p);
			disk.torn++;
		}
	}
	if (r == 0)
		disk.cuts++;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static bool is_on(const char *word)
{
	return strcmp(word, "on") == 0;
}

static int command(char *line)
{
	char *rest = NULL, *what = strtok_r(line, " \n", &rest), *a = strtok_r(NULL, " \n", &rest),
	     *b = strtok_r(NULL, " \n", &rest);

	if (!what || !a)
		return -EINVAL;
	if (strcmp(what, "cut") == 0)
		return b ? cut(a, b) : -EINVAL;
	if (strcmp(what, "fail") == 0) {
		disk.fail_reads = strcmp(a, "read") == 0 || strcmp(a, "all") == 0;
		disk.fail_writes = strcmp(a, "write") == 0 || strcmp(a, "all") == 0;
	} else if (strcmp(what, "full") == 0) {
		disk.full = is_on(a);
	} else if (strcmp(what, "lie") == 0) {
		disk.lie = is_on(a);
	} else {
		return -EINVAL;
	}
	return 0;
}

/* --- the file system that shows it */

static bool is_disk(const char *path)
{
	return strcmp(path, "/disk") == 0;
}

static int op_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
	(void)fi;
	memset(st, 0, sizeof(*st));
	st->st_nlink = 1;
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
	} else if (is_disk(path) || strcmp(path, "/control") == 0) {
		st->st_mode = S_IFREG | 0600;
		st->st_size = is_disk(path) ? disk.size : 0;
	} else {
		return -ENOENT;
	}
	return 0;
}

static int op_open(const char *path, struct fuse_file_info *fi)
{
	(void)path;
	fi->direct_io = 1; /* a write is here when it returns */
	return 0;
}

static int op_read(const char *path, char *to, size_t len, off_t off, struct fuse_file_info *fi)
{
	int n;

	(void)fi;
	if (is_disk(path))
		return disk_read(to, len, off);
	if (off > 0)
		return 0;
	n = snprintf(to, len,
		     "{\"writes\": %" PRIu64 ", \"syncs\": %" PRIu64 ", \"failed\": %" PRIu64
		     ", \"cuts\": %" PRIu64 ", \"kept\": %" PRIu64 ", \"dropped\": %" PRIu64
		     ", \"torn\": %" PRIu64 ", \"cached_bytes\": %zu}\n",
		     disk.writes, disk.syncs, disk.failed, disk.cuts, disk.kept, disk.dropped, disk.torn,
		     disk.bytes);
	return n < (int)len ? n : (int)len;
}

static int op_write(const char *path, const char *data, size_t len, off_t off, struct fuse_file_info *fi)
{
	char line[LINE_BYTES];
	int r;

	(void)fi;
	if (is_disk(path))
		return disk_write(data, len, off);
	if (len >= sizeof(line))
		return -EINVAL;
	memcpy(line, data, len);
	line[len] = 0;
	r = command(line);
	return r < 0 ? r : (int)len;
}

static int op_fsync(const char *path, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	(void)fi;
	return is_disk(path) ? disk_sync() : 0;
}

/* For who opens `control` with O_TRUNC. */
static int op_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
	(void)size;
	(void)fi;
	return is_disk(path) ? -EPERM : 0;
}

static int make_file(const char *dir, const char *name)
{
	char path[LINE_BYTES];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, disk.size) < 0) {
		fprintf(stderr, "disk: %s: %s\n", path, strerror(errno));
		exit(2);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = op_getattr,
		.open = op_open,
		.read = op_read,
		.write = op_write,
		.fsync = op_fsync,
		.truncate = op_truncate,
	};
	char front[] = "-f", one_thread[] = "-s", options[] = "-ofsname=soak-disk";
	char *words[] = { argv[0], front, one_thread, options, NULL, NULL };

	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: disk DIR BYTES MOUNTPOINT [SEED]\n");
		return 2;
	}
	disk.size = (off_t)strtoull(argv[2], NULL, 10);
	disk.random = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	if (disk.random == 0)
		disk.random = 1;
	disk.now = make_file(argv[1], "now");
	disk.durable = make_file(argv[1], "durable");
	words[4] = argv[3];
	return fuse_main(5, words, &operations, NULL);
}
