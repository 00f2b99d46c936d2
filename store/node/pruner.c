/* SPDX-License-Identifier: MIT */
#include "store/node/pruner.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/journal.h"
#include "store/node/prune_file.h"
#include "store/replica/shelf_prune.h"

static const uint64_t second_ns = UINT64_C(1000000000);

enum { DAY_S = 86400 };

/* One list. */
struct job {
	struct volume *volume;
	struct hf_node_prune is; /* as its file says, but for what was waited since */
	struct prune_list list;  /* while it is not over */
	uint64_t saved_s;        /* is.waited_s in the file */
	uint64_t waited_ns;      /* less than a second that is not in is.waited_s yet */
	bool said;               /* it was announced, whether that is written down or not */
	bool unsaved;            /* it is over, and that is not written down yet */
	bool failed;             /* it could not go on, and that was said */
};

struct pruner {
	struct pruner_options o; /* immutable */
	pthread_mutex_t look;    /* one look at a time; for the jobs, and last_ns */
	struct job *jobs;
	size_t n;
	uint64_t last_ns; /* monotonic, of the last look; 0: there was none */

	pthread_mutex_t lock; /* for what follows; held across nothing */
	pthread_cond_t changed;
	bool started;
	atomic_bool stop;
	pthread_t thread;
};

static bool is_over(const struct job *j)
{
	return j->is.state == HF_PRUNE_DONE || j->is.state == HF_PRUNE_CANCELLED ||
	       j->is.state == HF_PRUNE_REFUSED || j->is.state == HF_PRUNE_KNOWN;
}

/* A record that could not be written is written at a later look: nothing goes on before it is. */
static int save(struct pruner *p, struct job *j)
{
	int r = prune_file_write(p->o.os, volume_dir(j->volume), &j->is);

	if (r == 0)
		j->saved_s = j->is.waited_s;
	else
		journal_line(LOG_ERR, "prune %" PRIu32 ": cannot write its record: %s", j->is.number,
			     hf_strerror(r));
	return r;
}

/* --- finding them */

static struct job *find_job(struct pruner *p, const struct volume *v, uint32_t number)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->jobs[i].volume == v && p->jobs[i].is.number == number)
			return &p->jobs[i];
	return NULL;
}

static int add_job(struct pruner *p, struct volume *v, uint32_t number, struct hf_error *err)
{
	struct job *more = reallocarray(p->jobs, p->n + 1, sizeof(*more)), *j;
	int r;

	if (!more)
		return hf_error_set(err, -ENOMEM, "no memory");
	p->jobs = more;
	j = &more[p->n];
	memset(j, 0, sizeof(*j));
	j->volume = v;
	r = prune_file_read(p->o.os, volume_dir(v), number, &j->list, &j->is, err);
	if (r < 0 && r != -EUCLEAN && r != -EKEYREJECTED && r != -EPROTONOSUPPORT)
		return r;
	if (r < 0) { /* whoever put it there, no owner signed it */
		j->is.number = number;
		j->is.state = HF_PRUNE_REFUSED;
		(void)snprintf(j->is.words, sizeof(j->is.words), "%s", err->text);
		alarms_raise(p->o.alarms, "prune", volume_id_words(v), "list %" PRIu32 " is refused: %s",
			     number, err->text);
	}
	if (r == 0 && !prune_is_for(&j->list, p->o.node))
		j->is.state = HF_PRUNE_KNOWN; /* nothing that this node would do */
	j->saved_s = j->is.waited_s;
	if (is_over(j))
		prune_list_release(&j->list);
	p->n++;
	return 0;
}

static void find_new(struct pruner *p, struct volume *v)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	struct hf_error err = HF_ERROR_INIT;
	size_t n = 0;
	int r = grants_numbers(p->o.os, volume_dir(v), &numbers, &n, &err);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (!find_job(p, v, numbers[i]))
			r = add_job(p, v, numbers[i], &err);
	if (r < 0)
		journal_line(LOG_ERR, "volume %s: %s", volume_id_words(v), err.text);
}

/* --- from one state to the next */

static void save_end(struct pruner *p, struct job *j)
{
	j->unsaved = save(p, j) < 0;
}

