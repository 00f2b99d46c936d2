/* SPDX-License-Identifier: MIT */
/*
 * What a person means by STORE or DIR, and asking it something whether it is mounted or at rest (layer 6).
 */
#ifndef FS_CLI_LOCATION_H
#define FS_CLI_LOCATION_H

#include "fs/cli/control.h"
#include "fs/cli/operations.h"

struct location {
	char *store; /* absolute */
	char *mount; /* where it is mounted; NULL: nowhere, or not that we can see */
	char *root;  /* what of it is there: NULL or "", all; else only a folder, this one, can be seen */
};

/*
 * `path` is a store's folder, or any path in a mount of one; NULL: the working directory when it is in a
 * mount, else the only mount there is. -ENOENT with words. Release with location_release.
 */
int location_find(const char *path, struct location *ret, struct hf_error *err);
/* Before location_find(NULL) for what changes something: -ENOENT unless one stands in a volume or a store. */
int location_check_here(struct hf_error *err);
void location_release(struct location *p); /* a zeroed one is fine */
struct mountinfo;
/* Of a mount, which is handed over; where only a folder of it is mounted, by another mount that has all, if
 * there is. */
struct location location_take_mount(struct mountinfo *m);
/* Where a path of the volume is seen in the file system; malloc'ed. NULL: nowhere, or no memory. */
char *location_path(const struct location *p, const char *path);

/* Whether a folder holds a store, its descriptor whole or not. */
bool location_is_store(const char *path);
/*
 * Words for a path that is none, named as it was `said`: a recovery under way, no right to look, nothing
 * there, or `otherwise`. -ENOENT, -EACCES.
 */
int location_no_store(const char *path, const char *said, const char *otherwise, struct hf_error *err);

/*
 * Ask (operations.h): the process that has it mounted, or the store opened here for the purpose, without its
 * replicators. A new reference, or NULL with err set.
 */
json_t *location_ask(const struct location *p, const json_t *request,
		     const struct operation_listener *listener, struct hf_error *err);

/*
 * Ask several things of one store, which is opened (to read) or connected to once. Begin, ask as often as
 * wanted, end; a zeroed one may be ended.
 */
struct location_talk {
	struct control control;
	struct hf_store *store; /* at rest; NULL: mounted */
};
int location_talk_begin(const struct location *p, struct hf_progress progress, struct location_talk *ret,
			struct hf_error *err);
json_t *location_talk_ask(struct location_talk *t, const json_t *request,
			  const struct operation_listener *listener, struct hf_error *err);
void location_talk_end(struct location_talk *t);

/* All of it at once, and the request is handed over: find, ask, release. */
json_t *location_ask_take(const char *path, json_t *request, struct hf_error *err);

#endif
