/* SPDX-License-Identifier: MIT */
#include "store/replica/copies.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/config.h"
#include "store/volume/kit.h"

enum { STEP_BYTES = 1 << 20, SEGMENT_STEP_BYTES = 8 << 20, OFFER_BYTES_MAX = 96 << 20 };

void copies_init(struct copies *c, const struct os *os)
{
	*c = (struct copies){ .os = os, .bytes = BUF_INIT };
}

void copies_release(struct copies *c)
{
	for (size_t i = 0; i < c->n; i++) {
		peer_free(c->all[i].peer);
		free(c->all[i].dir);
	}
	free(c->all);
	buf_release(&c->bytes);
	c->all = NULL;
	c->n = 0;
}

static struct copy *add(struct copies *c, enum copy_kind kind, const char *name)
{
	struct copy *more = reallocarray(c->all, c->n + 1, sizeof(*more));

	if (!more)
		return NULL;
	c->all = more;
	more[c->n] = (struct copy){ .kind = kind };
	(void)snprintf(more[c->n].name, sizeof(more[c->n].name), "%s", name);
	return &more[c->n++];
}

int copies_add_folder(struct copies *c, const char *name, const char *dir)
{
	char *own = strdup(dir);
	struct copy *copy = own ? add(c, COPY_FOLDER, name) : NULL;

	if (!copy) {
		free(own);
		return -ENOMEM;
	}
	copy->dir = own;
	return 0;
}

/* --- which folder is meant */

static bool has_log(const struct os *os, const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd = os_join(&path, dir, "log") ?
			 os->open(os->state, (const char *)path.data, O_RDONLY | O_DIRECTORY, 0) :
			 -1;

	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

int copies_find_folder(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		       struct buf *out, struct hf_error *err)
{
	static const char *const below[] = { "", "/", "/volumes/" };
	char id[HF_VOLUME_ID_TEXT_BYTES];

	volume_id_text(volume_id, id);
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		buf_clear(out);
		buf_add_text(out, "%s%s%s", path, below[i], i ? id : "");
		(void)buf_cstr(out);
		if (buf_status(out) < 0)
			return hf_error_set(err, -ENOMEM, "no memory");
		if (has_log(os, (const char *)out->data))
			return 0;
	}
	return hf_error_set(err, -ENOENT,
			    "%s has no log of volume %s: give a store, a replica's folder or a node's, or "
			    "one with a folder "
			    "named log in it",
			    path, id);
}

/* --- the replicas of a store */

static int add_place(struct copies *c, const char *name, const struct place *place,
		     const struct keyring *keys, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct peer_options o = { .os = c->os, .place = place };
	struct peer *peer;
	struct copy *copy;
	int r;

	if (place->kind == PLACE_DIRECTORY) {
		r = directory_find(c->os, place->path, keyring_volume_id(keys), true, &dir, err);
		return r < 0 ? r : copies_add_folder(c, name, (const char *)dir.data);
	}
	if (place->kind == PLACE_NODE && !keyring_has_writer(keys))
		return hf_error_set(err, -EKEYREJECTED, "without a writer key no node is to be asked");
	if (place->kind == PLACE_NODE)
		o.signer = http_signer_of_writer(keys);
	memcpy(o.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	r = peer_open(&o, &peer, err);
	if (r < 0)
		return r;
	copy = add(c, place->kind == PLACE_NODE ? COPY_NODE : COPY_BUCKET, name);
	if (!copy) {
		peer_free(peer);
		return -ENOMEM;
	}
	copy->peer = peer;
	return 0;
}

int copies_add_replicas(struct copies *c, const char *path, const struct keyring *keys,
			void (*told)(void *arg, const char *what), void *arg, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(c->os, path, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct hf_error why = HF_ERROR_INIT;
		struct place place = { .kind = PLACE_NODE };
		char words[HF_ERROR_TEXT_BYTES + 100];
		int one = config_read(c->os, path, names[i], &place, &why);

		if (one == 0) {
			one = add_place(c, names[i], &place, keys, &why);
			place_release(&place);
		}
		if (one == -ENOMEM)
			r = hf_error_set(err, one, "no memory");
		else if (one < 0) {
			(void)snprintf(words, sizeof(words), "replica %s cannot be asked: %s", names[i],
				       why.text);
			told(arg, words);
		}
	}
	config_free_names(names, n);
	return r;
}

/* --- reading */

/* Up to max bytes of a file, appended; how many. */
static ssize_t read_file(struct copies *c, const struct copy *from, struct log_pos at, size_t max,
			 struct buf *out, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	const struct os *os = c->os;
	char name[16];
	ssize_t n;
	int fd;

	segment_file_name(at.segment, name);
	buf_add_text(&path, "%s/log/%s", from->dir, name);
	(void)buf_cstr(&path);
	if (buf_status(&path) < 0 || buf_reserve(out, max) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = os->open(os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd < 0)
		return hf_error_set(err, fd, "cannot open %s: %s", (const char *)path.data, hf_strerror(fd));
	n = os->pread(os->state, fd, out->data + out->len, max, at.offset);
	(void)os->close(os->state, fd);
	if (n < 0)
		return hf_error_set(err, (int)n, "cannot read %s: %s", (const char *)path.data,
				    hf_strerror((int)n));
	out->len += (size_t)n;
	return n;
}

static ssize_t read_some(struct copies *c, const struct copy *from, struct log_pos at, size_t max,
			 struct buf *out, struct hf_error *err)
{
	return from->kind == COPY_FOLDER ? read_file(c, from, at, max, out, err) :
					   peer_read(from->peer, at, max, out, err);
}

/* More and more of what one copy has, until it is enough. 1, 0, or negative: -ENOMEM. */
static int offer_from(struct copies *c, const struct copy *from, struct log_pos at, mend_take_fn *take,
		      void *arg, struct hf_error *err)
{
	int r = -EAGAIN;

	if (from->kind == COPY_BUCKET)
		return peer_offer(from->peer, at, take, arg, err);
	buf_clear(&c->bytes);
	while (r == -EAGAIN && c->bytes.len < OFFER_BYTES_MAX) {
		const struct log_pos next = { at.segment, at.offset + (uint32_t)c->bytes.len };
		struct hf_error why = HF_ERROR_INIT;
		ssize_t n = read_some(c, from, next, STEP_BYTES, &c->bytes, &why);

		if (n < 0 && n != -ENOENT && err)
			(void)hf_error_set(err, (int)n, "%s: %s", from->name, why.text);
		if (n <= 0)
			return n == -ENOMEM ? -ENOMEM : 0;
		r = take(arg, c->bytes.data, c->bytes.len);
	}
	return r == -EAGAIN ? 0 : r;
}

int copies_offer(void *arg, struct log_pos at, mend_take_fn *take, void *take_arg, struct hf_error *err)
{
	struct copies *c = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->n; i++) {
		r = offer_from(c, &c->all[i], at, take, take_arg, err);
		if (r == 1)
			c->last = c->all[i].name;
	}
	return r;
}

int copies_read_segment(struct copies *c, const struct copy *from, uint32_t segment, struct buf *out,
			struct hf_error *err)
{
	ssize_t n = 1;

	buf_clear(out);
	while (n > 0 && out->len <= SEGMENT_BYTES_MAX)
		n = read_some(c, from, (struct log_pos){ segment, (uint32_t)out->len }, SEGMENT_STEP_BYTES,
			      out, err);
	return n < 0 ? (int)n : 0;
}
