/* SPDX-License-Identifier: MIT */
/* Adding a replica, taking one away, changing it (layer 4): what is written, and a store at rest. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/replica/add.h"
#include "store/replica/pace.h"
#include "store/replica/peer.h"
#include "store/replica/probed.h"
#include "store/replica/regress.h"
#include "store/replica/replica.h"
#include "store/replica/s3_credentials.h"
#include "store/replica/s3_probe.h"
#include "store/replica/shelf_scan.h"
#include "store/replica/trail.h"
#include "store/replica/within.h"
#include "store/volume/files.h"

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
	r = trail_header(os, (const char *)log_dir.data, last, &h, err);
	if (r < 0 && last > 1)
		r = trail_header(os, (const char *)log_dir.data, last - 1, &h, err);
	if (r < 0)
		return r;
	*ret = h.cert;
	return 0;
}

/* Enrol, or (a node's URL, whose volume is known there) see that the node takes our key. */
static int enrol(const struct replica_home *home, const struct place *place,
		 const struct hf_replica_options *options, struct hf_error *err)
{
	struct peer_options o = {
		.os = home->os,
		.place = place,
		.signer = http_signer_of_writer(home->keys),
		.writable = true,
		.interrupted = options->interrupted,
		.arg = options->arg,
	};
	struct receipt receipt;
	struct peer *peer;
	int r;

	memcpy(o.volume_id, keyring_volume_id(home->keys), VOLUME_ID_BYTES);
	r = peer_open(&o, &peer, err);
	if (r < 0)
		return r;
	r = place->kind == PLACE_NODE && !place->has_token ?
		    peer_position(peer, &receipt, err) :
		    peer_enrol(peer, home->cert, place->has_token ? place : NULL, &receipt, err);
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

/* Two names for one replica would be one copy that is taken for two. */
static int check_new(const struct replica_home *home, const struct place *place, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(home->os, home->path, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct place p;

		if (config_read(home->os, home->path, names[i], &p, NULL) < 0)
			continue; /* damaged: nobody knows where it is */
		if (place_is_same(&p, place) || (p.kind == PLACE_DIRECTORY && place->kind == p.kind &&
						 within_is_same(p.path, place->path)))
			r = hf_error_set(
				err, -EEXIST,
				"that is the replica %s already, and a second name makes no second copy; "
				"to add it anew, first: holdfast replica remove %s %s",
				names[i], home->path, names[i]);
		place_release(&p);
	}
	config_free_names(names, n);
	return r;
}

/* Whether the other end is one to rely on, as far as that can be tried. */
static int probe(const struct replica_home *home, struct place *place,
		 const struct hf_replica_options *options, struct probing *probing, struct hf_error *err)
{
	struct hf_replica_options o = *options;
	int r;

	*probing = (struct probing){ .found = options->found, .arg = options->found_arg };
	o.found = probing_found;
	o.found_arg = probing;
	if (place->kind != PLACE_BUCKET) {
		if (options->retention_days || options->without_lock)
			return hf_error_set(err, -EINVAL, "retention and lock are a bucket's (s3://…)");
		return 0;
	}
	r = s3_credentials_find(home->os, options->credentials, &place->s3->credentials, err);
	return r < 0 ? r : s3_probe(home->os, keyring_volume_id(home->keys), place->s3, &o, err);
}

static int write_config(const struct replica_home *home, const char *name, const struct place *place,
			const struct hf_replica_options *options, struct hf_error *err)
{
	int r = config_write(home->os, home->path, name, place, err);

	if (r < 0 || !options->limit_bytes_s)
		return r;
	r = config_write_limit(home->os, home->path, name, options->limit_bytes_s, err);
	if (r < 0 && config_remove(home->os, home->path, name, NULL) < 0)
		return hf_error_prefix(err, r, "%s is added, without its limit", name);
	return r;
}

static int add_place(const struct replica_home *home, struct place *place,
		     const struct hf_replica_options *options, struct hf_error *err)
{
	struct probing probing;
	char name[CONFIG_NAME_BYTES];
	int r;

	if (options->name)
		(void)snprintf(name, sizeof(name), "%s", options->name);
	else
		config_make_name(place, name);
	if (config_exists(home->os, home->path, name)) /* before an invitation is used up for nothing */
		return hf_error_set(err, -EEXIST, "there is a replica named %s already: give another name",
				    name);
	if (!keyring_has_writer(home->keys))
		return hf_error_set(err, -EKEYREJECTED,
				    "%s has no writer key: a replica takes nothing from it", home->path);
	r = check_place(place, home->keys, err);
	if (r == 0)
		r = within_check(place, home->path, keyring_volume_id(home->keys), err);
	if (r == 0)
		r = check_new(home, place, err);
	if (r == 0)
		r = probe(home, place, options, &probing, err);
	if (r == 0)
		r = enrol(home, place, options, err);
	if (r == 0)
		r = write_config(home, name, place, options, err);
	if (r == 0 && place->kind == PLACE_BUCKET) /* without it doctor asks that it be tried anew */
		(void)probing_keep(&probing, home->os, home->path, name);
	if (r == 0 && options->ret_name)
		memcpy(options->ret_name, name, sizeof(name));
	return r;
}

static int check_limit(uint64_t bytes_s, struct hf_error *err)
{
	_Static_assert(HF_REPLICA_LIMIT_MIN == PACE_RATE_MIN, "as said in public");

	if (bytes_s == 0 || bytes_s >= PACE_RATE_MIN)
		return 0;
	return hf_error_set(err, -EINVAL, "a limit of %" PRIu64 " bytes a second is too low: at least 16K",
			    bytes_s);
}

int replica_add(const struct replica_home *home, const char *place_text,
		const struct hf_replica_options *options, struct hf_error *err)
{
	struct place place;
	int r;

	r = options->name ? config_check_name(options->name, err) : 0;
	if (r == 0)
		r = check_limit(options->limit_bytes_s, err);
	if (r == 0)
		r = place_parse(place_text, &place, err);
	if (r < 0)
		return r;
	r = add_place(home, &place, options, err);
	place_release(&place);
	return r;
}

/* --- which one is meant */

static bool is_at(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		  const char *name, const char *which)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT;
	struct place place;
	bool same;

	if (config_read(os, path, name, &place, NULL) < 0)
		return false;
	memcpy(place.volume_id, volume_id, VOLUME_ID_BYTES);
	place.has_volume = true;
	same = (place_url(&place, &url) == 0 && strcmp(buf_cstr(&url), which) == 0) ||
	       (place.kind == PLACE_NODE && strcmp(place.url, which) == 0);
	place_release(&place);
	return same;
}

