/* SPDX-License-Identifier: MIT */
#include "store/base/meter.h"

#define US(n) ((n)*UINT64_C(1000))
#define MS(n) ((n)*UINT64_C(1000000))
#define S(n) ((n)*UINT64_C(1000000000))

const struct hf_bounds hf_bounds_duration = {
	.n = 20,
	.unit = 1e9,
	.at = { US(5),  US(10), US(25), US(50),  US(100), US(250), US(500), MS(1),    US(2500), MS(5),
		MS(10), MS(25), MS(50), MS(100), MS(250), MS(500), S(1),    MS(2500), S(5),     S(10) },
};

const struct hf_bounds hf_bounds_bytes = {
	.n = 9,
	.unit = 1,
	.at = { 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216 },
};

const struct hf_bounds hf_bounds_items = {
	.n = 9,
	.unit = 1,
	.at = { 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536 },
};

uint64_t hf_histogram_count(const struct hf_histogram *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= HF_BOUNDS_MAX; i++)
		n += h->counts[i];
	return n;
}

void meter_add(struct meter *m, uint64_t value)
{
	meter_count(&m->counts[hf_bounds_place(m->bounds, value)], 1);
	meter_count(&m->sum, value);
}

void meter_read(const struct meter *m, struct hf_histogram *ret)
{
	ret->bounds = m->bounds;
	for (unsigned i = 0; i <= HF_BOUNDS_MAX; i++)
		ret->counts[i] = meter_value(&m->counts[i]);
	ret->sum = meter_value(&m->sum);
}
