/* SPDX-License-Identifier: MIT */
#include "store/volume/known.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/index/index.h"
#include "store/replica/config.h"
#include "store/volume/volume.h"

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

int known_read_index(struct known *k, const char *store, const uint8_t volume_id[VOLUME_ID_BYTES])
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	CLEANUP(cleanup_free) uint8_t *bytes = NULL;
	struct index_options o = { .read_only = true };
	struct volume_state state;
	struct index *index;
	size_t len = 0;
	int r;

	o.dir = os_join(&dir, store, "index");
	if (!o.dir)
		return -ENOMEM;
	r = index_open(&o, &index, &bytes, &len, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	index_close(index);
	if (len > 0 && volume_state_decode(bytes, len, &state) == 0 &&
	    memcmp(state.volume_id, volume_id, VOLUME_ID_BYTES) == 0)
		known_add_index(k, &state.point);
	return 0;
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
