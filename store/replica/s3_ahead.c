/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_ahead.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum state { WANTED, UNDER_WAY, HERE, FAILED, TAKEN };

struct slot {
	enum state state;
	int code; /* FAILED */
	struct buf bytes;
};

struct s3_ahead {
	const struct s3_object *const *plan; /* immutable, as is all up to the lock */
	size_t n;
	struct s3 *connections[S3_AHEAD_THREADS];
	pthread_t threads[S3_AHEAD_THREADS];
	size_t n_threads, n_connections;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	size_t first, next; /* not taken yet; not begun yet */
	uint64_t bytes;     /* of slots from first up to next */
	struct hf_error error;
	struct slot *slots;
};

struct thread {
	struct s3_ahead *ahead;
	struct s3 *s3;
};

/* Requires the lock. */
static bool has_room(const struct s3_ahead *a)
{
	return a->next < a->n && a->next - a->first < S3_AHEAD_OBJECTS &&
	       (a->next == a->first || a->bytes + a->plan[a->next]->bytes <= S3_AHEAD_BYTES);
}

static bool begin_next(struct s3_ahead *a, size_t *ret)
{
	(void)pthread_mutex_lock(&a->lock);
	while (!a->stop && a->next < a->n && !has_room(a))
		(void)pthread_cond_wait(&a->changed, &a->lock);
	if (a->stop || a->next == a->n) {
		(void)pthread_mutex_unlock(&a->lock);
		return false;
	}
	*ret = a->next++;
	a->bytes += a->plan[*ret]->bytes;
	a->slots[*ret].state = UNDER_WAY;
	(void)pthread_mutex_unlock(&a->lock);
	return true;
}

static void end_one(struct s3_ahead *a, size_t i, int code, struct buf *bytes, const struct hf_error *err)
{
	struct slot *slot = &a->slots[i];

	(void)pthread_mutex_lock(&a->lock);
	slot->state = code < 0 ? FAILED : HERE;
	slot->code = code;
	if (code < 0)
		a->error = *err;
	if (i >= a->first)
		buf_swap(&slot->bytes, bytes);
	(void)pthread_cond_broadcast(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
}

static void *run(void *arg)
{
	struct thread t = *(struct thread *)arg;
	size_t i;

	free(arg);
	while (begin_next(t.ahead, &i)) {
		CLEANUP(buf_release) struct buf bytes = BUF_INIT;
		struct hf_error err = HF_ERROR_INIT;
		char key[S3_KEY_BYTES];
		int r;

		s3_name_key(s3_root(t.s3), &t.ahead->plan[i]->name, key);
		r = s3_get(t.s3, key, t.ahead->plan[i]->version, 0, &bytes, &err);
		end_one(t.ahead, i, r, &bytes, &err);
	}
	return NULL;
}

static int start_thread(struct s3_ahead *a, const struct s3_options *o, struct hf_error *err)
{
	struct thread *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = s3_open(o, &t->s3, err);
	if (r == 0) {
		a->connections[a->n_connections++] = t->s3;
		t->ahead = a;
		r = -pthread_create(&a->threads[a->n_threads], NULL, run, t);
		if (r == 0) {
			a->n_threads++;
			return 0;
		}
		(void)hf_error_set(err, r, "no thread to fetch with: %s", strerror(-r));
	}
	free(t);
	return r;
}

int s3_ahead_start(const struct s3_options *o, const struct s3_object *const *plan, size_t n,
		   struct s3_ahead **ret, struct hf_error *err)
{
	struct s3_ahead *a = calloc(1, sizeof(*a));
	int r = 0;

	if (!a)
		return hf_error_set(err, -ENOMEM, "no memory");
	(void)pthread_mutex_init(&a->lock, NULL);
	(void)pthread_cond_init(&a->changed, NULL);
	a->plan = plan;
	a->n = n;
	a->slots = calloc(n ? n : 1, sizeof(*a->slots));
	if (!a->slots)
		r = hf_error_set(err, -ENOMEM, "no memory for a list of %zu objects", n);
	for (int i = 0; r == 0 && i < S3_AHEAD_THREADS; i++)
		r = start_thread(a, o, err);
	if (r < 0) {
		s3_ahead_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void s3_ahead_free(struct s3_ahead *a)
{
	if (!a)
		return;
	(void)pthread_mutex_lock(&a->lock);
	a->stop = true;
	(void)pthread_cond_broadcast(&a->changed);
	(void)pthread_mutex_unlock(&a->lock);
	for (size_t i = 0; i < a->n_threads; i++)
		(void)pthread_join(a->threads[i], NULL);
	for (size_t i = 0; i < a->n_connections; i++)
		s3_close(a->connections[i]);
	for (size_t i = 0; a->slots && i < a->n; i++)
		buf_release(&a->slots[i].bytes);
	(void)pthread_cond_destroy(&a->changed);
	(void)pthread_mutex_destroy(&a->lock);
	free(a->slots);
	free(a);
}

static size_t find(const struct s3_ahead *a, const struct s3_object *object)
{
	size_t low = 0, high = a->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (a->plan[middle] < object)
			low = middle + 1;
		else
			high = middle;
	}
	return low < a->n && a->plan[low] == object ? low : a->n;
}

/* Requires the lock. All before i makes room. */
static void pass(struct s3_ahead *a, size_t i)
{
	for (; a->first < i; a->first++) {
		if (a->first < a->next)
			a->bytes -= a->plan[a->first]->bytes;
		buf_release(&a->slots[a->first].bytes);
	}
	if (a->next < a->first)
		a->next = a->first;
	(void)pthread_cond_broadcast(&a->changed);
}

int s3_ahead_take(struct s3_ahead *a, const struct s3_object *object, struct buf *out, struct hf_error *err)
{
	size_t i = find(a, object);
	struct slot *slot;
	int r;

	if (i == a->n)
		return -ENOENT;
	slot = &a->slots[i];
	(void)pthread_mutex_lock(&a->lock);
	if (i < a->first) {
		(void)pthread_mutex_unlock(&a->lock);
		return -ENOENT;
	}
	pass(a, i);
	while (slot->state == WANTED || slot->state == UNDER_WAY)
		(void)pthread_cond_wait(&a->changed, &a->lock);
	r = slot->state == FAILED ? slot->code : 0;
	if (r < 0 && err)
		*err = a->error;
	if (r == 0)
		buf_swap(out, &slot->bytes);
	slot->state = TAKEN;
	pass(a, i + 1);
	(void)pthread_mutex_unlock(&a->lock);
	return r;
}
