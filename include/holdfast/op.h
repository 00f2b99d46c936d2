/* SPDX-License-Identifier: MIT */
/*
 * Changing the live tree: one call, one operation, one moment. Each returns 0 (or a count) when the change is
 * done in memory and will be committed (store.h, durability), or a negative errno and then nothing at all was
 * changed.
 *
 * Permissions are not checked (see view.h); what is checked is what a file system must: existence, types,
 * emptiness, loops, limits, room. Errors common to all: -EROFS (read-only store), -EIO (an earlier commit
 * failed), -ENOSPC (no room; removing still works), -ENOMEM, -EMFILE and -ENFILE (much is under way, and no
 * descriptors for the log just now), -ESTALE. Times POSIX asks for are set to the operation's own. A call
 * waits only when more data is under way to the disk than the store keeps in memory (an eighth of
 * cache_bytes, 16 to 64 MiB), never for a disk or a replica otherwise.
 *
 * `struct hf_attr *ret` outputs may be NULL.
 */
#ifndef HOLDFAST_OP_H
#define HOLDFAST_OP_H

#include "holdfast/view.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Who does it: owner of what is made, and whether setgid survives. The caller has checked what he may. */
struct hf_cred {
	uint32_t uid, gid;
};

/*
 * On whose behalf this thread's calls are from now on, as setfsuid(2) is of a thread: the log keeps it with
 * each operation (history.h). Until the first call, and with HF_UID_UNKNOWN: not known. It gives and takes no
 * right.
 */
#define HF_UID_UNKNOWN UINT32_MAX
void hf_act_for(uint32_t uid);

/*
 * Make anything that has a name: mode's type says what (0 or S_IFREG, S_IFDIR, S_IFLNK with target, S_IFIFO,
 * S_IFSOCK, S_IFCHR and S_IFBLK with rdev). The parent's setgid bit gives its group (and, to a directory, the
 * bit); the parent's default ACL is inherited, else mode is taken less umask. -EEXIST, -ENOENT (parent is
 * gone), -ENOTDIR, -ENAMETOOLONG, -EINVAL.
 */
int hf_create(struct hf_store *s, uint64_t parent, const char *name, uint32_t mode, uint32_t umask,
	      uint64_t rdev, const char *target, const struct hf_cred *cred, struct hf_attr *ret,
	      struct hf_error *err);

/*
 * A regular file without a name (O_TMPFILE), in the care of the caller: it comes with one reference (hf_ref).
 * -ENOENT: parent is gone, or removed.
 */
int hf_create_nameless(struct hf_store *s, uint64_t parent, uint32_t mode, uint32_t umask,
		       const struct hf_cred *cred, struct hf_attr *ret, struct hf_error *err);

/* -EPERM (a directory), -EMLINK, -EEXIST, -ENOENT (unlinked, and not one of O_TMPFILE's). */
int hf_link(struct hf_store *s, uint64_t ino, uint64_t parent, const char *name, struct hf_attr *ret,
	    struct hf_error *err);

/* ret_ino (may be NULL): which inode the name was of. -ENOENT, -EISDIR / -ENOTDIR, -ENOTEMPTY. */
int hf_unlink(struct hf_store *s, uint64_t parent, const char *name, uint64_t *ret_ino, struct hf_error *err);
int hf_rmdir(struct hf_store *s, uint64_t parent, const char *name, uint64_t *ret_ino, struct hf_error *err);

/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE of rename(2); RENAME_WHITEOUT is -EINVAL. */
int hf_rename(struct hf_store *s, uint64_t parent, const char *name, uint64_t new_parent,
	      const char *new_name, unsigned flags, struct hf_error *err);

enum hf_setattr_mask {
	HF_SET_MODE = 1,
	HF_SET_UID = 2,
	HF_SET_GID = 4,
	HF_SET_SIZE = 8,
	HF_SET_ATIME = 16,
	HF_SET_MTIME = 32,
	HF_SET_CTIME = 64,
	HF_SET_ATIME_NOW = 1024,
	HF_SET_MTIME_NOW = 2048,
	HF_SET_KILL_PRIV = 4096, /* clear setuid, setgid (when group-executable) and security.capability */
};
struct hf_setattr {
	unsigned mask;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
	uint64_t size_bytes;
	struct timespec atime, mtime, ctime;
};
/*
 * A mode change carries over to the access ACL's mask. A length that cuts off more than 1 GiB that is no
 * hole, and leaves more than that, is set when what it cuts off has been punched, in steps as by
 * hf_fallocate. -EISDIR, -EINVAL (size of what has none), -EFBIG.
 */
