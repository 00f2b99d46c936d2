/* SPDX-License-Identifier: MIT */
/*
 * A file's length and times, made known to a kernel that keeps its own. With -o coalesce (WRITEBACK_CACHE)
 * it takes the length, mtime and ctime of a regular file that it knows from nobody but who truncates it or
 * sets its times there, and from the reply to that. So when they were changed behind its back, this does
 * both, through the mount; and the requests that come of it are answered with what is, and change nothing.
 *
 * They are known by their thread and inode. The file is reached by a name in .history that is there for this
 * thread alone: so it does not matter what it is called, where, and whether the way there may be gone.
 * Before a request that would change anything is sent, that name has been answered, and so the thread known.
 *
 * The kernel's ctime is then the time at which that was done, until the inode leaves its cache: it sets no
 * other.
 *
 * Without WRITEBACK_CACHE it takes all of that from any answer, but goes by the length that it has until
 * there is one: who appends to an open file asks nothing before. So the name is looked up.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/mount/mount_internal.h"

#define NAME "refreshed"

void refresh_init(struct mount *m)
{
	pthread_mutex_init(&m->refresh.turn, NULL);
	atomic_init(&m->refresh.thread, 0);
	atomic_init(&m->refresh.ino, 0);
}

void refresh_release(struct mount *m)
{
	pthread_mutex_destroy(&m->refresh.turn);
}

/* ---- requests */

/* Of this thread the inode is set before the thread, so it is the right one. */
static bool is_asking(fuse_req_t req)
{
	return fuse_req_ctx(req)->pid != 0 &&
	       fuse_req_ctx(req)->pid == atomic_load(&mount_of(req)->refresh.thread);
}

/*
 * To truncate a file takes the right to write it. Who mounted, and owns it, has that for as long as this
 * goes on: he could give it to himself.
 */
bool refresh_lookup(fuse_req_t req, const char *name)
{
	struct mount *m = mount_of(req);
	struct node node = { .kind = NODE_LIVE };
	struct hf_attr attr;
	int r;

	if (!is_asking(req) || strcmp(name, NAME) != 0)
		return false;
	node.ino = atomic_load(&m->refresh.ino);
	r = hf_view_getattr(&m->head, node.ino, &attr, NULL);
	if (r < 0) {
		reply_code(req, r);
		return true;
	}
	if (m->options->coalesce && attr.uid == m->uid)
		attr.mode |= S_IWUSR;
	reply_entry(req, &node, &attr, 0);
	return true;
}

/* Times alone are those of somebody who wrote, which the kernel hands in on the way: they are recorded. */
bool refresh_setattr(fuse_req_t req, uint64_t ino, int to_set)
{
	struct mount *m = mount_of(req);
	struct node node = { .kind = NODE_LIVE, .ino = ino };
	struct hf_attr attr;
	int r;

	if (!(to_set & (FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_ATIME)) || !is_asking(req) ||
	    ino != atomic_load(&m->refresh.ino))
		return false;
	r = hf_view_getattr(&m->head, ino, &attr, NULL);
	if (r < 0)
		reply_code(req, r);
	else
		reply_attr(req, &node, &attr);
	return true;
}

bool refresh_hides_xattr(fuse_req_t req, uint64_t ino, const char *name)
{
	return is_asking(req) && ino == atomic_load(&mount_of(req)->refresh.ino) &&
	       strcmp(name, "security.capability") == 0;
}

/* ---- the thread that asks */

static bool is_at(const struct statx_timestamp *t, const struct timespec *wanted)
{
	return t->tv_sec == wanted->tv_sec && t->tv_nsec == (uint32_t)wanted->tv_nsec;
}

