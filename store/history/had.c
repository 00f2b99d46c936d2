/* SPDX-License-Identifier: MIT */
/*
 * All names a directory ever had. Those it has now are rows of the present, those it had are rows of the
 * past; both lie in order of their names' hashes, and are gone through side by side. One name may have
 * ended a million times: when the rows at hand are all of a name that was told, or that is out of the
 * question, the others of it are jumped over.
 */
#include <errno.h>
#include <string.h>

#include "store/history/internal.h"
#include "store/tree/view_internal.h"

enum { NOW_ROWS = 256, PAST_ROWS = 64, TID_BYTES = 8 };

static int damaged(struct hf_error *err)
{
	return hf_error_set(err, -EUCLEAN, "the index is damaged in a directory: mount with -o rebuild");
}

static int compare(struct span a, struct span b)
{
	int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* The past between two keys, name by name. */
struct ended_names {
	struct hf_store *s;
	uint64_t from, until; /* of interest: what was there at some moment from <= tid < until */
	struct key at, to;    /* the next rows to fetch lie between these */
	struct index_rows rows;
	size_t next;
	bool all;        /* fetched */
	struct key name; /* the last one found, without the tid; len 0: none */
	struct hf_error *err;
};

static bool is_name(const struct key *name, struct span key)
{
	return name->len > 0 && key.len == name->len + TID_BYTES &&
	       memcmp(key.data, name->bytes, name->len) == 0;
}

/* Behind the last row at hand there may be more of its name: where those begin that matter. */
static int jump(struct ended_names *n, const struct index_entry *last)
{
	uint64_t ended = get_be64(last->key.data + last->key.len - TID_BYTES);
	struct entry entry;

	if (entry_decode(last->value, &entry) < 0)
		return damaged(n->err);
	n->at.len = last->key.len - TID_BYTES;
	memcpy(n->at.bytes, last->key.data, n->at.len);
	if (is_name(&n->name, last->key) || entry.tid >= n->until)
		n->at = key_after_prefix(n->at);
	else
		key_add_be64(&n->at, (ended < n->from ? n->from : ended) + 1);
	return 0;
}

static int fetch(struct ended_names *n)
{
	int r = n->rows.n > 0 ? jump(n, &n->rows.entries[n->rows.n - 1]) : 0;

	n->next = n->rows.n = 0;
	n->all = r < 0 || compare(key_span(&n->at), key_span(&n->to)) >= 0;
	if (n->all)
		return r;
	r = index_scan(n->s->index, INDEX_PAST, key_span(&n->at), key_span(&n->to), PAST_ROWS, 0, &n->rows,
		       n->err);
	n->all = r < 0 || n->rows.n == 0 || !n->rows.more;
	return r;
}

/* The next name into n->name: 1, 0 (there is none), negative. */
static int next_ended(struct ended_names *n)
{
	for (;;) {
		const struct index_entry *e;
		struct entry entry;

		if (n->next == n->rows.n) {
			int r = n->all ? 0 : fetch(n);

			if (r < 0 || n->rows.n == 0 || n->next == n->rows.n)
				return r;
		}
		e = &n->rows.entries[n->next++];
		if (e->key.len <= ENTRY_KEY_PREFIX + 1 + TID_BYTES ||
		    e->key.len - TID_BYTES > sizeof(n->name.bytes) || entry_decode(e->value, &entry) < 0)
			return damaged(n->err);
		if (is_name(&n->name, e->key) || entry.tid >= n->until ||
		    get_be64(e->key.data + e->key.len - TID_BYTES) <= n->from)
			continue;
		n->name.len = e->key.len - TID_BYTES;
		memcpy(n->name.bytes, e->key.data, n->name.len);
		return 1;
	}
}

struct had_walk {
	struct hf_store *s;
	uint64_t from, until;
	hf_had_fn *each;
	void *arg;
	struct hf_error *err;
};

static int tell(const struct had_walk *w, struct span key)
{
	return w->each(w->arg, (const char *)key.data + ENTRY_KEY_PREFIX,
		       get_be64(key.data + ENTRY_KEY_PREFIX - 8));
}

/* Rows of the present from here on that are of names of then. */
static int next_now(const struct had_walk *w, const struct index_rows *now, size_t *at)
{
	struct entry entry;

	for (; *at < now->n; ++*at) {
		const struct index_entry *e = &now->entries[*at];

		if (e->key.len <= ENTRY_KEY_PREFIX + 1 || entry_decode(e->value, &entry) < 0)
			return damaged(w->err);
		if (entry.tid < w->until)
			return 1;
	}
	return 0;
}

/* What was fetched of the present, and the past that lies between. */
static int walk_stride(const struct had_walk *w, const struct index_rows *now, struct key from, struct key to)
{
	struct ended_names past = { .s = w->s,
				    .from = w->from,
				    .until = w->until,
				    .at = from,
				    .to = to,
				    .rows = INDEX_ROWS_INIT,
				    .err = w->err };
	size_t k = 0;
	int r = 0, is_now = next_now(w, now, &k), was = is_now < 0 ? 0 : next_ended(&past);

	while (r == 0 && is_now >= 0 && was >= 0 && (is_now || was)) {
		int order = !was ? -1 : !is_now ? 1 : compare(now->entries[k].key, key_span(&past.name));

		r = tell(w, order <= 0 ? now->entries[k].key : key_span(&past.name));
		if (r == 0 && order <= 0) {
			k++;
			is_now = next_now(w, now, &k);
		}
		if (r == 0 && order >= 0)
			was = next_ended(&past);
	}
	index_rows_release(&past.rows);
	return is_now < 0 ? is_now : was < 0 ? was : r;
}

/*
 * The present before the past, stride by stride: what goes from one to the other meanwhile is then seen
 * there at least.
 */
int hf_had(struct hf_store *s, uint64_t dir, uint64_t from, uint64_t until, uint64_t cookie, hf_had_fn *each,
	   void *arg, struct hf_error *err)
{
	const struct had_walk w = { s, from, until, each, arg, err };
	CLEANUP(index_rows_release) struct index_rows now = INDEX_ROWS_INIT;
	struct key at = key_number('d', dir), to = key_after_prefix(at), edge;
	int r;

	key_add_be64(&at, cookie ? cookie + 1 : 0);
	do {
		r = index_scan(s->index, INDEX_HEAD, key_span(&at), key_span(&to), NOW_ROWS, 0, &now, err);
		if (r < 0)
			return r;
		edge = to;
		if (now.more && now.n > 0) {
			edge.len = now.entries[now.n - 1].key.len;
			memcpy(edge.bytes, now.entries[now.n - 1].key.data, edge.len);
			edge = key_after_prefix(edge);
		}
		r = walk_stride(&w, &now, at, edge);
		at = edge;
	} while (r == 0 && now.more && now.n > 0);
	return r;
}

static int found_one(void *arg, uint64_t ino, uint32_t type, uint64_t from, uint64_t ended)
{
	(void)arg;
	(void)ino;
	(void)type;
	(void)from;
	(void)ended;
	return 1;
}

int hf_had_name(struct hf_store *s, uint64_t dir, const char *name, uint64_t from, uint64_t until,
		struct hf_error *err)
{
	return entry_versions(s, dir, name, from, until == HF_TID_HEAD ? until : until - 1, found_one, NULL,
			      err);
}
