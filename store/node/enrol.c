/* SPDX-License-Identifier: MIT */
/* Volumes and epochs that are new to a node (volumes.h): who may bring them, and what makes them durable. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/base/journal.h"
#include "store/node/cert_file.h"
#include "store/node/invitation.h"
#include "store/node/volumes_internal.h"

static int write_cert(const struct os *os, const struct volume *v, const struct epoch_cert *cert,
		      struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	int r;

	cert_file_path(&path, v->dir, cert->epoch);
	epoch_cert_encode(cert, &data);
	if (buf_status(&path) < 0 || buf_status(&data) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, data.data, data.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

/*
 * Take away the files of higher epochs than this one. Only the owner can bring that about, by recovering from
 * here what was never begun here.
 */
static int remove_higher(const struct os *os, const struct volume *v, uint32_t epoch, struct hf_error *err)
{
	int r = 0;

	for (size_t i = v->n_certs; r == 0 && i > 0 && v->certs[i - 1].epoch > epoch; i--) {
		CLEANUP(buf_release) struct buf path = BUF_INIT;

		cert_file_path(&path, v->dir, v->certs[i - 1].epoch);
		r = buf_status(&path);
		if (r == 0)
			r = os->unlink(os->state, (const char *)path.data);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		r = os->sync_dir(os->state, v->dir);
	return r < 0 ? hf_error_set(err, r, "cannot remove a certificate in %s: %s", v->dir, strerror(-r)) :
		       0;
}

static int use_invitation(struct volumes *vs, const struct epoch_cert *cert, const uint8_t *token,
			  bool is_new, struct hf_error *err)
{
	if (!token)
		return hf_error_set(err, -EACCES, "%s needs an invitation from the node's operator",
				    is_new ? "a volume new to this node" :
					     "a new epoch that the owner did not ask for");
	return invitation_use(vs->os, vs->dir, token, cert->volume_id, is_new, err);
}

/* Can this certificate come behind what is here? */
static int check_follows(struct volume *v, const struct epoch_cert *cert, bool by_owner, struct hf_error *err)
{
	struct epoch_cert in_log, last;
	struct log_point point;

	volume_newest_cert(v, &last);
	shelf_position(v->shelf, &point);
	if (memcmp(cert->owner_public, last.owner_public, PUBLIC_KEY_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED, "the certificate is by another owner");
	if (shelf_cert(v->shelf, &in_log) == 0 && cert->epoch <= in_log.epoch)
		return hf_error_set(err, -EKEYREJECTED,
				    "epoch %" PRIu32 " is over: the log here is in epoch %" PRIu32
				    " of another writer",
				    cert->epoch, in_log.epoch);
	/* Which of two that no segment carries yet? The owner may say; else the later. */
	if (!by_owner &&
	    (cert->epoch < last.epoch || (cert->epoch == last.epoch && cert->created_ns <= last.created_ns)))
		return hf_error_set(err, -EKEYREJECTED,
				    "epoch %" PRIu32 " is over: a later certificate was enrolled here",
				    cert->epoch);
	if (point.end.segment > 0 && cert->first_segment <= point.end.segment)
		return hf_error_set(err, -EEXIST,
				    "the log here has reached segment %" PRIu32 ", past segment %" PRIu32
				    " where this epoch would begin",
				    point.end.segment, cert->first_segment);
	return 0;
}

int volume_check_floor(const struct epoch_cert *certs, size_t n, const struct epoch_cert *cert,
		       struct hf_error *err)
{
	uint16_t floor = 0;

	for (size_t i = 0; i < n; i++)
		if (certs[i].format_floor > floor)
			floor = certs[i].format_floor;
	if (cert->format_floor >= floor)
		return 0;
	return hf_error_set(err, -EPROTONOSUPPORT,
			    "the certificate would let format version %u in again, and this volume has "
			    "reached version %u",
			    cert->format_floor, floor);
}

static int check_floor(struct volume *v, const struct epoch_cert *cert, struct hf_error *err)
{
	int r;

	(void)pthread_mutex_lock(&v->lock);
	r = volume_check_floor(v->certs, v->n_certs, cert, err);
	(void)pthread_mutex_unlock(&v->lock);
	return r;
}

/* Requires v->append_lock: nothing is appended between looking where the log ends and the new epoch. */
static int enrol_epoch(struct volumes *vs, struct volume *v, const struct epoch_cert *cert, bool by_owner,
		       const uint8_t *token, struct hf_error *err)
{
	struct epoch_cert last;
	int r;

	volume_newest_cert(v, &last);
	if (volume_same_cert(&last, cert))
		return 0;
	r = check_floor(v, cert, err);
	if (r == 0)
		r = check_follows(v, cert, by_owner, err);
	if (r == 0 && !by_owner)
		r = use_invitation(vs, cert, token, false, err);
	if (r == 0)
		r = write_cert(vs->os, v, cert, err);
	if (r == 0 && last.epoch > cert->epoch)
		r = remove_higher(vs->os, v, cert->epoch, err);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&v->lock);
	while (v->n_certs > 0 && volume_newest(v)->epoch > cert->epoch)
		v->n_certs--;
	r = volume_add_cert(v, cert);
	(void)pthread_mutex_unlock(&v->lock);
	if (r < 0)
		return hf_error_set(err, r, "no room for another certificate");
	nonces_clear(v->of_writer); /* nothing of that key is taken any more */
	journal_line(LOG_NOTICE,
		     "volume %s: epoch %" PRIu32 " enrolled; earlier writer keys are refused from now on",
		     v->id_text, cert->epoch);
	return 1;
}

/* Its own copy of what new volumes get, before it is a volume. */
static int give_budget(const struct volumes *vs, const struct volume *v, struct hf_error *err)
{
	uint64_t bytes;
	int r = budget_read(vs->os, vs->dir, &bytes, err);

	return r < 0 || bytes == BUDGET_NONE ? r : budget_write(vs->os, v->dir, bytes, err);
}

static int enrol_volume(struct volumes *vs, const struct epoch_cert *cert, const uint8_t *token,
			struct volume **ret, struct hf_error *err)
{
	struct volume *v = volume_new(vs, cert->volume_id);
	int r;

	if (!v)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = use_invitation(vs, cert, token, true, err);
	if (r == 0)
		r = shelf_make(vs->os, v->dir, err);
	if (r == 0)
		r = give_budget(vs, v, err);
	if (r == 0)
		r = write_cert(vs->os, v, cert, err);
	if (r == 0)
		r = shelf_open(vs->os, v->dir, v->id, false, &v->shelf, NULL, err);
	if (r == 0)
		shelf_forget(v->shelf);
	if (r == 0 && volume_add_cert(v, cert) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	(void)pthread_mutex_lock(&vs->lock);
	if (r == 0 && volumes_add(vs, v) < 0)
		r = hf_error_set(err, -ENOMEM, "no memory");
	(void)pthread_mutex_unlock(&vs->lock);
	if (r < 0) {
		volume_free(v);
		return r;
	}
	journal_line(LOG_NOTICE, "volume %s enrolled, in epoch %" PRIu32, v->id_text, cert->epoch);
	*ret = v;
	return 0;
}

int volumes_enrol(struct volumes *vs, const struct epoch_cert *cert, bool by_owner,
		  const uint8_t token[PLACE_TOKEN_BYTES], struct volume **ret, struct hf_error *err)
{
	struct volume *v;
	int r;

	(void)pthread_mutex_lock(&vs->enrol_lock);
	v = volumes_find(vs, cert->volume_id);
	if (v) {
		(void)pthread_mutex_lock(&v->append_lock);
		r = enrol_epoch(vs, v, cert, by_owner, token, err);
		(void)pthread_mutex_unlock(&v->append_lock);
	} else {
		r = enrol_volume(vs, cert, token, &v, err);
	}
	(void)pthread_mutex_unlock(&vs->enrol_lock);
	if (r >= 0)
		*ret = v;
	return r;
}
