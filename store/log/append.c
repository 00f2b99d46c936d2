/* SPDX-License-Identifier: MIT */
/*
 * Writing. A group is put together whole in memory, written with one pwrite (a large one in slices) into
 * space that is laid out, and synced once; then the durable point moves over it. Everything that can fail for
 * want of space or memory comes before the first byte is written, so that such a failure leaves the log as it
 * was; after it, a failure is final (invariant 4).
 *
 * When a group does not fit, the open segment is sealed first: its frame table and a sealing commit make a
 * group of their own. The file is cut to its length only after that group is synced: while a group is in
 * flight, the file is longer than it, and scan.c tells a torn group from a damaged one by that.
 *
 * Sealed files are not marked immutable (FS_IMMUTABLE_FL): it would stop no attacker who is root, and would
 * stop everybody else from deleting a store they own.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

enum {
	PARALLEL_FROM_BYTES = 128 << 10,
	EARLY_FROM_BYTES = 2 << 20,
	SLICE_BYTES = 1 << 20,
	GROUP_KEPT_BYTES = 16 << 20, /* a larger buffer is given back after its group */
	TABLE_ENTRY_BYTES_MAX = 6,
	SLACK_BYTES = 4096, /* the file is longer than a group in flight by this */
};

uint64_t append_seal_bytes(size_t n_entries)
{
	return (uint64_t)n_entries * TABLE_ENTRY_BYTES_MAX + 16 + FRAME_HEADER_BYTES + TAG_BYTES +
	       COMMIT_FRAME_BYTES + SLACK_BYTES;
}

