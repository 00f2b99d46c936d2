/* SPDX-License-Identifier: MIT */
#include "store/tree/acl.h"

#include <errno.h>
#include <sys/stat.h>

enum { ACL_VERSION = 2, HEADER_BYTES = 4, ENTRY_BYTES = 8, ENTRIES_MAX = 8190 };
enum { TAG_USER_OBJ = 1, TAG_USER = 2, TAG_GROUP_OBJ = 4, TAG_GROUP = 8, TAG_MASK = 16, TAG_OTHER = 32 };
enum { PERM_ALL = 7 };

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

static size_t acl_count(struct span acl)
{
	return (acl.len - HEADER_BYTES) / ENTRY_BYTES;
}

static struct acl_entry acl_get(struct span acl, size_t k)
{
	const uint8_t *p = acl.data + HEADER_BYTES + k * ENTRY_BYTES;

	return (struct acl_entry){ get_u16(p), get_u16(p + 2), get_u32(p + 4) };
}

int acl_check(struct span acl)
{
	unsigned seen = 0, last_tag = 0;
	bool named = false;
	uint32_t last_id = 0;

	if (acl.len < HEADER_BYTES || (acl.len - HEADER_BYTES) % ENTRY_BYTES ||
	    get_u32(acl.data) != ACL_VERSION || acl_count(acl) > ENTRIES_MAX)
		return -EINVAL;
	for (size_t k = 0; k < acl_count(acl); k++) {
		struct acl_entry e = acl_get(acl, k);
		bool many = e.tag == TAG_USER || e.tag == TAG_GROUP;

		if (e.perm > PERM_ALL || e.tag < last_tag ||
		    (e.tag == last_tag && (!many || e.id <= last_id)))
			return -EINVAL;
		if (e.tag != TAG_USER_OBJ && e.tag != TAG_GROUP_OBJ && e.tag != TAG_MASK &&
		    e.tag != TAG_OTHER && !many)
			return -EINVAL;
		named |= many;
		seen |= e.tag;
		last_tag = e.tag;
		last_id = e.id;
	}
	if ((seen & (TAG_USER_OBJ | TAG_GROUP_OBJ | TAG_OTHER)) != (TAG_USER_OBJ | TAG_GROUP_OBJ | TAG_OTHER))
		return -EINVAL;
	return named && !(seen & TAG_MASK) ? -EINVAL : 0;
}

/* Is there more in it than owner, group and other? */
static bool acl_is_extended(struct span acl)
{
	return acl_count(acl) > 3;
}

static uint16_t acl_perm(struct span acl, uint16_t tag, uint16_t otherwise)
{
	for (size_t k = 0; k < acl_count(acl); k++) {
		struct acl_entry e = acl_get(acl, k);

		if (e.tag == tag)
			return e.perm;
	}
	return otherwise;
}

/*
 * Copy a list, each of the four classes with its permissions put through `and` and `set` by the mode's bits.
 */
static int acl_rewrite(struct span acl, uint32_t mode, bool and_only, struct buf *ret)
{
	const bool has_mask = acl_perm(acl, TAG_MASK, UINT16_MAX) != UINT16_MAX;

	buf_clear(ret);
	buf_add_u32(ret, ACL_VERSION);
	for (size_t k = 0; k < acl_count(acl); k++) {
		struct acl_entry e = acl_get(acl, k);
		int shift = e.tag == TAG_USER_OBJ                          ? 6 :
			    e.tag == TAG_OTHER                             ? 0 :
			    e.tag == (has_mask ? TAG_MASK : TAG_GROUP_OBJ) ? 3 :
									     -1;

		if (shift >= 0) {
			uint16_t bits = (uint16_t)(mode >> shift & PERM_ALL);

			e.perm = and_only ? e.perm & bits : bits;
		}
		buf_add_u16(ret, e.tag);
		buf_add_u16(ret, e.perm);
		buf_add_u32(ret, e.id);
	}
	return buf_status(ret);
}

int acl_to_mode(struct span acl, uint32_t *mode)
{
	uint32_t group;
	int r = acl_check(acl);

	if (r < 0)
		return r;
	group = acl_perm(acl, TAG_MASK, acl_perm(acl, TAG_GROUP_OBJ, 0));
	*mode = (*mode & ~(uint32_t)0777) | (uint32_t)acl_perm(acl, TAG_USER_OBJ, 0) << 6 | group << 3 |
		acl_perm(acl, TAG_OTHER, 0);
	return !acl_is_extended(acl);
}

int acl_chmod(struct span acl, uint32_t mode, struct buf *ret)
{
	int r = acl_check(acl);

	return r < 0 ? r : acl_rewrite(acl, mode, false, ret);
}

int acl_inherit(struct span dir_default, uint32_t *mode, struct buf *ret_access, struct buf *ret_default)
{
	int r = acl_check(dir_default);

	if (r == 0)
		r = acl_rewrite(dir_default, *mode, true, ret_access);
	if (r < 0)
		return r;
	r = acl_to_mode((struct span){ ret_access->data, ret_access->len }, mode);
	if (r < 0)
		return r;
	if (r == 1)
		buf_clear(ret_access);
	buf_clear(ret_default);
	if (S_ISDIR(*mode))
		buf_add(ret_default, dir_default.data, dir_default.len);
	return buf_status(ret_default);
}
