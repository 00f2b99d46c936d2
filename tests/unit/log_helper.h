/* SPDX-License-Identifier: MIT */
/*
 * For tests of the log: a volume's keys, groups whose content follows from their number, and folders to
 * damage. Group i is committed with tid i and time 1000 * i; so what a log holds says what it must be.
 */
#ifndef TESTS_UNIT_LOG_HELPER_H
#define TESTS_UNIT_LOG_HELPER_H

#include "holdfast/kit.h"
#include "store/log/log.h"

struct log_fixture {
	const struct os *os;
	char dir[128]; /* the log's folder */
	struct owner *owner;
	struct keyring *keys;
	struct workers *workers;
	struct log_options options; /* of this folder, with these keys */
	struct epoch_cert cert;     /* of epoch 1 */
};

/* os NULL: the real one, and dir is made anew below $TMPDIR. Otherwise dir is "/log". */
void log_fixture_init(struct log_fixture *f, const struct os *os, uint64_t segment_bytes);
void log_fixture_release(struct log_fixture *f); /* removes what it made */
/* log_fixture_init and a new log in it, on real files; the log of a fixture, opened again. Must succeed. */
struct log *log_fixture_create(struct log_fixture *f, uint64_t segment_bytes);
struct log *log_fixture_open(const struct log_fixture *f, const struct log_point *known);
struct hf_kit *log_fixture_kit(const struct log_fixture *f); /* the owner's; the caller frees it */
/* The same folder's sibling "NAME" (not made). */
void log_fixture_path(const struct log_fixture *f, const char *name, char out[160]);
void log_fixture_segment(const struct log_fixture *f, uint32_t segment, char out[160]);

/* A certificate of epoch `epoch`, with a new writer key in `keys`. */
void log_fixture_cert(struct log_fixture *f, struct keyring *keys, uint32_t epoch, const struct log_point *p,
		      struct epoch_cert *ret);

/* Commit group i; frames of up to max_bytes. The code of log_commit. */
int log_put_group(struct log *l, uint64_t i, size_t max_bytes);
/* Groups first to last; must succeed. */
void log_put_groups(struct log *l, uint64_t first, uint64_t last, size_t max_bytes);
/*
 * Replay from `from` and check every byte of every group; returns the last group's number, fails the test
 * when any is wrong.
 */
uint64_t log_check_groups(const struct log *l, const struct log_point *from, size_t max_bytes);
/* log_check_groups without failing: -1 and words when something is wrong. */
int64_t log_try_groups(const struct log *l, const struct log_point *from, size_t max_bytes, char *words,
		       size_t len);

/* Real files. */
void copy_folder(const char *from, const char *to);
void remove_folder(const char *path);
bool same_folders(const char *a, const char *b);
uint64_t file_bytes(const char *path);
void flip_byte(const char *path, uint64_t offset, uint8_t mask);

#endif
