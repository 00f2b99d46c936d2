/* SPDX-License-Identifier: MIT */
/*
 * Prunes as whoever administers the node sees them (layer 4; PROTOCOL.md §10): from its folder alone, served
 * or not.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/alarm/alarm_file.h"
#include "store/node/identity.h"
#include "store/node/prune_file.h"
#include "store/node/setup.h"
#include "store/replica/shelf_prune.h"

enum { LOOKS_MAX = 3 };

struct admin {
	const struct os *os;
	const char *dir;
	struct setup setup;
	struct identity identity;
	struct volumes *volumes;
};

static void admin_close(struct admin *a)
{
	volumes_close(a->volumes);
	identity_release(&a->identity);
}

/* The log of a node that is served may be in the middle of an append, which looks like damage for a moment.
 */
static int admin_open(struct admin *a, const char *dir, struct hf_error *err)
{
	struct hf_error local = HF_ERROR_INIT;
	int r;

	*a = (struct admin){ .os = os_posix(), .dir = dir };
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	r = setup_read(a->os, dir, &a->setup, err);
	if (r == 0)
		r = identity_load(a->os, dir, &a->identity, err);
	if (r < 0)
		return r;
	r = -EUCLEAN;
	for (int i = 0; (r == -EUCLEAN || (r == 0 && volumes_nth_fault(a->volumes, 0))) && i < LOOKS_MAX;
	     i++) {
		local = (struct hf_error)HF_ERROR_INIT;
		volumes_close(TAKE_PTR(a->volumes));
		r = volumes_open(a->os, dir, true, &a->volumes, &local);
	}
	if (r < 0 && err)
		*err = local;
	return r;
}

/* Call fn for each list of each volume until it returns non-zero. */
typedef int list_fn(struct admin *a, struct volume *v, uint32_t number, void *arg, struct hf_error *err);

static int each_list(struct admin *a, list_fn *fn, void *arg, struct hf_error *err)
{
	struct volume *v;
	int r = 0;

	for (size_t i = 0; r == 0 && (v = volumes_nth(a->volumes, i)); i++) {
		CLEANUP(cleanup_free) uint32_t *numbers = NULL;
		size_t n = 0;

		r = grants_numbers(a->os, volume_dir(v), &numbers, &n, err);
		for (size_t k = 0; r == 0 && k < n; k++)
			r = fn(a, v, numbers[k], arg, err);
	}
	return r;
}

/* --- looking */

static bool is_over(const struct hf_node_prune *p)
{
	return p->state == HF_PRUNE_DONE || p->state == HF_PRUNE_CANCELLED || p->state == HF_PRUNE_REFUSED ||
	       p->state == HF_PRUNE_KNOWN;
}

/* As it is now: cancelled counts at once, though the node writes it down when it looks. */
static int read_one(struct admin *a, struct volume *v, uint32_t number, struct hf_node_prune *ret,
		    struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	struct prune_list list;
	int r = prune_file_read(a->os, volume_dir(v), number, &list, ret, &why);

	if (r == -EUCLEAN || r == -EKEYREJECTED || r == -EPROTONOSUPPORT) {
		memset(ret, 0, sizeof(*ret));
		ret->number = number;
		ret->state = HF_PRUNE_REFUSED;
		(void)snprintf(ret->volume_id, sizeof(ret->volume_id), "%s", volume_id_words(v));
		(void)snprintf(ret->words, sizeof(ret->words), "%s", why.text);
		return 0;
	}
	if (r < 0)
		return hf_error_set(err, r, "%s", why.text);
	if (!prune_is_for(&list, a->identity.name))
		ret->state = HF_PRUNE_KNOWN;
	prune_list_release(&list);
	if (!is_over(ret) && prune_file_is_cancelled(a->os, volume_dir(v), number))
		ret->state = HF_PRUNE_CANCELLED;
	if (ret->delay_s < a->setup.prune_delay_s)
		ret->delay_s = a->setup.prune_delay_s;
	return 0;
}

struct found {
	struct hf_node_prune *all;
	size_t n;
};

