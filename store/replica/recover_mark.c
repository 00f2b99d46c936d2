/* SPDX-License-Identifier: MIT */
#include "store/replica/recover_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"

static int write_marker(const struct os *os, const char *path, const char *id, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf marker = BUF_INIT;
	int r;

	if (!os_join(&marker, path, "recovery"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)marker.data, id, strlen(id), 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)marker.data, strerror(-r)) :
		       0;
}

/* A folder that is not empty: only one in which this volume's recovery is under way will do. */
static int check_marker(const struct os *os, const char *path, const char *id, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf marker = BUF_INIT, text = BUF_INIT, descriptor = BUF_INIT;
	int r, fd;

	if (!os_join(&marker, path, "recovery") || !os_join(&descriptor, path, "volume"))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = os->open(os->state, (const char *)descriptor.data, O_RDONLY, 0);
	if (fd >= 0) {
		(void)os->close(os->state, fd);
		return hf_error_set(err, -EEXIST, "%s is a store already: recover into a new folder", path);
	}
	r = os_read_file(os, (const char *)marker.data, 64, &text);
	if (r < 0)
		return hf_error_set(err, -ENOTEMPTY, "%s is not empty: recover into a new or empty folder",
				    path);
	if (text.len != strlen(id) || memcmp(text.data, id, text.len) != 0)
		return hf_error_set(err, -ENOTEMPTY, "%s is where another volume is being recovered", path);
	return 0;
}

int recover_mark(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		 struct hf_error *err)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];
	int r;

	volume_id_text(volume_id, id);
	r = files_make_folders(os, path, err);
	if (r == 0)
		return write_marker(os, path, id, err);
	return r == -ENOTEMPTY ? check_marker(os, path, id, err) : r;
}
