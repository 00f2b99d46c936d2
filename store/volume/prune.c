/* SPDX-License-Identifier: MIT */
/*
 * Planning what an owner lets go (holdfast/prune.h). Only whole data frames are named, of segments that have
 * ended, and only those that take more than a few blocks of a disk; records, tables and commits stay, so that
 * the chain can be verified and the index built from what is left.
 */
#include "holdfast/prune.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/format/prune.h"
#include "store/replica/config.h"
#include "store/replica/trail.h"
#include "store/volume/kit.h"
#include "store/volume/volume.h"

enum {
	FRAME_WORTH_BYTES = 8192, /* a smaller one is not worth its place in the list */
	RETIRE_RANGES = 4096,     /* in one operation */
	RANGE_COST = 20,          /* of one, as a record, at most */
	DRAIN_MS = 10000,
};

struct plan {
	struct hf_store *s;
	const char *log_dir;
	uint32_t last; /* segment, which is still written to */
	const uint8_t *needed;

	/* the frame whose chunks are being looked at; segment 0: none */
	struct log_pos frame;
	struct chunk_range chunks;
	bool frame_needed;

	struct buf ranges;   /* of struct prune_range, all segments' */
	struct buf segments; /* of struct planned */
	struct buf retire;   /* of struct chunk_range */
	uint32_t open;       /* the segment that fd is of; 0: none */
	int fd;
	struct hf_prune_plan sum;
	struct hf_error *err;
};

struct planned {
	uint32_t segment;
	size_t first, n; /* of the ranges */
};

static void plan_release(struct plan *p)
{
	if (p->fd >= 0)
		(void)p->s->os->close(p->s->os->state, p->fd);
	buf_release(&p->ranges);
	buf_release(&p->segments);
	buf_release(&p->retire);
}

/* --- frames */

static int open_segment(struct plan *p, uint32_t segment)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const struct os *os = p->s->os;
	char name[16];

	if (p->open == segment)
		return 0;
	if (p->fd >= 0)
		(void)os->close(os->state, p->fd);
	p->open = 0;
	segment_file_name(segment, name);
	p->fd = os_join(&path, p->log_dir, name) ? os->open(os->state, (const char *)path.data, O_RDONLY, 0) :
						   -ENOMEM;
	if (p->fd < 0)
		return p->fd;
	p->open = segment;
	return 0;
}

static int frame_length(struct plan *p, struct log_pos at, uint32_t *ret)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header h;
	int r = open_segment(p, at.segment);

	if (r == 0)
		r = os_pread_full(p->s->os, p->fd, raw, sizeof(raw), at.offset);
	if (r == 0)
		r = frame_header_decode(raw, &h, NULL);
	if (r < 0 || (h.type != FRAME_DATA && h.type != FRAME_PRUNED))
		return hf_error_set(
			p->err, r < 0 ? r : -EUCLEAN,
			"segment %u, offset %u is not the data frame that the index says: run holdfast "
			"check",
			at.segment, at.offset);
	*ret = FRAME_HEADER_BYTES + h.body_len;
	return 0;
}

/* The last element of a buffer of such, NULL when there is none. */
#define LAST_OF(buf, type) ((buf)->len ? (type *)(void *)((buf)->data + (buf)->len - sizeof(type)) : NULL)

static void add_range(struct plan *p, struct log_pos at, uint32_t len)
{
	struct prune_range *range = LAST_OF(&p->ranges, struct prune_range);
	struct planned *planned = LAST_OF(&p->segments, struct planned);
	const struct prune_range add = { at.offset, len };

	if (!planned || planned->segment != at.segment) {
		const struct planned begin = { at.segment, p->ranges.len / sizeof(add), 0 };

		buf_add(&p->segments, &begin, sizeof(begin));
		planned = LAST_OF(&p->segments, struct planned);
	}
	if (planned && planned->n > 0 && range && range->offset + range->len == at.offset) {
		range->len += len;
		return;
	}
	buf_add(&p->ranges, &add, sizeof(add));
	if (planned)
		planned->n++;
}

static int add_retired(struct plan *p, const struct chunk_range *chunks)
{
	struct chunk_range *last = LAST_OF(&p->retire, struct chunk_range);
	int r = tree_chunk_is_retired(p->s->index, chunks->first, p->err);

	if (r != 0)
		return r < 0 ? r : 0;
	p->sum.chunks += chunks->n;
	if (last && last->first + last->n == chunks->first)
		last->n += chunks->n;
	else
		buf_add(&p->retire, chunks, sizeof(*chunks));
	return 0;
}

