/* SPDX-License-Identifier: MIT */
#include "store/replica/replicator_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/replica/config.h"
#include "store/replica/prunes.h"
#include "store/replica/trail.h"

enum {
	SEND_BYTES = 8 << 20,
	REST_BYTES = 256 << 10, /* kept in memory when there is nothing to send: there may be many of us */
	WAIT_MS = 500,
	PAUSE_FIRST_MS = 250,
	PAUSE_MAX_MS = 15000,
	PAUSE_WAITING_MS = 1000, /* while somebody waits for a receipt */
	STOP_GRACE_MS = 1000,
	HEARTBEAT_MS = 10000,
	KEEP_RECEIPT_MS = 30000,
	KEEP_ABOUT_MS = 600000,
	GAPS_MAX = 3,
};

static bool elapsed(const struct replicator *r, uint64_t since_ns, unsigned ms)
{
	return replicator_now_ns(r) - since_ns >= (uint64_t)ms * 1000000u;
}

/* Requests go on for a moment after the stop, so that one at hand can end well. */
static bool interrupted(void *arg)
{
	const struct replicator *r = arg;

	return atomic_load(&r->stop) && elapsed(r, atomic_load(&r->stop_ns), STOP_GRACE_MS);
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
	if (atomic_load(r->waiting) > 0 && ms > PAUSE_WAITING_MS)
		ms = PAUSE_WAITING_MS;
	deadline(ms / 2 + random % (ms / 2 + 1), &until);
	while (!atomic_load(&r->stop) && !r->hurry)
		if (pthread_cond_timedwait(&r->changed, &r->lock, &until) == ETIMEDOUT)
			break;
	r->hurry = false;
	(void)pthread_mutex_unlock(&r->lock);
	r->pause_ms = r->pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : r->pause_ms * 2;
}

static void fail(struct replicator *r, int code, struct hf_error *why)
{
	r->positioned = false;
	if (code == -EUCLEAN) /* put back to before it was told, it has forgotten */
		r->told = false;
	if (code == -ENOENT)
		(void)hf_error_prefix(
			why, code,
			"if it was made anew, remove this replica and add it again, and it gets the "
			"whole past");
	if (code != -ECANCELED)
		replicator_failed(r, code, why);
	r->no_room = r->no_room || replicator_state_after(code) == HF_REPLICA_FULL;
	pause_after_failure(r);
}

/* --- the work */

static void keep_receipt(struct replicator *r)
{
	if (log_pos_compare(r->kept, r->receipt.point.end) == 0)
		return;
	r->kept_ns = replicator_now_ns(r);
	r->kept = r->receipt.point.end;
	(void)config_write_receipt(r->os, r->path, r->name,
				   &r->receipt); /* derived: without it a later status says less */
}

static void take_receipt(struct replicator *r, const struct receipt *receipt)
{
	r->receipt = *receipt;
	r->best = receipt->point;
	r->heard_ns = replicator_now_ns(r);
	r->pause_ms = PAUSE_FIRST_MS;
	replicator_set_acked(r, &receipt->point);
}

/*
 * It signed for more than it has: it was put back to an older state, or it lies. Written down before anything
 * is sent, so that a crash does not forget it; and so that it is told once, the receipt kept is the new one
 * from then on.
 */
static void note_regress(struct replicator *r, const struct receipt *receipt)
{
	struct regress now;

	if (log_pos_compare(r->best.end, r->lost_until) > 0)
		r->lost_until = r->best.end;
	(void)pthread_mutex_lock(&r->lock);
	regress_add(&r->regress, r->os->now_ns(r->os->state), r->best.tid, receipt->point.tid);
	now = r->regress;
	(void)pthread_mutex_unlock(&r->lock);
	if (regress_write(r->os, r->path, r->name, &now) == 0)
		(void)config_write_receipt(r->os, r->path, r->name, receipt);
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
	if (log_pos_compare(receipt->point.end, r->best.end) < 0)
		note_regress(r, receipt);
	take_receipt(r, receipt);
	r->next = receipt->point.end.segment ? receipt->point.end : (struct log_pos){ 1, 0 };
	r->positioned = true;
	return 0;
}

/* Derived: without it doctor says less. Its numbers change all the time, and need not be kept each time. */
static void keep_about(struct replicator *r)
{
	const struct about *now = &r->peer->about;

	if (!now->software[0])
		return;
	if (r->about_ns && !elapsed(r, r->about_ns, KEEP_ABOUT_MS) &&
	    strcmp(now->software, r->about.software) == 0 && now->budget_bytes == r->about.budget_bytes)
		return;
	r->about = *now;
	r->about_ns = replicator_now_ns(r);
	(void)about_write(r->os, r->path, r->name, now, r->os->now_ns(r->os->state));
}

