/* SPDX-License-Identifier: MIT */
/* Space: fallocate, holes, and what statfs says of it. */
#include "posix.h"

#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static const char *allocating(void)
{
	char got[100], zeros[100] = "";
	int fd = make("f", "0123456789", 0644);
	struct stat st;

	CHECK(fallocate(fd, 0, 0, 1 << 20) == 0 && fstat(fd, &st) == 0 && st.st_size == 1 << 20 &&
	      st.st_blocks == 2048);
	CHECK(pread(fd, got, 10, 0) == 10 && memcmp(got, "0123456789", 10) == 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 19) == 0 &&
	      fstat(fd, &st) == 0);
	CHECK(st.st_size == 1 << 20 && st.st_blocks == 1024 && pread(fd, got, 100, 0) == 100 &&
	      memcmp(got, zeros, 100) == 0);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20) == 0 && fstat(fd, &st) == 0 &&
	      st.st_size == 1 << 20);
	CHECK(st.st_blocks == 3072);
	CHECK(pwrite(fd, "data", 4, 100) == 4 && fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 200) == 0);
	CHECK(pread(fd, got, 4, 100) == 4 && memcmp(got, zeros, 4) == 0);
	CHECK(ftruncate(fd, 1 << 20) == 0 && fstat(fd, &st) == 0 && st.st_blocks <= 2048);
	CHECK(close(fd) == 0);
	return NULL;
}

