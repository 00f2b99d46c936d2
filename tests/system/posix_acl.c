/* SPDX-License-Identifier: MIT */
/* POSIX ACLs, as the extended attributes they are to the kernel: version 2, then (tag, permissions, id) each.
 */
#include "posix.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"
enum { FRIEND = 3333, TEAM = 4444, NONE = -1 };

struct acl {
	struct posix_acl_xattr_header head;
	struct posix_acl_xattr_entry entries[8];
	size_t n;
};

static void add(struct acl *acl, unsigned tag, unsigned perm, unsigned id)
{
	acl->head.a_version = POSIX_ACL_XATTR_VERSION;
	acl->entries[acl->n++] = (struct posix_acl_xattr_entry){ (__le16)tag, (__le16)perm, id };
}

static size_t size_of(const struct acl *acl)
{
	return sizeof(acl->head) + acl->n * sizeof(acl->entries[0]);
}

static int set(const char *name, const char *which, const struct acl *acl)
{
	return setxattr(name, which, acl, size_of(acl), 0);
}

/* owner, FRIEND, the group, TEAM, the mask, others */
static struct acl list_of(unsigned owner, unsigned friend, unsigned group, unsigned team, unsigned mask,
			  unsigned other)
{
	struct acl acl = { 0 };

	add(&acl, ACL_USER_OBJ, owner, (unsigned)NONE);
	add(&acl, ACL_USER, friend, FRIEND);
	add(&acl, ACL_GROUP_OBJ, group, (unsigned)NONE);
	add(&acl, ACL_GROUP, team, TEAM);
	add(&acl, ACL_MASK, mask, (unsigned)NONE);
	add(&acl, ACL_OTHER, other, (unsigned)NONE);
	return acl;
}

static bool has(const char *name, const char *which, const struct acl *acl)
{
	struct acl got;

	return getxattr(name, which, &got, sizeof(got)) == (ssize_t)size_of(acl) &&
	       memcmp(&got, acl, size_of(acl)) == 0;
}

static const char *forms(void)
{
	struct acl acl = list_of(6, 6, 4, 4, 6, 0), bad;

	CHECK(made("f", "", 0640) && mkdir("d", 0755) == 0 && symlink("f", "s") == 0);
	if (set("f", ACCESS_ACL, &acl) < 0 && errno == EOPNOTSUPP)
		SKIP("no ACLs");
	CHECK(has("f", ACCESS_ACL, &acl) && mode_of("f") == 0660);
	FAILS(EACCES, set("f", DEFAULT_ACL, &acl));
	CHECK(lsetxattr("s", ACCESS_ACL, &acl, size_of(&acl), 0) < 0);
	bad = acl;
	bad.entries[4].e_tag = ACL_OTHER; /* names without a mask */
	FAILS(EINVAL, set("f", ACCESS_ACL, &bad));
	bad = acl;
	bad.entries[0].e_perm = 9;
	FAILS(EINVAL, set("f", ACCESS_ACL, &bad));
	bad = acl;
	bad.n = 5;
	FAILS(EINVAL, set("f", ACCESS_ACL, &bad));
	bad = acl;
	bad.head.a_version = 3;
	CHECK(set("f", ACCESS_ACL, &bad) < 0 && has("f", ACCESS_ACL, &acl));
	/* the mask is the group's bits, both ways */
	CHECK(chmod("f", 0600) == 0);
	acl = list_of(6, 6, 4, 4, 0, 0);
	CHECK(has("f", ACCESS_ACL, &acl) && chmod("f", 0777) == 0);
	acl = list_of(7, 6, 4, 4, 7, 7);
	CHECK(has("f", ACCESS_ACL, &acl));
	/* a list that says no more than a mode is the mode */
	acl = (struct acl){ .n = 0 };
	add(&acl, ACL_USER_OBJ, 6, (unsigned)NONE);
	add(&acl, ACL_GROUP_OBJ, 2, (unsigned)NONE);
	add(&acl, ACL_OTHER, 1, (unsigned)NONE);
	CHECK(set("f", ACCESS_ACL, &acl) == 0 && mode_of("f") == 0621);
	FAILS(ENODATA, getxattr("f", ACCESS_ACL, NULL, 0));
	acl = list_of(6, 6, 4, 4, 6, 0);
	CHECK(set("d", DEFAULT_ACL, &acl) == 0 && has("d", DEFAULT_ACL, &acl) && mode_of("d") == 0755);
	CHECK(removexattr("d", DEFAULT_ACL) == 0);
	FAILS(ENODATA, getxattr("d", DEFAULT_ACL, NULL, 0));
	return NULL;
}

/* What is to be without an ACL may be without one already; of other attributes that is an error. */
static const char *none(void)
{
	const struct acl acl = list_of(6, 6, 4, 4, 6, 0), empty = { .head = { POSIX_ACL_XATTR_VERSION } };

	CHECK(made("f", "", 0640) && mkdir("d", 0755) == 0);
	if (set("f", ACCESS_ACL, &acl) < 0 && errno == EOPNOTSUPP)
		SKIP("no ACLs");
	CHECK(removexattr("f", ACCESS_ACL) == 0 && removexattr("f", ACCESS_ACL) == 0 && mode_of("f") == 0660);
	CHECK(removexattr("d", ACCESS_ACL) == 0 && removexattr("d", DEFAULT_ACL) == 0 &&
	      removexattr("f", DEFAULT_ACL) == 0);
	CHECK(setxattr("d", ACCESS_ACL, "", 0, 0) == 0 && setxattr("d", DEFAULT_ACL, "", 0, 0) == 0 &&
	      set("d", ACCESS_ACL, &empty) == 0 && set("d", DEFAULT_ACL, &empty) == 0);
	CHECK(mode_of("d") == 0755 && set("d", DEFAULT_ACL, &acl) == 0 &&
	      setxattr("d", DEFAULT_ACL, "", 0, 0) == 0);
	FAILS(ENODATA, getxattr("d", DEFAULT_ACL, NULL, 0));
	FAILS(ENODATA, removexattr("d", "user.none"));
	return NULL;
}

