/* SPDX-License-Identifier: MIT */
/* Making a store. */
#include <errno.h>
#include <string.h>

#include "store/volume/keys.h"
#include "store/volume/kit.h"
#include "store/volume/volume.h"

static int init_log(const char *path, const struct hf_kit *kit, const struct keyring *keys,
		    uint64_t created_ns, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	struct epoch_cert cert = {
		.epoch = 1, .format_floor = FORMAT_VERSION, .created_ns = created_ns, .first_segment = 1
	};
	struct log_options o = { .os = os_posix(), .keys = keys };
	struct log *log = NULL;
	int r;

	memcpy(cert.writer_public, keyring_writer_public(keys), PUBLIC_KEY_BYTES);
	epoch_cert_sign(&cert, kit_owner(kit));
	o.dir = os_join(&dir, path, "log");
	if (!o.dir)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = log_create(&o, &cert, &log, err);
	log_close(log);
	return r;
}

static int init_fill(const char *path, const struct hf_kit *kit, const struct hf_keeping *keeping,
		     struct hf_error *err)
{
	const struct os *os = os_posix();
	CLEANUP(keyring_freep) struct keyring *keys = NULL;
	struct volume_descriptor v = { .created_ns = os->now_ns(os->state) };
	int r;

	if (v.created_ns > COMMIT_TIME_MAX) /* else nothing could be after it */
		v.created_ns = COMMIT_TIME_MAX;
	r = owner_keyring(kit_owner(kit), &keys);
	if (r == 0)
		r = keyring_make_writer(keys, 1);
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the keys");
	memcpy(v.volume_id, owner_volume_id(kit_owner(kit)), VOLUME_ID_BYTES);
	memcpy(v.owner_public, owner_public(kit_owner(kit)), PUBLIC_KEY_BYTES);
	r = keys_write(os, path, keys, keeping, err);
	if (r < 0)
		return r;
	r = init_log(path, kit, keys, v.created_ns, err);
	if (r == 0)
		r = files_write_descriptor(os, path, &v, err);
	if (r < 0 && keeping && keeping->how == HF_KEY_ELSEWHERE)
		(void)os->unlink(os->state, keeping->key_file); /* of no volume */
	return r;
}

int hf_store_init(const char *path, const struct hf_kit *kit, struct hf_error *err)
{
	return hf_store_init_kept(path, kit, NULL, err);
}

int hf_store_init_kept(const char *path, const struct hf_kit *kit, const struct hf_keeping *keeping,
		       struct hf_error *err)
{
	int r = files_make_folders(os_posix(), path, err);

	if (r < 0)
		return r;
	r = init_fill(path, kit, keeping, err);
	if (r < 0)
		files_remove_unfinished(os_posix(), path);
	return r;
}
