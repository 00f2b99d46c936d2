/* SPDX-License-Identifier: MIT */
/* Numbers by chance that a seed decides: splitmix64 (Steele, Lea, Flood 2014). */
#ifndef TESTS_SIM_SPLITMIX_H
#define TESTS_SIM_SPLITMIX_H

#include <stdint.h>

/* The next number of the row that *state, the seed to begin with, is in. */
static inline uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

#endif
