/* SPDX-License-Identifier: MIT */
#include "store/volume/known.h"

#include <stdio.h>

#include "store/replica/config.h"

static struct log_known *add(struct known *k, const struct log_point *point)
{
	if (point->end.segment == 0 || k->n == KNOWN_MAX)
		return NULL;
	k->all[k->n].point = *point;
	return &k->all[k->n++];
}

void known_add_index(struct known *k, const struct log_point *point)
{
	struct log_known *is = add(k, point);

	if (is)
		(void)snprintf(is->who, sizeof(is->who), "the index was made from it");
}

void known_add_receipt(struct known *k, const struct os *os, const char *store, const char *replica)
{
	struct log_known *is = NULL;
	struct log_point point;

	if (config_read_receipt(os, store, replica, &point) == 0)
		is = add(k, &point);
	if (is)
		(void)snprintf(is->who, sizeof(is->who), "replica %s has had it", replica);
}

int known_add_receipts(struct known *k, const struct os *os, const char *store, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(os, store, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		known_add_receipt(k, os, store, names[i]);
	config_free_names(names, n);
	return r;
}
