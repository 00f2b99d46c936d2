/* SPDX-License-Identifier: MIT */
#include "tests/sim/sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/splitmix.h"

enum { SECTOR_BYTES = 512 };

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

/* Room for one more of n things of `size` bytes. */
static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? 2 * *cap : 8;
	return must(realloc(array, *cap * size));
}

uint64_t sim_disk_random(struct sim_disk *d, uint64_t below)
{
	const uint64_t z = splitmix64(&d->random);

	return below ? z % below : 0;
}

static bool coin(struct sim_disk *d)
{
	return sim_disk_random(d, 2);
}

/* --- names */

static size_t find(const struct sim_entries *t, const struct sim_node *dir, const char *name)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->entry[i].dir == dir && strcmp(t->entry[i].name, name) == 0)
			return i;
	}
	return SIZE_MAX;
}

static void put(struct sim_entries *t, const struct sim_entry *e)
{
	size_t i = find(t, e->dir, e->name);

	if (i == SIZE_MAX) {
		t->entry = grown(t->entry, t->n, &t->cap, sizeof(*t->entry));
		i = t->n++;
	}
	t->entry[i] = *e;
}

static void apply(struct sim_entries *t, const struct sim_naming *change)
{
	size_t i = change->from.dir ? find(t, change->from.dir, change->from.name) : SIZE_MAX;

	if (i != SIZE_MAX && t->entry[i].node == change->from.node)
		t->entry[i] = t->entry[--t->n];
	if (change->to.dir)
		put(t, &change->to);
}

static void change_names(struct sim_disk *d, const struct sim_naming *change)
{
	d->namings = grown(d->namings, d->n_namings, &d->cap_namings, sizeof(*d->namings));
	d->namings[d->n_namings++] = *change;
	apply(&d->now, change);
}

static struct sim_entry entry_of(struct sim_node *dir, const char *name, struct sim_node *node)
{
	struct sim_entry e = { .dir = dir, .node = node };

	strcpy(e.name, name);
	return e;
}

struct sim_node *sim_disk_lookup(const struct sim_disk *d, const struct sim_node *dir, const char *name)
{
	size_t i = find(&d->now, dir, name);

	return i == SIZE_MAX ? NULL : d->now.entry[i].node;
}

/* The path's names one after the other, "." and ".." taken out, each with its NUL. NULL: a name is too long.
 */
static char *names_of(const char *path, size_t *ret_n)
{
	char *names = must(malloc(strlen(path) + 2));
	size_t at = 0, n = 0;

	for (;;) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len == 0)
			break;
		if (len >= SIM_NAME_BYTES) {
			free(names);
			return NULL;
		}
		if (len == 2 && memcmp(path, "..", 2) == 0) {
			if (n > 0) {
				for (at--; at > 0 && names[at - 1]; at--)
					;
				n--;
			}
		} else if (len != 1 || *path != '.') {
			memcpy(names + at, path, len);
			names[at + len] = 0;
			at += len + 1;
			n++;
		}
		path += len;
	}
	*ret_n = n;
	return names;
}

int sim_disk_parent(struct sim_disk *d, const char *path, struct sim_node **ret_dir,
		    char name[SIM_NAME_BYTES])
{
	struct sim_node *dir = d->root;
	size_t n;
	char *names = names_of(path, &n);
	const char *at = names;
	int r = 0;

	name[0] = 0;
	if (!names)
		return -ENAMETOOLONG;
	for (size_t i = 0; r == 0 && i < n; i++, at += strlen(at) + 1) {
		if (i + 1 == n) {
			strcpy(name, at);
			break;
		}
		dir = sim_disk_lookup(d, dir, at);
		r = !dir ? -ENOENT : !dir->is_dir ? -ENOTDIR : 0;
	}
	free(names);
	if (r == 0)
		*ret_dir = dir;
	return r;
}

const struct sim_node *sim_disk_walk_durable(const struct sim_disk *d, const char *path)
{
	const struct sim_node *node = d->root;
	size_t n;
	char *names = names_of(path, &n);
	const char *at = names;

	for (size_t i = 0; names && node && i < n; i++, at += strlen(at) + 1) {
		size_t k = find(&d->durable, node, at);

		node = k == SIZE_MAX ? NULL : d->durable.entry[k].node;
	}
	free(names);
	return node;
}

