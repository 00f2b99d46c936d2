/* SPDX-License-Identifier: MIT */
/* Would a recovery work? What was rehearsed, and what it takes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

enum {
	KIT_DAYS = 184,
	HEAD_DAYS = 31,
	DRILL_DAYS = 92, /* where nobody has said how often */
	VERIFIED_DAYS = 92,
	EPOCH_DAYS = 3 * 366,
};

static void kit_checked(const struct facts *f, struct doctor_finding *ret)
{
	const uint64_t checked_ns = f->store.r.kit_ns;
	char ago[JUDGE_SPAN_BYTES];

	if (checked_ns)
		judge_fine(ret, "a kit was seen to open this store %s", judge_ago(f, checked_ns, ago));
	if (!checked_ns)
		judge_add(ret, DOCTOR_DANGER,
			  "no kit was ever seen to open this store, and without it nothing can be recovered");
	else if (judge_days(f, checked_ns) > KIT_DAYS)
		judge_add(ret, DOCTOR_WARNING, "a kit was last seen to open this store %s",
			  judge_ago(f, checked_ns, ago));
	judge_remedy(ret, "take it from where it is kept, and try it; all who are to have one, each theirs");
	judge_command(ret, "holdfast kit check - %s", JUDGE_STORE(f));
}

static void kit_away(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "none of this volume in the likely places");
	if (!f->store.kit[0])
		return;
	judge_add(ret, DOCTOR_DANGER, "%s: who is root here is the volume's owner, and can prune its past",
		  f->store.kit);
	judge_remedy(ret,
		     "print it, or carry it away to where this machine cannot reach it; then delete it here");
	judge_command(ret, "shred -u %s", JUDGE_WORD(f->store.kit));
}

static void drill(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_rehearsal *h = &f->rehearsal;
	char ago[JUDGE_SPAN_BYTES], span[JUDGE_SPAN_BYTES];

	if (h->drill_code == -ENODATA) {
		judge_add(ret, DOCTOR_DANGER, "a recovery was never rehearsed");
	} else if (h->drill_code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "%s", h->drill_text);
	} else if (!h->drill_passed_ns) {
		judge_add(ret, DOCTOR_DANGER, "no drill has ever passed; the last, %s, %s%s",
			  judge_ago(f, h->drill_ns, ago), h->drill_failed_step[0] ? "failed at: " : "did not",
			  h->drill_failed_step);
	} else if (!h->drill_passed && h->drill_failed_step[0]) {
		judge_add(ret, DOCTOR_DANGER, "the last one, %s, failed at: %s",
			  judge_ago(f, h->drill_ns, ago), h->drill_failed_step);
	}
	if (h->drill_code == 0 && h->drill_passed_ns &&
	    (h->drill_overdue || (!h->drill_limit_s && judge_days(f, h->drill_passed_ns) > DRILL_DAYS)))
		judge_add(ret, DOCTOR_WARNING, "it is overdue: the last that passed was %s",
			  judge_ago(f, h->drill_passed_ns, ago));
	if (ret->verdict == DOCTOR_OK) {
		judge_fine(ret, "it passed %s%s%s", judge_ago(f, h->drill_passed_ns, ago),
			   h->drill_rto_seconds >= 0 ? ", the newest files back in " : "",
			   h->drill_rto_seconds >= 0 ? judge_span(h->drill_rto_seconds, span) : "");
		return;
	}
	judge_remedy(ret, "rehearse it; now and then with the kit alone, on another machine (holdfast drill "
			  "--from URL --kit -)");
	judge_command(ret, "holdfast drill %s", JUDGE_STORE(f));
}

static void drill_timer(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_machine *m = &f->machine;

	judge_fine(ret, "%s", m->drill_timer_name);
	if (m->drill_timer == FACT_YES)
		return;
	if (m->drill_timer == FACT_UNKNOWN)
		judge_add(ret, DOCTOR_UNKNOWN, "neither systemd's nor cron's could be read: %s",
			  m->drill_timer_name);
	else
		judge_add(ret, DOCTOR_WARNING,
			  "neither systemd nor cron, as far as can be read, runs holdfast drill");
	judge_remedy(ret, "have it run by itself, here or on the machine that would take over, and be told "
			  "when it fails");
}

static void head_saved(const struct facts *f, struct doctor_finding *ret)
{
	const uint64_t given_ns = f->store.r.head_ns;
	char ago[JUDGE_SPAN_BYTES];

	if (given_ns && judge_days(f, given_ns) <= HEAD_DAYS) {
		judge_fine(ret, "one was given out %s", judge_ago(f, given_ns, ago));
		return;
	}
	if (!given_ns)
		judge_add(ret, DOCTOR_WARNING,
			  "no head was ever given out: a replica that serves an older state would not be "
			  "found out");
	else
		judge_add(ret, DOCTOR_WARNING,
			  "the last was given out %s: a replica may serve that state, and nobody would know",
			  judge_ago(f, given_ns, ago));
	judge_remedy(ret, "have one sent away each day, to where neither this machine nor a replica reaches");
	judge_command(ret, "holdfast head %s | mail -s head me@example.org", JUDGE_STORE(f));
}

