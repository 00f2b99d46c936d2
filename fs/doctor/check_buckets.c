/* SPDX-License-Identifier: MIT */
/* Buckets: is what is put there really locked, and for long enough? PROTOCOL.md §11. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs/doctor/judge.h"

enum {
	RETENTION_WARNING_DAYS = 90,
	RETENTION_DANGER_DAYS = 7,
	RENEW_DAYS = 30, /* before the first lock may end */
	PROBE_DAYS = 366,
};

#define EACH_BUCKET(p, f) EACH_REPLICA(p, f) if (p->r.code == 0 && p->r.kind == HF_PLACE_BUCKET)

static const struct hf_probed *found(const struct facts_replica *p, const char *what)
{
	for (size_t i = 0; i < p->r.n_probed; i++)
		if (!strcmp(p->r.probed[i].what, what))
			return &p->r.probed[i];
	return NULL;
}

static size_t count(const struct facts *f)
{
	size_t n = 0;

	EACH_BUCKET(p, f)
	n++;
	return n;
}

static void not_tried(const struct facts *f, const struct facts_replica *p, struct doctor_finding *ret)
{
	judge_add(ret, DOCTOR_UNKNOWN, "what %s enforces was never tried", p->r.name);
	judge_remedy(ret, "have it tried: it takes a few small objects");
	judge_command(ret, "holdfast doctor %s --probe", JUDGE_STORE(f));
}

static void lock(const struct facts *f, struct doctor_finding *ret)
{
	char ago[JUDGE_SPAN_BYTES];

	judge_fine(ret, count(f) ? "in %zu, COMPLIANCE, tried" : "%zu buckets", count(f));
	EACH_BUCKET(p, f)
	{
		if (p->probe_text[0])
			judge_add(ret, DOCTOR_UNKNOWN, "%s could not be tried now: %s", p->r.name,
				  p->probe_text);
		if (!p->r.probed_ns) {
			not_tried(f, p, ret);
			continue;
		}
		for (size_t i = 0; i < p->r.n_probed; i++)
			if (p->r.probed[i].finding == HF_FINDING_DANGER)
				judge_add(ret, DOCTOR_DANGER, "%s: %s: %s", p->r.name, p->r.probed[i].what,
					  p->r.probed[i].words);
		if (judge_days(f, p->r.probed_ns) > PROBE_DAYS) {
			judge_add(ret, DOCTOR_WARNING, "%s was tried last %s", p->r.name,
				  judge_ago(f, p->r.probed_ns, ago));
			judge_command(ret, "holdfast doctor %s --probe", JUDGE_STORE(f));
		}
	}
	judge_remedy(ret, "versioning, Object Lock with a default retention in COMPLIANCE mode, and "
			  "credentials that may put, "
			  "get and list: then try it anew with --probe");
}

/* "COMPLIANCE, for what is put now until 2027-02-23T00:00:00, by the bucket's default": days from when that
 * was found. */
static unsigned days_until(const struct facts_replica *p, const char *words)
{
	const char *until = strstr(words, " until ");
	struct tm t = { .tm_sec = 0 };
	time_t end;

	if (!until || sscanf(until, " until %d-%d-%dT%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour,
			     &t.tm_min) != 5)
		return 0;
	t.tm_year -= 1900;
	t.tm_mon--;
	end = timegm(&t);
	if (end <= (time_t)(p->r.probed_ns / 1000000000u))
		return 0;
	return (unsigned)((end - (time_t)(p->r.probed_ns / 1000000000u) + 43200) / 86400);
}

/* As it was chosen; else the bucket's own, as it says, or as could be seen of what was put. */
static unsigned retention_of(const struct facts_replica *p)
{
	const struct hf_probed *own = found(p, "default retention"), *seen = found(p, "object lock");

	if (p->r.retention_days)
		return p->r.retention_days;
	if (own)
		return (unsigned)strtoul(own->words, NULL, 10);
	return seen ? days_until(p, seen->words) : 0;
}

static void retention(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, count(f) ? "long enough in %zu" : "%zu buckets", count(f));
	EACH_BUCKET(p, f)
	{
		unsigned days = retention_of(p);

		if (!p->r.probed_ns)
			not_tried(f, p, ret);
		else if (days == 0)
			judge_add(ret, DOCTOR_UNKNOWN, "how long %s keeps by itself may not be asked",
				  p->r.name);
		else if (days < RETENTION_WARNING_DAYS)
			judge_add(ret, days < RETENTION_DANGER_DAYS ? DOCTOR_DANGER : DOCTOR_WARNING,
				  "%s locks for %u days: who has the account's owner needs to wait no longer",
				  p->r.name, days);
	}
	judge_remedy(
		ret,
		"a log needs its first object as much as its last: make it years, or renew it now and then");
}

/* The first object has been there since the bucket was tried for the first time, or a little longer. */
static void renewal(const struct facts *f, struct doctor_finding *ret)
{
	char span[JUDGE_SPAN_BYTES];

	judge_fine(ret, count(f) ? "no first lock of %zu ends soon" : "%zu buckets", count(f));
	EACH_BUCKET(p, f)
	{
		double left = retention_of(p) - judge_days(f, p->r.first_probed_ns);

		if (!p->r.first_probed_ns)
			not_tried(f, p, ret);
		if (!p->r.first_probed_ns || !retention_of(p) || left > RENEW_DAYS)
			continue;
		if (left < 0)
			judge_add(ret, DOCTOR_DANGER,
				  "unless they were renewed, the first locks in %s ended %s ago", p->r.name,
				  judge_span(-left * 86400, span));
		else
			judge_add(ret, DOCTOR_WARNING,
				  "unless they were renewed, the first locks in %s end in %s", p->r.name,
				  judge_span(left * 86400, span));
		judge_remedy(ret, "renew them from another machine, with the bucket owner's credentials; "
				  "nothing here can see "
				  "whether that was done: --ignore bucket-renewal, if you see to it");
		judge_command(ret, "holdfast replica renew %s --volume %s --retention 10y",
			      JUDGE_WORD(p->r.url), f->store.r.volume_id);
	}
}

static void credentials(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, count(f) ? "in %zu they may not delete" : "%zu buckets", count(f));
	EACH_BUCKET(p, f)
	{
		const struct hf_probed *deleting = found(p, "deleting");

		if (!p->r.probed_ns)
			not_tried(f, p, ret);
		else if (deleting && deleting->finding != HF_FINDING_GOOD)
			judge_add(ret, DOCTOR_WARNING,
				  "those for %s may delete: versions are kept, and who steals them can "
				  "still hide everything behind markers",
				  p->r.name);
	}
	judge_remedy(ret, "give it credentials that may put, get and list, and nothing else");
}

static const struct doctor_check checks[] = {
	{ "bucket-lock", "buckets", "is what is put there locked?", lock },
	{ "bucket-retention", "buckets", "is it locked for long?", retention },
	{ "bucket-renewal", "buckets", "are the first objects locked still?", renewal },
	{ "bucket-credentials", "buckets", "may the credentials do only what they must?", credentials },
};
const struct doctor_family family_buckets = JUDGE_FAMILY(checks);
