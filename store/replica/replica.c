/* SPDX-License-Identifier: MIT */
#include "store/replica/replica.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "store/replica/config.h"
#include "store/replica/replicator.h"

enum { LAST_CHANCE_MS = 1000 };

struct member {
	struct replicator *r; /* immutable */
	unsigned users;       /* who look at it without the lock; protected by it */
};

/* Order: lock, then a replicator's. */
struct replica_set {
	struct replicator_options options; /* immutable, as is all up to the lock */
	char *path;
	atomic_uint waiting; /* for receipts */

	pthread_mutex_t lock;
	pthread_cond_t moved;             /* on CLOCK_MONOTONIC: a replica moved, a member lost a user */
	struct member *all[REPLICAS_MAX]; /* by name */
	size_t n;
	bool changing;
	unsigned needed; /* receipts, by an fsync */
	struct hf_sync_status sync;
};

const char *hf_replica_state_name(enum hf_replica_state state)
{
	switch (state) {
	case HF_REPLICA_CONNECTING:
		return "connecting";
	case HF_REPLICA_CATCHING_UP:
		return "catching up";
	case HF_REPLICA_CURRENT:
		return "current";
	case HF_REPLICA_REGRESSED:
		return "regressed";
	case HF_REPLICA_UNREACHABLE:
		return "unreachable";
	case HF_REPLICA_REFUSED:
		return "refused";
	case HF_REPLICA_AT_REST:
		return "at rest";
	case HF_REPLICA_FULL:
		return "full";
	}
	return "?";
}

static uint64_t now_ns(const struct replica_set *set)
{
	return set->options.os->monotonic_ns(set->options.os->state);
}

/* Requires set->lock. What the last of them lacks is read soon. */
static void tell_wanted(struct replica_set *set)
{
	struct log_pos from = LOG_POS_MAX, pos;

	for (size_t i = 0; i < set->n; i++)
		if (replicator_reads_from(set->all[i]->r, &pos) && log_pos_compare(pos, from) < 0)
			from = pos;
	log_wanted_from(set->options.log, from);
}

static void on_moved(void *arg)
{
	struct replica_set *set = arg;

	(void)pthread_mutex_lock(&set->lock);
	tell_wanted(set);
	(void)pthread_cond_broadcast(&set->moved);
	(void)pthread_mutex_unlock(&set->lock);
}

/* Requires set->lock. Where the one of this name is, or would be. */
static size_t find(const struct replica_set *set, const char *name, bool *ret_there)
{
	size_t at = 0;

	while (at < set->n && strcmp(replicator_name(set->all[at]->r), name) < 0)
		at++;
	*ret_there = at < set->n && strcmp(replicator_name(set->all[at]->r), name) == 0;
	return at;
}

/* --- life */

static struct replica_set *set_new(const char *path)
{
	struct replica_set *set = calloc(1, sizeof(*set));
	pthread_condattr_t attr;

	if (!set)
		return NULL;
	set->path = strdup(path);
	if (!set->path) {
		free(set);
		return NULL;
	}
	(void)pthread_mutex_init(&set->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&set->moved, &attr);
	(void)pthread_condattr_destroy(&attr);
	return set;
}

int replica_set_start(const struct os *os, const char *path, struct log *log, const struct keyring *keys,
		      bool ship, struct replica_set **ret, struct hf_error *err)
{
	struct replica_set *set = set_new(path);
	char **names = NULL;
	size_t n = 0;
	int r;

	if (!set)
		return hf_error_set(err, -ENOMEM, "no memory");
	set->options = (struct replicator_options){
		.os = os,
		.path = set->path,
		.log = log,
		.keys = keys,
		.ship = ship,
		.waiting = &set->waiting,
		.moved = on_moved,
		.arg = set,
	};
	r = config_list(os, path, &names, &n, err);
	for (size_t i = 0; r == 0 && i < n && i < REPLICAS_MAX; i++)
		r = replica_set_add(set, names[i], err);
	config_free_names(names, n);
	if (r < 0) {
		replica_set_stop(set);
		return r;
	}
	*ret = set;
	return 0;
}