int replica_find(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		 const char *which, char ret_name[CONFIG_NAME_BYTES], struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0, found = 0;
	int r;

	if (config_check_name(which, NULL) == 0 && config_exists(os, path, which)) {
		(void)snprintf(ret_name, CONFIG_NAME_BYTES, "%s", which);
		return 0;
	}
	r = config_list(os, path, &names, &n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!is_at(os, path, volume_id, names[i], which))
			continue;
		if (found++ == 0)
			(void)snprintf(ret_name, CONFIG_NAME_BYTES, "%s", names[i]);
	}
	config_free_names(names, n);
	if (found == 0)
		return hf_error_set(err, -ENOENT,
				    "%s has no replica %.80s: see holdfast replica list for their names",
				    path, which);
	if (found > 1)
		return hf_error_set(err, -ENOTUNIQ, "%zu replicas are at %.80s: give the name of one", found,
				    which);
	return 0;
}

int replica_write_limit(const struct os *os, const char *path, const char *name, uint64_t bytes_s,
			struct hf_error *err)
{
	int r = check_limit(bytes_s, err);

	return r < 0 ? r : config_write_limit(os, path, name, bytes_s, err);
}

/* --- a store at rest */

struct at_rest {
	struct replica_home home;
	struct volume_descriptor descriptor;
	struct keyring *keys; /* NULL until they are needed: they may be behind a passphrase */
	struct epoch_cert cert;
	int lock;
};

static void at_rest_release(struct at_rest *s)
{
	keyring_free(s->keys);
	if (s->lock >= 0)
		(void)close(s->lock);
}

static int at_rest_open(struct at_rest *s, const char *path, const char *holder, struct hf_error *err)
{
	int r;

	*s = (struct at_rest){ .home = { .os = os_posix(), .path = path, .cert = &s->cert }, .lock = -1 };
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	r = files_read_descriptor(s->home.os, path, &s->descriptor, err);
	if (r < 0)
		return r;
	s->lock = files_lock(path, holder, 0, NULL, err);
	return s->lock < 0 ? s->lock : 0;
}

