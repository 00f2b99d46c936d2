/* SPDX-License-Identifier: MIT */
/*
 * Where things are now, telling what is done, and moving back what only was moved (restore.h). A dry run
 * notes here what it takes to be done.
 */
#include <errno.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/history/restore.h"

/* --- what a dry run takes to be done */

static uint32_t names_gone(const struct restore *r, uint64_t ino)
{
	struct restore_pair *p;

	HASH_FIND(hh, r->gone, &ino, sizeof(ino), p);
	return p ? (uint32_t)p->then : 0;
}

bool restore_is_away(const struct restore *r, uint64_t ino)
{
	struct restore_pair *p;

	HASH_FIND(hh, r->away, &ino, sizeof(ino), p);
	return p != NULL;
}

int restore_note_gone(struct restore *r, uint64_t ino)
{
	struct restore_pair *p;

	HASH_FIND(hh, r->gone, &ino, sizeof(ino), p);
	if (!p)
		return restore_pairs_add(&r->gone, 1, ino, true);
	p->then++;
	return 0;
}

static int note_displaced(struct restore *r, const struct restore_spot *spot)
{
	struct restore_spot *grown = realloc(r->displaced, (r->n_displaced + 1) * sizeof(*grown));
	char *path = strdup(spot->path);
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (grown)
		r->displaced = grown;
	if (!grown || !path) {
		free(path);
		return -ENOMEM;
	}
	r->displaced[r->n_displaced++] =
		(struct restore_spot){ spot->parent, path, slash ? slash + 1 : path };
	return 0;
}

int restore_remove_displaced(struct restore *r)
{
	struct hf_attr is;
	int code = 0;

	for (size_t i = 0; code == 0 && i < r->n_displaced; i++) {
		code = hf_view_lookup(&r->now, r->displaced[i].parent, r->displaced[i].name, &is, r->err);
		if (code == 0)
			code = restore_remove(r, &r->displaced[i], &is);
	}
	return code;
}

/* The inode now, less what a dry run took away: 1, 0 (there is none that has a name), negative. */
int restore_find_inode(struct restore *r, uint64_t ino, struct hf_attr *ret)
{
	struct hf_error here = HF_ERROR_INIT;
	int code = hf_view_getattr(&r->now, ino, ret, &here);
	uint32_t gone;

	if (code < 0)
		return code == -ESTALE ? 0 : hf_error_set(r->err, code, "%s", here.text);
	gone = names_gone(r, ino);
	if (gone && (S_ISDIR(ret->mode) || gone >= ret->nlink))
		return 0;
	ret->nlink -= gone;
	return ret->nlink > 0;
}

/* --- where things are now */

/* Is a live folder below another, or that one? 1, 0. */
static int is_below(struct restore *r, uint64_t dir, uint64_t top)
{
	struct climb climb = { 0 };

	while (top && dir) {
		int code;

		if (dir == top)
			return 1;
		if (dir == HF_ROOT_INO)
			return 0;
		if (climb_circles(&climb, dir))
			return climb_error(r->err);
		code = hf_view_parent(&r->now, dir, &dir, r->err);
		if (code < 0)
			return code;
	}
	return 0;
}

static int see_name(void *arg, uint64_t dir, const char *name)
{
	struct restore_names *n = arg;
	int code = is_below(n->r, dir, n->r->top);

	n->dir = dir;
	memcpy(n->name, name, strlen(name) + 1);
	n->outside |= code == 0;
	return code < 0 ? code : 0;
}

/* Of an inode now: one of its names, and whether one is outside of the tree. */
int restore_look_at_names(struct restore *r, uint64_t ino, struct restore_names *ret)
{
	*ret = (struct restore_names){ .r = r };
	return hf_view_names(&r->now, ino, see_name, ret, r->err);
}

/* --- telling */

static int tell(struct restore *r, const struct hf_restored *told)
{
	r->said = r->each ? r->each(r->arg, told) : 0;
	return r->said != 0 ? -ECANCELED : 0;
}

int restore_tell(struct restore *r, enum hf_restored_kind kind, const struct restore_spot *spot,
		 uint32_t type, uint64_t ino, uint64_t bytes)
{
	const struct hf_restored told = { .kind = kind,
					  .path = spot->path,
					  .type = type & S_IFMT,
					  .bytes = bytes,
					  .ino = ino,
					  .parent = spot->parent,
					  .name = spot->name };

	switch (kind) {
	case HF_RESTORED_CREATED:
		r->sum.created++;
		break;
	case HF_RESTORED_LINKED:
		r->sum.linked++;
		break;
	case HF_RESTORED_REMOVED:
		r->sum.removed++;
		break;
	case HF_RESTORED_CONTENTS:
		r->sum.contents++;
		break;
	case HF_RESTORED_ATTRIBUTES:
		r->sum.attributes++;
		break;
	default:
		break;
	}
	r->sum.bytes += bytes;
	return tell(r, &told);
}

void restore_tell_half(struct restore *r, const struct restore_spot *spot, uint32_t type, uint64_t ino,
		       uint64_t tid)
{
	const struct hf_restored told = { .kind = HF_RESTORED_HALF,
					  .path = spot->path,
					  .type = type & S_IFMT,
					  .ino = ino,
					  .parent = spot->parent,
					  .name = spot->name };
	struct hf_attr is;

	if (ino && (hf_view_getattr(&r->now, ino, &is, NULL) < 0 || is.tid != tid))
		r->sum.half++;
	if (r->each)
		(void)r->each(r->arg, &told);
}

