/* SPDX-License-Identifier: MIT */
/* Numbers of inodes, operations and chunks, gathered and then gone through in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/history/internal.h"

void numbers_release(struct numbers *l)
{
	free(l->v);
	*l = (struct numbers){ 0 };
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void numbers_sort(struct numbers *l)
{
	size_t n = 0;

	if (l->n == 0)
		return;
	qsort(l->v, l->n, sizeof(*l->v), compare);
	for (size_t i = 0; i < l->n; i++) {
		if (n == 0 || l->v[n - 1] != l->v[i])
			l->v[n++] = l->v[i];
	}
	l->n = n;
}

bool numbers_have(const struct numbers *l, uint64_t number)
{
	return l->n > 0 && bsearch(&number, l->v, l->n, sizeof(*l->v), compare);
}

static int grow(struct numbers *l)
{
	size_t cap = l->cap ? 2 * l->cap : 256;
	uint64_t *grown = realloc(l->v, cap * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->v = grown;
	l->cap = cap;
	return 0;
}

int numbers_add(struct numbers *l, uint64_t number)
{
	if (l->n == l->cap && grow(l) < 0)
		return -ENOMEM;
	l->v[l->n++] = number;
	return 0;
}

int numbers_add_again(struct numbers *l, uint64_t number)
{
	if (l->n > 0 && l->v[l->n - 1] == number)
		return 0;
	if (l->n == l->cap && l->n > 0) {
		numbers_sort(l);
		if (l->n > l->cap / 2 && grow(l) < 0)
			return -ENOMEM;
	}
	return numbers_add(l, number);
}

void numbers_keep(struct numbers *l, const struct numbers *wanted)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < l->n; i++) {
		while (k < wanted->n && wanted->v[k] < l->v[i])
			k++;
		if (k < wanted->n && wanted->v[k] == l->v[i])
			l->v[n++] = l->v[i];
	}
	l->n = n;
}

void numbers_drop_to(struct numbers *l, uint64_t last)
{
	size_t n = 0;

	while (n < l->n && l->v[n] <= last)
		n++;
	if (n > 0)
		memmove(l->v, l->v + n, (l->n - n) * sizeof(*l->v));
	l->n -= n;
}
