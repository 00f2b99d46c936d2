/* SPDX-License-Identifier: MIT */
/* A drill's beginning, and the recovery in it: what recovers for real rehearses (store/replica/recover.c). */
#include "store/drill/rehearsal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/freshness.h"
#include "store/replica/recover.h"
#include "store/replica/s3_credentials.h"
#include "store/replica/trail.h"
#include "store/volume/keys.h"
#include "store/volume/kit.h"

/* --- what is read of the store */

static int check_kit(const struct hf_drill *d, const struct volume_descriptor *v, struct hf_error *err)
{
	char ours[HF_VOLUME_ID_TEXT_BYTES], theirs[HF_VOLUME_ID_TEXT_BYTES];

	if (!d->owner || memcmp(owner_public(d->owner), v->owner_public, PUBLIC_KEY_BYTES) == 0)
		return 0;
	volume_id_text(d->volume_id, ours);
	volume_id_text(v->volume_id, theirs);
	return hf_error_set(
		err, -EKEYREJECTED,
		"this kit is of volume %s, and the store is volume %s: it would bring nothing of it back",
		ours, theirs);
}

/* Where its log ends, as far as that is durable. What cannot be read is not known. */
static void read_own_end(struct hf_drill *d, const char *store)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_options o = { .os = d->os, .keys = d->keys, .read_only = true };
	struct log *log;

	o.dir = os_join(&dir, store, "log");
	if (!o.dir || log_open(&o, NULL, &log, NULL) < 0)
		return;
	log_durable(log, &d->own);
	log_close(log);
}

/* Whoever has the kit need not be asked for a passphrase: the writer key is sealed, if at all, by what the
 * kit says. */
static int read_keys(struct hf_drill *d, const char *store, const struct volume_descriptor *v,
		     struct hf_error *err)
{
	int r;

	if (!d->owner)
		return files_read_keys(d->os, store, v, &d->keys, err);
	r = owner_keyring(d->owner, &d->keys);
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	(void)!keys_read_writer(d->os, store, v, d->keys, NULL); /* without it less can be tried */
	return 0;
}

static int read_store(struct hf_drill *d, const char *store, struct hf_error *err)
{
	struct volume_descriptor v;
	int r = files_read_descriptor(d->os, store, &v, err);

	if (r == 0)
		r = check_kit(d, &v, err);
	if (r < 0)
		return r;
	memcpy(d->volume_id, v.volume_id, VOLUME_ID_BYTES);
	r = read_keys(d, store, &v, err);
	if (r < 0)
		return r;
	if (!d->owner && !keyring_has_writer(d->keys))
		return hf_error_set(err, -ENOKEY, "%s/keys/writer.key is gone: drill with the kit, --kit KIT",
				    store);
	read_own_end(d, store);
	return 0;
}

/* --- which replica */

static int take_replica(struct hf_drill *d, const char *store, const char *name, struct hf_error *err)
{
	int r = config_read(d->os, store, name, &d->own_place, err);

	if (r < 0)
		return r;
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	if (config_read_receipt(d->os, store, name, &d->acked) < 0)
		memset(&d->acked, 0, sizeof(d->acked));
	return 0;
}

/* The store's replica at this place, if it is one. */
static int find_same(struct hf_drill *d, const char *store, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(d->os, store, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n && !d->name[0]; i++) {
		struct place p;

		if (config_read(d->os, store, names[i], &p, NULL) < 0)
			continue; /* damaged: not the one that is meant, for all that can be known */
		if (place_is_same(&p, &d->place))
			r = take_replica(d, store, names[i], err);
		place_release(&p);
	}
	config_free_names(names, n);
	return r;
}

static int choose(struct hf_drill *d, const char *store, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(d->os, store, &names, &n, err);

	if (r == 0 && n == 0)
		r = hf_error_set(
			err, -ENOENT,
			"%s has no replica: there is nothing that it could be recovered from. See holdfast "
			"replica --help",
			store);
	if (r == 0)
		r = take_replica(d, store, names[results_stalest(d->os, store, names, n)], err);
	config_free_names(names, n);
	return r;
}

