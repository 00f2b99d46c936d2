/* SPDX-License-Identifier: MIT */
#include "store/node/pulse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"

enum { HEARD_FILE_BYTES_MAX = 1024 };

void pulse_init(struct pulse *p, uint64_t mono_ns)
{
	memset(p, 0, sizeof(*p));
	(void)pthread_mutex_init(&p->lock, NULL);
	p->heard_mono_ns = mono_ns;
}

void pulse_release(struct pulse *p)
{
	(void)pthread_mutex_destroy(&p->lock);
}

void pulse_heard(struct pulse *p, uint64_t mono_ns, uint64_t now_ns)
{
	(void)pthread_mutex_lock(&p->lock);
	p->heard_mono_ns = mono_ns;
	p->heard_ns = now_ns;
	p->told_silent_ns = 0;
	p->changed = true;
	(void)pthread_mutex_unlock(&p->lock);
}

/* Requires p->lock. */
static void look_behind(struct pulse *p, uint64_t here, uint64_t mono_ns)
{
	if (p->said_commit <= here) {
		p->behind_mono_ns = 0;
		p->told_stalled_ns = 0;
	} else if (p->behind_mono_ns == 0 || p->behind_commit != here) {
		p->behind_mono_ns = mono_ns;
		p->behind_commit = here;
		p->told_stalled_ns = 0;
	}
}

void pulse_said(struct pulse *p, uint64_t tid, uint64_t commit, uint64_t here, uint64_t mono_ns)
{
	(void)pthread_mutex_lock(&p->lock);
	p->said_tid = tid;
	p->said_commit = commit;
	p->said_mono_ns = mono_ns;
	look_behind(p, here, mono_ns);
	p->changed = true;
	(void)pthread_mutex_unlock(&p->lock);
}

/* How long since `since`, if that is over the limit and was not said within it; then it is said now. */
static uint64_t over(uint64_t since_ns, uint64_t mono_ns, uint64_t limit_ns, uint64_t *told_ns)
{
	if (mono_ns <= since_ns || mono_ns - since_ns <= limit_ns ||
	    (*told_ns > 0 && mono_ns - *told_ns <= limit_ns))
		return 0;
	*told_ns = mono_ns;
	return mono_ns - since_ns;
}

uint64_t pulse_silence(struct pulse *p, uint64_t mono_ns, uint64_t limit_ns)
{
	uint64_t silent_ns;

	(void)pthread_mutex_lock(&p->lock);
	silent_ns = over(p->heard_mono_ns, mono_ns, limit_ns, &p->told_silent_ns);
	(void)pthread_mutex_unlock(&p->lock);
	return silent_ns;
}

uint64_t pulse_stall(struct pulse *p, uint64_t here, uint64_t mono_ns, uint64_t limit_ns)
{
	uint64_t stalled_ns = 0;

	(void)pthread_mutex_lock(&p->lock);
	if (p->said_mono_ns > 0)
		look_behind(p, here, mono_ns);
	if (p->behind_mono_ns > 0 && mono_ns - p->said_mono_ns <= limit_ns)
		stalled_ns = over(p->behind_mono_ns, mono_ns, limit_ns, &p->told_stalled_ns);
	(void)pthread_mutex_unlock(&p->lock);
	return stalled_ns;
}

/* --- from one start to the next */

void pulse_load(struct pulse *p, const struct os *os, const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint64_t heard_ns, tid, commit, now_ns = os->now_ns(os->state), ago_ns;
	uint32_t version;

	if (!os_join(&path, dir, "heard") ||
	    os_read_file(os, (const char *)path.data, HEARD_FILE_BYTES_MAX, &data) < 0)
		return;
	o = json_read(data.data, data.len);
	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_u64(o, "heard_ns", &heard_ns) < 0 || json_get_u64(o, "tid", &tid) < 0 ||
	    json_get_u64(o, "commit", &commit) < 0)
		return;
	p->heard_ns = heard_ns;
	p->said_tid = tid;
	p->said_commit = commit;
	/* A clock that went back makes it no older, and nothing is older than the monotonic clock can say. */
	ago_ns = now_ns > heard_ns ? now_ns - heard_ns : 0;
	p->heard_mono_ns = p->heard_mono_ns > ago_ns ? p->heard_mono_ns - ago_ns : 0;
}

void pulse_save(struct pulse *p, const struct os *os, const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	bool changed;

	(void)pthread_mutex_lock(&p->lock);
	changed = p->changed;
	p->changed = false;
	buf_add_text(&text,
		     "{\"version\":1,\"heard_ns\":\"%" PRIu64 "\",\"tid\":\"%" PRIu64
		     "\",\"commit\":\"%" PRIu64 "\"}\n",
		     p->heard_ns, p->said_tid, p->said_commit);
	(void)pthread_mutex_unlock(&p->lock);
	if (!changed)
		return;
	if (os_join(&path, dir, "heard") && buf_status(&text) == 0 &&
	    os_write_file(os, (const char *)path.data, text.data, text.len, 0600) == 0)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->changed = true;
	(void)pthread_mutex_unlock(&p->lock);
}
