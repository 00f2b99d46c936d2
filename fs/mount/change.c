/* SPDX-License-Identifier: MIT */
/*
 * Requests that change the live tree. The past answers EROFS, to root as well. What the kernel remembers is
 * put right by the replies, but for the mode of a file whose setuid or setgid bit a write took away: those
 * attributes are dropped before the reply. What answers to others may still put wrong: stale.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/mount/mount_internal.h"

enum { WORTH_CUTTING_BYTES = 1 << 20 };

/* The root's name for the past is not anybody's to make, remove or replace. */
static bool is_reserved(uint64_t parent, const char *name)
{
	return parent == HF_ROOT_INO && strcmp(name, HISTORY_NAME) == 0;
}

/*
 * What -o sync asks, and, of names, -o dirsync, is done before the reply: the kernel leaves it to us for all
 * but writes. Returns r, or why what was done is not durable.
 */
static int durable(struct mount *m, int r, bool of_names)
{
	if (r < 0 || !(m->options->sync || (of_names && m->options->dirsync)))
		return r;
	return hf_fsync(m->store, HF_ROOT_INO, NULL);
}

/*
 * The same of what was done to an inode. Where it was done and is not durable, the answer is an error; the
 * kernel then takes it that nothing was done, so it has to ask again.
 */
static int durable_inode(struct mount *m, int r, uint64_t ino)
{
	int code = durable(m, r, false);

	if (r >= 0 && code < 0)
		forget_node(m, ino);
	return code;
}

/* … and to a name. ino: what it leads to or did; 0: not known to the kernel. */
static int durable_name(struct mount *m, int r, uint64_t parent, const char *name, uint64_t ino)
{
	int code = durable(m, r, true);

	if (r >= 0 && code < 0) {
		forget_name(m, parent, name);
		if (ino)
			forget_node(m, ino);
	}
	return code;
}

/* What a name leads to, for durable_name: 0 where nobody will ask, or nothing. */
static uint64_t leads_to(struct mount *m, uint64_t parent, const char *name)
{
	struct hf_attr attr;

	if (!m->options->sync && !m->options->dirsync)
		return 0;
	return hf_view_lookup(&m->head, parent, name, &attr, NULL) == 0 ? attr.ino : 0;
}

/* The past and the present are two file systems, as far as moving and linking go. 0: both are the present. */
static int worlds_status(uint64_t from, uint64_t to)
{
	if (node_id_is_live(from) != node_id_is_live(to))
		return -EXDEV;
	return node_id_is_live(from) ? 0 : -EROFS;
}

/* 0 when `name` in `parent` may be changed. */
static int name_status(uint64_t parent, const char *name)
{
	if (!node_id_is_live(parent))
		return -EROFS;
	return is_reserved(parent, name) ? -EPERM : 0;
}

static struct hf_cred cred_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct hf_cred){ ctx->uid, ctx->gid };
}

static void reply_made(fuse_req_t req, const struct hf_attr *attr)
{
	struct node node = { .kind = NODE_LIVE, .ino = attr->ino };

	reply_entry(req, &node, attr, FOREVER_S);
}

static void make(fuse_req_t req, uint64_t parent, const char *name, uint32_t mode, uint64_t rdev,
		 const char *target)
{
	struct hf_cred cred = cred_of(req);
	struct hf_attr attr;
	int r = name_status(parent, name);

	if (r == 0)
		r = hf_create(mount_of(req)->store, parent, name, mode, fuse_req_ctx(req)->umask, rdev,
			      target, &cred, &attr, NULL);
	if (r == 0)
		stale_changed(mount_of(req), parent);
	r = durable_name(mount_of(req), r, parent, name, 0);
	if (r < 0)
		reply_code(req, r);
	else
		reply_made(req, &attr);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	make(req, parent, name, mode, rdev, NULL);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make(req, parent, name, S_IFDIR | (mode & 07777), 0, NULL);
}

