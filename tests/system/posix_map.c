/* SPDX-License-Identifier: MIT */
/* Mappings, also of files that shrink. */
#include "posix.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const char *mapped(void)
{
	enum { LEN = 3 * 65536 + 100 };
	char *map, got[16];
	int fd = make("f", "", 0644);

	CHECK(ftruncate(fd, LEN) == 0);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	memcpy(map, "begin", 5);
	memcpy(map + 65534, "across", 6);
	memcpy(map + LEN - 3, "end", 3);
	CHECK(msync(map, LEN, MS_SYNC) == 0);
	CHECK(pread(fd, got, 6, 65534) == 6 && memcmp(got, "across", 6) == 0);
	CHECK(pwrite(fd, "WRITTEN", 7, 1000) == 7 && memcmp(map + 1000, "WRITTEN", 7) == 0);
	memcpy(map + 2000, "late", 4);
	CHECK(munmap(map, LEN) == 0 && close(fd) == 0);
	fd = open("f", O_RDONLY);
	CHECK(pread(fd, got, 4, 2000) == 4 && memcmp(got, "late", 4) == 0 &&
	      pread(fd, got, 16, LEN - 3) == 3 && memcmp(got, "end", 3) == 0);
	map = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, "begin", 5) == 0 && memcmp(map + 65534, "across", 6) == 0);
	CHECK(munmap(map, LEN) == 0 && close(fd) == 0);
	return NULL;
}

static sigjmp_buf back;

static void jump(int number)
{
	siglongjmp(back, number);
}

/* The signal that touching the byte brings, or 0. */
static int touch(volatile char *at, bool to_write)
{
	int number = sigsetjmp(back, 1);

	if (number == 0) {
		if (to_write)
			*at = 't';
		else
			(void)*at;
	}
	return number;
}

/* Pages behind the end of a file that has shrunk are SIGBUS, of a private mapping too, and zero once it has
 * grown. */
static const char *cut_under_a_mapping(void)
{
	const struct sigaction act = { .sa_handler = jump };
	char *shared, *private;
	int fd = make("f", "", 0644), status;

	CHECK(sigaction(SIGBUS, &act, NULL) == 0);
	for (char k = 'a'; k < 'd'; k++)
		for (int at = 0; at < 4096; at += 64)
			CHECK(pwrite(fd, (char[64]){ k, k, k }, 64, (k - 'a') * 4096 + at) == 64);
	shared = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED && shared[8192] == 'c' && private[8192] == 'c');
	private[4096] = 'P';
	CHECK(touch(shared + 3 * 4096, false) == SIGBUS); /* behind the end from the beginning */
	if (fork() == 0)
		_exit(truncate("f", 4196) < 0);
	CHECK(wait(&status) > 0 && status == 0);
	CHECK(shared[4096] == 'b' && shared[4096 + 100] == 0 && private[4096] == 'P');
	CHECK(touch(shared + 8192, false) == SIGBUS && touch(shared + 8192, true) == SIGBUS &&
	      touch(private + 8192, false) == SIGBUS);
	CHECK(ftruncate(fd, 0) == 0 && touch(shared, false) == SIGBUS &&
	      touch(private + 4096, false) == SIGBUS);
	CHECK(ftruncate(fd, 3 * 4096) == 0 && shared[0] == 0 && shared[4096] == 0 && private[4096] == 0 &&
	      touch(shared, true) == 0);
	CHECK(msync(shared, 4096, MS_SYNC) == 0 && munmap(shared, 4 * 4096) == 0 &&
	      munmap(private, 4 * 4096) == 0);
	CHECK(close(fd) == 0 && (fd = open("f", O_RDONLY)) >= 0);
	CHECK(pread(fd, (char[1]){ 0 }, 1, 0) == 1 && stat_of("f").st_size == 3 * 4096 && close(fd) == 0);
	return NULL;
}

/* What is written to a private mapping is nobody else's; what is written to the file shows in a shared one.
 */
static const char *private_and_shared(void)
{
	int fd = make("f", "0123456789", 0644), status;
	char *shared, *private;

	shared = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	private[0] = 'P';
	CHECK(holds("f", "0123456789") && shared[0] == '0');
	if (fork() == 0) {
		shared[1] = 'S';
		_exit(private[0] != 'P');
	}
	CHECK(wait(&status) > 0 && status == 0 && shared[1] == 'S' && holds("f", "0S23456789"));
	CHECK(unlink("f") == 0 && close(fd) == 0);
	shared[2] = 'T'; /* the mapping keeps the file */
	CHECK(msync(shared, 10, MS_SYNC) == 0 && memcmp(shared, "0ST3456789", 10) == 0);
	CHECK(munmap(shared, 10) == 0 && munmap(private, 10) == 0);
	return NULL;
}

