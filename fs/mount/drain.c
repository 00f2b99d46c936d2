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
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "fs/mount/mount_internal.h"

enum {
	SETTLE_S = 10,
	DRAIN_S = 30,
	QUIET_ROUNDS = 2,
	OTHERS_MAX = 512, /* so many in a row that bring no page: it is what programs go on asking */
};

/* What the kernel holds of a mount that is in use it queues while there is somebody to take it. */
int write_out(const struct mount *m)
{
	int fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	struct stat st;

	if (fd < 0)
		return -errno;
	r = fstat(fd, &st) < 0 ? -errno : st.st_dev != m->dev ? -EXDEV : syncfs(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

void tell_left(const struct mount *m, int r)
{
	mount_log(LOG_WARNING, "%s: what programs have written, and the kernel has yet, may be missing: %s",
		  m->dir,
		  r == -EXDEV ? "something else is mounted over it" :
		  r == -EBUSY ? "it was not taken in time" :
				strerror(-r));
}

static bool is_queued(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && p.revents == POLLIN; /* with an error too, the connection has ended */
}

/*
 * Twice in a row: what was read while the first look was taken may have been answered after it, and others
 * that the kernel held back for it have come.
 */
bool settle(struct passage *p, int fd)
{
	const uint64_t until = now_ns() + SETTLE_S * UINT64_C(1000000000);
	struct passage_counts page, before, now;
	unsigned quiet = 0;

	if (!passage_wait(p, until, &now))
		return false;
	page = now;
	while (quiet < QUIET_ROUNDS && now.requests - page.requests < OTHERS_MAX) {
		const bool queued = is_queued(fd);

		before = now;
		if (now_ns() >= until || atomic_load(&p->over) || !passage_wait(p, until, &now))
			return false;
		quiet = queued || now.requests != before.requests ? 0 : quiet + 1;
		if (now.pages != page.pages)
			page = now;
	}
	return true;
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
