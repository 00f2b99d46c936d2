/* SPDX-License-Identifier: MIT */
#include "tests/model/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/model/arena.h"

struct model *model_new(void)
{
	struct model *m = arena_alloc(sizeof(*m));
	struct model_inode *root;

	m->next_ino = HF_ROOT_INO;
	root = model_add(m);
	root->mode = S_IFDIR | 0755;
	root->nlink = 2;
	root->parent = root->ino;
	root->atime = root->mtime = root->ctime = root->btime = MODEL_NOW;
	return m;
}

struct model *model_next(const struct model *m)
{
	struct model *next = arena_copy(m, sizeof(*m));

	next->inodes = arena_copy(m->inodes, m->n * sizeof(*m->inodes));
	next->n_edited = 0;
	return next;
}

static size_t inode_at(const struct model *m, uint64_t ino)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (m->inodes[mid]->ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct model_inode *model_find(const struct model *m, uint64_t ino)
{
	size_t at = inode_at(m, ino);

	return at < m->n && m->inodes[at]->ino == ino ? m->inodes[at] : NULL;
}

struct model_inode *model_edit(struct model *m, uint64_t ino)
{
	size_t at = inode_at(m, ino);

	for (size_t k = 0; k < m->n_edited; k++) {
		if (m->edited[k] == ino)
			return (struct model_inode *)(uintptr_t)
				m->inodes[at]; /* made by this operation: nobody else has it */
	}
	if (at == m->n || m->inodes[at]->ino != ino || m->n_edited == MODEL_EDITS_MAX)
		abort();
	m->edited[m->n_edited++] = ino;
	m->inodes[at] = arena_copy(m->inodes[at], sizeof(*m->inodes[at]));
	return (struct model_inode *)(uintptr_t)m->inodes[at];
}

struct model_inode *model_add(struct model *m)
{
	const struct model_inode **grown = arena_alloc((m->n + 1) * sizeof(*grown));
	struct model_inode *i = arena_alloc(sizeof(*i));

	if (m->n > 0)
		memcpy(grown, m->inodes, m->n * sizeof(*grown));
	i->ino = m->next_ino++;
	i->atime = i->mtime = i->ctime = i->btime = MODEL_NOW;
	grown[m->n++] = i;
	m->inodes = grown;
	m->edited[m->n_edited++] = i->ino;
	return i;
}

const struct model *model_without_orphans(const struct model *m, bool (*keep)(void *arg, uint64_t ino),
					  void *arg)
{
	struct model *next = NULL;
	size_t n = 0;

	for (size_t k = 0; k < m->n; k++) {
		const struct model_inode *i = m->inodes[k];

		if (i->nlink == 0 && !keep(arg, i->ino)) {
			if (!next) {
				next = model_next(m);
				n = k;
			}
		} else if (next) {
			next->inodes[n++] = i;
		}
	}
	if (!next)
		return m;
	next->n = n;
	memcpy(next->edited, m->edited, sizeof(next->edited));
	next->n_edited = m->n_edited;
	return next;
}

void model_touch(struct model_inode *i)
{
	i->mtime = i->ctime = MODEL_NOW;
}

const struct model_entry *model_entry(const struct model_inode *dir, const char *name)
{
	for (size_t k = 0; k < dir->n_entries; k++) {
		if (strcmp(dir->entries[k].name, name) == 0)
			return &dir->entries[k];
	}
	return NULL;
}

const struct model_xattr *model_xattr(const struct model_inode *i, const char *name)
{
	for (size_t k = 0; k < i->n_xattrs; k++) {
		if (strcmp(i->xattrs[k].name, name) == 0)
			return &i->xattrs[k];
	}
	return NULL;
}

bool model_is_below(const struct model *m, uint64_t dir, uint64_t above)
{
	for (;;) {
		const struct model_inode *i = model_find(m, dir);

		if (dir == above)
			return true;
		if (!i || dir == HF_ROOT_INO)
			return false;
		dir = i->parent;
	}
}

int model_directory(const struct model *m, uint64_t ino, const struct model_inode **ret)
{
	const struct model_inode *i = model_find(m, ino);

	if (!i)
		return -ESTALE;
	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	if (i->nlink == 0)
		return -ENOENT;
	*ret = i;
	return 0;
}

int model_file(const struct model *m, uint64_t ino, const struct model_inode **ret)
{
	const struct model_inode *i = model_find(m, ino);

	if (!i)
		return -ESTALE;
	if (!S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -EINVAL;
	*ret = i;
	return 0;
}
