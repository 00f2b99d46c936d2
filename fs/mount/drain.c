/* SPDX-License-Identifier: MIT */
/*
 * The pages that the kernel has queued. syncfs(2) has it write all that it holds of a mount, but returns when
 * the requests are queued, before they are read. Who needs to know that they are taken waits here; and when
 * the threads that serve have come to their end, they are served here.
 *
 * No more than so many of these requests are under way at a time, and the kernel holds the others back until
 * one is answered. So an empty queue means that there are none only while no thread is at one.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fs/mount/mount_internal.h"

enum {
	SETTLE_S = 10,
	DRAIN_S = 30,
	OTHERS_MAX = 512, /* so many in a row that bring no page: it is what programs go on asking */
};

static bool is_queued(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN; /* with an error too, the connection has ended */
}

void settle(struct passage *p, int fd)
{
	const uint64_t until = now_ns() + SETTLE_S * UINT64_C(1000000000);
	struct passage_counts page, before, now;
	bool queued;

	if (!passage_wait(p, until, &now))
		return;
	page = now;
	do {
		before = now;
		queued = is_queued(fd);
		if (!passage_wait(p, until, &now))
			return;
		if (now.pages != page.pages)
			page = now;
	} while ((queued || now.requests != before.requests) && now.requests - page.requests < OTHERS_MAX);
}

void drain(struct mount *m, int fd, size_t buffer_bytes)
{
	const uint64_t until = now_ns() + DRAIN_S * UINT64_C(1000000000);
	struct fuse_buf buf = { .mem = NULL };
	unsigned others = 0;
	ssize_t n;

	if (posix_memalign(&buf.mem, 4096, buffer_bytes) != 0)
		return;
	tally_join(m);
	while (others < OTHERS_MAX && now_ns() < until && is_queued(fd)) {
		n = read(fd, buf.mem, buffer_bytes);
		if (n < 0 && errno != ENOENT && errno != EINTR && errno != EAGAIN)
			break;
		if (n < 0)
			continue;
		buf.size = (size_t)n;
		others = serve_is_page(buf.mem) ? 0 : others + 1;
		serve_one(m, fd, &buf);
	}
	free(buf.mem);
}
