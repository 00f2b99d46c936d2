/* SPDX-License-Identifier: MIT */
/* The replicas of an open store (holdfast/replica.h): asked, changed while they are shipped to, waited for.
 */
#include <errno.h>
#include <string.h>

#include "store/replica/add.h"
#include "store/replica/regress.h"
#include "store/replica/replica.h"
#include "store/replica/trail.h"
#include "store/volume/volume.h"

size_t hf_store_replicas(struct hf_store *s, struct hf_replica_status *ret, size_t max)
{
	return s->replicas ? replica_set_status(s->replicas, ret, max) : 0;
}

void hf_store_sync_status(struct hf_store *s, struct hf_sync_status *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (s->replicas)
		replica_set_sync_status(s->replicas, ret);
}

int hf_store_drain(struct hf_store *s, unsigned timeout_ms, struct hf_error *err)
{
	struct log_point point;
	int r = hf_store_commit(s, err);

	if (r < 0 || !s->replicas)
		return r;
	log_durable(s->log, &point);
	return replica_set_wait(s->replicas, &point, timeout_ms, err);
}

/*
 * The point waited for is that of the log after the commit: this call's own, or a little later. Nothing is
 * held meanwhile.
 */
static int sync_everywhere(struct hf_store *s, struct hf_error *err)
{
	struct log_point point;
	int r = hf_store_commit(s, err);

	if (r < 0 || !s->sync_timeout_ms || !s->replicas)
		return r;
	log_durable(s->log, &point);
	return replica_set_sync(s->replicas, &point, s->sync_timeout_ms, err);
}

int hf_fsync(struct hf_store *s, uint64_t ino, struct hf_error *err)
{
	uint64_t began_ns = s->os->monotonic_ns(s->os->state);
	int r = sync_everywhere(s, err);

	(void)ino;
	meters_fsync(s, s->os->monotonic_ns(s->os->state) - began_ns, r < 0);
	return r;
}

/* --- changes. Between begin and end nobody else makes any. */

static int begin(struct hf_store *s, struct hf_error *err)
{
	if (s->read_only || !s->replicas)
		return hf_error_set(err, -EROFS, "the store is open for reading only");
	return replica_set_begin(s->replicas, err);
}

/* The certificate of the epoch that the log is in. */
static int read_cert(struct hf_store *s, struct epoch_cert *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct segment_header header;
	struct log_point point;
	int r;

	if (!os_join(&dir, s->path, "log"))
		return hf_error_set(err, -ENOMEM, "no memory");
	log_durable(s->log, &point);
	r = trail_header(s->os, (const char *)dir.data, point.end.segment, &header, err);
	if (r == 0)
		*ret = header.cert;
	return r;
}

static int add(struct hf_store *s, const char *place, const struct hf_replica_options *options,
	       struct hf_error *err)
{
	struct hf_replica_options own = *options;
	struct epoch_cert cert;
	const struct replica_home home = { s->os, s->path, s->keys, &cert };
	char name[CONFIG_NAME_BYTES];
	int r = replica_set_room(s->replicas, err);

	own.ret_name = name;
	if (r == 0)
		r = read_cert(s, &cert, err);
	if (r == 0)
		r = replica_add(&home, place, &own, err);
	if (r < 0)
		return r;
	r = replica_set_add(s->replicas, name, err);
	if (r < 0 && config_remove(s->os, s->path, name, NULL) < 0)
		return hf_error_prefix(err, r, "%s is added, and shipped to from the next mount on", name);
	if (r == 0 && options->ret_name)
		memcpy(options->ret_name, name, sizeof(name));
	return r;
}

int hf_store_replica_add(struct hf_store *s, const char *place, const struct hf_replica_options *options,
			 struct hf_error *err)
{
	int r = begin(s, err);

	if (r < 0)
		return r;
	r = add(s, place, options, err);
	replica_set_end(s->replicas);
	return r;
}

/* Stopped first: a replicator writes its last receipt. One whose file cannot be removed is started again. */
static int remove_named(struct hf_store *s, const char *name, struct hf_error *err)
{
	int r = replica_set_remove(s->replicas, name, err);

	if (r < 0)
		return r;
	r = config_remove(s->os, s->path, name, err);
	if (r < 0 && config_exists(s->os, s->path, name) && replica_set_add(s->replicas, name, NULL) < 0)
		return hf_error_prefix(err, r, "%s is not shipped to until the next mount", name);
	return r;
}

static int limit_named(struct hf_store *s, const char *name, uint64_t bytes_s, struct hf_error *err)
{
	int r = replica_write_limit(s->os, s->path, name, bytes_s, err);

	if (r == 0)
		replica_set_limit(s->replicas, name, bytes_s);
	return r;
}

static int acknowledge_named(struct hf_store *s, const char *name, struct hf_error *err)
{
	int r = regress_remove(s->os, s->path, name, err);

	if (r == 0)
		replica_set_acknowledge(s->replicas, name);
	return r;
}

enum change { REMOVE, LIMIT, ACKNOWLEDGE };

static int change(struct hf_store *s, enum change what, const char *which, uint64_t bytes_s,
		  struct hf_error *err)
{
	char name[CONFIG_NAME_BYTES];
	int r = begin(s, err);

	if (r < 0)
		return r;
	r = replica_find(s->os, s->path, s->descriptor.volume_id, which, name, err);
	if (r == 0)
		r = what == REMOVE ? remove_named(s, name, err) :
		    what == LIMIT  ? limit_named(s, name, bytes_s, err) :
				     acknowledge_named(s, name, err);
	replica_set_end(s->replicas);
	return r;
}

int hf_store_replica_remove(struct hf_store *s, const char *which, struct hf_error *err)
{
	return change(s, REMOVE, which, 0, err);
}

int hf_store_replica_limit(struct hf_store *s, const char *which, uint64_t bytes_s, struct hf_error *err)
{
	return change(s, LIMIT, which, bytes_s, err);
}

int hf_store_replica_acknowledge(struct hf_store *s, const char *which, struct hf_error *err)
{
	return change(s, ACKNOWLEDGE, which, 0, err);
}
