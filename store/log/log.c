/* SPDX-License-Identifier: MIT */
/* A log as a whole: made, opened, closed; its durable point; its totals. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/log/log_internal.h"

int log_pos_compare(struct log_pos a, struct log_pos b)
{
	if (a.segment != b.segment)
		return a.segment < b.segment ? -1 : 1;
	return (a.offset > b.offset) - (a.offset < b.offset);
}

/* --- made and ended */

static void cond_init_monotonic(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

static void log_free(struct log *l)
{
	seg_file_close(l->os, &l->cur);
	seg_file_close(l->os, &l->next);
	fd_cache_free(l->fds);
	pthread_cond_destroy(&l->moved);
	pthread_cond_destroy(&l->lay_wanted);
	pthread_cond_destroy(&l->lay_done);
	pthread_mutex_destroy(&l->lock);
	pthread_mutex_destroy(&l->stats_lock);
	ahead_release(&l->ahead);
	buf_release(&l->group);
	free(l->slots);
	free(l->entries);
	grants_release(&l->grants);
	free(l->dir);
	free(l);
}

static void log_freep(struct log **l)
{
	if (*l)
		log_free(*l);
}

static int log_new(const struct log_options *o, struct log **ret, struct hf_error *err)
{
	struct log *l;
	int r = crypto_init();

	if (r < 0)
		return hf_error_set(err, r, "libsodium cannot be used: the system gives it no random bytes");
	if (o->segment_bytes > SEGMENT_BYTES_MAX)
		return hf_error_set(err, -EINVAL, "a segment of %" PRIu64 " bytes: at most %d can be",
				    o->segment_bytes, SEGMENT_BYTES_MAX);
	l = calloc(1, sizeof(*l));
	if (!l)
		return hf_error_set(err, -ENOMEM, "no memory to open the log");
	l->os = o->os;
	l->keys = o->keys;
	l->workers = o->workers;
	l->reserve = o->reserve;
	l->segment_bytes = o->segment_bytes ? o->segment_bytes : SEGMENT_BYTES_NOMINAL;
	l->zstd_level = o->zstd_level ? o->zstd_level : 1;
	l->read_only = o->read_only;
	l->damaged_too = o->read_only && o->damaged_too;
	l->first_segment = o->read_only && o->first_segment ? o->first_segment : 1;
	l->sealed_upto = 1;
	l->cur = l->next = (struct seg_file)SEG_FILE_NONE;
	pthread_mutex_init(&l->lock, NULL);
	pthread_mutex_init(&l->stats_lock, NULL);
	ahead_init(&l->ahead);
	passing_init(&l->passing);
	cond_init_monotonic(&l->moved);
	cond_init_monotonic(&l->lay_wanted);
	cond_init_monotonic(&l->lay_done);
	log_verifier_begin(l, &l->v);
	l->dir = strdup(o->dir);
	r = l->dir ? fd_cache_new(l->os, &l->fds) : -ENOMEM;
	if (r < 0) {
		log_free(l);
		return hf_error_set(err, r, "no memory to open the log");
	}
	*ret = l;
	return 0;
}

/* Give back what was laid out and not used: a store at rest is as long as what is in it. */
static void give_back(struct log *l)
{
	uint64_t end = l->v.point.end.offset;

	if (l->next.fd >= 0)
		(void)segment_unlink(l, l->next.segment);
	if (l->cur.fd >= 0 && l->cur.allocated > end && l->os->truncate(l->os->state, l->cur.fd, end) == 0)
		(void)l->os->fsync(l->os->state, l->cur.fd);
}

void log_close(struct log *l)
{
	if (!l)
		return;
	layout_stop(l);
	if (!l->read_only && !atomic_load(&l->failed))
		give_back(l);
	log_free(l);
}

/* What is there to be laid out is, before the first commit: so log_room tells the truth from the start. */
static int begin_laying_out(struct log *l, struct hf_error *err)
{
	int r;

	if (l->read_only)
		return 0;
	layout_begin(l);
	r = layout_start(l); /* what could not be had now, the thread tries again */
	return r < 0 ? hf_error_set(err, r, "cannot start the log's lay-out thread: %s", hf_strerror(r)) : 0;
}

/* The folder that the log's is in, into out, terminated. */
static int parent_of(const struct log *l, struct buf *out)
{
	const char *slash = strrchr(l->dir, '/');

	if (slash)
		buf_add(out, l->dir, slash == l->dir ? 1 : (size_t)(slash - l->dir));
	else
		buf_add(out, ".", 1);
	(void)buf_cstr(out);
	return buf_status(out);
}

static int make_dir(const struct log *l, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf parent = BUF_INIT;
	const char *p;
	int r = l->os->mkdir(l->os->state, l->dir, 0700);

	if (r < 0 && r != -EEXIST)
		return hf_error_set(err, r, "cannot make %s: %s", l->dir, hf_strerror(r));
	r = parent_of(l, &parent);
	p = (const char *)parent.data;
	if (r == 0)
		r = l->os->sync_dir(l->os->state, p);
	return r < 0 ? hf_error_set(err, r, "cannot sync the folder of %s: %s", l->dir, hf_strerror(r)) : 0;
}

int log_create(const struct log_options *o, const struct epoch_cert *cert, struct log **ret,
	       struct hf_error *err)
{
	CLEANUP(log_freep) struct log *l = NULL;
	CLEANUP(cleanup_free) uint32_t *segments = NULL;
	size_t n = 0, begun;
	int r = log_new(o, &l, err);

	if (r == 0)
		r = make_dir(l, err);
	if (r == 0)
		r = segment_list(l, &segments, &n, err);
	begun = n;
	if (r == 0)
		r = scan_without_spares(l, segments, &begun, err);
	if (r < 0)
		return r;
	if (begun || n > 1 || (n == 1 && segments[0] != 1))
		return hf_error_set(err, -EEXIST, "%s holds a log already", l->dir);
	r = append_begin_segment(l, cert, err);
	if (r == 0)
		r = begin_laying_out(l, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

/* May this keyring write here? */
static int check_writer(const struct log *l, struct hf_error *err)
{
	uint32_t epoch = l->v.point.epoch, mine;

	if (!keyring_has_writer(l->keys))
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: no writer key; it can only be opened for reading", l->dir);
	mine = keyring_writer_epoch(l->keys);
	if (mine == epoch + 1)
		return 0; /* log_start_epoch is next */
	if (mine != epoch)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s is in epoch %" PRIu32 ", but the writer key is that of epoch %" PRIu32
				    ": the log was taken over elsewhere; use the store there",
				    l->dir, epoch, mine);
	if (memcmp(keyring_writer_public(l->keys), l->v.header.cert.writer_public, PUBLIC_KEY_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s: the writer key is not the one certified for epoch %" PRIu32, l->dir,
				    epoch);
	return 0;
}

static int load_grants(struct log *l, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf parent = BUF_INIT;

	if (parent_of(l, &parent) < 0)
		return hf_error_set(err, -ENOMEM, "no memory to open the log");
	return grants_load(l->os, (const char *)parent.data, keyring_volume_id(l->keys), &l->grants, err);
}

void log_verifier_begin(const struct log *l, struct verifier *v)
{
	verifier_begin(v, keyring_volume_id(l->keys));
	verifier_grant(v, &l->grants);
}

/* How far the log gets is in `what`. */
static int say_short(const struct log *l, const struct log_known *k, const char *what, const char *way_on,
		     struct hf_error *err)
{
	const struct log_pos at = k->point.end;

	return hf_error_set(
		err, -EUCLEAN,
		"%s: %s, but %s up to segment %" PRIu32 ", offset %" PRIu32
		"; nothing was changed, run `holdfast check --repair` to fetch the rest from a replica%s",
		l->dir, what, k->who, at.segment, at.offset, way_on);
}

/* Of a segment in front of the last its length is looked at. What cannot be read is for who reads it. */
static int check_length(const struct log *l, const struct log_known *k, struct hf_error *err)
{
	CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
	const struct log_pos at = k->point.end;
	char what[80];
	uint64_t size;

	if (at.segment < l->first_segment || segment_get(l, at.segment, &ref, NULL) < 0 ||
	    segment_size(l, &ref, at.segment, &size, NULL) < 0 || at.offset <= size)
		return 0;
	(void)snprintf(what, sizeof(what), "segment %" PRIu32 " has %" PRIu64 " bytes", at.segment, size);
	return say_short(l, k, what, "", err);
}

/* A tail that would be cut off is not torn when something beside the log was made from it. */
static int check_reach(const struct log *l, const struct log_options *o, struct hf_error *err)
{
	static const char way_on[] =
		". If nobody has it any more, take away what says so (`holdfast replica remove`, "
		"the folder index), and the log goes on where it ends";
	const struct log_pos end = l->v.point.end;
	char ends[80] = "there is no log";
	int r = 0;

	if (end.segment)
		(void)snprintf(ends, sizeof(ends), "the log ends at segment %" PRIu32 ", offset %" PRIu32,
			       end.segment, end.offset);
	for (size_t i = 0; r == 0 && i < o->n_known; i++) {
		const struct log_known *k = &o->known[i];

		if (k->point.end.segment < end.segment)
			r = check_length(l, k, err);
		else if (log_pos_compare(end, k->point.end) < 0)
			r = say_short(l, k, ends, way_on, err);
	}
	return r;
}

int log_open(const struct log_options *o, const struct log_point *known, struct log **ret,
	     struct hf_error *err)
{
	CLEANUP(log_freep) struct log *l = NULL;
	int r = log_new(o, &l, err);

	if (r == 0)
		r = load_grants(l, err);
	if (r == 0)
		r = o->read_only && o->ends ? scan_end_at(l, o->ends, err) : scan_find_end(l, known, err);
	if (r == 0 || r == -ENOENT) {
		int short_of = check_reach(l, o, err);

		r = short_of < 0 ? short_of : r;
	}
	if (r == 0 && !l->read_only)
		r = check_writer(l, err);
	if (r == 0 && !l->read_only)
		r = scan_cut_tail(l, err);
	if (r < 0)
		return r;
	log_publish(l, 0);
	r = begin_laying_out(l, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

/* --- the durable point */

void log_publish(struct log *l, uint64_t grew)
{
	const struct log_point *p = &l->v.point;

	pthread_mutex_lock(&l->lock);
	l->point = *p;
	l->seal_bytes = append_seal_bytes(l->n_entries);
	if (grew)
		l->group_bytes = (3 * l->group_bytes + grew) / 4;
	atomic_store_explicit(&l->durable, log_pos_number(p->end), memory_order_release);
	pthread_cond_broadcast(&l->moved);
	if (layout_has_work(l))
		pthread_cond_signal(&l->lay_wanted);
	pthread_mutex_unlock(&l->lock);
}

int log_fail(struct log *l, int code, struct hf_error *err)
{
	int none = 0;

	if (code == -ENOSPC || code == -EDQUOT) {
		code = -EIO;
		if (err)
			err->code = code;
	}
	(void)atomic_compare_exchange_strong(&l->failed, &none, code);
	return code;
}

int log_failed(const struct log *l, struct hf_error *err)
{
	int code = atomic_load(&log_mutable(l)->failed);

	if (!code)
		return 0;
	return hf_error_set(
		err, code,
		"%s takes no more changes since a write to it failed (%s): look at the disk, then "
		"open the store anew",
		l->dir, hf_strerror(code));
}

uint32_t log_epoch_start(const struct log *l)
{
	return l->v.header.cert.first_segment;
}

bool log_has_lost(const struct log *l, struct log_pos *ret)
{
	*ret = l->entries_lost;
	return l->entries_lost.offset != 0;
}

void log_durable(const struct log *l, struct log_point *ret)
{
	struct log *m = log_mutable(l);

	pthread_mutex_lock(&m->lock);
	*ret = m->point;
	pthread_mutex_unlock(&m->lock);
}

bool log_wait(struct log *l, struct log_pos pos, unsigned timeout_ms)
{
	struct timespec until;
	uint64_t wakes;
	bool there;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&l->lock);
	wakes = l->wakes;
	for (;;) {
		there = log_pos_compare(l->point.end, pos) > 0;
		if (there || wakes != l->wakes ||
		    pthread_cond_timedwait(&l->moved, &l->lock, &until) == ETIMEDOUT)
			break;
	}
	there = log_pos_compare(l->point.end, pos) > 0;
	pthread_mutex_unlock(&l->lock);
	return there;
}

void log_wake(struct log *l)
{
	pthread_mutex_lock(&l->lock);
	l->wakes++;
	pthread_cond_broadcast(&l->moved);
	pthread_mutex_unlock(&l->lock);
}

/* --- totals */

/*
 * Sizes of the segments before `upto`; each is asked for once. A file that is not there counts for nothing.
 */
static uint64_t bytes_before(struct log *l, uint32_t upto)
{
	uint64_t sum;

	pthread_mutex_lock(&l->stats_lock);
	for (; l->sealed_upto < upto; l->sealed_upto++) {
		CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
		uint64_t size;

		if (segment_get(l, l->sealed_upto, &ref, NULL) == 0 &&
		    segment_size(l, &ref, l->sealed_upto, &size, NULL) == 0)
			l->sealed_bytes += size;
	}
	sum = l->sealed_bytes;
	pthread_mutex_unlock(&l->stats_lock);
	return sum;
}

void log_stats(const struct log *l, struct log_stats *ret)
{
	struct log *m = log_mutable(l);
	struct log_pos end;
	uint64_t ahead;

	pthread_mutex_lock(&m->lock);
	end = m->point.end;
	ahead = m->cur.segment == end.segment && m->cur.allocated > end.offset ?
			m->cur.allocated - end.offset :
			0;
	ahead += m->next.allocated;
	pthread_mutex_unlock(&m->lock);
	*ret = (struct log_stats){
		.first_segment = l->first_segment,
		.last_segment = end.segment,
		.bytes = bytes_before(m, end.segment) + end.offset,
		.allocated_ahead = ahead,
		.failed = atomic_load(&m->failed),
	};
}
