/* SPDX-License-Identifier: MIT */
#include "holdfast/head.h"

#include <errno.h>
#include <string.h>

#include "store/replica/trail.h"
#include "store/volume/kit.h"
#include "store/volume/volume.h"

static void describe(const struct head *h, struct hf_head *ret)
{
	volume_id_text(h->volume_id, ret->volume_id);
	ret->segment = h->segment;
	ret->offset = h->offset;
	ret->epoch = h->commit.epoch;
	ret->commit = h->commit.number;
	ret->tid = h->commit.tid;
	ret->time_ns = h->commit.time_ns;
}

int hf_store_head(struct hf_store *s, char **ret_line, struct hf_head *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT, line = BUF_INIT;
	struct log_point durable;
	struct log_pos at;
	struct head h;
	int r;

	log_durable(s->log, &durable);
	if (durable.commit == 0)
		return hf_error_set(err, -ENODATA,
				    "nothing has been written to this volume yet, and a head names a commit");
	if (!os_join(&dir, s->path, "log"))
		return hf_error_set(err, -ENOMEM, "no memory");
	memcpy(h.volume_id, s->descriptor.volume_id, VOLUME_ID_BYTES);
	r = trail_last_commit(s->os, (const char *)dir.data, &durable, &at, &h.commit, err);
	if (r < 0)
		return r;
	h.segment = at.segment;
	h.offset = at.offset;
	head_line_encode(&h, &line);
	(void)buf_cstr(&line);
	if (buf_status(&line) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	describe(&h, ret);
	*ret_line = (char *)TAKE_PTR(line.data);
	return 0;
}
