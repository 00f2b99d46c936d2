/* SPDX-License-Identifier: MIT */
/* Requests that read, each through a view: at the head for live nodes, at a tid for nodes of the past. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "fs/mount/mount_internal.h"

#define XATTR_MAX 65536 /* XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel */

/* A name that is not there may be remembered too: only we can make it. */
static void reply_absent(fuse_req_t req)
{
	struct fuse_entry_param e = { .ino = 0, .entry_timeout = FOREVER_S };

	fuse_reply_entry(req, &e);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *m = mount_of(req);
	struct target dir;
	struct hf_attr attr;
	struct node node;
	int r = target_find(m, parent, &dir);

	if (r < 0)
		return reply_code(req, r);
	if (dir.node.kind > NODE_PAST ||
	    (parent == HF_ROOT_INO && !m->fixed && strcmp(name, HISTORY_NAME) == 0))
		return history_lookup(req, &dir, name);
	if (dir.node.kind == NODE_PAST && dir.ino == HF_ROOT_INO && strcmp(name, "..") == 0) {
		struct target at = { .node = { .kind = NODE_AT } };

		return history_lookup(req, &at, ".");
	}
	r = hf_view_lookup(&dir.view, dir.ino, name, &attr, NULL);
	if (r == -ENOENT)
		return reply_absent(req);
	/* "." is asked for by who has a file handle; of what is unlinked it is out of date, reaped or not. */
	if (r == 0 && attr.nlink == 0 && strcmp(name, ".") == 0)
		r = -ESTALE;
	if (r < 0) {
		reply_errno(req, mount_fault(r, NULL, "looking up a name", dir.ino));
		return;
	}
	node = dir.node;
	node.ino = attr.ino;
	reply_entry(req, &node, &attr, FOREVER_S);
}

static void forget(struct mount *m, fuse_ino_t ino, uint64_t count)
{
	if (!node_id_is_live(ino))
		nodes_forget(&m->nodes, ino, count);
	else if (!m->fixed)
		hf_unref(m->store, ino, count);
}

void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	forget(mount_of(req), ino, count);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t n, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < n; i++)
		forget(mount_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct target t;
	struct hf_attr attr;
	int r = target_find(m, ino, &t);

	(void)fi;
	if (r == 0)
		r = target_getattr(m, &t, &attr);
	if (r < 0)
		reply_errno(req, mount_fault(r, NULL, "reading the attributes", t.ino));
	else
		reply_attr(req, &t.node, &attr);
}

void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char link[4096];
	struct target t;
	ssize_t n = target_find(mount_of(req), ino, &t);

	if (n == 0)
		n = target_is_inode(&t) ? hf_view_readlink(&t.view, t.ino, link, sizeof(link), NULL) :
					  -EINVAL;
	if (n < 0) {
		reply_errno(req, mount_fault((int)n, NULL, "reading the link", t.ino));
		return;
	}
	link[n < (ssize_t)sizeof(link) ? n : (ssize_t)sizeof(link) - 1] = '\0';
	fuse_reply_readlink(req, link);
}

/*
 * ENOSYS means: no need to ask, from now on, and everything may stay cached. Then O_TRUNC comes as a SETATTR,
 * and whether a file is in use is known from lookups alone.
 */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (mount_of(req)->no_open) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (mount_of(req)->no_opendir) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fi->cache_readdir = 1;
	fuse_reply_open(req, fi);
}

