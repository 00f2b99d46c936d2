/* SPDX-License-Identifier: MIT */
/*
 * Segments of a log, verified each for itself. What a segment says of the log before it is its header, whose
 * chain value the owner's certificate and the writer's commits lead on from; so one that verifies is a part
 * of some history of this volume, and the newest, which the node signed for, of this one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/drill/rehearsal.h"
#include "store/replica/prunes.h"
#include "store/replica/shelf.h"

enum { STEP_BYTES = 8 << 20 };

struct sampling {
	struct hf_drill *d;
	struct peer *peer;
	const struct keyring *keys;
	const char *path;
	struct log_point head;
	uint64_t bytes_max;
	const struct hf_progress *progress;
	struct hf_drill_sampled got;
	uint8_t *taken; /* by number, from 1 on */
};

/* --- what is in the groups */

struct chunks {
	struct sampling *s;
	struct log *log;
};

static int check_frame(struct chunks *c, struct log_pos pos, const struct chunk_entry *entries, size_t n,
		       struct hf_error *err)
{
	CLEANUP(buf_release) struct buf plain = BUF_INIT;
	size_t at = 0;
	int r = log_read_frame(c->log, pos, 0, &plain, err);

	if (r == -ENODATA) /* let go by the owner, as a list of his says */
		return 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		uint8_t name[HASH_BYTES];

		if (entries[i].len > plain.len - at)
			break;
		keyring_chunk_name(c->s->keys, plain.data + at, entries[i].len, name);
		if (!crypto_equal(name, entries[i].name, HASH_BYTES))
			return hf_error_set(err, -EUCLEAN,
					    "segment %" PRIu32 ", offset %" PRIu32
					    ": a chunk's bytes are not those of its name",
					    pos.segment, pos.offset);
		at += entries[i].len;
		c->s->got.chunks++;
	}
	return at == plain.len ? 0 :
				 hf_error_set(err, -EUCLEAN,
					      "segment %" PRIu32 ", offset %" PRIu32
					      ": the data frame is not as long as its chunks",
					      pos.segment, pos.offset);
}

/* The n-th CHUNKS record of a group describes its n-th data frame. */
static int check_meta(struct chunks *c, const struct log_group *g, struct span meta, size_t *described,
		      struct hf_error *err)
{
	struct cursor cur = cursor_of(meta.data, meta.len);
	struct span body;
	uint8_t type;
	int r;