void replica_set_stop(struct replica_set *set)
{
	size_t n;

	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		replicator_stop(set->all[i]->r);
	log_wake(set->options.log);
	(void)pthread_mutex_lock(&set->lock);
	n = set->n;
	set->n = 0; /* those that still run look at none of the others any more */
	(void)pthread_mutex_unlock(&set->lock);
	for (size_t i = 0; i < n; i++) {
		replicator_free(set->all[i]->r);
		free(set->all[i]);
	}
	(void)pthread_cond_destroy(&set->moved);
	(void)pthread_mutex_destroy(&set->lock);
	free(set->path);
	free(set);
}

/* --- status */

/* Requires set->lock. */
static void let_go(struct replica_set *set, struct member *m)
{
	if (--m->users == 0)
		(void)pthread_cond_broadcast(&set->moved);
}

size_t replica_set_status(struct replica_set *set, struct hf_replica_status *ret, size_t max)
{
	struct member *all[REPLICAS_MAX];
	size_t n;

	(void)pthread_mutex_lock(&set->lock);
	n = set->n;
	for (size_t i = 0; i < n; i++) {
		all[i] = set->all[i];
		all[i]->users++;
	}
	(void)pthread_mutex_unlock(&set->lock);
	for (size_t i = 0; i < n && i < max; i++)
		replicator_status(all[i]->r, &ret[i]);
	(void)pthread_mutex_lock(&set->lock);
	for (size_t i = 0; i < n; i++)
		let_go(set, all[i]);
	(void)pthread_mutex_unlock(&set->lock);
	return n;
}

/* --- waiting */

/* Of places: what is added twice, under two names, is one place all the same, and one receipt. */
struct tally {
	size_t all, acked, hopeless;
	struct member *lacks; /* at one that has not acknowledged */
};

/* Requires set->lock. */
static bool has_earlier_twin(const struct replica_set *set, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (replicator_same_place(set->all[i]->r, set->all[at]->r))
			return true;
	return false;
}

/* Requires set->lock. The place of the one at `at`, which has no earlier twin. */
static void count_place(const struct replica_set *set, size_t at, struct log_pos end, unsigned hopeless_ms,
			struct tally *t)
{
	bool acked = false, alive = false;

	for (size_t i = at; i < set->n; i++) {
		struct replicator *r = set->all[i]->r;

		if (i != at && !replicator_same_place(set->all[at]->r, r))
			continue;
		acked |= replicator_has(r, end);
		alive |= !hopeless_ms || replicator_failing_ns(r) / 1000000u < hopeless_ms;
	}
	t->all++;
	t->acked += acked;
	t->hopeless += !acked && !alive;
	if (!acked)
		t->lacks = set->all[at];
}

/* Requires set->lock. hopeless: has failed for so long, and longer; 0: none is. */
static struct tally count(struct replica_set *set, struct log_pos end, unsigned hopeless_ms)
{
	struct tally t = { 0, 0, 0, NULL };

	for (size_t i = 0; i < set->n; i++)
		if (!has_earlier_twin(set, i))
			count_place(set, i, end, hopeless_ms, &t);
	return t;
}

/* Requires set->lock. How many places there are, leaving out the one at `without` (set->n: none). */
static size_t places(const struct replica_set *set, size_t without)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		bool twin = false;

		for (size_t k = 0; k < i && !twin; k++)
			twin = k != without && replicator_same_place(set->all[k]->r, set->all[i]->r);
		n += i != without && !twin;
	}
	return n;
}

/* Requires set->lock, and lets go of it meanwhile: 0, or -ETIMEDOUT. */
static int wait_moved(struct replica_set *set, uint64_t until_ns)
{
	struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
				  .tv_nsec = (long)(until_ns % 1000000000u) };

	return -pthread_cond_timedwait(&set->moved, &set->lock, &until);
}

/* Requires set->lock. */
static void begin_waiting(struct replica_set *set)
{
	atomic_fetch_add(&set->waiting, 1);
	for (size_t i = 0; i < set->n; i++)
		replicator_hurry(set->all[i]->r);
}

