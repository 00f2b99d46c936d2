/* SPDX-License-Identifier: MIT */
/* The index of a store that is being opened. */
#include "store/volume/opening.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>

#include "store/base/journal.h"
#include "store/index/borrow.h"

/* Who reads with an index of his own keeps from it nobody who does so too, but who writes. */
static int share(struct hf_store *s, struct hf_error *err)
{
	if (!s->shared && flock(s->lock_fd, LOCK_SH | LOCK_NB) < 0)
		return hf_error_set(err, errno == EWOULDBLOCK ? -EBUSY : -errno,
				    "the store %s was opened by another process meanwhile", s->path);
	s->shared = true;
	return 0;
}

/* In the place of what was borrowed before. */
static int borrow(struct hf_store *s, const char *from, struct hf_error *err)
{
	int r;

	index_give_back(TAKE_PTR(s->borrowed));
	r = index_borrow(from, &s->borrowed, err);
	return r < 0 ? r : share(s, err);
}

static int open_index_once(struct opening *p, bool wipe, struct hf_error *err)
{
	struct index_options io = { .cache_bytes = p->index_bytes, .passing = p->s->borrow };
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	uint8_t *state = NULL;
	size_t len = 0;
	int r;

	if (!os_join(&dir, p->s->path, "index"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = p->s->borrow ? borrow(p->s, wipe ? NULL : buf_cstr(&dir), err) : 0;
	if (r < 0)
		return r;
	io.dir = p->s->borrow ? p->s->borrowed->dir : buf_cstr(&dir);
	io.wipe = wipe && !p->s->borrow;
	r = index_open(&io, &p->s->index, &state, &len, err);
	if (r < 0)
		return r;
	if (len > 0)
		r = volume_state_decode(state, len, &p->state);
	if (len > 0 && r == 0 && memcmp(p->state.volume_id, p->s->descriptor.volume_id, VOLUME_ID_BYTES) != 0)
		r = -EUCLEAN; /* another volume's: no index of this one */
	free(state);
	if (r < 0) {
		index_close(p->s->index);
		p->s->index = NULL;
	}
	return r;
}

bool opening_goes_elsewhere(const struct opening *p, int code)
{
	return (code == -ENOSPC || code == -EDQUOT) && p->s->read_only && !p->s->borrow;
}

static int open_index(struct opening *p, bool wipe, struct hf_error *err)
{
	int r = open_index_once(p, wipe, err);

	if (!opening_goes_elsewhere(p, r))
		return r;
	p->s->borrow = true;
	*err = (struct hf_error)HF_ERROR_INIT;
	return open_index_once(p, wipe, err);
}

/* So that not even a socket could be made beside the index, by which others could ask. */
static bool is_full(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) == 0 && st.f_blocks > 0 &&
	       (st.f_bavail == 0 || (st.f_files > 0 && st.f_favail == 0));
}

void opening_tell_anew(const struct hf_store *s, const char *why)
{
	journal_line(LOG_NOTICE, "the index of %s is built anew from the log: %s", s->path, why);
}

/*
 * A damaged index is no loss: it is thrown away and built anew; one that is borrowed, also where it cannot be
 * read. So is one that is to be rebuilt, or in which damage was found when it was in use; but what it says of
 * the log is heard first, and it goes when the log has been opened.
 */
int opening_index(struct opening *p, struct hf_error *err)
{
	bool useless;
	int r;

	p->s->borrow |= p->s->shared || (p->s->read_only && is_full(p->s->path));
	r = open_index(p, false, err);
	/*
	 * Who only reads may have a log that lacks what the index has: he says so himself, unless the index
	 * is only borrowed.
	 */
	if (r == 0 && index_is_damaged(p->s->index) && (!p->s->read_only || p->s->borrow)) {
		opening_tell_anew(p->s, "damage was found in it when it was in use");
		p->rebuild = true;
	}
	if (r == 0)
		return 0;
	useless = r == -EUCLEAN || (r == -EIO && p->s->borrow);
	if (!useless && !p->rebuild)
		return r;
	if (useless)
		opening_tell_anew(p->s, err->text[0] ? err->text : "it is of another volume");
	*err = (struct hf_error)HF_ERROR_INIT;
	p->state = (struct volume_state){ 0 };
	return open_index(p, true, err);
}

static void drop_index(struct opening *p)
{
	index_batch_free(TAKE_PTR(p->s->batch));
	index_close(TAKE_PTR(p->s->index));
	p->state = (struct volume_state){ 0 };
}

static int use_index(struct hf_store *s)
{
	s->tree.index = s->index;
	return index_batch_new(s->index, &s->batch);
}

int opening_remake_index(struct opening *p, struct hf_error *err)
{
	int r;

	drop_index(p);
	r = open_index(p, true, err);
	return r < 0 ? r : use_index(p->s);
}

int opening_elsewhere(struct opening *p, struct hf_error *err)
{
	int r;

	p->s->borrow = true;
	*err = (struct hf_error)HF_ERROR_INIT;
	if (p->rebuild)
		return opening_remake_index(p, err);
	drop_index(p);
	r = opening_index(p, err);
	return r < 0 ? r : use_index(p->s);
}