int sim_disk_walk(struct sim_disk *d, const char *path, struct sim_node **ret)
{
	char name[SIM_NAME_BYTES];
	struct sim_node *dir;
	int r = sim_disk_parent(d, path, &dir, name);

	if (r < 0)
		return r;
	*ret = name[0] ? sim_disk_lookup(d, dir, name) : dir;
	return *ret ? 0 : -ENOENT;
}

static struct sim_node *new_node(struct sim_disk *d, bool is_dir)
{
	struct sim_node *node = must(calloc(1, sizeof(*node)));

	node->is_dir = is_dir;
	node->number = d->made++;
	node->next = d->nodes;
	d->nodes = node;
	return node;
}

struct sim_node *sim_disk_create(struct sim_disk *d, struct sim_node *dir, const char *name, bool is_dir)
{
	struct sim_node *node = new_node(d, is_dir);
	struct sim_naming change = { .to = entry_of(dir, name, node) };

	change_names(d, &change);
	return node;
}

void sim_disk_unlink(struct sim_disk *d, struct sim_node *dir, const char *name)
{
	struct sim_naming change = { .from = entry_of(dir, name, sim_disk_lookup(d, dir, name)) };

	change_names(d, &change);
}

void sim_disk_rename(struct sim_disk *d, struct sim_node *from_dir, const char *from, struct sim_node *to_dir,
		     const char *to)
{
	struct sim_node *node = sim_disk_lookup(d, from_dir, from);
	struct sim_naming change = { entry_of(from_dir, from, node), entry_of(to_dir, to, node) };

	change_names(d, &change);
}

void sim_disk_sync_dir(struct sim_disk *d, const struct sim_node *dir)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_namings; i++) {
		if (d->namings[i].from.dir == dir || d->namings[i].to.dir == dir)
			apply(&d->durable, &d->namings[i]);
		else
			d->namings[kept++] = d->namings[i];
	}
	d->n_namings = kept;
}

/* --- contents */

static void add_write(struct sim_node *node, const void *data, size_t len, uint64_t offset)
{
	struct sim_write *w;

	node->writes = grown(node->writes, node->n_writes, &node->cap_writes, sizeof(*node->writes));
	w = &node->writes[node->n_writes++];
	*w = (struct sim_write){ NULL, len, offset };
	if (data) {
		w->data = must(malloc(len));
		memcpy(w->data, data, len);
	}
}

void sim_node_write(struct sim_node *node, const void *data, size_t len, uint64_t offset)
{
	if (len == 0)
		return;
	sim_content_write(&node->now, data, len, offset);
	add_write(node, data, len, offset);
}

void sim_node_resize(struct sim_node *node, uint64_t len)
{
	sim_content_resize(&node->now, len);
	add_write(node, NULL, 0, len);
}

static void apply_write(struct sim_content *c, const struct sim_write *w)
{
	if (w->data)
		sim_content_write(c, w->data, w->len, w->offset);
	else
		sim_content_resize(c, w->offset);
}

static void forget_writes(struct sim_node *node)
{
	for (size_t i = 0; i < node->n_writes; i++)
		free(node->writes[i].data);
	node->n_writes = node->n_late = 0;
}

void sim_node_sync_late(struct sim_node *node)
{
	const size_t n = node->n_late;

	for (size_t i = 0; i < n; i++) {
		apply_write(&node->durable, &node->writes[i]);
		free(node->writes[i].data);
	}
	memmove(node->writes, node->writes + n, (node->n_writes - n) * sizeof(*node->writes));
	node->n_writes -= n;
	node->n_late = node->n_writes;
}

void sim_node_sync(struct sim_node *node)
{
	for (size_t i = 0; i < node->n_writes; i++)
		apply_write(&node->durable, &node->writes[i]);
	forget_writes(node);
}

void sim_node_lose(struct sim_disk *d, struct sim_node *node)
{
	size_t kept = 0, late = 0;

	for (size_t i = 0; i < node->n_writes; i++) {
		if (coin(d)) {
			late += i < node->n_late;
			node->writes[kept++] = node->writes[i];
		} else {
			free(node->writes[i].data);
		}
	}
	d->lost += node->n_writes - kept;
	node->n_writes = kept;
	node->n_late = late;
}

