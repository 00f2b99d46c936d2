/* SPDX-License-Identifier: MIT */
/*
 * Healing a store from its replicas, and its copies in folders and buckets from the store (layer 4; FORMAT.md
 * §16.3, holdfast/damage.h). What is done is: look; heal, segment by segment from the last; look again, for
 * nothing but a whole check says that all is well.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/replica/trail.h"
#include "store/volume/repair_internal.h"
#include "store/volume/rot.h"

enum { HEAL_ROUNDS = 64 };

static void repair_release(struct repair *p)
{
	copies_release(&p->copies);
	grants_release(&p->grants);
	keyring_free(p->own_keys);
	buf_release(&p->bad);
	buf_release(&p->said);
	free(p->seen);
}

void repair_say_found(void *arg, const char *what)
{
	struct repair *p = arg;

	if (p->o->found)
		p->o->found(p->o->arg, what);
}

/* Each round finds again what the one before could not heal. */
static bool was_said(struct repair *p, const char *words)
{
	const size_t len = strlen(words) + 1;

	for (size_t at = 0; at < p->said.len; at += strlen((const char *)p->said.data + at) + 1)
		if (strcmp((const char *)p->said.data + at, words) == 0)
			return true;
	buf_add(&p->said, words, len);
	return false;
}

void repair_say(struct repair *p, bool is_new, const char *fmt, ...)
{
	char words[HF_ERROR_TEXT_BYTES + 200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	if (!is_new && was_said(p, words))
		return;
	repair_say_found(p, words);
	p->sum->found += is_new;
	p->sum->faults += is_new;
}

static void say_healed(void *arg, const char *what)
{
	struct repair *p = arg;

	p->changed = true;
	if (p->o->healed)
		p->o->healed(p->o->arg, what);
}

/* --- looking */

static void note_bad(void *arg, struct log_pos pos, const char *what)
{
	struct repair *p = arg;

	if (p->store)
		rot_found(p->store, pos, what);
	(void)verified_add(p->seen, pos, what, p->os->now_ns(p->os->state));
	buf_add(&p->bad, &pos.segment, sizeof(pos.segment));
}

static int compare_numbers(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorted, each once. */
static size_t bad_segments(struct repair *p, uint32_t **ret)
{
	uint32_t *all = (uint32_t *)(void *)p->bad.data;
	size_t n = p->bad.len / sizeof(*all), kept = 0;

	if (n)
		qsort(all, n, sizeof(*all), compare_numbers);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || all[kept - 1] != all[i])
			all[kept++] = all[i];
	*ret = all;
	return kept;
}

static int look(struct repair *p, bool quietly, struct check_result *ret, struct hf_error *err)
{
	const struct check_listener to = { quietly ? NULL : repair_say_found, note_bad, NULL, p, true };
	long faults;

	buf_clear(&p->bad);
	p->seen->n = 0;
	p->looked_ns = p->os->now_ns(p->os->state);
	faults = check_files(p->path, p->store ? p->store->keys : NULL, p->store ? p->store->log : NULL,
			     p->store ? p->store->index : NULL, &to, &p->o->progress, ret, err);
	if (faults < 0)
		return (int)faults;
	p->sum->faults = (uint64_t)faults;
	p->sum->check = ret->sum;
	p->known = ret->known;
	return buf_status(&p->bad) < 0 ? hf_error_set(err, -ENOMEM, "no memory") : 0;
}

/* --- the descriptor: all of it is in the first certificate (FORMAT.md §16.3), and in an open store */

static int write_descriptor(struct repair *p, struct hf_error *err)
{
	int r = files_write_descriptor(p->os, p->path, &p->descriptor, err);

	if (r == 0)
		say_healed(p, "healed: the descriptor (the file volume) was made anew from the log");
	return r;
}

static int remake_descriptor(struct repair *p, const struct hf_error *why, struct hf_error *err)
{
	struct volume_descriptor *d = &p->descriptor;
	struct segment_header h;
	int r;

	if (p->store) {
		*d = p->store->descriptor;
		return write_descriptor(p, err);
	}
	r = trail_header(p->os, p->log_dir, 1, &h, err);

	if (r < 0)
		return hf_error_prefix(err, r, "%s, and it cannot be made anew", why->text);
	memset(d, 0, sizeof(*d));
	memcpy(d->volume_id, h.cert.volume_id, VOLUME_ID_BYTES);
	memcpy(d->owner_public, h.cert.owner_public, PUBLIC_KEY_BYTES);
	d->created_ns = h.cert.created_ns;
	r = files_read_keys(p->os, p->path, d, &p->own_keys, err); /* they say which volume they are of */
	return r < 0 ? r : write_descriptor(p, err);
}

static int read_descriptor(struct repair *p, struct hf_error *err)
{
	struct hf_error why = HF_ERROR_INIT;
	int r = files_read_descriptor(p->os, p->path, &p->descriptor, &why);

	if (r == -EUCLEAN && p->o->repair) {
		repair_say_found(p, why.text);
		p->sum->found++;
		return remake_descriptor(p, &why, err);
	}
	return r < 0 ? hf_error_set(err, r, "%s", why.text) : 0;
}

/* --- the log */

static void heal_segment(struct repair *p, uint32_t segment)
{
	const struct mend mend = { .os = p->os,
				   .dir = p->path,
				   .volume_id = p->descriptor.volume_id,
				   .grants = &p->grants,
				   .known = p->known.all,
				   .n_known = p->known.n,
				   .offer = copies_offer,
				   .arg = &p->copies };
	struct hf_error why = HF_ERROR_INIT;
	struct mended did;
	char words[400];
	int r;

	if (p->store && segment >= p->end.end.segment) {
		repair_say(p, false,
			   "segment %" PRIu32
			   " is being written to, and not healed meanwhile: unmount, then say this again",
			   segment);
		return;
	}
	r = mend_segment(&mend, segment, &did, &why);
	if (r < 0)
		repair_say(p, false, "not healed: %s", why.text);
	else if (r == 0)
		repair_say(p, false,
			   "not healed: segment %" PRIu32
			   ": nothing behind the damage, and nothing beside the log, says what was there",
			   segment);
	if (r != 1)
		return;
	p->sum->healed_segments++;
	p->sum->healed_groups += did.groups;
	p->sum->healed_bytes += did.bytes;
	(void)snprintf(words, sizeof(words),
		       "healed: segment %" PRIu32 ", %" PRIu64 " bytes from offset %" PRIu32
		       " on, from %s; what was there is in %.200s/damaged",
		       segment, did.bytes, did.from, p->copies.last ? p->copies.last : "itself", p->path);
	say_healed(p, words);
	if (p->store) {
		log_forget_segment(p->store->log, segment);
		rot_healed(p->store, segment);
	}
}

/* From the last backward: the header of one that is healed says what was in the one before. */
static void heal_log(struct repair *p)
{
	uint32_t *bad;
	size_t n = bad_segments(p, &bad);

	while (n-- > 0)
		heal_segment(p, bad[n]);
}

static void remove_index(struct repair *p)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct index_options o = { .wipe = true };
	struct hf_error why = HF_ERROR_INIT;
	struct index *index;
	uint8_t *state = NULL;
	size_t len;
	int r;

	if (p->store) {
		repair_say(p, false, "the index is in use: unmount, and mount with -o rebuild");
		return;
	}
	o.dir = os_join(&dir, p->path, "index");
	r = o.dir ? index_open(&o, &index, &state, &len, &why) : -ENOMEM;
	if (r < 0) {
		repair_say(p, false, "the index cannot be taken away: %s",
			   why.code ? why.text : hf_strerror(r));
		return;
	}
	index_close(index);
	free(state);
	say_healed(p, "healed: the index was taken away; it is built anew when the store is mounted");
}

