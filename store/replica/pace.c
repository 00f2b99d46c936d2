/* SPDX-License-Identifier: MIT */
#include "store/replica/pace.h"

enum { SECOND_NS = 1000000000 };

/* What came in since the last look. A second's worth is the most that can matter, unless something is owed.
 */
static void fill(struct pace *p, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns > p->at_ns ? now_ns - p->at_ns : 0;
	double came = (double)passed_ns / SECOND_NS * (double)p->rate;
	double most = (double)p->rate - (double)p->have;

	p->have += (int64_t)(came < most ? came : most);
	p->at_ns = now_ns;
}

void pace_set(struct pace *p, uint64_t rate, uint64_t now_ns)
{
	if (rate > PACE_RATE_MAX)
		rate = PACE_RATE_MAX;
	if (p->rate)
		fill(p, now_ns);
	if (!rate || !p->rate || p->have > (int64_t)rate)
		p->have = (int64_t)rate;
	p->rate = rate;
	p->at_ns = now_ns;
}

uint64_t pace_wait_ns(struct pace *p, uint64_t now_ns)
{
	if (!p->rate)
		return 0;
	if (p->have <= 0)
		fill(p, now_ns);
	if (p->have > 0)
		return 0;
	return (uint64_t)((double)(1 - p->have) / (double)p->rate * SECOND_NS) + 1;
}

void pace_sent(struct pace *p, size_t bytes, uint64_t now_ns)
{
	if (!p->rate)
		return;
	fill(p, now_ns);
	p->have -= (int64_t)bytes;
}

size_t pace_step(const struct pace *p, size_t max)
{
	size_t share = p->rate > PACE_FLOW_MIN ? (size_t)p->rate : PACE_FLOW_MIN;

	if (p->step && p->step < max)
		max = p->step;
	return p->rate && share < max ? share : max;
}

void pace_lost(struct pace *p, size_t bytes)
{
	size_t was = p->step && p->step < bytes ? p->step : bytes;

	p->step = was / 2 > PACE_STEP_MIN ? was / 2 : PACE_STEP_MIN;
	p->taken = 0;
}

/* Little proves little: what is much shorter than a step would have come through a slower line, too. */
void pace_taken(struct pace *p, size_t bytes, size_t max)
{
	if (!p->step || bytes < p->step / 2 || ++p->taken < PACE_TAKEN)
		return;
	p->taken = 0;
	p->step = p->step < max / 2 ? p->step * 2 : 0;
}

uint64_t pace_flow(const struct pace *p)
{
	return p->rate && p->rate < PACE_FLOW_MIN ? PACE_FLOW_MIN : p->rate;
}
