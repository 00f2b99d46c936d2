/* SPDX-License-Identifier: MIT */
#include "store/replica/replicator.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/replica/config.h"
#include "store/replica/peer.h"
#include "store/replica/trail.h"

enum {
	SEND_BYTES = 8 << 20,
	WAIT_MS = 500,
	PAUSE_FIRST_MS = 250,
	PAUSE_MAX_MS = 15000,
	PAUSE_WAITING_MS = 1000,
	STOP_GRACE_MS = 1000,
	HEARTBEAT_MS = 10000,
	KEEP_RECEIPT_MS = 30000,
};

struct replicator {
	const struct os *os; /* immutable, as is all up to the lock */
	char *path, *log_dir;
	char name[CONFIG_NAME_BYTES];
	char url[512];
	struct log *log;
	struct place place;
	bool has_thread;
	pthread_t thread;

	_Atomic bool stop;
	_Atomic uint64_t stop_ns; /* monotonic time of the call to stop */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* on CLOCK_MONOTONIC */
	enum hf_replica_state state;
	struct hf_error error;
	struct log_point acked;    /* from the newest receipt; end.segment 0: nothing */
	bool confirmed;            /* by a receipt of this run, not one that was kept */
	bool hurry;                /* somebody has begun to wait: end the pause */
	unsigned waiting;          /* how many wait: pauses are short then */
	struct log_pos late_after; /* the oldest operation not acknowledged is behind this */
	uint64_t late_ns;          /* when, on the monotonic clock, that operation came; 0: not known */

	/* the thread's own */
	struct peer *peer;
	struct buf data;
	bool positioned;
	struct log_pos next;
	unsigned pause_ms;
	uint64_t heard_ns, kept_ns;
	struct log_pos kept; /* end of the last receipt kept */
	struct receipt receipt;
};

static uint64_t now_ns(const struct replicator *r)
{
	return r->os->monotonic_ns(r->os->state);
}

static bool elapsed(const struct replicator *r, uint64_t since_ns, unsigned ms)
{
	return now_ns(r) - since_ns >= (uint64_t)ms * 1000000u;
}

/* Requests go on for a moment after the stop, so that one at hand can end well. */
static bool interrupted(void *arg)
{
	const struct replicator *r = arg;

	return atomic_load(&r->stop) && elapsed(r, atomic_load(&r->stop_ns), STOP_GRACE_MS);
}

/* --- what others see */

