/* SPDX-License-Identifier: MIT */
#include "store/alarm/sample.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

enum { LEVEL = 1 }; /* as the log compresses */

static size_t shrunk(const void *data, size_t len)
{
	const size_t bound = ZSTD_compressBound(len);
	void *out = malloc(bound);
	size_t n = out ? ZSTD_compress(out, bound, data, len, LEVEL) : 0;

	free(out);
	return ZSTD_isError(n) ? 0 : n;
}

enum sample_look sample_look(const void *data, size_t len)
{
	const char *bytes = data;
	size_t n;

	if (len < SAMPLE_BYTES_MIN)
		return SAMPLE_SHORT;
	if (len > SAMPLE_BYTES_MAX)
		len = SAMPLE_BYTES_MAX;
	if (memcmp(bytes, bytes + 1, len - 1) == 0)
		return SAMPLE_BLANK;
	n = shrunk(data, len);
	if (n == 0)
		return SAMPLE_MIXED;
	if (n <= len - len / 4)
		return SAMPLE_PLAIN;
	return n > len - len / 16 ? SAMPLE_RANDOM : SAMPLE_MIXED;
}
