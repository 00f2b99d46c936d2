/* SPDX-License-Identifier: MIT */
#include "store/alarm/alarms.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/alarm/alarm_file.h"
#include "store/base/journal.h"
#include "store/base/printable.h"

static const uint64_t second_ns = UINT64_C(1000000000);

enum {
	WRITE_EVERY_S = 1,      /* the file of an alarm that is counted up: a hostile peer sets the pace */
	WRITE_AGAIN_S = 60,     /* after its disk refused */
	DELIVER_AGAIN_S = 3600, /* one that was delivered, and is raised still */
	DELIVER_FAILED_S = 60,  /* one that was not */
};

struct alarm {
	struct hf_alarm is;
	bool dirty;                       /* more than its file says */
	bool due;                         /* to be delivered */
	uint64_t write_after_ns, told_ns; /* monotonic; told_ns 0: not in this run */
	struct journal_quota lines;       /* of the log, about it */
};

struct alarms {
	const struct os *os; /* immutable, as dir */
	char *dir;
	pthread_mutex_t lock; /* for all that follows; held while files are written */
	pthread_cond_t changed;
	struct alarm *all; /* by rising number */
	size_t n;
	uint32_t next;
	struct journal_quota not_kept; /* lines about those there was no room for */
	bool stop;
};

static uint64_t mono_ns(const struct alarms *a)
{
	return a->os->monotonic_ns(a->os->state);
}

/* --- opening */

static int make_folder(const struct os *os, const char *dir, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!os_join(&path, dir, "alarms"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->mkdir(os->state, (const char *)path.data, 0700);
	if (r == -EEXIST)
		return 0;
	if (r == 0)
		r = os->sync_dir(os->state, dir);
	return r < 0 ? hf_error_set(err, r, "cannot make the folder %s: %s", (const char *)path.data,
				    strerror(-r)) :
		       0;
}

static int load(struct alarms *a, struct hf_error *err)
{
	CLEANUP(cleanup_free) struct hf_alarm *read = NULL;
	int r = alarm_files_read(a->os, a->dir, &read, &a->n, &a->next, err);

	if (r < 0)
		return r;
	a->all = calloc(a->n + 1, sizeof(*a->all));
	if (!a->all)
		return hf_error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < a->n; i++) {
		a->all[i].is = read[i];
		a->all[i].due = !read[i].acknowledged && !read[i].delivered;
		if (read[i].count == 0 && !read[i].acknowledged)
			journal_line(LOG_ALERT, "%s", read[i].words);
	}
	return 0;
}

int alarms_open(const struct os *os, const char *dir, struct alarms **ret, struct hf_error *err)
{
	struct alarms *a = calloc(1, sizeof(*a));
	pthread_condattr_t attr;
	int r;

	if (!a)
		return hf_error_set(err, -ENOMEM, "no memory");
	a->os = os;
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&a->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	a->dir = strdup(dir);
	r = a->dir ? make_folder(os, dir, err) : hf_error_set(err, -ENOMEM, "no memory");
	if (r == 0)
		r = load(a, err);
	if (r < 0) {
		alarms_close(a);
		return r;
	}
	*ret = a;
	return 0;
}

/* --- writing. Requires a->lock, or that nobody else has a; so do all up to alarms_raise. */

static void write_out(struct alarms *a, struct alarm *at)
{
	int r = 0;

	if (at->is.count > 0) /* a damaged file is left as it is */
		r = alarm_file_write(a->os, a->dir, &at->is);
	at->write_after_ns = mono_ns(a) + (r < 0 ? WRITE_AGAIN_S : WRITE_EVERY_S) * second_ns;
	at->dirty = r < 0;
	if (r < 0)
		journal_line(LOG_ERR, "alarm %" PRIu32 " is not on the disk: %s", at->is.number,
			     strerror(-r));
}

/* Returns whether anything is left to write. */
static bool write_dirty(struct alarms *a, bool at_once)
{
	uint64_t now = mono_ns(a);
	bool left = false;

	for (size_t i = 0; i < a->n; i++) {
		if (a->all[i].dirty && (at_once || now >= a->all[i].write_after_ns))
			write_out(a, &a->all[i]);
		left = left || a->all[i].dirty;
	}
	return left;
}

