/* SPDX-License-Identifier: MIT */
/*
 * A planned end of an epoch, in a store at rest (layer 4; FORMAT.md §4.5). The order matters: the new writer
 * key lies beside the old one before the log names it, so that a crash leaves the one or the other to write
 * with, or, in the moment between, what the next run needs to go on. The replicas come last: one that cannot
 * be reached keeps no other from hearing of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "holdfast/key.h"
#include "store/replica/config.h"
#include "store/replica/peer.h"
#include "store/replica/trail.h"
#include "store/volume/keys.h"
#include "store/volume/kit.h"
#include "store/volume/known.h"

enum { SHIP_BYTES = 8 << 20 };

struct rekeying {
	const struct os *os;
	const char *path, *log_dir;
	const struct owner *owner;
	struct volume_descriptor descriptor;
	struct keyring *keys; /* volume key from the kit, never from the store */
	struct log *log;
	struct log_point end;
	struct epoch_cert cert;
};

static int check_owner(struct rekeying *k, struct hf_error *err)
{
	char ours[HF_VOLUME_ID_TEXT_BYTES], theirs[HF_VOLUME_ID_TEXT_BYTES];
	int r = files_read_descriptor(k->os, k->path, &k->descriptor, err);

	if (r < 0 || memcmp(k->descriptor.owner_public, owner_public(k->owner), PUBLIC_KEY_BYTES) == 0)
		return r;
	volume_id_text(owner_volume_id(k->owner), ours);
	volume_id_text(k->descriptor.volume_id, theirs);
	return hf_error_set(err, -EKEYREJECTED,
			    "this kit is of volume %s, and %s is volume %s: only its owner ends its epoch",
			    ours, k->path, theirs);
}

static int open_log(struct rekeying *k, bool read_only, struct hf_error *err)
{
	struct known known = { .n = 0 };
	struct log_options o = { .os = k->os, .dir = k->log_dir, .keys = k->keys, .read_only = read_only };
	int r = known_read_index(&known, k->path, k->descriptor.volume_id);

	if (r < 0)
		return hf_error_set(err, r, "no memory to read the index");
	r = known_add_receipts(&known, k->os, k->path, err);
	o.known = known.all;
	o.n_known = known.n;
	if (r == 0)
		r = log_open(&o, NULL, &k->log, err);
	if (r == 0)
		log_durable(k->log, &k->end);
	return r;
}

/* The certificate of the epoch that the log is in. */
static int read_cert(struct rekeying *k, struct hf_error *err)
{
	struct segment_header h;
	int r = trail_header(k->os, k->log_dir, k->end.end.segment, &h, err);

	if (r == 0)
		k->cert = h.cert;
	return r;
}

/*
 * Was an earlier run cut short behind the log's new header? Then its writer key waits in writer.next: 1, and
 * it has taken its place. A file that names another key is of a run that did not get so far.
 */
static int finish_earlier(struct rekeying *k, struct hf_error *err)
{
	struct hf_error none = HF_ERROR_INIT;
	int r = read_cert(k, err);

	if (r < 0)
		return r;
	if (keys_read_next(k->os, k->path, &k->descriptor, k->keys, &none) < 0 ||
	    keyring_writer_epoch(k->keys) != k->cert.epoch ||
	    memcmp(keyring_writer_public(k->keys), k->cert.writer_public, PUBLIC_KEY_BYTES) != 0)
		return 0;
	r = keys_take_next(k->os, k->path, err);
	return r < 0 ? r : 1;
}

static void make_cert(struct rekeying *k)
{
	memset(&k->cert, 0, sizeof(k->cert));
	k->cert.epoch = k->end.epoch + 1;
	k->cert.format_floor = FORMAT_VERSION;
	memcpy(k->cert.writer_public, keyring_writer_public(k->keys), PUBLIC_KEY_BYTES);
	k->cert.created_ns = k->os->now_ns(k->os->state);
	k->cert.first_segment = k->end.end.segment + 1;
	memcpy(k->cert.chain, k->end.chain, HASH_BYTES);
	epoch_cert_sign(&k->cert, k->owner);
}

static int begin_epoch(struct rekeying *k, struct hf_error *err)
{
	int r;

	if (k->end.epoch == UINT32_MAX || k->end.end.segment == UINT32_MAX)
		return hf_error_set(err, -EUCLEAN, "the log has no room for another epoch");
	r = keyring_make_writer(k->keys, k->end.epoch + 1);
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for a writer key");
	log_close(TAKE_PTR(k->log));
	r = open_log(k, false, err); /* cuts off what was never acknowledged */
	if (r < 0)
		return r;
	make_cert(k);
	r = keys_write_next(k->os, k->path, k->keys, err);
	if (r == 0)
		r = log_start_epoch(k->log, &k->cert, err);
	if (r == 0)
		r = keys_take_next(k->os, k->path, err);
	log_durable(k->log, &k->end);
	return r;
}

/* --- the replicas */

