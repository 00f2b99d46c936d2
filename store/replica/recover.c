/* SPDX-License-Identifier: MIT */
/*
 * A new primary from a replica and the kit (layer 4). The order matters: what the owner let go is learned;
 * the log is fetched; it is held against saved heads, so that a replica with an older state is left as it is;
 * the node is given the new epoch's certificate, which locks the old writer key out; if the old writer was
 * quicker, what it added is fetched and a new certificate made; then the epoch begins here (a folder replica
 * is locked meanwhile, and told after that); the descriptor, without which a store is not a store, comes
 * last. PATH/recovery marks a folder in which this is under way, for which volume. A rehearsal does the same,
 * but for telling the replica and for shipping to it.
 */
#include "store/replica/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/config.h"
#include "store/replica/fetch.h"
#include "store/replica/freshness.h"
#include "store/replica/patience.h"
#include "store/replica/prunes.h"
#include "store/replica/recover_folder.h"
#include "store/replica/recover_mark.h"
#include "store/replica/s3_credentials.h"
#include "store/replica/trail.h"
#include "store/volume/keys.h"
#include "store/volume/kit.h"

enum { ROUNDS_MAX = 16 };

struct recovery {
	const struct os *os;
	const char *path;
	const struct owner *owner;     /* NULL: a rehearsal by the keys of who writes */
	const struct keyring *by_keys; /* then these */
	bool rehearsal;
	const struct hf_progress *progress;
	const uint8_t *volume_id;
	struct place *place;
	struct peer *peer;
	struct patience patience;
	bool folder_held; /* peer is a folder replica to which nobody else appends */
	struct shelf *shelf;
	struct keyring *keys;
	struct epoch_cert cert;
	struct freshness fresh;
	const struct hf_keeping *keeping; /* NULL: plain */
	struct peer_fetched fetched;
	bool goes_on;
	enum hf_recovery_source source;
	struct hf_error untold; /* why the replica could not be told of the new epoch; code 0: it was */
};

static const char *under(const struct recovery *v, const char *name, struct buf *out)
{
	return os_join(out, v->path, name);
}

/* --- the other end */

static struct peer_options options_of(const struct recovery *v)
{
	struct peer_options o = {
		.os = v->os,
		.place = v->place,
		.signer = v->owner ? http_signer_of_owner(v->owner) : http_signer_of_writer(v->by_keys),
	};

	memcpy(o.volume_id, v->volume_id, VOLUME_ID_BYTES);
	return o;
}