void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make(req, parent, name, S_IFLNK | 0777, 0, target);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct hf_attr attr;
	int r = worlds_status(ino, parent);

	if (r == 0)
		r = name_status(parent, name);
	if (r == 0)
		r = hf_link(mount_of(req)->store, ino, parent, name, &attr, NULL);
	if (r == 0)
		stale_changed(mount_of(req), parent);
	r = durable_name(mount_of(req), r, parent, name, ino);
	if (r < 0)
		reply_code(req, r);
	else
		reply_made(req, &attr);
}

void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	int r = name_status(parent, name);
	uint64_t ino = 0;

	if (r == 0)
		r = hf_unlink(m->store, parent, name, &ino, NULL);
	if (r == 0)
		stale_changed(m, parent);
	reply_code(req, durable_name(m, r, parent, name, ino));
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	int r = name_status(parent, name);
	uint64_t ino = 0;

	if (r == 0)
		r = hf_rmdir(m->store, parent, name, &ino, NULL);
	if (r == 0)
		stale_changed(m, parent);
	reply_code(req, durable_name(m, r, parent, name, ino));
}

/* What has moved, by the name it has now. */
static void moved(struct mount *m, uint64_t parent, const char *name)
{
	struct hf_attr attr;

	stale_changed(m, parent);
	if (hf_view_lookup(&m->head, parent, name, &attr, NULL) == 0)
		stale_changed(m, attr.ino);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
	       const char *new_name, unsigned flags)
{
	struct mount *m = mount_of(req);
	int r = worlds_status(parent, new_parent);
	uint64_t from = 0, to = 0;
	int code;

	if (r == 0)
		r = name_status(parent, name);
	if (r == 0)
		r = name_status(new_parent, new_name);
	if (r == 0) {
		from = leads_to(m, parent, name);
		to = leads_to(m, new_parent, new_name);
		r = hf_rename(m->store, parent, name, new_parent, new_name, flags, NULL);
	}
	if (r == 0) {
		moved(m, new_parent, new_name);
		if (flags & RENAME_EXCHANGE)
			moved(m, parent, name);
		else if (parent != new_parent)
			stale_changed(m, parent);
	}
	code = durable_name(m, r, parent, name, from);
	if (r == 0 && code < 0) {
		forget_name(m, new_parent, new_name);
		if (to)
			forget_node(m, to);
	}
	reply_code(req, code);
}

static bool in_group(fuse_req_t req, gid_t gid)
{
	gid_t few[32], *groups = few;
	bool found = fuse_req_ctx(req)->gid == gid;
	int n = found ? 0 : fuse_req_getgroups(req, 32, few);

	if (n > 32) {
		groups = calloc((size_t)n, sizeof(*groups));
		n = groups ? fuse_req_getgroups(req, n, groups) : 0;
	}
	for (int k = 0; k < n && !found; k++)
		found = groups[k] == gid;
	if (groups != few)
		free(groups);
	return found;
}

static bool lacks_fsetid(fuse_req_t req)
{
	return fuse_req_ctx(req)->uid != 0;
}

/* The same of a WRITE or SETATTR, which tells it if clearing is left to us. */
static bool lacks_fsetid_as(fuse_req_t req, bool told)
{
	return mount_of(req)->kills_priv ? told : lacks_fsetid(req);
}

/*
 * Whether contents that `kill` says are written without the right to keep setuid and setgid have such a bit
 * to lose: then the kernel's copy of the mode must go. The kernel knows the right (CAP_FSETID) and tells it
 * with WRITE and SETATTR, if it leaves clearing to us; FALLOCATE and COPY_FILE_RANGE do not carry it. Where
 * it is not told, anybody but root is taken to lack it: a bit too many is cleared then, never one too few.
 *
 * The operation itself clears setuid, and setgid that is for execution. Setgid without it is a mark that
 * members of the group keep and others lose, as on other file systems; who is a member only the mount can
 * ask, so it is taken away here, before.
 */