static int open_peer(struct rekeying *k, struct place *place, struct peer **ret, struct hf_error *err)
{
	struct peer_options o = {
		.os = k->os,
		.place = place,
		.signer = http_signer_of_owner(k->owner),
		.writable = true,
		.log = k->log,
		.log_dir = k->log_dir,
	};

	memcpy(o.volume_id, k->descriptor.volume_id, VOLUME_ID_BYTES);
	memcpy(place->volume_id, o.volume_id, VOLUME_ID_BYTES);
	place->has_volume = true;
	return peer_open(&o, ret, err);
}

/* Does it hold nothing but our log? What a stolen key wrote there before is seen here. */
static int check_trail(struct rekeying *k, const struct receipt *receipt, struct hf_error *err)
{
	int r = trail_has(k->os, k->log_dir, &receipt->point, &k->end, err);

	return r > 0 ? 0 : r < 0 ? r : -EEXIST;
}

/* Who checks no certificates is given the log up to the segment that begins the epoch. */
static int ship(struct rekeying *k, struct peer *peer, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT;
	struct log_point behind;
	struct receipt receipt;
	struct log_pos next;
	int r = peer_position(peer, &receipt, err);

	if (r == 0)
		r = check_trail(k, &receipt, err);
	next = receipt.point.end.segment ? receipt.point.end : (struct log_pos){ 1, 0 };
	while (r == 0) {
		buf_clear(&data);
		r = log_read_raw(k->log, next, SHIP_BYTES, &data, &behind, err);
		if (r == -ENOENT) {
			next = (struct log_pos){ next.segment + 1, 0 };
			r = 0;
			continue;
		}
		if (r == 0)
			r = peer_append(peer, next, data.data, data.len, &receipt, err);
		if (r == 0)
			next = receipt.point.end;
	}
	return r == -ENODATA ? 0 : r;
}

static int give_cert(struct rekeying *k, struct peer *peer, struct hf_error *err)
{
	struct receipt receipt;
	int r = peer_enrol(peer, &k->cert, NULL, &receipt, err);

	return r < 0 ? r : check_trail(k, &receipt, err);
}

static enum hf_rekey_kind kind_of(enum place_kind kind)
{
	return kind == PLACE_DIRECTORY ? HF_REKEY_FOLDER :
	       kind == PLACE_BUCKET    ? HF_REKEY_BUCKET :
					 HF_REKEY_NODE;
}

static int tell_replica(struct rekeying *k, const char *name, enum hf_rekey_kind *ret_kind,
			struct hf_error *err)
{
	struct place place = { .path = NULL };
	struct peer *peer = NULL;
	int r = config_read(k->os, k->path, name, &place, err);

	*ret_kind = HF_REKEY_NODE;
	if (r < 0)
		return r;
	*ret_kind = kind_of(place.kind);
	r = open_peer(k, &place, &peer, err);
	if (r == 0)
		r = place.kind == PLACE_NODE ? give_cert(k, peer, err) : ship(k, peer, err);
	peer_free(peer);
	place_release(&place);
	return r;
}

static int tell_replicas(struct rekeying *k, const struct hf_rekey_told *told, struct hf_rekey *ret,
			 struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(k->os, k->path, &names, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct hf_error why = HF_ERROR_INIT;
		enum hf_rekey_kind kind;
		int one = tell_replica(k, names[i], &kind, &why);

		ret->replicas++;
		ret->refused += one < 0;
		if (told && told->replica)
			told->replica(told->arg, names[i], kind, one < 0 ? &why : NULL);
	}
	config_free_names(names, n);
	return (int)ret->refused;
}

/* --- all of it */

static int rekey_locked(struct rekeying *k, bool retry, const struct hf_rekey_told *told,
			struct hf_rekey *ret, struct hf_error *err)
{
	int r = owner_keyring(k->owner, &k->keys);

	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	r = open_log(k, true, err);
	if (r == 0)
		r = finish_earlier(k, err);
	if (r == 0 && !retry)
		r = begin_epoch(k, err);
	if (r < 0)
		return r;
	if (kit_note_write(k->os, k->path, k->descriptor.volume_id, k->os->now_ns(k->os->state)) < 0)
		r = 0; /* it only reminds */
	ret->epoch = k->cert.epoch;
	return tell_replicas(k, told, ret, err);
}

int hf_rekey(const char *path, const struct hf_kit *kit, int retry, const struct hf_rekey_told *told,
	     struct hf_rekey *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	CLEANUP(cleanup_fd) int lock = -1;
	struct rekeying k = { .os = os_posix(), .path = path, .owner = kit_owner(kit) };
	struct hf_rekey got = { .epoch = 0 };
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	k.log_dir = os_join(&log_dir, path, "log");
	if (!k.log_dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = check_owner(&k, err);
	if (r < 0)
		return r;
	lock = files_lock(path, "changing its epoch", 0, NULL, err);
	r = lock < 0 ? lock : rekey_locked(&k, retry, told, &got, err);
	log_close(k.log);
	keyring_free(k.keys);
	if (r >= 0)
		*ret = got;
	return r;
}
