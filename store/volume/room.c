/* SPDX-License-Identifier: MIT */
/*
 * Admission: an operation is acknowledged only when there is surely room below to make it durable, so that a
 * full disk is an error of the call that does not fit and never of something acknowledged before.
 *
 * What is promised is the cost of all groups not yet in the log. It must fit in what the log has laid out and
 * the file system has free, less a reserve for the index and for operations that free things: those may use
 * the reserve up but for its last part. Asking the file system for each operation would cost too much: a
 * budget is granted for some time, a part of what is free.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "store/volume/volume.h"

enum {
	RESERVE_MIN = 16 << 20,
	RESERVE_MAX = 256 << 20,
	RESERVE_SHARE = 32, /* of the file system's size */
	LAST_RESERVE = 2 << 20,
	BUDGET_MAX = 16 << 20,
	BUDGET_NS = 200000000,
	LEAST_ROOM = 1 << 20, /* what one write of a program may cost */
	/*
	 * Tries of the writer and the settler that are worth waiting for when the file system says that it
	 * has room again: the settler tries twice a second, and RocksDB looks every 5 s whether it may go on.
	 */
	TRIES_WORTH_WAITING = 24,
};

uint64_t room_reserve(uint64_t total)
{
	uint64_t reserve = total / RESERVE_SHARE;

	if (reserve < RESERVE_MIN)
		reserve = RESERVE_MIN;
	return reserve < RESERVE_MAX ? reserve : RESERVE_MAX;
}

/* What growing may take of `free_bytes` and what the log has laid out. */
static uint64_t room_to_grow(uint64_t free_bytes, uint64_t total, uint64_t laid_out)
{
	uint64_t reserve = room_reserve(total), have = free_bytes + laid_out;

	if (free_bytes < reserve / 2)
		return 0; /* what the log has laid out is no room for the index */
	return have > reserve ? have - reserve : 0;
}

uint64_t room_available(const struct hf_store *s, uint64_t free_bytes, uint64_t total)
{
	return room_to_grow(free_bytes, total, log_room(s->log));
}

static uint64_t room_less(uint64_t room, uint64_t taken)
{
	return room > taken ? room - taken : 0;
}

uint64_t room_left(const struct hf_store *s, uint64_t available)
{
	return room_less(available, s->uncommitted_cost);
}

bool room_is_none(const struct hf_store *s, uint64_t left)
{
	return s->write_stuck == -ENOSPC || left < LEAST_ROOM;
}

/* Ask what there is. *ret_growing: what one that grows may still cost; *ret_freeing: one that frees. */
static int room_ask(struct hf_store *s, uint64_t *ret_growing, uint64_t *ret_freeing, struct hf_error *err)
{
	uint64_t free_bytes, total, laid_out;
	int r;

	r = s->os->free_bytes(s->os->state, s->path, &free_bytes, &total);
	if (r < 0)
		return hf_error_set(err, r, "cannot ask how much room %s has: %s", s->path, strerror(-r));
	laid_out = log_room(s->log);
	*ret_growing = room_left(s, room_to_grow(free_bytes, total, laid_out));
	*ret_freeing = room_left(s, room_less(free_bytes + laid_out, LAST_RESERVE));
	return 0;
}

static int room_none(struct hf_store *s, struct hf_error *err)
{
	return hf_error_set(err, -ENOSPC,
			    "no room left below %s: free some space on its file system; "
			    "nothing that was acknowledged is lost",
			    s->path);
}

/* Grant a budget from what there is: of what may grow, though who frees may have more. */
static int room_renew(struct hf_store *s, uint64_t cost, bool grows, struct hf_error *err)
{
	uint64_t growing, freeing;
	int r;

	r = room_ask(s, &growing, &freeing, err);
	if (r < 0)
		return r;
	s->room_budget = growing / 4 < BUDGET_MAX ? growing / 4 : BUDGET_MAX;
	s->room_checked_ns = s->os->monotonic_ns(s->os->state);
	if (cost > (grows ? growing : freeing))
		return room_none(s, err);
	s->room_budget = room_less(s->room_budget, cost);
	return 0;
}

static int room_failed(struct hf_store *s, struct hf_error *err)
{
	return hf_error_set(err, -EIO, "%s", s->failed_text);
}

/* Nothing gets through to where it would be settled: whoever waits for that may wait for ever. */
static bool is_stuck(const struct hf_store *s)
{
	return s->settle_failed || s->pack_stuck || s->write_stuck;
}

static int room_stuck(struct hf_store *s, struct hf_error *err)
{
	const int stuck = s->write_stuck ? s->write_stuck : s->pack_stuck;

	if (s->settle_failed == -EUCLEAN)
		return hf_error_set(
			err, -EIO,
			"the index in %s is damaged: unmount and mount again, and it is built anew "
			"(nothing that was acknowledged is lost)",
			s->path);
	if (s->settle_failed && s->settle_failed != -ENOSPC)
		return hf_error_set(
			err, -EIO,
			"the index in %s cannot be written: unmount, mend the disk and mount again "
			"(nothing that was acknowledged is lost)",
			s->path);
	if (stuck && stuck != -ENOSPC)
		return hf_error_set(err, stuck,
				    "the log in %s cannot be written now, which is tried again: %s (nothing "
				    "that was acknowledged is lost)",
				    s->path, hf_strerror(stuck));
	return room_none(s, err);
}

/*
 * The last try found no room. That the file system has some now is a hope until a try succeeds (room of
 * another kind may be what lacks): it is waited for some tries long, and not again before one has succeeded.
 */
static bool next_try_may_do(struct hf_store *s, uint64_t cost)
{
	uint64_t growing, freeing;

	if (s->settle_failed && s->settle_failed != -ENOSPC)
		return false;
	if (room_ask(s, &growing, &freeing, NULL) < 0 || growing == 0) {
		s->hope = (struct room_hope){ false, 0 };
		return false;
	}
	if (!s->hope.has_room)
		s->hope = (struct room_hope){ true, 0 };
	return cost <= growing && s->hope.tries < TRIES_WORTH_WAITING;
}

void room_tried(struct hf_store *s, int r)
{
	if (r == 0)
		s->hope = (struct room_hope){ false, 0 };
	else
		s->hope.tries++;
}

/*
 * A group that is a good part of what may be under way is sent off, or who waits for room would wait for it.
 */
static void room_send_off(struct hf_store *s)
{
	uint64_t sealed;

	if (s->open->cost >= s->pending_max / 2 && group_seal(s, &sealed) == 0)
		(void)pthread_cond_signal(&s->sealed_cond);
}

void room_yield(struct hf_store *s)
{
	room_send_off(s);
	while (!s->failed && !is_stuck(s) && s->pending_bytes > s->pending_max)
		(void)pthread_cond_wait(&s->room_cond, &s->sequence);
}

int room_admit(struct hf_store *s, uint64_t cost, bool grows, struct hf_error *err)
{
	room_send_off(s);
	while (!s->failed && s->pending_bytes > (grows ? s->pending_max : 2 * s->pending_max)) {
		if (is_stuck(s) && !next_try_may_do(s, cost))
			return room_stuck(s, err);
		(void)pthread_cond_wait(&s->room_cond, &s->sequence);
	}
	if (s->failed)
		return room_failed(s, err);
	if (cost <= s->room_budget && s->os->monotonic_ns(s->os->state) - s->room_checked_ns < BUDGET_NS) {
		s->room_budget -= cost;
		return 0;
	}
	return room_renew(s, cost, grows, err);
}
