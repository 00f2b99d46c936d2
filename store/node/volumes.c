/* SPDX-License-Identifier: MIT */
#include "store/node/volumes_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "store/base/journal.h"
#include "store/node/cert_file.h"
#include "store/volume/kit.h"

enum { EPOCHS_MAX = 4096 };

bool volume_same_cert(const struct epoch_cert *a, const struct epoch_cert *b)
{
	return memcmp(a->signature, b->signature, SIGNATURE_BYTES) == 0 && a->epoch == b->epoch &&
	       memcmp(a->writer_public, b->writer_public, PUBLIC_KEY_BYTES) == 0;
}

const struct epoch_cert *volume_newest(const struct volume *v)
{
	return &v->certs[v->n_certs - 1];
}

int volume_add_cert(struct volume *v, const struct epoch_cert *cert)
{
	struct epoch_cert *more;
	size_t at = v->n_certs;

	while (at > 0 && v->certs[at - 1].epoch > cert->epoch)
		at--;
	if (at > 0 && v->certs[at - 1].epoch == cert->epoch) {
		v->certs[at - 1] = *cert;
		return 0;
	}
	if (v->n_certs >= EPOCHS_MAX)
		return -ENOSPC;
	more = reallocarray(v->certs, v->n_certs + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	v->certs = more;
	memmove(more + at + 1, more + at, (v->n_certs - at) * sizeof(*more));
	more[at] = *cert;
	v->n_certs++;
	return 0;
}

/* --- opening */

void volume_free(struct volume *v)
{
	if (!v)
		return;
	shelf_close(v->shelf);
	nonces_free(v->of_writer);
	nonces_free(v->of_owner);
	pulse_release(&v->pulse);
	budget_release(&v->budget);
	(void)pthread_mutex_destroy(&v->append_lock);
	(void)pthread_mutex_destroy(&v->lock);
	free(v->certs);
	free(v->dir);
	free(v);
}

struct volume *volume_new(const struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES])
{
	struct volume *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	(void)pthread_mutex_init(&v->append_lock, NULL);
	(void)pthread_mutex_init(&v->lock, NULL);
	pulse_init(&v->pulse, vs->os->monotonic_ns(vs->os->state));
	budget_init(&v->budget);
	memcpy(v->id, id, VOLUME_ID_BYTES);
	volume_id_text(id, v->id_text);
	if (asprintf(&v->dir, "%s/%s", vs->volumes, v->id_text) < 0)
		v->dir = NULL;
	if (!v->dir || nonces_new(&v->of_writer) < 0 || nonces_new(&v->of_owner) < 0) {
		volume_free(v);
		return NULL;
	}
	return v;
}

