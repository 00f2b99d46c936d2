/* SPDX-License-Identifier: MIT */
/*
 * POSIX access control lists (layer 3) in the form of the xattrs system.posix_acl_*: a version (4 bytes, 2),
 * then entries of tag (2), permissions (2) and id (4), little-endian. Source: acl(5),
 * linux/posix_acl_xattr.h.
 */
#ifndef STORE_TREE_ACL_H
#define STORE_TREE_ACL_H

#include "store/base/buf.h"
#include "store/format/format.h"

#define ACL_ACCESS_NAME "system.posix_acl_access"
#define ACL_DEFAULT_NAME "system.posix_acl_default"

/* 0, or -EINVAL: not a list, entries out of order or missing. */
MUST_USE int acl_check(struct span acl);

/*
 * What a new file gets from its directory's default ACL. mode: in, what was asked; out, what it becomes.
 * ret_access stays empty when the mode says it all; ret_default is for a directory.
 */
MUST_USE int acl_inherit(struct span dir_default, uint32_t *mode, struct buf *ret_access,
			 struct buf *ret_default);

/*
 * The permission bits an access ACL stands for, put into mode. 1: the bits say it all, the list need not be
 * kept.
 */
MUST_USE int acl_to_mode(struct span acl, uint32_t *mode);

/* The list after a chmod to mode. */
MUST_USE int acl_chmod(struct span acl, uint32_t mode, struct buf *ret);

#endif
