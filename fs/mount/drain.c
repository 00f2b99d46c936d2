/* SPDX-License-Identifier: MIT */
/*
 * The last requests of a mount that is ended while it is in use.
 *
 * syncfs(2) has the kernel queue the pages that it holds, and returns before they are taken. So when the
 * threads that serve have come to their end, one more goes on until nothing is queued. It is alone, so each
 * request it has answered is done: the kernel holds back no page for the number of those that are under way,
 * and an empty queue means that there are none.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fs/mount/mount_internal.h"

enum {
	DRAIN_MS = 30000,
	OTHERS_MAX = 512, /* so many in a row that bring no page: it is what others go on asking */
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool brings_page(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_WRITE &&
	       ((const struct fuse_write_in *)(in + 1))->write_flags & FUSE_WRITE_CACHE;
}

/* False: the connection has ended. */
static bool is_queued(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN;
}

void drain(struct mount *m, int fd, size_t buffer_bytes)
{
	struct fuse_buf buf = { .mem = NULL };
	uint64_t until = now_ms() + DRAIN_MS;
	unsigned others = 0;
	ssize_t n;

	if (posix_memalign(&buf.mem, 4096, buffer_bytes) != 0)
		return;
	tally_join(m);
	while (others < OTHERS_MAX && now_ms() < until && is_queued(fd)) {
		n = read(fd, buf.mem, buffer_bytes);
		if (n < 0 && errno != ENOENT && errno != EINTR && errno != EAGAIN)
			break;
		if (n < 0)
			continue;
		buf.size = (size_t)n;
		others = brings_page(buf.mem) ? 0 : others + 1;
		serve_one(m, fd, &buf);
	}
	free(buf.mem);
}
