/* SPDX-License-Identifier: MIT */
/*
 * A directory replica: a shelf in a folder of this machine (layer 4). Opened at the first question, so that a
 * disk that is not mounted yet is asked again later; locked while it is open for writing. Not written to
 * where it lies in its own store, or in that store's mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/peer.h"
#include "store/replica/prunes.h"
#include "store/replica/shelf.h"
#include "store/replica/within.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"

struct directory {
	struct peer peer;
	const struct os *os;
	char *path;
	char *store; /* whose replica it is; NULL: not one that is open here */
	bool writable;
	uint8_t volume_id[VOLUME_ID_BYTES];
	struct shelf *shelf; /* NULL until it could be opened */
	int lock;
};

static bool is_folder(const struct os *os, const char *path)
{
	int fd = os->open(os->state, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

static bool has_log(const struct os *os, const char *path)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;

	return os_join(&log_dir, path, "log") && is_folder(os, (const char *)log_dir.data);
}

static void note_other_volume(void *arg, const char *name)
{
	uint8_t id[VOLUME_ID_BYTES];

	if (wire_unhex(name, strlen(name), id, sizeof(id)) == 0)
		*(bool *)arg = true;
}

int directory_find(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		   bool itself, struct buf *out, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf inside = BUF_INIT;
	char id[HF_VOLUME_ID_TEXT_BYTES];
	bool others = false;
	int r;

	volume_id_text(volume_id, id);
	if (!os_join(&inside, path, id))
		return hf_error_set(err, -ENOMEM, "no memory");
	if (is_folder(os, (const char *)inside.data)) {
		buf_swap(out, &inside);
		return 0;
	}
	if (itself && has_log(os, path)) {
		buf_add_text(out, "%s", path);
		(void)buf_cstr(out);
		return buf_status(out);
	}
	r = os->list(os->state, path, note_other_volume, &others);
	if (r < 0)
		return hf_error_set(err, r, "cannot read the folder %s: %s", path, strerror(-r));
	if (others)
		return hf_error_set(err, -EKEYREJECTED,
				    "%s has other volumes, but not %s: is this the right kit?", path, id);
	return hf_error_set(err, -ENOENT, "%s has no volume %s, nor any other", path, id);
}

/* A volume may be mounted over its replica's folder at any time: then what opens there by its path is in it.
 */
static int check_apart(struct directory *d, struct hf_error *err)
{
	const struct place place = { .kind = PLACE_DIRECTORY, .path = d->path };
	int r = d->store ? within_check(&place, d->store, d->volume_id, err) : 0;

	return r == -EINVAL ? -EACCES : r;
}

static int open_shelf(struct directory *d, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	int r;

	if (d->shelf)
		return 0;
	r = check_apart(d, err);
	if (r < 0)
		return r;
	r = directory_find(d->os, d->path, d->volume_id, !d->writable, &dir, err);
	if (r < 0)
		return r;
	if (d->writable && d->lock < 0) {
		d->lock = files_lock((const char *)dir.data, "replicating into this folder", 0, NULL, err);
		if (d->lock < 0)
			return d->lock;
	}
	r = shelf_open(d->os, (const char *)dir.data, d->volume_id, !d->writable, &d->shelf, NULL, err);
	if (r < 0)
		return r;
	shelf_forget(d->shelf);
	r = check_apart(d, err); /* it may have been mounted just before */
	if (r < 0)
		shelf_close(TAKE_PTR(d->shelf));
	return r;
}

/* A receipt as far as a folder can give one: nobody signs it. */
static void fill_receipt(struct directory *d, const struct log_point *point, struct receipt *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->volume_id, d->volume_id, VOLUME_ID_BYTES);
	ret->point = *point;
	ret->enrolled_epoch = point->epoch;
	ret->node_time_ns = d->os->now_ns(d->os->state);
}

static int directory_position(struct peer *p, struct receipt *ret, struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	struct log_point point;
	int r = d->shelf ? check_apart(d, err) : open_shelf(d, err);

	if (r < 0)
		return r;
	shelf_position(d->shelf, &point);
	fill_receipt(d, &point, ret);
	return 0;
}