static int ask_position(struct replicator *r, struct hf_error *err)
{
	struct log_point own;
	struct receipt receipt;
	int n;

	log_durable(r->log, &own);
	peer_say_own(r->peer, &own);
	n = peer_position(r->peer, &receipt, err);
	if (n == 0)
		keep_about(r);
	return n < 0 ? n : take_position(r, &receipt, err);
}

static bool same_point(const struct log_point *a, const struct log_point *b)
{
	return log_pos_compare(a->end, b->end) == 0 && a->commit == b->commit &&
	       memcmp(a->chain, b->chain, HASH_BYTES) == 0;
}

static void set_sending(struct replicator *r)
{
	struct hf_error words = HF_ERROR_INIT;
	struct regress regress;

	if (log_pos_compare(r->next, r->lost_until) >= 0) {
		replicator_set_state(r, HF_REPLICA_CATCHING_UP, NULL);
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	regress = r->regress;
	(void)pthread_mutex_unlock(&r->lock);
	(void)hf_error_set(&words, -ESTALE,
			   "it had acknowledged tid-%" PRIu64 ", and came back with tid-%" PRIu64
			   ": was it restored from an older copy? What it lacks is sent again",
			   regress.had_tid, regress.has_tid);
	replicator_set_state(r, HF_REPLICA_REGRESSED, &words);
}

/* A node gives a request only so long, and cuts off what takes longer: the next one is to be shorter. */
static void note_sending(struct replicator *r, int n)
{
	if (r->place.kind != PLACE_NODE)
		return;
	(void)pthread_mutex_lock(&r->lock);
	if (n == -ETIMEDOUT || n == -ECONNRESET)
		pace_lost(&r->pace, r->data.len);
	else if (n == 0)
		pace_taken(&r->pace, r->data.len, SEND_BYTES);
	(void)pthread_mutex_unlock(&r->lock);
}

static int send_bytes(struct replicator *r, const struct log_point *behind, struct hf_error *err)
{
	struct receipt receipt;
	int n;

	if (!r->no_room) /* what is tried again is full still, for all that is known */
		set_sending(r);
	n = peer_append(r->peer, r->next, r->data.data, r->data.len, &receipt, err);
	note_sending(r, n);
	if (n == -ERANGE) { /* an answer was lost, or the replica lost something: it says where it is */
		replicator_sent(r, r->data.len, false);
		r->positioned = false;
		if (++r->gaps <= GAPS_MAX)
			return 0;
		return hf_error_set(err, -EPROTO,
				    "the replica says where it ends, and then takes nothing there");
	}
	if (n < 0)
		return n;
	r->no_room = false;
	r->gaps = 0;
	replicator_sent(r, r->data.len, true);
	if (!same_point(&receipt.point, behind))
		return take_position(r, &receipt, err);
	take_receipt(r, &receipt);
	r->next = behind->end;
	if (elapsed(r, r->kept_ns, KEEP_RECEIPT_MS))
		keep_receipt(r);
	return 0;
}

/* Everything is there: wait for more, and now and then look whether the replica is. */
static void rest(struct replicator *r)
{
	if (r->data.cap > REST_BYTES)
		buf_release(&r->data);
	replicator_set_state(r, HF_REPLICA_CURRENT, NULL);
	if (elapsed(r, r->kept_ns, KEEP_RECEIPT_MS))
		keep_receipt(r);
	(void)log_wait(r->log, r->next, WAIT_MS);
	if (elapsed(r, r->heard_ns, HEARTBEAT_MS))
		r->positioned = false;
}

/* Its share of the line is used up, and there is more to send: wait for a while. */
static bool wait_for_share(struct replicator *r)
{
	struct timespec until;
	uint64_t wait_ns;

	(void)pthread_mutex_lock(&r->lock);
	wait_ns = pace_wait_ns(&r->pace, replicator_now_ns(r));
	(void)pthread_mutex_unlock(&r->lock);
	if (wait_ns == 0 || !log_wait(r->log, r->next, 0))
		return false;
	set_sending(r);
	if (elapsed(r, r->heard_ns, HEARTBEAT_MS))
		r->positioned = false;
	deadline(wait_ns > WAIT_MS * 1000000ull ? WAIT_MS : (unsigned)(wait_ns / 1000000u) + 1, &until);
	(void)pthread_mutex_lock(&r->lock);
	if (!atomic_load(&r->stop))
		(void)pthread_cond_timedwait(&r->changed, &r->lock, &until);
	(void)pthread_mutex_unlock(&r->lock);
	return true;
}

static size_t step_bytes(struct replicator *r)
{
	size_t bytes;

	(void)pthread_mutex_lock(&r->lock);
	bytes = pace_step(&r->pace, SEND_BYTES);
	r->peer->flow_max = pace_flow(&r->pace);
	(void)pthread_mutex_unlock(&r->lock);
	return bytes;
}

/* How much there is to send, as far as one request would take it. */
static size_t waiting_bytes(const struct replicator *r)
{
	struct log_point durable;

	log_durable(r->log, &durable);
	return durable.end.segment == r->next.segment ? durable.end.offset - r->next.offset : SEND_BYTES;
}

/* Some peers would rather have much at once. Not when somebody waits for what is here: false then. */
static bool wait_for_more(struct replicator *r)
{
	bool waited = false;
	unsigned ms;

	while (atomic_load(r->waiting) == 0 && !atomic_load(&r->stop) &&
	       (ms = peer_pace_ms(r->peer, waiting_bytes(r))) > 0) {
		struct timespec until;

		deadline(ms < WAIT_MS ? ms : WAIT_MS, &until);
		(void)pthread_mutex_lock(&r->lock);
		if (atomic_load(r->waiting) == 0 && !atomic_load(&r->stop))
			(void)pthread_cond_timedwait(&r->changed, &r->lock, &until);
		(void)pthread_mutex_unlock(&r->lock);
		waited = true;
	}
	return waited;
}

static int step(struct replicator *r, struct hf_error *err)
{
	struct log_point behind;
	int n;

	if (!r->told) { /* before bytes that lack what those name */
		n = prunes_tell(r->os, r->peer, r->path, r->place.kind == PLACE_NODE ? r->place.key : NULL,
				err);
		r->told = n == 0;
		return n;
	}
	if (!r->positioned)
		return ask_position(r, err);
	if (wait_for_share(r))
		return 0;
	buf_clear(&r->data);
	n = log_read_raw(r->log, r->next, step_bytes(r), &r->data, &behind, err);
	if (n == -ENODATA) {
		rest(r);
		return 0;
	}
	if (n == -ENOENT) {
		r->next = (struct log_pos){ r->next.segment + 1, 0 };
		return 0;
	}
	if (n < 0)
		return n;
	return wait_for_more(r) ? 0 : send_bytes(r, &behind, err);
}

static void *run(void *arg)
{
	struct replicator *r = arg;

	(void)pthread_setname_np(pthread_self(), "ship");
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
		.log = r->log,
		.log_dir = r->log_dir,
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

	regress_read(r->os, r->path, r->name, &r->regress);
	n = config_read(r->os, r->path, r->name, &r->place, &r->error);
	pace_set(&r->pace, n == 0 ? config_read_limit(r->os, r->path, r->name) : 0, replicator_now_ns(r));
	memcpy(r->place.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	r->place.has_volume = true;
	if (n == 0 && ship)
		n = open_peer(r, keys, &r->error);
	if (n == -ENOMEM)
		return hf_error_set(err, n, "no memory for replica %s", r->name);
	if (n < 0) {
		replicator_refused(r);
		return 0;
	}
	if (place_url(&r->place, &url) == 0)
		(void)snprintf(r->url, sizeof(r->url), "%s", buf_cstr(&url));
	if (config_read_receipt(r->os, r->path, r->name, &r->acked) < 0)
		memset(&r->acked, 0, sizeof(r->acked));
	r->best = r->acked;
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

static struct replicator *make(const struct replicator_options *o, const char *name)
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
	r->os = o->os;
	r->log = o->log;
	r->waiting = o->waiting;
	r->moved = o->moved;
	r->arg = o->arg;
	r->pause_ms = PAUSE_FIRST_MS;
	(void)snprintf(r->name, sizeof(r->name), "%s", name);
	r->path = strdup(o->path);
	if (asprintf(&r->log_dir, "%s/log", o->path) < 0)
		r->log_dir = NULL;
	if (r->path && r->log_dir)
		return r;
	release(r);
	return NULL;
}

int replicator_start(const struct replicator_options *o, const char *name, struct replicator **ret,
		     struct hf_error *err)
{
	struct replicator *r = make(o, name);
	int n;

	if (!r)
		return hf_error_set(err, -ENOMEM, "no memory for replica %s", name);
	n = prepare(r, o->keys, o->ship, err);
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
	atomic_store(&r->stop_ns, replicator_now_ns(r));
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
