/* SPDX-License-Identifier: MIT */
/*
 * Admission: an operation is acknowledged only when there is surely room below to make it durable, so that a full disk is an
 * error of the call that does not fit and never of something acknowledged before.
 *
 * What is promised is the cost of all groups not yet in the log. It must fit in what the log has laid out and the file system has
 * free, less a reserve for the index and for operations that free things: those may use the reserve up but for its last part.
 * Asking the file system for each operation would cost too much: a budget is granted for some time, a part of what is free.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "store/volume/volume.h"

enum {
	RESERVE_MIN = 16 << 20,
	RESERVE_MAX = 256 << 20,
	RESERVE_SHARE = 32,    /* of the file system's size */
	LAST_RESERVE = 2 << 20,
	BUDGET_MAX = 16 << 20,
	BUDGET_NS = 200000000,
};

static uint64_t room_reserve(uint64_t total)
{
	uint64_t reserve = total / RESERVE_SHARE;

	if (reserve < RESERVE_MIN)
		reserve = RESERVE_MIN;
	return reserve < RESERVE_MAX ? reserve : RESERVE_MAX;
}

uint64_t room_available(const struct hf_store *s, uint64_t free_bytes, uint64_t total)
{
	uint64_t reserve = room_reserve(total), have = free_bytes + log_room(s->log);

	if (free_bytes < reserve / 2)
		return 0; /* what the log has laid out is no room for the index */
	return have > reserve ? have - reserve : 0;
}

uint64_t room_left(const struct hf_store *s, uint64_t free_bytes, uint64_t total)
{
	uint64_t room = room_available(s, free_bytes, total);

	return room > s->uncommitted_cost ? room - s->uncommitted_cost : 0;
}

/* How much may be promised now. */
static int room_measure(struct hf_store *s, bool grows, uint64_t *ret, struct hf_error *err)
{
	uint64_t free_bytes, total, have;
	int r;

	r = s->os->free_bytes(s->os->state, s->path, &free_bytes, &total);
	if (r < 0)
		return hf_error_set(err, r, "cannot ask how much room %s has: %s", s->path, strerror(-r));
	have = free_bytes + log_room(s->log);
	*ret = grows ? room_available(s, free_bytes, total) : have > LAST_RESERVE ? have - LAST_RESERVE : 0;
	return 0;
}

static int room_renew(struct hf_store *s, uint64_t cost, bool grows, struct hf_error *err)
{
	uint64_t room = 0, left;
	int r;

	r = room_measure(s, grows, &room, err);
	if (r < 0)
		return r;
	left = room > s->uncommitted_cost ? room - s->uncommitted_cost : 0;
	if (cost > left)
		return hf_error_set(err, -ENOSPC, "no room left below %s: free some space on its file system; "
				    "nothing that was acknowledged is lost", s->path);
	if (grows) {
		s->room_budget = left / 4 < BUDGET_MAX ? left / 4 : BUDGET_MAX;
		s->room_checked_ns = s->os->monotonic_ns(s->os->state);
	}
	return 0;
}

static int room_failed(struct hf_store *s, struct hf_error *err)
{
	return hf_error_set(err, s->failed, "%s", s->failed_text);
}

int room_admit(struct hf_store *s, uint64_t cost, bool grows, struct hf_error *err)
{
	while (!s->failed && s->pending_bytes > PENDING_BYTES) {
		if (grows && (s->settle_failed == -ENOSPC || s->no_room))
			return hf_error_set(err, -ENOSPC, "no room left below %s: free some space on its file system", s->path);
		if (!grows && s->pending_bytes < 2 * (uint64_t)PENDING_BYTES)
			break;
		(void)pthread_cond_wait(&s->room_cond, &s->sequence);
	}
	if (s->failed)
		return room_failed(s, err);
	if (grows && cost <= s->room_budget && s->os->monotonic_ns(s->os->state) - s->room_checked_ns < BUDGET_NS) {
		s->room_budget -= cost;
		return 0;
	}
	return room_renew(s, cost, grows, err);
}
