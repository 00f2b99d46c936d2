/* SPDX-License-Identifier: MIT */
/*
 * Verifying a store: the log does its own part (chain, signatures, frames); here is what is inside the
 * frames, the small files beside it, and the index.
 */
#include "store/volume/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/alarm/settings.h"
#include "store/replica/config.h"
#include "store/volume/keys.h"
#include "store/volume/rot.h"

/* The plaintexts of a group's data frames are kept until its metadata says which chunks they are. */
struct kept_frame {
	struct log_pos pos;
	struct buf plain;
	bool pruned;
};

struct checking {
	const struct check_listener *to;
	long faults;
	const struct keyring *keys;
	struct check_result result;
	struct kept_frame *data;
	size_t n_data, cap_data, described;
	bool in_meta;
	bool no_memory; /* then what would be found next may be none */
};

static void found(void *arg, const char *what)
{
	struct checking *c = arg;

	c->faults++;
	if (c->to->found)
		c->to->found(c->to->arg, what);
}

static void bad(void *arg, struct log_pos pos, const char *what)
{
	struct checking *c = arg;

	if (c->to->bad)
		c->to->bad(c->to->arg, pos, what);
}

static bool go_on(void *arg, uint64_t bytes)
{
	struct checking *c = arg;

	c->result.sum.bytes += bytes;
	return !c->no_memory && (!c->to->go_on || c->to->go_on(c->to->arg, bytes));
}

static void fault(struct checking *c, struct log_pos pos, const char *what)
{
	char text[HF_ERROR_TEXT_BYTES + 64];

	(void)snprintf(text, sizeof(text), "segment %u, offset %u: %s", pos.segment, pos.offset, what);
	bad(c, pos, what);
	found(c, text);
}

static bool is_damage(int r)
{
	return r == -EUCLEAN || r == -EPROTONOSUPPORT;
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
			c->no_memory = true;
			return;
		}
		c->data = grown;
		c->cap_data = cap;
	}
	k = &c->data[c->n_data++];
	*k = (struct kept_frame){ pos, BUF_INIT, pruned };
	buf_add(&k->plain, plain.data, plain.len);
	c->no_memory |= buf_status(&k->plain) < 0;
}

/* What a disk gave cannot be made sense of; unless it was memory that was wanting. */
static void malformed(struct checking *c, struct log_pos pos, int code, const char *what)
{
	if (code == -ENOMEM)
		c->no_memory = true;
	else
		fault(c, pos, what);
}

