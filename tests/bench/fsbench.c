/* SPDX-License-Identifier: MIT */
/*
 * The loops of `make bench` that go call by call: fsbench FIGURE PATH COUNT does it and prints what one
 * second holds of it (MB or calls). docs/BENCHMARKS.md says what each figure is. Anything that fails ends it
 * with a word on stderr.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (1u << 20)
#define SMALL_BYTES 4096
#define FILE_BYTES 2048
#define FOLDERS 100
#define WRITERS 8

static unsigned char buffer[MIB];

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fsbench: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * xorshift64*: bytes that neither compress nor repeat, the same in every run with this path. Another path has
 * others: what is stored already costs less to store.
 */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1Dull;
}

static uint64_t seed_of(const char *path)
{
	uint64_t h = 88172645463325252ull;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3ull;
	return h ? h : 1;
}

static void fill_at(unsigned char *to, uint64_t *state, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = next_random(state);

		memcpy(to + i, &v, 8);
	}
}

static void fill(uint64_t *state, size_t len)
{
	fill_at(buffer, state, len);
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0644);

	check(fd >= 0, path);
	return fd;
}

/* The time to make up the bytes is not counted. */
static double seq_write(const char *path, long count)
{
	int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
	uint64_t state = seed_of(path);
	double spent = 0, start;

	for (long i = 0; i < count; i++) {
		fill(&state, MIB);
		start = now();
		check(write(fd, buffer, MIB) == MIB, "write");
		spent += now() - start;
	}
	start = now();
	check(fsync(fd) == 0, "fsync");
	check(close(fd) == 0, "close");
	return (double)count * MIB / 1e6 / (spent + now() - start);
}

static double seq_read(const char *path, long count)
{
	int fd = open_file(path, O_RDONLY);
	double start = now(), bytes = 0;
	ssize_t n;

	(void)count;
	while ((n = read(fd, buffer, MIB)) > 0)
		bytes += (double)n;
	check(n == 0, "read");
	close(fd);
	return bytes / 1e6 / (now() - start);
}

static double rand_read(const char *path, long count)
{
	int fd = open_file(path, O_RDONLY);
	uint64_t state = 12345;
	struct stat st;
	double start;

	check(fstat(fd, &st) == 0 && st.st_size >= SMALL_BYTES, path);
	start = now();
	for (long i = 0; i < count; i++) {
		off_t at = (off_t)(next_random(&state) % (uint64_t)(st.st_size / SMALL_BYTES)) * SMALL_BYTES;

		check(pread(fd, buffer, SMALL_BYTES, at) == SMALL_BYTES, "read");
	}
	close(fd);
	return (double)count / (now() - start);
}

static double write_small(const char *path, long count, int sync)
{
	int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);
	uint64_t state = seed_of(path);
	double start, spent;

	fill(&state, MIB);
	start = now();
	for (long i = 0; i < count; i++) {
		const unsigned char *from = buffer + (uint64_t)i * 64 % (MIB - SMALL_BYTES);

		check(write(fd, from, SMALL_BYTES) == SMALL_BYTES, "write");
		check(!sync || fdatasync(fd) == 0, "fdatasync");
	}
	spent = now() - start;
	check(close(fd) == 0, "close");
	return (double)count / spent;
}

static double sync_write(const char *path, long count)
{
	return write_small(path, count, 1);
}

static double small_write(const char *path, long count)
{
	return write_small(path, count, 0);
}

static const char *file_name(const char *dir, long i)
{
	static char name[4096];

	snprintf(name, sizeof(name), "%s/%02ld/file-%ld", dir, i % FOLDERS, i);
	return name;
}

static double create(const char *dir, long count)
{
	uint64_t state = seed_of(dir);
	char name[4096];
	double start = now();
	int fd;

	check(mkdir(dir, 0755) == 0, dir);
	for (long i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "%s/%02ld", dir, i);
		check(mkdir(name, 0755) == 0, name);
	}
	for (long i = 0; i < count; i++) {
		fill(&state, FILE_BYTES);
		fd = open_file(file_name(dir, i), O_WRONLY | O_CREAT | O_EXCL);
		check(write(fd, buffer, FILE_BYTES) == FILE_BYTES, "write");
		check(close(fd) == 0, "close");
	}
	return (double)count / (now() - start);
}

