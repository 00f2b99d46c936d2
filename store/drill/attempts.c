/* SPDX-License-Identifier: MIT */
/*
 * What must not be possible, tried by what is kept on the primary (PROTOCOL.md §3 and §4, §11.7). The last
 * group of the log is what is tried on: everything before it is out of reach if that is, and it is the least
 * to lose if it is not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/drill/rehearsal.h"
#include "store/log/verifier.h"
#include "store/replica/s3_probe.h"

enum { PATIENCE = 3, WORDS_BYTES = HF_ERROR_TEXT_BYTES };

struct attempts {
	struct hf_drill *d;
	struct peer *peer;
	bool alarms;
	const struct hf_drill_told *told;
	unsigned waited;        /* seconds, for a node that is busy */
	struct verifier before; /* in front of the last group */
};

/* A step in the making: its worst attempt counts. */
struct step {
	enum hf_drill_verdict verdict;
	char words[WORDS_BYTES];
};

__attribute__((format(printf, 3, 4))) static void add(struct step *s, enum hf_drill_verdict verdict,
						      const char *fmt, ...)
{
	size_t at = strlen(s->words);
	va_list ap;

	if (verdict > s->verdict)
		s->verdict = verdict;
	at += (size_t)snprintf(s->words + at, sizeof(s->words) - at, "%s", at ? "; " : "");
	if (at >= sizeof(s->words))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(s->words + at, sizeof(s->words) - at, fmt, ap);
	va_end(ap);
}

static void tell(const struct attempts *a, const char *step, const struct step *s)
{
	a->told->step(a->told->arg, step, s->verdict, s->words);
}

/* --- the last group */

/* Walk the segment up to where the log ends; *before is in front of the last group of it. */
static int find_last(struct hf_drill *d, const struct buf *segment, const struct grants *grants,
		     struct verifier *before, struct hf_error *err)
{
	struct verifier v;
	size_t used = 0;
	int r;

	verifier_begin(&v, d->volume_id);
	verifier_grant(&v, grants);
	r = verifier_enter(&v, segment->data, err);
	if (r < 0)
		return r;
	while (v.point.end.offset < segment->len &&
	       (v.point.end.segment != d->end.end.segment || v.point.end.offset < d->end.end.offset)) {
		*before = v;
		r = verifier_group(&v, segment->data + v.point.end.offset, segment->len - v.point.end.offset,
				   &used, NULL, err);
		if (r < 0)
			return r;
		if (r == 0)
			break; /* laid out ahead, or cut off by an epoch: nothing of the log */
	}
	if (used == 0)
		return -ENODATA;
	d->last_at = before->point.end;
	buf_clear(&d->last);
	buf_add(&d->last, segment->data + d->last_at.offset, used);
	return buf_status(&d->last);
}

