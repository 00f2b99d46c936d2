/* SPDX-License-Identifier: MIT */
/*
 * Does a kit still open a store? Nothing of the store's own keys is used: what opens here opens after a
 * recovery. The store may be open in another process: only its durable files are read, and the note is
 * written beside them.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "store/log/log.h"
#include "store/replica/trail.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "store/volume/note.h"

struct checking {
	const struct owner *owner;
	const char *path;
	const char *log_dir;
	struct log *log;
	struct log_point end;
	struct hf_kit_check *ret;
};

/* --- the note */

int kit_note_write(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES],
		   uint64_t time_ns)
{
	const struct note note = { .time_ns = time_ns };

	return note_write(os, path, NOTE_KIT, volume_id, &note);
}

uint64_t kit_note_read(const struct os *os, const char *path, const uint8_t volume_id[VOLUME_ID_BYTES])
{
	struct note note;

	note_read(os, path, NOTE_KIT, volume_id, &note);
	return note.time_ns;
}

/* --- the questions */

static int check_volume(struct checking *c, struct hf_error *err)
{
	char ours[HF_VOLUME_ID_TEXT_BYTES], theirs[HF_VOLUME_ID_TEXT_BYTES];
	struct volume_descriptor d;
	int r = files_read_descriptor(os_posix(), c->path, &d, err);

	if (r < 0)
		return r;
	if (memcmp(d.owner_public, owner_public(c->owner), PUBLIC_KEY_BYTES) == 0)
		return 0; /* and so is the volume id, which comes from it */
	volume_id_text(owner_volume_id(c->owner), ours);
	volume_id_text(d.volume_id, theirs);
	return hf_error_set(err, -EKEYREJECTED,
			    "this kit is of volume %s, and %s is volume %s: it does not open it", ours,
			    c->path, theirs);
}

/* Who may write now was let in by the kit's owner key: decoding checks the signature by the key that it
 * names. */
static int check_cert(struct checking *c, struct hf_error *err)
{
	struct segment_header h;
	int r = trail_header(os_posix(), c->log_dir, c->end.end.segment, &h, err);

	if (r < 0)
		return r;
	if (memcmp(h.cert.owner_public, owner_public(c->owner), PUBLIC_KEY_BYTES) != 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "the certificate of epoch %" PRIu32 ", in segment %" PRIu32
				    " of the log, is signed by another owner than this kit's",
				    h.epoch, h.segment);
	c->ret->epoch = h.epoch;
	c->ret->cert_segment = h.segment;
	return 0;
}

static int open_frame(struct checking *c, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf plain = BUF_INIT;
	struct log_pos at;
	int r = trail_last_frame(os_posix(), c->log_dir, &c->end, &at, err);

	if (r == -ENODATA) /* a volume without contents */
		return 0;
	if (r == 0)
		r = log_read_frame(c->log, at, 0, &plain, err);
	if (plain.data)
		crypto_wipe(plain.data, plain.cap);
	if (r < 0)
		return hf_error_prefix(
			err, r, "the newest frame does not open with the keys that come from this kit");
	c->ret->frame_segment = at.segment;
	c->ret->frame_offset = at.offset;
	return 0;
}

static int check_log(struct checking *c, struct hf_error *err)
{
	CLEANUP(keyring_freep) struct keyring *keys = NULL;
	struct log_options o = { .os = os_posix(), .dir = c->log_dir, .read_only = true };
	int r = owner_keyring(c->owner, &keys);

	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	o.keys = keys;
	r = log_open(&o, NULL, &c->log, err);
	if (r < 0)
		return r;
	log_durable(c->log, &c->end);
	c->ret->tid = c->end.tid;
	c->ret->time_ns = c->end.time_ns;
	r = check_cert(c, err);
	if (r == 0)
		r = open_frame(c, err);
	log_close(c->log);
	return r;
}

int hf_kit_check(const struct hf_kit *kit, const char *path, struct hf_kit_check *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf log_dir = BUF_INIT;
	struct hf_error local = HF_ERROR_INIT;
	struct hf_kit_check got = { .epoch = 0 };
	struct checking c = { .owner = kit_owner(kit), .path = path, .ret = &got };
	int r;

	if (!err)
		err = &local;
	c.log_dir = os_join(&log_dir, path, "log");
	if (!c.log_dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = check_volume(&c, err);
	if (r == 0)
		r = check_log(&c, err);
	if (r < 0)
		return r;
	got.checked_ns = os_posix()->now_ns(os_posix()->state);
	got.not_noted = kit_note_write(os_posix(), path, owner_volume_id(c.owner), got.checked_ns);
	*err = (struct hf_error)HF_ERROR_INIT; /* whatever was found on the way and is no fault */
	*ret = got;
	return 0;
}
