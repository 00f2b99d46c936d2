/* SPDX-License-Identifier: MIT */
/* What a test does to a simulated disk. */
#include <errno.h>
#include <string.h>

#include "tests/sim/sim_state.h"

void sim_state_cut(struct sim *s)
{
	sim_disk_power_cut(&s->disk);
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
	uint64_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->changes;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
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