static int at_rest_keys(struct at_rest *s, struct hf_error *err)
{
	int r = files_read_keys(s->home.os, s->home.path, &s->descriptor, &s->keys, err);

	s->home.keys = s->keys;
	return r;
}

static int check_count(const struct at_rest *s, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(s->home.os, s->home.path, &names, &n, err);

	config_free_names(names, n);
	if (r == 0 && n >= REPLICAS_MAX)
		r = hf_error_set(err, -ENOSPC, "%s has %zu replicas already, and no more are shipped to",
				 s->home.path, n);
	return r;
}

int hf_replica_add_with(const char *path, const char *place, const struct hf_replica_options *options,
			struct hf_error *err)
{
	CLEANUP(at_rest_release) struct at_rest s;
	int r = at_rest_open(&s, path, "adding a replica", err);

	if (r == 0)
		r = check_count(&s, err);
	if (r == 0)
		r = at_rest_keys(&s, err);
	if (r == 0)
		r = read_cert(s.home.os, path, &s.cert, err);
	return r < 0 ? r : replica_add(&s.home, place, options, err);
}

/* A folder that is there, or could be made where it is named. */
static int check_folder(const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf above = BUF_INIT;
	size_t len = strlen(path);
	struct stat st;

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 1 && path[len - 1] != '/')
		len--;
	buf_add(&above, path, len);
	(void)buf_cstr(&above);
	if (buf_status(&above) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (stat(path, &st) < 0)
		return access((const char *)above.data, W_OK | X_OK) == 0 ?
			       0 :
			       hf_error_set(err, -errno, "cannot make the folder %s: %s", path,
					    strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return hf_error_set(err, -ENOTDIR, "%s is not a folder", path);
	return access(path, W_OK | X_OK) == 0 ?
		       0 :
		       hf_error_set(err, -errno, "cannot write into the folder %s: %s", path,
				    strerror(errno));
}

int hf_replica_check_place(const char *path, const char *place_text, struct hf_error *err)
{
	CLEANUP(place_release) struct place place = { .path = NULL };
	int r = place_parse(place_text, &place, err);

	if (r == 0)
		r = within_check(&place, path, NULL, err);
	if (r == 0 && place.kind == PLACE_DIRECTORY)
		r = check_folder(place.path, err);
	if (r == 0 && place.kind == PLACE_BUCKET)
		r = s3_credentials_find(os_posix(), NULL, &place.s3->credentials, err);
	return r;
}

int hf_replica_add(const char *path, const char *place, const char *name, struct hf_error *err)
{
	const struct hf_replica_options options = { .name = name };

	return hf_replica_add_with(path, place, &options, err);
}

/* Opened, and found. */
static int at_rest_find(struct at_rest *s, const char *path, const char *which, const char *holder,
			char ret_name[CONFIG_NAME_BYTES], struct hf_error *err)
{
	int r = at_rest_open(s, path, holder, err);

	return r < 0 ? r : replica_find(s->home.os, path, s->descriptor.volume_id, which, ret_name, err);
}

int hf_replica_remove(const char *path, const char *which, struct hf_error *err)
{
	CLEANUP(at_rest_release) struct at_rest s;
	char name[CONFIG_NAME_BYTES];
	int r = at_rest_find(&s, path, which, "removing a replica", name, err);

	return r < 0 ? r : config_remove(s.home.os, path, name, err);
}

int hf_replica_limit(const char *path, const char *which, uint64_t bytes_s, struct hf_error *err)
{
	CLEANUP(at_rest_release) struct at_rest s;
	char name[CONFIG_NAME_BYTES];
	int r = at_rest_find(&s, path, which, "changing a replica", name, err);

	return r < 0 ? r : replica_write_limit(s.home.os, path, name, bytes_s, err);
}

int hf_replica_acknowledge(const char *path, const char *which, struct hf_error *err)
{
	CLEANUP(at_rest_release) struct at_rest s;
	char name[CONFIG_NAME_BYTES];
	int r = at_rest_find(&s, path, which, "changing a replica", name, err);

	return r < 0 ? r : regress_remove(s.home.os, path, name, err);
}
