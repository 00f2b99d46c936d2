/* SPDX-License-Identifier: MIT */
/* A storm's sessions: opening what the last one left, operations, and an end. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/model/arena.h"
#include "tests/model/storm.h"

enum { CHECK_NOW_OPS = 40, CHECK_PAST_OPS = 60, PAST_CHECKS = 2, SESSION_OPS = 400, KILL_AFTER_US = 200000 };

struct hf_open_options storm_options(struct storm *s, unsigned flags)
{
	const unsigned intervals[] = { 1, 5, 30, 1000 };
	const unsigned interval_ms = intervals[storm_random(s, 4)];
	const bool ships = s->replicates && !(flags & HF_OPEN_READ_ONLY);

	return (struct hf_open_options){
		.flags = flags | (ships ? 0 : HF_OPEN_NO_REPLICATION),
		.cache_bytes = 16 << 20,
		.commit_interval_ms = interval_ms,
		.segment_bytes = (256 + storm_random(s, 4) * 256) << 10,
		.sync_receipts = ships ? s->sync_receipts : 0,
	};
}

static int open_store(struct storm *s, unsigned flags)
{
	const struct hf_open_options o = storm_options(s, flags);
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_store_open(s->path, &o, &s->store, &err);

	snprintf(s->doing, sizeof(s->doing), "open, flags %u", flags);
	return r < 0 ? storm_fail(s, "fails: %d %s", r, err.text) : 0;
}

static int close_store(struct storm *s)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = hf_store_close(s->store, &err);

	s->store = NULL;
	return r < 0 ? storm_fail(s, "closing fails: %d %s", r, err.text) : 0;
}

static void print_fault(void *arg, const char *what)
{
	(void)arg;
	fprintf(stderr, "check: %s\n", what);
}

int storm_check_store(struct storm *s)
{
	struct hf_check_summary summary;
	struct hf_error err = HF_ERROR_INIT;
	long n = hf_store_check(s->path, print_fault, NULL, &summary, NULL, &err);

	if (n != 0)
		return storm_fail(s, "check finds %ld faults: %s", n, err.text);
	if (summary.last_tid < s->moments[s->n_moments - 1].tid)
		return storm_fail(s, "check ends at tid %" PRIu64 ", before %" PRIu64, summary.last_tid,
				  s->moments[s->n_moments - 1].tid);
	return 0;
}

static bool is_as(struct storm *s, const struct model *m, unsigned flags)
{
	const struct hf_view head = { s->store, HF_TID_HEAD };

	return compare_trees(&head, m, NULL, flags | COMPARE_LOOSE, &s->random) == 0;
}

/*
 * Which moment does the store hold after a crash? One that is remembered; or, when it was killed in the midst
 * of it, the one the operation under way would have made. An operation may take two tids (a write and the
 * fold that follows it): then the store may be between a moment and the next, and what it holds is what the
 * next one says.
 */
static int find_moment(struct storm *s, uint64_t tid)
{
	struct storm_moment moment;
	size_t k = s->n_moments;

	while (k > 0 && s->moments[k - 1].tid > tid)
		k--;
	if (k == 0)
		return storm_fail(s, "the store is at tid %" PRIu64 ", before the first", tid);
	k--;
	if (is_as(s, s->moments[k].m, (tid == s->moments[k].tid ? COMPARE_ORPHANS : 0) | COMPARE_QUIET)) {
		s->n_moments = k + 1;
	} else if (k + 1 < s->n_moments && is_as(s, s->moments[k + 1].m, COMPARE_QUIET)) {
		if (storm_learn(s, s->moments[k + 1].m, &moment) < 0)
			return -1;
		s->n_moments = k + 2;
		s->moments[k + 1].tid = moment.tid;
	} else if (k + 1 == s->n_moments && s->pending && is_as(s, s->pending, COMPARE_QUIET)) {
		if (storm_learn(s, s->pending, &moment) < 0)
			return -1;
		k += moment.tid > s->moments[k].tid; /* an append may share the last moment */
		s->moments[k] = moment;
		s->n_moments = k + 1;
	} else {
		(void)is_as(s, s->moments[k].m, 0);
		return storm_fail(s, "what it holds at tid %" PRIu64 " never was", tid);
	}
	s->now = s->moments[s->n_moments - 1].m;
	return 0;
}

int storm_look(struct storm *s)
{
	struct hf_status status;
	uint64_t tid;

	if (open_store(s, HF_OPEN_READ_ONLY) < 0)
		return -1;
	hf_store_status(s->store, &status);
	tid = status.head_tid;
	snprintf(s->doing, sizeof(s->doing), "%s", s->closed ? "reopen" : "crash");
	if (tid < s->durable_tid)
		return storm_fail(s, "tid %" PRIu64 " was durable, and the store ends at %" PRIu64,
				  s->durable_tid, tid);
	if (s->closed && tid < s->moments[s->n_moments - 1].tid)
		return storm_fail(s, "the store was closed at tid %" PRIu64 " and holds %" PRIu64,
				  s->moments[s->n_moments - 1].tid, tid);
	if (tid != status.committed_tid)
		return storm_fail(s, "it is opened at %" PRIu64 " with %" PRIu64 " durable", tid,
				  status.committed_tid);
	if (s->closed ? storm_check_past(s, s->n_moments - 1, NULL) < 0 : find_moment(s, tid) < 0)
		return -1;
	if (storm_check_past(s, storm_random(s, s->n_moments), NULL) < 0 ||
	    compare_tags(s->store, s->now) < 0)
		return -1;
	s->pending = NULL;
	s->durable_tid = tid;
	return close_store(s);
}

