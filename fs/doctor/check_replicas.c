/* SPDX-License-Identifier: MIT */
/* Are there replicas, do they answer, and have they got it all? */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

enum {
	LAG_S = 600, /* where the store's own limit is off */
	LAG_DANGER_S = 86400,
	CLOCK_WARNING_S = 10,
	CLOCK_DANGER_S = 300, /* from there on a node takes no request: PROTOCOL.md §1 */
	CERTIFICATE_DAYS = 14,
	ROOM_PERCENT = 90,
};

static bool is(const struct facts_replica *p, enum hf_replica_state state)
{
	return strcmp(p->state, hf_replica_state_name(state)) == 0;
}

static void replica_count(const struct facts *f, struct doctor_finding *ret)
{
	if (f->replicas_text[0]) {
		judge_add(ret, DOCTOR_UNKNOWN, "%s", f->replicas_text);
		return;
	}
	judge_fine(ret, "%zu", f->n_replicas);
	if (f->n_replicas > 0)
		return;
	judge_add(ret, DOCTOR_DANGER, "none: what happens to this machine happens to the past as well");
	judge_remedy(ret, "add a node at another provider, or a bucket with Object Lock: on the node, "
			  "holdfast node invite "
			  "prints what stands for INVITATION");
	judge_command(ret, "holdfast replica add %s INVITATION", JUDGE_STORE(f));
}

static void replica_readable(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "all %zu", f->n_replicas);
	EACH_REPLICA(p, f)
	{
		if (p->r.code == 0)
			continue;
		judge_add(ret, DOCTOR_DANGER, "%s: %s", p->r.name, p->r.text);
		judge_remedy(ret, "it is not shipped to: mend its file, or remove it and add it again");
	}
}

/* Knocking says whether it is there; the process that ships to it says so too, and why it is not. */
static void replica_reachable(const struct facts *f, struct doctor_finding *ret)
{
	size_t asked = 0;

	EACH_REPLICA(p, f)
	{
		if (p->r.code < 0)
			continue;
		if (is(p, HF_REPLICA_UNREACHABLE))
			judge_add(ret, DOCTOR_DANGER, "%s: %s", p->r.name, p->error);
		else if (p->knocked && p->knock.code < 0 && p->knock.code != -EKEYREJECTED)
			judge_add(ret, DOCTOR_DANGER, "%s: %s", p->r.name, p->knock.text);
		else if (!p->knocked && !p->state[0])
			judge_add(ret, DOCTOR_UNKNOWN, "%s was not asked", p->r.name);
		else
			asked++;
	}
	judge_fine(ret, "%zu of %zu answer", asked, f->n_replicas);
	if (ret->verdict == DOCTOR_DANGER)
		judge_remedy(ret, "what is written now is nowhere else: look at that machine, and at the "
				  "line there; it "
				  "is caught up by itself when it is back");
}

static void replica_accepts(const struct facts *f, struct doctor_finding *ret)
{
	if (!f->live.answers && f->n_replicas > 0)
		judge_add(ret, DOCTOR_UNKNOWN, "nothing is shipped while the store is at rest");
	judge_fine(ret, "what is sent is taken");
	EACH_REPLICA(p, f)
	{
		if (!is(p, HF_REPLICA_REFUSED) && !is(p, HF_REPLICA_FULL))
			continue;
		judge_add(ret, DOCTOR_DANGER, "%s takes nothing of the log: %s", p->r.name, p->error);
		if (is(p, HF_REPLICA_FULL))
			judge_remedy(ret, "on the node: free its disk, or raise the budget with holdfast "
					  "node budget; it goes "
					  "on by itself");
		else
			judge_remedy(ret, "find out why before anything else: was the volume recovered "
					  "elsewhere, or is "
					  "somebody else writing with its key? See docs/RUNBOOK.md");
	}
}

static void replica_whole(const struct facts *f, struct doctor_finding *ret)
{
	char ago[JUDGE_SPAN_BYTES];

	judge_fine(ret, "none has come back with less than it had acknowledged");
	EACH_REPLICA(p, f)
	{
		if (!p->r.regressed_ns)
			continue;
		judge_add(ret, DOCTOR_DANGER, "%s came back with less than it had acknowledged, %s",
			  p->r.name, judge_ago(f, p->r.regressed_ns, ago));
		judge_remedy(ret, "was its disk restored from an older copy? What it lacked is sent again. "
				  "When you know why:");
		judge_command(ret, "holdfast replica acknowledge %s %s", JUDGE_STORE(f), p->r.name);
	}
}

