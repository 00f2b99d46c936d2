/* SPDX-License-Identifier: MIT */
/* What an open store has counted (holdfast/metrics.h). */
#include <assert.h>
#include <string.h>

#include "holdfast/metrics.h"
#include "store/chunk/cache.h"
#include "store/index/index.h"
#include "store/volume/volume.h"

_Static_assert(OP_RETIRE - OP_CREATE + 1 == HF_OPERATION_KINDS, "an operation has a kind");

const char *hf_operation_name(unsigned kind)
{
	static const char *const names[HF_OPERATION_KINDS] = {
		[OP_CREATE - OP_CREATE] = "create",     [OP_LINK - OP_CREATE] = "link",
		[OP_UNLINK - OP_CREATE] = "unlink",     [OP_RENAME - OP_CREATE] = "rename",
		[OP_SETATTR - OP_CREATE] = "setattr",   [OP_WRITE - OP_CREATE] = "write",
		[OP_RANGE - OP_CREATE] = "range",       [OP_CLONE - OP_CREATE] = "clone",
		[OP_SETXATTR - OP_CREATE] = "setxattr", [OP_REMOVEXATTR - OP_CREATE] = "removexattr",
		[OP_REAP - OP_CREATE] = "reap",         [OP_TAG - OP_CREATE] = "tag",
		[OP_FOLD - OP_CREATE] = "fold",         [OP_RETIRE - OP_CREATE] = "retire",
	};

	return kind < HF_OPERATION_KINDS ? names[kind] : NULL;
}

void meters_init(struct hf_store *s)
{
	s->meters.commit_duration.bounds = &hf_bounds_duration;
	s->meters.commit_operations.bounds = &hf_bounds_items;
	s->meters.commit_bytes.bounds = &hf_bounds_bytes;
	s->meters.fsync_duration.bounds = &hf_bounds_duration;
}

void meters_operation(struct hf_store *s, uint8_t type)
{
	assert(type >= OP_CREATE && type <= OP_RETIRE);
	s->meters.operations[type - OP_CREATE]++;
}

void meters_commit(struct hf_store *s, const struct group *g, uint64_t ns, bool failed)
{
	if (failed) {
		meter_count(&s->meters.commit_failures, 1);
		return;
	}
	meter_add(&s->meters.commit_duration, ns);
	meter_add(&s->meters.commit_operations, g->n);
	meter_add(&s->meters.commit_bytes, g->bytes + g->records.len);
}

void meters_fsync(struct hf_store *s, uint64_t ns, bool failed)
{
	meter_add(&s->meters.fsync_duration, ns);
	if (failed)
		meter_count(&s->meters.fsync_failures, 1);
}

void hf_store_metrics(struct hf_store *s, struct hf_store_metrics *ret)
{
	struct frame_cache_stats cache;
	struct index_stats index;

	frame_cache_stats(s->frames, &cache);
	index_stats(s->index, &index);
	memset(ret, 0, sizeof(*ret));
	meter_read(&s->meters.commit_duration, &ret->commit_duration);
	meter_read(&s->meters.commit_operations, &ret->commit_operations);
	meter_read(&s->meters.commit_bytes, &ret->commit_bytes);
	meter_read(&s->meters.fsync_duration, &ret->fsync_duration);
	ret->commit_failures = meter_value(&s->meters.commit_failures);
	ret->fsync_failures = meter_value(&s->meters.fsync_failures);
	ret->cache_hits = cache.hits;
	ret->cache_misses = cache.misses;
	ret->cache_bytes = cache.bytes;
	ret->index_memory_bytes = index.memory_bytes;
	(void)pthread_mutex_lock(&s->sequence);
	memcpy(ret->operations, s->meters.operations, sizeof(ret->operations));
	(void)pthread_mutex_unlock(&s->sequence);
}
