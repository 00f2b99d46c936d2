/* SPDX-License-Identifier: MIT */
/*
 * What a store's files tell of how ready it is (holdfast/readiness.h), without a key: a log is verified by
 * what is in it, and the keyring that reading one takes here is one that opens nothing.
 */
#include "holdfast/readiness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "store/index/index.h"
#include "store/log/log.h"
#include "store/replica/trail.h"
#include "store/volume/files.h"
#include "store/volume/kit.h"
#include "store/volume/note.h"
#include "store/volume/verified.h"

static int blind_keyring(const uint8_t volume_id[VOLUME_ID_BYTES], struct keyring **ret)
{
	static const uint8_t nothing[SEED_BYTES];

	return crypto_init() < 0 ? -EIO : keyring_new(nothing, volume_id, ret);
}

static int look_at_end(const char *log_dir, const struct log *log, struct hf_log_end *ret,
		       struct hf_error *err)
{
	struct segment_header h;
	struct log_point end;
	int r;

	log_durable(log, &end);
	r = trail_header(os_posix(), log_dir, end.end.segment, &h, err);
	if (r < 0)
		return r;
	ret->tid = end.tid;
	ret->time_ns = end.time_ns;
	ret->segment = end.end.segment;
	ret->offset = end.end.offset;
	ret->epoch = h.epoch;
	ret->epoch_created_ns = h.cert.created_ns;
	ret->format_floor = h.cert.format_floor;
	return 0;
}

static int read_log_end(const char *path, const struct volume_descriptor *d, struct hf_log_end *ret,
			struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	CLEANUP(keyring_freep) struct keyring *keys = NULL;
	struct log_options o = { .os = os_posix(), .read_only = true };
	struct log *log;
	int r;

	o.dir = os_join(&dir, path, "log");
	r = o.dir ? blind_keyring(d->volume_id, &keys) : -ENOMEM;
	if (r < 0)
		return hf_error_set(err, r, "no locked memory to read the log with");
	o.keys = keys;
	r = log_open(&o, NULL, &log, err);
	if (r < 0)
		return r;
	r = look_at_end(o.dir, log, ret, err);
	log_close(log);
	return r;
}

static void look_at_index(const char *path, struct hf_readiness *ret)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, dir = BUF_INIT;

	ret->index = os_join(&file, path, "index/CURRENT") && access((const char *)file.data, F_OK) == 0;
	ret->index_damaged = ret->index && os_join(&dir, path, "index") && index_is_noted(buf_cstr(&dir));
}

static void read_notes(const char *path, const struct volume_descriptor *d, struct hf_readiness *ret)
{
	CLEANUP(cleanup_free) struct verified *verified = malloc(sizeof(*verified));
	struct note note;

	if (verified) {
		verified_read(os_posix(), path, d->volume_id, verified);
		ret->verified_ns = verified->complete_ns;
		ret->damaged = verified->n;
	}
	ret->kit_ns = kit_note_read(os_posix(), path, d->volume_id);
	note_read(os_posix(), path, NOTE_HEAD, d->volume_id, &note);
	ret->head_ns = note.time_ns;
	note_read(os_posix(), path, NOTE_ALARM, d->volume_id, &note);
	ret->alarm_test_ns = note.time_ns;
	ret->alarm_test_passed = note.time_ns && !note.problem[0];
	memcpy(ret->alarm_test_text, note.problem, sizeof(ret->alarm_test_text));
}

int hf_readiness(const char *path, struct hf_readiness *ret, struct hf_error *err)
{
	struct hf_error words = HF_ERROR_INIT;
	struct volume_descriptor d;
	struct hf_readiness got;
	int r = files_read_descriptor(os_posix(), path, &d, err);

	if (r < 0)
		return r;
	memset(&got, 0, sizeof(got));
	volume_id_text(d.volume_id, got.volume_id);
	got.created_ns = d.created_ns;
	got.format_newest = FORMAT_VERSION;
	look_at_index(path, &got);
	got.key_code = hf_key_kept(path, &got.key, NULL);
	read_notes(path, &d, &got);
	r = read_log_end(path, &d, &got.log, &words);
	if (r < 0) {
		memset(&got.log, 0, sizeof(got.log));
		got.log.code = r;
		memcpy(got.log.text, words.text, sizeof(got.log.text));
	}
	*ret = got;
	return 0;
}

int hf_note_head(const char *path, struct hf_error *err)
{
	struct note note = { .time_ns = os_posix()->now_ns(os_posix()->state) };
	struct volume_descriptor d;
	int r = files_read_descriptor(os_posix(), path, &d, err);

	if (r < 0)
		return r;
	r = note_write(os_posix(), path, NOTE_HEAD, d.volume_id, &note);
	return r < 0 ? hf_error_set(err, r, "cannot write %s/" NOTE_HEAD ": %s", path, strerror(-r)) : 0;
}