/* Requires set->lock, and lets go of it meanwhile. What it says is of one that lacks something. */
static void say_left(struct replica_set *set, struct member *m, int code, struct hf_error *err)
{
	struct hf_replica_status status;

	if (!m) {
		(void)hf_error_set(err, code, "there are too few replicas");
		return;
	}
	m->users++;
	(void)pthread_mutex_unlock(&set->lock);
	replicator_status(m->r, &status);
	(void)hf_error_set(err, code, "replica %s still lacks %" PRIu64 " bytes (%s)%s%s", status.name,
			   status.lag_bytes, hf_replica_state_name(status.state), status.error[0] ? ": " : "",
			   status.error);
	(void)pthread_mutex_lock(&set->lock);
	let_go(set, m);
}

int replica_set_wait(struct replica_set *set, const struct log_point *point, unsigned timeout_ms,
		     struct hf_error *err)
{
	uint64_t until_ns = now_ns(set) + (uint64_t)timeout_ms * 1000000u;
	struct tally t;
	int r = 0;

	if (!set->options.ship)
		return 0;
	(void)pthread_mutex_lock(&set->lock);
	begin_waiting(set);
	while ((t = count(set, point->end, 0)).lacks && r == 0)
		r = wait_moved(set, until_ns);
	if (t.lacks)
		say_left(set, t.lacks, -ETIMEDOUT, err);
	atomic_fetch_sub(&set->waiting, 1);
	(void)pthread_mutex_unlock(&set->lock);
	return t.lacks ? -ETIMEDOUT : 0;
}

/* --- what an fsync waits for */

int replica_set_need(struct replica_set *set, unsigned receipts, struct hf_error *err)
{
	size_t n;

	(void)pthread_mutex_lock(&set->lock);
	n = places(set, set->n);
	if (n >= receipts)
		set->needed = receipts;
	(void)pthread_mutex_unlock(&set->lock);
	if (n >= receipts)
		return 0;
	return hf_error_set(
		err, -EINVAL,
		"every fsync is to wait for %u receipt%s, and there %s %zu replica%s: add one first "
		"(holdfast replica add)",
		receipts, receipts == 1 ? "" : "s", n == 1 ? "is" : "are", n, n == 1 ? "" : "s");
}

/* Requires set->lock, and lets go of it meanwhile. */
static void sync_failed(struct replica_set *set, struct member *lacks, const struct tally *t, double waited_s,
			struct hf_error *err)
{
	struct hf_error words = HF_ERROR_INIT;

	say_left(set, lacks, -EIO, &words);
	(void)hf_error_prefix(&words, -EIO,
			      "durable on this machine, but only %zu of %u receipts came in %.1f s", t->acked,
			      set->needed, waited_s);
	set->sync.failed++;
	set->sync.failed_ns = set->options.os->now_ns(set->options.os->state);
	memcpy(set->sync.text, words.text, sizeof(set->sync.text));
	(void)hf_error_set(err, -EIO, "%s", words.text);
}

int replica_set_sync(struct replica_set *set, const struct log_point *point, unsigned timeout_ms,
		     struct hf_error *err)
{
	const uint64_t began_ns = now_ns(set);
	const uint64_t until_ns = began_ns + (uint64_t)timeout_ms * 1000000u;
	const uint64_t chance_ns = began_ns + (uint64_t)LAST_CHANCE_MS * 1000000u;
	struct tally t;
	int r = 0;

	if (!set->options.ship)
		return 0;
	(void)pthread_mutex_lock(&set->lock);
	begin_waiting(set);
	for (;;) {
		bool hopeless;

		t = count(set, point->end, timeout_ms);
		hopeless = t.all - t.hopeless < set->needed;
		if (t.acked >= set->needed || now_ns(set) >= (hopeless ? chance_ns : until_ns))
			break;
		(void)wait_moved(set, hopeless && chance_ns < until_ns ? chance_ns : until_ns);
	}
	if (t.acked >= set->needed)
		set->sync.text[0] = 0;
	else
		r = -EIO;
	if (r < 0)
		sync_failed(set, t.lacks, &t, (double)(now_ns(set) - began_ns) / 1e9, err);
	atomic_fetch_sub(&set->waiting, 1);
	(void)pthread_mutex_unlock(&set->lock);
	return r;
}