static void set_state(struct replicator *r, enum hf_replica_state state, const struct hf_error *error)
{
	(void)pthread_mutex_lock(&r->lock);
	r->state = state;
	if (error)
		r->error = *error;
	else
		r->error = (struct hf_error)HF_ERROR_INIT;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

static void set_acked(struct replicator *r, const struct log_point *point)
{
	(void)pthread_mutex_lock(&r->lock);
	r->acked = *point;
	r->confirmed = true;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

static bool is_refusal(int code)
{
	return code == -EKEYREJECTED || code == -EACCES || code == -ENOENT || code == -EUCLEAN ||
	       code == -EEXIST || code == -EPROTONOSUPPORT;
}

/* --- pausing */

static void deadline(unsigned ms, struct timespec *ret)
{
	(void)clock_gettime(CLOCK_MONOTONIC, ret);
	ret->tv_sec += ms / 1000;
	ret->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ret->tv_nsec >= 1000000000) {
		ret->tv_nsec -= 1000000000;
		ret->tv_sec++;
	}
}

/* Between a half and the whole of the pause, so that many stores do not come back all at once. */
static void pause_after_failure(struct replicator *r)
{
	struct timespec until;
	unsigned ms = r->pause_ms;
	uint16_t random;

	crypto_random(&random, sizeof(random));
	(void)pthread_mutex_lock(&r->lock);
	if (r->waiting > 0 && ms > PAUSE_WAITING_MS)
		ms = PAUSE_WAITING_MS;
	deadline(ms / 2 + random % (ms / 2 + 1), &until);
	while (!atomic_load(&r->stop) && !r->hurry)
		if (pthread_cond_timedwait(&r->changed, &r->lock, &until) == ETIMEDOUT)
			break;
	r->hurry = false;
	(void)pthread_mutex_unlock(&r->lock);
	r->pause_ms = r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
}

static void fail(struct replicator *r, int code, const struct hf_error *why)
{
	r->positioned = false;
	if (code != -ECANCELED)
		set_state(r, is_refusal(code) ? HF_REPLICA_REFUSED : HF_REPLICA_UNREACHABLE, why);
	pause_after_failure(r);
}

/* --- the work */

static void keep_receipt(struct replicator *r)
{
	if (log_pos_compare(r->kept, r->receipt.point.end) == 0)
		return;
	r->kept_ns = now_ns(r);
	r->kept = r->receipt.point.end;
	(void)config_write_receipt(r->os, r->path, r->name,
				   &r->receipt); /* derived: without it a later status says less */
}

static void take_receipt(struct replicator *r, const struct receipt *receipt)
{
	r->receipt = *receipt;
	r->heard_ns = now_ns(r);
	r->pause_ms = PAUSE_FIRST_MS;
	set_acked(r, &receipt->point);
}

/* Is what the replica says it has a point of our log? Then go on from there. */
static int take_position(struct replicator *r, const struct receipt *receipt, struct hf_error *err)
{
	struct log_point durable;
	int n;

	log_durable(r->log, &durable);
	n = trail_has(r->os, r->log_dir, &receipt->point, &durable, err);
	if (n <= 0)
		return n < 0 ? n : -EEXIST;
	take_receipt(r, receipt);
	r->next = receipt->point.end.segment ? receipt->point.end : (struct log_pos){ 1, 0 };
	r->positioned = true;
	return 0;
}

static int ask_position(struct replicator *r, struct hf_error *err)
{
	struct log_point own;
	struct receipt receipt;
	int n;

	log_durable(r->log, &own);
	peer_say_own(r->peer, &own);
	n = peer_position(r->peer, &receipt, err);
	return n < 0 ? n : take_position(r, &receipt, err);
}

static bool same_point(const struct log_point *a, const struct log_point *b)
{
	return log_pos_compare(a->end, b->end) == 0 && a->commit == b->commit &&
	       memcmp(a->chain, b->chain, HASH_BYTES) == 0;
}

static int send_bytes(struct replicator *r, const struct log_point *behind, struct hf_error *err)
{
	struct receipt receipt;
	int n;

	set_state(r, HF_REPLICA_CATCHING_UP, NULL);
	n = peer_append(r->peer, r->next, r->data.data, r->data.len, &receipt, err);
	if (n == -ERANGE) { /* an answer was lost, or the replica lost something: it says where it is */
		r->positioned = false;
		return 0;
	}
	if (n < 0)
		return n;
	if (!same_point(&receipt.point, behind))
		return take_position(r, &receipt, err);
	take_receipt(r, &receipt);
	r->next = behind->end;
	return 0;
}

/* Everything is there: wait for more, and now and then look whether the replica is. */
static void rest(struct replicator *r)
{
	set_state(r, HF_REPLICA_CURRENT, NULL);
	if (elapsed(r, r->kept_ns, KEEP_RECEIPT_MS))
		keep_receipt(r);
	(void)log_wait(r->log, r->next, WAIT_MS);
	if (elapsed(r, r->heard_ns, HEARTBEAT_MS))
		r->positioned = false;
}

static int step(struct replicator *r, struct hf_error *err)
{
	struct log_point behind;
	int n;

	if (!r->positioned)
		return ask_position(r, err);
	buf_clear(&r->data);
	n = log_read_raw(r->log, r->next, SEND_BYTES, &r->data, &behind, err);
	if (n == -ENODATA) {
		rest(r);
		return 0;
	}
	if (n == -ENOENT) {
		r->next = (struct log_pos){ r->next.segment + 1, 0 };
		return 0;
	}
	return n < 0 ? n : send_bytes(r, &behind, err);
}

static void *run(void *arg)
{
	struct replicator *r = arg;

	while (!atomic_load(&r->stop)) {
		struct hf_error err = HF_ERROR_INIT;
		int n = step(r, &err);

		if (n < 0)
			fail(r, n, &err);
	}
	keep_receipt(r);
	return NULL;
}

/* --- life */

static int open_peer(struct replicator *r, const struct keyring *keys, struct hf_error *err)
{
	struct peer_options o = {
		.os = r->os,
		.place = &r->place,
		.writable = true,
		.interrupted = interrupted,
		.arg = r,
	};

	if (!keyring_has_writer(keys))
		return hf_error_set(err, -EKEYREJECTED,
				    "the store has no writer key: replicas take nothing from it");
	memcpy(o.volume_id, r->place.volume_id, VOLUME_ID_BYTES);
	o.signer = http_signer_of_writer(keys);
	return peer_open(&o, &r->peer, err);
}

/* Everything short of the thread. What is wrong with the replica's file is its state, and no failure. */
static int prepare(struct replicator *r, const struct keyring *keys, bool ship, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT;
	int n;

	n = config_read(r->os, r->path, r->name, &r->place, &r->error);
	memcpy(r->place.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	r->place.has_volume = true;
	if (n == 0 && ship)
		n = open_peer(r, keys, &r->error);
	if (n == -ENOMEM)
		return hf_error_set(err, n, "no memory for replica %s", r->name);
	if (n < 0) {
		r->state = HF_REPLICA_REFUSED;
		return 0;
	}
	if (place_url(&r->place, &url) == 0)
		(void)snprintf(r->url, sizeof(r->url), "%s", buf_cstr(&url));
	if (config_read_receipt(r->os, r->path, r->name, &r->acked) < 0)
		memset(&r->acked, 0, sizeof(r->acked));
	if (!ship)
		r->state = HF_REPLICA_AT_REST;
	return ship;
}

static void release(struct replicator *r)
{
	peer_free(r->peer);
	place_release(&r->place);
	buf_release(&r->data);
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->lock);
	free(r->path);
	free(r->log_dir);
	free(r);
}

static struct replicator *make(const struct os *os, const char *path, const char *name, struct log *log)
{
	struct replicator *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	(void)pthread_mutex_init(&r->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	buf_init(&r->data);
	r->os = os;
	r->log = log;
	r->pause_ms = PAUSE_FIRST_MS;
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	r->path = strdup(path);
	if (asprintf(&r->log_dir, "%s/log", path) < 0)
		r->log_dir = NULL;
	if (r->path && r->log_dir)
		return r;
	release(r);
	return NULL;
}

int replicator_start(const struct os *os, const char *path, const char *name, struct log *log,
		     const struct keyring *keys, bool ship, struct replicator **ret, struct hf_error *err)
{
	struct replicator *r = make(os, path, name, log);
	int n;

	if (!r)
		return hf_error_set(err, -ENOMEM, "no memory for replica %s", name);
	n = prepare(r, keys, ship, err);
	if (n == 1) {
		n = -pthread_create(&r->thread, NULL, run, r);
		r->has_thread = n == 0;
		if (n < 0)
			(void)hf_error_set(err, n, "no thread for replica %s: %s", name, strerror(-n));
	}
	if (n < 0) {
		release(r);
		return n;
	}
	*ret = r;
	return 0;
}

void replicator_stop(struct replicator *r)
{
	atomic_store(&r->stop_ns, now_ns(r));
	atomic_store(&r->stop, true);
	(void)pthread_mutex_lock(&r->lock);
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->lock);
}

void replicator_free(struct replicator *r)
{
	if (r->has_thread)
		(void)pthread_join(r->thread, NULL);
	release(r);
}

const char *replicator_name(const struct replicator *r)
{
	return r->name;
}

/* --- questions */

/*
 * When the oldest operation that is not acknowledged came, on the monotonic clock: from the time in the first
 * commit behind the acknowledged point. Worked out once for each such point, so that a jump of the wall clock
 * changes nothing later.
 */
static uint64_t late_since(struct replicator *r, struct log_pos acked, const struct log_point *durable)
{
	uint64_t mono = now_ns(r), wall = r->os->now_ns(r->os->state), came, late;

	(void)pthread_mutex_lock(&r->lock);
	late = log_pos_compare(r->late_after, acked) == 0 ? r->late_ns : 0;
	(void)pthread_mutex_unlock(&r->lock);
	if (late)
		return late;
	if (trail_next_time(r->os, r->log_dir, acked, durable, &came) < 0)
		return mono;
	late = came < wall && wall - came < mono ? mono - (wall - came) : came >= wall ? mono : 1;
	(void)pthread_mutex_lock(&r->lock);
	r->late_after = acked;
	r->late_ns = late;
	(void)pthread_mutex_unlock(&r->lock);
	return late;
}

void replicator_status(struct replicator *r, struct hf_replica_status *ret)
{
	struct log_point durable;
	struct log_pos acked;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->name, sizeof(ret->name), "%s", r->name);
	(void)snprintf(ret->url, sizeof(ret->url), "%s", r->url);
	(void)pthread_mutex_lock(&r->lock);
	ret->state = r->state;
	memcpy(ret->error, r->error.text, sizeof(ret->error));
	ret->acked_tid = r->acked.tid;
	ret->acked_time_ns = r->acked.time_ns;
	acked = r->acked.end;
	(void)pthread_mutex_unlock(&r->lock);
	log_durable(r->log, &durable);
	if (log_pos_compare(acked, durable.end) >= 0)
		return;
	(void)trail_bytes(r->os, r->log_dir, acked, &durable, &ret->lag_bytes);
	if (durable.tid > ret->acked_tid)
		ret->lag_seconds = (double)(now_ns(r) - late_since(r, acked, &durable)) / 1e9;
	if (ret->state == HF_REPLICA_CURRENT)
		ret->state = HF_REPLICA_CATCHING_UP;
}

/* Requires r->lock. */
static bool has_acked(const struct replicator *r, struct log_pos end)
{
	return r->confirmed && log_pos_compare(r->acked.end, end) >= 0;
}

int replicator_wait(struct replicator *r, struct log_pos end, uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
				  .tv_nsec = (long)(until_ns % 1000000000u) };
	int n = 0;

	(void)pthread_mutex_lock(&r->lock);
	r->hurry = true;
	r->waiting++;
	(void)pthread_cond_broadcast(&r->changed);
	while (n == 0 && !has_acked(r, end))
		n = r->has_thread ? pthread_cond_timedwait(&r->changed, &r->lock, &until) : ETIMEDOUT;
	n = has_acked(r, end) ? 0 : -ETIMEDOUT;
	r->waiting--;
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}