static bool loses_bits(fuse_req_t req, uint64_t ino, bool kill)
{
	struct hf_setattr change = { .mask = HF_SET_MODE };
	struct mount *m = mount_of(req);
	struct hf_attr attr;

	if (!kill || hf_view_getattr(&m->head, ino, &attr, NULL) < 0 || !(attr.mode & (S_ISUID | S_ISGID)))
		return false;
	change.mode = attr.mode & 07777 & ~(unsigned)S_ISGID;
	if ((attr.mode & (S_ISGID | S_IXGRP)) == S_ISGID && S_ISREG(attr.mode) && !in_group(req, attr.gid))
		(void)hf_setattr(m->store, ino, &change, NULL, NULL);
	return true;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	static const struct {
		int fuse;
		unsigned mask;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, HF_SET_MODE },
		{ FUSE_SET_ATTR_UID, HF_SET_UID },
		{ FUSE_SET_ATTR_GID, HF_SET_GID },
		{ FUSE_SET_ATTR_SIZE, HF_SET_SIZE },
		{ FUSE_SET_ATTR_ATIME, HF_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, HF_SET_MTIME },
		{ FUSE_SET_ATTR_CTIME, HF_SET_CTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, HF_SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, HF_SET_MTIME_NOW },
		{ FUSE_SET_ATTR_KILL_SUID, HF_SET_KILL_PRIV }, /* the wire's FATTR_KILL_SUIDGID */
	};
	struct hf_setattr change = {
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size_bytes = (uint64_t)st->st_size,
		.atime = st->st_atim,
		.mtime = st->st_mtim,
		.ctime = st->st_ctim,
	};
	struct node node = { .kind = NODE_LIVE, .ino = ino };
	struct mount *m = mount_of(req);
	struct hf_attr attr;
	bool kill;
	int r;

	(void)fi;
	if (!node_id_is_live(ino))
		return reply_code(req, -EROFS);
	if (refresh_setattr(req, ino, to_set))
		return;
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (to_set & bits[i].fuse)
			change.mask |= bits[i].mask;
	kill = change.mask & HF_SET_SIZE && lacks_fsetid_as(req, change.mask & HF_SET_KILL_PRIV);
	if (kill &&
	    !m->kills_priv) /* the kernel's way to clear is a mode, and it misses a bit: have it our way */
		change.mask = (change.mask & ~(unsigned)HF_SET_MODE) | HF_SET_KILL_PRIV;
	(void)loses_bits(req, ino, kill);
	r = durable_inode(m, hf_setattr(m->store, ino, &change, &attr, NULL), ino);
	if (r < 0)
		reply_code(req, r);
	else
		reply_attr(req, &node, &attr);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct hf_error err = HF_ERROR_INIT;
	bool kill = lacks_fsetid_as(req, wire_write_kills_priv()), loses;
	ssize_t n;

	if (!node_id_is_live(ino)) {
		/* A shared mapping was written to: the page must not stay as it is. */
		if (fi->writepage)
			forget_node(m, ino);
		return reply_code(req, -EROFS);
	}
	loses = loses_bits(req, ino, kill);
	n = hf_write(m->store, ino, (uint64_t)off, data, size, kill ? HF_WRITE_KILL_PRIV : 0, &err);
	if (n < 0) {
		reply_errno(req, mount_fault((int)n, &err, "writing", ino));
		return;
	}
	if (loses)
		mount_drop_attr(m, ino);
	tally_written((size_t)n);
	fuse_reply_write(req, (size_t)n);
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	bool kill = lacks_fsetid(req), loses;
	int r;

	(void)fi;
	if (!node_id_is_live(ino))
		return reply_code(req, -EROFS);
	loses = loses_bits(req, ino, kill);
	r = hf_fallocate(m->store, ino, mode, (uint64_t)off, (uint64_t)len, kill ? HF_WRITE_KILL_PRIV : 0,
			 NULL);
	if (r == 0 && loses)
		mount_drop_attr(m, ino);
	else if (r == 0)
		stale_changed(m, ino);
	reply_code(req, durable_inode(m, r, ino));
}

/*
 * After a copy the kernel drops whole pages of the destination. In one that was copied into in part, that
 * would lose what somebody stores in the rest through a mapping meanwhile; so only whole pages are copied,
 * and what ends the file. -EOPNOTSUPP: the kernel then reads and writes instead, all of it; a copy that is
 * not short ends earlier, and who goes on has the kernel do the rest.
 */
