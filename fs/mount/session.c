/* SPDX-License-Identifier: MIT */
/*
 * A mount's life: options to libfuse, INIT, the threads that serve, and the ways it ends.
 *
 * The caller's thread waits for events (stop_fd) and does what no serving thread may: it has the kernel
 * forget, and ends the mount. A second thread is serve.c's, which starts the serving threads and joins them.
 * The mount ends
 *   - when it is unmounted: the serving threads meet the end of the connection;
 *   - on a signal or mount_stop: it is unmounted here, at once when nobody uses it; else lazily, and
 *     who still uses it gets ENOTCONN.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/mount/mount_internal.h"

#define READ_AHEAD_KB 4096
#define HELD_AGAIN_MS 1000

static const struct fuse_lowlevel_ops operations;

/*
 * The mount of this process. Readers of `current` outside of mount_run hold the lock for as long as they use
 * it; `current_stop_fd` is for signal handlers.
 */
static pthread_rwlock_t current_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct mount *current; /* protected by current_lock */
static atomic_int current_stop_fd = -1;
static atomic_bool signalled;

/* ---- events */

static void wake(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the reader wakes anyway */
}

static void on_signal(int number)
{
	int saved = errno;

	(void)number;
	atomic_store(&signalled, true);
	wake(atomic_load(&current_stop_fd));
	errno = saved;
}

/* Wait for an event, or for timeout_ms (negative: without end). */
static void wait_event(struct mount *m, int timeout_ms)
{
	struct pollfd p = { .fd = m->stop_fd, .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, timeout_ms) > 0 && read(m->stop_fd, &count, sizeof(count)) < 0)
		return; /* taken by nobody else: it will be readable again */
}

static bool should_stop(struct mount *m)
{
	return atomic_load(&m->stopping) || atomic_load(&signalled);
}

void mount_stop(void)
{
	pthread_rwlock_rdlock(&current_lock);
	if (current) {
		atomic_store(&current->stopping, true);
		wake(current->stop_fd);
	}
	pthread_rwlock_unlock(&current_lock);
}

bool mount_moment(struct hf_point *ret)
{
	bool fixed;

	pthread_rwlock_rdlock(&current_lock);
	fixed = current && current->fixed;
	if (fixed)
		*ret = current->moment;
	pthread_rwlock_unlock(&current_lock);
	return fixed;
}

void mount_counted(struct mount_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < MOUNT_REQUEST_KINDS; i++)
		ret->requests[i].bounds = &hf_bounds_duration;
	pthread_rwlock_rdlock(&current_lock);
	if (current)
		tally_sum(current, ret);
	pthread_rwlock_unlock(&current_lock);
}

static void on_kick(int number)
{
	(void)number;
}

static const int caught[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SERVE_SIGNAL };
#define CAUGHT (sizeof(caught) / sizeof(caught[0]))

static void catch_signals(struct sigaction before[CAUGHT])
{
	struct sigaction act = { .sa_handler = on_signal };

	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < CAUGHT; i++) {
		act.sa_handler = caught[i] == SIGPIPE      ? SIG_IGN :
				 caught[i] == SERVE_SIGNAL ? on_kick :
							     on_signal;
		sigaction(caught[i], &act, &before[i]);
	}
}

static void uncatch_signals(const struct sigaction before[CAUGHT])
{
	for (size_t i = 0; i < CAUGHT; i++)
		sigaction(caught[i], &before[i], NULL);
}

/* ---- what the kernel remembers */

void mount_drop_attr(struct mount *m, uint64_t ino)
{
	fuse_lowlevel_notify_inval_inode(m->session, ino, -1, 0);
}

void mount_changed_inode(uint64_t ino)
{
	pthread_rwlock_rdlock(&current_lock);
	if (current)
		fuse_lowlevel_notify_inval_inode(current->session, ino, 0, 0);
	pthread_rwlock_unlock(&current_lock);
}

int mount_changed_file(uint64_t ino, uint64_t parent, const char *name)
{
	int r = 0;

	pthread_rwlock_rdlock(&current_lock);
	if (current)
		r = refresh_file(current, ino, parent, name);
	pthread_rwlock_unlock(&current_lock);
	return r;
}

