/* SPDX-License-Identifier: MIT */
/*
 * What `make bench-replica` does through the library, without FUSE:
 *
 *	replbench many SECONDS STORE…
 *
 * opens all of the stores at once and writes a little to each, round after round, for so long; says "ready"
 * when every replica has the first round, and at the end what it did as one JSON object. docs/BENCHMARKS.md
 * says what it is for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "holdfast/op.h"
#include "holdfast/replica.h"
#include "holdfast/store.h"

enum {
	MIB = 1 << 20,
	ROUND_WAIT_MS = 60000,
	ROUND_PAUSE_MS = 1000,
	LITTLE_BYTES = 16 << 10,
	STORES_MAX = 1000,
};

static struct hf_error err = HF_ERROR_INIT;

static void check(int64_t result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "replbench: %s: %s\n", what, err.code ? err.text : hf_strerror((int)result));
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t make_file(struct hf_store *store)
{
	static const struct hf_cred cred = { 0, 0 };
	struct hf_attr attr;

	check(hf_create(store, HF_ROOT_INO, "little", S_IFREG | 0644, 022, 0, NULL, &cred, &attr, &err),
	      "create");
	return attr.ino;
}

static void write_little(struct hf_store *store, uint64_t ino, unsigned round)
{
	static uint8_t bytes[LITTLE_BYTES];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31 + round * 7 + (size_t)ino);
	check(hf_write(store, ino, (uint64_t)round * LITTLE_BYTES, bytes, sizeof(bytes), 0, &err), "write");
}

static void many(double seconds, char **paths, size_t n)
{
	static const struct hf_open_options options = { .cache_bytes = 16 * MIB };
	const struct timespec pause = { ROUND_PAUSE_MS / 1000, ROUND_PAUSE_MS % 1000 * 1000000L };
	struct hf_store *stores[STORES_MAX];
	uint64_t files[STORES_MAX];
	unsigned round = 0;
	double start;

	for (size_t i = 0; i < n; i++) {
		check(hf_store_open(paths[i], &options, &stores[i], &err), paths[i]);
		files[i] = make_file(stores[i]);
	}
	for (start = now(); round == 0 || now() - start < seconds; round++) {
		for (size_t i = 0; i < n; i++)
			write_little(stores[i], files[i], round);
		for (size_t i = 0; i < n; i++)
			check(hf_store_drain(stores[i], ROUND_WAIT_MS, &err), paths[i]);
		if (round == 0) {
			printf("ready\n");
			(void)fflush(stdout);
		}
		(void)nanosleep(&pause, NULL);
	}
	for (size_t i = 0; i < n; i++)
		check(hf_store_close(stores[i], &err), paths[i]);
	printf("{\"rounds\": %u, \"bytes\": %" PRIu64 "}\n", round, (uint64_t)round * n * LITTLE_BYTES);
}

int main(int argc, char **argv)
{
	if (argc > 3 && argc - 3 <= STORES_MAX && strcmp(argv[1], "many") == 0) {
		many(strtod(argv[2], NULL), argv + 3, (size_t)argc - 3);
		return 0;
	}
	fprintf(stderr, "usage: replbench many SECONDS STORE...\n");
	return 2;
}