/* --- all of it */

static void replica_untold(void *arg, const char *what)
{
	struct repair *p = arg;

	repair_say(p, p->o->copies, "%s", what);
}

/* 0; -ENOKEY and the like are told already, as a fault: without keys no replica can be asked. */
static int open_copies(struct repair *p, struct hf_error *err)
{
	int r = 0;

	if (p->store)
		p->keys = p->store->keys;
	else if (!p->own_keys)
		r = files_read_keys(p->os, p->path, &p->descriptor, &p->own_keys, err);
	if (!p->keys)
		p->keys = p->own_keys;
	if (r == 0)
		r = grants_load(p->os, p->path, p->descriptor.volume_id, &p->grants, err);
	return r < 0 ? r : copies_add_replicas(&p->copies, p->path, p->keys, replica_untold, p, err);
}

static int find_end(struct repair *p, struct hf_error *err)
{
	if (p->store) {
		log_durable(p->store->log, &p->end);
		return 0;
	}
	p->end.end.offset = UINT32_MAX;
	return repair_last_segment(p, p->path, &p->end.end.segment, err);
}

/*
 * What is healed may show what else is damaged, and be what that is healed by. The index goes last: it may be
 * all that knows of what the log has lost.
 */
static int heal(struct repair *p, struct check_result *found, struct hf_error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < HEAL_ROUNDS && p->sum->faults > 0; i++) {
		p->changed = false;
		heal_log(p);
		if (found->index_bad && p->bad.len == 0)
			remove_index(p);
		if (p->store)
			rot_settle(p->store);
		if (!p->changed)
			break;
		r = look(p, true, found, err);
	}
	if (r == 0 && found->index_bad && p->bad.len > 0)
		repair_say(p, false,
			   "the index is left as it is until the log is whole: it may know what that lacks");
	return r == 0 ? find_end(p, err) : r;
}