void mount_changed_entry(uint64_t parent, const char *name)
{
	pthread_rwlock_rdlock(&current_lock);
	if (current)
		fuse_lowlevel_notify_inval_entry(current->session, parent, name, strlen(name));
	pthread_rwlock_unlock(&current_lock);
}

void mount_changed_tag(const char *name)
{
	static const struct node below[] = { { .kind = NODE_TAGS }, { .kind = NODE_AT } };
	uint64_t id;

	pthread_rwlock_rdlock(&current_lock);
	for (size_t i = 0; current && i < sizeof(below) / sizeof(below[0]); i++)
		if (nodes_ref(&current->nodes, &below[i], &id) == 0) /* these are not counted */
			fuse_lowlevel_notify_inval_entry(current->session, id, name, strlen(name));
	pthread_rwlock_unlock(&current_lock);
}

/* ---- INIT */

/*
 * What the kernel keeps for us is dropped when we say so (EXPLICIT_INVAL_DATA), not when a time stamp has
 * moved (AUTO_INVAL_DATA), for each write of its own moves it. O_TRUNC must come as a SETATTR, since opens do
 * not come at all. Requests are read, not spliced: their data has to be in memory to be cut and hashed.
 *
 * O_DIRECT is served before io_submit returns (no ASYNC_DIO): when a write ends later than that, the kernel
 * keeps the pages that a reader has left in its cache meanwhile, and they are old.
 */
static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	const unsigned wanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_DONT_MASK |
				FUSE_CAP_POSIX_ACL | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA |
				FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_EXPORT_SUPPORT;
	const unsigned unwanted = FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC |
				  FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_IOCTL_DIR | FUSE_CAP_WRITEBACK_CACHE |
				  FUSE_CAP_ASYNC_DIO;
	struct mount *m = userdata;

	conn->want = (conn->want & ~unwanted) | (conn->capable & wanted);
	if (m->options->coalesce)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
	conn->max_write = MAX_WRITE_BYTES;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
	conn->no_interrupt =
		1; /* libfuse keeps no list of requests then, nor takes its lock twice for each */
#endif
	wire_init(m, conn);
	m->no_open = conn->capable & FUSE_CAP_NO_OPEN_SUPPORT;
	m->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	atomic_store(&m->initialised, true);
	wake(m->stop_fd);
}

/*
 * What is missing here is answered with ENOSYS by libfuse, once each: CREATE (the kernel then sends MKNOD),
 * FLUSH, ACCESS, POLL, and locks, which the kernel keeps itself.
 */
static const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.symlink = op_symlink,
	.rename = op_rename,
	.link = op_link,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsync,
	.statfs = op_statfs,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.fallocate = op_fallocate,
	.copy_file_range = op_copy_file_range,
	.lseek = op_lseek,
};

/* ---- a session */

static int add_flag(char **opts, bool wanted, const char *word)
{
	return wanted ? fuse_opt_add_opt(opts, word) : 0;
}

/* The words behind -o for libfuse: malloc'ed, NULL without memory. */
static char *session_options(const struct mount *m)
{
	const struct mount_options *o = m->options;
	char *opts = NULL, *name = NULL;
	int r;

	if (asprintf(&name, "fsname=%s", hf_store_path(m->store)) < 0)
		return NULL;
	r = fuse_opt_add_opt_escaped(&opts, name);
	free(name);
	r |= add_flag(&opts, true, "subtype=holdfast,default_permissions");
	r |= add_flag(&opts, o->allow_other, "allow_other");
	r |= add_flag(&opts, o->allow_root, "allow_root");
	r |= add_flag(&opts, o->read_only, "ro");
	r |= add_flag(&opts, o->suid, "suid");
	r |= add_flag(&opts, o->dev, "dev");
	r |= add_flag(&opts, o->noexec, "noexec");
	r |= add_flag(&opts, true, "noatime"); /* reading is no message to us, so it sets no time */
	r |= add_flag(&opts, o->sync, "sync");
	r |= add_flag(&opts, o->dirsync, "dirsync");
	r |= add_flag(&opts, o->debug, "debug");
	if (r != 0) {
		free(opts);
		return NULL;
	}
	return opts;
}

