/* SPDX-License-Identifier: MIT */
/*
 * Looking at a machine and a store (between layers 5 and 6; private to fs/doctor). Each fills in its part of
 * the facts, and what it cannot see stays unknown. `root` is what stands before /etc, /proc and /sys: "" of
 * this machine; a test has others.
 */
#ifndef FS_DOCTOR_GATHER_H
#define FS_DOCTOR_GATHER_H

#include "fs/doctor/doctor.h"

void gather_store(struct facts *f);
void gather_live(const struct doctor_ask *ask, struct facts *f);
void gather_watch(struct facts *f);
void gather_rehearsal(struct facts *f);
/* After gather_live, whose status they need; those below too. */
void gather_replicas(const struct doctor_ask *ask, struct facts *f);
void gather_disk(const char *root, struct facts *f);
void gather_machine(const char *root, struct facts *f);
void gather_boot(const char *root, struct facts *f);

/* --- helpers */

/* Words, cut off where they do not fit: false then. */
bool gather_text(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A short file as text, without the newline at its end. False: it cannot be read; *out is then "". */
bool gather_read(const char *root, const char *path, char *out, size_t size);
/*
 * Each line of a file; each name in a folder but . and .. ; until one returns false. False: it cannot be
 * read.
 */
bool gather_lines(const char *root, const char *path, bool (*each)(void *arg, char *line), void *arg);
bool gather_names(const char *root, const char *path, bool (*each)(void *arg, const char *name), void *arg);

/* The file system that a path is on: type, device, dir and options of *ret. */
void gather_filesystem(const char *root, const char *path, struct facts_disk *ret);
/* The block device that a path of this file system is on, where one is known; else its number there, or 0.
 * What has several devices says none of them, and its mount's source does. */
dev_t gather_device(const struct facts_disk *d, const char *path);
/* Is what is written to this block device encrypted? */
enum fact gather_encrypted(const char *root, dev_t device);
/* Are they, or some of what they are made of, parts of one disk? */
enum fact gather_share_disk(const char *root, dev_t a, dev_t b);
/* "sda1" of 8:1; false: it is not known. */
bool gather_device_name(const char *root, dev_t device, char *out, size_t size);
/* The nearest folder above a path where others than its owner and root may put another in its place. */
void gather_open_parent(const char *path, uid_t owner, struct facts_open *ret);

#endif