static void writer_epoch(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_log_end *end = &f->store.r.log;
	char span[JUDGE_SPAN_BYTES];
	double days;

	if (end->code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "the log's end could not be read");
		return;
	}
	days = judge_days(f, end->epoch_created_ns);
	judge_fine(ret, "epoch %" PRIu32 ", its writer key %s old", end->epoch,
		   judge_span(days > 0 ? days * 86400 : 0, span));
	if (days <= EPOCH_DAYS)
		return;
	judge_add(ret, DOCTOR_WARNING,
		  "the writer key has been on this machine for %s: who ever took it can write still",
		  judge_span(days * 86400, span));
	judge_remedy(ret, "make a new one, and have every replica refuse the old; with the store unmounted:");
	judge_command(ret, "holdfast rekey %s --kit KIT", JUDGE_STORE(f));
}

static void log_end(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_log_end *end = &f->store.r.log;

	if (end->code == 0) {
		judge_fine(ret, "segment %" PRIu32 ", offset %" PRIu32 ", tid-%" PRIu64, end->segment,
			   end->offset, end->tid);
		return;
	}
	judge_add(ret,
		  end->code == -EACCES || end->code == -EPERM || end->code == -ENOMEM ? DOCTOR_UNKNOWN :
											DOCTOR_DANGER,
		  "%s", end->text);
	judge_remedy(ret, "see docs/RUNBOOK.md before anything is changed");
	judge_command(ret, "holdfast check %s", JUDGE_STORE(f));
}

static void log_verified(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_readiness *r = &f->store.r;
	char ago[JUDGE_SPAN_BYTES];

	if (r->damaged)
		judge_add(ret, DOCTOR_DANGER, "%zu place%s known to be damaged, and not healed", r->damaged,
			  r->damaged == 1 ? " is" : "s are");
	if (r->verified_ns && judge_days(f, r->verified_ns) <= VERIFIED_DAYS)
		judge_fine(ret, "the last byte of it %s", judge_ago(f, r->verified_ns, ago));
	else if (r->verified_ns)
		judge_add(ret, DOCTOR_WARNING, "all of it was last verified %s",
			  judge_ago(f, r->verified_ns, ago));
	else if (judge_days(f, r->created_ns) > VERIFIED_DAYS)
		judge_add(ret, DOCTOR_WARNING, "it was never verified from end to end");
	else
		judge_fine(ret, "not from end to end yet; the store is new");
	judge_remedy(ret, r->damaged ?
				  "heal it from a replica" :
				  "do it now, or mount with -o scrub=30d, which does it beside the rest");
	judge_command(ret, "holdfast check %s%s", JUDGE_STORE(f), r->damaged ? " --repair" : "");
}

static void log_format(const struct facts *f, struct doctor_finding *ret)
{
	const struct hf_readiness *r = &f->store.r;

	if (r->log.code < 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "the log's end could not be read");
		return;
	}
	judge_fine(ret, "version %u, the newest that this program writes", r->format_newest);
	if (r->log.format_floor >= r->format_newest)
		return;
	judge_add(ret, DOCTOR_WARNING, "replicas still take version %u, and this program writes %u",
		  r->log.format_floor, r->format_newest);
	judge_remedy(
		ret,
		"when every node is as new as this, begin an epoch: from then on nothing older is taken; "
		"with the store unmounted:");
	judge_command(ret, "holdfast rekey %s --kit KIT", JUDGE_STORE(f));
}

static void index_there(const struct facts *f, struct doctor_finding *ret)
{
	char bytes[JUDGE_SPAN_BYTES];

	judge_fine(ret, f->store.r.index ? "it is there" : "none yet, and the log is short");
	if (f->store.r.index_damaged) {
		judge_add(ret, DOCTOR_WARNING,
			  "damage was found in it: until the next mount, which builds it anew from the whole "
			  "log first, some files may not be read");
		judge_remedy(ret,
			     "unmount and mount it when you can do without it for as long as that takes");
		return;
	}
	if (f->store.r.index || f->store.r.log.segment <= 1)
		return;
	judge_add(ret, DOCTOR_WARNING, "there is none: the next mount builds it from the whole log first");
	judge_remedy(ret, "mount it before you need it; the log's disk has %s left",
		     judge_bytes(f->disk.free_bytes, bytes));
}

static const struct doctor_check checks[] = {
	{ "kit-checked", "recovery", "was a kit seen to open it lately?", kit_checked },
	{ "kit-away", "recovery", "is no kit on this machine?", kit_away },
	{ "drill", "recovery", "was a recovery rehearsed lately, and did it pass?", drill },
	{ "drill-timer", "recovery", "is it rehearsed by itself?", drill_timer },
	{ "head-saved", "recovery", "was a head given out lately?", head_saved },
	{ "writer-epoch", "recovery", "is the writer key not old?", writer_epoch },
	{ "log-end", "recovery", "does the log end where it should?", log_end },
	{ "log-verified", "recovery", "was every byte verified lately, and is none damaged?", log_verified },
	{ "log-format", "recovery", "is the log's version the newest?", log_format },
	{ "index", "recovery", "is there an index, and no damage known in it?", index_there },
};
const struct doctor_family family_recovery = JUDGE_FAMILY(checks);