static int make_session(struct mount *m, const char *dir, struct hf_error *err)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char *opts = session_options(m);
	int r = -ENOMEM;

	words_take();
	if (opts && fuse_opt_add_arg(&args, "holdfast") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, opts) == 0) {
		m->session = fuse_session_new(&args, &operations, sizeof(operations), m);
		r = m->session ? 0 : -EINVAL;
	}
	fuse_opt_free_args(&args);
	free(opts);
	return r < 0 ? words_fail(err, r, dir) : 0;
}

/* The device number of what is mounted, without a request to ourselves. */
static dev_t mounted_dev(const char *dir)
{
	struct statx st;

	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return 0;
	return makedev(st.stx_dev_major, st.stx_dev_minor);
}

/*
 * INIT cannot ask for more than the kernel's default read-ahead of 128 KiB; root can. It is no harm when
 * it does not work.
 */
static void raise_read_ahead(const struct mount *m)
{
	char path[64], text[16];
	int fd, len;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major(m->dev), minor(m->dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	len = snprintf(text, sizeof(text), "%d\n", READ_AHEAD_KB);
	if (write(fd, text, (size_t)len) != len)
		mount_log(LOG_NOTICE, "%s: %s", path, strerror(errno));
	close(fd);
}

static void *serve(void *arg)
{
	struct mount *m = arg;

	(void)pthread_setname_np(pthread_self(), "sentinel");
	m->loop_code = serve_run(m->server);
	atomic_store(&m->ended, true);
	wake(m->stop_fd);
	return NULL;
}

/*
 * Take an idle mount away while it is still served, so that what it holds is written. A busy one is left
 * to libfuse.
 */
static void unmount_idle(struct mount *m, const char *dir)
{
	int r;

	if (atomic_load(&m->ended) || m->dev != mounted_dev(dir))
		return;
	r = write_out(m);
	if (r < 0)
		tell_left(m, r);
	mount_detach(dir, false);
}

void mount_write_out(void)
{
	int r = 0;

	pthread_rwlock_rdlock(&current_lock);
	if (current && !current->fixed && !current->options->read_only) {
		r = write_out(current);
		pthread_mutex_lock(&current->server_lock);
		if (r == 0 && current->server && !serve_settle(current->server))
			r = -EBUSY;
		pthread_mutex_unlock(&current->server_lock);
		if (r < 0)
			tell_left(current, r);
	}
	pthread_rwlock_unlock(&current_lock);
}

static int serve_until_end(struct mount *m, const char *dir, void (*ready)(void *arg), void *arg,
			   struct hf_error *err)
{
	pthread_t loop;
	int r = -pthread_create(&loop, NULL, serve, m);

	if (r < 0)
		return hf_error_set(err, r, "cannot start a thread: %s", strerror(-r));
	while (!atomic_load(&m->initialised) && !atomic_load(&m->ended) && !should_stop(m))
		wait_event(m, -1);
	if (atomic_load(&m->initialised) && !atomic_load(&m->ended)) {
		m->dev = mounted_dev(dir);
		raise_read_ahead(m);
		if (ready)
			ready(arg);
	}
	while (!atomic_load(&m->ended) && !should_stop(m)) {
		forget_now(m);
		wait_event(m, refresh_held(m) ? HELD_AGAIN_MS : -1);
	}
	seek_stop(m);
	unmount_idle(m, dir);
	serve_stop(m->server);
	pthread_join(loop, NULL);
	if (!atomic_load(&m->initialised) && !should_stop(m))
		return words_fail(err, -EPROTO, dir);
	if (m->loop_code < 0)
		return hf_error_set(err, m->loop_code, "serving %s: %s", dir, strerror(-m->loop_code));
	return 0;
}

/* After this nobody else uses m. */
static void retire(struct mount *m)
{
	struct timespec until;
	bool locked;

	/*
	 * Who is still in mount_changed_… is in the kernel, waiting for a request that ends with the
	 * connection.
	 */
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	locked = pthread_rwlock_timedwrlock(&current_lock, &until) == 0;
	fuse_session_unmount(m->session);
	if (!locked)
		pthread_rwlock_wrlock(&current_lock);
	current = NULL;
	pthread_rwlock_unlock(&current_lock);
}

static int run_session(struct mount *m, const char *dir, void (*ready)(void *arg), void *arg,
		       struct hf_error *err)
{
	struct server *server;
	int r;

	errno = 0;
	if (fuse_session_mount(m->session, dir) < 0)
		return words_fail(err, errno ? -errno : -EPERM, dir);
	r = wire_attach(m->session);
	if (r < 0) {
		fuse_session_unmount(m->session);
		return words_fail(err, r, dir);
	}
	words_forget();
	r = serve_new(m, &m->server);
	if (r < 0) {
		fuse_session_unmount(m->session);
		return hf_error_set(err, r, "cannot serve %s: %s", dir, strerror(-r));
	}
	pthread_rwlock_wrlock(&current_lock);
	current = m;
	pthread_rwlock_unlock(&current_lock);
	r = serve_until_end(m, dir, ready, arg, err);
	pthread_mutex_lock(&m->server_lock);
	server = m->server;
	m->server = NULL;
	pthread_mutex_unlock(&m->server_lock);
	serve_free(server); /* its file of the connection with it, so that retire ends that */
	retire(m);
	return r;
}

static int mount_init(struct mount *m)
{
	int r;

	clock_gettime(CLOCK_REALTIME, &m->started);
	m->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->stop_fd < 0)
		return -errno;
	r = stale_init(m);
	if (r == 0)
		r = reply_init(m);
	if (r < 0) {
		stale_release(m);
		close(m->stop_fd);
		return r;
	}
	nodes_init(&m->nodes);
	lives_init(&m->lives);
	seek_init(m);
	refresh_init(m);
	forget_init(m);
	pthread_mutex_init(&m->server_lock, NULL);
	return 0;
}