/* It is over with, for `why`: said first, so that nothing ends that was not said. */
static void end(struct pruner *p, struct job *j, enum hf_prune_state state, const char *why)
{
	j->is.state = state;
	(void)snprintf(j->is.words, sizeof(j->is.words), "%s", why);
	alarms_raise(p->o.alarms, "prune", volume_id_words(j->volume),
		     "prune %" PRIu32 " is %s after %" PRIu64 " of %" PRIu64 " segments: %s", j->is.number,
		     hf_prune_state_name(state), j->is.segments_done, j->is.segments, why);
	save_end(p, j);
	prune_list_release(&j->list);
}

/* Does it still stand, and has nobody cancelled it? */
static bool goes_on(struct pruner *p, struct job *j)
{
	struct hf_error err = HF_ERROR_INIT;
	int r;

	if (prune_file_is_cancelled(p->o.os, volume_dir(j->volume), j->is.number)) {
		end(p, j, HF_PRUNE_CANCELLED, "somebody on this node cancelled it");
		return false;
	}
	r = prune_judge(p->o.os, &j->list, j->volume, p->o.node, &err);
	if (r == -EKEYREJECTED || r == -ESTALE || r == -ENODATA)
		end(p, j, HF_PRUNE_REFUSED, err.text);
	else if (r < 0)
		journal_line(LOG_ERR, "prune %" PRIu32 ": %s", j->is.number, err.text);
	return r == 0;
}

static uint64_t delay_of(const struct pruner *p, const struct job *j)
{
	return j->is.delay_s > p->o.delay_s ? j->is.delay_s : p->o.delay_s; /* raised since: that counts */
}

static void say_waiting(struct pruner *p, struct job *j)
{
	uint64_t delay_s = delay_of(p, j), left_s = delay_s > j->is.waited_s ? delay_s - j->is.waited_s : 0;

	alarms_raise(p->o.alarms, "prune", volume_id_words(j->volume),
		     "prune %" PRIu32 ": in %" PRIu64 " days and %" PRIu64 " hours of serving %" PRIu64
		     " MiB of %" PRIu64
		     " segments will be taken away for good, as the owner key signed; moments before "
		     "tid-%" PRIu64
		     " will not be whole any more. Is that not wanted? holdfast node prune --cancel DIR "
		     "%" PRIu32,
		     j->is.number, left_s / DAY_S, left_s % DAY_S / 3600, j->is.bytes >> 20, j->is.segments,
		     j->is.before_tid, j->is.number);
}

/* The alarm first, so that there is none waited for that was not announced. */
static void announce(struct pruner *p, struct job *j)
{
	if (!goes_on(p, j))
		return;
	j->is.announced_ns = p->o.os->now_ns(p->o.os->state);
	j->is.delay_s = p->o.delay_s;
	if (!j->said)
		say_waiting(p, j);
	j->said = true;
	j->is.state = HF_PRUNE_ANNOUNCED;
	if (save(p, j) < 0)
		j->is.state = HF_PRUNE_NEW;
}

/* Halfway, and a day before. */
static bool is_reminder(const struct pruner *p, const struct job *j, uint64_t before_s)
{
	const uint64_t at[] = { delay_of(p, j) / 2, delay_of(p, j) - DAY_S };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (before_s < at[i] && j->is.waited_s >= at[i])
			return true;
	return false;
}

static void wait_more(struct pruner *p, struct job *j, uint64_t step_ns)
{
	uint64_t before_s = j->is.waited_s;

	j->waited_ns += step_ns;
	j->is.waited_s += j->waited_ns / second_ns;
	j->waited_ns %= second_ns;
	if (is_reminder(p, j, before_s))
		say_waiting(p, j);
	if (j->is.waited_s >= delay_of(p, j)) {
		if (!goes_on(p, j))
			return;
		j->is.state = HF_PRUNE_RUNNING;
		if (save(p, j) < 0)
			j->is.state = HF_PRUNE_ANNOUNCED;
	} else if (j->is.waited_s - j->saved_s >= PRUNER_SAVE_EVERY_S) {
		(void)save(p, j);
	}
}

/* One segment. Whether to go on. */
static bool prune_next(struct pruner *p, struct job *j, const struct grants *grants)
{
	const struct prune_segment *segment = &j->list.segments[j->is.segments_done];
	struct hf_error err = HF_ERROR_INIT;
	struct shelf_pruned pruned;
	int r = shelf_prune(p->o.os, volume_dir(j->volume), grants, &j->list, segment, &pruned, &err);

	if (r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT) {
		end(p, j, HF_PRUNE_REFUSED, err.text);
		return false;
	}
	if (r < 0) {
		if (!j->failed)
			alarms_raise(p->o.alarms, "prune", volume_id_words(j->volume),
				     "prune %" PRIu32 " cannot go on just now: %s", j->is.number, err.text);
		j->failed = true;
		return false;
	}
	j->is.segments_done++;
	j->is.freed_bytes += pruned.bytes;
	return save(p, j) == 0;
}

