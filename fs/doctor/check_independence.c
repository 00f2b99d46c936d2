/* SPDX-License-Identifier: MIT */
/* Would what takes this machine away take the replicas with it? As far as that can be seen from here. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "fs/doctor/judge.h"

/* --- whose they are */

/* A provider, by what its machines say of themselves and what its servers are called. */
static const struct {
	const char *vendor, *suffix;
} providers[] = {
	{ "Amazon", "amazonaws.com" },
	{ "Google", "googleapis.com" },
	{ "Microsoft", "windows.net" },
	{ "Microsoft", "azure.com" },
	{ "DigitalOcean", "digitaloceanspaces.com" },
	{ "Hetzner", "your-objectstorage.com" },
	{ "Hetzner", "your-storagebox.de" },
	{ "Hetzner", "your-server.de" },
	{ "OVH", "ovh.net" },
	{ "OVH", "cloud.ovh.net" },
	{ "Scaleway", "scw.cloud" },
	{ "Linode", "linodeobjects.com" },
	{ "Vultr", "vultrobjects.com" },
	{ "Alibaba", "aliyuncs.com" },
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), tail = strlen(end);

	return len >= tail && strcasecmp(text + len - tail, end) == 0 &&
	       (len == tail || text[len - tail - 1] == '.');
}

static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

/*
 * The part of a host's name that somebody has to own: its last two labels, or three where the last but one is
 * as short as those are below which names are given out (co.uk). A guess. NULL: it has none.
 */
static const char *domain_of(const char *host)
{
	const char *dots[3] = { NULL, NULL, NULL };

	if (is_address(host))
		return NULL;
	for (const char *p = host + strlen(host); p > host && !dots[2]; p--)
		if (p[-1] == '.')
			dots[dots[0] ? dots[1] ? 2 : 1 : 0] = p - 1;
	if (!dots[0])
		return NULL;
	if (!dots[1])
		return host;
	if (strlen(dots[0]) == 3 && dots[0] - dots[1] <= 4)
		return dots[2] ? dots[2] + 1 : host;
	return dots[1] + 1;
}

static bool same_domain(const char *a, const char *b)
{
	a = domain_of(a);
	b = domain_of(b);
	return a && b && strcasecmp(a, b) == 0;
}

/* Of one owner's network: a /24 of IPv4, a /48 of IPv6. */
static bool same_network(const char *a, const char *b)
{
	uint8_t a4[4], b4[4], a6[16], b6[16];

	if (inet_pton(AF_INET, a, a4) == 1 && inet_pton(AF_INET, b, b4) == 1)
		return memcmp(a4, b4, 3) == 0;
	return inet_pton(AF_INET6, a, a6) == 1 && inet_pton(AF_INET6, b, b6) == 1 && memcmp(a6, b6, 6) == 0;
}

static bool is_elsewhere(const struct facts_replica *p)
{
	return p->r.code == 0 && p->r.kind != HF_PLACE_DIRECTORY && p->here != FACT_YES;
}

/* --- checks */

static void elsewhere(const struct facts *f, struct doctor_finding *ret)
{
	size_t away = 0, unknown = 0;

	if (f->replicas_text[0]) {
		judge_add(ret, DOCTOR_UNKNOWN, "%s", f->replicas_text);
		return;
	}
	EACH_REPLICA(p, f)
	{
		if (!is_elsewhere(p))
			continue;
		if (p->here == FACT_UNKNOWN)
			unknown++;
		else
			away++;
	}
	judge_fine(ret, "%zu on other machines", away);
	if (away > 0)
		return;
	if (unknown > 0) {
		judge_add(ret, DOCTOR_UNKNOWN, "%zu could not be reached: it is not known where it is",
			  unknown);
		return;
	}
	judge_add(ret, DOCTOR_DANGER,
		  "no replica is on another machine: whoever is root here can delete all of it");
	judge_remedy(ret, "add a node at another provider, or a bucket with Object Lock");
	judge_command(ret, "holdfast replica add %s INVITATION", JUDGE_STORE(f));
}

static void folder(const struct facts *f, struct doctor_finding *ret)
{
	size_t folders = 0;

	EACH_REPLICA(p, f)
	{
		if (p->r.code < 0 || p->r.kind != HF_PLACE_DIRECTORY)
			continue;
		folders++;
		if (p->same_disk == FACT_YES)
			judge_add(ret, DOCTOR_WARNING,
				  "%s (%s) is on the disk of the store: one disk less, and both are gone",
				  p->r.name, p->r.path);
		else if (p->same_disk == FACT_UNKNOWN)
			judge_add(ret, DOCTOR_UNKNOWN, "whether %s (%s) is on another disk cannot be seen",
				  p->r.name, p->r.path);
	}
	judge_fine(ret, folders ? "%zu on other disks: a help when one breaks, and none against root" : "%zu",
		   folders);
	judge_remedy(ret, "put it on another disk; against who is root here no folder helps");
}

