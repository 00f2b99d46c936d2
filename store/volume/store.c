/* SPDX-License-Identifier: MIT */
/* Opening and closing a store. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "store/base/journal.h"
#include "store/index/borrow.h"
#include "store/replica/replica.h"
#include "store/volume/guard.h"
#include "store/volume/keys.h"
#include "store/volume/kit.h"
#include "store/volume/known.h"
#include "store/volume/rot.h"
#include "store/volume/opening.h"

enum {
	CACHE_BYTES = 256 << 20,
	CACHE_BYTES_MIN = 16 << 20,
	PENDING_BYTES_MIN = 16 << 20,
	PENDING_BYTES_MAX = 64 << 20,
	COMMIT_INTERVAL_MS = 1000,
	SYNC_TIMEOUT_MS = 30000,
};

const char *hf_version(void)
{
	return "holdfast 0.1.0";
}

/* --- open */

static void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(c, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static struct hf_store *store_new(const char *path)
{
	struct hf_store *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->os = os_posix();
	s->lock_fd = -1;
	s->path = realpath(path, NULL);
	(void)pthread_mutex_init(&s->pack, NULL);
	(void)pthread_mutex_init(&s->write, NULL);
	(void)pthread_mutex_init(&s->sequence, NULL);
	(void)pthread_mutex_init(&s->refs, NULL);
	cond_init(&s->sealed_cond);
	cond_init(&s->packed_cond);
	cond_init(&s->settle_cond);
	cond_init(&s->room_cond);
	cond_init(&s->progress_cond);
	meters_init(s);
	return s;
}

static void queue_free(struct group_queue *q)
{
	struct group *g;

	while ((g = queue_pop(q)))
		group_free(g);
}

/* Everything but the threads, which have ended. Reverse of opening. */
static void store_free(struct hf_store *s)
{
	if (s->batch)
		index_batch_free(s->batch);
	index_close(s->index);
	index_give_back(s->borrowed);
	frame_cache_free(s->frames);
	rot_free(s);
	log_close(s->log);
	group_free(s->open);
	queue_free(&s->sealed);
	queue_free(&s->packed);
	queue_free(&s->committed);
	queue_free(&s->settled);
	run_table_free(s->tree.runs);
	refs_free(s);
	keyring_free(s->keys);
	workers_free(s->workers);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	(void)pthread_cond_destroy(&s->sealed_cond);
	(void)pthread_cond_destroy(&s->packed_cond);
	(void)pthread_cond_destroy(&s->settle_cond);
	(void)pthread_cond_destroy(&s->room_cond);
	(void)pthread_cond_destroy(&s->progress_cond);
	(void)pthread_mutex_destroy(&s->pack);
	(void)pthread_mutex_destroy(&s->write);
	(void)pthread_mutex_destroy(&s->sequence);
	(void)pthread_mutex_destroy(&s->refs);
	free(s->path);
	free(s);
}

/* The log names an epoch before its writer key is put here: but a recovery, which begins with the key. */
static int check_epoch(const struct hf_store *s, struct hf_error *err)
{
	const uint32_t ours = keyring_writer_epoch(s->keys);
	struct log_point end;

	log_durable(s->log, &end);
	if (ours == end.epoch)
		return 0;
	return hf_error_set(
		err, -EUCLEAN,
		"%s: its writer key is of epoch %" PRIu32 ", and the log ends in epoch %" PRIu32
		": a recovery was not done to its end (say `holdfast recover` again), or the beginning of "
		"that epoch was lost (recover into a new store from a replica)",
		s->path, ours, end.epoch);
}

static int open_log(struct opening *p, struct hf_error *err)
{
	struct log_options lo = {
		.os = p->s->os,
		.keys = p->s->keys,
		.workers = p->s->workers,
		.segment_bytes = p->o->segment_bytes,
		.reserve = room_reserve,
		.read_only = p->s->read_only,
	};
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct known known = { .n = 0 };
	int r;

	lo.dir = os_join(&dir, p->s->path, "log");
	if (!lo.dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	known_add_index(&known, &p->state.point);
	r = known_add_receipts(&known, p->s->os, p->s->path, err);
	if (r < 0)
		return r;
	/* Who only reads sees the log as far as it goes; but an index that knows more is not taken away. */
	if (!p->s->read_only || p->rebuild) {
		lo.known = known.all;
		lo.n_known = known.n;
	}
	if (p->rebuild)
		p->state = (struct volume_state){ 0 };
	r = log_open(&lo, p->state.point.end.segment ? &p->state.point : NULL, &p->s->log, err);
	return r < 0 || p->s->read_only ? r : check_epoch(p->s, err);
}

static int open_lock(struct opening *p, struct hf_error *err)
{
	struct hf_store *s = p->s;
	struct hf_error why;
	int r = files_lock(s->path, p->o->holder ? p->o->holder : "holdfast", p->o->busy_wait_ms,
			   s->read_only ? &s->shared : NULL, err);

	if (r == -EROFS) {
		why = *err;
		return hf_error_set(err, r, "%s. What is there can be read, mount it with -o ro", why.text);
	}
	if (r < 0)
		return r;
	s->lock_fd = r;
	return 0;
}

static int open_parts(struct opening *p, struct hf_error *err)
{
	struct hf_store *s = p->s;
	int r;

	r = files_read_descriptor(s->os, s->path, &s->descriptor, err);
	if (r == 0)
		r = open_lock(p, err);
	if (r < 0)
		return r;
	r = files_read_keys(s->os, s->path, &s->descriptor, &s->keys, err);
	if (r == 0 && !s->read_only && !keyring_has_writer(s->keys))
		r = hf_error_set(
			err, -EKEYREJECTED,
			"%s/keys/writer.key is gone: recover into a new store with the kit, or open for "
			"reading only",
			s->path);
	if (r == 0)
		r = workers_new(0, &s->workers);
	if (r == 0)
		r = opening_index(p, err);
	if (r == 0)
		r = open_log(p, err);
	if (r == 0)
		r = run_table_new(&s->tree.runs);
	if (r == 0)
		r = frame_cache_new(s->log, p->frame_bytes, &s->frames);
	if (r == 0)
		r = rot_open(s);
	if (r == 0)
		r = p->rebuild ? opening_remake_index(p, err) : index_batch_new(s->index, &s->batch);
	if (r < 0 && err && !err->code)
		(void)hf_error_set(err, r, "cannot open %s: %s", s->path, hf_strerror(r));
	s->tree.index = s->index;
	s->tree.keys = s->keys;
	s->tree.frames = s->frames;
	s->tree.created_ns = s->descriptor.created_ns;
	return r;
}

/*
 * What follows in the log was signed with the writer key, but is nothing that this build wrote: a thief's, or
 * a newer build's. It is no reason to keep what came before from who only reads.
 */
static int open_before(struct opening *p, uint64_t memory, struct volume_state *at, struct replay_end *end,
		       struct hf_error *err)
{
	struct hf_store *s = p->s;
	int r;

	s->failed = hf_error_prefix(err, err->code, "shown as it was before this");
	memcpy(s->failed_text, err->text, sizeof(s->failed_text));
	*err = (struct hf_error)HF_ERROR_INIT;
	end->stop = true;
	r = opening_remake_index(p, err);
	return r < 0 ? r : replay_log(s, NULL, memory, &p->o->progress, at, end, err);
}

/* Say what a person can do who cannot write. */
static int point_to_reading(int code, struct hf_error *err)
{
	struct hf_error why = *err;

	return hf_error_set(err, code, "%s. All that came before it can be read: mount with -o ro", why.text);
}

/* The index is never ahead of what is surely in the log: who only reads sees to that, too, if he brings it
 * on. One that is borrowed lasts no longer than what was read. */
static int open_surely(struct opening *p, struct hf_error *err)
{
	struct log_point end;

	log_durable(p->s->log, &end);
	if (!p->s->read_only || p->s->borrow || log_pos_compare(p->state.point.end, end.end) == 0)
		return 0;
	return log_make_sure(p->s->log, err);
}

/*
 * Bring the index to where the log is; one to which the log's operations cannot be applied, or in which
 * damage is found by that, is made anew.
 */
static int open_replay(struct opening *p, struct hf_error *err)
{
	struct hf_store *s = p->s;
	const bool anew = p->state.point.end.segment == 0;
	/* Nobody reads yet: most of what frames may have is lent; groups, sorting and writing take the rest.
	 */
	const uint64_t memory = p->frame_bytes / 16 * 11;
	struct replay_end end = { .stop = false };
	struct volume_state at;
	int r;

	memset(&at, 0, sizeof(at));
	r = open_surely(p, err);
	if (r < 0)
		return r;
	r = replay_log(s, anew ? NULL : &p->state, memory, &p->o->progress, &at, &end, err);
	if (r < 0 && !anew && (end.misfit || (r == -EUCLEAN && index_is_damaged(s->index)))) {
		opening_tell_anew(s, err->text);
		*err = (struct hf_error)HF_ERROR_INIT;
		r = opening_remake_index(p, err);
		if (r == 0)
			r = replay_log(s, NULL, memory, &p->o->progress, &at, &end, err);
	}
	if (r < 0 && end.foreign)
		r = s->read_only ? open_before(p, memory, &at, &end, err) : point_to_reading(r, err);
	if (r < 0)
		return r;
	s->state = at.tree;
	s->next_chunk = s->counted_next_chunk = at.next_chunk;
	s->chunk_bytes = s->counted_chunk_bytes = at.chunk_bytes;
	s->epoch_start = log_epoch_start(s->log);
	s->chunks_of_others = s->epoch_start > 1 ? at.next_chunk : 0;
	s->open = group_new(1, &s->state);
	if (!s->open)
		return -ENOMEM;
	r = tree_has_retired(s->index, err);
	atomic_store(&s->has_retired, r == 1);
	return r < 0 ? r : 0;
}

/* The disk may be too full to bring the index on where it is. */
static int open_tree(struct opening *p, struct hf_error *err)
{
	int r = open_replay(p, err);

	if (!opening_goes_elsewhere(p, r))
		return r;
	r = opening_elsewhere(p, err);
	return r < 0 ? r : open_replay(p, err);
}

/* Unlinked files that a crash left: nobody has them open now. */
static int open_orphans(struct hf_store *s, struct hf_error *err)
{
	CLEANUP(cleanup_free) uint64_t *inos = NULL;
	size_t n = 0;
	int r = tree_orphans(s->index, &inos, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		refs_orphaned(s, inos[i]);
	return r;
}

/* Those that were started are stopped by stop_threads, whatever is returned. */
static int start_threads(struct hf_store *s, struct hf_error *err)
{
	static void *(*const work[N_THREADS])(void *) = { pack_thread, write_thread, settle_thread };
	static const char *const names[N_THREADS] = { "pack", "write", "settle" };

	for (; s->threads_started < N_THREADS; s->threads_started++) {
		int r = pthread_create(&s->threads[s->threads_started], NULL, work[s->threads_started], s);

		if (r != 0)
			return hf_error_set(err, -r, "cannot start a thread: %s", strerror(r));
		(void)pthread_setname_np(s->threads[s->threads_started], names[s->threads_started]);
	}
	return 0;
}

static int start_replicas(struct opening *p, struct hf_error *err)
{
	struct hf_store *s = p->s;
	const bool ship = !s->read_only && !(p->o->flags & HF_OPEN_NO_REPLICATION);
	int r = replica_set_start(s->os, s->path, s->log, s->keys, ship, &s->replicas, err);

	if (r < 0 || !ship || !p->o->sync_receipts)
		return r;
	s->sync_timeout_ms = p->o->sync_timeout_ms ? p->o->sync_timeout_ms : SYNC_TIMEOUT_MS;
	return replica_set_need(s->replicas, p->o->sync_receipts, err);
}

static int open_all(struct opening *p, struct hf_error *err)
{
	struct hf_store *s = p->s;
	int r;

	/* Names stand in clear in what processes that died have left behind. */
	if (!s->read_only)
		index_borrowed_clear_up();
	r = open_parts(p, err);
	if (r == 0)
		r = open_tree(p, err);
	if (r == 0 && !s->read_only)
		r = open_orphans(s, err);
	if (r == 0 && !s->read_only)
		r = start_threads(s, err);
	if (r == 0)
		r = start_replicas(p, err);
	if (r == 0 && !s->read_only && !(p->o->flags & HF_OPEN_NO_REPLICATION))
		guard_start(s);
	if (r == 0 && !s->shared && !(p->o->flags & HF_OPEN_NO_REPLICATION))
		scrub_start(s, p->o->scrub_s);
	return r;
}

static void stop_threads(struct hf_store *s)
{
	(void)pthread_mutex_lock(&s->sequence);
	s->stopping = true;
	(void)pthread_cond_broadcast(&s->sealed_cond);
	(void)pthread_cond_broadcast(&s->packed_cond);
	(void)pthread_cond_broadcast(&s->settle_cond);
	(void)pthread_mutex_unlock(&s->sequence);
	for (unsigned i = 0; i < s->threads_started; i++)
		(void)pthread_join(s->threads[i], NULL);
	s->threads_started = 0;
}

/*
 * Who may have how much, so that the process stays about within what was asked for. What is under way to the
 * disk is there several times over (as written, as frames, as the group's bytes); an eighth is left to
 * threads, buffers and the allocator's rest. The kernel has the contents of files in its own cache: frames
 * get less.
 */
static void share_memory(struct opening *p, uint64_t bytes)
{
	uint64_t pending = bytes / 8;

	p->index_bytes = bytes / 8 * 3;
	p->frame_bytes = bytes / 4;
	if (pending < PENDING_BYTES_MIN)
		pending = PENDING_BYTES_MIN;
	p->s->pending_max = pending < PENDING_BYTES_MAX ? pending : PENDING_BYTES_MAX;
}

int hf_store_open(const char *path, const struct hf_open_options *options, struct hf_store **ret,
		  struct hf_error *err)
{
	static const struct hf_open_options defaults;
	struct hf_error local = HF_ERROR_INIT;
	struct opening p = { .o = options ? options : &defaults };
	uint64_t cache = p.o->cache_bytes ? p.o->cache_bytes : CACHE_BYTES;
	int r;

	if (!err)
		err = &local;
	*err = (struct hf_error)HF_ERROR_INIT;
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	p.s = store_new(path);
	if (!p.s)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (!p.s->path) {
		r = hf_error_set(err, -errno, "cannot open the store %s: %s", path, strerror(errno));
		store_free(p.s);
		return r;
	}
	share_memory(&p, cache < CACHE_BYTES_MIN ? CACHE_BYTES_MIN : cache);
	p.s->read_only = p.o->flags & HF_OPEN_READ_ONLY;
	p.rebuild = p.o->flags & HF_OPEN_REBUILD;
	p.s->commit_interval_ms = p.o->commit_interval_ms ? p.o->commit_interval_ms : COMMIT_INTERVAL_MS;
	r = open_all(&p, err);
	if (r == -ENOSPC && p.s->borrowed)
		hf_error_prefix(err, r,
				"no room for an index to read with; set TMPDIR to a folder that has some");
	if (r < 0) {
		scrub_stop(p.s);
		replica_set_stop(p.s->replicas);
		stop_threads(p.s);
		store_free(p.s);
		return r;
	}
	*ret = p.s;
	return 0;
}

/* --- commit and close */

/* Is a group waiting for the one that is being written, and on its way? Requires sequence. */
static bool line_is_full(const struct hf_store *s)
{
	return !s->failed && !s->pack_stuck && !s->write_stuck &&
	       (s->sealed.first || s->packing || s->packed.n > 1);
}

int hf_store_commit(struct hf_store *s, struct hf_error *err)
{
	uint64_t target;
	int r = 0;

	if (s->read_only)
		return 0;
	(void)pthread_mutex_lock(&s->sequence);
	target = s->open->id;
	/*
	 * Whoever comes while others stand in line shares one group, and one sync, with all who come until
	 * then.
	 */
	while (s->open->id == target && s->open->n > 0 && line_is_full(s))
		(void)pthread_cond_wait(&s->progress_cond, &s->sequence);
	if (s->open->id == target)
		r = group_seal(s, &target);
	(void)pthread_mutex_unlock(&s->sequence);
	if (r < 0)
		return hf_error_set(err, r, "no memory to commit");
	return commit_until(s, target, err);
}

int hf_store_close(struct hf_store *s, struct hf_error *err)
{
	int r;

	scrub_stop(s);
	rot_settle(s);
	r = hf_store_commit(s, err);
	guard_stop(s);
	replica_set_stop(s->replicas);
	s->replicas = NULL;
	stop_threads(s);
	store_free(s);
	return r;
}

const char *hf_store_path(const struct hf_store *s)
{
	return s->path;
}

uint64_t hf_store_kit_checked(const struct hf_store *s)
{
	return kit_note_read(s->os, s->path, s->descriptor.volume_id);
}

static bool disk_is_fixed(const char *path)
{
	struct statvfs st;

	return (statvfs(path, &st) == 0 && (st.f_flag & ST_RDONLY)) ||
	       (access(path, W_OK) < 0 && errno == EROFS);
}

void hf_store_status(struct hf_store *s, struct hf_status *ret)
{
	struct frame_cache_stats cache;
	struct index_stats index;
	struct log_point point;
	struct log_stats log;
	uint64_t free_bytes, total, available = 0;

	*ret = (struct hf_status){ 0 };
	log_durable(s->log, &point);
	log_stats(s->log, &log);
	index_stats(s->index, &index);
	frame_cache_stats(s->frames, &cache);
	volume_id_text(s->descriptor.volume_id, ret->volume_id);
	ret->epoch = point.epoch;
	ret->read_only = s->read_only;
	ret->disk_read_only = disk_is_fixed(s->path);
	ret->index_damaged = index_is_damaged(s->index);
	ret->committed_tid = point.tid;
	ret->committed_time_ns = point.time_ns;
	ret->log_bytes = log.bytes;
	ret->log_segments = log.last_segment - log.first_segment + 1;
	ret->index_bytes = index.disk_bytes;
	ret->cache_bytes = cache.bytes + index.memory_bytes;
	if (s->os->free_bytes(s->os->state, s->path, &free_bytes, &total) == 0) {
		available = room_available(s, free_bytes, total);
		ret->reserve_bytes = room_reserve(total);
	}
	(void)pthread_mutex_lock(&s->sequence);
	ret->free_bytes = room_left(s, available);
	ret->no_room = ret->reserve_bytes > 0 && room_is_none(s, ret->free_bytes);
	ret->head_tid = s->state.tid;
	ret->head_time_ns = s->state.time_ns;
	ret->live_bytes = s->state.live_bytes;
	ret->live_inodes = s->state.live_inodes;
	ret->pending_bytes = s->pending_bytes;
	ret->chunks = s->counted_next_chunk;
	ret->chunk_bytes = s->counted_chunk_bytes;
	ret->failed = s->failed;
	memcpy(ret->failed_text, s->failed_text, sizeof(ret->failed_text));
	(void)pthread_mutex_unlock(&s->sequence);
}