/* Each sector by itself; and the file may have got its new length though the bytes were not written. */
static void tear(struct sim_disk *d, struct sim_content *c, const struct sim_write *w)
{
	for (size_t done = 0; done < w->len;) {
		size_t n = SECTOR_BYTES - (size_t)((w->offset + done) % SECTOR_BYTES);

		if (n > w->len - done)
			n = w->len - done;
		if (coin(d))
			sim_content_write(c, w->data + done, n, w->offset + done);
		done += n;
	}
	if (coin(d))
		sim_content_write(c, NULL, w->len, w->offset);
}

static void decide_writes(struct sim_disk *d, struct sim_node *node)
{
	for (size_t i = 0; i < node->n_writes; i++) {
		const struct sim_write *w = &node->writes[i];

		switch (sim_disk_random(d, 3)) {
		case 0:
			d->dropped++;
			break;
		case 1:
			d->kept++;
			apply_write(&node->durable, w);
			break;
		default:
			if (!w->data) {
				d->dropped++;
				break;
			}
			d->torn++;
			tear(d, &node->durable, w);
		}
	}
	forget_writes(node);
	sim_content_copy(&node->now, &node->durable);
}

static bool is_named(const struct sim_disk *d, const struct sim_node *node)
{
	for (size_t i = 0; i < d->now.n; i++) {
		if (d->now.entry[i].node == node)
			return true;
	}
	return false;
}

static void free_node(struct sim_node *node)
{
	forget_writes(node);
	free(node->writes);
	sim_content_release(&node->now);
	sim_content_release(&node->durable);
	free(node);
}

/* Which nodes durable names lead to, from the root; what is in folders that are gone is gone with them. */
static void reach(struct sim_disk *d)
{
	size_t kept = 0;
	bool more = true;

	for (struct sim_node *node = d->nodes; node; node = node->next)
		node->reached = node == d->root;
	while (more) {
		more = false;
		for (size_t i = 0; i < d->durable.n; i++) {
			const struct sim_entry *e = &d->durable.entry[i];

			if (e->dir->reached && !e->node->reached)
				more = e->node->reached = true;
		}
	}
	for (size_t i = 0; i < d->durable.n; i++)
		if (d->durable.entry[i].dir->reached)
			d->durable.entry[kept++] = d->durable.entry[i];
	d->durable.n = kept;
}

/* Nobody has anything open any more. */
static void sweep(struct sim_disk *d)
{
	for (struct sim_node **at = &d->nodes; *at;) {
		struct sim_node *node = *at;

		if (node->reached) {
			at = &node->next;
			continue;
		}
		*at = node->next;
		free_node(node);
	}
}

void sim_disk_power_cut(struct sim_disk *d)
{
	for (size_t i = 0; i < d->n_namings; i++) {
		if (coin(d)) {
			d->names_kept++;
			apply(&d->durable, &d->namings[i]);
		} else {
			d->names_dropped++;
		}
	}
	d->n_namings = 0;
	reach(d);
	d->now.n = 0;
	for (size_t i = 0; i < d->durable.n; i++)
		put(&d->now, &d->durable.entry[i]);
	for (struct sim_node *node = d->nodes; node; node = node->next) {
		node->open = 0;
		decide_writes(d, node);
	}
	sweep(d);
}

uint64_t sim_disk_used(const struct sim_disk *d)
{
	uint64_t used = 0;

	for (const struct sim_node *node = d->nodes; node; node = node->next) {
		if (node->now.len > 0 && (node->open > 0 || is_named(d, node)))
			used += node->now.len;
	}
	return used;
}

void sim_disk_init(struct sim_disk *d, uint64_t seed)
{
	*d = (struct sim_disk){ .random = seed };
	d->root = new_node(d, true);
}

void sim_disk_release(struct sim_disk *d)
{
	while (d->nodes) {
		struct sim_node *node = d->nodes;

		d->nodes = node->next;
		free_node(node);
	}
	free(d->now.entry);
	free(d->durable.entry);
	free(d->namings);
}
