/* SPDX-License-Identifier: MIT */
#include "store/volume/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { PASSES = 3, MEMORY_KIB = 256 << 10 };

static const char volume_name[] = "keys/volume.key", writer_name[] = "keys/writer.key",
		  next_name[] = "keys/writer.next";

static struct hf_unlock unlock; /* set before the first store is opened (key.h) */

void hf_unlock_by(const struct hf_unlock *how)
{
	unlock = how ? *how : (struct hf_unlock){ NULL, NULL, NULL };
}

/* A buffer that has had a secret in it. */
static void wipe_buf(struct buf *b)
{
	if (b->data)
		crypto_wipe(b->data, b->cap);
	buf_release(b);
}

/* --- reading */

struct reading {
	const struct os *os;
	const char *path;
	const struct volume_descriptor *v;
	const char *name; /* of the file, for words */
};

static int check_volume_id(const struct reading *d, const uint8_t id[VOLUME_ID_BYTES], struct hf_error *err)
{
	if (crypto_equal(id, d->v->volume_id, VOLUME_ID_BYTES))
		return 0;
	return hf_error_set(
		err, -EKEYREJECTED,
		"%s is the key of another volume: put this volume's own key back, or recover into a "
		"new store with the kit",
		d->name);
}

static int decode_plain(const struct reading *d, enum key_file_kind kind, const struct buf *data,
			struct key_file *ret, struct hf_error *err)
{
	int r = key_file_decode(kind, data->data, data->len, ret, err);

	if (r < 0)
		return hf_error_prefix(err, r, "%s", d->name);
	r = check_volume_id(d, ret->volume_id, err);
	if (r < 0)
		crypto_wipe(ret, sizeof(*ret));
	return r;
}

static int decode_wrapped(const struct reading *d, enum key_file_kind kind, const struct buf *data,
			  struct key_wrapped *ret, struct hf_error *err)
{
	int r = key_wrapped_decode(kind, data->data, data->len, ret, err);

	return r < 0 ? hf_error_prefix(err, r, "%s", d->name) : check_volume_id(d, ret->volume_id, err);
}

static int open_wrapped(enum key_file_kind kind, const struct key_wrapped *k, const struct wrapper *w,
			uint8_t ret_secret[SEED_BYTES])
{
	uint8_t ad[WRAPPED_KEY_AD_BYTES];

	key_wrapped_ad(kind, k, ad);
	return wrapper_open(w, k->nonce, ad, sizeof(ad), k->sealed, ret_secret);
}

/* The wrapper of the passphrase that somebody knows. */
static int ask_passphrase(const struct reading *d, const struct key_wrapped *k, struct wrapper **ret,
			  struct hf_error *err)
{
	CLEANUP(secret_freep) char *passphrase = secret_new(PASSPHRASE_BYTES_MAX);
	ssize_t n;
	int r;

	_Static_assert(PASSPHRASE_BYTES_MAX == HF_PASSPHRASE_BYTES_MAX, "one limit");
	if (!passphrase)
		return hf_error_set(err, -ENOMEM, "no locked memory for a passphrase");
	if (!unlock.passphrase)
		return hf_error_set(err, -ENOKEY,
				    "the keys of %s are wrapped by a passphrase, and none was given",
				    d->path);
	n = unlock.passphrase(unlock.arg, d->path, passphrase, err);
	if (n < 0)
		return (int)n;
	r = wrapper_of_passphrase(passphrase, (size_t)n, &k->cost, k->salt, ret);
	if (r == -ENOMEM)
		return hf_error_set(err, r,
				    "trying a passphrase takes %" PRIu32
				    " MiB of memory, which are not to be had",
				    k->cost.memory_kib >> 10);
	return r < 0 ? hf_error_set(err, r, "a passphrase is 1 to %d bytes", PASSPHRASE_BYTES_MAX) : 0;
}

static int unwrap_volume_key(const struct reading *d, const struct buf *data, uint8_t ret_secret[SEED_BYTES],
			     struct hf_error *err)
{
	CLEANUP(wrapper_freep) struct wrapper *w = NULL;
	struct key_wrapped k;
	int r;