static void mount_release(struct mount *m)
{
	pthread_mutex_destroy(&m->server_lock);
	forget_release(m);
	refresh_release(m);
	seek_release(m);
	tally_release(m);
	lives_release(&m->lives);
	nodes_release(&m->nodes);
	reply_release(m);
	stale_release(m);
	close(m->stop_fd);
}

/* -o at. */
static int find_moment(struct mount *m, struct hf_error *err)
{
	int r = m->options->at[0] ? hf_moment_find(m->store, m->options->at, &m->moment, err) : 0;

	if (r < 0 || !m->options->at[0])
		return r;
	m->fixed = true;
	m->head.tid = m->moment.tid;
	return 0;
}

int mount_run(struct hf_store *store, const char *dir, const struct mount_options *options,
	      void (*ready)(void *arg), void *arg, struct hf_error *err)
{
	struct mount m = {
		.store = store,
		.options = options,
		.dir = dir,
		.head = { store, HF_TID_HEAD },
		.uid = getuid(),
		.gid = getgid(),
	};
	struct sigaction before[CAUGHT];
	struct stat st;
	int r = mount_clear_dead(dir, hf_store_path(store), err);

	if (r < 0)
		return r;
	if (stat(dir, &st) < 0)
		return hf_error_set(err, -errno, "cannot mount on %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return hf_error_set(err, -ENOTDIR, "cannot mount on %s: it is not a folder", dir);
	r = find_moment(&m, err);
	if (r < 0)
		return r;
	r = mount_init(&m);
	if (r < 0)
		return hf_error_set(err, r, "cannot mount on %s: %s", dir, strerror(-r));
	atomic_store(&signalled, false);
	atomic_store(&current_stop_fd, m.stop_fd);
	catch_signals(before);
	r = make_session(&m, dir, err);
	if (r == 0) {
		r = run_session(&m, dir, ready, arg, err);
		fuse_session_destroy(m.session);
	}
	uncatch_signals(before);
	atomic_store(&current_stop_fd, -1);
	mount_release(&m);
	return r;
}