static int tell_moved(struct restore *r, const struct restore_spot *to, const char *before,
		      uint64_t before_parent, const char *before_name, uint32_t type, uint64_t ino)
{
	const struct hf_restored told = { .kind = HF_RESTORED_MOVED,
					  .path = to->path,
					  .path_before = before,
					  .type = type & S_IFMT,
					  .ino = ino,
					  .parent = to->parent,
					  .name = to->name,
					  .parent_before = before_parent,
					  .name_before = before_name };

	r->sum.moved++;
	return tell(r, &told);
}

int restore_path(const char *dir, const char *name, struct buf *out)
{
	buf_clear(out);
	buf_add(out, dir, strlen(dir));
	if (*dir)
		buf_add_u8(out, '/');
	buf_add(out, name, strlen(name) + 1);
	return buf_status(out);
}

/* --- moving back */

/* The path of a name in a live folder. */
static int path_in(struct restore *r, const struct hf_view *v, uint64_t dir, const char *name,
		   struct buf *out)
{
	CLEANUP(buf_release) struct buf above = BUF_INIT;
	int code = path_of(v, dir, &above, r->err);

	if (code < 0)
		return code;
	buf_add_u8(&above, 0);
	return buf_status(&above) < 0 ? -ENOMEM : restore_path((const char *)above.data, name, out);
}

/* What was here is elsewhere now, and free to come back: 1 and where it is, 0. */
int restore_is_elsewhere(struct restore *r, const struct restore_spot *spot, const struct hf_attr *was,
			 const struct hf_attr *is, struct restore_names *ret, struct hf_attr *found)
{
	int code;

	if (!r->in_place || was->ino == HF_ROOT_INO || was->ino == r->top ||
	    (!S_ISDIR(was->mode) && was->nlink > 1) || restore_is_placed(r, was->ino))
		return 0;
	code = restore_find_inode(r, was->ino, found);
	if (code <= 0)
		return code;
	if (((found->mode ^ was->mode) & S_IFMT) || (!S_ISDIR(found->mode) && found->nlink > 1))
		return 0;
	code = restore_look_at_names(r, was->ino, ret);
	if (code < 0 || (ret->outside && !r->undo))
		return code;
	/* neither of the two may come to lie below itself */
	code = S_ISDIR(found->mode) ? is_below(r, spot->parent, found->ino) : 0;
	if (code == 0 && is && S_ISDIR(is->mode))
		code = is_below(r, ret->dir, is->ino);
	return code < 0 ? code : !code;
}

int restore_move_back(struct restore *r, const struct restore_spot *spot, const struct hf_attr *is,
		      const struct restore_names *from, const struct hf_attr *found)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int code = path_in(r, &r->now, from->dir, from->name, &path);

	/*
	 * What stands here changes places with it, and then may go home as well, or is one thing more to
	 * remove; but nothing is put outside.
	 */
	if (code == 0 && is && from->outside) {
		code = restore_remove(r, spot, is);
		is = NULL;
	}
	if (code == 0 && !r->dry)
		code = hf_rename(r->s, from->dir, from->name, spot->parent, spot->name,
				 is ? RENAME_EXCHANGE : RENAME_NOREPLACE, r->err);
	if (code == 0 && r->dry)
		code = restore_pairs_add(&r->away, 0, found->ino, true);
	if (code == 0 && r->dry && is)
		code = note_displaced(r, spot);
	return code != 0 ? code :
			   tell_moved(r, spot, (const char *)path.data, from->dir, from->name, found->mode,
				      found->ino);
}

struct home {
	size_t n;
	uint64_t dir;
	char name[NAME_BYTES_MAX + 1];
};

static int see_home(void *arg, uint64_t dir, const char *name)
{
	struct home *h = arg;

	h->n++;
	h->dir = dir;
	memcpy(h->name, name, strlen(name) + 1);
	return 0;
}

/* To be removed here: but if it came from elsewhere, and nothing is there now, it goes back. 1: it went. */
int restore_send_home(struct restore *r, const struct restore_spot *spot, const struct hf_attr *is)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	struct home home = { 0 };
	struct hf_attr was, other;
	struct restore_spot to;
	int code;

	if (!r->undo || (!S_ISDIR(is->mode) && is->nlink > 1) ||
	    hf_view_getattr(&r->then, is->ino, &was, NULL) < 0 || was.nlink == 0)
		return 0;
	code = hf_view_names(&r->then, is->ino, see_home, &home, r->err);
	if (code < 0 || home.n != 1)
		return code;
	if (hf_view_getattr(&r->now, home.dir, &other, NULL) < 0 || other.nlink == 0 ||
	    hf_view_lookup(&r->now, home.dir, home.name, &other, NULL) != -ENOENT ||
	    is_below(r, home.dir, is->ino) != 0)
		return 0;
	code = path_in(r, &r->now, home.dir, home.name, &path);
	if (code == 0 && !r->dry)
		code = hf_rename(r->s, spot->parent, spot->name, home.dir, home.name, RENAME_NOREPLACE,
				 r->err);
	if (code == 0 && r->dry)
		code = restore_pairs_add(&r->away, 0, is->ino, true);
	if (code < 0)
		return code;
	to = (struct restore_spot){ home.dir, (const char *)path.data, home.name };
	code = tell_moved(r, &to, spot->path, spot->parent, spot->name, is->mode, is->ino);
	return code != 0 ? code : 1;
}