/* Room for more entries of the table, before anything is written. */
static int reserve_entries(struct log *l, size_t extra)
{
	struct table_entry *entries;
	size_t cap = l->cap_entries ? l->cap_entries : 256;

	while (cap - l->n_entries < extra)
		cap *= 2;
	if (cap == l->cap_entries)
		return 0;
	entries = realloc(l->entries, cap * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	l->entries = entries;
	l->cap_entries = cap;
	return 0;
}

int append_entry(struct log *l, uint8_t type, uint32_t len)
{
	int r = reserve_entries(l, 1);

	if (r == 0)
		l->entries[l->n_entries++] = (struct table_entry){ .type = type, .len = len };
	return r;
}

/* --- a group in memory */

struct group_sealing {
	const struct log *l;
	struct log_pos start;
	size_t first, end; /* slots */
};

static void seal_job(void *arg, size_t i)
{
	const struct group_sealing *s = arg;
	size_t first = s->first + i * FRAME_SEAL_MAX, n = s->end - first;

	frame_seal(s->l, &s->l->slots[first], n < FRAME_SEAL_MAX ? n : FRAME_SEAL_MAX, s->start,
		   s->l->group.data);
}

/* Memory for everything that building and remembering a group of n frames takes. */
static int reserve_group(struct log *l, size_t n, uint64_t bytes)
{
	int r;

	if (n > l->cap_slots) {
		struct frame_slot *slots = realloc(l->slots, n * sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		l->slots = slots;
		l->cap_slots = n;
	}
	buf_clear(&l->group);
	l->group.failed = false;
	r = buf_reserve(&l->group, (size_t)bytes);
	return r < 0 ? r : reserve_entries(l, n + 1);
}

static void place_frames(struct log *l, const struct log_frame *frames, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		l->slots[i].frame = &frames[i];
		l->slots[i].at = at;
		crypto_random(l->slots[i].nonce, NONCE_BYTES);
		at += (size_t)frame_stored_bytes(&frames[i]);
	}
	l->group.len = at;
}

/* Append the commit frame; c has all but frames, chain and signature. */
static void place_commit(struct log *l, struct log_pos start, size_t n, struct commit *c)
{
	struct frame_header h = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	uint8_t *raw = l->group.data + l->group.len, *body = raw + FRAME_HEADER_BYTES;
	struct chain chain;

	c->frames = (uint32_t)n;
	frame_header_encode(&h, raw);
	commit_encode(c, body);
	chain_resume(&chain, l->v.chain);
	for (size_t i = 0; i < n; i++)
		chain_frame(&chain, l->slots[i].hash);
	chain_commit(&chain, raw, body, c->chain);
	commit_encode(c, body);
	commit_sign(l->keys, start.segment, start.offset + (uint32_t)l->group.len, body);
	l->group.len += COMMIT_FRAME_BYTES;
}

/* --- to the disk */

static int write_bytes(struct log *l, size_t from, size_t to, struct hf_error *err)
{
	struct log_pos end = l->v.point.end;
	int r = os_pwrite_full(l->os, l->cur.fd, l->group.data + from, to - from,
			       end.offset + (uint64_t)from);

	return r < 0 ? log_fail(l, segment_io_error(l, r, end.segment, "write", err), err) : 0;
}

/* The slot behind a slice of a large group that begins with slot `first`. */
static size_t slice_end(const struct log *l, size_t first, size_t n)
{
	size_t i = first + 1;

	while (i < n && l->slots[i].at - l->slots[first].at < SLICE_BYTES)
		i++;
	return i;
}

/*
 * Seal the frames that place_frames has placed. Those of a large group are written slice by slice, so that
 * the disk is at work on one while the next is sealed: *ret_written bytes of them.
 */
static int seal_frames(struct log *l, size_t n, size_t *ret_written, struct hf_error *err)
{
	struct workers *w = l->group.len > PARALLEL_FROM_BYTES ? l->workers : NULL;
	struct group_sealing s = { .l = l, .start = l->v.point.end };
	bool early = l->group.len >= EARLY_FROM_BYTES && l->os->write_back;
	int r = 0;

	*ret_written = 0;
	while (r == 0 && s.first < n) {
		size_t end = early ? slice_end(l, s.first, n) : n;
		size_t from = *ret_written, to = end < n ? l->slots[end].at : l->group.len;

		s.end = end;
		workers_run(w, (end - s.first + FRAME_SEAL_MAX - 1) / FRAME_SEAL_MAX, seal_job, &s);
		s.first = end;
		if (!early)
			break;
		r = write_bytes(l, from, to, err);
		if (r == 0)
			l->os->write_back(l->os->state, l->cur.fd, s.start.offset + (uint64_t)from,
					  to - from);
		*ret_written = to;
	}
	return r;
}

/* Build a group behind the end of the log, write it and sync. Requires reserve_group for these frames. */
static int put_group(struct log *l, const struct log_frame *frames, size_t n, struct commit *c,
		     struct hf_error *err)
{
	struct log_pos start = l->v.point.end;
	size_t written;
	int r;

	place_frames(l, frames, n);
	layout_claim(l, start.offset + (uint64_t)l->group.len + COMMIT_FRAME_BYTES);
	r = seal_frames(l, n, &written, err);
	if (r < 0)
		return r;
	if (c->flags & COMMIT_SEALS)
		c->table_offset = start.offset; /* the only frame of its group */
	place_commit(l, start, n, c);
	r = write_bytes(l, written, l->group.len, err);
	if (r < 0)
		return r;
	r = l->os->fdatasync(l->os->state, l->cur.fd);
	return r < 0 ? log_fail(l, segment_io_error(l, r, start.segment, "sync", err), err) : 0;
}

/* The group written is durable: move everything over it. */
static void move_over_group(struct log *l, const struct commit *c, size_t n)
{
	struct log_point *p = &l->v.point;

	for (size_t i = 0; i < n; i++)
		l->entries[l->n_entries++] = (struct table_entry){
			.type = l->slots[i].frame->type,
			.len = (uint32_t)frame_stored_bytes(l->slots[i].frame),
		};
	l->entries[l->n_entries++] = (struct table_entry){ .type = FRAME_COMMIT, .len = COMMIT_FRAME_BYTES };
	p->end.offset += (uint32_t)l->group.len;
	p->commit = c->number;
	p->tid = c->tid;
	p->time_ns = c->time_ns;
	p->sealed = c->flags & COMMIT_SEALS;
	memcpy(p->chain, c->chain, HASH_BYTES);
	memcpy(l->v.chain, c->chain, HASH_BYTES);
	log_publish(l, l->group.len);
	if (l->group.cap > GROUP_KEPT_BYTES)
		buf_release(&l->group);
}

static struct commit next_commit(const struct log *l, uint64_t tid, uint64_t time_ns, uint32_t flags)
{
	return (struct commit){
		.number = l->v.point.commit + 1,
		.tid = tid,
		.time_ns = time_ns,
		.epoch = l->v.point.epoch,
		.flags = flags,
	};
}

/* --- segments */

/* Cut the open segment's file to what is in it, durably, and let go of it. Nobody lays out in it any more. */
static int end_segment(struct log *l, struct hf_error *err)
{
	struct log_pos end = l->v.point.end;
	struct seg_file f;
	int r;

	layout_freeze(l);
	f = l->cur;
	l->cur = (struct seg_file)SEG_FILE_NONE;
	l->cur.segment = end.segment;
	layout_unfreeze(l);
	if (f.fd < 0)
		return 0;
	r = l->os->truncate(l->os->state, f.fd, end.offset);
	if (r == 0)
		r = l->os->fsync(l->os->state, f.fd);
	seg_file_close(l->os, &f);
	if (r < 0)
		return log_fail(l, segment_io_error(l, r, end.segment, "cut to its length and sync", err),
				err);
	return 0;
}

static int seal_segment(struct log *l, struct hf_error *err)
{
	CLEANUP(log_frame_release) struct log_frame table = { .type = FRAME_TABLE };
	struct commit c = next_commit(l, l->v.point.tid, l->v.point.time_ns, COMMIT_SEALS);
	int r;

	table_encode(l->entries, l->entries_lost.offset ? 0 : l->n_entries, &table.plain);
	r = buf_status(&table.plain);
	if (r == 0)
		r = frame_pack(&table, l->zstd_level);
	if (r == 0)
		r = reserve_group(l, 1, frame_stored_bytes(&table) + COMMIT_FRAME_BYTES);
	if (r < 0)
		return hf_error_set(err, r, "no memory for the frame table of a segment");
	r = layout_current(l, l->v.point.end.offset + frame_stored_bytes(&table) + COMMIT_FRAME_BYTES +
				      SLACK_BYTES);
	if (r < 0)
		return segment_io_error(l, r, l->v.point.end.segment, "lay out", err);
	r = put_group(l, &table, 1, &c, err);
	if (r < 0)
		return r;
	move_over_group(l, &c, 1);
	return end_segment(l, err);
}

static void next_header(const struct log *l, const struct epoch_cert *cert, struct segment_header *h)
{
	const struct log_point *p = &l->v.point;

	*h = (struct segment_header){
		.segment = p->end.segment + 1,
		.epoch = cert->epoch,
		.prev_tid = p->tid,
		.prev_time_ns = p->time_ns,
		.prev_commit = p->commit,
		.cert = *cert,
	};
	memcpy(h->volume_id, l->v.volume_id, VOLUME_ID_BYTES);
	memcpy(h->prev_chain, p->chain, HASH_BYTES);
}

/* Take the file laid out for it, write the header, sync. Requires that v accepts the header already. */
static int write_header(struct log *l, const struct buf *raw, struct hf_error *err)
{
	uint32_t segment = l->v.point.end.segment;
	int r;

	layout_freeze(l);
	l->cur = l->next;
	l->next = (struct seg_file)SEG_FILE_NONE;
	l->write_until = SEGMENT_HEADER_BYTES;
	layout_unfreeze(l);
	r = os_pwrite_full(l->os, l->cur.fd, raw->data, raw->len, 0);
	if (r == 0)
		r = l->os->fsync(l->os->state, l->cur.fd);
	if (r < 0)
		return log_fail(l, segment_io_error(l, r, segment, "write the header of", err), err);
	return 0;
}

int append_begin_segment(struct log *l, const struct epoch_cert *cert, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf raw = BUF_INIT;
	struct verifier v = l->v;
	struct segment_header h;
	int r;

	if (!keyring_has_writer(l->keys) || keyring_writer_epoch(l->keys) != cert->epoch ||
	    memcmp(keyring_writer_public(l->keys), cert->writer_public, PUBLIC_KEY_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "the writer key is not the one certified for epoch %" PRIu32,
				    cert->epoch);
	next_header(l, cert, &h);
	segment_header_encode(&h, &raw);
	r = buf_status(&raw);
	if (r == 0)
		r = verifier_segment(&v, raw.data, err); /* what a reader would refuse is not written */
	if (r < 0)
		return r;
	r = layout_next(l, SEGMENT_HEADER_BYTES + append_seal_bytes(0));
	if (r < 0)
		return segment_io_error(l, r, h.segment, "lay out", err);
	l->v = v;
	l->n_entries = 0;
	l->entries_lost.offset = 0;
	r = write_header(l, &raw, err);
	if (r < 0)
		return r;
	log_publish(l, 0);
	return 0;
}

int log_start_epoch(struct log *l, const struct epoch_cert *cert, struct hf_error *err)
{
	const struct log_point *p = &l->v.point;
	int r = log_failed(l, err);

	if (r < 0)
		return r;
	if (l->read_only)
		return hf_error_set(err, -EROFS, "%s is open for reading only", l->dir);
	if (cert->epoch != p->epoch + 1 || cert->first_segment != p->end.segment + 1 ||
	    memcmp(cert->chain, p->chain, HASH_BYTES) != 0)
		return hf_error_set(err, -EINVAL,
				    "the certificate is for epoch %" PRIu32 " from segment %" PRIu32
				    "; the log "
				    "is in epoch %" PRIu32 ", segment %" PRIu32,
				    cert->epoch, cert->first_segment, p->epoch, p->end.segment);
	r = layout_next(l, SEGMENT_HEADER_BYTES + append_seal_bytes(0));
	if (r < 0)
		return segment_io_error(l, r, p->end.segment + 1, "lay out", err);
	r = end_segment(l, err);
	return r < 0 ? r : append_begin_segment(l, cert, err);
}

/* --- commit */

/* Make the open segment one that takes `bytes` more in n frames and a commit, with all space laid out. */
static int make_place(struct log *l, uint64_t bytes, size_t n, struct hf_error *err)
{
	uint64_t end = l->v.point.end.offset, alone = SEGMENT_HEADER_BYTES + bytes + append_seal_bytes(n + 1);
	bool empty = end == SEGMENT_HEADER_BYTES;
	bool full = l->v.point.sealed || l->cur.fd < 0;
	int r;

	if (alone > SEGMENT_BYTES_MAX)
		return hf_error_set(err, -EFBIG,
				    "a group of %" PRIu64 " bytes is larger than a segment can be", bytes);
	if (!full && (empty || end + bytes + append_seal_bytes(l->n_entries + n + 1) <= l->segment_bytes)) {
		r = layout_current(l, end + bytes + append_seal_bytes(l->n_entries + n + 1));
		return r < 0 ? segment_io_error(l, r, l->v.point.end.segment, "lay out", err) : 0;
	}
	r = layout_next(l, alone); /* before sealing: -ENOSPC must leave things as they were */
	if (r < 0)
		return segment_io_error(l, r, l->v.point.end.segment + 1, "lay out", err);
	if (!l->v.point.sealed)
		r = seal_segment(l, err);
	return r < 0 ? r : append_begin_segment(l, &l->v.header.cert, err);
}

static int check_group(const struct log *l, const struct log_frame *frames, size_t n, uint64_t tid,
		       uint64_t time_ns, struct hf_error *err)
{
	uint8_t last = FRAME_DATA;

	if (l->read_only)
		return hf_error_set(err, -EROFS, "%s is open for reading only", l->dir);
	if (keyring_writer_epoch(l->keys) != l->v.point.epoch)
		return hf_error_set(err, -EKEYREJECTED, "epoch %" PRIu32 " has not been started",
				    keyring_writer_epoch(l->keys));
	if (tid < l->v.point.tid || time_ns < l->v.point.time_ns || n > UINT32_MAX)
		return hf_error_set(err, -EINVAL, "tid or time of a commit goes back");
	if (tid - l->v.point.tid > COMMIT_OPERATIONS_MAX ||
	    time_ns > COMMIT_TIME_MAX) /* what no reader takes */
		return hf_error_set(err, -EINVAL, "commit is further ahead than a commit can be");
	for (size_t i = 0; i < n; i++) {
		if (frames[i].type < last || frames[i].type > FRAME_META || !frames[i].ready)
			return hf_error_set(err, -EINVAL, "frames of a group not packed, or out of order");
		last = frames[i].type;
	}
	return 0;
}

int log_commit(struct log *l, struct log_frame *frames, size_t n, uint64_t tid, uint64_t time_ns,
	       struct hf_error *err)
{
	uint64_t bytes = COMMIT_FRAME_BYTES;
	struct log_pos start;
	struct commit c;
	int r = log_failed(l, err);

	if (r == 0)
		r = check_group(l, frames, n, tid, time_ns, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		bytes += frame_stored_bytes(&frames[i]);
	r = make_place(l, bytes, n, err);
	if (r < 0)
		return r;
	r = reserve_group(l, n, bytes);
	if (r < 0)
		return hf_error_set(err, r, "no memory for a group of %" PRIu64 " bytes", bytes);
	c = next_commit(l, tid, time_ns, 0);
	start = l->v.point.end;
	r = put_group(l, frames, n, &c, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		frames[i].pos = (struct log_pos){ start.segment, start.offset + (uint32_t)l->slots[i].at };
		frames[i].seal = l->slots[i].seal;
	}
	move_over_group(l, &c, n);
	passing_note(l, start, n);
	return 0;
}
