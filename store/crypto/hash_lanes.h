/* SPDX-License-Identifier: MIT */
/*
 * BLAKE2b (RFC 7693) of LANES messages side by side, one in each element of a vector: a template for
 * hash_many.c, which defines LANES, TARGET (a function attribute), LANES_NAME(x), and by that name
 * transpose(rows), of LANES rows of LANES words.
 */

typedef uint64_t LANES_NAME(vec) __attribute__((vector_size(8 * LANES)));

#define VEC LANES_NAME(vec)
#define ROTATE(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define MIX(a, b, c, d, x, y)                   \
	do {                                    \
		v[a] += v[b] + (x);             \
		v[d] = ROTATE(v[d] ^ v[a], 32); \
		v[c] += v[d];                   \
		v[b] = ROTATE(v[b] ^ v[c], 24); \
		v[a] += v[b] + (y);             \
		v[d] = ROTATE(v[d] ^ v[a], 16); \
		v[c] += v[d];                   \
		v[b] = ROTATE(v[b] ^ v[c], 63); \
	} while (0)

/* The words of one block of each lane: m[i] has word i of all of them. */
TARGET static inline void LANES_NAME(load)(const uint8_t *const at[LANES], VEC m[16])
{
	for (unsigned part = 0; part < 16; part += LANES) {
		VEC rows[LANES];

		for (unsigned l = 0; l < LANES; l++)
			memcpy(&rows[l], at[l] + 8 * part, sizeof(rows[l]));
		LANES_NAME(transpose)(rows);
		for (unsigned i = 0; i < LANES; i++)
			m[part + i] = rows[i];
	}
}

/* F of the RFC: t counts the bytes up to the end of the block, last has all bits set in a last block. */
TARGET static inline void LANES_NAME(compress)(VEC h[8], const uint8_t *const at[LANES], VEC t, VEC last)
{
	VEC m[16], v[16], zero = t ^ t;

	LANES_NAME(load)(at, m);
	for (unsigned i = 0; i < 8; i++) {
		v[i] = h[i];
		v[i + 8] = zero + initial[i];
	}
	v[12] ^= t;
	v[14] ^= last;
#pragma GCC unroll 12
	for (unsigned r = 0; r < 12; r++) {
		const uint8_t *s = sigma[r % 10];

		MIX(0, 4, 8, 12, m[s[0]], m[s[1]]);
		MIX(1, 5, 9, 13, m[s[2]], m[s[3]]);
		MIX(2, 6, 10, 14, m[s[4]], m[s[5]]);
		MIX(3, 7, 11, 15, m[s[6]], m[s[7]]);
		MIX(0, 5, 10, 15, m[s[8]], m[s[9]]);
		MIX(1, 6, 11, 12, m[s[10]], m[s[11]]);
		MIX(2, 7, 8, 13, m[s[12]], m[s[13]]);
		MIX(3, 4, 9, 14, m[s[14]], m[s[15]]);
	}
	for (unsigned i = 0; i < 8; i++)
		h[i] ^= v[i] ^ v[i + 8];
}

/* The state behind the block of a key. */
TARGET static void LANES_NAME(after_key)(struct start *start, const uint8_t block[BLOCK_BYTES])
{
	const uint8_t *at[LANES];
	VEC h[8], t = { 0 };

	for (unsigned l = 0; l < LANES; l++)
		at[l] = block;
	for (unsigned i = 0; i < 8; i++)
		h[i] = (t ^ t) + start->h[i];
	LANES_NAME(compress)(h, at, t + BLOCK_BYTES, t);
	for (unsigned i = 0; i < 8; i++)
		start->h[i] = h[i][0];
	start->t = BLOCK_BYTES;
	crypto_wipe(h, sizeof(h));
}

TARGET static void LANES_NAME(run)(const struct start *start, const struct hash_job *jobs, size_t n)
{
	uint8_t tail[LANES][BLOCK_BYTES];
	const uint8_t *at[LANES];
	size_t left[LANES], job[LANES], next = 0, busy = 0;
	VEC h[8], t = { 0 }, last;

	memset(tail, 0, sizeof(tail));
	for (unsigned i = 0; i < 8; i++)
		h[i] = t;
	for (unsigned l = 0; l < LANES; l++)
		job[l] = n; /* none */
	do {
		size_t steps = SIZE_MAX;

		for (unsigned l = 0; l < LANES; l++) {
			if (job[l] == n && next < n) {
				job[l] = next++;
				busy++;
				at[l] = jobs[job[l]].data;
				left[l] = jobs[job[l]].len;
				t[l] = start->t;
				for (unsigned i = 0; i < 8; i++)
					h[i][l] = start->h[i];
			}
			if (job[l] != n && (left[l] - 1) / BLOCK_BYTES < steps)
				steps = (left[l] - 1) / BLOCK_BYTES;
		}
		/* blocks that are the last in no lane; a lane without a job goes over its tail again and
		 * again */
		for (unsigned l = 0; l < LANES; l++) {
			if (job[l] == n)
				at[l] = tail[l];
			else
				left[l] -= steps * BLOCK_BYTES;
		}
		for (size_t s = 0; s < steps; s++) {
			t += BLOCK_BYTES;
			LANES_NAME(compress)(h, at, t, t ^ t);
			for (unsigned l = 0; l < LANES; l++)
				at[l] += job[l] == n ? 0 : BLOCK_BYTES;
		}
		/* one that is the last in some */
		last = t ^ t;
		for (unsigned l = 0; l < LANES; l++) {
			if (job[l] == n)
				continue;
			if (left[l] > BLOCK_BYTES) {
				t[l] += BLOCK_BYTES;
				continue;
			}
			t[l] += left[l];
			last[l] = UINT64_MAX;
			memcpy(tail[l], at[l], left[l]);
			memset(tail[l] + left[l], 0, BLOCK_BYTES - left[l]);
			at[l] = tail[l];
		}
		LANES_NAME(compress)(h, at, t, last);
		for (unsigned l = 0; l < LANES; l++) {
			if (job[l] == n)
				continue;
			if (!last[l]) {
				at[l] += BLOCK_BYTES;
				left[l] -= BLOCK_BYTES;
				continue;
			}
			for (unsigned i = 0; i < HASH_BYTES / 8; i++)
				memcpy(jobs[job[l]].out + 8 * i, (uint64_t[]){ h[i][l] }, 8);
			job[l] = n;
			busy--;
		}
	} while (busy > 0 || next < n);
	crypto_wipe(tail, sizeof(tail)); /* plaintext */
	crypto_wipe(h, sizeof(h));
}

#undef VEC
#undef ROTATE
#undef MIX
#undef LANES
#undef TARGET
#undef LANES_NAME