/* All of a frame's chunks have been seen. */
static int end_frame(struct plan *p)
{
	uint32_t len = 0;
	int r;

	if (p->frame.segment == 0 || p->frame_needed || p->frame.segment >= p->last)
		return 0;
	r = frame_length(p, p->frame, &len);
	if (r < 0 || len < FRAME_WORTH_BYTES)
		return r;
	r = add_retired(p, &p->chunks);
	if (r < 0)
		return r;
	add_range(p, p->frame, len);
	p->sum.frames++;
	p->sum.bytes += len;
	return buf_status(&p->ranges) < 0 || buf_status(&p->segments) < 0 || buf_status(&p->retire) < 0 ?
		       -ENOMEM :
		       0;
}

static int take_chunk(void *arg, uint64_t number, const struct chunk_place *place)
{
	struct plan *p = arg;
	int r = 0;

	if (log_pos_compare(p->frame, place->frame) != 0) {
		r = end_frame(p);
		p->frame = place->frame;
		p->chunks = (struct chunk_range){ number, 0 };
		p->frame_needed = false;
	}
	p->chunks.n++;
	p->frame_needed = p->frame_needed || p->needed[number / 8] & 1 << number % 8;
	return r;
}

static int find_frames(struct plan *p, uint64_t keep)
{
	struct hf_store *s = p->s;
	CLEANUP(cleanup_free) uint8_t *bits = calloc(s->next_chunk / 8 + 1, 1);
	struct log_point end;
	int r;

	if (!bits)
		return hf_error_set(p->err, -ENOMEM, "no memory to plan");
	log_durable(s->log, &end);
	p->last = end.end.segment;
	p->needed = bits;
	r = tree_needed_chunks(&s->tree, keep, s->next_chunk, bits, p->err);
	if (r == 0)
		r = tree_each_chunk(s->index, take_chunk, p, p->err);
	if (r == 0)
		r = end_frame(p);
	p->needed = NULL;
	p->sum.segments = p->segments.len / sizeof(struct planned);
	if (r == 0 && p->sum.frames == 0)
		return hf_error_set(
			p->err, -ENODATA,
			"nothing can go: every frame of a segment that has ended has something in it that a "
			"moment from then on, or a tagged one, needs");
	return r;
}

/* --- retiring */

/* The mark first, so that nothing that is packed meanwhile names one of them. */
int volume_retire(struct hf_store *s, struct chunk_range *ranges, size_t n, struct hf_error *err)
{
	struct op op = { .type = OP_RETIRE, .retire = { ranges, n } };
	int r = op_begin(s, n * RANGE_COST, false, err);

	atomic_store(&s->has_retired, true);
	if (r < 0)
		return r;
	r = op_run(s, &op, err);
	op_end(s);
	return r;
}

static int retire(struct plan *p)
{
	struct chunk_range *ranges = (struct chunk_range *)(void *)p->retire.data;
	size_t n = p->retire.len / sizeof(*ranges);
	int r = 0;

	for (size_t at = 0; r == 0 && at < n; at += RETIRE_RANGES)
		r = volume_retire(p->s, ranges + at, n - at < RETIRE_RANGES ? n - at : RETIRE_RANGES, p->err);
	return r < 0 ? r : hf_store_commit(p->s, p->err);
}

/* --- the list */

static int describe_segments(struct plan *p, struct prune_list *list)
{
	const struct planned *planned = (const struct planned *)(const void *)p->segments.data;
	const struct prune_range *ranges = (const struct prune_range *)(const void *)p->ranges.data;

	list->n = p->sum.segments;
	list->segments = calloc(list->n, sizeof(*list->segments));
	if (!list->segments)
		return hf_error_set(p->err, -ENOMEM, "no memory to plan");
	for (size_t i = 0; i < list->n; i++) {
		struct prune_segment *s = &list->segments[i];
		struct segment_header next;
		int r = trail_header(p->s->os, p->log_dir, planned[i].segment + 1, &next, p->err);

		if (r < 0)
			return r;
		s->segment = planned[i].segment;
		s->ranges = ranges + planned[i].first;
		s->n = planned[i].n;
		memcpy(s->chain, next.prev_chain, HASH_BYTES);
	}
	return 0;
}