static const char *inheritance(void)
{
	const struct acl down = list_of(7, 7, 5, 6, 7, 5), file = list_of(6, 7, 5, 6, 4, 0),
			 none = list_of(7, 7, 5, 6, 0, 0);
	mode_t old = umask(077);
	int fd;

	CHECK(mkdir("d", 0755) == 0);
	if (set("d", DEFAULT_ACL, &down) < 0 && errno == EOPNOTSUPP)
		SKIP("no ACLs");
	/* the umask has no say; the mode asked for has */
	CHECK(made("d/f", "", 0640) && has("d/f", ACCESS_ACL, &file) && mode_of("d/f") == 0640);
	CHECK(mkdir("d/e", 0777) == 0 && has("d/e", DEFAULT_ACL, &down) && has("d/e", ACCESS_ACL, &down) &&
	      mode_of("d/e") == 0775);
	CHECK(mkdir("d/closed", 0700) == 0 && has("d/closed", ACCESS_ACL, &none) &&
	      has("d/closed", DEFAULT_ACL, &down));
	CHECK(made("d/e/f", "", 0640) && has("d/e/f", ACCESS_ACL, &file) && mkfifo("d/fifo", 0640) == 0 &&
	      has("d/fifo", ACCESS_ACL, &file));
	CHECK(symlink("x", "d/s") == 0 && lgetxattr("d/s", ACCESS_ACL, NULL, 0) < 0);
	fd = open("d", O_TMPFILE | O_RDWR, 0640);
	if (fd >= 0) {
		CHECK(fgetxattr(fd, ACCESS_ACL, NULL, 0) == (ssize_t)size_of(&file));
		CHECK(close(fd) == 0);
	}
	/* what comes from elsewhere keeps what it had */
	CHECK(made("f", "", 0666) && rename("f", "d/moved") == 0 &&
	      getxattr("d/moved", ACCESS_ACL, NULL, 0) < 0 && mode_of("d/moved") == 0600);
	(void)umask(old);
	return NULL;
}

static const char *what_the_friend_may(void)
{
	CHECK(holds("named", "named") && access("named", W_OK) < 0 && holds("team", "team"));
	FAILS(EACCES, open("masked", O_RDONLY));
	FAILS(EACCES, open("team only", O_WRONLY));
	CHECK(close(open("team only", O_RDONLY)) == 0);
	CHECK(made("drop/in", "", 0644) && access("drop", R_OK) < 0);
	return NULL;
}

static const char *what_the_stranger_may(void)
{
	FAILS(EACCES, open("named", O_RDONLY));
	FAILS(EACCES, open("team", O_RDONLY));
	CHECK(holds("masked", "masked")); /* others may */
	FAILS(EACCES, open("drop/in", O_RDONLY));
	return NULL;
}

static const char *enforcement(void)
{
	const struct acl named = list_of(6, 4, 0, 0, 4, 0), team = list_of(6, 4, 0, 6, 7, 0),
			 masked = list_of(6, 6, 0, 6, 2, 4), team_only = list_of(6, 4, 0, 7, 7, 0),
			 drop = list_of(7, 3, 0, 0, 7, 0);

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("named", "named", 0600) && made("team", "team", 0600) && made("masked", "masked", 0600) &&
	      made("team only", "", 0600) && mkdir("drop", 0700) == 0);
	if (set("named", ACCESS_ACL, &named) < 0 && errno == EOPNOTSUPP)
		SKIP("no ACLs");
	CHECK(set("team", ACCESS_ACL, &team) == 0 && set("masked", ACCESS_ACL, &masked) == 0 &&
	      set("team only", ACCESS_ACL, &team_only) == 0 && set("drop", ACCESS_ACL, &drop) == 0);
	/* FRIEND is named: his own entry decides, though his group's says more */
	PASS_ON(as_user(FRIEND, FRIEND, 1, (const gid_t[]){ TEAM }, what_the_friend_may));
	return as_somebody(what_the_stranger_may);
}

static const char *team_member(void)
{
	CHECK(close(open("team only", O_RDWR)) == 0 && access("team only", X_OK) == 0);
	return NULL;
}

static const char *stranger_sets(void)
{
	const struct acl acl = list_of(7, 7, 7, 7, 7, 7);

	FAILS(EPERM, set("team only", ACCESS_ACL, &acl));
	CHECK(set("mine", ACCESS_ACL, &acl) == 0 &&
	      mode_of("mine") == 0777); /* setgid of a group that is not his goes */
	return NULL;
}

static const char *groups_and_owners(void)
{
	const struct acl acl = list_of(6, 0, 0, 7, 7, 0);

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("team only", "", 0600) && made("mine", "", 0644) && chown("mine", SOMEBODY, TEAM) == 0 &&
	      chmod("mine", 02755) == 0);
	if (set("team only", ACCESS_ACL, &acl) < 0 && errno == EOPNOTSUPP)
		SKIP("no ACLs");
	PASS_ON(as_user(SOMEBODY, SOMEBODY, 1, (const gid_t[]){ TEAM }, team_member));
	return as_somebody(stranger_sets);
}

const struct check checks_acl[] = {
	{ "ACLs: their forms, and the mode", forms },
	{ "ACLs: none", none },
	{ "ACLs: inherited", inheritance },
	{ "ACLs: enforced", enforcement },
	{ "ACLs: supplementary groups, and who may set them", groups_and_owners },
	{ NULL, NULL },
};