static double stat_all(const char *dir, long count)
{
	double start = now();
	struct stat st;

	for (long i = 0; i < count; i++)
		check(lstat(file_name(dir, i), &st) == 0, file_name(dir, i));
	return (double)count / (now() - start);
}

static double read_small(const char *dir, long count)
{
	double start = now();
	int fd;

	for (long i = 0; i < count; i++) {
		fd = open_file(file_name(dir, i), O_RDONLY);
		check(read(fd, buffer, FILE_BYTES + 1) == FILE_BYTES, "read");
		close(fd);
	}
	return (double)count / (now() - start);
}

static double delete_all(const char *dir, long count)
{
	double start = now();

	for (long i = 0; i < count; i++)
		check(unlink(file_name(dir, i)) == 0, file_name(dir, i));
	return (double)count / (now() - start);
}

struct writer {
	pthread_t thread;
	pthread_barrier_t *start;
	char name[4096];
	const unsigned char *from; /* its own bytes: none is written twice, by it or by another */
	size_t size;               /* of one write */
	long count;
};

static void *write_own_file(void *arg)
{
	struct writer *w = arg;
	int fd;

	pthread_barrier_wait(w->start);
	fd = open_file(w->name, O_WRONLY | O_CREAT | O_EXCL);
	for (long i = 0; i < w->count; i++)
		check(write(fd, w->from + (size_t)i * w->size, w->size) == (ssize_t)w->size, "write");
	check(fsync(fd) == 0, "fsync");
	check(close(fd) == 0, "close");
	return NULL;
}

/* The bytes of all are made up before the first begins: what is timed is writing and nothing else. */
static double write_at_once(const char *dir, long count, size_t size)
{
	size_t each = (size_t)count * size;
	struct writer writers[WRITERS];
	uint64_t state = seed_of(dir);
	pthread_barrier_t gate;
	unsigned char *bytes = malloc(WRITERS * each);
	double start;

	check(bytes != NULL, "malloc");
	check(mkdir(dir, 0755) == 0, dir);
	fill_at(bytes, &state, WRITERS * each);
	errno = pthread_barrier_init(&gate, NULL, WRITERS + 1);
	check(errno == 0, "pthread_barrier_init");
	for (int i = 0; i < WRITERS; i++) {
		struct writer *w = &writers[i];

		*w = (struct writer){ .start = &gate, .size = size, .count = count };
		w->from = bytes + (size_t)i * each;
		snprintf(w->name, sizeof(w->name), "%s/%d", dir, i);
		errno = pthread_create(&w->thread, NULL, write_own_file, w);
		check(errno == 0, "pthread_create");
	}
	start = now();
	pthread_barrier_wait(&gate);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	start = now() - start;
	free(bytes);
	return (double)WRITERS * (double)each / 1e6 / start;
}

static double writers_small(const char *dir, long count)
{
	return write_at_once(dir, count, SMALL_BYTES);
}

static double writers_big(const char *dir, long count)
{
	return write_at_once(dir, count, MIB);
}

static const struct figure {
	const char *name;
	double (*run)(const char *path, long count);
} figures[] = {
	{ "seq-write", seq_write },      { "seq-read", seq_read },      { "rand-read", rand_read },
	{ "sync-write", sync_write },    { "create", create },          { "stat", stat_all },
	{ "small-write", small_write },  { "read-small", read_small },  { "delete", delete_all },
	{ "writers-4k", writers_small }, { "writers-1m", writers_big },
};

int main(int argc, char **argv)
{
	long count = argc == 4 ? atol(argv[3]) : 0;

	for (size_t i = 0; count > 0 && i < sizeof(figures) / sizeof(figures[0]); i++) {
		if (!strcmp(argv[1], figures[i].name)) {
			printf("%.3f\n", figures[i].run(argv[2], count));
			return 0;
		}
	}
	fprintf(stderr, "usage: fsbench FIGURE PATH COUNT\n");
	return 2;
}