static int load_cert(const struct os *os, struct volume *v, const char *name, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	struct epoch_cert cert;
	int r;

	if (!os_join(&path, v->dir, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, EPOCH_CERT_BYTES, &data);
	if (r < 0)
		return hf_error_set(err, r == -EFBIG ? -EUCLEAN : r, "cannot read %s: %s",
				    (const char *)path.data, strerror(-r));
	r = epoch_cert_decode(data.data, data.len, &cert, err);
	if (r < 0)
		return hf_error_prefix(err, r, "%s", (const char *)path.data);
	if (memcmp(cert.volume_id, v->id, VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EUCLEAN, "%s is the certificate of another volume",
				    (const char *)path.data);
	r = volume_add_cert(v, &cert);
	return r < 0 ? hf_error_set(err, r, "no memory") : 0;
}

static int load_certs(const struct os *os, struct volume *v, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf names = BUF_INIT;
	int r = cert_file_list(os, v->dir, &names, err);

	for (size_t at = 0; r == 0 && at < names.len; at += CERT_FILE_NAME_BYTES)
		r = load_cert(os, v, (const char *)names.data + at, err);
	return r;
}

static int open_shelf(const struct os *os, struct volume *v, bool read_only, struct hf_error *err)
{
	struct epoch_cert in_log;
	uint64_t cut = 0;
	int r = shelf_open(os, v->dir, v->id, read_only, &v->shelf, &cut, err);

	if (r == -ENOENT && v->n_certs > 0) /* the log folder is older than any certificate */
		return hf_error_set(err, -EUCLEAN, "its log folder is gone: put it back");
	if (r < 0)
		return r;
	shelf_forget(v->shelf);
	if (cut > 0 && !read_only)
		journal_line(LOG_NOTICE,
			     "volume %s: cut off %" PRIu64 " bytes of an append that was not finished",
			     v->id_text, cut);
	/* A certificate that a segment carries counts, whatever became of its file. */
	if (shelf_cert(v->shelf, &in_log) == 0 &&
	    (v->n_certs == 0 || in_log.epoch > volume_newest(v)->epoch) && volume_add_cert(v, &in_log) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	return 0;
}

/* Add v to the list. Requires vs->lock, or that nobody else has vs. */
int volumes_add(struct volumes *vs, struct volume *v)
{
	struct volume **more = reallocarray(vs->all, vs->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	vs->all = more;
	more[vs->n++] = v;
	return 0;
}

static int open_volume(struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES], struct hf_error *err)
{
	struct volume *v = volume_new(vs, id);
	int r;

	if (!v)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = load_certs(vs->os, v, err);
	if (r == 0)
		r = open_shelf(vs->os, v, vs->read_only, err);
	if ((r == 0 || r == -ENOENT) &&
	    v->n_certs == 0) { /* a crash before the certificate: it was never answered */
		if (err)
			*err = (struct hf_error)HF_ERROR_INIT;
		volume_free(v);
		return 0;
	}
	if (r == 0)
		pulse_load(&v->pulse, vs->os, v->dir);
	if (r == 0 && volumes_add(vs, v) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	if (r < 0) {
		r = hf_error_prefix(err, r, "volume %s", v->id_text);
		volume_free(v);
	}
	return r;
}

static void note_volume(void *arg, const char *name)
{
	uint8_t id[VOLUME_ID_BYTES];

	if (wire_unhex(name, strlen(name), id, sizeof(id)) == 0)
		buf_add(arg, id, sizeof(id));
}

static int note_fault(struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES], const struct hf_error *why)
{
	struct volume_fault *more = reallocarray(vs->faults, vs->n_faults + 1, sizeof(*more)), *f;

	if (!more)
		return -ENOMEM;
	vs->faults = more;
	f = &more[vs->n_faults];
	memcpy(f->id, id, VOLUME_ID_BYTES);
	volume_id_text(id, f->id_text);
	f->why = *why;
	if (asprintf(&f->dir, "%s/%s", vs->volumes, f->id_text) < 0)
		return -ENOMEM;
	vs->n_faults++;
	return 0;
}

/* Is it this process that lacks something, and not the volume? */
static bool is_our_want(int r)
{
	return r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static int open_all(struct volumes *vs, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf ids = BUF_INIT;
	int r = vs->os->list(vs->os->state, vs->volumes, note_volume, &ids);

	if (r < 0)
		return hf_error_set(err, r, "cannot read the folder %s: %s", vs->volumes, strerror(-r));
	if (buf_status(&ids) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	for (size_t at = 0; at < ids.len; at += VOLUME_ID_BYTES) {
		struct hf_error why = HF_ERROR_INIT;

		r = open_volume(vs, ids.data + at, &why);
		if (is_our_want(r))
			return hf_error_set(err, r, "%s", why.text);
		if (r < 0 && note_fault(vs, ids.data + at, &why) < 0)
			return hf_error_set(err, -ENOMEM, "no memory");
	}
	if (vs->n == 0 && vs->n_faults > 0)
		return hf_error_set(err, vs->faults[0].why.code, "%s", vs->faults[0].why.text);
	return 0;
}

int volumes_open(const struct os *os, const char *dir, bool read_only, struct volumes **ret,
		 struct hf_error *err)
{
	struct volumes *vs = calloc(1, sizeof(*vs));
	int r;

	if (!vs)
		return hf_error_set(err, -ENOMEM, "no memory");
	vs->os = os;
	vs->read_only = read_only;
	(void)pthread_mutex_init(&vs->lock, NULL);
	(void)pthread_mutex_init(&vs->enrol_lock, NULL);
	vs->dir = strdup(dir);
	if (asprintf(&vs->volumes, "%s/volumes", dir) < 0)
		vs->volumes = NULL;
	r = vs->dir && vs->volumes ? open_all(vs, err) : hf_error_set(err, -ENOMEM, "no memory");
	if (r < 0) {
		volumes_close(vs);
		return r;
	}
	*ret = vs;
	return 0;
}

void volumes_close(struct volumes *vs)
{
	if (!vs)
		return;
	for (size_t i = 0; i < vs->n; i++)
		volume_free(vs->all[i]);
	(void)pthread_mutex_destroy(&vs->lock);
	(void)pthread_mutex_destroy(&vs->enrol_lock);
	free(vs->all);
	for (size_t i = 0; i < vs->n_faults; i++)
		free(vs->faults[i].dir);
	free(vs->faults);
	free(vs->volumes);
	free(vs->dir);
	free(vs);
}

size_t volumes_count(struct volumes *vs)
{
	size_t n;

	(void)pthread_mutex_lock(&vs->lock);
	n = vs->n;
	(void)pthread_mutex_unlock(&vs->lock);
	return n;
}

/* --- questions */

struct volume *volumes_find(struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES])
{
	struct volume *found = NULL;

	(void)pthread_mutex_lock(&vs->lock);
	for (size_t i = 0; !found && i < vs->n; i++)
		if (memcmp(vs->all[i]->id, id, VOLUME_ID_BYTES) == 0)
			found = vs->all[i];
	(void)pthread_mutex_unlock(&vs->lock);
	return found;
}

const struct volume_fault *volumes_fault_of(const struct volumes *vs, const uint8_t id[VOLUME_ID_BYTES])
{
	for (size_t i = 0; i < vs->n_faults; i++)
		if (memcmp(vs->faults[i].id, id, VOLUME_ID_BYTES) == 0)
			return &vs->faults[i];
	return NULL;
}

const struct volume_fault *volumes_nth_fault(const struct volumes *vs, size_t i)
{
	return i < vs->n_faults ? &vs->faults[i] : NULL;
}

struct volume *volumes_nth(struct volumes *vs, size_t i)
{
	struct volume *v;

	(void)pthread_mutex_lock(&vs->lock);
	v = i < vs->n ? vs->all[i] : NULL;
	(void)pthread_mutex_unlock(&vs->lock);
	return v;
}

const char *volume_id_words(const struct volume *v)
{
	return v->id_text;
}

const char *volume_dir(const struct volume *v)
{
	return v->dir;
}

struct pulse *volume_pulse(struct volume *v)
{
	return &v->pulse;
}

struct budget *volume_budget(struct volume *v)
{
	return &v->budget;
}

struct nonces *volume_nonces(struct volume *v, bool is_owner)
{
	return is_owner ? v->of_owner : v->of_writer;
}

const uint8_t *volume_id(const struct volume *v)
{
	return v->id;
}

struct shelf *volume_shelf(const struct volume *v)
{
	return v->shelf;
}

void volume_newest_cert(struct volume *v, struct epoch_cert *ret)
{
	(void)pthread_mutex_lock(&v->lock);
	*ret = *volume_newest(v);
	(void)pthread_mutex_unlock(&v->lock);
}

enum volume_key volume_judge_key(struct volume *v, const uint8_t key[PUBLIC_KEY_BYTES])
{
	enum volume_key is = VOLUME_KEY_UNKNOWN;

	(void)pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n_certs; i++)
		if (memcmp(v->certs[i].writer_public, key, PUBLIC_KEY_BYTES) == 0)
			is = i + 1 == v->n_certs ? VOLUME_KEY_WRITER : VOLUME_KEY_PAST_WRITER;
	if (memcmp(volume_newest(v)->owner_public, key, PUBLIC_KEY_BYTES) == 0)
		is = VOLUME_KEY_OWNER;
	(void)pthread_mutex_unlock(&v->lock);
	return is;
}

enum volume_key volume_hold(struct volume *v, const uint8_t key[PUBLIC_KEY_BYTES])
{
	(void)pthread_mutex_lock(&v->append_lock);
	return volume_judge_key(v, key);
}

void volume_let_go(struct volume *v)
{
	(void)pthread_mutex_unlock(&v->append_lock);
}

int volume_check_header(struct volume *v, const void *header, size_t len, struct hf_error *err)
{
	struct segment_header h;
	struct epoch_cert cert;
	int r;

	if (len < SEGMENT_HEADER_BYTES)
		return hf_error_set(err, -EUCLEAN, "a segment begins with a header of %d bytes",
				    SEGMENT_HEADER_BYTES);
	r = segment_header_decode(header, SEGMENT_HEADER_BYTES, &h, err);
	if (r < 0)
		return r;
	volume_newest_cert(v, &cert);
	if (h.epoch > cert.epoch || (h.epoch == cert.epoch && !volume_same_cert(&h.cert, &cert)))
		return hf_error_set(err, -EKEYREJECTED,
				    "segment %" PRIu32 " begins under a certificate for epoch %" PRIu32
				    " that was not enrolled here",
				    h.segment, h.epoch);
	return 0;
}