static void judge_lag(const struct facts *f, const struct facts_replica *p, struct doctor_finding *ret)
{
	const uint32_t limit_s = f->watch.settings.lag_s ? f->watch.settings.lag_s : LAG_S;
	char span[JUDGE_SPAN_BYTES], bytes[JUDGE_SPAN_BYTES];

	if (!p->r.acked_tid && p->lag_bytes > 0)
		judge_add(ret, DOCTOR_DANGER, "%s has acknowledged nothing yet", p->r.name);
	else if (p->lag_seconds > limit_s)
		judge_add(ret, p->lag_seconds > LAG_DANGER_S ? DOCTOR_DANGER : DOCTOR_WARNING,
			  "%s is behind by %s, %s", p->r.name, judge_span(p->lag_seconds, span),
			  judge_bytes(p->lag_bytes, bytes));
}

static void replica_lag(const struct facts *f, struct doctor_finding *ret)
{
	double worst = 0;
	char span[JUDGE_SPAN_BYTES];

	EACH_REPLICA(p, f)
	{
		if (p->r.code < 0)
			continue;
		if (f->store.r.log.code < 0 && !p->state[0])
			judge_add(ret, DOCTOR_UNKNOWN, "%s: the log's end could not be read", p->r.name);
		judge_lag(f, p, ret);
		worst = p->lag_seconds > worst ? p->lag_seconds : worst;
	}
	if (worst > 0)
		judge_fine(ret, "at most %s behind", judge_span(worst, span));
	else
		judge_fine(ret, "everything durable is acknowledged");
	if (ret->verdict <= DOCTOR_UNKNOWN)
		return;
	judge_remedy(
		ret,
		f->live.mounted ?
			"what is not acknowledged is lost with this machine: is the line too slow, or a "
			"limit too low (holdfast replica limit)?" :
			"nothing is shipped while the store is at rest: mount it, and wait until holdfast "
			"status shows that it is current");
}

static void replica_identity(const struct facts *f, struct doctor_finding *ret)
{
	size_t proved = 0;

	EACH_REPLICA(p, f)
	{
		if (p->r.code < 0 || p->r.kind == HF_PLACE_DIRECTORY)
			continue;
		if (p->knocked && p->knock.code == -EKEYREJECTED)
			judge_add(ret, DOCTOR_DANGER, "%s: %s", p->r.name, p->knock.text);
		else if (!p->knocked || p->knock.code < 0)
			judge_add(ret, DOCTOR_UNKNOWN, "%s did not answer", p->r.name);
		else
			proved++;
	}
	judge_fine(ret, proved ? "%zu proved by pin or certificate" : "%zu to be proved", proved);
	if (ret->verdict == DOCTOR_DANGER)
		judge_remedy(ret, "was the node made anew, or is somebody in between? Ask its operator by "
				  "another way; one "
				  "made anew is removed here, and added with a new invitation");
}

/* A node is known by its key alone: until when its certificate is good says nothing. */
static void replica_certificate(const struct facts *f, struct doctor_finding *ret)
{
	char span[JUDGE_SPAN_BYTES];
	double days;

	judge_fine(ret, "a node is known by its key, and a bucket's certificate is good");
	EACH_REPLICA(p, f)
	{
		if (p->r.code < 0 || p->r.kind != HF_PLACE_BUCKET)
			continue;
		if (!p->knocked || !p->knock.certificate_ends_ns) {
			judge_add(ret, DOCTOR_UNKNOWN, "%s showed no certificate", p->r.name);
			continue;
		}
		days = -judge_days(f, p->knock.certificate_ends_ns);
		if (days < 0)
			judge_add(ret, DOCTOR_DANGER, "that of %s is over", p->r.host);
		else if (days < CERTIFICATE_DAYS)
			judge_add(ret, DOCTOR_WARNING, "that of %s ends in %s", p->r.host,
				  judge_span(days * 86400, span));
		judge_remedy(ret,
			     "when it is over nothing is shipped there: whoever runs that server renews it");
	}
}

static void replica_clock(const struct facts *f, struct doctor_finding *ret)
{
	char span[JUDGE_SPAN_BYTES];
	size_t told = 0;

	EACH_REPLICA(p, f)
	{
		const int64_t ahead = p->knock.clock_ahead_s, off = ahead < 0 ? -ahead : ahead;

		if (!p->knocked || !p->knock.has_clock)
			continue;
		told++;
		if (off <= CLOCK_WARNING_S)
			continue;
		judge_add(ret, off > CLOCK_DANGER_S ? DOCTOR_DANGER : DOCTOR_WARNING,
			  "%s has it %s %s than this machine", p->r.name, judge_span((double)off, span),
			  ahead > 0 ? "later" : "earlier");
		judge_remedy(ret, "one of the two is wrong, and moments, alarms and receipts with it: keep "
				  "both by NTP");
		judge_command(ret, "timedatectl set-ntp true");
	}
	judge_fine(ret, told ? "this machine and %zu agree" : "%zu have told what time they have", told);
}

