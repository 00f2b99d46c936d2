/* SPDX-License-Identifier: MIT */
#include "store/tree/apply.h"

#include <errno.h>
#include <sys/stat.h>

enum { PERMISSIONS = 07777 };

static int set_size(struct tx *tx, struct inode *i, uint64_t size)
{
	int r = 0;

	if (S_ISDIR(i->mode))
		return hf_error_set(tx->err, -EISDIR, "a directory has no length to set");
	if (!S_ISREG(i->mode))
		return hf_error_set(tx->err, -EINVAL, "only a regular file has a length to set");
	if (size > INT64_MAX)
		return hf_error_set(tx->err, -EFBIG, "a file ends at 2^63 - 1 bytes");
	if (size < i->size || (i->flags & INODE_BLOCKS_PAST_END)) {
		r = map_truncate(tx, i, size);
		i->flags &= ~(uint32_t)INODE_BLOCKS_PAST_END;
	}
	tx->note.bytes = size < i->size ? i->size - size : size - i->size;
	i->size = size;
	i->mtime = tx_now(tx);
	return r;
}

int apply_setattr(struct tx *tx)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	const uint32_t mask = tx->op->setattr.mask;
	int r;

	tx->note.ino = tx->op->setattr.ino;
	r = tx_inode(tx, tx->op->setattr.ino, &n);
	if (r == 0 && mask & SETATTR_SIZE)
		r = set_size(tx, &n.i, tx->op->setattr.size);
	if (r == 0 && mask & SETATTR_KILL_PRIV)
		r = tx_kill_priv(tx, &n.i);
	if (r == 0 && mask & SETATTR_ACL)
		r = tx_put_xattr(tx, &n.i, span_text("system.posix_acl_access"),
				 tx->op->setattr.acl.len > 0 ? tx->op->setattr.acl :
							       (struct span){ NULL, 0 });
	if (r < 0)
		return r;
	if (mask & SETATTR_MODE)
		n.i.mode = (n.i.mode & S_IFMT) | (tx->op->setattr.mode & PERMISSIONS);
	if (mask & SETATTR_UID)
		n.i.uid = tx->op->setattr.uid;
	if (mask & SETATTR_GID)
		n.i.gid = tx->op->setattr.gid;
	if (mask & SETATTR_ATIME)
		n.i.atime = tx->op->setattr.atime;
	if (mask & SETATTR_MTIME)
		n.i.mtime = tx->op->setattr.mtime;
	n.i.ctime = mask & SETATTR_CTIME ? tx->op->setattr.ctime : tx_now(tx);
	return tx_put_inode(tx, &n);
}

static bool is_capability(struct span name)
{
	static const char text[] = "security.capability";

	return name.len == sizeof(text) - 1 && memcmp(name.data, text, name.len) == 0;
}

int apply_setxattr(struct tx *tx)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	const struct span name = tx->op->setxattr.name;
	struct span value = tx->op->setxattr.value;
	int r;

	if (!value.data)
		value.data = (const uint8_t *)""; /* an empty value is a value; NULL would delete */
	r = tx_inode(tx, tx->op->setxattr.ino, &n);
	if (r == 0)
		r = tx_put_xattr(tx, &n.i, name, value);
	if (r < 0)
		return r;
	tx->note.ino = n.i.ino;
	if (is_capability(name))
		n.i.flags |= INODE_HAS_CAPABILITY;
	if (tx->op->setxattr.mode_plus_1)
		n.i.mode = (n.i.mode & S_IFMT) | ((tx->op->setxattr.mode_plus_1 - 1) & PERMISSIONS);
	n.i.ctime = tx_now(tx);
	return tx_put_inode(tx, &n);
}

int apply_removexattr(struct tx *tx)
{
	CLEANUP(node_release) struct node n = NODE_INIT;
	const struct span name = tx->op->removexattr.name;
	CLEANUP(buf_release) struct buf old = BUF_INIT;
	struct key key = key_xattr(tx->op->removexattr.ino, name);
	int r;

	r = tx_inode(tx, tx->op->removexattr.ino, &n);
	if (r == 0)
		r = tx_get(tx, &key, &old);
	if (r < 0)
		return r;
	if (r == 0)
		return hf_error_set(tx->err, -ENODATA, "there is no such attribute");
	r = tx_delete(tx, &key, span_of(&old));
	if (r < 0)
		return r;
	tx->note.ino = n.i.ino;
	if (is_capability(name))
		n.i.flags &= ~(uint32_t)INODE_HAS_CAPABILITY;
	n.i.ctime = tx_now(tx);
	return tx_put_inode(tx, &n);
}
