/* SPDX-License-Identifier: MIT */
#include "store/alarm/herald.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "store/alarm/alarm_file.h"
#include "store/alarm/hook.h"
#include "store/base/journal.h"
#include "store/replica/post.h"

enum { HOOK_LIMIT_MS = 30000, POST_LIMIT_S = 10, POST_TRIES = 3 };

static const int post_pauses_ms[POST_TRIES] = { 1000, 4000, 0 };

struct herald {
	struct alarms *alarms; /* immutable, as all up to the lock */
	const char *origin;
	char *name;
	pthread_t thread;
	int stop_fd; /* readable when it is over */
	atomic_bool stop;
	pthread_mutex_t lock;
	char *hook, *url; /* protected by lock */
};

static bool stopped(void *arg)
{
	struct herald *h = arg;

	return atomic_load(&h->stop);
}

/* Whom one alarm is told. */
struct targets {
	char *hook, *url;
};

static void targets_release(struct targets *t)
{
	free(t->hook);
	free(t->url);
}

static int targets_copy(struct targets *t, const char *hook, const char *url)
{
	t->hook = strdup(hook);
	t->url = strdup(url);
	if (t->hook && t->url)
		return 0;
	targets_release(t);
	return -ENOMEM;
}

static bool run_hook(struct herald *h, const char *hook, const struct hf_alarm *a, const struct buf *text)
{
	struct hf_error err = HF_ERROR_INIT;

	if (!hook[0] || hook_run(hook, a, text, h->stop_fd, HOOK_LIMIT_MS, &err) == 0)
		return true;
	journal_line(LOG_ERR, "alarm %" PRIu32 " was not taken by the hook: %s", a->number, err.text);
	return false;
}

static bool post(struct herald *h, const char *url, const struct hf_alarm *a, const struct buf *text)
{
	struct pollfd fd = { .fd = h->stop_fd, .events = POLLIN };

	for (int i = 0; url[0] && i < POST_TRIES; i++) {
		struct hf_error err = HF_ERROR_INIT;

		if (post_json(url, text, POST_LIMIT_S, stopped, h, &err) == 0)
			return true;
		journal_line(LOG_ERR, "alarm %" PRIu32 " was not taken by the webhook, try %d of %d: %s",
			     a->number, i + 1, POST_TRIES, err.text);
		(void)poll(&fd, 1, post_pauses_ms[i]);
		if (stopped(h))
			return false;
	}
	return !url[0];
}

/* Both are told, whatever became of the first. */
static bool deliver(struct herald *h, const struct hf_alarm *a)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct targets to;
	bool by_hook, by_post;
	int r;

	if (alarm_file_text(a, h->origin, h->name, &text) < 0)
		return false;
	buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0)
		return false;
	(void)pthread_mutex_lock(&h->lock);
	r = targets_copy(&to, h->hook, h->url);
	(void)pthread_mutex_unlock(&h->lock);
	if (r < 0)
		return false;
	by_hook = run_hook(h, to.hook, a, &text);
	by_post = post(h, to.url, a, &text);
	targets_release(&to);
	return by_hook && by_post;
}

static void *run(void *arg)
{
	struct herald *h = arg;
	struct hf_alarm a;

	(void)pthread_setname_np(pthread_self(), "alarms");
	while (alarms_next(h->alarms, &a))
		alarms_delivered(h->alarms, a.number, deliver(h, &a));
	return NULL;
}

/* Its thread hears no signal: those are the program's, and a hook that does not read must not end us. */
static int start_thread(struct herald *h)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&h->thread, NULL, run, h);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void release(struct herald *h)
{
	if (h->stop_fd >= 0)
		(void)close(h->stop_fd);
	(void)pthread_mutex_destroy(&h->lock);
	free(h->name);
	free(h->hook);
	free(h->url);
	free(h);
}

int herald_start(const struct herald_options *o, struct herald **ret, struct hf_error *err)
{
	struct herald *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return hf_error_set(err, -ENOMEM, "no memory");
	h->alarms = o->alarms;
	(void)pthread_mutex_init(&h->lock, NULL);
	h->origin = o->origin;
	h->name = strdup(o->name);
	h->hook = strdup(o->hook);
	h->url = strdup(o->url);
	h->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = h->name && h->hook && h->url && h->stop_fd >= 0 ? start_thread(h) : -ENOMEM;
	if (r < 0) {
		release(h);
		return hf_error_set(err, r, "no thread to deliver alarms: %s", strerror(-r));
	}
	*ret = h;
	return 0;
}

int herald_tell(struct herald *h, const char *hook, const char *url)
{
	struct targets fresh, old;

	if (targets_copy(&fresh, hook, url) < 0)
		return -ENOMEM;
	(void)pthread_mutex_lock(&h->lock);
	old = (struct targets){ h->hook, h->url };
	h->hook = fresh.hook;
	h->url = fresh.url;
	(void)pthread_mutex_unlock(&h->lock);
	targets_release(&old);
	return 0;
}

void herald_stop(struct herald *h)
{
	const uint64_t one = 1;

	if (!h)
		return;
	atomic_store(&h->stop, true);
	alarms_stop(h->alarms);
	if (write(h->stop_fd, &one, sizeof(one)) < 0)
		journal_line(LOG_ERR, "cannot hurry the delivery of alarms: %s", strerror(errno));
	(void)pthread_join(h->thread, NULL);
	release(h);
}
