/* SPDX-License-Identifier: MIT */
/*
 * Taking away what is at a place, with all that is below it (restore.h): by a stack of its own and one path,
 * for how deep folders are is up to who made them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/restore.h"

enum { REMOVE_AT_ONCE = 64 };

/* One name that is to go. Of a folder that has been entered, what is in it stands above it in the stack. */
struct doomed {
	struct hf_attr is;
	uint64_t parent;
	size_t above_len; /* of the path of the folder it is in */
	char *name;
	bool entered;
	uint64_t cookie; /* what is in it was taken up to there */
};

struct removing {
	struct restore *r;
	struct doomed *v;
	size_t n, cap;
	/* of the folder that was entered last, and what is in it; a NUL behind */
	struct buf path;
	/* for a listing */
	size_t listed;
	uint64_t dir, cookie;
	size_t dir_len;
};

static void removing_release(struct removing *m)
{
	while (m->n > 0)
		free(m->v[--m->n].name);
	free(m->v);
	buf_release(&m->path);
}

static int push(struct removing *m, uint64_t parent, size_t above_len, const char *name,
		const struct hf_attr *is)
{
	struct doomed d = { .is = *is, .parent = parent, .above_len = above_len };

	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : REMOVE_AT_ONCE;
		struct doomed *grown = realloc(m->v, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		m->v = grown;
		m->cap = cap;
	}
	d.name = strdup(name);
	if (!d.name)
		return -ENOMEM;
	m->v[m->n++] = d;
	return 0;
}

static void pop(struct removing *m)
{
	free(m->v[--m->n].name);
}

static int take_name(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		     const struct hf_attr *attr)
{
	struct removing *m = arg;
	int code;

	(void)ino;
	(void)type;
	if (m->listed == REMOVE_AT_ONCE)
		return 1;
	code = push(m, m->dir, m->dir_len, name, attr);
	if (code < 0)
		return code;
	m->listed++;
	m->cookie = cookie;
	return 0;
}

/* Some more of what is in the folder on top, so that the first of it is on top then. How much. */
static int list_some(struct removing *m)
{
	const size_t at = m->n - 1;
	int code;

	m->listed = 0;
	m->dir = m->v[at].is.ino;
	m->dir_len = m->path.len - 1;
	m->cookie = m->v[at].cookie;
	code = hf_view_readdir(&m->r->now, m->dir, m->cookie, HF_READDIR_ATTR, take_name, m, m->r->err);
	if (code < 0)
		return code;
	m->v[at].cookie = m->cookie;
	for (size_t low = at + 1, high = m->n; low + 1 < high; low++, high--) {
		const struct doomed swap = m->v[low];

		m->v[low] = m->v[high - 1];
		m->v[high - 1] = swap;
	}
	return (int)m->listed;
}

/* m->path becomes that of the name on top. */
static int put_path(struct removing *m)
{
	const struct doomed *d = &m->v[m->n - 1];

	m->path.len = d->above_len;
	if (m->path.len > 0)
		buf_add_u8(&m->path, '/');
	buf_add(&m->path, d->name, strlen(d->name) + 1);
	return buf_status(&m->path);
}

static struct restore_spot spot_of(const struct removing *m)
{
	const struct doomed *d = &m->v[m->n - 1];

	return (struct restore_spot){ d->parent, (const char *)m->path.data, d->name };
}

/* The name on top, of which nothing is below any more. */
static int remove_top(struct removing *m)
{
	const struct doomed *d = &m->v[m->n - 1];
	const struct restore_spot spot = spot_of(m);
	struct restore *r = m->r;
	int code;

	if (r->dry)
		code = restore_note_gone(r, d->is.ino);
	else
		code = S_ISDIR(d->is.mode) ? hf_rmdir(r->s, spot.parent, spot.name, NULL, r->err) :
					     hf_unlink(r->s, spot.parent, spot.name, NULL, r->err);
	return code < 0 ? code : restore_tell(r, HF_RESTORED_REMOVED, &spot, d->is.mode, d->is.ino, 0);
}

/* Is the name on top, seen for the first time, no matter any more? 1, 0. */
static int is_settled(struct removing *m)
{
	const struct doomed *d = &m->v[m->n - 1];
	const struct restore_spot spot = spot_of(m);

	if (m->r->dry && restore_is_away(m->r, d->is.ino))
		return 1; /* by then it would not be here any more */
	return restore_send_home(m->r, &spot, &d->is);
}

/* One step with the name on top. */
static int step(struct removing *m)
{
	struct doomed *d = &m->v[m->n - 1];
	int code = put_path(m);

	if (code == 0 && !d->entered) {
		code = is_settled(m);
		if (code == 1)
			pop(m);
		if (code != 0)
			return code == 1 ? 0 : code;
		d->entered = true;
	}
	if (code == 0 && S_ISDIR(d->is.mode))
		code = list_some(m);
	if (code != 0)
		return code < 0 ? code : 0; /* what is in it comes first */
	code = remove_top(m);
	if (code == 0)
		pop(m);
	return code;
}

int restore_remove(struct restore *r, const struct restore_spot *spot, const struct hf_attr *is)
{
	CLEANUP(removing_release) struct removing m = { .r = r, .path = BUF_INIT };
	const char *slash = strrchr(spot->path, '/');
	size_t above_len = slash ? (size_t)(slash - spot->path) : 0;
	int code;

	buf_add(&m.path, spot->path, above_len);
	code = buf_status(&m.path);
	if (code == 0)
		code = push(&m, spot->parent, above_len, spot->name, is);
	while (code == 0 && m.n > 0)
		code = step(&m);
	return code;
}