static void replica_room(const struct facts *f, struct doctor_finding *ret)
{
	char used[JUDGE_SPAN_BYTES], room[JUDGE_SPAN_BYTES];
	size_t told = 0;

	EACH_REPLICA(p, f)
	{
		uint64_t limit = p->r.budget_bytes;

		if (p->r.code < 0 || p->r.kind != HF_PLACE_NODE)
			continue;
		if (!p->r.told_ns) {
			judge_add(ret, DOCTOR_UNKNOWN, "%s does not tell", p->r.name);
			continue;
		}
		told++;
		if (limit == UINT64_MAX || limit > p->r.used_bytes + p->r.free_bytes)
			limit = p->r.used_bytes + p->r.free_bytes;
		if (p->r.used_bytes < limit / 100 * ROOM_PERCENT)
			continue;
		judge_add(ret, p->r.used_bytes >= limit ? DOCTOR_DANGER : DOCTOR_WARNING,
			  "%s: %s of %s are used", p->r.name, judge_bytes(p->r.used_bytes, used),
			  judge_bytes(limit, room));
		judge_remedy(ret, "when that is full nothing more is taken: on the node, make room or raise "
				  "the budget");
		judge_command(ret, "holdfast node budget NODE-DIR %s SIZE", f->store.r.volume_id);
	}
	judge_fine(ret, told ? "enough, for as far as %zu can tell" : "%zu nodes", told);
}

static bool is_older(const char *a, const char *b)
{
	unsigned a_major = 0, a_minor = 0, a_patch = 0, b_major = 0, b_minor = 0, b_patch = 0;

	if (sscanf(a, "%u.%u.%u", &a_major, &a_minor, &a_patch) < 2 ||
	    sscanf(b, "%u.%u.%u", &b_major, &b_minor, &b_patch) < 2)
		return false;
	if (a_major != b_major)
		return a_major < b_major;
	return a_minor != b_minor ? a_minor < b_minor : a_patch < b_patch;
}

static void replica_version(const struct facts *f, struct doctor_finding *ret)
{
	size_t told = 0;

	EACH_REPLICA(p, f)
	{
		if (p->r.code < 0 || p->r.kind != HF_PLACE_NODE)
			continue;
		if (!p->r.told_ns) {
			judge_add(ret, DOCTOR_UNKNOWN, "%s has not told yet, or is too old to", p->r.name);
			judge_remedy(ret, "it is asked while the store is mounted");
			continue;
		}
		told++;
		if (!is_older(p->r.software, f->version))
			continue;
		judge_add(ret, DOCTOR_WARNING, "%s runs %s, and this is %s", p->r.name, p->r.software,
			  f->version);
		judge_remedy(ret, "update the node before the store: an old node does not take what a new "
				  "store may write");
	}
	judge_fine(ret, told ? "%zu run what is here, or newer" : "%zu nodes", told);
}

static void sync_mode(const struct facts *f, struct doctor_finding *ret)
{
	if (!f->live.answers) {
		judge_fine(ret, "a store at rest has none");
		return;
	}
	judge_fine(ret,
		   f->live.sync_receipts ? "every fsync waits for %u of %zu" :
					   "no fsync waits for a replica (%u of %zu)",
		   f->live.sync_receipts, f->n_replicas);
	if (f->live.sync_error[0]) {
		judge_add(ret, DOCTOR_DANGER, "an fsync has failed for want of receipts: %s",
			  f->live.sync_error);
		judge_remedy(ret, "bring the replica back, or mount without sync=replica until it is");
	}
	if (f->live.sync_receipts > 0 && f->live.sync_receipts == f->n_replicas) {
		judge_add(ret, DOCTOR_WARNING,
			  "every fsync waits for %u of %zu: when one is away, none succeeds",
			  f->live.sync_receipts, f->n_replicas);
		judge_remedy(ret, "add one more replica than sync=replica:N waits for");
	}
}

static const struct doctor_check checks[] = {
	{ "replica-count", "replicas", "is there any replica?", replica_count },
	{ "replica-config", "replicas", "can what is known of each be read?", replica_readable },
	{ "replica-reachable", "replicas", "does each answer?", replica_reachable },
	{ "replica-accepts", "replicas", "does each take what it is sent?", replica_accepts },
	{ "replica-whole", "replicas", "has each what it acknowledged?", replica_whole },
	{ "replica-lag", "replicas", "how far is each behind?", replica_lag },
	{ "replica-identity", "replicas", "is each who it was?", replica_identity },
	{ "replica-certificate", "replicas", "is each certificate good for a while?", replica_certificate },
	{ "replica-clock", "replicas", "do they have the time that is here?", replica_clock },
	{ "replica-room", "replicas", "has each room left?", replica_room },
	{ "replica-version", "replicas", "is each as new as this?", replica_version },
	{ "sync-mode", "replicas", "does an fsync depend on every replica?", sync_mode },
};
const struct doctor_family family_replicas = JUDGE_FAMILY(checks);