void replica_set_sync_status(struct replica_set *set, struct hf_sync_status *ret)
{
	(void)pthread_mutex_lock(&set->lock);
	*ret = set->sync;
	ret->needed = set->needed;
	(void)pthread_mutex_unlock(&set->lock);
}

/* --- changes */

int replica_set_begin(struct replica_set *set, struct hf_error *err)
{
	bool busy;

	(void)pthread_mutex_lock(&set->lock);
	busy = set->changing;
	set->changing = true;
	(void)pthread_mutex_unlock(&set->lock);
	return busy ? hf_error_set(err, -EBUSY, "somebody else is just changing the replicas; try again") : 0;
}

void replica_set_end(struct replica_set *set)
{
	(void)pthread_mutex_lock(&set->lock);
	set->changing = false;
	(void)pthread_mutex_unlock(&set->lock);
}

int replica_set_room(struct replica_set *set, struct hf_error *err)
{
	bool full;

	(void)pthread_mutex_lock(&set->lock);
	full = set->n == REPLICAS_MAX;
	(void)pthread_mutex_unlock(&set->lock);
	return full ? hf_error_set(err, -ENOSPC, "there are %d replicas already, and no more are shipped to",
				   REPLICAS_MAX) :
		      0;
}

int replica_set_add(struct replica_set *set, const char *name, struct hf_error *err)
{
	struct member *m;
	bool there;
	size_t at;
	int r = replica_set_room(set, err);

	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return hf_error_set(err, -ENOMEM, "no memory for replica %s", name);
	r = replicator_start(&set->options, name, &m->r, err);
	if (r < 0) {
		free(m);
		return r;
	}
	(void)pthread_mutex_lock(&set->lock);
	at = find(set, name, &there);
	memmove(&set->all[at + 1], &set->all[at], (set->n - at) * sizeof(*set->all));
	set->all[at] = m;
	set->n++;
	tell_wanted(set);
	(void)pthread_cond_broadcast(&set->moved);
	(void)pthread_mutex_unlock(&set->lock);
	return 0;
}

/* Take it out of the list, when nobody looks at it any more. */
static int take_out(struct replica_set *set, const char *name, struct member **ret, struct hf_error *err)
{
	bool there;
	size_t at;
	int r = 0;

	(void)pthread_mutex_lock(&set->lock);
	at = find(set, name, &there);
	if (!there)
		r = hf_error_set(err, -ENOENT, "there is no replica named %s", name);
	else if (places(set, at) < set->needed)
		r = hf_error_set(
			err, -EBUSY,
			"mounted with sync=replica:%u, every fsync needs %s: add another replica first, "
			"or mount without",
			set->needed, name);
	if (r == 0) {
		*ret = set->all[at];
		memmove(&set->all[at], &set->all[at + 1], (set->n - at - 1) * sizeof(*set->all));
		set->n--;
		tell_wanted(set);
		while ((*ret)->users > 0)
			(void)pthread_cond_wait(&set->moved, &set->lock);
		(void)pthread_cond_broadcast(&set->moved);
	}
	(void)pthread_mutex_unlock(&set->lock);
	return r;
}

int replica_set_remove(struct replica_set *set, const char *name, struct hf_error *err)
{
	struct member *m = NULL;
	int r = take_out(set, name, &m, err);

	if (r < 0)
		return r;
	replicator_stop(m->r);
	log_wake(set->options.log);
	replicator_free(m->r);
	free(m);
	return 0;
}

void replica_set_limit(struct replica_set *set, const char *name, uint64_t bytes_s)
{
	bool there;
	size_t at;

	(void)pthread_mutex_lock(&set->lock);
	at = find(set, name, &there);
	if (there)
		replicator_limit(set->all[at]->r, bytes_s);
	(void)pthread_mutex_unlock(&set->lock);
}

void replica_set_acknowledge(struct replica_set *set, const char *name)
{
	bool there;
	size_t at;

	(void)pthread_mutex_lock(&set->lock);
	at = find(set, name, &there);
	if (there)
		replicator_acknowledge(set->all[at]->r);
	(void)pthread_mutex_unlock(&set->lock);
}
