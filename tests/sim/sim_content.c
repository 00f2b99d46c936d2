/* SPDX-License-Identifier: MIT */
#include "tests/sim/sim_content.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 4096 };

/* A test without memory has nothing left to test. */
static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

void sim_content_release(struct sim_content *c)
{
	for (size_t i = 0; i < c->n_pages; i++)
		free(c->pages[i]);
	free(c->pages);
	*c = (struct sim_content){ NULL, 0, 0 };
}

void sim_content_resize(struct sim_content *c, uint64_t len)
{
	size_t n = (size_t)((len + PAGE_BYTES - 1) / PAGE_BYTES);

	for (size_t i = n; i < c->n_pages; i++)
		free(c->pages[i]);
	if (n > 0) {
		c->pages = must(realloc(c->pages, n * sizeof(*c->pages)));
		for (size_t i = c->n_pages; i < n; i++)
			c->pages[i] = NULL;
		if (len < c->len && len % PAGE_BYTES && c->pages[n - 1])
			memset(c->pages[n - 1] + len % PAGE_BYTES, 0, PAGE_BYTES - len % PAGE_BYTES);
	} else {
		free(c->pages);
		c->pages = NULL;
	}
	c->n_pages = n;
	c->len = len;
}

void sim_content_copy(struct sim_content *to, const struct sim_content *from)
{
	sim_content_release(to);
	sim_content_resize(to, from->len);
	for (size_t i = 0; i < from->n_pages; i++) {
		if (from->pages[i]) {
			to->pages[i] = must(malloc(PAGE_BYTES));
			memcpy(to->pages[i], from->pages[i], PAGE_BYTES);
		}
	}
}

static size_t part_len(uint64_t offset, size_t len)
{
	size_t left = PAGE_BYTES - (size_t)(offset % PAGE_BYTES);

	return len < left ? len : left;
}

void sim_content_write(struct sim_content *c, const uint8_t *data, size_t len, uint64_t offset)
{
	if (len > 0 && offset + len > c->len)
		sim_content_resize(c, offset + len);
	while (data && len > 0) {
		size_t n = part_len(offset, len);
		uint8_t **page = &c->pages[offset / PAGE_BYTES];

		if (!*page)
			*page = must(calloc(1, PAGE_BYTES));
		memcpy(*page + offset % PAGE_BYTES, data, n);
		data += n;
		offset += n;
		len -= n;
	}
}

size_t sim_content_read(const struct sim_content *c, uint8_t *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	if (offset >= c->len)
		return 0;
	if (len > c->len - offset)
		len = (size_t)(c->len - offset);
	while (done < len) {
		size_t n = part_len(offset + done, len - done);
		const uint8_t *page = c->pages[(offset + done) / PAGE_BYTES];

		if (page)
			memcpy(data + done, page + (offset + done) % PAGE_BYTES, n);
		else
			memset(data + done, 0, n);
		done += n;
	}
	return len;
}
