/* SPDX-License-Identifier: MIT */
/* For tests of whole stores: one in a scratch folder, with the calls that tests make all the time. What must
 * work fails the test. */
#ifndef TESTS_UNIT_STORE_HELPER_H
#define TESTS_UNIT_STORE_HELPER_H

#include "holdfast/moment.h"
#include "holdfast/op.h"

struct store_fixture {
	char *dir;      /* scratch */
	char path[256]; /* the store, in it */
	struct hf_kit *kit;
	struct hf_store *store;         /* NULL while it is closed */
	struct hf_open_options options; /* for the next opening; HF_OPEN_NO_REPLICATION, a long commit
					   interval, 16 MiB of cache */
};

/* Make a store and open it. dir: NULL for a scratch folder; else an existing one, not removed at the end. */
void store_fixture_init(struct store_fixture *f, const char *dir);
void store_fixture_release(struct store_fixture *f);
/* For cmocka: each test has a fixture of its own, *state. */
int store_setup(void **state);
int store_teardown(void **state);
void store_close(struct store_fixture *f);
void store_open(struct store_fixture *f, unsigned flags);
/* Open, expecting this error and these words in it. */
void store_open_fails(struct store_fixture *f, unsigned flags, int code, const char *words);
long store_faults(struct store_fixture *f); /* hf_store_check; what it finds is printed */

uint64_t make_file(struct store_fixture *f, const char *name); /* in the root; returns its inode */
uint64_t make_dir(struct store_fixture *f, uint64_t parent, const char *name);
uint64_t make_in(struct store_fixture *f, uint64_t parent, const char *name);
void put(struct store_fixture *f, uint64_t ino, uint64_t offset, const void *data, size_t len);
void put_text(struct store_fixture *f, uint64_t ino, uint64_t offset, const char *text);
void commit(struct store_fixture *f);
struct hf_status status_of(struct store_fixture *f);
struct hf_attr attr_at(struct store_fixture *f, uint64_t tid, uint64_t ino);
struct hf_attr attr_of(struct store_fixture *f, uint64_t ino);
uint64_t head(
	struct store_fixture *f); /* the last operation's tid, made a moment that nothing shares any more */
/* The contents at a moment must be these. */
void expect_bytes(struct store_fixture *f, uint64_t tid, uint64_t ino, uint64_t offset, const void *data,
		  size_t len);
void expect_text(struct store_fixture *f, uint64_t tid, uint64_t ino, const char *text);
void fill_random(void *data, size_t len, uint64_t seed);

#endif
