/* SPDX-License-Identifier: MIT */
#include "store/log/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_DIGITS = 6 };

const char *grants_path(const char *dir, uint32_t number, const char *ending, struct buf *out)
{
	buf_clear(out);
	buf_add_text(out, "%s/prunes/%0*u.%s", dir, NUMBER_DIGITS, number, ending);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

bool grants_file_number(const char *name, const char *ending, uint32_t *ret)
{
	uint32_t number = 0;

	for (int i = 0; i < NUMBER_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		number = number * 10 + (uint32_t)(name[i] - '0');
	}
	if (number == 0 || name[NUMBER_DIGITS] != '.' || strcmp(name + NUMBER_DIGITS + 1, ending) != 0)
		return false;
	*ret = number;
	return true;
}

static void note_name(void *arg, const char *name)
{
	uint32_t number;

	if (grants_file_number(name, "list", &number))
		buf_add(arg, &number, sizeof(number));
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x < y ? -1 : x > y;
}

int grants_numbers(const struct os *os, const char *dir, uint32_t **ret, size_t *ret_n, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, found = BUF_INIT;
	int r;

	if (!os_join(&path, dir, "prunes"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->list(os->state, (const char *)path.data, note_name, &found);
	if (r < 0 && r != -ENOENT)
		return hf_error_set(err, r, "cannot read the folder %s: %s", (const char *)path.data,
				    strerror(-r));
	if (buf_status(&found) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	*ret_n = found.len / sizeof(uint32_t);
	if (*ret_n > 0)
		qsort(found.data, *ret_n, sizeof(uint32_t), compare_numbers);
	*ret = (uint32_t *)(void *)TAKE_PTR(found.data);
	return 0;
}

/* 0: it is in the grants, or grants nothing. */
static int add_list(const struct os *os, const char *dir, uint32_t number,
		    const uint8_t volume_id[VOLUME_ID_BYTES], struct grants *g)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	struct prune_list list, *more;
	int r;

	if (!grants_path(dir, number, "list", &path))
		return -ENOMEM;
	r = os_read_file(os, (const char *)path.data, PRUNE_LIST_BYTES_MAX, &data);
	if (r == 0)
		r = prune_list_decode(data.data, data.len, &list, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (memcmp(list.volume_id, volume_id, VOLUME_ID_BYTES) != 0) {
		prune_list_release(&list);
		return 0;
	}
	more = reallocarray(g->lists, g->n + 1, sizeof(*more));
	if (!more) {
		prune_list_release(&list);
		return -ENOMEM;
	}
	g->lists = more;
	g->lists[g->n++] = list;
	return 0;
}

int grants_load(const struct os *os, const char *dir, const uint8_t volume_id[VOLUME_ID_BYTES],
		struct grants *ret, struct hf_error *err)
{
	CLEANUP(cleanup_free) uint32_t *numbers = NULL;
	struct grants g = { NULL, 0 };
	size_t n = 0;
	int r = grants_numbers(os, dir, &numbers, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_list(os, dir, numbers[i], volume_id, &g);
	if (r < 0) {
		grants_release(&g);
		return hf_error_set(err, r, "no memory");
	}
	*ret = g;
	return 0;
}

void grants_release(struct grants *g)
{
	for (size_t i = 0; i < g->n; i++)
		prune_list_release(&g->lists[i]);
	free(g->lists);
	*g = (struct grants){ NULL, 0 };
}

const struct prune_list *grants_find(const struct grants *g, uint32_t segment, uint32_t offset, uint32_t len)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct prune_segment *s = prune_list_find(&g->lists[i], segment);

		if (s && prune_segment_covers(s, offset, len))
			return &g->lists[i];
	}
	return NULL;
}

bool grants_cover(const struct grants *g, uint32_t segment, uint32_t offset, uint32_t len)
{
	return grants_find(g, segment, offset, len) != NULL;
}