/* Of the modes there are, one does what it says or is EOPNOTSUPP, and then nothing has changed. */
static const char *modes_of_fallocate(void)
{
	static const int refused[] = { FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE,
				       FALLOC_FL_UNSHARE_RANGE };
	static const off_t grown[] = { -4096, 4096, 0 };
	int fd = make("f", "0123456789", 0644), ro = open("f", O_RDONLY), fifo;

	CHECK(ftruncate(fd, 16384) == 0);
	for (unsigned k = 0; k < sizeof(refused) / sizeof(refused[0]); k++) {
		off_t size = stat_of("f").st_size;

		if (fallocate(fd, refused[k], 4096, 4096) == 0) {
			CHECK(stat_of("f").st_size == size + grown[k]);
			continue;
		}
		FAILS(EOPNOTSUPP, fallocate(fd, refused[k], 4096, 4096));
		CHECK(stat_of("f").st_size == size);
	}
	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	FAILS(EOPNOTSUPP, fallocate(fd, 1 << 20, 0, 4096));
	FAILS(EINVAL, fallocate(fd, 0, 0, 0));
	FAILS(EINVAL, fallocate(fd, 0, -1, 10));
	FAILS(EINVAL, fallocate(fd, 0, 10, -1));
	FAILS(EFBIG, fallocate(fd, 0, INT64_C(0x7fffffffffffffff), 1));
	FAILS(EBADF, fallocate(ro, 0, 0, 10));
	CHECK(mkfifo("fifo", 0600) == 0 && (fifo = open("fifo", O_RDWR)) >= 0);
	FAILS(ESPIPE, fallocate(fifo, 0, 0, 10));
	CHECK(close(fd) == 0 && close(ro) == 0 && close(fifo) == 0 && (fd = open(".", O_RDONLY)) >= 0);
	FAILS(EBADF, fallocate(fd, 0, 0, 10));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *zeroing(void)
{
	static char data[40000], got[40000];
	int fd = make("f", "", 0644);

	memset(data, 'd', sizeof(data));
	CHECK(write(fd, data, sizeof(data)) == sizeof(data));
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 5000, 10000) < 0) {
		CHECK(errno == EOPNOTSUPP);
		SKIP("no ZERO_RANGE");
	}
	memset(data + 5000, 0, 10000);
	CHECK(pread(fd, got, sizeof(got), 0) == sizeof(got) && memcmp(got, data, sizeof(got)) == 0);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 39000, 5000) == 0 &&
	      stat_of("f").st_size == 40000);
	CHECK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 39000, 5000) == 0 && stat_of("f").st_size == 44000);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 3) == 0 &&
	      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 43999, 100000) == 0 &&
	      stat_of("f").st_size == 44000);
	memset(data + 1, 0, 3);
	memset(data + 39000, 0, 1000);
	CHECK(pread(fd, got, sizeof(got), 0) == sizeof(got) && memcmp(got, data, sizeof(got)) == 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 44000) == 0 &&
	      stat_of("f").st_blocks <= 8);
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *holes(void)
{
	int fd = make("f", "", 0644);
	struct stat st;

	CHECK(pwrite(fd, "x", 1, 1 << 20) == 1 && pwrite(fd, "y", 1, (off_t)1 << 40) == 1);
	CHECK(fstat(fd, &st) == 0 && st.st_size == ((off_t)1 << 40) + 1 && st.st_blocks <= 256);
	CHECK(lseek(fd, 0, SEEK_DATA) <= 1 << 20 && lseek(fd, 0, SEEK_HOLE) == 0);
	CHECK(lseek(fd, 1 << 20, SEEK_HOLE) > 1 << 20 && lseek(fd, 1 << 22, SEEK_DATA) > 1 << 22);
	CHECK(lseek(fd, (off_t)1 << 40, SEEK_HOLE) == st.st_size);
	FAILS(ENXIO, lseek(fd, st.st_size, SEEK_DATA));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *edges_of_holes(void)
{
	enum { B = 65536 };
	static char block[B];
	int fd = make("f", "", 0644);
	off_t at;

	memset(block, 'b', B);
	FAILS(ENXIO, lseek(fd, 0, SEEK_DATA));
	FAILS(ENXIO, lseek(fd, 0, SEEK_HOLE));
	CHECK(pwrite(fd, block, B, 2 * B) == B && pwrite(fd, block, B, 6 * B) == B &&
	      ftruncate(fd, 10 * B) == 0);
	at = lseek(fd, 0, SEEK_DATA);
	CHECK(at == 2 * B && lseek(fd, at, SEEK_HOLE) == 3 * B && lseek(fd, 3 * B, SEEK_DATA) == 6 * B);
	CHECK(lseek(fd, 6 * B + 5, SEEK_DATA) == 6 * B + 5 && lseek(fd, 6 * B + 5, SEEK_HOLE) == 7 * B &&
	      lseek(fd, 5 * B, SEEK_HOLE) == 5 * B);
	FAILS(ENXIO, lseek(fd, 7 * B, SEEK_DATA));
	CHECK(lseek(fd, 10 * B - 1, SEEK_HOLE) == 10 * B - 1);
	FAILS(ENXIO, lseek(fd, 10 * B, SEEK_HOLE));
	CHECK(lseek(fd, -1, SEEK_DATA) < 0 && (errno == ENXIO || errno == EINVAL));
	CHECK(lseek(fd, -1, SEEK_HOLE) < 0 && (errno == ENXIO || errno == EINVAL));
	FAILS(EINVAL, lseek(fd, 0, 99));
	CHECK(lseek(fd, 2 * B, SEEK_SET) == 2 * B &&
	      fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * B, B) == 0 &&
	      lseek(fd, 0, SEEK_DATA) == 6 * B);
	CHECK(ftruncate(fd, 6 * B + 1) == 0 &&
	      lseek(fd, 6 * B, SEEK_HOLE) == 6 * B + 1); /* the end counts as one */
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *sizes(void)
{
	struct statvfs v, w;
	static char data[1 << 20];
	int fd;

	CHECK(statvfs(".", &v) == 0 && v.f_bsize > 0 && v.f_blocks > 0 && v.f_bavail <= v.f_blocks &&
	      v.f_namemax == 255);
	memset(data, 's', sizeof(data));
	fd = make("f", "", 0644);
	for (int k = 0; k < 8; k++) {
		data[0] = (char)k;
		CHECK(write(fd, data, sizeof(data)) == sizeof(data));
	}
	CHECK(close(fd) == 0 && statvfs(".", &w) == 0 && stat_of("f").st_blocks == 8 << 11);
	CHECK(w.f_blocks - w.f_bfree >= v.f_blocks - v.f_bfree);
	return NULL;
}

/* What an unlinked file took is free when the call returns, or, when it was open, when it is closed. */
static const char *space_comes_back(void)
{
	enum { MB = 1 << 20, N = 8 };
	static char data[MB];
	struct statvfs before, during, after;
	int fd, other;

	(void)sync();
	memset(data, 's', sizeof(data));
	CHECK(statvfs(".", &before) == 0 && (fd = make("f", "", 0644)) >= 0 && made("file", "", 0644));
	for (int k = 0; k < N; k++) {
		memcpy(data, &k, sizeof(k));
		CHECK(write(fd, data, MB) == MB);
	}
	CHECK(fsync(fd) == 0 && close(fd) == 0 && link("f", "g") == 0 && unlink("f") == 0 &&
	      statvfs(".", &during) == 0);
	CHECK((during.f_blocks - during.f_bfree) * during.f_frsize + MB >=
	      (before.f_blocks - before.f_bfree) * before.f_frsize + N * (unsigned long)MB);
	CHECK(during.f_files - during.f_ffree >= before.f_files - before.f_ffree + 2);
	CHECK(unlink("g") == 0 && statvfs(".", &after) == 0);
	CHECK((after.f_blocks - after.f_bfree) * after.f_frsize <=
	      (before.f_blocks - before.f_bfree) * before.f_frsize + MB);
	CHECK(after.f_files - after.f_ffree <= during.f_files - during.f_ffree - 1);
	CHECK((fd = open("file", O_RDONLY | O_DIRECTORY)) < 0 && (fd = open("file", O_RDONLY)) >= 0 &&
	      fstatvfs(fd, &during) == 0 && during.f_fsid == after.f_fsid &&
	      during.f_namemax == after.f_namemax && (other = dup(fd)) >= 0);
	CHECK(close(fd) == 0 && close(other) == 0);
	return NULL;
}

const struct check checks_space[] = {
	{ "fallocate, and st_blocks", allocating },
	{ "fallocate: what is not supported is refused", modes_of_fallocate },
	{ "fallocate: ZERO_RANGE, PUNCH_HOLE", zeroing },
	{ "holes, SEEK_DATA and SEEK_HOLE", holes },
	{ "holes: their edges, and errors", edges_of_holes },
	{ "statfs", sizes },
	{ "statfs: space comes back with the last link", space_comes_back },
	{ NULL, NULL },
};