static void check_chunks(struct checking *c, struct log_pos pos, struct span body)
{
	CLEANUP(cleanup_free) struct chunk_entry *entries = NULL;
	struct hf_error err = HF_ERROR_INIT;
	const struct kept_frame *k;
	size_t n = 0, off = 0;
	int r = chunks_decode(body, &entries, &n, &err);

	if (r < 0) {
		malformed(c, pos, r, err.text);
		return;
	}
	if (c->described >= c->n_data) {
		fault(c, pos, "describes a data frame that is not there, or is damaged");
		return;
	}
	k = &c->data[c->described++];
	if (k->pruned) {
		c->result.sum.chunks += n;
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
		c->result.sum.chunks++;
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

	while ((r = record_next(&cur, &type, &body, &err)) == 1 && !c->no_memory) {
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
		r = op_decode(type, body, &base, &op, &err);
		if (r < 0)
			malformed(c, pos, r, err.text);
		else
			op_release(&op);
		c->result.sum.operations++;
	}
	if (r < 0)
		fault(c, pos, err.text);
}

static void check_frame(void *arg, struct log_pos pos, uint8_t type, struct span plain)
{
	struct checking *c = arg;

	if (c->no_memory)
		return;
	c->result.sum.frames++;
	if (type == FRAME_DATA || type == FRAME_PRUNED) {
		if (c->in_meta)
			drop_data(c);
		c->in_meta = false;
		c->result.sum.pruned_frames += type == FRAME_PRUNED;
		keep_data(c, pos, plain, type == FRAME_PRUNED);
	} else if (type == FRAME_META) {
		c->in_meta = true;
		check_meta(c, pos, plain);
	}
}

static void count_log(struct checking *c, const struct log *log)
{
	struct log_point end;
	struct log_stats stats;

	log_durable(log, &end);
	log_stats(log, &stats);
	c->result.sum.segments = stats.last_segment - stats.first_segment + 1;
	c->result.sum.bytes = stats.bytes;
	c->result.sum.commits = end.commit;
	c->result.sum.last_tid = end.tid;
	c->result.sum.last_time_ns = end.time_ns;
}

static int no_memory_to_check(struct hf_error *err)
{
	return hf_error_set(err, -ENOMEM, "no memory to check the log");
}

/* A writer key is put here when the log has come to its epoch. */
static void check_epoch(struct checking *c, const struct log *log)
{
	const uint32_t ours = keyring_has_writer(c->keys) ? keyring_writer_epoch(c->keys) : 0;
	struct log_point end;
	char what[120];

	log_durable(log, &end);
	if (ours <= end.epoch)
		return;
	(void)snprintf(what, sizeof(what), "the beginning of epoch %u is gone, of which the writer key is",
		       ours);
	fault(c, (struct log_pos){ end.end.segment + 1, 0 }, what);
}

static int check_log(struct checking *c, const char *path, const struct log *open_log,
		     const struct hf_progress *progress, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct log_options o = { .os = os_posix(), .keys = c->keys, .read_only = true };
	struct log_check check = {
		.found = found,
		.frame = check_frame,
		.bad = bad,
		.go_on = go_on,
		.arg = c,
		.known = c->result.known.all,
		.n_known = c->result.known.n,
	};
	struct log_progress told = { progress ? progress->fn : NULL, progress ? progress->arg : NULL };
	struct hf_error why = HF_ERROR_INIT;
	struct log *log = NULL;
	struct log_point durable;
	long n;
	int r;

	o.dir = os_join(&dir, path, "log");
	if (!o.dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (open_log) {
		log_durable(open_log, &durable);
		o.ends = &durable;
	}
	r = log_open(&o, NULL, &log, &why);
	if (is_damage(r) || r == -EKEYREJECTED ||
	    (r == -ENOENT && check.n_known > 0)) { /* then where, and what else */
		o.damaged_too = true;
		r = log_open(&o, NULL, &log, &why);
	}
	if (r < 0)
		return hf_error_set(err, r, "%s", why.text);
	n = log_verify(log, &check, told.fn ? &told : NULL, err);
	if (!o.damaged_too || o.ends) /* else nobody knows where it ends: what was read is counted */
		count_log(c, log);
	if (n >= 0 && !open_log && !o.damaged_too)
		check_epoch(c, log);
	log_close(log);
	if (c->no_memory)
		return no_memory_to_check(err);
	if (n == 0 && o.damaged_too) /* it does not open, and that is a fault */
		found(c, why.text);
	c->result.log_read = n >= 0;
	return n < 0 ? (int)n : 0;
}

/* --- what is beside the log */

/* Each can be read as what it should be. What they say is for who uses them. */
static int check_replica_files(struct checking *c, const char *path, struct hf_error *err)
{
	char **names = NULL;
	size_t n = 0;
	int r = config_list(os_posix(), path, &names, &n, err);

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct hf_error why = HF_ERROR_INIT;
		struct place place = { .kind = PLACE_NODE };
		int one = config_read(os_posix(), path, names[i], &place, &why);

		if (one == 0)
			place_release(&place);
		else if (is_damage(one))
			found(c, why.text);
	}
	config_free_names(names, n);
	return r;
}

static void check_settings(struct checking *c, const char *path)
{
	struct hf_alarm_settings settings;
	struct hf_error why = HF_ERROR_INIT;

	if (is_damage(settings_read(os_posix(), path, &settings, &why)))
		found(c, why.text);
}

/* -EBUSY: a process has it open that writes, so the index's files come and go. Else a lock, or -1. */
static int lock_index(const struct checking *c, const char *path)
{
	bool shared;
	const int lock =
		c->to->locked ? -1 : files_lock(path, "its index is being checked", 0, &shared, NULL);

	return lock == -EBUSY || lock >= 0 ? lock : -1;
}

/* Where it says that the log got to. It is not kept from others for as long as the log is read. */
static int know_index(struct checking *c, const char *path, struct hf_error *err)
{
	const int lock = lock_index(c, path);
	int r = 0;

	if (lock != -EBUSY)
		r = known_read_index(&c->result.known, path, keyring_volume_id(c->keys));
	if (lock >= 0)
		(void)close(lock);
	return r < 0 ? hf_error_set(err, r, "no memory to read the index") : 0;
}

static int check_index(struct checking *c, const char *path, struct index *open, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	CLEANUP(cleanup_free) uint8_t *state = NULL;
	struct index_options o = { .read_only = true };
	struct hf_error why = HF_ERROR_INIT;
	CLEANUP(cleanup_fd) int lock = -1;
	struct index *own = NULL;
	size_t len;
	int r = 0;

	o.dir = os_join(&dir, path, "index");
	if (!o.dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (!open)
		lock = lock_index(c, path);
	if (lock == -EBUSY)
		return 0;
	if (!open)
		r = index_open(&o, &own, &state, &len, &why);
	if (r == 0)
		r = index_verify(open ? open : own, &why);
	index_close(own);
	if (r == -ENOENT || r >= 0) /* without one it is built */
		return 0;
	if (!is_damage(r) && r != -EIO)
		return hf_error_set(err, r, "%s", why.text);
	c->result.index_bad = true;
	found(c, "the index is damaged. It is derived: --repair takes it away, mounting with -o rebuild "
		 "builds it anew");
	return 0;
}

/* --- all of it */

static int check_keys(struct checking *c, const char *path, const struct keyring *open_with,
		      struct keyring **own, struct hf_error *err)
{
	struct volume_descriptor v;
	struct hf_error why = HF_ERROR_INIT;
	int r = files_read_descriptor(os_posix(), path, &v, &why);

	c->result.descriptor_bad = is_damage(r);
	if (r == 0)
		r = open_with ? keys_check_files(os_posix(), path, &v, open_with, &why) :
				files_read_keys(os_posix(), path, &v, own, &why);
	c->keys = open_with ? open_with : *own;
	if (is_damage(r) || (r == -EKEYREJECTED && open_with)) {
		found(c, why.text);
		return 0;
	}
	return r < 0 ? hf_error_set(err, r, "%s", why.text) : 0;
}

long check_files(const char *path, const struct keyring *keys, const struct log *open_log,
		 struct index *index, const struct check_listener *to, const struct hf_progress *progress,
		 struct check_result *ret, struct hf_error *err)
{
	CLEANUP(keyring_freep) struct keyring *own = NULL;
	struct checking c = { .to = to };
	int r = check_keys(&c, path, keys, &own, err);

	if (r == 0 && c.keys && !index)
		r = know_index(&c, path, err);
	if (r == 0 && c.keys)
		r = known_add_receipts(&c.result.known, os_posix(), path, err);
	if (r == 0 && c.keys)
		r = check_log(&c, path, open_log, progress, err);
	if (r == 0)
		r = check_replica_files(&c, path, err);
	if (r == 0)
		check_settings(&c, path);
	if (r == 0)
		r = check_index(&c, path, index, err);
	drop_data(&c);
	free(c.data);
	*ret = c.result;
	return r < 0 ? r : c.faults;
}

long check_segment(const struct log *log, const struct keyring *keys, uint32_t segment,
		   const struct check_listener *to, struct hf_error *err)
{
	struct checking c = { .to = to, .keys = keys };
	const struct log_check check = { .found = found,
					 .frame = check_frame,
					 .bad = bad,
					 .go_on = go_on,
					 .arg = &c,
					 .only = segment,
					 .alone = true };
	long r = log_verify(log, &check, NULL, err);

	drop_data(&c);
	free(c.data);
	if (c.no_memory)
		return no_memory_to_check(err);
	return r < 0 ? r : c.faults;
}

/* --- public: it is written down that and when all was looked at */

struct noting {
	void (*found)(void *arg, const char *what);
	void *arg;
	struct verified *v;
	uint64_t now_ns;
	struct hf_store *store; /* NULL: at rest */
};

static void note_found(void *arg, const char *what)
{
	struct noting *n = arg;

	if (n->found)
		n->found(n->arg, what);
}

static void note_bad(void *arg, struct log_pos pos, const char *what)
{
	struct noting *n = arg;

	if (n->store)
		rot_found(n->store, pos, what);
	(void)verified_add(n->v, pos, what, n->now_ns);
}

void check_note(const char *path, const struct volume_descriptor *d, struct verified *found,
		uint64_t last_tid)
{
	CLEANUP(cleanup_free) struct verified *before = malloc(sizeof(*before));
	const struct os *os = os_posix();

	if (!before)
		return;
	verified_read(os, path, d->volume_id, before);
	for (size_t i = 0; i < found->n; i++) {
		struct hf_damage *is = &found->damage[i];
		const size_t was = verified_find(before, (struct log_pos){ is->segment, is->offset });

		if (was < before->n)
			*is = before->damage[was];
	}
	found->complete_ns = found->began_ns = os->now_ns(os->state);
	found->complete_tid = last_tid;
	found->segment = 0;
	(void)!verified_write(os, path, d->volume_id, found);
}

/* Nobody who has the store open is disturbed: what he knows he writes himself. */
static void write_note(const char *path, struct noting *n, const struct check_result *result)
{
	struct volume_descriptor d;
	int lock = files_lock(path, "checked", 0, NULL, NULL);

	if (lock < 0)
		return;
	if (files_read_descriptor(os_posix(), path, &d, NULL) == 0)
		check_note(path, &d, n->v, result->sum.last_tid);
	(void)close(lock);
}

static long check_and_note(const char *path, struct hf_store *store, struct noting *n,
			   struct hf_check_summary *ret, const struct hf_progress *progress,
			   struct hf_error *err)
{
	const struct check_listener to = { note_found, note_bad, NULL, n, false };
	struct check_result result;
	long faults = check_files(path, store ? store->keys : NULL, store ? store->log : NULL,
				  store ? store->index : NULL, &to, progress, &result, err);

	if (faults < 0)
		return faults;
	if (result.log_read && store) {
		rot_seen(store, n->v, n->now_ns);
		rot_complete(store, result.sum.last_tid);
	} else if (result.log_read) {
		write_note(path, n, &result);
	}
	if (store)
		rot_settle(store);
	if (ret)
		*ret = result.sum;
	return faults;
}

static long check_public(const char *path, struct hf_store *store,
			 void (*found_fn)(void *arg, const char *what), void *arg,
			 struct hf_check_summary *ret, const struct hf_progress *progress,
			 struct hf_error *err)
{
	CLEANUP(cleanup_free) struct verified *v = calloc(1, sizeof(*v));
	struct noting n = { .found = found_fn, .arg = arg, .v = v, .store = store };
	struct hf_error local = HF_ERROR_INIT;

	if (!err)
		err = &local;
	*err = (struct hf_error)HF_ERROR_INIT;
	if (!v)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	n.now_ns = os_posix()->now_ns(os_posix()->state);
	return check_and_note(path, store, &n, ret, progress, err);
}

long hf_store_check(const char *path, void (*found_fn)(void *arg, const char *what), void *arg,
		    struct hf_check_summary *ret, const struct hf_progress *progress, struct hf_error *err)
{
	return check_public(path, NULL, found_fn, arg, ret, progress, err);
}

long hf_store_check_open(struct hf_store *store, void (*found_fn)(void *arg, const char *what), void *arg,
			 struct hf_check_summary *ret, const struct hf_progress *progress,
			 struct hf_error *err)
{
	return check_public(store->path, store, found_fn, arg, ret, progress, err);
}