static const char *rights_of_mappings(void)
{
	int ro, wo;

	CHECK(made("f", "text", 0644) && (ro = open("f", O_RDONLY)) >= 0 && (wo = open("f", O_WRONLY)) >= 0);
	CHECK(mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES);
	CHECK(mmap(NULL, 4, PROT_READ, MAP_SHARED, wo, 0) == MAP_FAILED && errno == EACCES);
	CHECK(mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0) != MAP_FAILED);
	CHECK(close(ro) == 0 && close(wo) == 0);
	return NULL;
}

/* What was put behind the end through a mapping's last page is not the file's. */
static const char *behind_the_end(void)
{
	int fd = make("f", "0123456789", 0644);
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), got[100];

	CHECK(map != MAP_FAILED);
	map[5] = 'w';
	memset(map + 10, 'x', 1000);
	CHECK(msync(map, 4096, MS_SYNC) == 0 && stat_of("f").st_size == 10 && holds("f", "01234w6789"));
	CHECK(munmap(map, 4096) == 0 && ftruncate(fd, 0) == 0 && ftruncate(fd, 100) == 0 &&
	      pread(fd, got, 100, 0) == 100);
	for (int k = 0; k < 100; k++)
		CHECK(got[k] == 0);
	CHECK(close(fd) == 0);
	return NULL;
}

/* Written through a mapping that still lives, and not yet handed on: data all the same. */
static const char *holes_written_through_a_mapping(void)
{
	enum { LEN = 1 << 20, AT = 300000 };
	int fd = make("f", "", 0644);
	off_t from;
	char *map;

	CHECK(ftruncate(fd, LEN) == 0);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	map[AT] = 'd';
	from = lseek(fd, 0, SEEK_DATA);
	CHECK(from >= 0 && from <= AT);
	map[0] = 'd';
	CHECK(lseek(fd, 0, SEEK_HOLE) > 0 && lseek(fd, 0, SEEK_DATA) == 0);
	CHECK(munmap(map, LEN) == 0 && close(fd) == 0);
	return NULL;
}

/*
 * Copies into a part of a page, again and again; the rest of it is stored to through a mapping. From the
 * middle of the page, and up to it.
 */
static const char *stores_beside_copies(void)
{
	enum { PAGE = 4096, LEN = 3 * PAGE, STORES = 1000 };
	static const struct {
		off_t to;
		size_t n;
		unsigned at;
	} copies[] = { { PAGE + 2048, 2000, PAGE + 20 }, { 0, PAGE + 100, PAGE + 3000 } };
	int fd = make("f", "", 0644), source = make("source", "", 0644);
	volatile char *map;

	CHECK(ftruncate(fd, LEN) == 0 && ftruncate(source, LEN) == 0);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	for (unsigned i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
		unsigned lost = 0;
		pid_t copier = fork();

		while (copier == 0) {
			loff_t from = 0, to = copies[i].to;

			if (copy_file_range(source, &from, fd, &to, copies[i].n, 0) < 0)
				_exit(1);
		}
		for (unsigned k = 0; k < STORES; k++) {
			map[copies[i].at] = (char)k;
			usleep(100);
			lost += map[copies[i].at] != (char)k;
		}
		CHECK(kill(copier, SIGKILL) == 0 && waitpid(copier, NULL, 0) == copier && lost == 0);
	}
	CHECK(munmap((void *)map, LEN) == 0 && close(fd) == 0 && close(source) == 0);
	return NULL;
}

const struct check checks_map[] = {
	{ "shared mappings", mapped },
	{ "truncate under mappings, SIGBUS", cut_under_a_mapping },
	{ "private mappings, and processes that share one", private_and_shared },
	{ "mappings need the rights of their descriptor", rights_of_mappings },
	{ "behind the end of a mapped file", behind_the_end },
	{ "SEEK_DATA of what a mapping holds", holes_written_through_a_mapping },
	{ "what a mapping stores beside copy_file_range", stores_beside_copies },
	{ NULL, NULL },
};
