/* SPDX-License-Identifier: MIT */
/*
 * The threads that serve requests.
 *
 * Waking a thread on another processor costs more than most requests do, so as few as can be are woken: one
 * thread at a time, the *leader*, reads requests, and as long as requests are short it serves each itself
 * and reads the next. What may take long, it serves after it has given the lead away, so that others need not
 * wait for it. Whoever has served such a request is a follower, and waits for the lead.
 *
 * Where requests that take long come several at a time, giving the lead away would wake one thread more for
 * each. Whoever has served one while others are at theirs therefore *helps*: it reads requests too, beside
 * the leader. He who gives the lead away while somebody helps wakes nobody: it is the helper's who reads
 * next. With the first short request that it serves without the lead a helper becomes a follower again.
 *
 * A short request may take long after all (a look-up that waits for the disk, a write that waits for the
 * pipeline). So while there is traffic the *sentinel*, which is the thread that called serve_run, looks
 * every TICK_MS whether the leader is still at the request it was at the time before, and if so has
 * another thread lead. It sleeps while there is no traffic.
 *
 * A process that waits for one reply after the other comes back within microseconds. So after a reply the
 * leader asks for the next request again and again for SPIN_NS before it sleeps, as long as that keeps being
 * worth while. It does so through a second, non-blocking file of the same connection (FUSE_DEV_IOC_CLONE); a
 * reply goes to the file that the request came from. Where replies cannot be sent there (wire.c), the
 * session's own file is made non-blocking, and whoever wants to sleep does it in poll.
 *
 * Who leads matters for speed only: two threads that read at once do no harm, so a thread that has lost the
 * lead need not be stopped at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fs/mount/mount_internal.h"

enum {
	THREADS = 32, /* several may wait for an fsync each; for a replica, SERVE_THREADS_MAX */
	TICK_MS = 2,
	IDLE_TICKS = 50, /* so long without a request, and the sentinel sleeps */
	ALONE_TICKS = 3, /* so long without a second client, and the first may hold up the queue */
	SPIN_NS = 50000,
	SPIN_SCORE_MAX = 16,
	SPIN_PROBE = 32, /* where spinning has not paid, it is tried again every so many requests */
	SHORT_BYTES = 64 << 10,
	KICK_MS = 20,
	HELPERS_MAX = 3,
};

struct server {
	struct mount *m;
	int fd;      /* of the session */
	int spin_fd; /* reads of it do not wait: a clone of fd, which waits; or fd itself; -1: none */
	size_t buffer_bytes;
	pthread_mutex_t lock;
	pthread_cond_t lead_cond;     /* the lead is free, or it is over */
	pthread_cond_t sentinel_cond; /* a request came, or it is over */
	pthread_t threads[SERVE_THREADS_MAX];
	unsigned threads_max;
	unsigned n_threads, waiting; /* protected by lock */
	bool led;                    /* somebody leads; protected by lock */
	atomic_uint helpers;         /* who read without the lead; written under lock */
	atomic_uint long_requests;   /* that are being served */
	int code;                    /* why it is over: 0 or -errno; protected by lock */
	atomic_bool over;
	atomic_bool sentinel_sleeps;
	atomic_uint ticket;         /* of who leads; another's takes the lead from him */
	atomic_uint_fast64_t count; /* of requests read by leaders */
	atomic_uint_fast64_t busy;  /* the count of the one the leader serves, 0: none */
	atomic_uint ticks;
	struct passage passage;
};

/* One thread's view of things. */
struct reader {
	struct server *s;
	unsigned index; /* in passage */
	struct fuse_buf buf;
	unsigned ticket;
	int from_fd; /* where the request came from */
	/*
	 * When the last request was there, and whether it is still to be counted. Its time ends, and the next
	 * one's begins, by the clock that spinning reads anyhow; who does not spin reads it for that.
	 */
	uint64_t began_ns;
	uint32_t opcode;
	bool uncounted;
	unsigned spin_score, since_probe;
	/* the client last seen, and the tick at which another one was */
	uint32_t pid;
	unsigned other_tick;
};