static int cut_to_pages(struct mount *m, uint64_t in, uint64_t in_off, uint64_t out, uint64_t out_off,
			size_t *len)
{
	struct hf_attr from, to;
	size_t rest;
	int r = hf_view_getattr(&m->head, in, &from, NULL);

	if (r == 0)
		r = hf_view_getattr(&m->head, out, &to, NULL);
	if (r < 0)
		return r;
	if (in_off >= from.size_bytes) /* nothing, or why not */
		return 0;
	if (out_off % PAGE_BYTES)
		return -EOPNOTSUPP;
	if (*len > from.size_bytes - in_off)
		*len = (size_t)(from.size_bytes - in_off);
	rest = (size_t)((out_off + *len) % PAGE_BYTES);
	if (rest == 0 || out_off + *len >= to.size_bytes)
		return 0;
	*len -= rest;
	return *len >= WORTH_CUTTING_BYTES ? 0 : -EOPNOTSUPP;
}

/* From the past, EXDEV: the same. */
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_off, struct fuse_file_info *in_fi,
			fuse_ino_t out, off_t out_off, struct fuse_file_info *out_fi, size_t len, int flags)
{
	struct mount *m = mount_of(req);
	bool kill = lacks_fsetid(req), loses;
	ssize_t n;

	(void)in_fi;
	(void)out_fi;
	(void)flags;
	if (!node_id_is_live(out))
		return reply_code(req, -EROFS);
	if (!node_id_is_live(in))
		return reply_code(req, -EXDEV);
	n = cut_to_pages(m, in, (uint64_t)in_off, out, (uint64_t)out_off, &len);
	if (n < 0)
		return reply_code(req, (int)n);
	loses = loses_bits(req, out, kill);
	n = hf_copy_range(m->store, in, (uint64_t)in_off, out, (uint64_t)out_off, len,
			  kill ? HF_WRITE_KILL_PRIV : 0, NULL);
	if (n >= 0 && durable_inode(m, 0, out) < 0)
		n = -EIO;
	if (n < 0)
		return reply_code(req, (int)n);
	if (loses)
		mount_drop_attr(m, out);
	fuse_reply_write(req, (size_t)n);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct hf_error err = HF_ERROR_INIT;
	int r;

	(void)datasync;
	(void)fi;
	r = node_id_is_live(ino) ? hf_fsync(mount_of(req)->store, ino, &err) : 0;
	reply_errno(req, mount_fault(r, &err, "making durable", ino));
}

/*
 * Whether an access ACL takes setgid away. A kernel that does not say who may keep it leaves that to be
 * guessed as above.
 */
static bool acl_kills_sgid(fuse_req_t req, uint64_t ino, const struct wire_xattr *x)
{
	struct hf_attr attr;

	if (x->tells_sgid)
		return x->kill_sgid;
	return strcmp(x->name, "system.posix_acl_access") == 0 && fuse_req_ctx(req)->uid != 0 &&
	       hf_view_getattr(&mount_of(req)->head, ino, &attr, NULL) == 0 && !in_group(req, attr.gid);
}

/* The arguments are not libfuse's: wire.c says why. */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct mount *m = mount_of(req);
	struct wire_xattr x;
	int r;

	(void)name;
	(void)value;
	(void)size;
	(void)flags;
	if (!node_id_is_live(ino))
		return reply_code(req, -EROFS);
	if (!wire_xattr(&x))
		return reply_code(req, -EINVAL);
	r = hf_setxattr(m->store, ino, x.name, x.value, x.len, x.flags, acl_kills_sgid(req, ino, &x), NULL);
	if (r == 0)
		stale_changed(m, ino);
	reply_code(req, durable_inode(m, r, ino));
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct mount *m = mount_of(req);
	int r = node_id_is_live(ino) ? hf_removexattr(m->store, ino, name, NULL) : -EROFS;

	if (r == 0)
		stale_changed(m, ino);
	reply_code(req, durable_inode(m, r, ino));
}
