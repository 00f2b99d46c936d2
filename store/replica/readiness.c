/* SPDX-License-Identifier: MIT */
/* What the files of a store's replicas tell (holdfast/readiness.h). */
#include "holdfast/readiness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/replica/about.h"
#include "store/replica/config.h"
#include "store/replica/probed.h"
#include "store/replica/regress.h"
#include "store/replica/trail.h"
#include "store/volume/files.h"

/* "https://[::1]:7443" is "::1". */
static void host_of(const char *url, char *ret, size_t size)
{
	const char *host = strstr(url, "://");
	size_t len;

	host = host ? host + 3 : url;
	len = strcspn(host, *host == '[' ? "]" : ":/");
	if (*host == '[') {
		host++;
		len = len > 0 ? len - 1 : 0;
	}
	(void)snprintf(ret, size, "%.*s", (int)len, host);
}

static void take_place(const struct place *p, struct hf_replica_facts *ret)
{
	CLEANUP(buf_release) struct buf url = BUF_INIT;

	if (place_url(p, &url) == 0)
		(void)snprintf(ret->url, sizeof(ret->url), "%s", buf_cstr(&url));
	switch (p->kind) {
	case PLACE_NODE:
		ret->kind = HF_PLACE_NODE;
		host_of(p->url, ret->host, sizeof(ret->host));
		break;
	case PLACE_DIRECTORY:
		ret->kind = HF_PLACE_DIRECTORY;
		(void)snprintf(ret->path, sizeof(ret->path), "%s", p->path);
		break;
	case PLACE_BUCKET:
		ret->kind = HF_PLACE_BUCKET;
		host_of(p->s3->endpoint, ret->host, sizeof(ret->host));
		(void)snprintf(ret->account, sizeof(ret->account), "%s", p->s3->credentials.access_key);
		ret->retention_days = p->s3->retention_days;
		break;
	}
}

static void take_lag(const char *store, const char *name, const struct hf_log_end *end,
		     struct hf_replica_facts *ret)
{
	const struct log_point durable = { .end = { end->segment, end->offset }, .tid = end->tid };
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_point acked;

	memset(&acked, 0, sizeof(acked));
	if (config_read_receipt(os_posix(), store, name, &acked) == 0) {
		ret->acked_tid = acked.tid;
		ret->acked_time_ns = acked.time_ns;
	}
	if (end->code < 0 || !os_join(&dir, store, "log") || log_pos_compare(acked.end, durable.end) >= 0)
		return;
	(void)trail_bytes(os_posix(), (const char *)dir.data, acked.end, &durable, &ret->lag_bytes);
	if (durable.tid > acked.tid &&
	    trail_next_time(os_posix(), (const char *)dir.data, acked.end, &durable, &ret->lag_since_ns) < 0)
		ret->lag_since_ns = 0;
}

static void take_told(const char *store, const char *name, struct hf_replica_facts *ret)
{
	struct about about;

	ret->told_ns = about_read(os_posix(), store, name, &about);
	if (!ret->told_ns)
		return;
	memcpy(ret->software, about.software, sizeof(ret->software));
	ret->used_bytes = about.used_bytes;
	ret->free_bytes = about.free_bytes;
	ret->budget_bytes = about.budget_bytes;
}

static void take_probed(const char *store, const char *name, struct hf_replica_facts *ret)
{
	struct probed probed;

	probed_read(os_posix(), store, name, &probed);
	ret->probed_ns = probed.last_ns;
	ret->first_probed_ns = probed.first_ns;
	ret->n_probed = probed.n;
	memcpy(ret->probed, probed.all, sizeof(ret->probed));
}

static void take(const char *store, const char *name, const uint8_t volume_id[VOLUME_ID_BYTES],
		 const struct hf_log_end *end, struct hf_replica_facts *ret)
{
	struct hf_error err = HF_ERROR_INIT;
	struct regress regress;
	struct place place;

	_Static_assert(sizeof(ret->software) == ABOUT_SOFTWARE_BYTES, "as said in public");
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	ret->code = config_read(os_posix(), store, name, &place, &err);
	if (ret->code < 0) {
		memcpy(ret->text, err.text, sizeof(ret->text));
		return;
	}
	memcpy(place.volume_id, volume_id, VOLUME_ID_BYTES);
	place.has_volume = true;
	take_place(&place, ret);
	place_release(&place);
	ret->limit_bytes_s = config_read_limit(os_posix(), store, name);
	regress_read(os_posix(), store, name, &regress);
	ret->regressed_ns = regress.found_ns;
	take_lag(store, name, end, ret);
	take_told(store, name, ret);
	take_probed(store, name, ret);
}

int hf_readiness_replicas(const char *path, const struct hf_log_end *end, struct hf_replica_facts **ret,
			  size_t *ret_n, struct hf_error *err)
{
	struct volume_descriptor d;
	struct hf_replica_facts *all;
	char **names = NULL;
	size_t n = 0;
	int r = files_read_descriptor(os_posix(), path, &d, err);

	if (r == 0)
		r = config_list(os_posix(), path, &names, &n, err);
	if (r < 0)
		return r;
	all = calloc(n ? n : 1, sizeof(*all));
	for (size_t i = 0; all && i < n; i++)
		take(path, names[i], d.volume_id, end, &all[i]);
	config_free_names(names, n);
	if (!all)
		return hf_error_set(err, -ENOMEM, "no memory");
	*ret = all;
	*ret_n = n;
	return 0;
}
