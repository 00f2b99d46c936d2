/* SPDX-License-Identifier: MIT */
/* Whether whoever is to be told of a store's alarms can be told: by telling him that this is a test (layer
 * 4). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "store/alarm/alarm_file.h"
#include "store/alarm/hook.h"
#include "store/alarm/settings.h"
#include "store/base/printable.h"
#include "store/replica/post.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "store/volume/note.h"

enum { HOOK_LIMIT_MS = 30000, POST_LIMIT_S = 10 };

static int make_text(const char *path, const struct volume_descriptor *d, struct hf_alarm *a,
		     struct buf *text)
{
	memset(a, 0, sizeof(*a));
	a->first_ns = a->last_ns = os_posix()->now_ns(os_posix()->state);
	a->count = 1;
	(void)snprintf(a->kind, sizeof(a->kind), "test");
	(void)snprintf(a->words, sizeof(a->words),
		       "this is a test: somebody wanted to know whether alarms of this store get here");
	volume_id_text(d->volume_id, a->volume_id);
	if (alarm_file_text(a, "store", path, text) < 0)
		return -ENOMEM;
	buf_add_u8(text, '\n');
	return buf_status(text);
}

static int run_hook(const char *hook, const struct hf_alarm *a, const struct buf *text, struct hf_error *err)
{
	CLEANUP(cleanup_fd) int never = eventfd(0, EFD_CLOEXEC);
	sigset_t pipe, before;
	int r;

	if (never < 0)
		return hf_error_set(err, -errno, "no descriptor: %s", strerror(errno));
	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe, &before);
	r = hook_run(hook, a, text, never, HOOK_LIMIT_MS, err);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? hf_error_prefix(err, r, "the hook did not take it") : 0;
}

static int tell(const struct hf_alarm_settings *s, const struct hf_alarm *a, const struct buf *text,
		struct hf_error *err)
{
	int by_hook = s->hook[0] ? run_hook(s->hook, a, text, err) : 0, by_post = 0;
	struct hf_error words = HF_ERROR_INIT;

	if (s->url[0])
		by_post = post_json(s->url, text, POST_LIMIT_S, NULL, NULL, &words);
	if (by_post < 0 && by_hook == 0)
		return hf_error_set(err, by_post, "the webhook did not take it: %s", words.text);
	return by_hook;
}

int hf_alarm_test(const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	struct hf_error local = HF_ERROR_INIT;
	struct hf_alarm_settings settings;
	struct volume_descriptor d;
	struct note note = { .time_ns = 0 };
	struct hf_alarm a;
	int r, written;

	if (!err)
		err = &local;
	r = files_read_descriptor(os_posix(), path, &d, err);
	if (r == 0)
		r = settings_read(os_posix(), path, &settings, err);
	if (r < 0)
		return r;
	if (!settings.hook[0] && !settings.url[0])
		return hf_error_set(
			err, -EDESTADDRREQ,
			"nobody is told of alarms of %s: holdfast alarms set %s hook=PROGRAM, or url=URL",
			path, path);
	if (make_text(path, &d, &a, &text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = tell(&settings, &a, &text, err);
	note.time_ns = os_posix()->now_ns(os_posix()->state);
	if (r < 0)
		(void)snprintf(note.problem, sizeof(note.problem), "%s", err->text);
	make_printable(note.problem);
	written = note_write(os_posix(), path, NOTE_ALARM, d.volume_id, &note);
	if (r == 0 && written < 0)
		return hf_error_set(err, written, "it was taken, which cannot be noted in %s: %s", path,
				    strerror(-written));
	return r;
}
