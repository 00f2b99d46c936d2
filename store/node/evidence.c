/* SPDX-License-Identifier: MIT */
#include "store/node/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/json.h"

struct evidence {
	const struct os *os;
	char *dir; /* DIR/evidence */
	pthread_mutex_t lock;
	unsigned files; /* items kept */
	unsigned next;  /* number of the next */
	uint64_t bytes;
};

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

static void add_sizes(struct evidence *e)
{
	for (unsigned i = 0; i < e->next; i++) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;
		uint64_t size = 0;
		int fd;

		item_path(e, i, "bin", &path);
		if (buf_status(&path) < 0)
			return;
		fd = e->os->open(e->os->state, (const char *)path.data, O_RDONLY, 0);
		if (fd < 0)
			continue;
		if (e->os->size(e->os->state, fd, &size) == 0)
			e->bytes += size;
		(void)e->os->close(e->os->state, fd);
	}
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
	add_sizes(e);
	*ret = e;
	return 0;
}

void evidence_close(struct evidence *e)
{
	if (!e)
		return;
	(void)pthread_mutex_destroy(&e->lock);
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

static int write_item(struct evidence *e, const struct evidence_item *item)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, body_path = BUF_INIT, text = BUF_INIT;
	bool with_body = e->bytes + item->body_len <= EVIDENCE_BYTES_MAX;
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
	if (with_body)
		e->bytes += item->body_len;
	e->files++;
	e->next++;
	return 0;
}

int evidence_keep(struct evidence *e, const struct evidence_item *item, unsigned *ret_number)
{
	unsigned number;
	int r = -EDQUOT;

	(void)pthread_mutex_lock(&e->lock);
	number = e->next;
	if (e->files < EVIDENCE_FILES_MAX)
		r = write_item(e, item);
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
