/* SPDX-License-Identifier: MIT */
/*
 * Of a group that does not verify, which frames are damaged. Each frame carries what proves it (its tag, with
 * its place and header), so they can be told one by one as long as the headers lead from one to the next.
 */
#include <errno.h>
#include <string.h>

#include "store/log/log_internal.h"

static bool may_be_missing(const struct groups *g, struct log_pos pos, const struct frame_header *h)
{
	return grants_cover(&g->l->grants, pos.segment, pos.offset, FRAME_HEADER_BYTES + h->body_len);
}

/* 0, -EUCLEAN with words, or what keeps it from being read. */
static int look(const struct groups *g, struct log_pos pos, const struct frame_header *h, struct buf *body,
		struct buf *plain, struct hf_error *why)
{
	int r;

	if (h->type == FRAME_PRUNED)
		return may_be_missing(g, pos, h) ?
			       0 :
			       hf_error_set(why, -EUCLEAN,
					    "the frame was taken away, and no list that the owner "
					    "signed says so");
	if (h->type == FRAME_COMMIT)
		return hf_error_set(why, -EUCLEAN, "a commit that its writer did not sign like this");
	buf_clear(body);
	buf_clear(plain);
	r = buf_reserve(body, h->body_len);
	if (r < 0)
		return hf_error_set(why, r, "no memory to look at a frame");
	r = segment_read(g->l, &g->ref, pos.segment, (uint64_t)pos.offset + FRAME_HEADER_BYTES, body->data,
			 h->body_len, why);
	return r < 0 ? r : frame_open(g->l, pos, h, body->data, plain, why);
}

static bool is_damage(int r)
{
	return r == -EUCLEAN || r == -EPROTONOSUPPORT || r == -EIO;
}

int damage_find(const struct groups *g, uint64_t until, const struct damage_listener *to, bool *ret_lost,
		struct hf_error *err)
{
	CLEANUP(buf_release) struct buf body = BUF_INIT, plain = BUF_INIT;
	struct log_pos pos = g->v.point.end;
	int n = 0;

	*ret_lost = false;
	while (pos.offset < until) {
		uint8_t raw[FRAME_HEADER_BYTES];
		struct hf_error why = HF_ERROR_INIT;
		struct frame_header h = { .body_len = 0 };
		int r = segment_read(g->l, &g->ref, pos.segment, pos.offset, raw, sizeof(raw), &why);

		if (r == 0)
			r = frame_header_decode(raw, &h, &why);
		if (r == 0 && until - pos.offset < FRAME_HEADER_BYTES + (uint64_t)h.body_len)
			r = hf_error_set(&why, -EUCLEAN,
					 "the frame is longer than what is left of its group");
		*ret_lost = r < 0;
		if (r == 0) {
			if (to->frame)
				to->frame(to->arg, &h);
			r = look(g, pos, &h, &body, &plain, &why);
		}
		if (r < 0 && !is_damage(r))
			return hf_error_set(err, r, "%s", why.text);
		if (r < 0) {
			n++;
			to->bad(to->arg, pos, why.code ? why.text : hf_strerror(r));
		}
		if (*ret_lost)
			break;
		pos.offset += FRAME_HEADER_BYTES + h.body_len;
	}
	return n;
}