static int directory_enrol(struct peer *p, const struct epoch_cert *cert, const struct place *invitation,
			   struct receipt *ret, struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	char id[HF_VOLUME_ID_TEXT_BYTES];
	int r;

	(void)cert;
	(void)invitation;
	volume_id_text(d->volume_id, id);
	if (!os_join(&dir, d->path, id))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = d->os->mkdir(d->os->state, d->path, 0700 | OS_OWN);
	if (r < 0 && r != -EEXIST)
		return hf_error_set(err, r, "cannot make the folder %s: %s", d->path, strerror(-r));
	r = shelf_make(d->os, (const char *)dir.data, err);
	return r < 0 ? r : directory_position(p, ret, err);
}

static int directory_append(struct peer *p, struct log_pos at, const void *data, size_t len,
			    struct receipt *ret, struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	struct log_point point;
	int r = open_shelf(d, err);

	if (r == 0 && at.offset == 0) /* a file is made, by its path */
		r = check_apart(d, err);
	if (r == 0)
		r = shelf_append(d->shelf, at, data, len, &point, err);
	if (r == -EIO) { /* what is on the disk is unknown: look again before the next */
		shelf_close(d->shelf);
		d->shelf = NULL;
	}
	if (r < 0)
		return r;
	fill_receipt(d, &point, ret);
	return 0;
}

static ssize_t directory_read(struct peer *p, struct log_pos at, size_t max, struct buf *out,
			      struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	ssize_t n;
	int r = open_shelf(d, err);

	if (r < 0)
		return r;
	if (buf_reserve(out, max) < 0)
		return hf_error_set(err, -ENOMEM, "no memory for %zu bytes", max);
	n = shelf_read(d->shelf, at, out->data + out->len, max, err);
	if (n > 0)
		out->len += (size_t)n;
	return n;
}

/* A node's folder of the volume, which a recovery may read as a directory, can have some. */
static int directory_prunes(struct peer *p, uint32_t **ret, size_t *ret_n, struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	int r = directory_find(d->os, d->path, d->volume_id, !d->writable, &dir, err);

	return r < 0 ? r : grants_numbers(d->os, (const char *)dir.data, ret, ret_n, err);
}

static int directory_prune_list(struct peer *p, uint32_t number, struct buf *out, struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	CLEANUP(buf_release) struct buf dir = BUF_INIT, path = BUF_INIT;
	int r = directory_find(d->os, d->path, d->volume_id, !d->writable, &dir, err);

	if (r < 0)
		return r;
	if (!grants_path((const char *)dir.data, number, "list", &path))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(d->os, (const char *)path.data, PRUNE_LIST_BYTES_MAX, out);
	return r < 0 ? hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

static int directory_know(struct peer *p, const void *list, size_t len, struct hf_error *err)
{
	struct directory *d = (struct directory *)p;
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	int r = open_shelf(d, err);

	if (r == 0)
		r = directory_find(d->os, d->path, d->volume_id, false, &dir, err);
	if (r == 0)
		r = prunes_put(d->os, (const char *)dir.data, list, len, err);
	return r < 0 ? r : shelf_load_grants(d->shelf, err);
}

static void directory_free(struct peer *p)
{
	struct directory *d = (struct directory *)p;

	shelf_close(d->shelf);
	if (d->lock >= 0)
		(void)close(d->lock);
	free(d->path);
	free(d->store);
	free(d);
}

static const struct peer_ops directory_ops = {
	.enrol = directory_enrol,
	.position = directory_position,
	.append = directory_append,
	.read = directory_read,
	.prunes = directory_prunes,
	.prune_list = directory_prune_list,
	.know = directory_know,
	.free = directory_free,
};

int directory_open(const struct peer_options *o, struct peer **ret, struct hf_error *err)
{
	struct directory *d = calloc(1, sizeof(*d));
	const char *slash = o->log_dir ? strrchr(o->log_dir, '/') : NULL;

	if (d)
		d->path = strdup(o->place->path);
	if (d && slash)
		d->store = strndup(o->log_dir, (size_t)(slash - o->log_dir));
	if (!d || !d->path || (slash && !d->store)) {
		if (d) {
			free(d->path);
			free(d->store);
		}
		free(d);
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	d->peer.ops = &directory_ops;
	d->os = o->os;
	d->writable = o->writable;
	d->lock = -1;
	memcpy(d->volume_id, o->volume_id, VOLUME_ID_BYTES);
	*ret = &d->peer;
	return 0;
}
