/* SPDX-License-Identifier: MIT */
/*
 * Verifying a store: the log does its own part (chain, signatures, frames); here is what is inside the
 * frames.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/volume/keys.h"
#include "store/volume/volume.h"

/* The plaintexts of a group's data frames are kept until its metadata says which chunks they are. */
struct kept_frame {
	struct log_pos pos;
	struct buf plain;
	bool pruned;
};

struct checking {
	void (*found)(void *arg, const char *what);
	void *arg;
	long faults;
	const struct keyring *keys;
	struct hf_check_summary sum;
	struct kept_frame *data;
	size_t n_data, cap_data, described;
	bool in_meta;
};

static void fault(struct checking *c, struct log_pos pos, const char *what)
{
	char text[HF_ERROR_TEXT_BYTES + 64];

	(void)snprintf(text, sizeof(text), "segment %u, offset %u: %s", pos.segment, pos.offset, what);
	c->faults++;
	if (c->found)
		c->found(c->arg, text);
}

static void log_found(void *arg, const char *what)
{
	struct checking *c = arg;

	c->faults++;
	if (c->found)
		c->found(c->arg, what);
}

static void drop_data(struct checking *c)
{
	for (size_t i = 0; i < c->n_data; i++)
		buf_release(&c->data[i].plain);
	c->n_data = c->described = 0;
}

static void keep_data(struct checking *c, struct log_pos pos, struct span plain, bool pruned)
{
	struct kept_frame *k;

	if (c->n_data == c->cap_data) {
		size_t cap = c->cap_data ? c->cap_data * 2 : 16;
		struct kept_frame *grown = realloc(c->data, cap * sizeof(*grown));

		if (!grown) {
			fault(c, pos, "not checked: no memory");
			return;
		}
		c->data = grown;
		c->cap_data = cap;
	}
	k = &c->data[c->n_data++];
	*k = (struct kept_frame){ pos, BUF_INIT, pruned };
	buf_add(&k->plain, plain.data, plain.len);
}

static void check_chunks(struct checking *c, struct log_pos pos, struct span body)
{
	CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
	struct hf_error err = HF_ERROR_INIT;
	const struct kept_frame *k;
	size_t n = 0, off = 0;

	if (chunks_decode(body, &entries, &n, &err) < 0) {
		fault(c, pos, err.text);
		return;
	}
	if (c->described >= c->n_data) {
		fault(c, pos, "describes a data frame that is not there, or is damaged");
		return;
	}
	k = &c->data[c->described++];
	if (k->pruned) {
		c->sum.chunks += n;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t name[HASH_BYTES];

		if (entries[i].len > k->plain.len - off) {
			fault(c, k->pos, "the data frame is shorter than its chunks");
			return;
		}
		keyring_chunk_name(c->keys, k->plain.data + off, entries[i].len, name);
		if (!crypto_equal(name, entries[i].name, HASH_BYTES))
			fault(c, k->pos, "a chunk's bytes are not those of its name");
		off += entries[i].len;
		c->sum.chunks++;
	}
	if (off != k->plain.len)
		fault(c, k->pos, "the data frame is longer than its chunks");
}

static void check_meta(struct checking *c, struct log_pos pos, struct span plain)
{
	struct cursor cur = cursor_of(plain.data, plain.len);
	struct hf_error err = HF_ERROR_INIT;
	struct op_base base = { 0, 0 }; /* only the form is checked here: replay checks the order */
	struct span body;
	uint8_t type;
	int r;

	while ((r = record_next(&cur, &type, &body, &err)) == 1) {
		struct op op = { 0 };
		uint32_t uid;

		if (type == RECORD_CHUNKS) {
			check_chunks(c, pos, body);
			continue;
		}
		if (type == RECORD_WHO) {
			if (who_decode(body, &uid, &err) < 0)
				fault(c, pos, err.text);
			continue;
		}
		if (op_decode(type, body, &base, &op, &err) < 0)
			fault(c, pos, err.text);
		else
			op_release(&op);
		c->sum.operations++;
	}
	if (r < 0)
		fault(c, pos, err.text);
}

static void check_frame(void *arg, struct log_pos pos, uint8_t type, struct span plain)
{
	struct checking *c = arg;

	c->sum.frames++;
	if (type == FRAME_DATA || type == FRAME_PRUNED) {
		if (c->in_meta)
			drop_data(c);
		c->in_meta = false;
		c->sum.pruned_frames += type == FRAME_PRUNED;
		keep_data(c, pos, plain, type == FRAME_PRUNED);
	} else if (type == FRAME_META) {
		c->in_meta = true;
		check_meta(c, pos, plain);
	}
}

static int check_log(struct checking *c, const char *path, const struct hf_progress *progress,
		     struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_options o = { .os = os_posix(), .keys = c->keys, .read_only = true };
	struct log_check check = { .found = log_found, .frame = check_frame, .arg = c };
	struct log_progress told = { progress ? progress->fn : NULL, progress ? progress->arg : NULL };
	struct log_point end;
	struct log_stats stats;
	struct log *log = NULL;
	long r;

	o.dir = os_join(&dir, path, "log");
	if (!o.dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = log_open(&o, NULL, &log, err);
	if (r == -EUCLEAN || r == -EPROTONOSUPPORT) {
		log_found(c, err->text);
		return 0;
	}
	if (r < 0)
		return (int)r;
	r = log_verify(log, &check, told.fn ? &told : NULL, err);
	log_durable(log, &end);
	log_stats(log, &stats);
	c->sum.segments = stats.last_segment - stats.first_segment + 1;
	c->sum.bytes = stats.bytes;
	c->sum.commits = end.commit;
	c->sum.last_tid = end.tid;
	c->sum.last_time_ns = end.time_ns;
	log_close(log);
	return r < 0 ? (int)r : 0;
}

/* With these keys, or those of the store at rest. */
static long check(const char *path, const struct keyring *open_with, struct checking *c,
		  struct hf_check_summary *ret, const struct hf_progress *progress, struct hf_error *err)
{
	CLEANUP(keyring_freep) struct keyring *own = NULL;
	struct volume_descriptor v;
	int r;

	r = files_read_descriptor(os_posix(), path, &v, err);
	if (r == 0)
		r = open_with ? keys_check_files(os_posix(), path, &v, open_with, err) :
				files_read_keys(os_posix(), path, &v, &own, err);
	if (r == 0) {
		c->keys = open_with ? open_with : own;
		r = check_log(c, path, progress, err);
	}
	drop_data(c);
	free(c->data);
	if (r < 0)
		return r;
	if (ret)
		*ret = c->sum;
	return c->faults;
}

long hf_store_check(const char *path, void (*found)(void *arg, const char *what), void *arg,
		    struct hf_check_summary *ret, const struct hf_progress *progress, struct hf_error *err)
{
	struct checking c = { .found = found, .arg = arg };
	struct hf_error local = HF_ERROR_INIT;

	if (!err)
		err = &local;
	*err = (struct hf_error)HF_ERROR_INIT;
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	return check(path, NULL, &c, ret, progress, err);
}

long hf_store_check_open(struct hf_store *store, void (*found)(void *arg, const char *what), void *arg,
			 struct hf_check_summary *ret, const struct hf_progress *progress,
			 struct hf_error *err)
{
	struct checking c = { .found = found, .arg = arg };
	struct hf_error local = HF_ERROR_INIT;

	if (!err)
		err = &local;
	*err = (struct hf_error)HF_ERROR_INIT;
	return check(store->path, store->keys, &c, ret, progress, err);
}