void alarms_close(struct alarms *a)
{
	if (!a)
		return;
	(void)write_dirty(a, true);
	(void)pthread_cond_destroy(&a->changed);
	(void)pthread_mutex_destroy(&a->lock);
	free(a->all);
	free(a->dir);
	free(a);
}

/* --- raising */

static bool is_open(struct alarms *a, struct alarm *at)
{
	if (!at->is.acknowledged)
		at->is.acknowledged = alarm_file_is_acknowledged(a->os, a->dir, &at->is);
	return !at->is.acknowledged;
}

static struct alarm *find_open(struct alarms *a, const struct hf_alarm *like)
{
	for (size_t i = 0; i < a->n; i++) {
		struct alarm *at = &a->all[i];

		if (strcmp(at->is.kind, like->kind) == 0 && strcmp(at->is.volume_id, like->volume_id) == 0 &&
		    strcmp(at->is.replica, like->replica) == 0 && is_open(a, at))
			return at;
	}
	return NULL;
}

static void count_up(struct alarms *a, struct alarm *at, const struct hf_alarm *news, bool anew)
{
	uint64_t now = mono_ns(a), pause_s = at->is.delivered ? DELIVER_AGAIN_S : DELIVER_FAILED_S;

	at->is.count++;
	at->is.last_ns = news->last_ns;
	memcpy(at->is.words, news->words, sizeof(at->is.words));
	at->dirty = true;
	if (anew || at->told_ns == 0 || now - at->told_ns >= pause_s * second_ns) {
		at->is.delivered = false;
		at->due = true;
	}
	if (anew || now >= at->write_after_ns)
		write_out(a, at);
}

static bool make_room(struct alarms *a)
{
	struct alarm *more;

	for (size_t i = 0; a->n >= ALARMS_MAX && i < a->n; i++) {
		if (is_open(a, &a->all[i]))
			continue;
		alarm_file_remove(a->os, a->dir, a->all[i].is.number);
		memmove(&a->all[i], &a->all[i + 1], (--a->n - i) * sizeof(*a->all));
		i--;
	}
	if (a->n >= ALARMS_MAX)
		return false;
	more = reallocarray(a->all, a->n + 1, sizeof(*more));
	if (more)
		a->all = more;
	return more != NULL;
}

/* NULL: it is not kept, for as many are open as can be. */
static struct alarm *open_new(struct alarms *a, const struct hf_alarm *news)
{
	struct alarm *at;

	if (!make_room(a))
		return NULL;
	at = &a->all[a->n++];
	memset(at, 0, sizeof(*at));
	at->is = *news;
	at->is.number = a->next++;
	at->due = true;
	write_out(a, at);
	return at;
}

static bool is_utf8(const char *text)
{
	json_t *s = json_string(text);

	json_decref(s);
	return s != NULL;
}

static void clean_words(char *words)
{
	bool ascii_only = !is_utf8(words); /* or cut in the middle of a character */

	make_printable(words);
	for (unsigned char *c = (unsigned char *)words; ascii_only && *c; c++)
		if (*c > 127)
			*c = '?';
}

static void log_alarm(const struct hf_alarm *a, const char *note, bool kept)
{
	journal_line(LOG_ALERT, "%s%s%s%s%s%s%s: %s", note, a->kind, a->volume_id[0] ? ", volume " : "",
		     a->volume_id, a->replica[0] ? ", replica " : "", a->replica,
		     a->volume_id[0] ? "" : ", this node", a->words);
	if (!kept)
		journal_line(LOG_ERR, "this alarm is not kept: %d are open", ALARMS_MAX);
}