static void read_readme(fuse_req_t req, size_t size, off_t off)
{
	size_t len = history_readme_len();

	if ((uint64_t)off >= len)
		size = 0;
	else if (size > len - (size_t)off)
		size = len - (size_t)off;
	fuse_reply_buf(req, size ? history_readme + off : NULL, size);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct hf_error err = HF_ERROR_INIT;
	struct target t;
	void *bytes;
	ssize_t n = target_find(m, ino, &t);

	(void)fi;
	if (n < 0)
		return reply_code(req, (int)n);
	if (t.node.kind == NODE_README)
		return read_readme(req, size, off);
	if (t.node.kind == NODE_REMOVED)
		return (void)fuse_reply_buf(req, NULL, 0);
	if (!target_is_inode(&t))
		return reply_code(req, -EISDIR);
	bytes = reply_buffer(m, size);
	if (!bytes)
		return reply_code(req, -ENOMEM);
	n = hf_view_read(&t.view, t.ino, (uint64_t)off, bytes, size, &err);
	if (n < 0) {
		reply_errno(req, mount_fault((int)n, &err, "reading", t.ino));
		return;
	}
	tally_read((size_t)n);
	fuse_reply_buf(req, bytes, (size_t)n);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct target t;
	int64_t at = target_find(mount_of(req), ino, &t);

	(void)fi;
	if (at < 0)
		return reply_code(req, (int)at);
	if (t.node.kind == NODE_LIVE && !mount_of(req)->fixed)
		return seek_live(req, t.ino, (uint64_t)off, whence);
	if (t.node.kind <= NODE_PAST)
		at = hf_view_seek(&t.view, t.ino, (uint64_t)off, whence, NULL);
	else if (t.node.kind != NODE_README || off < 0 || (size_t)off >= history_readme_len())
		at = -ENXIO;
	else
		at = whence == SEEK_HOLE ? (int64_t)history_readme_len() : off;
	if (at < 0)
		reply_code(req, (int)at);
	else
		fuse_reply_lseek(req, at);
}

/* Reply to a get or list: with the length when size is 0, else with the bytes. */
static void reply_xattr(fuse_req_t req, const void *bytes, ssize_t n, size_t size)
{
	if (n < 0)
		reply_code(req, (int)n);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, bytes, (size_t)n);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	void *bytes = NULL;
	struct target t;
	ssize_t n = target_find(m, ino, &t);

	if (size > XATTR_MAX)
		size = XATTR_MAX;
	if (n == 0 && refresh_hides_xattr(req, ino, name))
		n = -ENODATA;
	if (n == 0 && size && !(bytes = reply_buffer(m, size)))
		n = -ENOMEM;
	if (n == 0)
		n = target_is_inode(&t) ? hf_view_getxattr(&t.view, t.ino, name, bytes, size, NULL) :
					  -ENODATA;
	reply_xattr(req, bytes, n, size);
}

/*
 * Names in trusted. are not for everybody to see; reading them the kernel refuses itself. Returns what is
 * left of len.
 */
static size_t leave_trusted_out(char *names, size_t len)
{
	size_t kept = 0, n;

	for (size_t at = 0; at < len; at += n) {
		n = strnlen(names + at, len - at) + 1;
		if (strncmp(names + at, "trusted.", 8) == 0)
			continue;
		memmove(names + kept, names + at, n);
		kept += n;
	}
	return kept;
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *m = mount_of(req);
	char *names = reply_buffer(m, XATTR_MAX);
	struct target t;
	ssize_t n = names ? target_find(m, ino, &t) : -ENOMEM;

	if (n == 0 && target_is_inode(&t))
		n = hf_view_listxattr(&t.view, t.ino, names, XATTR_MAX, NULL);
	if (n > 0 && fuse_req_ctx(req)->uid != 0)
		n = (ssize_t)leave_trusted_out(names, (size_t)n);
	if (n > 0 && size > 0 && (size_t)n > size)
		n = -ERANGE;
	reply_xattr(req, names, n, size);
}

/*
 * In blocks: what live files take and what can still be written. The past takes room too, but it is nothing
 * that deleting could free, so it is not shown as used. An inode costs little: as many more as there is room
 * for at half a KiB each. What is fixed takes nothing more.
 */
void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	enum { BLOCK = 4096, INODE = 512 };
	struct statvfs st = { .f_bsize = BLOCK, .f_frsize = BLOCK, .f_namemax = 255 };
	struct hf_space space;
	int r = hf_store_space(mount_of(req)->store, &space, NULL);

	(void)ino;
	if (r < 0)
		return reply_code(req, r);
	if (mount_of(req)->fixed)
		space.available_bytes = 0;
	st.f_bfree = st.f_bavail = space.available_bytes / BLOCK;
	st.f_blocks = (space.live_bytes + BLOCK - 1) / BLOCK + st.f_bfree;
	st.f_ffree = st.f_favail = space.available_bytes / INODE;
	st.f_files = space.inodes + st.f_ffree;
	fuse_reply_statfs(req, &st);
}