/* A second copy, as text: the credentials of a bucket may be others. */
static int copy_place(const struct place *from, struct place *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	int r = place_url(from, &text);

	(void)buf_cstr(&text);
	if (r == 0)
		r = buf_status(&text);
	if (r < 0)
		return hf_error_set(err, r, "no memory");
	return place_parse((const char *)text.data, ret, err);
}

/*
 * Of a bucket: those of the environment, which may list versions; else those that the store has.
 */
static int find_credentials(struct hf_drill *d, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	int r;

	if (d->place.kind != PLACE_BUCKET)
		return 0;
	r = s3_credentials_find(d->os, NULL, &d->place.s3->credentials, &why);
	if (r == -ENOKEY && d->name[0]) {
		d->place.s3->credentials = d->own_place.s3->credentials;
		return 0;
	}
	return r < 0 ? hf_error_set(err, r, "%s", why.text) : 0;
}

static int find_place(struct hf_drill *d, const struct hf_drill_options *o, struct hf_error *err)
{
	const bool by_name = o->store && o->from && config_check_name(o->from, NULL) == 0 &&
			     config_exists(d->os, o->store, o->from);
	int r;

	if (o->store && (!o->from || by_name))
		r = o->from ? take_replica(d, o->store, o->from, err) : choose(d, o->store, err);
	else
		r = place_parse(o->from, &d->place, err);
	if (r < 0)
		return r;
	if (d->name[0]) {
		memcpy(d->own_place.volume_id, d->volume_id, VOLUME_ID_BYTES);
		d->own_place.has_volume = true;
		r = copy_place(&d->own_place, &d->place, err);
	} else if (o->store) {
		r = find_same(d, o->store, err);
	}
	if (r == 0 && d->place.has_volume && memcmp(d->place.volume_id, d->volume_id, VOLUME_ID_BYTES) != 0)
		r = hf_error_set(err, -EKEYREJECTED, "%s names another volume than this one", o->from);
	memcpy(d->place.volume_id, d->volume_id, VOLUME_ID_BYTES);
	d->place.has_volume = true;
	return r < 0 ? r : find_credentials(d, err);
}

/*
 * A folder that is named, and not as one of the store's replicas, has to be there with this volume in it:
 * else it is a typing error, and says nothing of the volume. One of the store's that is gone is a failure.
 */
static int check_folder(const struct hf_drill *d, const struct hf_drill_options *o, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct hf_error why = HF_ERROR_INIT;
	int r = 0;

	if (d->place.kind == PLACE_DIRECTORY && !d->name[0])
		r = directory_find(d->os, d->place.path, d->volume_id, true, &dir, &why);
	if (r == 0 || (r == -EKEYREJECTED && !o->store)) /* the kit is of another volume: the drill says it */
		return 0;
	return hf_error_set(err, r, "%s%s%s", why.text,
			    o->store ? "; nor is that the name of a replica of " : "",
			    o->store ? o->store : "");
}

/* What is no head, or another volume's, is not held against the replica. */
static int check_heads(const struct hf_drill *d, struct hf_error *err)
{
	struct freshness f;
	int r = freshness_begin(&f, d->heads, d->volume_id, err);

	freshness_release(&f);
	return r;
}

/* Which segments were verified before: without that, all are as good as any other. */
static void read_seen(struct hf_drill *d, const char *store)
{
	struct hf_drill_about about;

	hf_drill_about(d, &about);
	if (results_seen(d->os, store, about.replica, &d->seen, &d->n_seen) < 0)
		d->n_seen = 0;
}

/* --- begin and end */