__attribute__((format(printf, 4, 0))) static void raise_alarm(struct alarms *a, const char *kind,
							      const struct alarm_about *about,
							      const char *fmt, va_list args)
{
	struct hf_alarm news = { .count = 1 };
	char note[JOURNAL_NOTE_BYTES] = "";
	struct alarm *at;
	bool tell;

	news.first_ns = news.last_ns = a->os->now_ns(a->os->state);
	(void)snprintf(news.kind, sizeof(news.kind), "%s", kind);
	(void)snprintf(news.volume_id, sizeof(news.volume_id), "%s", about->volume ? about->volume : "");
	(void)snprintf(news.replica, sizeof(news.replica), "%s", about->replica ? about->replica : "");
	(void)snprintf(news.moment, sizeof(news.moment), "%s", about->moment ? about->moment : "");
	(void)vsnprintf(news.words, sizeof(news.words), fmt, args);
	clean_words(news.words);
	(void)pthread_mutex_lock(&a->lock);
	at = find_open(a, &news);
	if (at)
		count_up(a, at, &news, about->worse);
	else
		at = open_new(a, &news);
	tell = about->worse || journal_quota_take(at ? &at->lines : &a->not_kept, mono_ns(a), note);
	(void)pthread_cond_broadcast(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
	if (tell)
		log_alarm(&news, note, at != NULL);
}

uint32_t alarms_freeze(struct alarms *a)
{
	uint32_t number = 0;

	(void)pthread_mutex_lock(&a->lock);
	for (size_t i = 0; number == 0 && i < a->n; i++)
		if (is_open(a, &a->all[i]) && alarm_freezes(&a->all[i].is))
			number = a->all[i].is.number;
	(void)pthread_mutex_unlock(&a->lock);
	return number;
}

const char *alarms_duration(uint64_t ns, char out[ALARMS_DURATION_BYTES])
{
	uint64_t s = ns / second_ns;

	if (s >= 4 * 86400)
		(void)snprintf(out, ALARMS_DURATION_BYTES, "%" PRIu64 " days", s / 86400);
	else if (s >= 7200)
		(void)snprintf(out, ALARMS_DURATION_BYTES, "%" PRIu64 " hours", s / 3600);
	else if (s >= 120)
		(void)snprintf(out, ALARMS_DURATION_BYTES, "%" PRIu64 " minutes", s / 60);
	else
		(void)snprintf(out, ALARMS_DURATION_BYTES, "%" PRIu64 " seconds", s);
	return out;
}

void alarms_raise(struct alarms *a, const char *kind, const char *volume, const char *fmt, ...)
{
	const struct alarm_about about = { .volume = volume };
	va_list args;

	va_start(args, fmt);
	raise_alarm(a, kind, &about, fmt, args);
	va_end(args);
}

void alarms_raise_about(struct alarms *a, const char *kind, const struct alarm_about *about, const char *fmt,
			...)
{
	va_list args;

	va_start(args, fmt);
	raise_alarm(a, kind, about, fmt, args);
	va_end(args);
}

/* --- delivering */

static bool take_due(struct alarms *a, struct hf_alarm *ret)
{
	for (size_t i = 0; i < a->n; i++) {
		if (!a->all[i].due)
			continue;
		a->all[i].due = false;
		a->all[i].told_ns = mono_ns(a);
		*ret = a->all[i].is;
		return true;
	}
	return false;
}

/* Requires a->lock. */
static void rest(struct alarms *a, bool timed)
{
	struct timespec until;

	if (!timed) {
		(void)pthread_cond_wait(&a->changed, &a->lock);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WRITE_EVERY_S;
	(void)pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

bool alarms_next(struct alarms *a, struct hf_alarm *ret)
{
	bool found = false;

	(void)pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		bool left = write_dirty(a, false);

		found = take_due(a, ret);
		if (found)
			break;
		rest(a, left);
	}
	(void)pthread_mutex_unlock(&a->lock);
	return found;
}

void alarms_delivered(struct alarms *a, uint32_t number, bool well)
{
	(void)pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->n; i++)
		if (a->all[i].is.number == number && well) {
			a->all[i].is.delivered = true;
			a->all[i].dirty = true;
		}
	(void)pthread_mutex_unlock(&a->lock);
}

void alarms_stop(struct alarms *a)
{
	(void)pthread_mutex_lock(&a->lock);
	a->stop = true;
	(void)pthread_cond_broadcast(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
}
