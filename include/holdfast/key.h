/* SPDX-License-Identifier: MIT */
/*
 * How the keys of a store are kept (docs/FORMAT.md §4.3): plain in it, readable by its owner; wrapped by a
 * passphrase; or with the volume key in a file somewhere else, which is handed in when the store is opened.
 */
#ifndef HOLDFAST_KEY_H
#define HOLDFAST_KEY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "holdfast/replica.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HF_PASSPHRASE_BYTES_MAX 1024
#define HF_KEY_FILE_BYTES_MAX 256

/*
 * Whom to ask for what a store does not have. Both are called from within whatever opens a store
 * (hf_store_open, hf_store_check, hf_replica_add, hf_key_keep …), in its thread, and only when the store
 * needs it.
 */
struct hf_unlock {
	/*
	 * The passphrase of the store at `path`, without a line end, into `ret`, which is guarded memory and
	 * wiped afterwards. How many bytes, 1 to HF_PASSPHRASE_BYTES_MAX; or negative, with words. NULL:
	 * nobody knows one.
	 */
	ssize_t (*passphrase)(void *arg, const char *path, char ret[HF_PASSPHRASE_BYTES_MAX],
			      struct hf_error *err);
	/* The bytes of a volume key file that is kept elsewhere: how many; 0: there is none; or negative. */
	ssize_t (*key_file)(void *arg, const char *path, uint8_t ret[HF_KEY_FILE_BYTES_MAX],
			    struct hf_error *err);
	void *arg;
};

/* For the whole process, before the first store is opened. Copied; NULL: nobody is asked. */
void hf_unlock_by(const struct hf_unlock *how);

enum hf_key_kept {
	HF_KEY_PLAIN,      /* in the store, mode 0600 */
	HF_KEY_PASSPHRASE, /* in the store, wrapped */
	HF_KEY_ELSEWHERE,  /* not in the store */
};

/* How keys are to be kept. */
struct hf_keeping {
	enum hf_key_kept how;
	const char *passphrase; /* HF_KEY_PASSPHRASE, or (may be NULL) HF_KEY_ELSEWHERE; not terminated */
	size_t passphrase_len;
	uint32_t passes, memory_kib; /* what Argon2id costs; 0: 3 passes, 256 MiB */
	/*
	 * HF_KEY_ELSEWHERE: where the key file goes. It must not be there, and is made with mode 0600.
	 * Without a passphrase it is wrapped if it was so in the store.
	 */
	const char *key_file;
};

struct hf_key_info {
	enum hf_key_kept how;
	uint32_t passes, memory_kib; /* HF_KEY_PASSPHRASE */
};
/* Asks nobody, and works while the store is open elsewhere. -ENOENT: no store; -EUCLEAN, -EPROTONOSUPPORT. */
int hf_key_kept(const char *path, struct hf_key_info *ret, struct hf_error *err);

/* hf_store_init (store.h) with keys kept so from the first byte on. NULL: plain. */
int hf_store_init_kept(const char *path, const struct hf_kit *kit, const struct hf_keeping *keeping,
		       struct hf_error *err);

/* hf_recover_held (replica.h) likewise: plain, or by a passphrase. */
int hf_recover_kept(const char *place, const struct hf_kit *kit, const char *path,
		    const struct hf_heads *heads, const struct hf_keeping *keeping,
		    const struct hf_progress *progress, struct hf_recovery *ret, struct hf_error *err);

/*
 * Keep the keys of a store at rest another way, or under another passphrase. Durable when 0 is returned, and
 * after a crash the store opens in the one way or the other. What was plain may still be found on the disk by
 * who looks for it there. -EKEYREJECTED: not the passphrase; -ENOKEY: nobody knew it, or where the key is;
 * -EEXIST: key_file is there; -EBUSY: the store is open; -EINVAL: an empty or too long passphrase.
 */
int hf_key_keep(const char *path, const struct hf_keeping *keeping, struct hf_error *err);

/*
 * End the present epoch of a store at rest, by the owner key: a new writer key, in the form the old one is
 * kept in, and a certificate that is given to every replica of the store. `told` hears of each in turn: err
 * NULL, it took it; else why not. A folder or a bucket is shipped the log up to there, which may take
 * long.
 *
 * With `retry` no epoch is begun: the certificate of the present one is given to them once more.
 *
 * Returns how many replicas did not take it, or negative when nothing was begun. -EKEYREJECTED: the kit is
 * another volume's; -EBUSY: the store is open. Cut short, it is to be called again, without `retry`, until it
 * returns. No passphrase is asked for: the kit says more.
 */
struct hf_rekey {
	uint32_t epoch; /* that is the present one now */
	size_t replicas, refused;
};
/* What refuses the old key there from now on. */
enum hf_rekey_kind { HF_REKEY_NODE, HF_REKEY_FOLDER, HF_REKEY_BUCKET };
struct hf_rekey_told {
	void (*replica)(void *arg, const char *name, enum hf_rekey_kind kind, const struct hf_error *err);
	void *arg;
};
int hf_rekey(const char *path, const struct hf_kit *kit, int retry, const struct hf_rekey_told *told,
	     struct hf_rekey *ret, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