int hf_setattr(struct hf_store *s, uint64_t ino, const struct hf_setattr *change, struct hf_attr *ret,
	       struct hf_error *err);

/* All of len (at most 16 MiB) or nothing. -EFBIG, -EINVAL. Returns len. */
enum { HF_WRITE_KILL_PRIV = 1 };
ssize_t hf_write(struct hf_store *s, uint64_t ino, uint64_t offset, const void *data, size_t len,
		 unsigned flags, struct hf_error *err);

/*
 * mode: FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE of fallocate(2); others -EOPNOTSUPP.
 * More than 64 MiB are allocated or zeroed in steps, each an operation, and so is punched what is more and no
 * hole; whether there is room for all is seen first. What fails on the way leaves the steps before it done.
 */
int hf_fallocate(struct hf_store *s, uint64_t ino, int mode, uint64_t offset, uint64_t len, unsigned flags,
		 struct hf_error *err);

/*
 * Metadata only: the destination names the same chunks. May copy less than len (the source's end; 64 MiB that
 * are no holes, up to a multiple of 4 KiB in the destination). Overlap in one file: -EINVAL.
 */
ssize_t hf_copy_range(struct hf_store *s, uint64_t src_ino, uint64_t src_offset, uint64_t ino,
		      uint64_t offset, size_t len, unsigned flags, struct hf_error *err);

/*
 * Metadata only: from `offset` on (rounded down to 64 KiB) make the file's bytes those that a file had at a
 * moment, in one operation at most, which names their chunks. Returns up to where they are the same now; the
 * end of what was, when there is no more to do: then the length is for the caller to set (hf_setattr), for
 * what ends with a hole may still be shorter. Commits first when what was is not yet chunks. -ENODATA: a
 * chunk of it was given up (prune.h) or found damaged, and may not be named again; hf_view_read may still
 * have the bytes.
 */
int64_t hf_copy_past(const struct hf_view *src, uint64_t src_ino, uint64_t ino, uint64_t offset,
		     struct hf_error *err);

/*
 * flags: XATTR_CREATE, XATTR_REPLACE of setxattr(2). Names in user., trusted., security. and the two POSIX
 * ACLs in system.; an access ACL also sets the mode (kill_sgid: clear setgid with it). -EEXIST, -ENODATA,
 * -EOPNOTSUPP, -EINVAL, -E2BIG, -ERANGE.
 */
int hf_setxattr(struct hf_store *s, uint64_t ino, const char *name, const void *value, size_t len, int flags,
		int kill_sgid, struct hf_error *err);
/* -ENODATA: it is not there, but for an ACL, of which there is then nothing to remove. */
int hf_removexattr(struct hf_store *s, uint64_t ino, const char *name, struct hf_error *err);

/*
 * Everything done to this inode (in fact: to any) before the call is durable when it returns 0, and with
 * hf_open_options.sync_receipts acknowledged by so many replicas. -EIO: it is not; or, as the words say, it
 * is durable here and the receipts did not come in time: they may come later.
 */
int hf_fsync(struct hf_store *s, uint64_t ino, struct hf_error *err);

/*
 * Who may still read and write an unlinked file: an inode with references stays after its last name is gone,
 * until the last hf_unref; then (or at the next open, after a crash) it is reaped. References are the mount's
 * lookup counts. Cheap.
 */
void hf_ref(struct hf_store *s, uint64_t ino, uint64_t count);
void hf_unref(struct hf_store *s, uint64_t ino, uint64_t count);

/*
 * Name a moment (HF_TID_HEAD: now), or take a name away. O(1). -EEXIST, -ENOENT, -EINVAL (not a tag's form,
 * or a moment's: 2h, 2026, now).
 */
int hf_tag(struct hf_store *s, const char *name, uint64_t tid, struct hf_error *err);
int hf_untag(struct hf_store *s, const char *name, struct hf_error *err);

#ifdef __cplusplus
}
#endif
#endif
