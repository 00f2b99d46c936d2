/* SPDX-License-Identifier: MIT */
#include "store/node/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/kit.h"
#include "store/replica/json.h"

enum { ITEM_TEXT_BYTES_MAX = 64 << 10 };

/* What is kept of one volume. */
struct share {
	char volume[HF_VOLUME_ID_TEXT_BYTES];
	unsigned files;
	uint64_t bytes;
};

struct evidence {
	const struct os *os;
	char *dir; /* DIR/evidence */
	pthread_mutex_t lock;
	unsigned files; /* items kept, of all */
	unsigned next;  /* number of the next */
	uint64_t bytes; /* of all */
	struct share *shares;
	size_t n_shares;
};

/* NULL: no memory. Requires e->lock, or that nobody else has e. */
static struct share *share_of(struct evidence *e, const char *volume)
{
	struct share *more;

	for (size_t i = 0; i < e->n_shares; i++)
		if (strcmp(e->shares[i].volume, volume) == 0)
			return &e->shares[i];
	more = reallocarray(e->shares, e->n_shares + 1, sizeof(*more));
	if (!more)
		return NULL;
	e->shares = more;
	more += e->n_shares++;
	memset(more, 0, sizeof(*more));
	(void)snprintf(more->volume, sizeof(more->volume), "%s", volume);
	return more;
}

static void note_item(void *arg, const char *name)
{
	struct evidence *e = arg;
	unsigned number;
	char rest[8];

	if (sscanf(name, "%6u.%7s", &number, rest) != 2)
		return;
	if (strcmp(rest, "json") == 0)
		e->files++;
	if (number >= e->next)
		e->next = number + 1;
}

static void item_path(const struct evidence *e, unsigned number, const char *ending, struct buf *out)
{
	buf_add_text(out, "%s/%06u.%s", e->dir, number, ending);
	(void)buf_cstr(out);
}

static uint64_t size_of(const struct evidence *e, const char *path)
{
	uint64_t size = 0;
	int fd = e->os->open(e->os->state, path, O_RDONLY, 0);

	if (fd < 0)
		return 0;
	if (e->os->size(e->os->state, fd, &size) < 0)
		size = 0;
	(void)e->os->close(e->os->state, fd);
	return size;
}

/* Which volume an item is of; false: it cannot be told, and counts as nobody's. */
static bool volume_of(const struct evidence *e, const char *path, char ret[HF_VOLUME_ID_TEXT_BYTES])
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;

	if (os_read_file(e->os, path, ITEM_TEXT_BYTES_MAX, &text) < 0)
		return false;
	o = json_read(text.data, text.len);
	return o && json_get_text(o, "volume", ret, HF_VOLUME_ID_TEXT_BYTES) == 0;
}

static int add_item(struct evidence *e, unsigned number)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, body_path = BUF_INIT;
	char volume[HF_VOLUME_ID_TEXT_BYTES];
	struct share *share;
	uint64_t bytes;

	item_path(e, number, "json", &path);
	item_path(e, number, "bin", &body_path);
	if (buf_status(&path) < 0 || buf_status(&body_path) < 0)
		return -ENOMEM;
	bytes = size_of(e, (const char *)body_path.data);
	e->bytes += bytes;
	if (!volume_of(e, (const char *)path.data, volume))
		return 0;
	share = share_of(e, volume);
	if (!share)
		return -ENOMEM;
	share->files++;
	share->bytes += bytes;
	return 0;
}

static int add_items(struct evidence *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < e->next; i++)
		r = add_item(e, i);
	return r;
}

int evidence_open(const struct os *os, const char *dir, struct evidence **ret, struct hf_error *err)
{
	struct evidence *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return hf_error_set(err, -ENOMEM, "no memory");
	e->os = os;
	(void)pthread_mutex_init(&e->lock, NULL);
	if (asprintf(&e->dir, "%s/evidence", dir) < 0) {
		e->dir = NULL;
		evidence_close(e);
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	r = os->list(os->state, e->dir, note_item, e);
	if (r < 0) {
		(void)hf_error_set(err, r, "cannot read the folder %s: %s", e->dir, strerror(-r));
		evidence_close(e);
		return r;
	}
	if (add_items(e) < 0) {
		evidence_close(e);
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	*ret = e;
	return 0;
}

void evidence_close(struct evidence *e)
{
	if (!e)
		return;
	(void)pthread_mutex_destroy(&e->lock);
	free(e->shares);
	free(e->dir);
	free(e);
}

static int describe(const struct evidence *e, const struct evidence_item *item, bool with_body,
		    struct buf *out)
{
	CLEANUP(json_decrefp) json_t *o = NULL;
	char received[24];

	(void)snprintf(received, sizeof(received), "%" PRIu64, e->os->now_ns(e->os->state));
	o = json_pack("{s:i,s:s,s:I,s:I,s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:b}", "version", 1, "volume",
		      item->volume, "segment", (json_int_t)item->at.segment, "offset",
		      (json_int_t)item->at.offset, "target", item->target, "why", item->why,
		      "signature_input", item->signature_input, "signature", item->signature,
		      "content_digest", item->digest, "received_ns", received, "body_bytes",
		      (json_int_t)item->body_len, "body_kept", with_body ? 1 : 0);
	if (!o)
		return -ENOMEM;
	return json_write(o, out);
}

static int write_item(struct evidence *e, struct share *share, const struct evidence_item *item)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, body_path = BUF_INIT, text = BUF_INIT;
	bool with_body = share->bytes + item->body_len <= EVIDENCE_BYTES_MAX;
	int r = 0;

	item_path(e, e->next, "json", &path);
	item_path(e, e->next, "bin", &body_path);
	if (buf_status(&path) < 0 || buf_status(&body_path) < 0 || describe(e, item, with_body, &text) < 0)
		return -ENOMEM;
	if (with_body)
		r = os_write_file(e->os, (const char *)body_path.data, item->body, item->body_len, 0600);
	if (r == 0)
		r = os_write_file(e->os, (const char *)path.data, text.data, text.len, 0600);
	if (r < 0) {
		(void)e->os->unlink(e->os->state, (const char *)body_path.data);
		return r;
	}
	if (with_body) {
		e->bytes += item->body_len;
		share->bytes += item->body_len;
	}
	e->files++;
	share->files++;
	e->next++;
	return 0;
}

int evidence_keep(struct evidence *e, const struct evidence_item *item, unsigned *ret_number)
{
	struct share *share;
	unsigned number;
	int r;

	(void)pthread_mutex_lock(&e->lock);
	number = e->next;
	share = share_of(e, item->volume);
	if (!share)
		r = -ENOMEM;
	else
		r = share->files < EVIDENCE_FILES_MAX ? write_item(e, share, item) : -EDQUOT;
	(void)pthread_mutex_unlock(&e->lock);
	if (r == 0)
		*ret_number = number;
	return r;
}

void evidence_stats(struct evidence *e, uint64_t *ret_files, uint64_t *ret_bytes)
{
	(void)pthread_mutex_lock(&e->lock);
	*ret_files = e->files;
	*ret_bytes = e->bytes;
	(void)pthread_mutex_unlock(&e->lock);
}
