/* SPDX-License-Identifier: MIT */
/*
 * Segment files. Readers share at most FD_CACHE_SLOTS descriptors, the least recently used making room; when
 * all are in use at once a reader gets one of its own.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log_internal.h"

enum { FD_CACHE_SLOTS = 64 };
/* Of a file that another has replaced, and that is still read from. No segment has this number. */
#define SLOT_OUTDATED UINT32_MAX

struct fd_slot {
	uint32_t segment; /* 0: free */
	int fd;
	unsigned refs;
	uint64_t used; /* when, by fd_cache.clock */
};

struct fd_cache {
	const struct os *os;
	pthread_mutex_t lock; /* protects all below */
	uint64_t clock;
	uint64_t replaced; /* counts files that others have replaced while they could be opened */
	struct fd_slot slots[FD_CACHE_SLOTS];
};

int fd_cache_new(const struct os *os, struct fd_cache **ret)
{
	struct fd_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->os = os;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

void fd_cache_free(struct fd_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < FD_CACHE_SLOTS; i++) {
		if (c->slots[i].segment)
			(void)c->os->close(c->os->state, c->slots[i].fd);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void seg_file_close(const struct os *os, struct seg_file *f)
{
	uint32_t segment = f->segment;

	if (f->fd >= 0)
		(void)os->close(os->state, f->fd);
	if (f->lay_fd >= 0)
		(void)os->close(os->state, f->lay_fd);
	*f = (struct seg_file)SEG_FILE_NONE;
	f->segment = segment;
}

static const char *segment_path(const struct log *l, uint32_t segment, struct buf *out)
{
	char name[16];

	segment_file_name(segment, name);
	return os_join(out, l->dir, name);
}

int segment_open(const struct log *l, uint32_t segment, int flags)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const char *p = segment_path(l, segment, &path);

	return p ? l->os->open(l->os->state, p, O_RDWR | flags, 0600) : -ENOMEM;
}

int segment_io_error(const struct log *l, int code, uint32_t segment, const char *doing, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const char *p = segment_path(l, segment, &path);
	const char *advice = code == -EIO    ? "; look at the disk (dmesg, smartctl)" :
			     code == -ENOSPC ? "; make room on that file system" :
			     code == -EACCES ? "; look at the owner and the modes of the store's files" :
					       "";

	return hf_error_set(err, code, "cannot %s %s: %s%s", doing, p ? p : "a segment", hf_strerror(code),
			    advice);
}

int segment_damage(const struct log *l, struct log_pos pos, const char *why, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const char *p = segment_path(l, pos.segment, &path);

	return hf_error_set(err, -EUCLEAN,
			    "%s is damaged at offset %" PRIu32 ": %s; run `holdfast check` to see how much, "
			    "and with --repair to heal it from a replica",
			    p ? p : "a segment", pos.offset, why);
}

/* Requires cache lock. */
static int slot_find(const struct fd_cache *c, uint32_t segment)
{
	for (int i = 0; i < FD_CACHE_SLOTS; i++) {
		if (c->slots[i].segment == segment)
			return i;
	}
	return -1;
}

/*
 * The slot to use for a new descriptor: a free one, or the one that was idle longest; -1: all are in use.
 * Requires cache lock.
 */
static int slot_oldest(const struct fd_cache *c)
{
	int oldest = -1;

	for (int i = 0; i < FD_CACHE_SLOTS; i++) {
		const struct fd_slot *s = &c->slots[i];

		if (s->segment == 0)
			return i;
		if (s->refs == 0 && (oldest < 0 || s->used < c->slots[oldest].used))
			oldest = i;
	}
	return oldest;
}

/* *ret_replaced: how many were by now, for cache_put. */
static bool cache_get(struct fd_cache *c, uint32_t segment, struct segment_ref *ret, uint64_t *ret_replaced)
{
	int i;

	pthread_mutex_lock(&c->lock);
	*ret_replaced = c->replaced;
	i = slot_find(c, segment);
	if (i >= 0) {
		c->slots[i].refs++;
		c->slots[i].used = ++c->clock;
		ret->fd = c->slots[i].fd;
		ret->slot = i;
	}
	pthread_mutex_unlock(&c->lock);
	return i >= 0;
}

/*
 * Offer a descriptor just opened; ret->slot says whether the cache took it. Not one of a file that may have
 * been replaced since: others would read it long after.
 */
static void cache_put(struct fd_cache *c, uint32_t segment, struct segment_ref *ret, uint64_t replaced)
{
	int i, old = -1;

	pthread_mutex_lock(&c->lock);
	/* another thread may have been quicker */
	i = c->replaced == replaced && slot_find(c, segment) < 0 ? slot_oldest(c) : -1;
	if (i >= 0) {
		if (c->slots[i].segment)
			old = c->slots[i].fd;
		c->slots[i] =
			(struct fd_slot){ .segment = segment, .fd = ret->fd, .refs = 1, .used = ++c->clock };
		ret->slot = i;
	}
	pthread_mutex_unlock(&c->lock);
	if (old >= 0)
		(void)c->os->close(c->os->state, old);
}

/* Who opens the segment next gets the file that has its name then. Requires that nobody reads it. */
static void cache_forget(struct fd_cache *c, uint32_t segment)
{
	int i, old = -1;

	pthread_mutex_lock(&c->lock);
	i = slot_find(c, segment);
	if (i >= 0) {
		assert(c->slots[i].refs == 0);
		old = c->slots[i].fd;
		c->slots[i].segment = 0;
	}
	pthread_mutex_unlock(&c->lock);
	if (old >= 0)
		(void)c->os->close(c->os->state, old);
}

/*
 * The same while it is being read: who reads on does so in the file of before, whose descriptor is closed
 * when nobody uses it any more.
 */
void log_forget_segment(const struct log *l, uint32_t segment)
{
	struct fd_cache *c = l->fds;
	int i, old = -1;

	pthread_mutex_lock(&c->lock);
	c->replaced++;
	i = slot_find(c, segment);
	if (i >= 0 && c->slots[i].refs == 0) {
		old = c->slots[i].fd;
		c->slots[i].segment = 0;
	} else if (i >= 0) {
		c->slots[i].segment = SLOT_OUTDATED;
	}
	pthread_mutex_unlock(&c->lock);
	if (old >= 0)
		(void)c->os->close(c->os->state, old);
}

int segment_unlink(const struct log *l, uint32_t segment)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const char *p = segment_path(l, segment, &path);

	if (!p)
		return -ENOMEM;
	cache_forget(l->fds, segment);
	return l->os->unlink(l->os->state, p);
}

