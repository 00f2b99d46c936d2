/* SPDX-License-Identifier: MIT */
/* Which stores are mounted where: the kernel's list, /proc/self/mountinfo (layer 6). */
#ifndef FS_CLI_MOUNTINFO_H
#define FS_CLI_MOUNTINFO_H

struct mountinfo {
	char *dir;   /* where */
	char *store; /* what, as the mount named itself */
};

/*
 * The innermost holdfast mount that `path` (absolute) is in or is; path NULL: the only one there is. 0,
 * -ENOENT (none), -ENOTUNIQ (path NULL and several). Release with mountinfo_release.
 */
int mountinfo_find(const char *path, struct mountinfo *ret);
/* Where a store is mounted. -ENOENT. */
int mountinfo_find_store(const char *store, struct mountinfo *ret);
void mountinfo_release(struct mountinfo *m); /* a zeroed one is fine */

#endif
