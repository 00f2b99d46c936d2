/* SPDX-License-Identifier: MIT */
/* Adding a replica to a store at rest, and taking one away (layer 4). */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "holdfast/replica.h"
#include "store/replica/config.h"
#include "store/replica/peer.h"
#include "store/replica/shelf_scan.h"
#include "store/volume/files.h"

static int read_header(const struct os *os, const char *log_dir, uint32_t segment, struct segment_header *ret,
		       struct hf_error *err)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT;
	uint8_t raw[SEGMENT_HEADER_BYTES];
	char name[16];
	int r, fd;

	segment_file_name(segment, name);
	if (!os_join(&file, log_dir, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = os->open(os->state, (const char *)file.data, O_RDONLY, 0);
	if (fd < 0)
		return hf_error_set(err, fd, "cannot open %s: %s", (const char *)file.data, strerror(-fd));
	r = os_pread_full(os, fd, raw, sizeof(raw), 0);
	(void)os->close(os->state, fd);
	if (r < 0)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)file.data, strerror(-r));
	r = segment_header_decode(raw, sizeof(raw), ret, err);
	return r < 0 ? hf_error_prefix(err, r, "%s", (const char *)file.data) : 0;
}

/* The certificate of the epoch the log is in: in the header of its last segment, or the one before when a
 * crash tore that. */
static int read_cert(const struct os *os, const char *path, struct epoch_cert *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	struct segment_header h;
	uint32_t last;
	int r;

	if (!os_join(&log_dir, path, "log"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = shelf_find_segments(os, (const char *)log_dir.data, &last, err);
	if (r < 0)
		return r;
	r = read_header(os, (const char *)log_dir.data, last, &h, err);
	if (r < 0 && last > 1)
		r = read_header(os, (const char *)log_dir.data, last - 1, &h, err);
	if (r < 0)
		return r;
	*ret = h.cert;
	return 0;
}

/* Enrol, or (a node's URL, whose volume is known there) see that the node takes our key. */
static int enrol(const struct os *os, const struct keyring *keys, const struct epoch_cert *cert,
		 const struct place *place, struct hf_error *err)
{
	struct peer_options o = {
		.os = os,
		.place = place,
		.signer = http_signer_of_writer(keys),
		.writable = true,
	};
	struct receipt receipt;
	struct peer *peer;
	int r;

	memcpy(o.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	r = peer_open(&o, &peer, err);
	if (r < 0)
		return r;
	r = place->kind == PLACE_NODE && !place->has_token ?
		    peer_position(peer, &receipt, err) :
		    peer_enrol(peer, cert, place->has_token ? place : NULL, &receipt, err);
	peer_free(peer);
	return r;
}

static int check_place(const struct place *place, const struct keyring *keys, struct hf_error *err)
{
	if (place->has_volume && memcmp(place->volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "the invitation or URL is for another volume than this store's");
	return 0;
}

static int add_locked(const struct os *os, const char *path, const struct volume_descriptor *descriptor,
		      const struct place *place, const char *name, struct hf_error *err)
{
	struct keyring *keys = NULL;
	struct epoch_cert cert;
	int r;

	if (config_exists(os, path, name)) /* before an invitation is used up for nothing */
		return hf_error_set(err, -EEXIST, "there is a replica named %s already: give another name",
				    name);
	r = files_read_keys(os, path, descriptor, &keys, err);
	if (r < 0)
		return r;
	if (!keyring_has_writer(keys))
		r = hf_error_set(err, -EKEYREJECTED, "%s has no writer key: a replica takes nothing from it",
				 path);
	if (r == 0)
		r = check_place(place, keys, err);
	if (r == 0)
		r = read_cert(os, path, &cert, err);
	if (r == 0)
		r = enrol(os, keys, &cert, place, err);
	if (r == 0)
		r = config_write(os, path, name, place, err);
	keyring_free(keys);
	return r;
}

int hf_replica_add(const char *path, const char *place_text, const char *name, struct hf_error *err)
{
	const struct os *os = os_posix();
	CLEANUP(cleanup_fd) int lock = -1;
	struct volume_descriptor descriptor;
	char own_name[CONFIG_NAME_BYTES];
	struct place place;
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	r = name ? config_check_name(name, err) : 0;
	if (r == 0)
		r = files_read_descriptor(os, path, &descriptor, err);
	if (r == 0)
		r = place_parse(place_text, &place, err);
	if (r < 0)
		return r;
	if (!name) {
		config_make_name(&place, own_name);
		name = own_name;
	}
	lock = files_lock(path, "adding a replica", 0, err);
	r = lock < 0 ? lock : add_locked(os, path, &descriptor, &place, name, err);
	place_release(&place);
	return r;
}

int hf_replica_remove(const char *path, const char *name, struct hf_error *err)
{
	CLEANUP(cleanup_fd) int lock = -1;
	struct volume_descriptor descriptor;
	int r = config_check_name(name, err);

	if (r == 0)
		r = files_read_descriptor(os_posix(), path, &descriptor, err);
	if (r < 0)
		return r;
	lock = files_lock(path, "removing a replica", 0, err);
	return lock < 0 ? lock : config_remove(os_posix(), path, name, err);
}
