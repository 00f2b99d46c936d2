/* SPDX-License-Identifier: MIT */
#include "store/replica/replica.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/replica/config.h"
#include "store/replica/replicator.h"

struct replica_set {
	const struct os *os;
	struct log *log;
	struct replicator **all; /* immutable once started */
	size_t n;
	bool ship;
};

const char *hf_replica_state_name(enum hf_replica_state state)
{
	switch (state) {
	case HF_REPLICA_CONNECTING:
		return "connecting";
	case HF_REPLICA_CATCHING_UP:
		return "catching up";
	case HF_REPLICA_CURRENT:
		return "current";
	case HF_REPLICA_UNREACHABLE:
		return "unreachable";
	case HF_REPLICA_REFUSED:
		return "refused";
	case HF_REPLICA_AT_REST:
		return "at rest";
	}
	return "?";
}

int replica_set_start(const struct os *os, const char *path, struct log *log, const struct keyring *keys,
		      bool ship, struct replica_set **ret, struct hf_error *err)
{
	struct replica_set *set = calloc(1, sizeof(*set));
	char **names = NULL;
	size_t n = 0;
	int r;

	if (!set)
		return hf_error_set(err, -ENOMEM, "no memory");
	set->os = os;
	set->log = log;
	set->ship = ship;
	r = config_list(os, path, &names, &n, err);
	if (r == 0 && n > 0) {
		set->all = calloc(n, sizeof(struct replicator *));
		if (!set->all)
			r = hf_error_set(err, -ENOMEM, "no memory");
	}
	for (; r == 0 && set->n < n; set->n += r == 0)
		r = replicator_start(os, path, names[set->n], log, keys, ship, &set->all[set->n], err);
	config_free_names(names, n);
	if (r < 0) {
		replica_set_stop(set);
		return r;
	}
	*ret = set;
	return 0;
}

void replica_set_stop(struct replica_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++)
		replicator_stop(set->all[i]);
	log_wake(set->log);
	for (size_t i = 0; i < set->n; i++)
		replicator_free(set->all[i]);
	free(set->all);
	free(set);
}

size_t replica_set_status(struct replica_set *set, struct hf_replica_status *ret, size_t max)
{
	for (size_t i = 0; i < set->n && i < max; i++)
		replicator_status(set->all[i], &ret[i]);
	return set->n;
}

static int say_left(struct replicator *r, struct hf_error *err)
{
	struct hf_replica_status status;

	replicator_status(r, &status);
	return hf_error_set(err, -ETIMEDOUT, "replica %s still lacks %" PRIu64 " bytes (%s)%s%s", status.name,
			    status.lag_bytes, hf_replica_state_name(status.state),
			    status.error[0] ? ": " : "", status.error);
}

int replica_set_wait(struct replica_set *set, const struct log_point *point, unsigned timeout_ms,
		     struct hf_error *err)
{
	uint64_t until_ns = set->os->monotonic_ns(set->os->state) + (uint64_t)timeout_ms * 1000000u;

	for (size_t i = 0; set->ship && i < set->n; i++)
		if (replicator_wait(set->all[i], point->end, until_ns) < 0)
			return say_left(set->all[i], err);
	return 0;
}
