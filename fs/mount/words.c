/* SPDX-License-Identifier: MIT */
/* What libfuse complains of, which it tells nobody but its log: for the error that a caller gets. */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/mount/mount_internal.h"

static pthread_mutex_t words_lock = PTHREAD_MUTEX_INITIALIZER;
static char words[256]; /* its last complaint; protected by words_lock */

static void __attribute__((format(printf, 2, 0)))
take_words(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[sizeof(words)];

	vsnprintf(line, sizeof(line), fmt, ap);
	if (level >= FUSE_LOG_DEBUG) {
		fputs(line, stderr);
		return;
	}
	line[strcspn(line, "\n")] = '\0';
	if (!*line)
		return;
	pthread_mutex_lock(&words_lock);
	memcpy(words, line, sizeof(words));
	pthread_mutex_unlock(&words_lock);
}

void words_forget(void)
{
	pthread_mutex_lock(&words_lock);
	words[0] = '\0';
	pthread_mutex_unlock(&words_lock);
}

int words_fail(struct hf_error *err, int code, const char *dir)
{
	char line[sizeof(words)];

	pthread_mutex_lock(&words_lock);
	memcpy(line, words, sizeof(line));
	pthread_mutex_unlock(&words_lock);
	return hf_error_set(err, code, "cannot mount on %s: %s", dir, *line ? line : hf_strerror(code));
}

void words_take(void)
{
	fuse_set_log_func(take_words);
}
