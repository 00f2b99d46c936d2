/* SPDX-License-Identifier: MIT */
/* Which stores are mounted where: the kernel's list, /proc/self/mountinfo (layer 6). */
#ifndef FS_CLI_MOUNTINFO_H
#define FS_CLI_MOUNTINFO_H

struct mountinfo {
	char *dir;   /* where */
	char *root;  /* what of the volume is there: "", or, of a bind mount of a folder, its path in the
			volume */
	char *store; /* what, as the mount named itself */
};

/*
 * The innermost holdfast mount that `path` (absolute) is in or is; path NULL: that of the only store that is
 * mounted. 0, -ENOENT (none), -ENOTUNIQ (path NULL and several). Release with mountinfo_release.
 */
int mountinfo_find(const char *path, struct mountinfo *ret);
/* Where a store is mounted: all of it, rather than a folder. -ENOENT. */
int mountinfo_find_store(const char *store, struct mountinfo *ret);
/* The path, from the volume's root, of what is at `path` (absolute, in the mount); malloc'ed, NULL without
 * memory. */
char *mountinfo_within(const struct mountinfo *m, const char *path);
void mountinfo_release(struct mountinfo *m); /* a zeroed one is fine */

#endif
