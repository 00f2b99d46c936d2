/* SPDX-License-Identifier: MIT */
#include "store/node/cert_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_FORMAT "epoch-%010" PRIu32 ".cert"

void cert_file_path(struct buf *path, const char *dir, uint32_t epoch)
{
	buf_add_text(path, "%s/" NAME_FORMAT, dir, epoch);
	(void)buf_cstr(path);
}

static void note_name(void *arg, const char *name)
{
	char again[CERT_FILE_NAME_BYTES];
	uint32_t epoch;

	if (strlen(name) + 1 != CERT_FILE_NAME_BYTES || sscanf(name, "epoch-%10" SCNu32 ".cert", &epoch) != 1)
		return;
	(void)snprintf(again, sizeof(again), NAME_FORMAT, epoch);
	if (strcmp(again, name) == 0)
		buf_add(arg, name, CERT_FILE_NAME_BYTES);
}

int cert_file_list(const struct os *os, const char *dir, struct buf *ret_names, struct hf_error *err)
{
	int r = os->list(os->state, dir, note_name, ret_names);

	if (r < 0)
		return hf_error_set(err, r, "cannot read the folder %s: %s", dir, strerror(-r));
	return buf_status(ret_names) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : 0;
}
