/* SPDX-License-Identifier: MIT */
#include "store/replica/peer.h"

#include <errno.h>

int peer_open(const struct peer_options *o, struct peer **ret, struct hf_error *err)
{
	if (o->place->kind == PLACE_BUCKET)
		return bucket_open(o, ret, err);
	return o->place->kind == PLACE_NODE ? remote_open(o, ret, err) : directory_open(o, ret, err);
}

void peer_free(struct peer *p)
{
	if (p)
		p->ops->free(p);
}

int peer_enrol(struct peer *p, const struct epoch_cert *cert, const struct place *invitation,
	       struct receipt *ret, struct hf_error *err)
{
	return p->ops->enrol(p, cert, invitation, ret, err);
}

void peer_say_own(struct peer *p, const struct log_point *own)
{
	p->says_own = true;
	p->own_tid = own->tid;
	p->own_commit = own->commit;
}

int peer_position(struct peer *p, struct receipt *ret, struct hf_error *err)
{
	return p->ops->position(p, ret, err);
}

int peer_append(struct peer *p, struct log_pos at, const void *data, size_t len, struct receipt *ret,
		struct hf_error *err)
{
	return p->ops->append(p, at, data, len, ret, err);
}

ssize_t peer_read(struct peer *p, struct log_pos at, size_t max, struct buf *out, struct hf_error *err)
{
	return p->ops->read(p, at, max, out, err);
}

int peer_prunes(struct peer *p, uint32_t **ret, size_t *ret_n, struct hf_error *err)
{
	if (p->ops->prunes)
		return p->ops->prunes(p, ret, ret_n, err);
	*ret = NULL;
	*ret_n = 0;
	return 0;
}

int peer_prune_list(struct peer *p, uint32_t number, struct buf *out, struct hf_error *err)
{
	return p->ops->prune_list(p, number, out, err);
}

int peer_know(struct peer *p, const void *list, size_t len, struct hf_error *err)
{
	if (p->ops->know)
		return p->ops->know(p, list, len, err);
	return hf_error_set(
		err, -EPROTONOSUPPORT,
		"this store was recovered from a node that has prune lists, and a replica of this kind "
		"cannot keep those: what is pruned would be missing in a recovery from it");
}

unsigned peer_pace_ms(struct peer *p, size_t len)
{
	return p->ops->pace_ms ? p->ops->pace_ms(p, len) : 0;
}

bool peer_fetches(const struct peer *p)
{
	return p->ops->fetch;
}

int peer_fetch(struct peer *p, struct shelf *shelf, const struct hf_progress *progress,
	       struct peer_fetched *ret, struct hf_error *err)
{
	return p->ops->fetch(p, shelf, progress, ret, err);
}

int peer_attempt(struct peer *p, const struct peer_attempt *a, long *ret_status, struct hf_error *err)
{
	if (p->ops->attempt)
		return p->ops->attempt(p, a, ret_status, err);
	return hf_error_set(err, -EOPNOTSUPP, "only of a node something can be asked that it must refuse");
}

int peer_offer(struct peer *p, struct log_pos at, mend_take_fn *take, void *arg, struct hf_error *err)
{
	return p->ops->offer(p, at, take, arg, err);
}

int peer_compare(struct peer *p, const struct peer_compare *with, struct hf_error *err)
{
	return p->ops->compare(p, with, err);
}