static int collect(struct admin *a, struct volume *v, uint32_t number, void *arg, struct hf_error *err)
{
	struct found *f = arg;
	struct hf_node_prune *more = reallocarray(f->all, f->n + 1, sizeof(*more));
	int r;

	if (!more)
		return hf_error_set(err, -ENOMEM, "no memory");
	f->all = more;
	r = read_one(a, v, number, &more[f->n], err);
	f->n += r == 0;
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct hf_node_prune *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int note_frozen(const struct admin *a, struct found *f, struct hf_error *err)
{
	CLEANUP(cleanup_free) struct hf_alarm *alarms = NULL;
	bool frozen = false;
	uint32_t next;
	size_t n = 0;
	int r = alarm_files_read(a->os, a->dir, &alarms, &n, &next, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		frozen = frozen || alarm_freezes(&alarms[i]);
	for (size_t i = 0; i < f->n; i++)
		f->all[i].frozen = frozen && !is_over(&f->all[i]);
	return r;
}

int hf_node_prunes(const char *dir, struct hf_node_prune **ret, size_t *ret_n, struct hf_error *err)
{
	CLEANUP(admin_close) struct admin a;
	struct found f = { NULL, 0 };
	int r = admin_open(&a, dir, err);

	if (r == 0)
		r = each_list(&a, collect, &f, err);
	if (r == 0)
		r = note_frozen(&a, &f, err);
	if (r < 0) {
		free(f.all);
		return r;
	}
	if (f.n > 1)
		qsort(f.all, f.n, sizeof(*f.all), compare);
	*ret = f.all;
	*ret_n = f.n;
	return 0;
}

/* --- cancelling */

struct wanted {
	uint32_t number;
	struct hf_node_prune *ret;
};

/* 1: it is this one, and it is cancelled. */
static int cancel_this(struct admin *a, struct volume *v, uint32_t number, void *arg, struct hf_error *err)
{
	const struct wanted *w = arg;
	int r;

	if (number != w->number)
		return 0;
	r = read_one(a, v, number, w->ret, err);
	if (r < 0)
		return r;
	if (is_over(w->ret))
		return hf_error_set(err, -EALREADY, "prune %" PRIu32 " is over: it is %s", number,
				    hf_prune_state_name(w->ret->state));
	r = prune_file_cancel(a->os, volume_dir(v), number);
	if (r < 0)
		return hf_error_set(err, r, "cannot write into %s/prunes: %s", volume_dir(v), hf_strerror(r));
	w->ret->state = HF_PRUNE_CANCELLED;
	return 1;
}

int hf_node_prune_cancel(const char *dir, uint32_t number, struct hf_node_prune *ret, struct hf_error *err)
{
	CLEANUP(admin_close) struct admin a;
	struct hf_node_prune p;
	struct wanted w = { number, &p };
	const struct volume_fault *f = NULL;
	int r = admin_open(&a, dir, err);

	if (r == 0)
		r = each_list(&a, cancel_this, &w, err);
	if (r == 0)
		f = volumes_nth_fault(a.volumes, 0);
	if (f)
		return hf_error_set(err, f->why.code,
				    "there is no prune %" PRIu32 " of a volume that can be opened; %s",
				    number, f->why.text);
	if (r == 0)
		return hf_error_set(err, -ENOENT, "there is no prune %" PRIu32 " on this node", number);
	if (r < 0)
		return r;
	*ret = p;
	return 0;
}

/* --- handing one in */

/* Its segments have ended, and are what it says: all of them are read. */
static int check_segments(const struct admin *a, struct volume *v, const struct prune_list *list,
			  struct hf_error *err)
{
	CLEANUP(grants_release) struct grants grants = { NULL, 0 };
	struct shelf_pruned pruned;
	int r = grants_load(a->os, volume_dir(v), volume_id(v), &grants, err);

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = shelf_prune_check(a->os, volume_dir(v), &grants, list, &list->segments[i], &pruned, err);
	return r;
}

static int judge(struct admin *a, const struct prune_list *list, struct volume **ret, struct hf_error *err)
{
	const struct volume_fault *f = volumes_fault_of(a->volumes, list->volume_id);
	int r;

	*ret = volumes_find(a->volumes, list->volume_id);
	if (f)
		return hf_error_set(err, f->why.code, "%s", f->why.text);
	if (!*ret)
		return hf_error_set(err, -ENOENT, "the volume that the list is of is not on this node");
	r = prune_judge(a->os, list, *ret, a->identity.name, err);
	return r < 0 ? r : check_segments(a, *ret, list, err);
}

static int refuse_second(struct admin *a, struct volume *v, uint32_t number, void *arg, struct hf_error *err)
{
	struct hf_node_prune p;
	int r = v == arg ? read_one(a, v, number, &p, err) : 0;

	if (r < 0 || v != arg || is_over(&p))
		return r;
	return hf_error_set(err, -EEXIST, "volume %s has prune %" PRIu32 " under way: one at a time",
			    p.volume_id, number);
}

static int put(struct admin *a, struct volume *v, const void *data, size_t len, struct hf_node_prune *ret,
	       struct hf_error *err)
{
	CLEANUP(cleanup_fd) int turn = prune_file_turn(a->dir, err);
	uint32_t number;
	int r = turn < 0 ? turn : prune_file_is_there(a->os, v, data, len, &number, err);

	if (r == 1) {
		r = read_one(a, v, number, ret, err);
		return r < 0 ? r :
			       hf_error_set(err, -EEXIST,
					    "this list was handed in before, as prune %" PRIu32
					    ": it is %s. Plan anew",
					    number, hf_prune_state_name(ret->state));
	}
	if (r == 0)
		r = each_list(a, refuse_second, v, err);
	if (r == 0)
		r = prune_file_put(a->os, a->volumes, v, data, len, &number, err);
	return r == 0 ? read_one(a, v, number, ret, err) : r;
}

int hf_node_prune(const char *dir, const void *data, size_t len, struct hf_node_prune *ret,
		  struct hf_error *err)
{
	CLEANUP(admin_close) struct admin a;
	struct hf_node_prune p;
	struct prune_list list;
	struct volume *v = NULL;
	int r = admin_open(&a, dir, err);

	if (r == 0)
		r = prune_list_decode(data, len, &list, err);
	if (r < 0)
		return r;
	memset(&p, 0, sizeof(p));
	r = judge(&a, &list, &v, err);
	if (r == 0)
		r = put(&a, v, data, len, &p, err);
	prune_list_release(&list);
	if (r == 0)
		*ret = p;
	return r;
}
