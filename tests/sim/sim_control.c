/* SPDX-License-Identifier: MIT */
/* What a test does to a simulated disk. */
#include <errno.h>
#include <string.h>

#include "tests/sim/sim_state.h"

static uint64_t locked(struct sim *s, const uint64_t *n)
{
	uint64_t now;

	(void)pthread_mutex_lock(&s->lock);
	now = *n;
	(void)pthread_mutex_unlock(&s->lock);
	return now;
}

void sim_state_cut(struct sim *s)
{
	sim_disk_power_cut(&s->disk);
	s->counts.cuts++;
	memset(s->fds, 0, sizeof(s->fds));
	s->first_fd += SIM_MAX_FDS;
	s->power = false;
	s->cutting = false;
}

void sim_power_cut(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	if (s->power)
		sim_state_cut(s);
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_power_cut_at(struct sim *s, uint64_t n_changes)
{
	(void)pthread_mutex_lock(&s->lock);
	s->cut_at = n_changes;
	(void)pthread_mutex_unlock(&s->lock);
}

bool sim_power_is_on(struct sim *s)
{
	bool on;

	(void)pthread_mutex_lock(&s->lock);
	on = s->power;
	(void)pthread_mutex_unlock(&s->lock);
	return on;
}

void sim_power_on(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->power = true;
	s->cut_at = 0;
	s->fail_at = 0;
	(void)pthread_mutex_unlock(&s->lock);
}

uint64_t sim_changes(struct sim *s)
{
	return locked(s, &s->changes);
}

void sim_fail(struct sim *s, unsigned which, uint64_t n, uint64_t more, int code)
{
	(void)pthread_mutex_lock(&s->lock);
	s->fail_calls = which;
	s->fail_at = n;
	s->fail_more = more;
	s->fail_code = code;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_faults_off(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->quiet++;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_faults_on(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->quiet--;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_lie(struct sim *s, enum sim_lie lie, unsigned permille)
{
	(void)pthread_mutex_lock(&s->lock);
	s->lie = lie;
	s->lie_permille = permille;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_counts(struct sim *s, struct sim_counts *ret)
{
	(void)pthread_mutex_lock(&s->lock);
	*ret = s->counts;
	ret->kept = s->disk.kept;
	ret->dropped = s->disk.dropped;
	ret->torn = s->disk.torn;
	ret->names_kept = s->disk.names_kept;
	ret->names_dropped = s->disk.names_dropped;
	ret->lost = s->disk.lost;
	(void)pthread_mutex_unlock(&s->lock);
}

uint64_t sim_calls(struct sim *s)
{
	return locked(s, &s->calls);
}

uint64_t sim_trace(struct sim *s)
{
	return locked(s, &s->trace);
}

void sim_trace_begin(struct sim *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->trace = 0;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_before_call(struct sim *s, void (*fn)(void *arg, enum sim_call call), void *arg)
{
	s->before = fn;
	s->before_arg = arg;
}

ssize_t sim_read_durable(struct sim *s, const char *path, void *out, size_t len, uint64_t offset)
{
	const struct sim_node *node;
	ssize_t n = -ENOENT;

	(void)pthread_mutex_lock(&s->lock);
	node = sim_disk_walk_durable(&s->disk, path);
	if (node)
		n = (ssize_t)sim_content_read(&node->durable, out, len, offset);
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

ssize_t sim_read_now(struct sim *s, const char *path, void *out, size_t len, uint64_t offset)
{
	struct sim_node *node;
	ssize_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = sim_disk_walk(&s->disk, path, &node);
	if (n == 0)
		n = (ssize_t)sim_content_read(&node->now, out, len, offset);
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

void sim_short_io(struct sim *s, unsigned permille)
{
	(void)pthread_mutex_lock(&s->lock);
	s->short_permille = permille;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_set_capacity(struct sim *s, uint64_t bytes)
{
	(void)pthread_mutex_lock(&s->lock);
	s->capacity = bytes;
	(void)pthread_mutex_unlock(&s->lock);
}

uint64_t sim_used(struct sim *s)
{
	uint64_t used;

	(void)pthread_mutex_lock(&s->lock);
	used = sim_disk_used(&s->disk);
	(void)pthread_mutex_unlock(&s->lock);
	return used;
}

/* In what is seen and in what is durable, so that neither a sync nor a power cut heals it. */
static int damage(struct sim_content *c, uint64_t offset, uint8_t mask)
{
	uint8_t byte;

	if (sim_content_read(c, &byte, 1, offset) == 0)
		return -ENODATA;
	byte ^= mask;
	sim_content_write(c, &byte, 1, offset);
	return 0;
}

int sim_damage(struct sim *s, const char *path, uint64_t offset, uint8_t mask)
{
	struct sim_node *node;
	int r;

	(void)pthread_mutex_lock(&s->lock);
	r = sim_disk_walk(&s->disk, path, &node);
	if (r == 0) {
		sim_node_sync(node);
		r = damage(&node->now, offset, mask);
	}
	if (r == 0)
		r = damage(&node->durable, offset, mask);
	(void)pthread_mutex_unlock(&s->lock);
	return r;
}

void sim_set_now(struct sim *s, uint64_t now_ns)
{
	(void)pthread_mutex_lock(&s->lock);
	s->now_ns = now_ns;
	(void)pthread_mutex_unlock(&s->lock);
}

void sim_advance(struct sim *s, uint64_t ns)
{
	(void)pthread_mutex_lock(&s->lock);
	s->now_ns += ns;
	s->monotonic_ns += ns;
	(void)pthread_mutex_unlock(&s->lock);
}

uint64_t sim_random(struct sim *s, uint64_t below)
{
	uint64_t v;

	(void)pthread_mutex_lock(&s->lock);
	v = sim_disk_random(&s->disk, below);
	(void)pthread_mutex_unlock(&s->lock);
	return v;
}
