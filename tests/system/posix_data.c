/* SPDX-License-Identifier: MIT */
/* Contents: reading and writing in all ways there are, and files without a name. */
#include "posix.h"

#include <inttypes.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static const char *open_but_unlinked(void)
{
	struct stat st;
	char got[8];
	int fd = make("f", "hello", 0644);

	CHECK(fd >= 0 && unlink("f") == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == 5);
	CHECK(pwrite(fd, "J", 1, 0) == 1 && ftruncate(fd, 4) == 0 && pread(fd, got, 8, 0) == 4 &&
	      memcmp(got, "Jell", 4) == 0);
	CHECK(fchmod(fd, 0600) == 0 && fsync(fd) == 0);
	CHECK(made("f", "new", 0644) && pread(fd, got, 8, 0) == 4 && holds("f", "new"));
	CHECK(rename("f", "g") == 0 && made("f", "x", 0644) && rename("f", "g") == 0 && holds("g", "x"));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *temporary_files(void)
{
	char path[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	if (fd < 0 && errno == EOPNOTSUPP)
		SKIP("O_TMPFILE is not supported by this kernel's FUSE");
	CHECK(fd >= 0 && write(fd, "text", 4) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 && holds("named", "text"));
	CHECK(close(fd) == 0 && stat_of("named").st_nlink == 1 && (stat_of("named").st_mode & 0777) == 0640);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *temporary_files_named_late(void)
{
	struct stat st;
	int fd, dir;

	CHECK(mkdir("d", 0755) == 0 && (dir = open("d", O_RDONLY | O_DIRECTORY)) >= 0);
	fd = open("d", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 && errno == EOPNOTSUPP)
		SKIP("O_TMPFILE is not supported by this kernel's FUSE");
	CHECK(fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0 && write(fd, "text", 4) == 4);
	CHECK(faccessat(dir, ".", F_OK, 0) == 0 && stat_of("d").st_nlink == 2 && rmdir("d") == 0 &&
	      mkdir("e", 0755) == 0);
	if (geteuid() == 0) /* to any directory, that it was made in is gone */
		CHECK(linkat(fd, "", AT_FDCWD, "e/f", AT_EMPTY_PATH) == 0 && holds("e/f", "text") &&
		      fstat(fd, &st) == 0 && st.st_nlink == 1);
	CHECK(close(fd) == 0);
	/* where a directory was, nothing is made; ext4 says EPERM */
	CHECK(openat(dir, ".", O_TMPFILE | O_RDWR, 0600) < 0 && (errno == ENOENT || errno == EPERM));
	CHECK(close(dir) == 0);
	FAILS(EINVAL, open("e", O_TMPFILE | O_RDONLY, 0600));
	/* what had names and has none stays without */
	fd = make("gone", "", 0600);
	CHECK(unlink("gone") == 0);
	if (geteuid() == 0)
		FAILS(ENOENT, linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *truncating(void)
{
	char got[20], zeros[20] = "";
	int fd = make("f", "0123456789", 0644), ro = open("f", O_RDONLY);

	CHECK(truncate("f", 5) == 0 && truncate("f", 15) == 0 && pread(fd, got, 20, 0) == 15);
	CHECK(memcmp(got, "01234", 5) == 0 && memcmp(got + 5, zeros, 10) == 0);
	FAILS(EINVAL, ftruncate(ro, 0));
	FAILS(EISDIR, truncate(".", 0));
	FAILS(EFBIG, pwrite(fd, "xx", 2, INT64_MAX - 1) < 0 && errno == EINVAL ? (errno = EFBIG, -1) : -1);
	CHECK(close(open("f", O_WRONLY | O_TRUNC)) == 0 && stat_of("f").st_size == 0 &&
	      pread(ro, got, 20, 0) == 0);
	CHECK(close(fd) == 0 && close(ro) == 0);
	return NULL;
}

/* Where 32-bit numbers end. */
static const char *far_offsets(void)
{
	static const off_t at[] = { INT64_C(0x7fffffff),  INT64_C(0x80000000),    INT64_C(0xffffffff),
				    INT64_C(0x100000000), INT64_C(0xffffffff000), INT64_C(0xfffffffffff) };
	char got[64], word[32], *map;
	int fd = make("f", "", 0644);

	for (unsigned k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
		size_t n = (size_t)snprintf(word, sizeof(word), "<%" PRId64 ">", (int64_t)at[k]);

		if (k == 4)
			CHECK(ftruncate(fd, 0) == 0);
		if (k >= 4 && pwrite(fd, word, n, at[k] - 5) < (ssize_t)n && stat_of("f").st_size <= at[k])
			SKIP("files here end at 16 TiB");
		CHECK(pwrite(fd, word, n, at[k] - 5) == (ssize_t)n &&
		      stat_of("f").st_size == at[k] - 5 + (off_t)n);
		CHECK(pread(fd, got, n + 5, at[k] - 5) == (ssize_t)n && memcmp(got, word, n) == 0);
		CHECK(lseek(fd, 0, SEEK_END) == at[k] - 5 + (off_t)n &&
		      lseek(fd, at[k] - 5, SEEK_SET) == at[k] - 5);
		CHECK(read(fd, got, n) == (ssize_t)n && memcmp(got, word, n) == 0);
		map = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, (at[k] - 5) & ~(off_t)4095);
		CHECK(map != MAP_FAILED && map[(at[k] - 5) & 4095] == '<' && munmap(map, 8192) == 0);
	}
	CHECK(ftruncate(fd, INT64_C(0x100000000) + 1) == 0 && pread(fd, got, 8, INT64_C(0xffffffff)) == 2 &&
	      got[0] == 0);
	CHECK(close(fd) == 0);
	return NULL;
}

/* The last byte there can be is at 2^63 - 2; file systems may end earlier, with EFBIG. */
static const char *the_last_offset(void)
{
	const off_t end = INT64_MAX;
	int fd = make("f", "", 0644);
	char got[2];

	errno = 0;
	if (pwrite(fd, "z", 1, end - 1) < 0) {
		FAILS(EFBIG, pwrite(fd, "z", 1, end - 1));
		CHECK(stat_of("f").st_size == 0);
		SKIP("files here end earlier");
	}
	CHECK(stat_of("f").st_size == end && pread(fd, got, 1, end - 1) == 1 && got[0] == 'z');
	CHECK(lseek(fd, 0, SEEK_END) == end && lseek(fd, -1, SEEK_CUR) == end - 1);
	FAILS(EOVERFLOW, lseek(fd, 2, SEEK_CUR) < 0 && errno == EINVAL ? (errno = EOVERFLOW, -1) : -1);
	CHECK(pwrite(fd, "xx", 2, end - 1) <= 1); /* the part that fits, or nothing */
	CHECK(pwrite(fd, "x", 1, end) < 0 && (errno == EFBIG || errno == EINVAL));
	CHECK(ftruncate(fd, end) == 0 && ftruncate(fd, 1) == 0 && stat_of("f").st_blocks == 0 &&
	      pread(fd, got, 2, 0) == 1 && got[0] == 0);
	FAILS(EINVAL, ftruncate(fd, -1));
	FAILS(EINVAL, pwrite(fd, "x", 1, -1));
	CHECK(close(fd) == 0);
	return NULL;
}

/* What lies behind an end is zero when the end moves on, whatever was there before. */
static const char *tails(void)
{
	static const off_t cuts[] = { 0, 1, 511, 4095, 4096, 4097, 65535, 65536, 65537, 100000 };
	static char data[200000], got[200000];
	int fd = make("f", "", 0644);

	memset(data, 'd', sizeof(data));
	for (unsigned k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
		off_t cut = cuts[k];

		CHECK(pwrite(fd, data, sizeof(data), 0) == sizeof(data) && ftruncate(fd, cut) == 0);
		if (k % 3 == 0)
			CHECK(ftruncate(fd, 150000) == 0);
		else if (k % 3 == 1)
			CHECK(pwrite(fd, "e", 1, 149999) == 1);
		else
			CHECK(posix_fallocate(fd, 0, 150000) == 0);
		CHECK(pread(fd, got, sizeof(got), 0) == 150000 && memcmp(got, data, (size_t)cut) == 0);
		for (off_t at = cut; at < 149999; at++)
			CHECK(got[at] == 0);
		CHECK(got[149999] == (k % 3 == 1 ? 'e' : 0));
	}
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *vectors(void)
{
	char a[5] = "one", b[5] = "two", c[10] = "";
	struct iovec out[] = { { a, 3 }, { b, 0 }, { b, 3 } }, in[] = { { c, 2 }, { c + 2, 4 } };
	int fd = make("f", "", 0644), pipes[2];

	CHECK(writev(fd, out, 3) == 6 && preadv(fd, in, 2, 0) == 6 && memcmp(c, "onetwo", 6) == 0);
	CHECK(pwritev(fd, out, 3, 3) == 6 && holds("f", "oneonetwo"));
	CHECK(pipe(pipes) == 0 && write(pipes[1], "spliced", 7) == 7);
	CHECK(splice(pipes[0], NULL, fd, &(loff_t){ 0 }, 7, 0) == 7 && holds("f", "splicedwo"));
	CHECK(splice(fd, &(loff_t){ 7 }, pipes[1], NULL, 10, 0) == 2 && read(pipes[0], c, 10) == 2 &&
	      memcmp(c, "wo", 2) == 0);
	CHECK(write(fd, "", 0) == 0 && pwrite(fd, "", 0, 100) == 0 && stat_of("f").st_size == 9);
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && readahead(fd, 0, 4096) == 0);
	CHECK(close(fd) == 0 && close(pipes[0]) == 0 && close(pipes[1]) == 0);
	return NULL;
}

static const char *copying(void)
{
	static char data[300000], got[300000];
	loff_t in = 1000, out = 70000;
	int a, b;

	for (size_t k = 0; k < sizeof(data); k++)
		data[k] = (char)(k * 2654435761u >> 13);
	a = make("a", "", 0644);
	b = make("b", "", 0644);
	CHECK(write(a, data, sizeof(data)) == sizeof(data));
	CHECK(copy_file_range(a, &in, b, &out, 200000, 0) == 200000 && in == 201000 && out == 270000);
	CHECK(pread(b, got, sizeof(got), 70000) == 200000 && memcmp(got, data + 1000, 200000) == 0);
	CHECK(lseek(a, 0, SEEK_SET) == 0 && lseek(b, 0, SEEK_SET) == 0 &&
	      sendfile(b, a, NULL, 100000) == 100000);
	CHECK(pread(b, got, 100000, 0) == 100000 && memcmp(got, data, 100000) == 0);
	CHECK(close(a) == 0 && close(b) == 0);
	return NULL;
}

static const char *copying_at_odds(void)
{
	loff_t in, out;
	char got[16];
	int a = make("a", "0123456789", 0644), b = make("b", "", 0644), ro = open("a", O_RDONLY);

	FAILS(EINVAL, copy_file_range(a, &(loff_t){ 0 }, a, &(loff_t){ 5 }, 6, 0));
	FAILS(EINVAL, copy_file_range(a, NULL, b, NULL, 1, 1));
	FAILS(EBADF, copy_file_range(a, NULL, ro, NULL, 1, 0));
	CHECK(copy_file_range(a, &(loff_t){ 0 }, a, &(loff_t){ 10 }, 5, 0) == 5 &&
	      holds("a", "012345678901234"));
	in = 15;
	CHECK(copy_file_range(a, &in, b, NULL, 100, 0) == 0 && stat_of("b").st_size == 0);
	in = 10, out = 100000;
	CHECK(copy_file_range(a, &in, b, &out, 100, 0) == 5 && in == 15 && out == 100005 &&
	      stat_of("b").st_size == 100005);
	CHECK(pread(b, got, 16, 99995) == 10 && memcmp(got,
						       "\0\0\0\0\0"
						       "01234",
						       10) == 0);
	CHECK(close(a) == 0 && close(b) == 0 && close(ro) == 0 && mkdir("d", 0755) == 0 &&
	      (ro = open("d", O_RDONLY)) >= 0 && (b = open("b", O_RDWR)) >= 0);
	FAILS(EISDIR, copy_file_range(ro, NULL, b, NULL, 1, 0));
	CHECK(close(ro) == 0 && close(b) == 0);
	return NULL;
}

/* Two processes append lines: each line is there, whole. */
static const char *appending(void)
{
	enum { LINES = 500 };
	unsigned counts[2] = { 0 };
	char line[64];
	FILE *f;

	for (int who = 0; who < 2; who++) {
		if (fork() == 0) {
			int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);

			for (unsigned k = 0; k < LINES; k++) {
				int n = snprintf(line, sizeof(line), "process %d line %u of the log\n", who,
						 k);

				if (write(fd, line, (size_t)n) != n)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int who = 0; who < 2; who++) {
		int status;

		CHECK(wait(&status) > 0 && status == 0);
	}
	CHECK((f = fopen("log", "r")));
	while (fgets(line, sizeof(line), f)) {
		unsigned who, k;

		CHECK(sscanf(line, "process %u line %u of the log", &who, &k) == 2 && who < 2 &&
		      k == counts[who]);
		counts[who]++;
	}
	fclose(f);
	CHECK(counts[0] == LINES && counts[1] == LINES);
	return NULL;
}

/* O_APPEND: where the end is, whatever the offset, and so for whoever shares the description. */
static const char *append_goes_to_the_end(void)
{
	int fd = make("f", "begin ", 0644), end = open("f", O_RDWR | O_APPEND), status;
	char got[4];

	CHECK(pwrite(end, "one ", 4, 0) == 4 && lseek(end, 0, SEEK_SET) == 0 && write(end, "two ", 4) == 4);
	CHECK(lseek(end, 0, SEEK_CUR) == 14 && write(fd, "three ", 6) == 6 && write(end, "four ", 5) == 5);
	CHECK(holds("f", "begin three  four ") || holds("f", "begin three wo four ") ||
	      stat_of("f").st_size == 19);
	CHECK(pread(end, got, 4, 15) == 4 && memcmp(got, "four", 3) != 0 ?
		      pread(end, got, 4, 14) == 4 && memcmp(got, "four", 4) == 0 :
		      true);
	CHECK(ftruncate(fd, 3) == 0 && write(end, "x", 1) == 1 && holds("f", "begx"));
	if (fork() == 0)
		_exit(write(end, "child", 5) != 5);
	CHECK(wait(&status) > 0 && status == 0 && write(end, "!", 1) == 1 && holds("f", "begxchild!"));
	CHECK(fcntl(fd, F_SETFL, O_APPEND) == 0 && lseek(fd, 0, SEEK_SET) == 0 && write(fd, "+", 1) == 1 &&
	      holds("f", "begxchild!+"));
	CHECK(close(fd) == 0 && close(end) == 0);
	return NULL;
}

static const char *direct(void)
{
	void *page;
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644);

	if (fd < 0 && errno == EINVAL)
		SKIP("no O_DIRECT");
	CHECK(fd >= 0 && posix_memalign(&page, 4096, 8192) == 0);
	memset(page, 'd', 8192);
	CHECK(pwrite(fd, page, 8192, 4096) == 8192 && pread(fd, page, 4096, 0) == 4096 && *(char *)page == 0);
	CHECK(pread(fd, page, 4096, 8192) == 4096 && *(char *)page == 'd' && close(fd) == 0);
	free(page);
	return NULL;
}

/* Past the cache and through it, one sees the same. */
static const char *direct_and_not(void)
{
	char *page, *map;
	int fd, buffered;

	fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644);
	if (fd < 0 && errno == EINVAL)
		SKIP("no O_DIRECT");
	CHECK(fd >= 0 && (buffered = open("f", O_RDWR)) >= 0 &&
	      posix_memalign((void **)&page, 4096, 65536) == 0);
	memset(page, 'a', 65536);
	CHECK(pwrite(buffered, page, 65536, 0) == 65536);
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, buffered, 0);
	CHECK(map != MAP_FAILED && map[5000] == 'a');
	memset(page, 'b', 4096);
	CHECK(pwrite(fd, page, 4096, 4096) == 4096 && map[5000] == 'b' && map[9000] == 'a');
	CHECK(pread(buffered, page, 1, 4096) == 1 && page[0] == 'b');
	map[20000] = 'm';
	CHECK(pread(fd, page, 65536, 0) == 65536 && page[20000] == 'm' && page[5000] == 'b');
	CHECK(pwrite(buffered, "c", 1, 30000) == 1 && pread(fd, page, 8192, 28672) == 8192 &&
	      page[30000 - 28672] == 'c');
	CHECK(pread(fd, page, 8192, 65536) == 0 && ftruncate(fd, 6000) == 0 &&
	      pread(fd, page, 8192, 4096) == 6000 - 4096);
	CHECK(fcntl(fd, F_SETFL, O_DIRECT | O_APPEND) == 0);
	memset(page, 'e', 4096);
	if (pwrite(fd, page, 4096, 0) == 4096) /* who wants blocks may refuse: 6000 is in none's middle */
		CHECK(stat_of("f").st_size == 6000 + 4096);
	CHECK(munmap(map, 65536) == 0 && close(fd) == 0 && close(buffered) == 0);
	free(page);
	return NULL;
}

enum { BACKGROUND_BYTES = 128 << 10, BACKGROUND_ROUNDS = 1500 };

/* Read the file again and again, until killed. */
static pid_t start_reader(const char *name)
{
	pid_t pid = fork();
	char *bytes;
	int fd;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bytes = malloc(BACKGROUND_BYTES);
	fd = open(name, O_RDONLY);
	while (bytes && fd >= 0 && pread(fd, bytes, BACKGROUND_BYTES, 0) >= 0)
		;
	_exit(1);
}

static bool write_in_background(aio_context_t context, int fd, const char *bytes)
{
	struct iocb io = { .aio_lio_opcode = IOCB_CMD_PWRITE,
			   .aio_fildes = (unsigned)fd,
			   .aio_buf = (uintptr_t)bytes,
			   .aio_nbytes = BACKGROUND_BYTES },
		    *ios[] = { &io };
	struct io_event event;

	return syscall(SYS_io_submit, context, 1, ios) == 1 &&
	       syscall(SYS_io_getevents, context, 1, 1, &event, NULL) == 1 && event.res == BACKGROUND_BYTES;
}

/* Who reads meanwhile leaves nothing old in the cache. */
static const char *direct_in_background(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644), buffered;
	aio_context_t context = 0;
	pid_t readers[2];
	char *page, *got;

	if (fd < 0 && errno == EINVAL)
		SKIP("no O_DIRECT");
	if (syscall(SYS_io_setup, 1, &context) < 0)
		SKIP("no io_setup");
	CHECK(fd >= 0 && (buffered = open("f", O_RDONLY)) >= 0 && (got = malloc(BACKGROUND_BYTES)) &&
	      posix_memalign((void **)&page, 4096, BACKGROUND_BYTES) == 0);
	for (int i = 0; i < 2; i++)
		CHECK((readers[i] = start_reader("f")) > 0);
	for (int i = 0; i < BACKGROUND_ROUNDS; i++) {
		memset(page, 'a' + i % 26, BACKGROUND_BYTES);
		CHECK(write_in_background(context, fd, page));
		CHECK(pread(buffered, got, BACKGROUND_BYTES, 0) == BACKGROUND_BYTES &&
		      memcmp(got, page, BACKGROUND_BYTES) == 0);
	}
	for (int i = 0; i < 2; i++)
		CHECK(kill(readers[i], SIGKILL) == 0 && waitpid(readers[i], NULL, 0) == readers[i]);
	CHECK(syscall(SYS_io_destroy, context) == 0 && close(fd) == 0 && close(buffered) == 0);
	free(page);
	free(got);
	return NULL;
}

static const char *syncing(void)
{
	int fd = make("f", "text", 0644), dir = open(".", O_RDONLY | O_DIRECTORY);

	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && fsync(dir) == 0 && syncfs(fd) == 0);
	CHECK(close(fd) == 0 && close(dir) == 0);
	fd = open("g", O_RDWR | O_CREAT | O_DSYNC, 0644);
	CHECK(write(fd, "x", 1) == 1 && close(fd) == 0);
	return NULL;
}

const struct check checks_data[] = {
	{ "a file that is unlinked while open", open_but_unlinked },
	{ "O_TMPFILE and linkat", temporary_files },
	{ "O_TMPFILE, named late or not at all", temporary_files_named_late },
	{ "truncate", truncating },
	{ "offsets at 2 GiB, 4 GiB and 16 TiB", far_offsets },
	{ "the last offset, 2^63 - 2", the_last_offset },
	{ "tails: what lies behind an end is zero", tails },
	{ "writev, preadv, splice", vectors },
	{ "copy_file_range, sendfile", copying },
	{ "copy_file_range, at its limits", copying_at_odds },
	{ "O_APPEND of two processes", appending },
	{ "O_APPEND: at the end, always", append_goes_to_the_end },
	{ "O_DIRECT", direct },
	{ "O_DIRECT, the cache and a mapping", direct_and_not },
	{ "O_DIRECT in the background, and who reads meanwhile", direct_in_background },
	{ "fsync of files and folders, syncfs", syncing },
	{ NULL, NULL },
};