/* .history of this mount, and not of what may cover it: an fd, or -errno. */
static int open_history(const struct mount *m)
{
	int root = open(m->dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r;
	struct statx st;

	if (root < 0)
		return -errno;
	fd = openat(root, HISTORY_NAME, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : 0;
	close(root);
	if (r == 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		r = -errno;
	if (r == 0 && makedev(st.stx_dev_major, st.stx_dev_minor) != m->dev)
		r = -EXDEV;
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

/*
 * What the kernel has gathered is written out first, so that the store's length has it. Then to the length
 * that the kernel has, or a smaller one: it takes what is from the reply, and a larger one could be more than
 * this process may write (RLIMIT_FSIZE). Whoever has a lease on the file is told, and not waited for.
 */
static int set_length(struct mount *m, int history, uint64_t ino)
{
	int fd = openat(history, NAME, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = 0;
	struct hf_attr attr;
	struct stat known;

	if (fd < 0)
		return -errno;
	if (sync_file_range(fd, 0, 0,
			    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER) < 0 ||
	    fstat(fd, &known) < 0)
		r = -errno;
	if (r == 0)
		r = hf_view_getattr(&m->head, ino, &attr, NULL);
	if (r == 0 && (uint64_t)known.st_size != attr.size_bytes &&
	    ftruncate(fd,
		      (uint64_t)known.st_size < attr.size_bytes ? known.st_size : (off_t)attr.size_bytes) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int look_up(struct mount *m, int history, uint64_t ino)
{
	struct statx known;

	if (statx(history, NAME, AT_SYMLINK_NOFOLLOW, STATX_SIZE, &known) < 0)
		return -errno;
	return known.stx_ino == ino && makedev(known.stx_dev_major, known.stx_dev_minor) == m->dev ? 0 :
												     -EXDEV;
}

/* 1: something was set, by what was known of the file before. */
static int compare_and_set(struct mount *m, int history, uint64_t ino, bool ctime_too)
{
	struct hf_attr attr;
	struct statx known;
	int r = 0;

	if (statx(history, NAME, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &known) < 0)
		return -errno;
	if (known.stx_ino != ino || makedev(known.stx_dev_major, known.stx_dev_minor) != m->dev)
		return -EXDEV;
	r = hf_view_getattr(&m->head, ino, &attr, NULL);
	if (r < 0)
		return r;
	if (known.stx_size != attr.size_bytes)
		r = set_length(m, history, ino);
	else if (is_at(&known.stx_mtime, &attr.mtime) && (!ctime_too || is_at(&known.stx_ctime, &attr.ctime)))
		return 0;
	if (r == 0 &&
	    utimensat(history, NAME, (struct timespec[]){ attr.atime, attr.mtime }, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	return r < 0 ? r : 1;
}

/* The name is not kept: it would keep the file from leaving the kernel's cache. */
static void drop_name(struct mount *m)
{
	const struct node history = { .kind = NODE_HISTORY };
	uint64_t id;

	if (nodes_ref(&m->nodes, &history, &id) == 0) /* these are not counted */
		fuse_lowlevel_notify_inval_entry(m->session, id, NAME, strlen(NAME));
}

/* Its attributes, and its pages from `off` on (negative: none). False: the kernel does not know the file. */
static bool drop(struct mount *m, uint64_t ino, off_t off)
{
	return fuse_lowlevel_notify_inval_inode(m->session, ino, off, 0) != -ENOENT;
}

static int refresh(struct mount *m, uint64_t ino)
{
	struct refresh *f = &m->refresh;
	int history = open_history(m), r;

	if (history < 0)
		return history;
	pthread_mutex_lock(&f->turn);
	atomic_store(&f->ino, ino);
	atomic_store(&f->thread, gettid());
	r = m->options->coalesce ? compare_and_set(m, history, ino, true) : look_up(m, history, ino);
	if (r > 0) /* the kernel may have handed in times of its own before it took these */
		r = compare_and_set(m, history, ino, false);
	atomic_store(&f->thread, 0);
	drop_name(m);
	pthread_mutex_unlock(&f->turn);
	close(history);
	(void)drop(m, ino, -1); /* the mode that was said to get there */
	return r < 0 ? r : 0;
}

/* ---- files that are in use */

/* To be tried again. Too many: those stay as they are until they leave the cache. */
static void hold(struct mount *m, uint64_t ino)
{
	struct refresh *f = &m->refresh;

	pthread_mutex_lock(&f->turn);
	if (f->n_held < REFRESH_HELD_MAX)
		f->held[f->n_held++] = ino;
	pthread_mutex_unlock(&f->turn);
}

bool refresh_held(struct mount *m)
{
	struct refresh *f = &m->refresh;
	uint64_t held[REFRESH_HELD_MAX];
	bool any = false;
	unsigned n;

	pthread_mutex_lock(&f->turn);
	n = f->n_held;
	memcpy(held, f->held, n * sizeof(*held));
	f->n_held = 0;
	pthread_mutex_unlock(&f->turn);
	for (unsigned i = 0; i < n; i++) {
		if (!drop(m, held[i], 0) || refresh(m, held[i]) == 0)
			continue;
		hold(m, held[i]);
		any = true;
	}
	return any;
}

int refresh_file(struct mount *m, uint64_t ino, uint64_t parent, const char *name)
{
	int r;

	if (!drop(m, ino, 0)) {
		/* Not known, but an older answer may be on its way: no look-up is once that is done. */
		fuse_lowlevel_notify_inval_entry(m->session, parent, name, strlen(name));
		if (!drop(m, ino, 0))
			return 0;
	}
	r = refresh(m, ino);
	if (r == 0 || !m->options->coalesce)
		return 0;
	/* without its name it leaves the cache, unless it is in use */
	fuse_lowlevel_notify_inval_entry(m->session, parent, name, strlen(name));
	if (!drop(m, ino, -1))
		return 0;
	hold(m, ino);
	(void)eventfd_write(m->stop_fd, 1);
	return r;
}
