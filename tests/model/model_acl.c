/* SPDX-License-Identifier: MIT */
/* acl(5), as the model understands it. */
#include <errno.h>
#include <linux/posix_acl.h>
#include <string.h>

#include "tests/model/model.h"

static struct model_acl_entry *acl_find(struct model_acl *acl, int tag)
{
	for (size_t k = 0; k < acl->n; k++) {
		if (acl->e[k].tag == tag)
			return &acl->e[k];
	}
	return NULL;
}

int model_acl_parse(const void *value, size_t len, struct model_acl *ret)
{
	const uint8_t *p = value;
	int needed = 0;

	if (len < 4 || (len - 4) % 8 != 0 || p[0] != 2 || p[1] || p[2] || p[3] ||
	    (len - 4) / 8 > MODEL_ACL_ENTRIES_MAX)
		return -EINVAL;
	ret->n = (len - 4) / 8;
	for (size_t k = 0; k < ret->n; k++) {
		const uint8_t *q = p + 4 + 8 * k;
		struct model_acl_entry *e = &ret->e[k];

		e->tag = (uint16_t)(q[0] | q[1] << 8);
		e->perm = (uint16_t)(q[2] | q[3] << 8);
		e->id = (uint32_t)q[4] | (uint32_t)q[5] << 8 | (uint32_t)q[6] << 16 | (uint32_t)q[7] << 24;
		if (e->perm > 7)
			return -EINVAL;
		switch (e->tag) {
		case ACL_USER_OBJ:
		case ACL_GROUP_OBJ:
		case ACL_OTHER:
			needed++;
			break;
		case ACL_USER:
		case ACL_GROUP:
		case ACL_MASK:
			break;
		default:
			return -EINVAL;
		}
		if (k > 0 && (e[-1].tag > e->tag ||
			      (e[-1].tag == e->tag &&
			       ((e->tag != ACL_USER && e->tag != ACL_GROUP) || e[-1].id >= e->id))))
			return -EINVAL;
	}
	if (needed != 3 ||
	    ((acl_find(ret, ACL_USER) || acl_find(ret, ACL_GROUP)) && !acl_find(ret, ACL_MASK)))
		return -EINVAL;
	return 0;
}

size_t model_acl_print(const struct model_acl *acl, uint8_t *out)
{
	memset(out, 0, 4 + 8 * acl->n);
	out[0] = 2;
	for (size_t k = 0; k < acl->n; k++) {
		uint8_t *q = out + 4 + 8 * k;

		q[0] = (uint8_t)acl->e[k].tag;
		q[2] = (uint8_t)acl->e[k].perm;
		for (int b = 0; b < 4; b++)
			q[4 + b] = (uint8_t)(acl->e[k].id >> (8 * b));
	}
	return 4 + 8 * acl->n;
}

static struct model_acl_entry *group_class(struct model_acl *acl)
{
	struct model_acl_entry *mask = acl_find(acl, ACL_MASK);

	return mask ? mask : acl_find(acl, ACL_GROUP_OBJ);
}

uint32_t model_acl_mode(const struct model_acl *acl)
{
	struct model_acl a = *acl;

	return (uint32_t)acl_find(&a, ACL_USER_OBJ)->perm << 6 | (uint32_t)group_class(&a)->perm << 3 |
	       acl_find(&a, ACL_OTHER)->perm;
}

static void set_class(struct model_acl_entry *e, uint32_t bits, bool and_only)
{
	e->perm = (uint16_t)(and_only ? e->perm & bits & 7 : bits & 7);
}

void model_acl_set_mode(struct model_acl *acl, uint32_t mode, bool and_only)
{
	set_class(acl_find(acl, ACL_USER_OBJ), mode >> 6, and_only);
	set_class(group_class(acl), mode >> 3, and_only);
	set_class(acl_find(acl, ACL_OTHER), mode, and_only);
}
