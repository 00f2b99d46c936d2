/* SPDX-License-Identifier: MIT */
/*
 * Locking: `lock` protects store, users, used_at, changing and stop; it is held while the store is opened to
 * read and closed, never while it is asked. Who changes the store has it alone: `changing` keeps all others
 * out until it is closed again.
 */
#include "fs/cli/web_source.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "fs/cli/cli.h"
#include "fs/cli/control.h"
#include "fs/cli/output.h"
#include "fs/cli/web_restore.h"
#include "holdfast/op.h"

#define BUSY_WAIT_MS 3000
#define KEEP_SECONDS 2
#define CACHE_BYTES (64u << 20)

struct web_source {
	struct location location;
	pthread_t keeper;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* by CLOCK_MONOTONIC */
	struct hf_store *store;
	unsigned users;
	time_t used_at;
	bool changing, stop;
};

static time_t now_s(void)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Requires lock. */
static void let_go(struct web_source *s)
{
	if (s->store)
		(void)hf_store_close(s->store, NULL); /* read-only: there is nothing to lose */
	s->store = NULL;
}

static void *keeper_main(void *arg)
{
	struct web_source *s = arg;
	struct timespec until = { 0, 0 };

	pthread_setname_np(pthread_self(), "keeper");
	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (!s->store || s->users > 0) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		if (now_s() - s->used_at >= KEEP_SECONDS) {
			let_go(s);
			continue;
		}
		until.tv_sec = s->used_at + KEEP_SECONDS;
		(void)pthread_cond_timedwait(&s->changed, &s->lock, &until);
	}
	let_go(s);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct web_source *web_source_start_take(struct location *location)
{
	struct web_source *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&s->keeper, NULL, keeper_main, s) != 0) {
		pthread_cond_destroy(&s->changed);
		pthread_mutex_destroy(&s->lock);
		free(s);
		return NULL;
	}
	s->location = *location;
	memset(location, 0, sizeof(*location));
	return s;
}

static struct hf_store *borrow(struct web_source *s, struct hf_error *err)
{
	const struct hf_open_options options = {
		.flags = HF_OPEN_NO_REPLICATION | HF_OPEN_READ_ONLY,
		.cache_bytes = CACHE_BYTES,
		.busy_wait_ms = BUSY_WAIT_MS,
		.holder = "shown by holdfast web",
	};
	struct hf_store *store = NULL;

	pthread_mutex_lock(&s->lock);
	while (s->changing)
		pthread_cond_wait(&s->changed, &s->lock);
	if (s->store || hf_store_open(s->location.store, &options, &s->store, err) == 0) {
		store = s->store;
		s->users++;
	}
	pthread_mutex_unlock(&s->lock);
	return store;
}

static void give_back(struct web_source *s)
{
	pthread_mutex_lock(&s->lock);
	s->users--;
	s->used_at = now_s();
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

/* Nobody reads, and the store is let go of: it is the caller's to open. */
static void begin_change(struct web_source *s)
{
	pthread_mutex_lock(&s->lock);
	while (s->changing)
		pthread_cond_wait(&s->changed, &s->lock);
	s->changing = true;
	while (s->users > 0)
		pthread_cond_wait(&s->changed, &s->lock);
	let_go(s);
	pthread_mutex_unlock(&s->lock);
}

static void end_change(struct web_source *s)
{
	pthread_mutex_lock(&s->lock);
	s->changing = false;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static json_t *change_at_rest(struct web_source *s, const json_t *request,
			      const struct operation_listener *listener, struct hf_error *err)
{
	const struct hf_open_options options = {
		.flags = HF_OPEN_NO_REPLICATION,
		.busy_wait_ms = BUSY_WAIT_MS,
		.holder = "restored by holdfast web",
	};
	struct hf_error close_err = HF_ERROR_INIT;
	struct hf_store *store = NULL;
	json_t *answer = NULL;

	begin_change(s);
	if (hf_store_open(s->location.store, &options, &store, err) == 0) {
		hf_act_for(getuid());
		answer = operation_do(store, request, listener, err);
		if (hf_store_close(store, &close_err) < 0 && answer) {
			*err = close_err;
			json_decref(answer);
			answer = NULL;
		}
	}
	end_change(s);
	return answer;
}

static json_t *ask_at_rest(struct web_source *s, const json_t *request,
			   const struct operation_listener *listener, struct hf_error *err)
{
	struct hf_store *store;
	json_t *answer;

	if (operation_changes(request))
		return change_at_rest(s, request, listener, err);
	store = borrow(s, err);
	answer = store ? operation_do(store, request, listener, err) : NULL;
	if (store)
		give_back(s);
	return answer;
}

static json_t *ask(void *source, const json_t *request, const struct operation_listener *listener,
		   struct hf_error *err)
{
	struct web_source *s = source;
	struct control control = { NULL, -1 };
	json_t *answer;
	int r = control_connect(s->location.store, &control, err);

	if (r == -EACCES)
		return NULL;
	if (r < 0)
		return ask_at_rest(s, request, listener, err);
	answer = control_ask(&control, request, listener, err);
	control_close(&control);
	return answer;
}

json_t *web_source_ask(void *source, const json_t *request, struct hf_error *err)
{
	const struct operation_listener silent = { .found = NULL };
	const struct web_source *s = source;

	if (web_restore_is_request(request))
		return web_restore(&s->location, request, ask, source, err);
	return ask(source, request, &silent, err);
}

void web_source_stop(struct web_source *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->keeper, NULL);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	location_release(&s->location);
	free(s);
}
