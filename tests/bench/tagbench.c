/* SPDX-License-Identifier: MIT */
/*
 * What naming a moment costs inside the library: tagbench alone|durable STORE COUNT opens a store at rest,
 * gives the present a name COUNT times, each time after a change so that it is another moment, and prints the
 * mean in milliseconds: of hf_tag alone, or of hf_tag and the commit that makes it durable. The changes are
 * not counted, the names stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "holdfast/op.h"

static struct hf_error err = HF_ERROR_INIT;

static void check(int r)
{
	if (r >= 0)
		return;
	fprintf(stderr, "tagbench: %s\n", err.text[0] ? err.text : hf_strerror(r));
	exit(2);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double tag_once(struct hf_store *store, const char *kind, long i)
{
	const struct hf_setattr change = { .mask = HF_SET_MTIME_NOW };
	char name[64];
	double start;

	check(hf_setattr(store, HF_ROOT_INO, &change, NULL, &err));
	snprintf(name, sizeof(name), "tagbench-%s-%ld", kind, i);
	start = now_ms();
	check(hf_tag(store, name, HF_TID_HEAD, &err));
	if (!strcmp(kind, "durable"))
		check(hf_store_commit(store, &err));
	return now_ms() - start;
}

int main(int argc, char **argv)
{
	const struct hf_open_options options = { .flags = HF_OPEN_NO_REPLICATION };
	long count = argc == 4 ? atol(argv[3]) : 0;
	struct hf_store *store;
	double spent = 0;

	if (count <= 0 || (strcmp(argv[1], "alone") && strcmp(argv[1], "durable"))) {
		fprintf(stderr, "usage: tagbench alone|durable STORE COUNT\n");
		return 2;
	}
	check(hf_store_open(argv[2], &options, &store, &err));
	for (long i = 0; i < count; i++)
		spent += tag_once(store, argv[1], i);
	check(hf_store_close(store, &err));
	printf("%.6f\n", spent / (double)count);
	return 0;
}