static int make_list(struct plan *p, const struct owner *owner, const uint8_t node[PUBLIC_KEY_BYTES],
		     struct buf *out)
{
	struct prune_list list = { .before_tid = p->sum.before.tid, .before_ns = p->sum.before.time_ns };
	struct log_point end;
	int r;

	log_durable(p->s->log, &end);
	list.epoch = end.epoch;
	list.at_segment = end.end.segment;
	list.at_offset = end.end.offset;
	list.commit = end.commit;
	list.tid = end.tid;
	list.made_ns = p->s->os->now_ns(p->s->os->state);
	memcpy(list.chain, end.chain, HASH_BYTES);
	memcpy(list.node, node, PUBLIC_KEY_BYTES);
	r = describe_segments(p, &list);
	if (r == 0) {
		r = prune_list_encode(&list, owner, out);
		if (r < 0)
			(void)hf_error_set(p->err, r,
					   r == -EFBIG ?
						   "the list is too long: plan to an earlier moment first" :
						   "no memory to plan");
	}
	free(list.segments);
	return r;
}

/* --- whom it is for */

static int node_key(const struct hf_store *s, const char *name, uint8_t ret[PUBLIC_KEY_BYTES],
		    bool *ret_is_node, struct hf_error *err)
{
	struct place place = { 0 };
	int r = config_read(s->os, s->path, name, &place, err);

	if (r < 0)
		return r;
	*ret_is_node = place.kind == PLACE_NODE;
	if (*ret_is_node)
		memcpy(ret, place.key, PUBLIC_KEY_BYTES);
	place_release(&place);
	return 0;
}

static int only_node(const struct hf_store *s, uint8_t ret[PUBLIC_KEY_BYTES], struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0, nodes = 0;
	int r = config_list(s->os, s->path, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		bool is_node = false;

		r = node_key(s, names[i], ret, &is_node, err);
		nodes += is_node;
	}
	config_free_names(names, n);
	if (r == 0 && nodes != 1)
		return hf_error_set(
			err, nodes ? -EINVAL : -ENOENT,
			nodes ? "a list is for one node, and this store has several: say --replica NAME" :
				"this store has no node to prune");
	return r;
}

static int find_node(const struct hf_store *s, const char *replica, uint8_t ret[PUBLIC_KEY_BYTES],
		     struct hf_error *err)
{
	bool is_node = false;
	int r;

	if (!replica)
		return only_node(s, ret, err);
	r = config_check_name(replica, err);
	if (r == 0)
		r = node_key(s, replica, ret, &is_node, err);
	if (r == -ENOENT)
		return hf_error_set(err, r, "%s has no replica named %s; see holdfast replica list", s->path,
				    replica);
	if (r == 0 && !is_node)
		return hf_error_set(err, -ENOENT,
				    "the replica %s is not a node: only a node is pruned by a list", replica);
	return r;
}

int hf_prune_plan(struct hf_store *s, const struct hf_kit *kit, const struct hf_point *before,
		  const char *replica, void **ret_list, size_t *ret_len, struct hf_prune_plan *ret,
		  struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT, list = BUF_INIT;
	CLEANUP(plan_release) struct plan p = { .s = s, .fd = -1, .sum = { .before = *before }, .err = err };
	const struct owner *owner = kit_owner(kit);
	uint8_t node[PUBLIC_KEY_BYTES];
	int r;

	if (s->read_only)
		return hf_error_set(err, -EROFS,
				    "the store is open for reading only, and a plan is written into its log");
	if (memcmp(owner_volume_id(owner), s->descriptor.volume_id, VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED, "the kit is that of another volume");
	p.log_dir = os_join(&dir, s->path, "log");
	if (!p.log_dir)
		return hf_error_set(err, -ENOMEM, "no memory to plan");
	r = find_node(s, replica, node, err);
	if (r == 0)
		r = hf_store_commit(s, err);
	if (r == 0)
		r = find_frames(&p, before->tid);
	if (r == 0)
		r = retire(&p);
	if (r == 0)
		r = make_list(&p, owner, node, &list);
	if (r < 0)
		return r;
	(void)hf_store_drain(s, DRAIN_MS,
			     NULL); /* what is not there by then comes when the store is mounted */
	*ret_len = list.len;
	*ret_list = TAKE_PTR(list.data);
	*ret = p.sum;
	return 0;
}