static int load_segment(struct hf_drill *d, const char *path, uint32_t number, struct buf *out,
			struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT, file = BUF_INIT;
	char name[16];
	int r;

	segment_file_name(number, name);
	if (!os_join(&dir, path, "log") || !os_join(&file, (const char *)dir.data, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	buf_clear(out);
	r = os_read_file(d->os, (const char *)file.data, SEGMENT_BYTES_MAX, out);
	if (r == 0 && out->len < SEGMENT_HEADER_BYTES)
		r = -ENODATA;
	return r < 0 ? hf_error_set(err, r, "cannot read %s: %s", (const char *)file.data, strerror(-r)) : 0;
}

/* Of a log that ends with a bare header, it is in the segment before. */
static int load_last(struct attempts *a, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf segment = BUF_INIT;
	CLEANUP(grants_release) struct grants grants = { NULL, 0 };
	struct hf_drill *d = a->d;
	int r = grants_load(d->os, path, d->volume_id, &grants, err);

	for (uint32_t number = d->end.end.segment; r == 0 && number > 0; number--) {
		r = load_segment(d, path, number, &segment, err);
		if (r == 0)
			r = find_last(d, &segment, &grants, &a->before, err);
		if (r != -ENODATA)
			break;
		r = 0;
	}
	a->before.grants = NULL; /* which ends with this */
	if (r == 0 && d->last.len == 0)
		r = hf_error_set(err, -ENODATA, "the log has no commit yet: there is nothing to be tried on");
	return r;
}

/* --- a node */

static bool is_refused(long status)
{
	return (status / 100 == 4 && status != 408 && status != 429) || status == 501;
}

static void wait_a_second(void)
{
	const struct timespec second = { 1, 0 };

	(void)nanosleep(&second, NULL);
}

/* One attempt, counted in the step as `what`. */
static void attempt(struct attempts *a, struct step *s, const struct peer_attempt *what, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;
	long status = 0;
	int r = peer_attempt(a->peer, what, &status, &err);

	for (; r == 0 && status == 503 && a->waited < PATIENCE; a->waited++) {
		wait_a_second();
		r = peer_attempt(a->peer, what, &status, &err);
	}
	if (r < 0)
		add(s, HF_DRILL_FAIL, "%s: no answer (%.200s)", name, err.text);
	else if (is_refused(status))
		add(s, HF_DRILL_PASS, "%s: refused, %ld", name, status);
	else
		add(s, HF_DRILL_FAIL, "%s: %s, %ld", name, status / 100 == 2 ? "ACCEPTED" : "not refused",
		    status);
}

static void node_delete(struct attempts *a)
{
	struct step s = { HF_DRILL_PASS, "" };
	struct peer_attempt what = { .method = "DELETE", .at = a->d->last_at };

	attempt(a, &s, &what, "DELETE of a segment");
	what.at.segment = 0;
	attempt(a, &s, &what, "DELETE of the volume");
	tell(a, "delete", &s);
}

/* The same length, one bit turned. */
static void node_overwrite(struct attempts *a)
{
	CLEANUP(buf_release) struct buf other = BUF_INIT;
	struct step s = { HF_DRILL_PASS, "" };
	struct peer_attempt what = { .at = a->d->last_at };
	static const char *const methods[] = { "PUT", "PATCH" };
	const bool is_writer = a->d->keys && keyring_has_writer(a->d->keys);

	buf_add(&other, a->d->last.data, a->d->last.len);
	if (buf_status(&other) < 0) {
		add(&s, HF_DRILL_FAIL, "no memory");
		tell(a, "overwrite", &s);
		return;
	}
	other.data[other.len / 2] ^= 1;
	what.body = other.data;
	what.len = other.len;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		what.method = methods[i];
		attempt(a, &s, &what, methods[i]);
	}
	what.method = "POST";
	if (is_writer && !a->alarms)
		add(&s, HF_DRILL_PASS, "POST of other bytes at a place already filled was left out");
	else
		attempt(a, &s, &what,
			is_writer ? "POST of other bytes at a place already filled" :
				    "POST by the owner key");
	tell(a, "overwrite", &s);
}

/* A commit of its own behind the last but one, rightly signed: what a thief of the writer key can make. */
static int make_fork(const struct attempts *a, uint8_t out[COMMIT_FRAME_BYTES])
{
	const struct log_point *p = &a->before.point;
	const struct frame_header h = { .type = FRAME_COMMIT, .body_len = COMMIT_BODY_BYTES };
	struct commit c = {
		.number = p->commit + 1, .tid = p->tid, .time_ns = p->time_ns + 1, .epoch = p->epoch
	};
	struct verifier v = a->before;
	struct chain chain;
	size_t used;

	frame_header_encode(&h, out);
	commit_encode(&c, out + FRAME_HEADER_BYTES);
	chain_resume(&chain, a->before.chain);
	chain_commit(&chain, out, out + FRAME_HEADER_BYTES, c.chain);
	commit_encode(&c, out + FRAME_HEADER_BYTES);
	commit_sign(a->d->keys, p->end.segment, p->end.offset, out + FRAME_HEADER_BYTES);
	return verifier_group(&v, out, COMMIT_FRAME_BYTES, &used, NULL, NULL);
}

static void node_fork(struct attempts *a)
{
	struct step s = { HF_DRILL_PASS, "" };
	uint8_t fork[COMMIT_FRAME_BYTES];
	struct peer_attempt what = {
		.method = "POST", .at = a->d->last_at, .body = fork, .len = sizeof(fork)
	};
	const struct keyring *keys = a->d->keys;

	if (!keys || !keyring_has_writer(keys))
		add(&s, HF_DRILL_SKIP, "the primary's writer key is not here: drill with its store for that");
	else if (!a->alarms)
		add(&s, HF_DRILL_SKIP, "left out, since the node alarms its operator of it");
	else if (memcmp(keyring_writer_public(keys), a->before.header.cert.writer_public, PUBLIC_KEY_BYTES) !=
		 0)
		add(&s, HF_DRILL_SKIP,
		    "the writer key of this store is not the one that wrote last: its epoch is over");
	else if (make_fork(a, fork) != 1)
		add(&s, HF_DRILL_FAIL, "a fork that verifies could not be made: nothing was tried");
	else
		attempt(a, &s, &what, "another commit, rightly signed, in the place of the last one");
	tell(a, "fork", &s);
}

static int try_node(struct attempts *a, struct hf_error *err)
{
	int r = rehearsal_peer(a->d, &a->peer, err);

	if (r < 0)
		return r;
	node_delete(a);
	node_overwrite(a);
	node_fork(a);
	peer_free(a->peer);
	return 0;
}

/* --- a bucket: as it was tried when it was added, on objects of our own */

struct bucket_steps {
	bool unlocked; /* which was known, and accepted, when it was added */
	struct step remove, overwrite;
};

static void found(void *arg, enum hf_finding finding, const char *what, const char *words)
{
	static const char *const removing[] = { "versions", "object lock", "deleting", "deleting a version",
						"shortening a retention" };
	struct bucket_steps *s = arg;
	const enum hf_drill_verdict verdict = finding != HF_FINDING_DANGER ? HF_DRILL_PASS :
					      s->unlocked                  ? HF_DRILL_WEAK :
									     HF_DRILL_FAIL;

	if (strcmp(what, "overwriting") == 0)
		add(&s->overwrite, verdict, "%.300s", words);
	for (size_t i = 0; i < sizeof(removing) / sizeof(removing[0]); i++)
		if (strcmp(what, removing[i]) == 0)
			add(&s->remove, verdict, "%s: %.160s", what, words);
}

static int try_bucket(struct attempts *a, struct hf_error *err)
{
	struct s3_place *place = a->d->name[0] ? a->d->own_place.s3 : NULL;
	struct bucket_steps s = { place && place->unlocked, { HF_DRILL_PASS, "" }, { HF_DRILL_PASS, "" } };
	struct step fork = { HF_DRILL_SKIP,
			     "a bucket looks at nothing that is put into it: of what is put later, or behind "
			     "the end, a recovery takes nothing that does not verify" };
	const struct hf_replica_options o = {
		.retention_days = place ? place->retention_days : 0,
		.without_lock = true, /* it is said as a step */
		.found = found,
		.found_arg = &s,
	};
	int r = 0;

	if (place) {
		r = s3_probe(a->d->os, a->d->volume_id, place, &o, err);
	} else {
		add(&s.remove, HF_DRILL_SKIP,
		    "the primary's credentials are not here: drill with its store for that");
		s.overwrite = s.remove;
	}
	if (r < 0)
		return r;
	tell(a, "delete", &s.remove);
	tell(a, "overwrite", &s.overwrite);
	tell(a, "fork", &fork);
	return 0;
}

/* --- a folder: nothing is there that could refuse */

static void say_folder(struct attempts *a)
{
	const struct step s = { HF_DRILL_WEAK,
				"a folder: whoever is root where it is can do it, and nothing was tried. "
				"Against that it is no defence; have a node or a bucket too" };
	const struct step same = { HF_DRILL_WEAK, "the same" };

	tell(a, "delete", &s);
	tell(a, "overwrite", &same);
	tell(a, "fork", &same);
}

int hf_drill_attempts(struct hf_drill *d, const char *path, bool alarms, const struct hf_drill_told *told,
		      struct hf_error *err)
{
	struct attempts a = { .d = d, .alarms = alarms, .told = told };
	int r;

	if (d->place.kind == PLACE_BUCKET)
		return try_bucket(&a, err);
	r = load_last(&a, path, err);
	if (r < 0)
		return r;
	if (d->place.kind == PLACE_NODE)
		return try_node(&a, err);
	say_folder(&a);
	return 0;
}

/* --- and afterwards */

static int read_again(struct hf_drill *d, struct peer *peer, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf there = BUF_INIT;
	struct log_pos at = d->last_at;

	while (there.len < d->last.len) {
		ssize_t n = peer_read(peer, at, d->last.len - there.len, &there, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		at.offset += (uint32_t)n;
	}
	if (there.len != d->last.len || memcmp(there.data, d->last.data, there.len) != 0)
		return hf_error_set(err, -EUCLEAN,
				    "segment %" PRIu32 ", offset %" PRIu32
				    ": it gives other bytes than before it was "
				    "tried",
				    d->last_at.segment, d->last_at.offset);
	return 0;
}

int hf_drill_unchanged(struct hf_drill *d, struct hf_error *err)
{
	struct receipt head;
	struct peer *peer;
	int r;

	if (d->place.kind == PLACE_BUCKET || d->last.len == 0)
		return hf_error_set(err, -EOPNOTSUPP, "nothing was tried on what is there");
	r = rehearsal_peer(d, &peer, err);
	if (r < 0)
		return r;
	r = peer_position(peer, &head, err);
	if (r == 0 && log_pos_compare(head.point.end, d->end.end) < 0)
		r = hf_error_set(err, -EUCLEAN, "it has less than before it was tried: up to tid-%" PRIu64,
				 head.point.tid);
	if (r == 0)
		r = read_again(d, peer, err);
	peer_free(peer);
	return r;
}
