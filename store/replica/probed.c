/* SPDX-License-Identifier: MIT */
#include "store/replica/probed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/base/printable.h"
#include "store/replica/config.h"
#include "store/replica/json.h"
#include "store/replica/s3_probe.h"
#include "store/volume/files.h"

enum { PROBED_FILE_BYTES_MAX = 16 << 10 };

static const char *const findings[] = { "good", "note", "warning", "danger" };

void probed_add(struct probed *p, enum hf_finding finding, const char *what, const char *words)
{
	struct hf_probed *one;

	if (p->n == HF_PROBED_MAX)
		return;
	one = &p->all[p->n++];
	one->finding = finding;
	(void)snprintf(one->what, sizeof(one->what), "%s", what);
	(void)snprintf(one->words, sizeof(one->words), "%s", words);
	make_printable(one->words);
}

static const char *file_path(const char *store, const char *name, struct buf *out)
{
	buf_add_text(out, "%s/replicas/%s.probed", store, name);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

static json_t *to_json(const struct probed *p)
{
	char first[24], last[24];
	json_t *o, *all;

	(void)snprintf(first, sizeof(first), "%" PRIu64, p->first_ns);
	(void)snprintf(last, sizeof(last), "%" PRIu64, p->last_ns);
	o = json_pack("{s:i,s:s,s:s,s:[]}", "version", 1, "first_ns", first, "last_ns", last, "findings");
	all = o ? json_object_get(o, "findings") : NULL;
	for (size_t i = 0; all && i < p->n; i++) {
		/* cut short it may end in the middle of a character, and then says nothing */
		json_t *words = json_string(p->all[i].words);

		if (json_array_append_new(all, json_pack("{s:s,s:s,s:o}", "finding",
							 findings[p->all[i].finding], "what", p->all[i].what,
							 "words", words ? words : json_string(""))) < 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

int probed_write(const struct os *os, const char *store, const char *name, const struct probed *p)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = to_json(p);

	if (!file_path(store, name, &path) || !o || json_write(o, &text) < 0)
		return -ENOMEM;
	buf_add_u8(&text, '\n');
	if (buf_status(&text) < 0)
		return -ENOMEM;
	return os_write_file(os, (const char *)path.data, text.data, text.len, 0600);
}

static int read_one(const json_t *o, struct probed *p)
{
	struct hf_probed one;
	char finding[16];

	if (json_get_text(o, "finding", finding, sizeof(finding)) < 0 ||
	    json_get_text(o, "what", one.what, sizeof(one.what)) < 0 ||
	    json_get_text(o, "words", one.words, sizeof(one.words)) < 0)
		return -EUCLEAN;
	for (size_t i = 0; i < sizeof(findings) / sizeof(findings[0]); i++) {
		if (strcmp(finding, findings[i]) != 0)
			continue;
		probed_add(p, (enum hf_finding)i, one.what, one.words);
		return 0;
	}
	return -EUCLEAN;
}

void probed_read(const struct os *os, const char *store, const char *name, struct probed *ret)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	const json_t *one;
	struct probed got;
	uint32_t version;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	memset(&got, 0, sizeof(got));
	if (!file_path(store, name, &path) ||
	    os_read_file(os, (const char *)path.data, PROBED_FILE_BYTES_MAX, &text) < 0)
		return;
	o = json_read(text.data, text.len);
	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_u64(o, "first_ns", &got.first_ns) < 0 || json_get_u64(o, "last_ns", &got.last_ns) < 0)
		return;
	json_array_foreach(json_object_get(o, "findings"), i, one)
		if (read_one(one, &got) < 0)
			return;
	*ret = got;
}

/* --- trying */

void probing_found(void *probing, enum hf_finding finding, const char *what, const char *words)
{
	struct probing *p = probing;

	probed_add(&p->probed, finding, what, words);
	if (p->found)
		p->found(p->arg, finding, what, words);
}

int probing_keep(struct probing *p, const struct os *os, const char *store, const char *name)
{
	struct probed before;

	probed_read(os, store, name, &before);
	p->probed.last_ns = os->now_ns(os->state);
	p->probed.first_ns = before.first_ns ? before.first_ns : p->probed.last_ns;
	return probed_write(os, store, name, &p->probed);
}

/* A bucket that refuses what it is asked for says so before anything was found. */
static void note_refusal(struct probing *p, const char *words)
{
	for (size_t i = 0; i < p->probed.n; i++)
		if (p->probed.all[i].finding == HF_FINDING_DANGER)
			return;
	probing_found(p, HF_FINDING_DANGER, "object lock", words);
}

/* What it was chosen to keep for is not asked anew, and nothing of its own file changes. */
int hf_replica_probe(const char *path, const char *name,
		     void (*found)(void *arg, enum hf_finding finding, const char *what, const char *words),
		     void *arg, struct hf_error *err)
{
	const struct os *os = os_posix();
	struct probing p = { .found = found, .arg = arg };
	struct hf_replica_options o = { .found = probing_found, .found_arg = &p };
	struct hf_error local = HF_ERROR_INIT;
	struct volume_descriptor d;
	struct place place;
	int r, written;

	if (!err)
		err = &local;
	r = files_read_descriptor(os, path, &d, err);
	if (r == 0)
		r = config_check_name(name, err);
	if (r == 0)
		r = config_read(os, path, name, &place, err);
	if (r < 0)
		return r;
	if (place.kind != PLACE_BUCKET) {
		place_release(&place);
		return hf_error_set(err, -EINVAL, "%s is not a bucket: there is nothing to try", name);
	}
	o.retention_days = place.s3->retention_days;
	r = crypto_init() < 0 ? hf_error_set(err, -EIO, "the system gives no random bytes") :
				s3_probe(os, d.volume_id, place.s3, &o, err);
	place_release(&place);
	if (r < 0 && r != -EPERM)
		return r;
	if (r == -EPERM)
		note_refusal(&p, err->text);
	written = probing_keep(&p, os, path, name);
	if (r == 0 && written < 0)
		return hf_error_set(err, written, "cannot keep what was found out about %s: %s", name,
				    strerror(-written));
	return r;
}
