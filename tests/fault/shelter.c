/* SPDX-License-Identifier: MIT */
/* A storm whose disk fails: what is excused by that, and what never is. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/fault.h"
#include "tests/sim/sched.h"

enum { CHECK_OPS = 40, PAST_CHECKS = 2, READ_BYTES = 20000, RECOVERS_NS = 2000000000 };

static bool is_on(struct shelter *s)
{
	return sim_power_is_on(s->m->sim);
}

static int store_failed(struct shelter *s)
{
	struct hf_status status;

	hf_store_status(s->storm->store, &status);
	return status.failed;
}

/*
 * A call of the disk must have failed since the last operation, or the store have stopped for one before; and
 * it says what the disk said, or that it has stopped. Want of room may be met again and again, until there is
 * some.
 */
bool shelter_excuses(struct shelter *s, int64_t code)
{
	const bool met = machine_failed_calls(s->m) > s->failed_seen;

	if (!is_on(s))
		return code == -EIO || code == s->armed_code;
	if (code == -ENOSPC && s->squeezed)
		return true;
	if (code == -ENOSPC)
		return (s->armed_code == -ENOSPC || s->armed_code == -EDQUOT) && machine_was_hit(s->m);
	if (s->storm->store && store_failed(s))
		return code == -EIO || code == s->armed_code;
	return met && s->was_armed && (code == s->armed_code || code == -EIO);
}

static bool excused(struct storm *storm, int64_t code)
{
	return shelter_excuses(storm->arg, code);
}

void shelter_begin(struct shelter *s, struct machine *m, struct storm *storm, struct totals *t)
{
	*s = (struct shelter){ .storm = storm, .m = m, .t = t };
	(void)snprintf(s->index, sizeof(s->index), "%s/store/index", m->dir);
	(void)snprintf(s->kept_index, sizeof(s->kept_index), "%s/index.kept", m->dir);
	storm->excused = excused;
	storm->arg = s;
}

void shelter_arm(struct shelter *s, const struct arm *arm)
{
	s->was_armed = arm->kind != ARM_NONE;
	s->armed_code = arm->kind == ARM_FAIL ? arm->code : arm->kind == ARM_CUT ? -EIO : 0;
	s->failed_seen = machine_failed_calls(s->m);
	machine_arm(s->m, arm);
}

int shelter_open(struct shelter *s)
{
	struct storm *storm = s->storm;
	const struct hf_open_options o = storm_options(storm, storm_chance(storm, 10) ? HF_OPEN_REBUILD : 0);
	struct hf_error err = HF_ERROR_INIT;
	struct hf_status status;
	int r;

	(void)snprintf(storm->doing, sizeof(storm->doing), "open for writing, flags %u", o.flags);
	storm->sessions++;
	s->t->sessions++;
	r = hf_store_open(storm->path, &o, &storm->store, &err);
	s->unsure = r < 0 && is_on(s);
	if (r < 0) {
		storm->store = NULL;
		if (!shelter_excuses(s, r) || err.code != r || !err.text[0])
			return storm_fail(storm, "fails: %d (%d) %s", r, err.code, err.text);
		s->failed_seen = machine_failed_calls(s->m);
		return 0;
	}
	hf_store_status(storm->store, &status);
	storm->durable_tid = status.committed_tid; /* what it found it has made sure of */
	return storm_opened(storm) < 0 ? -1 : 1;
}

/* With nothing failing meanwhile. */
static int check_now(struct shelter *s)
{
	int r;

	sim_faults_off(s->m->sim);
	r = storm_check_now(s->storm, NULL);
	sim_faults_on(s->m->sim);
	return r;
}

static int check_past(struct shelter *s)
{
	struct storm *storm = s->storm;
	int r = 0;

	sim_faults_off(s->m->sim);
	for (int k = 0; r == 0 && k < PAST_CHECKS; k++)
		r = storm_check_past(storm,
				     storm->n_moments - 1 - storm_random(storm, k ? storm->n_moments : 1),
				     NULL);
	sim_faults_on(s->m->sim);
	return r;
}

/* A read while the disk fails: the right bytes, or an error in words; never others. */
static int read_some(struct shelter *s)
{
	static uint8_t got[READ_BYTES];
	struct storm *storm = s->storm;
	const struct hf_view head = { storm->store, HF_TID_HEAD };
	const struct model_inode *i = storm->now->inodes[storm_random(storm, storm->now->n)];
	const uint64_t offset = S_ISREG(i->mode) && i->size ? storm_random(storm, i->size) : 0;
	struct hf_error err = HF_ERROR_INIT;
	ssize_t n;

	if (!S_ISREG(i->mode) || (i->nlink == 0 && !storm_has_ref(storm, i->ino)))
		return 0;
	(void)snprintf(storm->doing, sizeof(storm->doing), "read at %" PRIu64 " of %" PRIu64, offset, i->ino);
	n = hf_view_read(&head, i->ino, offset, got, sizeof(got), &err);
	if (n < 0)
		return shelter_excuses(s, n) ? 0 : storm_fail(storm, "fails: %zd %s", n, err.text);
	if ((uint64_t)n != (i->size - offset < sizeof(got) ? i->size - offset : sizeof(got)))
		return storm_fail(storm, "gives %zd bytes of %" PRIu64, n, i->size - offset);
	for (ssize_t k = 0; k < n; k++) {
		bool taken;

		if (got[k] != model_byte(i, offset + (uint64_t)k, &taken))
			return storm_fail(storm, "byte %" PRIu64 " is wrong", offset + (uint64_t)k);
	}
	return 0;
}

