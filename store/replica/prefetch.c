/* SPDX-License-Identifier: MIT */
#include "store/replica/prefetch.h"

#include <errno.h>

void prefetch_init(struct prefetch *p, struct peer *peer)
{
	p->peer = peer;
	p->running = false;
	buf_init(&p->bytes);
}

static void *run(void *arg)
{
	struct prefetch *p = arg;

	p->result = peer_read(p->peer, p->at, p->max, &p->bytes, &p->err);
	return NULL;
}

static void finish(struct prefetch *p)
{
	if (p->running)
		(void)pthread_join(p->thread, NULL);
	p->running = false;
}

void prefetch_release(struct prefetch *p)
{
	finish(p);
	buf_release(&p->bytes);
}

void prefetch_start(struct prefetch *p, struct log_pos at, size_t max)
{
	finish(p);
	buf_clear(&p->bytes);
	p->err = (struct hf_error)HF_ERROR_INIT;
	p->at = at;
	p->max = max;
	p->running = pthread_create(&p->thread, NULL, run, p) == 0;
}

/* What was read ahead, behind what is in out. */
static ssize_t take(struct prefetch *p, struct buf *out, struct hf_error *err)
{
	if (p->result < 0) {
		if (err)
			*err = p->err;
		return p->result;
	}
	if (out->len == 0)
		buf_swap(out, &p->bytes);
	else
		buf_add(out, p->bytes.data, p->bytes.len);
	return buf_status(out) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : p->result;
}

ssize_t prefetch_read(struct prefetch *p, struct log_pos at, size_t max, struct buf *out,
		      struct hf_error *err)
{
	bool ours = p->running && log_pos_compare(p->at, at) == 0 && p->max == max;

	finish(p);
	return ours ? take(p, out, err) : peer_read(p->peer, at, max, out, err);
}
