/* SPDX-License-Identifier: MIT */
/*
 * The ceiling: what holdfast could reach on this kernel and disk if its store cost nothing. It is its mount,
 * with its messages and its threads, over a store that keeps nothing: names, attributes and contents are in
 * memory, nothing is hashed, encrypted, looked up on a disk or kept for later. What it takes longer than the
 * disk's own filesystem is the part of FUSE and of the mount. An fsync is the least that makes bytes durable:
 * those written since the last one, into space laid out before, and an fdatasync.
 *
 *     ceiling FOLDER FILE      FILE is made, for what is synced; `fusermount3 -u FOLDER` ends it
 *
 * Not for use: everything is gone when it ends. What the mount asks for is in ceiling_memory.c, and that
 * there is no more, in ceiling_rest.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/mount/mount.h"
#include "holdfast/op.h"
#include "tests/bench/ceiling.h"

/* Of functions that are as the public headers have them. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

enum {
	SYNC_FILE_BYTES = 64 << 20,
	SYNC_STEP_BYTES = 1 << 20,
	SYNC_HEAD_BYTES = 100, /* with each sync: something must say what was synced */
};

/* What is synced; protected by sync_lock. */
static pthread_mutex_t sync_lock = PTHREAD_MUTEX_INITIALIZER;
static int sync_fd = -1;
static off_t sync_at;
static uint8_t sync_bytes[SYNC_STEP_BYTES];

/* ---- syncing */

/* Bytes of any content, behind those of the last time, from the beginning again where the file ends. */
static int put_bytes(uint64_t len)
{
	while (len > 0) {
		size_t n = len < SYNC_STEP_BYTES ? (size_t)len : SYNC_STEP_BYTES;
		ssize_t done;

		if (sync_at + (off_t)n > SYNC_FILE_BYTES)
			sync_at = 0;
		done = pwrite(sync_fd, sync_bytes, n, sync_at);
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		sync_at += done;
		len -= (uint64_t)done;
	}
	return 0;
}

int hf_fsync(struct hf_store *s, uint64_t ino, struct hf_error *err)
{
	uint64_t len;
	int r = 0;

	pthread_mutex_lock(
		&sync_lock); /* who comes meanwhile waits: its bytes may be those that are synced */
	len = memory_take_unsynced();
	if (len > 0)
		r = put_bytes(len + SYNC_HEAD_BYTES);
	if (r == 0 && len > 0 && fdatasync(sync_fd) < 0)
		r = -errno;
	pthread_mutex_unlock(&sync_lock);
	return r;
}

static int lay_out(const char *path)
{
	sync_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (sync_fd < 0)
		return -errno;
	return put_bytes(SYNC_FILE_BYTES) < 0 || fsync(sync_fd) < 0 ? -EIO : 0;
}

/* ---- the mount */

/* Who called may go on, and does not wait for more words. */
static void on_ready(void *arg)
{
	const int *pipe_fd = arg;
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nothing < 0 || write(*pipe_fd, "", 1) < 0)
		exit(2);
	close(*pipe_fd);
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(nothing, fd);
}

int main(int argc, char **argv)
{
	struct mount_options options;
	struct hf_error err = HF_ERROR_INIT;
	char byte, *dir = argc == 3 ? realpath(argv[1], NULL) : NULL;
	int fds[2], r;
	pid_t child;

	if (!dir || pipe(fds) < 0) {
		fprintf(stderr, "usage: ceiling FOLDER FILE, where FOLDER is there and FILE is to be made\n");
		return 2;
	}
	child = fork();
	if (child < 0) {
		perror("ceiling: fork");
		return 2;
	}
	if (child > 0) { /* the one that serves goes on by itself */
		close(fds[1]);
		return read(fds[0], &byte, 1) == 1 ? 0 : 2;
	}
	close(fds[0]);
	r = mount_parse_options("", &options, &err);
	if (r == 0)
		r = lay_out(argv[2]);
	if (r == 0)
		r = memory_init();
	if (r == 0)
		r = mount_run(NULL, dir, &options, on_ready, &fds[1], &err);
	if (r < 0)
		fprintf(stderr, "ceiling: %s\n", err.text[0] ? err.text : hf_strerror(r));
	return r < 0 ? 2 : 0;
}