	while ((r = record_next(&cur, &type, &body, err)) == 1) {
		CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
		size_t n = 0;

		if (type != RECORD_CHUNKS)
			continue;
		r = chunks_decode(body, &entries, &n, err);
		if (r == 0 && *described >= g->n_data)
			r = hf_error_set(err, -EUCLEAN,
					 "segment %" PRIu32 ": describes a data frame that is not there",
					 g->after.end.segment);
		if (r == 0)
			r = check_frame(c, g->data[(*described)++], entries, n, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int check_group(void *arg, const struct log_group *g, struct hf_error *err)
{
	struct chunks *c = arg;
	size_t described = 0;

	for (size_t i = 0; i < g->n_meta; i++) {
		int r = check_meta(c, g, g->meta[i], &described, err);

		if (r < 0)
			return r;
	}
	return described == g->n_data ?
		       0 :
		       hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 ": a data frame is described by nothing",
				    g->after.end.segment);
}

/* --- one segment */

static int fetch_segment(struct sampling *s, uint32_t number, struct buf *out, struct hf_error *err)
{
	const bool last = number == s->head.end.segment;
	ssize_t n = 1;

	while (n > 0 && out->len <= SEGMENT_BYTES_MAX && !(last && out->len >= s->head.end.offset)) {
		n = peer_read(s->peer, (struct log_pos){ number, (uint32_t)out->len }, STEP_BYTES, out, err);
		if (n < 0)
			return (int)n;
		if (s->progress && s->progress->fn)
			s->progress->fn(s->progress->arg, "sample, bytes", s->got.bytes + out->len,
					s->bytes_max);
	}
	if (last && out->len > s->head.end.offset) /* it grew meanwhile */
		out->len = s->head.end.offset;
	if (out->len < SEGMENT_HEADER_BYTES || (last && out->len < s->head.end.offset))
		return hf_error_set(err, -EUCLEAN, "it gives only %zu bytes of segment %" PRIu32, out->len,
				    number);
	return 0;
}

/* Behind its header, which is decoded and held against the volume: replay goes on from there. */
static int start_of(const struct sampling *s, uint32_t number, const struct buf *bytes, struct log_point *ret,
		    struct hf_error *err)
{
	struct segment_header h;
	int r = segment_header_decode(bytes->data, SEGMENT_HEADER_BYTES, &h, err);

	if (r < 0)
		return hf_error_prefix(err, r, "segment %" PRIu32, number);
	if (h.segment != number || memcmp(h.volume_id, s->d->volume_id, VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN, "what it gives for segment %" PRIu32 " is another one",
				    number);
	*ret = (struct log_point){
		.end = { number, SEGMENT_HEADER_BYTES },
		.commit = h.prev_commit,
		.tid = h.prev_tid,
		.time_ns = h.prev_time_ns,
		.epoch = h.epoch,
	};
	memcpy(ret->chain, h.prev_chain, HASH_BYTES);
	return 0;
}

/* All of it must be log: what does not verify is not cut off as torn, but told. */
static int verify_segment(struct sampling *s, const char *dir, const struct log_point *start, size_t len,
			  struct hf_error *err)
{
	struct log_options o = { .os = s->d->os,
				 .keys = s->keys,
				 .dir = dir,
				 .read_only = true,
				 .first_segment = start->end.segment };
	struct chunks c = { .s = s };
	struct log_point end;
	int r = log_open(&o, NULL, &c.log, err);

	if (r < 0)
		return r;
	log_durable(c.log, &end);
	if (end.end.segment != start->end.segment || end.end.offset != len)
		r = hf_error_set(err, -EUCLEAN,
				 "segment %" PRIu32 " verifies only up to offset %" PRIu32 " of %zu",
				 start->end.segment, end.end.offset, len);
	else if (start->end.segment == s->head.end.segment &&
		 memcmp(end.chain, s->head.chain, HASH_BYTES) != 0)
		r = hf_error_set(err, -EUCLEAN,
				 "the newest segment ends with another history than it signs for");
	else
		r = log_replay(c.log, start, check_group, &c, NULL, err);
	log_close(c.log);
	return r;
}

static int sample_segment(struct sampling *s, uint32_t number, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf bytes = BUF_INIT, dir = BUF_INIT, file = BUF_INIT;
	const struct os *os = s->d->os;
	struct log_point start;
	char name[16];
	int r = fetch_segment(s, number, &bytes, err);

	if (r == 0)
		r = start_of(s, number, &bytes, &start, err);
	if (r < 0)
		return r;
	s->got.bytes += bytes.len;
	if (bytes.len == SEGMENT_HEADER_BYTES) /* just begun: there is no more to it */
		return 0;
	segment_file_name(number, name);
	if (!os_join(&dir, s->path, "log") || !os_join(&file, (const char *)dir.data, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)file.data, bytes.data, bytes.len, 0600);
	if (r < 0)
		return hf_error_set(err, r, "cannot write %s: %s", (const char *)file.data, strerror(-r));
	r = verify_segment(s, (const char *)dir.data, &start, bytes.len, err);
	(void)os->unlink(os->state, (const char *)file.data);
	return r;
}

/* --- which */

static uint64_t random_below(uint64_t n)
{
	uint64_t x;

	crypto_random(&x, sizeof(x));
	return x % n;
}

/* One that is not taken, and was not seen, if there is one. 0: all are taken. */
static uint32_t choose(const struct sampling *s)
{
	uint32_t fresh = 0, any = 0, chosen = 0, other = 0;

	if (!s->taken[s->head.end.segment - 1])
		return s->head.end.segment;
	for (uint32_t i = 1; i <= s->head.end.segment; i++) {
		if (s->taken[i - 1])
			continue;
		if (i > s->d->n_seen || !s->d->seen[i - 1]) {
			if (random_below(++fresh) == 0)
				chosen = i;
		} else if (random_below(++any) == 0) {
			other = i;
		}
	}
	return chosen ? chosen : other;
}

static int sample(struct sampling *s, struct hf_error *err)
{
	uint32_t number;

	/* the newest and one more at the least: else none but the newest is ever seen */
	while ((s->got.n < 2 || s->got.bytes < s->bytes_max) && (number = choose(s))) {
		int r = sample_segment(s, number, err);

		if (r < 0)
			return r;
		s->taken[number - 1] = 1;
		s->got.segments[s->got.n++] = number;
	}
	return 0;
}

static int begin(struct sampling *s, struct hf_error *err)
{
	const uint32_t *of = &s->head.end.segment;
	struct receipt head;
	int r = peer_position(s->peer, &head, err);

	if (r < 0)
		return r;
	s->head = head.point;
	if (*of == 0)
		return hf_error_set(err, -ENOENT, "the replica knows the volume, but has nothing of it");
	s->got.of = *of;
	s->got.log_bytes = (uint64_t)(*of - 1) * SEGMENT_BYTES_NOMINAL + s->head.end.offset;
	s->got.segments = calloc(*of, sizeof(*s->got.segments));
	s->taken = calloc(*of, 1);
	if (!s->got.segments || !s->taken)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = shelf_make(s->d->os, s->path, err);
	return r < 0 ? r : prunes_fetch(s->d->os, s->peer, s->path, s->d->volume_id, err);
}

int hf_drill_sample(struct hf_drill *d, const char *path, uint64_t bytes, const struct hf_progress *progress,
		    struct hf_drill_sampled *ret, struct hf_error *err)
{
	CLEANUP(keyring_freep) struct keyring *of_kit = NULL;
	struct sampling s = {
		.d = d, .keys = d->keys, .path = path, .bytes_max = bytes, .progress = progress
	};
	int r;

	if (d->place.kind == PLACE_BUCKET)
		return hf_error_set(err, -EOPNOTSUPP, "a bucket is recovered whole or not at all");
	if (!s.keys) {
		r = owner_keyring(d->owner, &of_kit);
		if (r < 0)
			return hf_error_set(err, r, "no locked memory for the volume key");
		s.keys = of_kit;
	}
	r = rehearsal_peer(d, &s.peer, err);
	if (r == 0)
		r = begin(&s, err);
	if (r == 0)
		r = sample(&s, err);
	peer_free(s.peer);
	free(s.taken);
	if (r < 0)
		free(s.got.segments);
	else
		*ret = s.got;
	return r;
}
