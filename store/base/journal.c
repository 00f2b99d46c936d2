/* SPDX-License-Identifier: MIT */
#include "store/base/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "holdfast/error.h"
#include "store/base/printable.h"

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
	make_printable(line); /* a peer's words must not forge a line */
	journal_fn(journal_arg, priority, line);
}

/* --- how many */

bool journal_quota_take(struct journal_quota *q, uint64_t mono_ns, char note[JOURNAL_NOTE_BYTES])
{
	static const uint64_t window_ns = JOURNAL_QUOTA_S * UINT64_C(1000000000);

	if (q->lines == 0 || mono_ns - q->since_ns >= window_ns) {
		q->since_ns = mono_ns;
		q->lines = 0;
	}
	if (q->lines >= JOURNAL_QUOTA_LINES) {
		q->held_back++;
		return false;
	}
	note[0] = 0;
	if (q->held_back > 0)
		(void)snprintf(note, JOURNAL_NOTE_BYTES, "(%" PRIu64 " more before this) ", q->held_back);
	if (++q->lines == JOURNAL_QUOTA_LINES)
		(void)snprintf(note, JOURNAL_NOTE_BYTES, "(others within this minute are only counted) ");
	q->held_back = 0;
	return true;
}
