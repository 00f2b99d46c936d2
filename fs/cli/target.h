/* SPDX-License-Identifier: MIT */
/*
 * What the words behind a command name (layer 6): a file or tree of a volume, and maybe a moment.
 *
 *   PATH            in a mount, or a bind mount of a folder in one; it need not exist any more: the nearest
 * folder that does tells which mount STORE, DIR      the whole volume STORE|DIR PATH  PATH from the volume's
 * root; from DIR, when DIR is a folder in the mount nothing         the working directory when it is in a
 * mount, else the only mount there is
 *
 * The last of them may end in @MOMENT; paths below .history/at, tags and gmt mean their moment. A moment of a
 * time's or number's form is one; what could be a tag is one when the store has that tag, and else belongs to
 * the file's name, which only the store can tell (target_resolve).
 *
 * Times are read here, in the time zone of whoever asks, and go on as canonical text.
 */
#ifndef FS_CLI_TARGET_H
#define FS_CLI_TARGET_H

#include "fs/cli/location.h"
#include "holdfast/moment.h"

struct target {
	struct location location;
	char *path;      /* from the volume's root, no "/" in front or behind; "" is the root; any bytes */
	char *moment;    /* for hf_moment_find; NULL: none was said */
	bool maybe_name; /* moment may be no moment, but the end of the name: path@moment */
};

/*
 * count words (0 to 2); at: --at, or NULL; with it no @ is looked for. -ENOENT, -EINVAL with words. Release
 * with target_release.
 */
int target_of_words(int count, char *const *words, const char *at, struct target *ret, struct hf_error *err);
void target_release(struct target *t); /* a zeroed one is fine */

/* Put path, moment and maybe_name into a request. -ENOMEM. */
int target_to_request(const struct target *t, json_t *request, struct hf_error *err);

/* A moment as text that means the same in another time zone and later. malloc'ed. -EINVAL with words. */
int target_moment(const char *text, char **ret, struct hf_error *err);

/* --- for operations, next to the store: what target_to_request put in */

struct target_at {
	char *path;
	struct hf_point point;
	bool said;        /* a moment was named; else point is the head */
	bool tag_is_name; /* what followed the @ is no tag, and in path */
};
/* -ENOENT: no such moment, and the words show the nearest. Release with target_at_release. */
int target_resolve(struct hf_store *s, const json_t *request, struct target_at *ret, struct hf_error *err);
void target_at_release(struct target_at *t); /* a zeroed one is fine */

/* As hf_view_walk; -ENOENT's words name the moment nearest to the one wanted at which the path was there. */
int target_walk(struct hf_store *s, const struct target_at *t, struct hf_attr *ret, struct hf_error *err);
/* Those words alone, for what else found that a path is not there. Returns -ENOENT, or another error. */
int target_is_missing(struct hf_store *s, const struct target_at *t, struct hf_error *err);

/* --- the parts of it that look at nothing but text */

/* Where the moment of "PATH@MOMENT" begins, or NULL; *ret_maybe: it has the form of a tag. */
const char *target_split(const char *text, bool *ret_maybe);
/*
 * A path within a mount, from its root, cleaned of "", "." and "..", with .history/at/M and its like taken
 * off: *ret_moment is malloc'ed or NULL. -EINVAL: it leads out of the volume, or to a part of .history that
 * is no tree.
 */
int target_clean(const char *within, char **ret_path, char **ret_moment, struct hf_error *err);

#endif
