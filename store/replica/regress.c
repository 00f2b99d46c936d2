/* SPDX-License-Identifier: MIT */
#include "store/replica/regress.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/replica/json.h"

enum { FILE_BYTES_MAX = 4096 };

void regress_add(struct regress *r, uint64_t found_ns, uint64_t had_tid, uint64_t has_tid)
{
	if (had_tid > r->had_tid)
		r->had_tid = had_tid;
	if (r->count == 0 || has_tid < r->has_tid)
		r->has_tid = has_tid;
	r->found_ns = found_ns;
	r->count++;
}

static const char *file_path(const char *store, const char *name, struct buf *out)
{
	buf_add_text(out, "%s/replicas/%s.regressed", store, name);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

void regress_read(const struct os *os, const char *store, const char *name, struct regress *ret)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	uint32_t version;
	struct regress r;

	memset(ret, 0, sizeof(*ret));
	if (!file_path(store, name, &path) ||
	    os_read_file(os, (const char *)path.data, FILE_BYTES_MAX, &data) < 0)
		return;
	o = json_read(data.data, data.len);
	if (o && json_get_u32(o, "version", &version) == 0 && version == 1 &&
	    json_get_u64(o, "count", &r.count) == 0 && json_get_u64(o, "found_ns", &r.found_ns) == 0 &&
	    json_get_u64(o, "had_tid", &r.had_tid) == 0 && json_get_u64(o, "has_tid", &r.has_tid) == 0)
		*ret = r;
}

int regress_write(const struct os *os, const char *store, const char *name, const struct regress *r)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;

	buf_add_text(&data,
		     "{\"version\":1,\"count\":\"%" PRIu64 "\",\"found_ns\":\"%" PRIu64
		     "\",\"had_tid\":\"%" PRIu64 "\",\"has_tid\":\"%" PRIu64 "\"}\n",
		     r->count, r->found_ns, r->had_tid, r->has_tid);
	if (!file_path(store, name, &path) || buf_status(&data) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, data.data, data.len, 0600);
}

int regress_remove(const struct os *os, const char *store, const char *name, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, dir = BUF_INIT;
	int r;

	if (!file_path(store, name, &path) || !os_join(&dir, store, "replicas"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->unlink(os->state, (const char *)path.data);
	if (r == 0)
		r = os->sync_dir(os->state, (const char *)dir.data);
	return r == 0 || r == -ENOENT ?
		       0 :
		       hf_error_set(err, r, "cannot remove %s: %s", (const char *)path.data, strerror(-r));
}