int hf_drill_open(const struct hf_drill_options *o, struct hf_drill **ret, struct hf_error *err)
{
	struct hf_drill *d;
	int r = 0;

	if (!o->store && !(o->kit && o->from))
		return hf_error_set(err, -EINVAL, "a drill takes a store, or a kit and a replica's place");
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	d = calloc(1, sizeof(*d));
	if (!d)
		return hf_error_set(err, -ENOMEM, "no memory");
	d->os = os_posix();
	d->heads = o->heads;
	if (o->kit) {
		d->owner = kit_owner(o->kit);
		memcpy(d->volume_id, owner_volume_id(d->owner), VOLUME_ID_BYTES);
	}
	if (o->store)
		r = read_store(d, o->store, err);
	if (r == 0)
		r = check_heads(d, err);
	if (r == 0)
		r = find_place(d, o, err);
	if (r == 0)
		r = check_folder(d, o, err);
	if (r == 0 && o->store)
		read_seen(d, o->store);
	if (r < 0) {
		hf_drill_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

void hf_drill_free(struct hf_drill *d)
{
	if (!d)
		return;
	keyring_free(d->keys);
	place_release(&d->place);
	place_release(&d->own_place);
	buf_release(&d->last);
	free(d->seen);
	free(d);
}

void hf_drill_about(const struct hf_drill *d, struct hf_drill_about *ret)
{
	static const enum hf_drill_place kinds[] = { [PLACE_NODE] = HF_DRILL_NODE,
						     [PLACE_DIRECTORY] = HF_DRILL_FOLDER,
						     [PLACE_BUCKET] = HF_DRILL_BUCKET };
	CLEANUP(buf_release) struct buf url = BUF_INIT;

	memset(ret, 0, sizeof(*ret));
	volume_id_text(d->volume_id, ret->volume_id);
	if (place_url(&d->place, &url) == 0)
		(void)snprintf(ret->url, sizeof(ret->url), "%s", buf_cstr(&url));
	(void)snprintf(ret->replica, sizeof(ret->replica), "%.63s", d->name[0] ? d->name : ret->url);
	ret->place = kinds[d->place.kind];
	if (d->place.kind == PLACE_DIRECTORY)
		ret->folder = d->place.path;
	if (d->place.kind == PLACE_BUCKET && d->place.s3->ca[0])
		ret->ca = d->place.s3->ca;
	ret->has_writer =
		d->keys && keyring_has_writer(d->keys) && (d->place.kind != PLACE_BUCKET || d->name[0]);
	ret->own_tid = d->own.tid;
	ret->own_time_ns = d->own.time_ns;
	ret->acked_tid = d->acked.tid;
}

/* --- with the replica alone */

int rehearsal_peer(struct hf_drill *d, struct peer **ret, struct hf_error *err)
{
	const bool as_writer = d->keys && keyring_has_writer(d->keys);
	struct peer_options o = {
		.os = d->os,
		.place = &d->place,
		.signer = as_writer ? http_signer_of_writer(d->keys) : http_signer_of_owner(d->owner),
	};

	memcpy(o.volume_id, d->volume_id, VOLUME_ID_BYTES);
	return peer_open(&o, ret, err);
}

int hf_drill_reach(struct hf_drill *d, struct hf_point *ret, struct hf_error *err)
{
	struct receipt head;
	struct peer *peer;
	int r = rehearsal_peer(d, &peer, err);

	if (r < 0)
		return r;
	r = peer_position(peer, &head, err);
	peer_free(peer);
	if (r == 0 && head.point.end.segment == 0)
		r = hf_error_set(err, -ENOENT, "the replica knows the volume, but has nothing of it");
	if (r == 0)
		*ret = (struct hf_point){ head.point.tid, head.point.time_ns };
	return r;
}

int hf_drill_recover(struct hf_drill *d, const char *path, const struct hf_keeping *keeping,
		     const struct hf_progress *progress, struct hf_recovery *ret, struct hf_error *err)
{
	struct hf_heads heads = { .accept_stale = true }; /* hf_drill_fresh says it */
	const struct recover_options o = {
		.os = d->os,
		.place = &d->place,
		.owner = d->owner,
		.keys = d->keys,
		.rehearsal = true,
		.heads = &heads,
		.keeping = keeping,
		.progress = progress,
	};
	int r;

	if (d->heads) {
		heads.texts = d->heads->texts;
		heads.n = d->heads->n;
	}
	r = recover_run(&o, path, &d->recovered, &d->end, err);
	if (r == 0)
		*ret = d->recovered;
	return r;
}

/* --- is it all there was? */

static bool is_short(const struct hf_drill *d, const struct log_point *known)
{
	return log_pos_compare(known->end, d->end.end) > 0;
}

/* 1: in the log that was recovered; 0: something else is there; negative: not to be read. */
static int has_point(const struct hf_drill *d, const char *log_dir, const struct log_point *known,
		     char *words)
{
	int r = trail_has(d->os, log_dir, known, &d->end, NULL);

	if (r < 0)
		(void)snprintf(words, HF_ERROR_TEXT_BYTES, "%s cannot be read: %s", log_dir, strerror(-r));
	return r;
}

static bool has_acked(const struct hf_drill *d, const char *log_dir, char *words)
{
	if (is_short(d, &d->acked)) {
		(void)snprintf(words, HF_ERROR_TEXT_BYTES,
			       "it acknowledged all up to tid-%" PRIu64 ", and gives tid-%" PRIu64
			       " as the newest: an older state, or it keeps something back",
			       d->acked.tid, d->end.tid);
		return false;
	}
	switch (has_point(d, log_dir, &d->acked, words)) {
	case 1:
		return true;
	case 0:
		(void)snprintf(words, HF_ERROR_TEXT_BYTES,
			       "it has another history than the one it acknowledged at tid-%" PRIu64,
			       d->acked.tid);
	}
	return false;
}

static bool has_own(const struct hf_drill *d, const char *log_dir, bool *ret_behind, char *words)
{
	*ret_behind = is_short(d, &d->own);
	if (*ret_behind)
		return true;
	switch (has_point(d, log_dir, &d->own, words)) {
	case 1:
		return true;
	case 0:
		(void)snprintf(words, HF_ERROR_TEXT_BYTES,
			       "it has another history than the primary's own log has at tid-%" PRIu64,
			       d->own.tid);
	}
	return false;
}

enum hf_drill_verdict hf_drill_fresh(struct hf_drill *d, const char *path, bool *ret_behind, char *ret_words)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	const char *log_dir = os_join(&dir, path, "log");
	char moment[40];
	int at = 0;

	*ret_behind = false;
	*ret_words = 0;
	if (!log_dir) {
		(void)snprintf(ret_words, HF_ERROR_TEXT_BYTES, "no memory");
		return HF_DRILL_FAIL;
	}
	if (d->recovered.freshness == HF_FRESHNESS_STALE) {
		(void)snprintf(ret_words, HF_ERROR_TEXT_BYTES, "%s", d->recovered.stale_text);
		return HF_DRILL_FAIL;
	}
	if ((d->acked.end.segment && !has_acked(d, log_dir, ret_words)) ||
	    (d->own.commit && !has_own(d, log_dir, ret_behind, ret_words)))
		return HF_DRILL_FAIL;
	if (!d->acked.end.segment && !d->own.commit && d->recovered.freshness == HF_FRESHNESS_UNPROVEN) {
		(void)snprintf(ret_words, HF_ERROR_TEXT_BYTES,
			       "nothing but this replica says that it is the newest: save what holdfast head "
			       "prints, and "
			       "give it with --head");
		return HF_DRILL_WEAK;
	}
	if (d->own.commit)
		at = snprintf(ret_words, HF_ERROR_TEXT_BYTES,
			      *ret_behind ? "it is behind: the primary's log goes on to tid-%" PRIu64 ". " :
					    "it has all that the primary's log had, tid-%" PRIu64 ". ",
			      d->own.tid);
	if (d->acked.tid)
		at += snprintf(ret_words + at, HF_ERROR_TEXT_BYTES - (size_t)at,
			       "It has what it acknowledged, tid-%" PRIu64 ". ", d->acked.tid);
	if (d->recovered.freshness == HF_FRESHNESS_PROVEN)
		at += snprintf(ret_words + at, HF_ERROR_TEXT_BYTES - (size_t)at,
			       "It has the saved head of %s. ",
			       hf_moment_format(d->recovered.proven_ns, moment, sizeof(moment)));
	if (at > 1)
		ret_words[at - 2] = 0; /* the last full stop */
	return HF_DRILL_PASS;
}