/* Room for little more than there is; or room again, and then it goes on by itself. */
static int squeeze(struct shelter *s)
{
	struct storm *storm = s->storm;
	struct hf_error err = HF_ERROR_INIT;
	int r;

	s->squeezed = !s->squeezed;
	if (s->squeezed) {
		sim_set_capacity(s->m->sim,
				 sim_used(s->m->sim) + storm_random(storm, 3) * storm_random(storm, 100000));
		return 0;
	}
	sim_set_capacity(s->m->sim, UINT64_MAX);
	sched_sleep(RECOVERS_NS);
	(void)snprintf(storm->doing, sizeof(storm->doing), "commit, with room again");
	if (!is_on(s) || store_failed(s))
		return 0;
	sim_faults_off(s->m->sim);
	r = hf_store_commit(storm->store, &err);
	sim_faults_on(s->m->sim);
	return r < 0 && !store_failed(s) ? storm_fail(storm, "fails: %d %s", r, err.text) : 0;
}

/* What else happens between two operations. */
static int between(struct shelter *s, bool squeezes)
{
	struct storm *storm = s->storm;

	if (storm_chance(storm, 5))
		sched_sleep(storm_random(storm, 1500) * 1000000);
	if (storm_chance(storm, 4) && read_some(s) < 0)
		return -1;
	if (squeezes && storm_chance(storm, s->squeezed ? 15 : 5))
		return squeeze(s);
	return 0;
}

static int after_refusal(struct shelter *s)
{
	s->t->refused++;
	s->storm->refused = 0;
	if (!is_on(s))
		return 0;
	return check_now(s);
}

int shelter_work(struct shelter *s, uint64_t ops)
{
	struct storm *storm = s->storm;
	const bool squeezes = !s->was_armed && storm_chance(storm, 40);

	for (uint64_t k = 0; k < ops && storm->ops < storm->ops_max; k++) {
		if (!is_on(s) || (store_failed(s) && storm_chance(storm, 30)))
			return 0;
		if (between(s, squeezes) < 0)
			return -1;
		s->t->operations++;
		if (storm_op(storm) < 0)
			return -1;
		storm->ops++;
		if (storm->refused && after_refusal(s) < 0)
			return -1;
		s->failed_seen = machine_failed_calls(s->m);
		if (k % CHECK_OPS == CHECK_OPS - 1 && is_on(s) && (check_now(s) < 0 || check_past(s) < 0))
			return -1;
	}
	return s->squeezed ? squeeze(s) : 0;
}

/* What failed in the background, and that nobody has been told of yet, is told by the close. */
static bool was_met(struct shelter *s, int code)
{
	return s->was_armed && machine_was_hit(s->m) && (code == -EIO || code == s->armed_code);
}

int shelter_close(struct shelter *s, bool cut)
{
	struct storm *storm = s->storm;
	const bool had_stopped = store_failed(s) != 0;
	struct hf_error err = HF_ERROR_INIT;
	int r;

	(void)snprintf(storm->doing, sizeof(storm->doing), "close");
	if (cut)
		sim_power_cut(s->m->sim);
	r = hf_store_close(TAKE_PTR(storm->store), &err);
	storm->closed = r == 0; /* and then all of it is there, whatever comes */
	s->unsure = r < 0 && is_on(s);
	if (r < 0 && !had_stopped && !was_met(s, r) && !shelter_excuses(s, r))
		return storm_fail(storm, "closing fails: %d %s", r, err.text);
	return 0;
}

/* What the store finds of its index: what it had when it was closed, an older one, or none. */
static void change_index(struct shelter *s)
{
	const uint64_t chance = storm_random(s->storm, 100);

	if (chance < 25 && access(s->kept_index, F_OK) == 0) {
		s->t->index_back++;
		folder_copy(s->kept_index, s->index);
	} else if (chance < 35) {
		s->t->index_gone++;
		folder_remove(s->index);
	} else if (chance < 60) {
		folder_copy(s->index, s->kept_index);
	}
}

int shelter_look(struct shelter *s)
{
	struct storm *storm = s->storm;
	const uint64_t surely = storm->durable_tid;
	int r;

	if (!s->mended) {
		s->calls = sim_calls(s->m->sim);
		s->changes = sim_changes(s->m->sim);
		s->mended = true;
	}
	machine_mend(s->m);
	s->squeezed = false;
	change_index(s);
	sim_faults_off(s->m->sim);
	s->t->reopenings++;
	s->t->checks++;
	r = storm_look(storm);
	if (r == 0)
		r = storm_check_store(storm);
	sim_faults_on(s->m->sim);
	if (s->unsure)
		storm->durable_tid = surely;
	return r;
}
