/* SPDX-License-Identifier: MIT */
#include "store/node/herald.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "store/node/alarm_file.h"
#include "store/node/hook.h"
#include "store/node/journal.h"
#include "store/replica/post.h"

enum { HOOK_LIMIT_MS = 30000, POST_LIMIT_S = 10, POST_TRIES = 3 };

static const int post_pauses_ms[POST_TRIES] = { 1000, 4000, 0 };

struct herald {
	struct alarms *alarms; /* immutable, as all but stop */
	char *node, *hook, *url;
	pthread_t thread;
	int stop_fd; /* readable when it is over */
	atomic_bool stop;
};

static bool stopped(void *arg)
{
	struct herald *h = arg;

	return atomic_load(&h->stop);
}

static bool run_hook(struct herald *h, const struct hf_alarm *a, const struct buf *text)
{
	struct hf_error err = HF_ERROR_INIT;

	if (!h->hook[0] || hook_run(h->hook, a, text, h->stop_fd, HOOK_LIMIT_MS, &err) == 0)
		return true;
	journal_line(LOG_ERR, "alarm %" PRIu32 " was not taken by the hook: %s", a->number, err.text);
	return false;
}

static bool post(struct herald *h, const struct hf_alarm *a, const struct buf *text)
{
	struct pollfd fd = { .fd = h->stop_fd, .events = POLLIN };

	for (int i = 0; h->url[0] && i < POST_TRIES; i++) {
		struct hf_error err = HF_ERROR_INIT;

		if (post_json(h->url, text, POST_LIMIT_S, stopped, h, &err) == 0)
			return true;
		journal_line(LOG_ERR, "alarm %" PRIu32 " was not taken by the webhook, try %d of %d: %s",
			     a->number, i + 1, POST_TRIES, err.text);
		(void)poll(&fd, 1, post_pauses_ms[i]);
		if (stopped(h))
			return false;
	}
	return !h->url[0];
}

/* Both are told, whatever became of the first. */
static bool deliver(struct herald *h, const struct hf_alarm *a)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	bool by_hook, by_post;

	if (alarm_file_text(a, h->node, &text) < 0)
		return false;
	buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0)
		return false;
	by_hook = run_hook(h, a, &text);
	by_post = post(h, a, &text);
	return by_hook && by_post;
}

static void *run(void *arg)
{
	struct herald *h = arg;
	struct hf_alarm a;

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
	free(h->node);
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
	h->node = strdup(o->node);
	h->hook = strdup(o->hook);
	h->url = strdup(o->url);
	h->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = h->node && h->hook && h->url && h->stop_fd >= 0 ? start_thread(h) : -ENOMEM;
	if (r < 0) {
		release(h);
		return hf_error_set(err, r, "no thread to deliver alarms: %s", strerror(-r));
	}
	*ret = h;
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