static struct timespec from_now(clockid_t clock, long ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms * 1000000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* --- the end of it */

static void end(struct server *s, int code)
{
	pthread_mutex_lock(&s->lock);
	if (!atomic_load(&s->over))
		s->code = code;
	atomic_store(&s->over, true);
	atomic_store(&s->passage.over, true);
	pthread_cond_broadcast(&s->lead_cond);
	pthread_cond_signal(&s->sentinel_cond);
	pthread_mutex_unlock(&s->lock);
}

/* --- the lead */

static void *reader_main(void *arg);

/* Requires lock. A thread less than there could be is no harm. */
static void start_thread(struct server *s)
{
	if (s->n_threads < s->threads_max && !atomic_load(&s->over) &&
	    pthread_create(&s->threads[s->n_threads], NULL, reader_main, s) == 0)
		s->n_threads++;
}

/* Requires lock. */
static void find_leader(struct server *s)
{
	s->led = false;
	atomic_fetch_add(&s->ticket, 1);
	if (atomic_load(&s->helpers) > 0)
		return;
	if (s->waiting > 0)
		pthread_cond_signal(&s->lead_cond);
	else
		start_thread(s);
}

static bool leads(const struct reader *r)
{
	return r->ticket == atomic_load_explicit(&r->s->ticket, memory_order_relaxed);
}

static void give_lead(struct reader *r)
{
	struct server *s = r->s;

	pthread_mutex_lock(&s->lock);
	if (leads(r)) {
		atomic_store(&s->busy, 0);
		find_leader(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* Requires lock. */
static void lead(struct reader *r)
{
	r->s->led = true;
	r->ticket = atomic_fetch_add(&r->s->ticket, 1) + 1;
}

/* Wait for the lead. False: it is over. */
static bool take_lead(struct reader *r)
{
	struct server *s = r->s;
	bool over;

	passage_idle(&s->passage, r->index);
	pthread_mutex_lock(&s->lock);
	s->waiting++;
	while (s->led && !atomic_load(&s->over))
		pthread_cond_wait(&s->lead_cond, &s->lock);
	s->waiting--;
	over = atomic_load(&s->over);
	lead(r);
	pthread_mutex_unlock(&s->lock);
	return !over;
}

/* --- reading */

static void count_request(struct reader *r, uint64_t ended_ns)
{
	if (r->uncounted)
		tally_request(r->opcode, ended_ns - r->began_ns);
	r->uncounted = false;
}

/* A request into the buffer: its length, or -errno. */
static ssize_t read_request(struct reader *r, int fd)
{
	ssize_t n;

	passage_read(&r->s->passage, r->index);
	n = read(fd, r->buf.mem, r->s->buffer_bytes);
	r->from_fd = fd;
	return n < 0 ? -errno : n;
}

/* Nothing there now (EAGAIN), a signal, or a request that was taken back while it was read (ENOENT). */
static bool is_nothing(ssize_t n)
{
	return n == -EAGAIN || n == -EINTR || n == -ENOENT;
}

static ssize_t wait_for_request(struct reader *r)
{
	struct pollfd p = { .fd = r->s->fd, .events = POLLIN };
	ssize_t n;

	if (r->uncounted)
		count_request(r, now_ns());
	if (r->s->spin_fd == r->s->fd) {
		passage_read(&r->s->passage, r->index);
		if (poll(&p, 1, -1) < 0)
			return -errno;
	}
	n = read_request(r, r->s->fd);
	if (n > 0)
		r->began_ns = now_ns();
	return n;
}

static bool spinning_pays(struct reader *r)
{
	if (r->s->spin_fd < 0 || atomic_load_explicit(&r->s->helpers, memory_order_relaxed) > 0)
		return false;
	if (r->spin_score > 0)
		return true;
	return ++r->since_probe % SPIN_PROBE == 0;
}

static ssize_t spin_for_request(struct reader *r)
{
	uint64_t until, now = now_ns();
	ssize_t n;

	count_request(r, now);
	until = now + SPIN_NS;
	do {
		r->began_ns = now;
		n = read_request(r, r->s->spin_fd);
		if (!is_nothing(n)) {
			if (r->spin_score < SPIN_SCORE_MAX)
				r->spin_score++;
			return n;
		}
		now = now_ns();
	} while (now < until && leads(r));
	r->spin_score -= r->spin_score < 2 ? r->spin_score : 2;
	return n;
}

/* The length of a request as it is; anything else ends it all, and is 0. */
static ssize_t or_end(struct server *s, ssize_t n)
{
	if (n >= 0)
		return n;
	end(s, n == -ENODEV ? 0 : (int)n); /* ENODEV: unmounted */
	return 0;
}

/* The next request: its length; 0 when it is over or another thread leads. */
static ssize_t next_request(struct reader *r)
{
	struct server *s = r->s;
	ssize_t n;

	do {
		n = spinning_pays(r) ? spin_for_request(r) : -EAGAIN;
		if (atomic_load(&s->over) || !leads(r))
			return is_nothing(n) ? 0 : n;
		if (is_nothing(n))
			n = wait_for_request(r);
	} while (is_nothing(n));
	return or_end(s, n);
}

/* --- serving */

/* Has this client had the mount to itself lately? */
static bool is_alone(struct reader *r, const struct fuse_in_header *in)
{
	unsigned tick = atomic_load_explicit(&r->s->ticks, memory_order_relaxed);

	/* what the kernel asks on its own has no process */
	if (in->pid != r->pid && in->pid != 0) {
		r->pid = in->pid;
		r->other_tick = tick;
	}
	return tick - r->other_tick > ALONE_TICKS;
}

/* May others wait until it is served? */
static bool is_short(struct reader *r, const struct fuse_in_header *in)
{
	bool alone = is_alone(r, in);

	switch (in->opcode) {
	case FUSE_READ:
		return alone && ((const struct fuse_read_in *)(in + 1))->size <= SHORT_BYTES;
	case FUSE_WRITE:
		return (alone && !serve_is_page(in)) || in->len <= SHORT_BYTES;
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
	case FUSE_FALLOCATE:
	case FUSE_COPY_FILE_RANGE:
	case FUSE_LSEEK:
	case FUSE_SETATTR:
		return alone;
	default:
		return true;
	}
}

static void wake_sentinel(struct server *s)
{
	if (!atomic_load(&s->sentinel_sleeps))
		return;
	pthread_mutex_lock(&s->lock);
	pthread_cond_signal(&s->sentinel_cond);
	pthread_mutex_unlock(&s->lock);
}

bool serve_is_page(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_WRITE &&
	       ((const struct fuse_write_in *)(in + 1))->write_flags & FUSE_WRITE_CACHE;
}

/* With -o coalesce: the times that the kernel kept of a file, and nothing else. */
static bool is_times(const struct fuse_in_header *in)
{
	return in->opcode == FUSE_SETATTR && (((const struct fuse_setattr_in *)(in + 1))->valid &
					      ~(uint32_t)FATTR_FH) == (FATTR_MTIME | FATTR_CTIME);
}

/* What the kernel writes back comes in nobody's name, or in that of who had it do so. */
static uint32_t uid_of(const struct fuse_in_header *in)
{
	return serve_is_page(in) || is_times(in) ? HF_UID_UNKNOWN : in->uid;
}

void serve_one(struct mount *m, int from_fd, const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;

	hf_act_for(uid_of(in));
	stale_begin(m, in->pid);
	if (!wire_serve(m, from_fd, buf->mem, buf->size))
		fuse_session_process_buf(m->session, buf);
}

/* True: it was a short one. */
static bool serve_request(struct reader *r, ssize_t len)
{
	struct server *s = r->s;
	const struct fuse_in_header *in = r->buf.mem;
	uint64_t number = atomic_fetch_add(&s->count, 1) + 1;
	bool keep = is_short(r, in);

	passage_serve(&s->passage, r->index, in);
	if (keep && leads(r))
		atomic_store_explicit(&s->busy, number, memory_order_relaxed);
	if (!keep) {
		give_lead(r);
		atomic_fetch_add(&s->long_requests, 1);
	}
	wake_sentinel(s);
	r->buf.size = (size_t)len;
	r->opcode = in->opcode;
	r->uncounted = true;
	serve_one(s->m, r->from_fd, &r->buf);
	if (fuse_session_exited(s->m->session)) /* libfuse cannot go on, and has said why */
		end(s, 0);
	if (keep && leads(r))
		atomic_store_explicit(&s->busy, 0, memory_order_relaxed);
	if (!keep)
		atomic_fetch_sub(&s->long_requests, 1);
	return keep;
}

/* --- helping */

static bool start_helping(struct reader *r)
{
	struct server *s = r->s;
	bool may;

	if (s->spin_fd == s->fd || atomic_load(&s->long_requests) == 0)
		return false; /* all who wait in poll would be woken */
	pthread_mutex_lock(&s->lock);
	may = atomic_load(&s->helpers) < HELPERS_MAX && !atomic_load(&s->over);
	if (may)
		atomic_fetch_add(&s->helpers, 1);
	pthread_mutex_unlock(&s->lock);
	return may;
}

/* The lead is his who has read a request, if nobody has it. */
static void stop_helping(struct reader *r)
{
	struct server *s = r->s;

	pthread_mutex_lock(&s->lock);
	atomic_fetch_sub(&s->helpers, 1);
	if (!s->led)
		lead(r);
	pthread_mutex_unlock(&s->lock);
}

/* True: r leads now. */
static bool help(struct reader *r)
{
	bool was_short = false;
	ssize_t n;

	while (!leads(r) && !was_short && start_helping(r)) {
		n = wait_for_request(r);
		stop_helping(r);
		if (is_nothing(n))
			continue;
		n = or_end(r->s, n);
		if (n == 0)
			break;
		was_short = serve_request(r, n);
	}
	return leads(r);
}

static void *reader_main(void *arg)
{
	struct reader r = { .s = arg };
	void *buffer = NULL;
	ssize_t n;

	(void)pthread_setname_np(pthread_self(), "serve");
	if (posix_memalign(&buffer, 4096, r.s->buffer_bytes) != 0) {
		end(r.s, -ENOMEM);
		return NULL;
	}
	r.buf.mem = buffer;
	tally_join(r.s->m);
	r.index = passage_join(&r.s->passage);
	while (take_lead(&r)) {
		do {
			while (leads(&r) && (n = next_request(&r)) > 0)
				(void)serve_request(&r, n);
		} while (!atomic_load(&r.s->over) && help(&r));
		if (r.uncounted)
			count_request(&r, now_ns());
		if (leads(&r))
			give_lead(&r); /* it is over */
	}
	passage_leave(&r.s->passage, r.index);
	free(buffer);
	return NULL;
}

/* --- the sentinel */

/* Sleep until there is traffic. Requires lock. */
static void sentinel_sleep(struct server *s, uint64_t seen)
{
	atomic_store(&s->sentinel_sleeps, true);
	while (!atomic_load(&s->over) && atomic_load(&s->count) == seen && !atomic_load(&s->busy))
		pthread_cond_wait(&s->sentinel_cond, &s->lock);
	atomic_store(&s->sentinel_sleeps, false);
}

/* Requires lock. */
static void sentinel_pause(struct server *s)
{
	struct timespec until = from_now(CLOCK_MONOTONIC, TICK_MS);

	(void)pthread_cond_timedwait(&s->sentinel_cond, &s->lock, &until);
}

static void watch(struct server *s)
{
	uint64_t busy_before = 0, seen = 0;
	unsigned idle = 0;

	pthread_mutex_lock(&s->lock);
	while (!atomic_load(&s->over)) {
		uint64_t count = atomic_load(&s->count), busy = atomic_load(&s->busy);

		if (busy && busy == busy_before) {
			atomic_store(&s->busy, 0);
			find_leader(s);
		}
		busy_before = busy;
		idle = count == seen ? idle + 1 : 0;
		seen = count;
		if (idle > IDLE_TICKS)
			sentinel_sleep(s, seen);
		else
			sentinel_pause(s);
		atomic_fetch_add(&s->ticks, 1);
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- the whole */

int serve_new(struct mount *m, struct server **ret)
{
	struct server *s = aligned_alloc(_Alignof(struct server), sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->m = m;
	s->buffer_bytes = MAX_WRITE_BYTES + 4096;
	s->threads_max = m->options->sync_receipts ? SERVE_THREADS_MAX : THREADS;
	s->fd = fuse_session_fd(m->session);
	s->spin_fd = wire_open_second(s->fd);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->lead_cond, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->sentinel_cond, &attr);
	pthread_condattr_destroy(&attr);
	passage_init(&s->passage);
	*ret = s;
	return 0;
}

void serve_free(struct server *s)
{
	if (!s)
		return;
	pthread_cond_destroy(&s->sentinel_cond);
	pthread_cond_destroy(&s->lead_cond);
	pthread_mutex_destroy(&s->lock);
	passage_release(&s->passage);
	wire_close_second(s->spin_fd, s->fd);
	free(s);
}

/* Out of a read that waits; again, should the signal have come just before it. */
static void join_reader(pthread_t thread)
{
	struct timespec until;

	do {
		pthread_kill(thread, SERVE_SIGNAL);
		until = from_now(CLOCK_REALTIME, KICK_MS);
	} while (pthread_timedjoin_np(thread, NULL, &until) == ETIMEDOUT);
}

int serve_run(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	start_thread(s);
	if (s->n_threads == 0 && !atomic_load(&s->over)) {
		atomic_store(&s->over, true);
		s->code = -EAGAIN;
	}
	pthread_mutex_unlock(&s->lock);
	watch(s);
	for (unsigned i = 0; i < s->n_threads; i++) /* no more are started once it is over */
		join_reader(s->threads[i]);
	/* Whoever asked may be killed, and his request is gone between a look and the read. */
	if (s->spin_fd < 0 && fcntl(s->fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return s->code;
	if (s->code == 0)
		drain(s->m, s->spin_fd < 0 ? s->fd : s->spin_fd, s->buffer_bytes);
	return s->code;
}

bool serve_settle(struct server *s)
{
	return settle(&s->passage, s->fd);
}

void serve_stop(struct server *s)
{
	end(s, 0);
}
