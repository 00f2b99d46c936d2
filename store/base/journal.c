/* SPDX-License-Identifier: MIT */
#include "store/base/journal.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "holdfast/error.h"

/* Set before a node or a store is started, and read-only from then on. */
static void (*journal_fn)(void *arg, int priority, const char *line);
static void *journal_arg;

void hf_set_log(void (*fn)(void *arg, int priority, const char *line), void *arg)
{
	journal_fn = fn;
	journal_arg = arg;
}

void journal_line(int priority, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	if (!journal_fn)
		return;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' '; /* a peer's words must not forge a line */
	journal_fn(journal_arg, priority, line);
}