static int open_peer(struct recovery *v, struct hf_error *err)
{
	struct peer_options o = options_of(v);

	if (v->place->has_volume && memcmp(v->place->volume_id, v->volume_id, VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "the kit is not that of the volume that the replica's URL names");
	memcpy(v->place->volume_id, v->volume_id, VOLUME_ID_BYTES);
	v->place->has_volume = true;
	if (v->place->kind == PLACE_BUCKET && !v->place->s3->credentials.access_key[0]) {
		int r = s3_credentials_find(v->os, NULL, &v->place->s3->credentials, err);

		if (r < 0)
			return r;
	}
	return peer_open(&o, &v->peer, err);
}

/* A bucket is asked as often by itself. */
static bool again(struct recovery *v, int r, struct hf_error *err)
{
	return v->place->kind == PLACE_NODE && patience_again(&v->patience, r, err);
}

static int ask_position(struct recovery *v, struct receipt *ret, struct hf_error *err)
{
	int r;

	do
		r = peer_position(v->peer, ret, err);
	while (again(v, r, err));
	return r;
}

/* Ask before anything is made: a wrong kit or address then leaves nothing behind. */
static int probe(struct recovery *v, struct hf_error *err)
{
	struct receipt head;
	int r = open_peer(v, err);

	if (r == 0)
		r = ask_position(v, &head, err);
	return r < 0 ? r : freshness_reaches(&v->fresh, &head.point, err);
}

static bool at_head(struct recovery *v, const struct log_point *head)
{
	struct log_point here;

	shelf_position(v->shelf, &here);
	return log_pos_compare(here.end, head->end) == 0 && memcmp(here.chain, head->chain, HASH_BYTES) == 0;
}

/* A peer that only keeps what it is given: what verifies is the log. */
static int fetch_verified(struct recovery *v, struct hf_error *err)
{
	return peer_fetch(v->peer, v->shelf, v->progress, &v->fetched, err);
}

/* Fetch until nothing more is there, though it may grow under our hands. */
static int fetch(struct recovery *v, struct hf_error *err)
{
	struct receipt head;
	int r;

	if (peer_fetches(v->peer))
		return fetch_verified(v, err);
	for (int round = 0; round < ROUNDS_MAX; round++) {
		r = ask_position(v, &head, err);
		if (r == 0 && head.point.end.segment == 0)
			r = hf_error_set(err, -ENOENT, "the replica knows the volume, but has nothing of it");
		if (r == 0)
			r = fetch_log(v->peer, &head.point, v->shelf, v->progress, err);
		if (r < 0)
			return r;
		if (at_head(v, &head.point))
			return 0;
	}
	return hf_error_set(
		err, -EEXIST,
		"%s holds more of the log than this replica: recover from the one it came from, or "
		"into an empty folder",
		v->path);
}

/* Is what has been fetched, or was by an earlier run, what the saved heads are of? */
static int check_freshness(struct recovery *v, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_point here;

	if (!under(v, "log", &dir))
		return hf_error_set(err, -ENOMEM, "no memory");
	shelf_position(v->shelf, &here);
	return freshness_judge(&v->fresh, v->os, (const char *)dir.data, &here, err);
}

/* --- the new epoch */

static int make_cert(struct recovery *v, struct hf_error *err)
{
	struct log_point here;
	int r;

	shelf_position(v->shelf, &here);
	if (here.epoch == UINT32_MAX || here.end.segment == UINT32_MAX)
		return hf_error_set(err, -EUCLEAN, "the log has no room for another epoch");
	r = keyring_make_writer(v->keys, here.epoch + 1);
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for a writer key");
	memset(&v->cert, 0, sizeof(v->cert));
	v->cert.epoch = here.epoch + 1;
	v->cert.format_floor = FORMAT_VERSION;
	memcpy(v->cert.writer_public, keyring_writer_public(v->keys), PUBLIC_KEY_BYTES);
	v->cert.created_ns = v->os->now_ns(v->os->state);
	v->cert.first_segment = here.end.segment + 1;
	memcpy(v->cert.chain, here.chain, HASH_BYTES);
	epoch_cert_sign(&v->cert, v->owner);
	return 0;
}

/* It lets read, and has no room to be told anything: what it has comes back all the same. */
static bool takes_nothing(int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EROFS;
}

/* Give the node the certificate. A node that takes nothing is no failure: it is noted. */
static int tell(struct recovery *v, struct receipt *ret_head, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	int r;

	do /* told twice, it changes nothing the second time */
		r = peer_enrol(v->peer, &v->cert, NULL, ret_head, &why);
	while (again(v, r, &why));
	if (takes_nothing(r)) {
		v->untold = why;
		return 0;
	}
	return r < 0 ? hf_error_set(err, r, "%s", why.text) : 0;
}

/*
 * What it is that is recovered from, and, of a folder that is a replica, hold it: what was added since it was
 * fetched is fetched from there too. One that cannot be held, since somebody writes to it or it is read-only,
 * is no failure: it is noted.
 */
static int hold_folder(struct recovery *v, bool begun, struct hf_error *err)
{
	struct peer_options o = options_of(v);
	struct peer *held;
	struct receipt head;

	if (!recover_folder_is_replica(v->os, v->place, v->volume_id)) {
		v->source = HF_RECOVERED_FROM_STORE;
		(void)hf_error_set(
			&v->untold, -EOPNOTSUPP,
			"%s is a store's folder or a copy of what a node keeps, and no replica that "
			"could be told",
			v->place->path);
		return 0;
	}
	v->source = HF_RECOVERED_FROM_FOLDER;
	if (recover_folder_hold(&o, &held, &head, &v->untold) < 0)
		return 0;
	peer_free(v->peer);
	v->peer = held;
	v->folder_held = true;
	return begun || at_head(v, &head.point) ? 0 : fetch(v, err);
}

/* begun: the epoch was, by an earlier run. */
static int hold(struct recovery *v, bool begun, struct hf_error *err)
{
	v->source = v->place->kind == PLACE_BUCKET ? HF_RECOVERED_FROM_BUCKET : HF_RECOVERED_FROM_NODE;
	if (v->place->kind == PLACE_DIRECTORY && !v->rehearsal)
		return hold_folder(v, begun, err);
	if (v->place->kind == PLACE_BUCKET && !v->rehearsal)
		(void)hf_error_set(&v->untold, -EOPNOTSUPP, "a bucket checks no writer key");
	return 0;
}

/* What it refuses is noted: what it had comes back all the same. */
static int tell_folder(struct recovery *v, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;

	if (!under(v, "log", &dir))
		return hf_error_set(err, -ENOMEM, "no memory");
	if (v->folder_held)
		(void)!recover_folder_tell(v->peer, v->os, (const char *)dir.data, v->cert.first_segment,
					   &v->untold);
	return 0;
}

/* Lock the old writer out. It may have been quicker than we were: then once more from where it is now. */
static int take_over(struct recovery *v, struct hf_error *err)
{
	struct receipt head;
	int r;

	for (int round = 0; round < ROUNDS_MAX; round++) {
		r = make_cert(v, err);
		if (r < 0 || v->rehearsal || v->place->kind != PLACE_NODE) /* nobody is told, or could be */
			return r;
		r = tell(v, &head, err);
		if (v->untold.code || (r == 0 && at_head(v, &head.point)))
			return 0;
		if (r == 0 || r == -EEXIST)
			r = fetch(v, err);
		if (r < 0)
			return r;
	}
	return hf_error_set(
		err, -EBUSY,
		"the log on the replica grows as fast as it is fetched: stop the old store first");
}

static int begin_epoch(struct recovery *v, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_options o = { .os = v->os, .keys = v->keys };
	struct log *log;
	int r;

	r = keys_write(v->os, v->path, v->keys, v->keeping, err);
	if (r < 0)
		return r;
	shelf_close(TAKE_PTR(v->shelf)); /* one writer at a time */
	if (!under(v, "log", &dir))
		return hf_error_set(err, -ENOMEM, "no memory");
	o.dir = (const char *)dir.data;
	r = log_open(&o, NULL, &log, err);
	if (r < 0)
		return r;
	r = log_start_epoch(log, &v->cert, err);
	log_close(log);
	return r;
}

/* An earlier run got as far as beginning the epoch: its writer key is here, and the replica is where that
 * epoch starts. */
static int epoch_was_begun(struct recovery *v, struct hf_error *err)
{
	struct volume_descriptor d;
	struct log_point here;
	struct epoch_cert cert;
	struct keyring *keys;
	int r;

	shelf_position(v->shelf, &here);
	if (here.end.offset != SEGMENT_HEADER_BYTES || shelf_cert(v->shelf, &cert) < 0 || cert.epoch < 2 ||
	    cert.first_segment != here.end.segment)
		return 0;
	memset(&d, 0, sizeof(d));
	memcpy(d.volume_id, v->volume_id, VOLUME_ID_BYTES);
	r = files_read_keys(v->os, v->path, &d, &keys, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	r = keyring_has_writer(keys) && keyring_writer_epoch(keys) == cert.epoch &&
	    memcmp(keyring_writer_public(keys), cert.writer_public, PUBLIC_KEY_BYTES) == 0;
	keyring_free(keys);
	return r;
}

/* Who has no owner key begins no epoch: what was fetched can be read, by the volume key alone. */
static int keep_volume_key(struct recovery *v, struct hf_error *err)
{
	uint8_t secret[SEED_BYTES];
	int r;

	keyring_volume_key(v->by_keys, secret);
	r = keyring_new(secret, v->volume_id, &v->keys);
	crypto_wipe(secret, sizeof(secret));
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	return keys_write(v->os, v->path, v->keys, v->keeping, err);
}

/* --- what makes it a store */

static int write_replica(struct recovery *v, struct hf_error *err)
{
	char name[CONFIG_NAME_BYTES];

	/* not told, it would refuse the new writer; of a bucket, credentials that recover can do too much */
	v->goes_on = !v->rehearsal && v->untold.code == 0;
	if (!v->goes_on)
		return 0;
	config_make_name(v->place, name);
	return config_exists(v->os, v->path, name) ? 0 : config_write(v->os, v->path, name, v->place, err);
}

/* The volume was made when its first certificate was. */
static int read_first_cert(const struct recovery *v, struct epoch_cert *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct segment_header h;
	int r;

	if (!under(v, "log", &dir))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = trail_header(v->os, (const char *)dir.data, 1, &h, err);
	if (r == 0)
		*ret = h.cert;
	return r;
}

static int finish(struct recovery *v, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf marker = BUF_INIT, note = BUF_INIT;
	struct volume_descriptor d;
	struct epoch_cert first = { .created_ns = 0 };
	int r;

	r = read_first_cert(v, &first, err);
	if (r == 0)
		r = write_replica(v, err);
	if (r < 0)
		return r;
	memset(&d, 0, sizeof(d));
	memcpy(d.volume_id, v->volume_id, VOLUME_ID_BYTES);
	memcpy(d.owner_public, first.owner_public, PUBLIC_KEY_BYTES); /* the volume's id comes from it */
	d.created_ns = first.created_ns;
	if (v->owner) /* the kit has just opened it */
		r = kit_note_write(v->os, v->path, v->volume_id, v->os->now_ns(v->os->state));
	if (r < 0)
		return hf_error_set(err, r, "cannot write into %s: %s", v->path, strerror(-r));
	r = files_write_descriptor(v->os, v->path, &d, err);
	if (r < 0)
		return r;
	if (!under(v, "recovery", &marker) || !under(v, "append", &note))
		return hf_error_set(err, -ENOMEM, "no memory");
	(void)v->os->unlink(v->os->state, (const char *)marker.data);
	(void)v->os->unlink(v->os->state, (const char *)note.data);
	r = v->os->sync_dir(v->os->state, v->path);
	return r < 0 ? hf_error_set(err, r, "cannot sync the folder %s: %s", v->path, strerror(-r)) : 0;
}

static int sum_up(struct recovery *v, const struct log_point *head, struct hf_recovery *ret,
		  struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	uint64_t bytes = 0;

	if (!under(v, "log", &dir))
		return hf_error_set(err, -ENOMEM, "no memory");
	(void)trail_bytes(v->os, (const char *)dir.data, (struct log_pos){ 0, 0 }, head, &bytes);
	*ret = (struct hf_recovery){
		.tid = head->tid,
		.time_ns = head->time_ns,
		.bytes = bytes,
		.segments = head->end.segment,
		.epoch = v->cert.epoch,
		.freshness = v->fresh.verdict,
		.proven_ns = v->fresh.time_ns,
		.source = v->source,
		.goes_on = v->goes_on,
		.newest_only = v->fetched.newest_only,
		.behind = v->fetched.behind,
	};
	memcpy(ret->stale_text, v->fresh.stale, sizeof(ret->stale_text));
	memcpy(ret->untold_text, v->untold.text, sizeof(ret->untold_text));
	return 0;
}

/* Of a log that is here: the epoch that makes it this machine's. */
static int make_ours(struct recovery *v, struct log_point *ret_head, struct hf_error *err)
{
	int r = v->owner ? owner_keyring(v->owner, &v->keys) : 0;

	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	r = v->owner ? hold(v, false, err) : 0;
	if (r == 0)
		r = v->owner ? take_over(v, err) : keep_volume_key(v, err);
	shelf_position(v->shelf, ret_head);
	if (r == 0 && v->owner)
		r = begin_epoch(v, err);
	return r == 0 && v->owner ? tell_folder(v, err) : r;
}

/* The epoch was begun by an earlier run; whether that could tell the replica nobody knows now. */
static int tell_again(struct recovery *v, struct hf_error *err)
{
	struct receipt told;
	int r = hold(v, true, err);

	if (r < 0 || v->rehearsal)
		return r;
	return v->place->kind == PLACE_NODE ? tell(v, &told, err) : tell_folder(v, err);
}

static int recover(struct recovery *v, struct hf_recovery *ret, struct log_point *ret_end,
		   struct hf_error *err)
{
	struct log_point head;
	int r, begun;

	do /* what is here already is kept once */
		r = prunes_fetch(v->os, v->peer, v->path, v->volume_id, err);
	while (again(v, r, err));
	if (r < 0)
		return r;
	r = shelf_open(v->os, v->path, v->volume_id, false, &v->shelf, NULL, err);
	if (r < 0)
		return r;
	begun = epoch_was_begun(v, err);
	if (begun < 0)
		return begun;
	r = begun ? shelf_cert(v->shelf, &v->cert) : fetch(v, err);
	if (r == 0)
		r = check_freshness(v, err);
	if (r < 0)
		return r;
	shelf_position(v->shelf, &head);
	r = begun ? tell_again(v, err) : make_ours(v, &head, err);
	if (r == 0)
		r = finish(v, err);
	if (r == 0)
		r = sum_up(v, &head, ret, err);
	if (r == 0 && ret_end)
		*ret_end = head;
	return r;
}

const char *hf_freshness_name(enum hf_freshness freshness)
{
	static const char *const names[] = { "unproven", "proven", "stale" };

	return names[freshness];
}

int hf_recover(const char *place, const struct hf_kit *kit, const char *path,
	       const struct hf_progress *progress, struct hf_recovery *ret, struct hf_error *err)
{
	return hf_recover_held(place, kit, path, NULL, progress, ret, err);
}

int hf_recover_held(const char *place, const struct hf_kit *kit, const char *path,
		    const struct hf_heads *heads, const struct hf_progress *progress, struct hf_recovery *ret,
		    struct hf_error *err)
{
	return hf_recover_kept(place, kit, path, heads, NULL, progress, ret, err);
}

int hf_recover_kept(const char *place, const struct hf_kit *kit, const char *path,
		    const struct hf_heads *heads, const struct hf_keeping *keeping,
		    const struct hf_progress *progress, struct hf_recovery *ret, struct hf_error *err)
{
	CLEANUP(place_release) struct place at = { .path = NULL };
	const struct recover_options o = { .os = os_posix(),
					   .place = &at,
					   .owner = kit_owner(kit),
					   .heads = heads,
					   .keeping = keeping,
					   .progress = progress };
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	r = place_parse(place, &at, err);
	return r < 0 ? r : recover_run(&o, path, ret, NULL, err);
}

int recover_run(const struct recover_options *o, const char *path, struct hf_recovery *ret,
		struct log_point *ret_end, struct hf_error *err)
{
	struct recovery v = { .os = o->os,
			      .path = path,
			      .owner = o->owner,
			      .by_keys = o->keys,
			      .rehearsal = o->rehearsal,
			      .place = o->place,
			      .progress = o->progress,
			      .patience = { .progress = o->progress },
			      .keeping = o->keeping };
	CLEANUP(cleanup_fd) int lock = -1;
	int r;

	v.volume_id = v.owner ? owner_volume_id(v.owner) : keyring_volume_id(v.by_keys);
	r = freshness_begin(&v.fresh, o->heads, v.volume_id, err);
	if (r == 0)
		r = probe(&v, err);
	if (r == 0)
		r = recover_mark(v.os, v.path, v.volume_id, err);
	if (r == 0) {
		lock = files_lock(path, "recovering", 0, NULL, err);
		r = lock < 0 ? lock : recover(&v, ret, ret_end, err);
	}
	shelf_close(v.shelf);
	keyring_free(v.keys);
	peer_free(v.peer);
	freshness_release(&v.fresh);
	return r;
}
