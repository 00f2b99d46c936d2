/* SPDX-License-Identifier: MIT */
/*
 * Where this process has passphrases and volume keys from (layer 6; holdfast/key.h): what was said on the
 * command line or as a mount option, else the terminal, else (a volume key only) a credential that systemd
 * handed over.
 *
 *   --passphrase-fd N       the passphrase: one line read from descriptor N
 *   --key-fd N              the volume key: a key file read from descriptor N
 *   --key-file FILE         … or from FILE
 *   $CREDENTIALS_DIRECTORY/holdfast-key
 *
 * A volume key is asked for only by a store that has none, a passphrase only by one whose key is wrapped.
 * Never the environment: every process of the user can read that.
 */
#ifndef FS_CLI_UNLOCK_H
#define FS_CLI_UNLOCK_H

#include "fs/cli/secret.h"

#define UNLOCK_USAGE                                         \
	"  --passphrase-fd N, --key-fd N, --key-file FILE\n" \
	"                     the store's passphrase or volume key (see holdfast key --help)\n"

/*
 * Take the options above out of argv, wherever they stand, and answer hf_unlock_by with them. `allowed`
 * false: none may be there. Negative: an error that has been said.
 */
int unlock_begin(int *argc, char **argv, bool allowed);

/* The same three from a list of mount options ("passphrase-fd=3"), which is shortened in place. */
int unlock_take_options(char *options, struct hf_error *err);

/*
 * Have everything that opening this store will ask for, as long as there is a terminal and descriptors:
 * before going to the background.
 */
int unlock_prepare(const char *store, struct hf_error *err);

/* Forget all. */
void unlock_end(void);

/*
 * A new passphrase for a store: from descriptor fd, or (negative) asked for twice on the terminal. What is
 * given is remembered as the store's when `remember`.
 */
int unlock_new_passphrase(int fd, const char *store, bool remember, struct secret *ret, struct hf_error *err);
/* As if --key-file had been given: for a command that has just written it. */
int unlock_use_key_file(const char *path, struct hf_error *err);
/* --passphrase-fd, for a command that makes a store; -1 when it was not given. */
int unlock_passphrase_fd(void);
/* A descriptor's number. Negative: it is none, and that is said. */
int unlock_parse_fd(const char *text, struct hf_error *err);

#endif
