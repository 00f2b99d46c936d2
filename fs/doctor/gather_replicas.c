/* SPDX-License-Identifier: MIT */
/* The replicas: what is known of them, whether they answer, and where they seem to be. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/doctor/gather.h"

/* --- what is known */

static int list(struct facts *f)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_replica_facts *all;
	size_t n;

	if (hf_readiness_replicas(f->store.path, &f->store.r.log, &all, &n, &err) < 0) {
		memcpy(f->replicas_text, err.text, sizeof(f->replicas_text));
		return err.code;
	}
	f->replicas = calloc(n ? n : 1, sizeof(*f->replicas));
	if (f->replicas)
		f->n_replicas = n;
	for (size_t i = 0; i < f->n_replicas; i++)
		f->replicas[i].r = all[i];
	free(all);
	return f->replicas ? 0 : -ENOMEM;
}

/* What is found is kept in the store, and read from there again. */
static void probe(struct facts *f)
{
	for (size_t at = 0; at < f->n_replicas; at++) {
		struct facts_replica *p = &f->replicas[at];
		struct hf_error err = HF_ERROR_INIT;
		struct hf_replica_facts *all;
		size_t n;

		if (p->r.code < 0 || p->r.kind != HF_PLACE_BUCKET)
			continue;
		if (hf_replica_probe(f->store.path, p->r.name, NULL, NULL, &err) < 0 && err.code != -EPERM)
			memcpy(p->probe_text, err.text, sizeof(p->probe_text));
		if (hf_readiness_replicas(f->store.path, &f->store.r.log, &all, &n, NULL) < 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (!strcmp(all[i].name, p->r.name)) {
				p->r = all[i];
				break;
			}
		free(all);
	}
}

static void take_status(const json_t *status, uint64_t now_ns, struct facts_replica *p)
{
	const json_t *one;
	size_t i;

	p->lag_bytes = p->r.lag_bytes;
	if (p->r.lag_since_ns && p->r.lag_since_ns < now_ns)
		p->lag_seconds = (double)(now_ns - p->r.lag_since_ns) / 1e9;
	json_array_foreach(json_object_get(status, "replicas"), i, one) {
		const char *name = json_string_value(json_object_get(one, "name"));
		const char *state = json_string_value(json_object_get(one, "state"));
		const char *error = json_string_value(json_object_get(one, "error"));

		if (!name || strcmp(name, p->r.name) != 0)
			continue;
		(void)gather_text(p->state, sizeof(p->state), "%s", state ? state : "");
		(void)gather_text(p->error, sizeof(p->error), "%s", error ? error : "");
		p->lag_seconds = json_number_value(json_object_get(one, "lag_seconds"));
		p->lag_bytes = (uint64_t)json_integer_value(json_object_get(one, "lag_bytes"));
		p->r.acked_tid = (uint64_t)json_integer_value(json_object_get(one, "acked_tid"));
	}
}

/* --- do they answer */

struct knocking {
	const char *store;
	unsigned timeout_ms;
	struct facts_replica *p;
	pthread_t thread;
	bool started;
};

static void *knock(void *arg)
{
	struct knocking *k = arg;

	k->p->knocked = hf_replica_knock(k->store, k->p->r.name, k->timeout_ms, &k->p->knock, NULL) == 0;
	return NULL;
}

/* All at once: one that is away takes its time. */
static void knock_at_all(const struct doctor_ask *ask, struct facts *f)
{
	struct knocking *all = calloc(f->n_replicas ? f->n_replicas : 1, sizeof(*all));

	for (size_t i = 0; all && i < f->n_replicas; i++) {
		all[i] = (struct knocking){ .store = f->store.path,
					    .timeout_ms = ask->knock_ms,
					    .p = &f->replicas[i] };
		all[i].started = f->replicas[i].r.code == 0 &&
				 pthread_create(&all[i].thread, NULL, knock, &all[i]) == 0;
	}
	for (size_t i = 0; all && i < f->n_replicas; i++)
		if (all[i].started)
			(void)pthread_join(all[i].thread, NULL);
	free(all);
}

/* --- where they are */

/* How many bits an address begins with as another does; -1: they are of two kinds. */
static int bits_in_common(const struct sockaddr *a, const char *address)
{
	uint8_t theirs[16];
	const uint8_t *ours;
	int bits = 0, bytes;

	if (a->sa_family == AF_INET && inet_pton(AF_INET, address, theirs) == 1) {
		ours = (const uint8_t *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
		bytes = 4;
	} else if (a->sa_family == AF_INET6 && inet_pton(AF_INET6, address, theirs) == 1) {
		ours = (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
		bytes = 16;
	} else {
		return -1;
	}
	while (bits < 8 * bytes && !((ours[bits / 8] ^ theirs[bits / 8]) & (0x80 >> bits % 8)))
		bits++;
	return bits;
}

static bool is_loopback(const char *address)
{
	return !strncmp(address, "127.", 4) || !strcmp(address, "::1") ||
	       !strncmp(address, "::ffff:127.", 11);
}

/* Of this machine, or in one network with it: a /24 of IPv4, a /48 of IPv6, whatever the interface's own
 * mask. */
static void place_address(const char *address, struct facts_replica *p)
{
	struct ifaddrs *all = NULL;

	p->here = p->near = FACT_NO;
	if (is_loopback(address))
		p->here = p->near = FACT_YES;
	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
		int bits = one->ifa_addr ? bits_in_common(one->ifa_addr, address) : -1;
		bool v4 = bits >= 0 && one->ifa_addr->sa_family == AF_INET;

		if (bits < 0)
			continue;
		if (bits == (v4 ? 32 : 128))
			p->here = FACT_YES;
		if (bits >= (v4 ? 24 : 48))
			p->near = FACT_YES;
	}
	freeifaddrs(all);
}

static void place_host(struct facts_replica *p)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found = NULL;

	if (p->knock.address[0]) {
		place_address(p->knock.address, p);
	} else if (!strcmp(p->r.host, "localhost")) {
		p->here = p->near = FACT_YES;
	} else if (getaddrinfo(p->r.host, NULL, &hints, &found) ==
		   0) { /* one that is written as such asks nobody */
		place_address(p->r.host, p);
		freeaddrinfo(found);
	}
}

static void place_folder(const struct facts *f, struct facts_replica *p)
{
	struct facts_disk theirs = { .type = "" }, ours = { .type = "" };
	struct stat there, here;
	char real[PATH_MAX];

	p->here = FACT_YES;
	if (!realpath(p->r.path, real) || stat(real, &there) < 0 || stat(f->store.path, &here) < 0)
		return;
	gather_filesystem("", real, &theirs);
	gather_filesystem("", f->store.path, &ours);
	if (there.st_dev == here.st_dev)
		p->same_disk = FACT_YES;
	else if (theirs.memory != ours.memory || theirs.network != ours.network)
		p->same_disk = FACT_NO;
	else
		p->same_disk = gather_share_disk("", gather_device(&theirs, real),
						 gather_device(&ours, f->store.path));
}

void gather_replicas(const struct doctor_ask *ask, struct facts *f)
{
	if (list(f) < 0)
		return;
	if (ask->probe)
		probe(f);
	for (size_t i = 0; i < f->n_replicas; i++)
		take_status(ask->status, f->now_ns, &f->replicas[i]);
	if (ask->knock_ms)
		knock_at_all(ask, f);
	for (size_t i = 0; i < f->n_replicas; i++) {
		if (f->replicas[i].r.code < 0)
			continue;
		if (f->replicas[i].r.kind == HF_PLACE_DIRECTORY)
			place_folder(f, &f->replicas[i]);
		else
			place_host(&f->replicas[i]);
	}
}
