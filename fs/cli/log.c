/* SPDX-License-Identifier: MIT */
#include "fs/cli/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/mount/mount.h"

enum { LINE_BYTES = 1200 };

static const struct {
	const char *name;
	int priority;
} levels[] = { { "error", LOG_ERR },
	       { "warning", LOG_WARNING },
	       { "notice", LOG_NOTICE },
	       { "info", LOG_INFO },
	       { "debug", LOG_DEBUG } };

/* Set before there are threads. */
static int level = LOG_INFO;
static bool to_stderr = true;

static int find_level(const char *name)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(levels[i].name, name))
			return levels[i].priority;
	return -1;
}

int log_set_level(const char *said, struct hf_error *err)
{
	const char *variable = getenv("HOLDFAST_LOG");
	int found;

	if (!*said && (!variable || !*variable))
		return 0;
	found = find_level(*said ? said : variable);
	if (found < 0)
		return hf_error_set(err, -EINVAL, "%s%.40s is no level of the log; it is " LOG_LEVELS,
				    *said ? "" : "HOLDFAST_LOG: ", *said ? said : variable);
	level = found;
	return 0;
}

bool log_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%" SCNu64 ":%" SCNu64, &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

const char *log_error_mark(void)
{
	return log_is_journal() ? "<3>" : "";
}

/* In one write, so that lines of several threads do not mix. */
static void write_stderr(int priority, const char *line)
{
	char text[LINE_BYTES];
	int len = log_is_journal() ? snprintf(text, sizeof(text), "<%d>%s\n", priority, line) :
				     snprintf(text, sizeof(text), "%s\n", line);
	ssize_t n;

	if (len >= (int)sizeof(text)) {
		len = (int)sizeof(text) - 1;
		text[len - 1] = '\n';
	}
	n = write(STDERR_FILENO, text, (size_t)len);
	(void)n; /* there is nobody else to tell */
}

void log_line(void *arg, int priority, const char *line)
{
	(void)arg;
	if (priority > level)
		return;
	if (to_stderr)
		write_stderr(priority, line);
	else
		syslog(LOG_DAEMON | priority, "%s", line);
}

void log_words(int priority, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_line(NULL, priority, line);
}

void log_begin(bool foreground)
{
	to_stderr = foreground;
	if (!foreground)
		openlog("holdfast", LOG_PID, LOG_DAEMON);
	hf_set_log(log_line, NULL);
	mount_set_log(log_line, NULL);
}
