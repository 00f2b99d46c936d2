/* SPDX-License-Identifier: MIT */
/*
 * What the kernel is to forget, soon, by the thread that serves nothing: the kernel takes locks to forget a
 * name or a page, and who waits for the request that has found it out may hold them.
 *
 * So it is with pages of the past that were written to, and with what was done but is not durable where -o
 * sync or dirsync asks for that (change.c): an error is the answer, and the kernel goes on as if it had not
 * been done.
 */
#include "fs/mount/forget.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "fs/mount/mount_internal.h"
#include "holdfast/history.h"

struct forgotten {
	uint64_t id; /* of a node; where there is a name, of its folder */
	char *name;  /* NULL: the node */
};

void forget_init(struct mount *m)
{
	pthread_mutex_init(&m->forget.lock, NULL);
}

static void free_all(struct forgotten *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].name);
	free(v);
}

void forget_release(struct mount *m)
{
	free_all(m->forget.v, m->forget.n);
	pthread_mutex_destroy(&m->forget.lock);
}

static bool is_same(const struct forgotten *a, uint64_t id, const char *name)
{
	return a->id == id && (name ? a->name && strcmp(a->name, name) == 0 : !a->name);
}

/* Without memory the kernel remembers it. Requires lock. */
static void add(struct forget *f, uint64_t id, const char *name)
{
	struct forgotten *grown;
	char *copy;

	if (f->n > 0 && is_same(&f->v[f->n - 1], id, name))
		return;
	copy = name ? strdup(name) : NULL;
	grown = name && !copy ? NULL : realloc(f->v, (f->n + 1) * sizeof(*f->v));
	if (!grown) {
		free(copy);
		return;
	}
	f->v = grown;
	f->v[f->n++] = (struct forgotten){ id, copy };
}

static void ask(struct mount *m, uint64_t id, const char *name)
{
	pthread_mutex_lock(&m->forget.lock);
	add(&m->forget, id, name);
	pthread_mutex_unlock(&m->forget.lock);
	(void)eventfd_write(m->stop_fd, 1);
}

void forget_node(struct mount *m, uint64_t node_id)
{
	ask(m, node_id, NULL);
}

void forget_name(struct mount *m, uint64_t parent, const char *name)
{
	ask(m, parent, name);
	ask(m, parent, NULL);
}

struct any_name {
	uint64_t parent;
	char name[NAME_MAX + 1];
};

static int take_name(void *arg, uint64_t dir, const char *name)
{
	struct any_name *n = arg;

	n->parent = dir;
	(void)strncpy(n->name, name, NAME_MAX);
	return 1;
}

/* Pages and attributes; of a file with -o coalesce the length and times too that it keeps for itself. */
static void forget_node_now(struct mount *m, uint64_t id)
{
	struct any_name n = { .parent = HF_ROOT_INO };
	struct hf_attr attr;

	if (!m->options->coalesce || !node_id_is_live(id) || hf_view_getattr(&m->head, id, &attr, NULL) < 0 ||
	    !S_ISREG(attr.mode)) {
		fuse_lowlevel_notify_inval_inode(m->session, id, 0, 0);
		return;
	}
	(void)hf_view_names(&m->head, id, take_name, &n, NULL);
	(void)refresh_file(m, id, n.parent, n.name);
}

void forget_now(struct mount *m)
{
	struct forgotten *v;
	size_t n;

	pthread_mutex_lock(&m->forget.lock);
	v = m->forget.v;
	n = m->forget.n;
	m->forget.v = NULL;
	m->forget.n = 0;
	pthread_mutex_unlock(&m->forget.lock);
	for (size_t i = 0; i < n; i++) {
		if (v[i].name)
			fuse_lowlevel_notify_inval_entry(m->session, v[i].id, v[i].name, strlen(v[i].name));
		else
			forget_node_now(m, v[i].id);
	}
	free_all(v, n);
}