static void carry_out(struct pruner *p, struct job *j)
{
	CLEANUP(grants_release) struct grants grants = { NULL, 0 };
	struct hf_error err = HF_ERROR_INIT;
	char words[80];

	if (grants_load(p->o.os, volume_dir(j->volume), volume_id(j->volume), &grants, &err) < 0) {
		journal_line(LOG_ERR, "prune %" PRIu32 ": %s", j->is.number, err.text);
		return;
	}
	while (j->is.segments_done < j->is.segments) {
		if (atomic_load(&p->stop) || alarms_freeze(p->o.alarms) > 0 || !goes_on(p, j) ||
		    !prune_next(p, j, &grants))
			return;
	}
	(void)snprintf(words, sizeof(words), "%" PRIu64 " bytes of frames were taken away",
		       j->is.freed_bytes);
	end(p, j, HF_PRUNE_DONE, words);
}

static void advance(struct pruner *p, struct job *j, uint64_t step_ns, uint32_t frozen)
{
	if (j->unsaved)
		save_end(p, j);
	if (is_over(j))
		return;
	if (j->is.state == HF_PRUNE_NEW) {
		announce(p, j);
		return;
	}
	if (!goes_on(p, j) || frozen)
		return;
	if (j->is.state == HF_PRUNE_ANNOUNCED)
		wait_more(p, j, step_ns);
	if (j->is.state == HF_PRUNE_RUNNING)
		carry_out(p, j);
}

void pruner_look(struct pruner *p, uint64_t mono_ns)
{
	struct volume *v;
	uint64_t step_ns = 0;
	uint32_t frozen;

	(void)pthread_mutex_lock(&p->look);
	if (p->last_ns > 0 && mono_ns > p->last_ns)
		step_ns = mono_ns - p->last_ns;
	if (step_ns > PRUNER_STEP_S_MAX * second_ns)
		step_ns = PRUNER_STEP_S_MAX * second_ns;
	p->last_ns = mono_ns;
	for (size_t i = 0; (v = volumes_nth(p->o.volumes, i)); i++)
		find_new(p, v);
	frozen = alarms_freeze(p->o.alarms);
	for (size_t i = 0; i < p->n; i++)
		advance(p, &p->jobs[i], step_ns, frozen);
	(void)pthread_mutex_unlock(&p->look);
}

/* --- the thread */

static bool rest(struct pruner *p)
{
	struct timespec until;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PRUNER_LOOK_EVERY_S;
	(void)pthread_mutex_lock(&p->lock);
	while (!atomic_load(&p->stop) && r == 0)
		r = pthread_cond_timedwait(&p->changed, &p->lock, &until);
	(void)pthread_mutex_unlock(&p->lock);
	return !atomic_load(&p->stop);
}

static void *run(void *arg)
{
	struct pruner *p = arg;

	do
		pruner_look(p, p->o.os->monotonic_ns(p->o.os->state));
	while (rest(p));
	return NULL;
}

int pruner_new(const struct pruner_options *o, struct pruner **ret, struct hf_error *err)
{
	struct pruner *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (!p)
		return hf_error_set(err, -ENOMEM, "no memory");
	p->o = *o;
	(void)pthread_mutex_init(&p->look, NULL);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*ret = p;
	return 0;
}

int pruner_start(struct pruner *p, struct hf_error *err)
{
	int r = -pthread_create(&p->thread, NULL, run, p);

	if (r < 0)
		return hf_error_set(err, r, "no thread to see to prunes: %s", strerror(-r));
	p->started = true;
	return 0;
}

void pruner_free(struct pruner *p)
{
	if (!p)
		return;
	(void)pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, true);
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	if (p->started)
		(void)pthread_join(p->thread, NULL);
	for (size_t i = 0; i < p->n; i++) {
		if (p->jobs[i].unsaved ||
		    (!is_over(&p->jobs[i]) && p->jobs[i].is.waited_s > p->jobs[i].saved_s))
			(void)save(p, &p->jobs[i]);
		prune_list_release(&p->jobs[i].list);
	}
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	(void)pthread_mutex_destroy(&p->look);
	free(p->jobs);
	free(p);
}
