/* SPDX-License-Identifier: MIT */
#include "store/index/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct prefix prefix_of(const void *key, size_t len)
{
	uint8_t bytes[PREFIX_BYTES] = { 0 };
	struct prefix p;

	memcpy(bytes, key, len < PREFIX_BYTES ? len : PREFIX_BYTES);
	for (size_t k = 0; k < PREFIX_BYTES / 8; k++)
		p.word[k] = get_be64(bytes + 8 * k);
	return p;
}

int order_add(struct order *o, const struct linked *v)
{
	const struct entry *e = v->entry;

	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 64;
		struct ordered *items = reallocarray(o->items, cap, sizeof(*items));

		if (!items)
			return -ENOMEM;
		o->items = items;
		o->cap = cap;
	}
	o->items[o->n++] = (struct ordered){ prefix_of(e->key, e->key_len), v, e->space };
	return 0;
}

static int ordered_compare(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int c;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	c = prefix_compare(&x->prefix, &y->prefix);
	return c ? c : span_compare(entry_key(x->linked->entry), entry_key(y->linked->entry));
}

void order_sort(struct order *o)
{
	if (o->n > 1)
		qsort(o->items, o->n, sizeof(*o->items), ordered_compare);
}

void order_release(struct order *o)
{
	free(o->items);
	*o = (struct order){ NULL, 0, 0 };
}