int segment_get(const struct log *l, uint32_t segment, struct segment_ref *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	uint64_t replaced;
	const char *p;

	*ret = (struct segment_ref){ .log = l, .fd = -1, .slot = -1 };
	if (cache_get(l->fds, segment, ret, &replaced))
		return 0;
	p = segment_path(l, segment, &path);
	if (!p)
		return -ENOMEM;
	ret->fd = l->os->open(l->os->state, p, O_RDONLY, 0);
	if (ret->fd < 0)
		return segment_io_error(l, ret->fd, segment, "open", err);
	cache_put(l->fds, segment, ret, replaced);
	return 0;
}

void segment_ref_release(struct segment_ref *ref)
{
	if (ref->fd < 0)
		return;
	if (ref->slot < 0) {
		(void)ref->log->os->close(ref->log->os->state, ref->fd);
	} else {
		struct fd_cache *c = ref->log->fds;
		struct fd_slot *slot = &c->slots[ref->slot];
		int old = -1;

		pthread_mutex_lock(&c->lock);
		if (--slot->refs == 0 && slot->segment == SLOT_OUTDATED) {
			old = slot->fd;
			slot->segment = 0;
		}
		pthread_mutex_unlock(&c->lock);
		if (old >= 0)
			(void)c->os->close(c->os->state, old);
	}
	ref->fd = -1;
}

int segment_size(const struct log *l, const struct segment_ref *ref, uint32_t segment, uint64_t *ret,
		 struct hf_error *err)
{
	int r = l->os->size(l->os->state, ref->fd, ret);

	return r < 0 ? segment_io_error(l, r, segment, "ask the size of", err) : 0;
}

int segment_read(const struct log *l, const struct segment_ref *ref, uint32_t segment, uint64_t offset,
		 void *data, size_t len, struct hf_error *err)
{
	int r = os_pread_full(l->os, ref->fd, data, len, offset);

	if (r == -ENODATA)
		return segment_damage(l, (struct log_pos){ segment, (uint32_t)offset },
				      "the file ends too early", err);
	return r < 0 ? segment_io_error(l, r, segment, "read", err) : 0;
}

int segment_read_some(const struct log *l, const struct segment_ref *ref, uint32_t segment, uint64_t offset,
		      void *data, size_t len, size_t at_least, size_t *ret, struct hf_error *err)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n =
			l->os->pread(l->os->state, ref->fd, (uint8_t *)data + got, len - got, offset + got);

		if (n < 0)
			return segment_io_error(l, (int)n, segment, "read", err);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	if (got < at_least)
		return segment_damage(l, (struct log_pos){ segment, (uint32_t)offset },
				      "the file ends too early", err);
	*ret = got;
	return 0;
}

int segment_read_header(const struct log *l, uint32_t segment, uint8_t ret[SEGMENT_HEADER_BYTES],
			struct hf_error *err)
{
	CLEANUP(segment_ref_release) struct segment_ref ref = SEGMENT_REF_INIT;
	int r = segment_get(l, segment, &ref, err);

	if (r < 0)
		return r;
	return segment_read(l, &ref, segment, 0, ret, SEGMENT_HEADER_BYTES, err);
}

struct listing {
	uint32_t *numbers;
	size_t n, cap;
	bool failed;
};

static void listing_add(void *arg, const char *name)
{
	struct listing *list = arg;
	uint32_t segment;

	if (list->failed || !segment_file_number(name, &segment))
		return;
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		uint32_t *numbers = realloc(list->numbers, cap * sizeof(*numbers));

		list->failed = !numbers;
		if (!numbers)
			return;
		list->numbers = numbers;
		list->cap = cap;
	}
	list->numbers[list->n++] = segment;
}

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

int segment_list(const struct log *l, uint32_t **ret, size_t *ret_n, struct hf_error *err)
{
	struct listing list = { 0 };
	int r = l->os->list(l->os->state, l->dir, listing_add, &list);

	if (r == -ENOENT) /* as none is in a folder that is gone */
		r = 0;
	if (r == 0 && list.failed)
		r = -ENOMEM;
	if (r < 0) {
		free(list.numbers);
		return hf_error_set(err, r, "cannot list the segments in %s: %s", l->dir, hf_strerror(r));
	}
	if (list.n)
		qsort(list.numbers, list.n, sizeof(*list.numbers), compare_numbers);
	*ret = list.numbers;
	*ret_n = list.n;
	return 0;
}
