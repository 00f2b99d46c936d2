/* SPDX-License-Identifier: MIT */
#include "store/replica/patience.h"

#include <errno.h>
#include <time.h>

#include "store/base/journal.h"

enum { PAUSE_FIRST_MS = 100, PAUSE_MAX_MS = 2000 };

static bool may_pass(const struct patience *p, int r)
{
	switch (r) {
	case -EBUSY:
	case -ECONNRESET:
		return true;
	case -ETIMEDOUT:
	case -ECONNREFUSED:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ENETDOWN:
		return p->met;
	default:
		return false;
	}
}

static void rest(unsigned tries)
{
	unsigned ms = PAUSE_FIRST_MS;
	struct timespec pause;

	while (--tries > 0 && ms < PAUSE_MAX_MS)
		ms *= 2;
	if (ms > PAUSE_MAX_MS)
		ms = PAUSE_MAX_MS;
	pause = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	(void)nanosleep(&pause, NULL);
}

bool patience_again(struct patience *p, int r, struct hf_error *err)
{
	if (!may_pass(p, r)) {
		p->met = p->met || r >= 0;
		p->tries = 0;
		return false;
	}
	if (++p->tries == PATIENCE_TRIES) {
		p->tries = 0;
		(void)hf_error_prefix(err, r, "asked %d times", PATIENCE_TRIES);
		return false;
	}
	if (p->tries == 1)
		journal_line(LOG_NOTICE, "the replica is asked again: %s", err ? err->text : "");
	if (p->progress && p->progress->fn)
		p->progress->fn(p->progress->arg, "asking the replica again", p->tries, PATIENCE_TRIES - 1);
	rest(p->tries);
	return true;
}