static int run(struct repair *p, struct hf_error *err)
{
	struct check_result found;
	uint64_t before;
	int r = read_descriptor(p, err);

	before = p->sum->found;
	if (r == 0)
		r = find_end(p, err);
	if (r == 0)
		r = look(p, false, &found, err);
	if (r < 0)
		return r;
	p->sum->found = before + p->sum->faults;
	if (p->o->copies || (p->o->repair && p->sum->faults > 0))
		r = open_copies(p, err);
	if (r == 0 && p->o->repair && p->sum->faults > 0)
		r = heal(p, &found, err);
	for (size_t i = 0; r == 0 && p->o->copies && i < p->copies.n; i++)
		repair_compare_copy(p, &p->copies.all[i]);
	if (r < 0 || !found.log_read)
		return r;
	if (p->store) {
		rot_seen(p->store, p->seen, p->looked_ns);
		rot_complete(p->store, found.sum.last_tid);
	} else if (!p->shared) {
		check_note(p->path, &p->descriptor, p->seen, found.sum.last_tid);
	}
	return 0;
}

static int begin(struct repair *p, struct buf *log_dir, struct hf_error *err)
{
	*p->sum = (struct hf_repair){ .faults = 0 };
	copies_init(&p->copies, p->os);
	p->seen = calloc(1, sizeof(*p->seen));
	p->log_dir = os_join(log_dir, p->path, "log");
	if (!p->seen || !p->log_dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	return crypto_init() < 0 ? hf_error_set(err, -EIO, "the system gives no random bytes") : 0;
}

int hf_store_repair(const char *path, const struct hf_repair_options *options, struct hf_repair *ret,
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	CLEANUP(repair_release)
	struct repair p = {
		.os = os_posix(), .path = path, .o = options, .sum = ret, .bad = BUF_INIT, .said = BUF_INIT
	};
	CLEANUP(cleanup_fd) int lock = -1;
	struct hf_error local = HF_ERROR_INIT;
	int r;

	if (!err)
		err = &local;
	*err = (struct hf_error)HF_ERROR_INIT;
	r = begin(&p, &log_dir, err);
	if (r < 0)
		return r;
	if (options->repair)
		lock = files_lock(path, "being repaired", 0, NULL, err);
	else
		lock = files_lock(path, "being checked", 0, &p.shared, err);
	return lock < 0 ? lock : run(&p, err);
}

int hf_store_repair_open(struct hf_store *store, const struct hf_repair_options *options,
			 struct hf_repair *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	CLEANUP(repair_release)
	struct repair p = { .os = store->os,
			    .path = store->path,
			    .store = store,
			    .o = options,
			    .sum = ret,
			    .bad = BUF_INIT,
			    .said = BUF_INIT };
	struct hf_error local = HF_ERROR_INIT;
	int r;

	if (!err)
		err = &local;
	*err = (struct hf_error)HF_ERROR_INIT;
	if (options->repair && !rot_begin_repair(store))
		return hf_error_set(err, -EBUSY, "%s is being repaired already", store->path);
	r = begin(&p, &log_dir, err);
	if (r == 0)
		r = run(&p, err);
	if (options->repair)
		rot_end_repair(store);
	return r;
}