	r = decode_wrapped(d, KEY_FILE_VOLUME, data, &k, err);
	if (r == 0)
		r = ask_passphrase(d, &k, &w, err);
	if (r < 0)
		return r;
	if (open_wrapped(KEY_FILE_VOLUME, &k, w, ret_secret) < 0)
		return hf_error_set(err, -EKEYREJECTED,
				    "wrong passphrase: it does not open the volume key of %s", d->path);
	return 0;
}

/* Into data, what stands in the store; or what is handed in, when nothing does. */
static int fetch_volume_key(struct reading *d, struct buf *data, struct buf *full, struct hf_error *err)
{
	ssize_t n = 0;
	int r = files_read_small(d->os, d->path, volume_name, data, full, err);

	d->name = (const char *)full->data;
	if (r != -ENOENT)
		return r;
	if (buf_reserve(data, HF_KEY_FILE_BYTES_MAX) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (err)
		*err = (struct hf_error)HF_ERROR_INIT;
	if (unlock.key_file)
		n = unlock.key_file(unlock.arg, d->path, data->data, err);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return hf_error_set(err, -ENOENT,
				    "there is no %s/keys/volume.key: hand it in, or, when it is "
				    "gone, recover into a new store with the kit",
				    d->path);
	data->len = (size_t)n;
	d->name = "the volume key that was handed in";
	return 0;
}

static int read_volume_key(struct reading *d, uint8_t ret_secret[SEED_BYTES], struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	struct key_file key;
	int r = fetch_volume_key(d, &data, &full, err);

	if (r < 0)
		return r;
	if (key_file_is_wrapped(data.data, data.len))
		return unwrap_volume_key(d, &data, ret_secret, err);
	r = decode_plain(d, KEY_FILE_VOLUME, &data, &key, err);
	if (r == 0)
		memcpy(ret_secret, key.secret, SEED_BYTES);
	crypto_wipe(&key, sizeof(key));
	return r;
}

static int unwrap_writer(const struct reading *d, const struct buf *data, const struct keyring *keys,
			 struct key_file *ret, struct hf_error *err)
{
	CLEANUP(wrapper_freep) struct wrapper *w = NULL;
	uint8_t volume_key[SEED_BYTES];
	struct key_wrapped k;
	int r;

	r = decode_wrapped(d, KEY_FILE_WRITER, data, &k, err);
	if (r < 0)
		return r;
	keyring_volume_key(keys, volume_key);
	r = wrapper_of_volume_key(volume_key, &w);
	crypto_wipe(volume_key, sizeof(volume_key));
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the writer key");
	ret->epoch = k.epoch;
	if (open_wrapped(KEY_FILE_WRITER, &k, w, ret->secret) < 0)
		return hf_error_set(err, -EKEYREJECTED, "%s does not open with this volume's key", d->name);
	return 0;
}

/* Into keys, which have the volume key. -ENOENT: there is no such file. */
static int read_writer_key(struct reading *d, const char *name, struct keyring *keys, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	struct key_file key;
	int r = files_read_small(d->os, d->path, name, &data, &full, err);

	d->name = (const char *)full.data;
	if (r < 0)
		return r;
	r = key_file_is_wrapped(data.data, data.len) ? unwrap_writer(d, &data, keys, &key, err) :
						       decode_plain(d, KEY_FILE_WRITER, &data, &key, err);
	if (r == 0)
		r = keyring_set_writer(keys, key.epoch, key.secret);
	crypto_wipe(&key, sizeof(key));
	return r;
}

int files_read_keys(const struct os *os, const char *path, const struct volume_descriptor *v,
		    struct keyring **ret, struct hf_error *err)
{
	struct reading d = { os, path, v, NULL };
	CLEANUP(keyring_freep) struct keyring *keys = NULL;
	uint8_t secret[SEED_BYTES];
	int r;

	r = read_volume_key(&d, secret, err);
	if (r < 0)
		return r;
	r = keyring_new(secret, v->volume_id, &keys);
	crypto_wipe(secret, sizeof(secret));
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	r = read_writer_key(&d, writer_name, keys, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if (r < 0 && err)
		*err = (struct hf_error)HF_ERROR_INIT; /* it can be read all the same */
	*ret = TAKE_PTR(keys);
	return 0;
}

int keys_read_writer(const struct os *os, const char *path, const struct volume_descriptor *v,
		     struct keyring *keys, struct hf_error *err)
{
	struct reading d = { os, path, v, NULL };

	return read_writer_key(&d, writer_name, keys, err);
}

static int check_volume_file(struct reading *d, const struct keyring *keys, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	uint8_t secret[SEED_BYTES];
	struct key_wrapped wrapped;
	struct key_file key;
	int r = files_read_small(d->os, d->path, volume_name, &data, &full, err);

	if (r == -ENOENT)
		return 0;
	d->name = (const char *)full.data;
	if (r < 0)
		return r;
	if (key_file_is_wrapped(data.data, data.len))
		return decode_wrapped(d, KEY_FILE_VOLUME, &data, &wrapped, err);
	r = decode_plain(d, KEY_FILE_VOLUME, &data, &key, err);
	if (r < 0)
		return r;
	keyring_volume_key(keys, secret);
	if (!crypto_equal(secret, key.secret, SEED_BYTES))
		r = hf_error_set(err, -EKEYREJECTED, "%s is not the key that this volume is open with",
				 d->name);
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(&key, sizeof(key));
	return r;
}

int keys_check_files(const struct os *os, const char *path, const struct volume_descriptor *v,
		     const struct keyring *keys, struct hf_error *err)
{
	struct reading d = { os, path, v, NULL };
	CLEANUP(keyring_freep) struct keyring *own = NULL;
	uint8_t secret[SEED_BYTES];
	int r = check_volume_file(&d, keys, err);

	if (r < 0)
		return r;
	keyring_volume_key(keys, secret);
	r = keyring_new(secret, v->volume_id, &own);
	crypto_wipe(secret, sizeof(secret));
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	r = read_writer_key(&d, writer_name, own, err);
	return r == -ENOENT ? 0 : r;
}

/* --- writing */

static int seal_key(enum key_file_kind kind, struct key_wrapped *k, const struct wrapper *w,
		    const uint8_t secret[SEED_BYTES], struct buf *out)
{
	uint8_t ad[WRAPPED_KEY_AD_BYTES];

	crypto_random(k->nonce, sizeof(k->nonce));
	key_wrapped_ad(kind, k, ad);
	wrapper_seal(w, k->nonce, ad, sizeof(ad), secret, k->sealed);
	key_wrapped_encode(kind, k, out);
	return buf_status(out);
}

static int encode_wrapped_writer(const struct keyring *keys, struct buf *out)
{
	CLEANUP(wrapper_freep) struct wrapper *w = NULL;
	struct key_wrapped k = { .epoch = keyring_writer_epoch(keys) };
	uint8_t secret[SEED_BYTES];
	int r;

	memcpy(k.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	keyring_volume_key(keys, secret);
	r = wrapper_of_volume_key(secret, &w);
	if (r == 0) {
		keyring_writer_seed(keys, secret);
		r = seal_key(KEY_FILE_WRITER, &k, w, secret, out);
	}
	crypto_wipe(secret, sizeof(secret));
	return r;
}

static int encode_plain(enum key_file_kind kind, const struct keyring *keys, struct buf *out)
{
	struct key_file key = { .epoch = 0 };

	if (buf_reserve(out, KEY_FILE_BYTES) < 0) /* at once: growing would leave a part behind */
		return -ENOMEM;
	memcpy(key.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	if (kind == KEY_FILE_VOLUME) {
		keyring_volume_key(keys, key.secret);
	} else {
		key.epoch = keyring_writer_epoch(keys);
		keyring_writer_seed(keys, key.secret);
	}
	key_file_encode(kind, &key, out);
	crypto_wipe(&key, sizeof(key));
	return buf_status(out);
}

static int write_writer(const struct os *os, const char *path, const char *name, const struct keyring *keys,
			bool wrapped, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	int r;

	if (!keyring_has_writer(keys))
		return 0;
	r = wrapped ? encode_wrapped_writer(keys, &data) : encode_plain(KEY_FILE_WRITER, keys, &data);
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the writer key");
	return files_write_small(os, path, name, &data, 0600, err);
}

static int encode_by_passphrase(const struct keyring *keys, const struct hf_keeping *keeping, struct buf *out,
				struct hf_error *err)
{
	CLEANUP(wrapper_freep) struct wrapper *w = NULL;
	struct key_wrapped k = { .cost = { keeping->passes ? keeping->passes : PASSES,
					   keeping->memory_kib ? keeping->memory_kib : MEMORY_KIB } };
	uint8_t secret[SEED_BYTES];
	int r;

	memcpy(k.volume_id, keyring_volume_id(keys), VOLUME_ID_BYTES);
	crypto_random(k.salt, sizeof(k.salt));
	r = wrapper_of_passphrase(keeping->passphrase, keeping->passphrase_len, &k.cost, k.salt, &w);
	if (r == -ENOMEM)
		return hf_error_set(err, r,
				    "a passphrase takes %" PRIu32 " MiB of memory, which are not to be had",
				    k.cost.memory_kib >> 10);
	if (r < 0)
		return hf_error_set(err, r,
				    "a passphrase is 1 to %d bytes, and costs up to %d passes over %d KiB",
				    PASSPHRASE_BYTES_MAX, WRAP_PASSES_MAX, WRAP_KIB_MAX);
	keyring_volume_key(keys, secret);
	r = seal_key(KEY_FILE_VOLUME, &k, w, secret, out);
	crypto_wipe(secret, sizeof(secret));
	return r < 0 ? hf_error_set(err, r, "no memory") : 0;
}

/* It shall not be in the store any more, nor what a crash left of writing it. */
static int remove_volume_key(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf file = BUF_INIT, left = BUF_INIT, dir = BUF_INIT;
	int r;

	if (!os_join(&file, path, volume_name) || !os_join(&left, path, "keys/volume.key.new") ||
	    !os_join(&dir, path, "keys"))
		return hf_error_set(err, -ENOMEM, "no memory");
	(void)os->unlink(os->state, (const char *)left.data);
	r = os->unlink(os->state, (const char *)file.data);
	if (r == 0)
		r = os->sync_dir(os->state, (const char *)dir.data);
	return r < 0 && r != -ENOENT ?
		       hf_error_set(err, r, "cannot remove %s: %s", (const char *)file.data, strerror(-r)) :
		       0;
}

static int write_plain_volume_key(const struct os *os, const char *path, const struct keyring *keys,
				  struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;

	if (encode_plain(KEY_FILE_VOLUME, keys, &data) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	return files_write_small(os, path, volume_name, &data, 0600, err);
}

/* To key_file: by the passphrase, if there is one; else as it is in the store; of a new store, plain. */
static int move_volume_key(const struct os *os, const char *path, const struct keyring *keys,
			   const struct hf_keeping *keeping, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	int r;

	if (keeping->passphrase)
		r = encode_by_passphrase(keys, keeping, &data, err);
	else
		r = files_read_small(os, path, volume_name, &data, &full, err);
	if (r == -ENOENT)
		r = encode_plain(KEY_FILE_VOLUME, keys, &data);
	if (r == 0)
		r = files_write_new(os, keeping->key_file, &data, err);
	return r < 0 ? r : remove_volume_key(os, path, err);
}

int keys_write(const struct os *os, const char *path, const struct keyring *keys,
	       const struct hf_keeping *keeping, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	int r;

	if (!keeping || keeping->how == HF_KEY_PLAIN) {
		r = write_plain_volume_key(os, path, keys, err);
		return r < 0 ? r : write_writer(os, path, writer_name, keys, false, err);
	}
	if (keeping->how == HF_KEY_PASSPHRASE) {
		r = encode_by_passphrase(keys, keeping, &data, err);
		if (r == 0)
			r = write_writer(os, path, writer_name, keys, true, err);
		return r < 0 ? r : files_write_small(os, path, volume_name, &data, 0600, err);
	}
	r = write_writer(os, path, writer_name, keys, true, err);
	return r < 0 ? r : move_volume_key(os, path, keys, keeping, err);
}

int files_write_keys(const struct os *os, const char *path, const struct keyring *keys, struct hf_error *err)
{
	return keys_write(os, path, keys, NULL, err);
}

/* --- the writer of an epoch that is being begun */

int keys_write_next(const struct os *os, const char *path, const struct keyring *keys, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	int r = files_read_small(os, path, volume_name, &data, &full, err);

	if (r < 0 && r != -ENOENT)
		return r;
	return write_writer(os, path, next_name, keys,
			    r == -ENOENT || key_file_is_wrapped(data.data, data.len), err);
}

int keys_read_next(const struct os *os, const char *path, const struct volume_descriptor *v,
		   struct keyring *keys, struct hf_error *err)
{
	struct reading d = { os, path, v, NULL };

	return read_writer_key(&d, next_name, keys, err);
}

int keys_take_next(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf next = BUF_INIT, file = BUF_INIT, dir = BUF_INIT;
	int r;

	if (!os_join(&next, path, next_name) || !os_join(&file, path, writer_name) ||
	    !os_join(&dir, path, "keys"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->rename(os->state, (const char *)next.data, (const char *)file.data);
	if (r == 0)
		r = os->sync_dir(os->state, (const char *)dir.data);
	return r < 0 ? hf_error_set(err, r, "cannot rename %s to %s: %s", (const char *)next.data,
				    (const char *)file.data, strerror(-r)) :
		       0;
}

/* What a rekey that was cut short left is a writer key too, maybe the one that the log names by now. */
static int wrap_next(const struct os *os, const char *path, const struct volume_descriptor *v,
		     const struct keyring *keys, struct hf_error *err)
{
	CLEANUP(keyring_freep) struct keyring *own = NULL;
	uint8_t secret[SEED_BYTES];
	int r;

	keyring_volume_key(keys, secret);
	r = keyring_new(secret, v->volume_id, &own);
	crypto_wipe(secret, sizeof(secret));
	if (r < 0)
		return hf_error_set(err, r, "no locked memory for the volume key");
	r = keys_read_next(os, path, v, own, err);
	if (r == 0)
		return write_writer(os, path, next_name, own, true, err);
	if (r == -ENOENT && err)
		*err = (struct hf_error)HF_ERROR_INIT;
	return r == -ENOENT ? 0 : r;
}

/* --- the public questions */

int hf_key_kept(const char *path, struct hf_key_info *ret, struct hf_error *err)
{
	CLEANUP(wipe_buf) struct buf data = BUF_INIT;
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	struct volume_descriptor v;
	struct reading d = { os_posix(), path, &v, NULL };
	struct key_wrapped k = { .epoch = 0 };
	int r = crypto_init() < 0 ? hf_error_set(err, -EIO, "the system gives no random bytes") :
				    files_read_descriptor(d.os, path, &v, err);

	if (r < 0)
		return r;
	r = files_read_small(d.os, path, volume_name, &data, &full, err);
	d.name = (const char *)full.data;
	if (r == -ENOENT) {
		*ret = (struct hf_key_info){ .how = HF_KEY_ELSEWHERE };
		if (err)
			*err = (struct hf_error)HF_ERROR_INIT;
		return 0;
	}
	if (r == 0 && key_file_is_wrapped(data.data, data.len)) {
		r = decode_wrapped(&d, KEY_FILE_VOLUME, &data, &k, err);
		if (r == 0)
			*ret = (struct hf_key_info){ HF_KEY_PASSPHRASE, k.cost.passes, k.cost.memory_kib };
		return r;
	}
	if (r == 0)
		*ret = (struct hf_key_info){ .how = HF_KEY_PLAIN };
	return r;
}

int hf_key_keep(const char *path, const struct hf_keeping *keeping, struct hf_error *err)
{
	CLEANUP(keyring_freep) struct keyring *keys = NULL;
	CLEANUP(cleanup_fd) int lock = -1;
	struct volume_descriptor v;
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	r = files_read_descriptor(os_posix(), path, &v, err);
	if (r < 0)
		return r;
	lock = files_lock(path, "changing how its keys are kept", 0, NULL, err);
	if (lock < 0)
		return lock;
	r = files_read_keys(os_posix(), path, &v, &keys, err);
	if (r == 0 && keeping && keeping->how != HF_KEY_PLAIN)
		r = wrap_next(os_posix(), path, &v, keys, err);
	return r < 0 ? r : keys_write(os_posix(), path, keys, keeping, err);
}