int storm_init(struct storm *s, struct hf_error *err)
{
	struct hf_kit *kit = NULL;
	int r = hf_kit_generate(&kit, err);

	if (r == 0)
		r = hf_store_init(s->path, kit, err);
	hf_kit_free(kit);
	return r;
}

int storm_opened(struct storm *s)
{
	struct storm_moment moment;

	memset(s->refs, 0, sizeof(s->refs));
	s->closed = false;
	if (s->n_moments == 1 && s->moments[0].time_ns == 0) {
		if (storm_learn(s, s->now, &moment) < 0)
			return -1;
		s->moments[0].time_ns = moment.time_ns;
	}
	s->now = model_without_orphans(s->now, storm_has_ref, s);
	return 0;
}

static int first_session(struct storm *s)
{
	struct hf_error err = HF_ERROR_INIT;
	int r = storm_init(s, &err);

	if (r < 0)
		return storm_fail(s, "init fails: %d %s", r, err.text);
	return open_store(s, 0);
}

static void *kill_later(void *us)
{
	const struct timespec t = { 0, (long)(uintptr_t)us * 1000 };

	(void)nanosleep(&t, NULL);
	(void)kill(getpid(), SIGKILL);
	return NULL;
}

/* Some operations, with looks at the tree and at the past. */
static int go_on(struct storm *s, uint64_t ops)
{
	const struct model *checked = NULL;
	uint64_t until = s->ops + ops, now = s->ops + CHECK_NOW_OPS, past = s->ops + CHECK_PAST_OPS;

	while (s->ops < until && s->ops < s->ops_max) {
		if (storm_op(s) < 0)
			return -1;
		s->ops++;
		if (s->ops >= now) {
			now = s->ops + CHECK_NOW_OPS;
			if (storm_check_now(s, storm_chance(s, 10) ? NULL : checked) < 0)
				return -1;
			checked = s->now;
		}
		if (s->ops >= past) {
			past = s->ops + CHECK_PAST_OPS;
			for (int k = 0; k < PAST_CHECKS; k++) {
				if (storm_check_past(s,
						     s->n_moments - 1 - storm_random(s, k ? s->n_moments : 1),
						     NULL) < 0)
					return -1;
			}
			if (s->look_further && s->look_further(s) < 0)
				return -1;
		}
	}
	return storm_check_now(s, NULL);
}

/* Each state of each inode where it begins, then where it ends. */
int storm_check_all(struct storm *s)
{
	const struct model *checked = NULL;

	for (size_t k = 0; k < s->n_moments; checked = s->moments[k++].m) {
		if (storm_check_past(s, k, checked) < 0)
			return -1;
	}
	for (size_t k = s->n_moments; k > 0; checked = s->moments[--k].m) {
		if (storm_check_past(s, k - 1, checked) < 0)
			return -1;
	}
	return 0;
}

static int finish(struct storm *s)
{
	snprintf(s->doing, sizeof(s->doing), "the end");
	if (storm_check_all(s) < 0 || close_store(s) < 0 || storm_check_store(s) < 0)
		return -1;
	if (open_store(s, HF_OPEN_REBUILD) < 0 || storm_check_all(s) < 0)
		return -1;
	if (s->look_further && s->look_further(s) < 0)
		return -1;
	return close_store(s);
}

enum storm_end storm_session(struct storm *s)
{
	pthread_t killer;

	s->sessions++;
	if (s->sessions == 1) {
		if (first_session(s) < 0)
			return STORM_FAILED;
	} else {
		if (storm_look(s) < 0 || (storm_chance(s, 30) && storm_check_store(s) < 0))
			return STORM_FAILED;
		if (open_store(s, storm_chance(s, 25) ? HF_OPEN_REBUILD : 0) < 0)
			return STORM_FAILED;
	}
	if (storm_opened(s) < 0)
		return STORM_FAILED;
	if (s->sessions == 1 || s->ops + SESSION_OPS >= s->ops_max || storm_chance(s, 35)) {
		if (go_on(s, SESSION_OPS / 2 + storm_random(s, SESSION_OPS)) < 0)
			return STORM_FAILED;
		if (s->ops >= s->ops_max)
			return finish(s) < 0 ? STORM_FAILED : STORM_DONE;
		if (close_store(s) < 0)
			return STORM_FAILED;
		s->closed = true;
		return storm_chance(s, 30) && storm_check_store(s) < 0 ? STORM_FAILED : STORM_GO_ON;
	}
	if (storm_chance(s, 60) &&
	    pthread_create(&killer, NULL, kill_later, (void *)(uintptr_t)storm_random(s, KILL_AFTER_US)))
		return STORM_FAILED;
	if (go_on(s, storm_random(s, SESSION_OPS)) < 0)
		return STORM_FAILED;
	(void)kill(getpid(), SIGKILL);
	return STORM_FAILED;
}

int storm_run(struct storm *s)
{
	for (;;) {
		pid_t pid = fork();
		enum storm_end end;
		int status;

		if (pid < 0)
			return storm_fail(s, "no process: %s", strerror(errno));
		if (pid == 0) {
			const int mine[] = {
				SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT
			}; /* the test runner's handlers */

			for (size_t k = 0; k < sizeof(mine) / sizeof(mine[0]); k++)
				(void)signal(mine[k], SIG_DFL);
			end = storm_session(s);
			(void)fflush(NULL);
			_exit((int)end);
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (s->between_sessions)
			s->between_sessions(s);
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			s->crashes++;
		else if (!WIFEXITED(status))
			return storm_fail(s, "died of signal %d", WTERMSIG(status));
		else if (WEXITSTATUS(status) == STORM_DONE)
			return 0;
		else if (WEXITSTATUS(status) != STORM_GO_ON)
			return storm_fail(s, "session ended with %d", WEXITSTATUS(status));
	}
}