static void independent(const struct facts *f, struct doctor_finding *ret)
{
	const struct facts_replica *first = NULL;
	size_t n = 0, apart = 0;

	if (f->replicas_text[0]) {
		judge_add(ret, DOCTOR_UNKNOWN, "%s", f->replicas_text);
		return;
	}
	EACH_REPLICA(p, f)
	{
		if (!is_elsewhere(p))
			continue;
		n++;
		if (!first) {
			first = p;
			continue;
		}
		if (!strcasecmp(p->r.host, first->r.host) || same_domain(p->r.host, first->r.host))
			judge_fine(ret, "%s and %s are at one owner's", first->r.name, p->r.name);
		else if (same_network(p->knock.address, first->knock.address))
			judge_fine(ret, "%s and %s are in one network", first->r.name, p->r.name);
		else
			apart++;
	}
	if (apart > 0) {
		judge_fine(ret, "at least two hang on different names and networks");
		return;
	}
	if (n == 0) {
		judge_add(ret, DOCTOR_DANGER, "there is none to depend on");
	} else {
		char together[DOCTOR_TEXT_BYTES];

		memcpy(together, ret->reason, sizeof(together));
		judge_add(ret, DOCTOR_WARNING, "%s",
			  n == 1 ? "all hangs on one: its operator, or whoever breaks in there, can withhold "
				   "it" :
				   together);
	}
	judge_remedy(ret,
		     "have two, at two providers, under two accounts that no one person or password opens");
	judge_command(ret, "holdfast replica add %s INVITATION", JUDGE_STORE(f));
}

static const char *provider_in_common(const struct facts *f, const struct facts_replica *p)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (strstr(f->machine.vendor, providers[i].vendor) &&
		    ends_with(p->r.host, providers[i].suffix))
			return providers[i].vendor;
	return NULL;
}

static void provider(const struct facts *f, struct doctor_finding *ret)
{
	size_t away = 0, n = 0;

	EACH_REPLICA(p, f)
	{
		const char *common;

		if (!is_elsewhere(p))
			continue;
		n++;
		common = provider_in_common(f, p);
		if (common)
			judge_add(ret, DOCTOR_WARNING, "%s and this machine are both %s's", p->r.name,
				  common);
		else if (strchr(f->machine.hostname, '.') && same_domain(p->r.host, f->machine.hostname))
			judge_add(ret, DOCTOR_WARNING, "%s and this machine are of one domain", p->r.name);
		else if (p->near == FACT_YES)
			judge_add(ret, DOCTOR_WARNING, "%s (%s) is in a network of this machine", p->r.name,
				  p->knock.address);
		else
			away++;
	}
	if (away > 0) { /* one that is apart is what it takes */
		memset(ret, 0, sizeof(*ret));
		judge_fine(ret, "nothing is to be seen that this machine and %zu of %zu have in common", away,
			   n);
		return;
	}
	judge_fine(ret, "%zu replicas elsewhere", n);
	judge_remedy(ret, "fire, a bill not paid, or one account's console takes both: have one replica at "
			  "another provider");
}

static void account(const struct facts *f, struct doctor_finding *ret)
{
	judge_fine(ret, "no account of a provider is open from this machine, as far as can be seen");
	EACH_REPLICA(a, f)
	for (const struct facts_replica *b = a + 1; b < f->replicas + f->n_replicas; b++)
		if (a->r.account[0] && !strcmp(a->r.account, b->r.account)) {
			judge_add(ret, DOCTOR_WARNING, "%s and %s are under one account's key", a->r.name,
				  b->r.name);
			judge_remedy(ret, "what ends that account ends both: have one under another account");
		}
	if (f->store.cloud[0]) {
		judge_add(ret, DOCTOR_WARNING, "%s: who is root here has an account's credentials",
			  f->store.cloud);
		judge_remedy(ret, "if they can delete the machine of a replica, or its bucket, take them "
				  "away from here");
	}
	if (f->store.why[0])
		judge_add(ret, DOCTOR_UNKNOWN, "%s", f->store.why);
}

static const struct doctor_check checks[] = {
	{ "replica-elsewhere", "independence", "is a replica on another machine?", elsewhere },
	{ "replica-folder", "independence", "are folders on other disks?", folder },
	{ "replica-independent", "independence", "do two replicas not hang on the same?", independent },
	{ "replica-provider", "independence", "is one at another provider than this machine?", provider },
	{ "replica-account", "independence", "does no one account open both?", account },
};
const struct doctor_family family_independence = JUDGE_FAMILY(checks);
