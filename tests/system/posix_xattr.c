/* SPDX-License-Identifier: MIT */
/* Extended attributes. */
#include "posix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static const char *attributes(void)
{
	char got[70000], *big = calloc(1, 65536);
	ssize_t n;

	CHECK(made("f", "", 0644) && setxattr("f", "user.one", "value", 5, XATTR_CREATE) == 0);
	FAILS(EEXIST, setxattr("f", "user.one", "x", 1, XATTR_CREATE));
	FAILS(ENODATA, setxattr("f", "user.two", "x", 1, XATTR_REPLACE));
	FAILS(ENODATA, getxattr("f", "user.two", got, sizeof(got)));
	FAILS(ERANGE, getxattr("f", "user.one", got, 3));
	CHECK(getxattr("f", "user.one", NULL, 0) == 5 && getxattr("f", "user.one", got, 5) == 5 &&
	      memcmp(got, "value", 5) == 0);
	CHECK(setxattr("f", "user.empty", "", 0, 0) == 0 && getxattr("f", "user.empty", got, 1) == 0);
	CHECK(setxattr("f", "user.big", big, 65536, 0) == 0 &&
	      getxattr("f", "user.big", got, sizeof(got)) == 65536);
	n = listxattr("f", got, sizeof(got));
	CHECK(n >= 29 && memmem(got, (size_t)n, "user.empty", 11) && memmem(got, (size_t)n, "user.one", 9));
	FAILS(ERANGE, listxattr("f", got, 4));
	CHECK(removexattr("f", "user.one") == 0);
	FAILS(ENODATA, removexattr("f", "user.one"));
	CHECK(setxattr(".", "user.dir", "d", 1, 0) == 0 && getxattr(".", "user.dir", got, 1) == 1);
	if (geteuid() == 0)
		CHECK(setxattr("f", "trusted.t", "t", 1, 0) == 0 && getxattr("f", "trusted.t", got, 1) == 1);
	free(big);
	return NULL;
}

static const char *somebodys_attributes(void)
{
	char got[200];

	FAILS(EACCES, setxattr("f", "user.x", "x", 1, 0));
	FAILS(EPERM, setxattr("f", "trusted.x", "x", 1, 0));
	FAILS(EACCES, getxattr("closed", "user.x", got, sizeof(got)));
	FAILS(ENODATA, getxattr("f", "trusted.t", got, sizeof(got)));
	FAILS(EPERM, setxattr("sticky", "user.x", "x", 1, 0));
	CHECK(listxattr("f", got, sizeof(got)) == 7 && strcmp(got, "user.u") == 0);
	return NULL;
}

/* user. goes by the file's permissions, trusted. is root's, and only files and directories have user. at all.
 */
static const char *whose_attributes(void)
{
	static const char *const unknown[] = {
		"nowhere.x", "foo.bar", "x", "user", "system.nfs4_acl", "system.posix_acl_accessible"
	};
	char name[300], got[300];

	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[255] = 0;
	CHECK(made("f", "", 0644) && made("closed", "", 0600) && setxattr("f", name, "long", 4, 0) == 0 &&
	      getxattr("f", name, got, 4) == 4 && removexattr("f", name) == 0);
	name[255] = 'n';
	name[256] = 0;
	FAILS(ERANGE, setxattr("f", name, "", 0, 0));
	FAILS(ERANGE, getxattr("f", name, NULL, 0));
	FAILS(ERANGE, removexattr("f", name));
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		FAILS(EOPNOTSUPP, setxattr("f", unknown[i], "", 0, 0));
		FAILS(EOPNOTSUPP, getxattr("f", unknown[i], got, sizeof(got)));
		FAILS(EOPNOTSUPP, getxattr("f", unknown[i], NULL, 0));
		FAILS(EOPNOTSUPP, removexattr("f", unknown[i]));
	}
	FAILS(EINVAL, setxattr("f", "user.", "", 0, 0));
	FAILS(EINVAL, getxattr("f", "user.", got, sizeof(got)));
	FAILS(EINVAL, removexattr("f", "user."));
	FAILS(ERANGE, setxattr("f", "", "", 0, 0));
	CHECK(setxattr("f", "user.u", "a\0b", 3, 0) == 0 && getxattr("f", "user.u", got, 3) == 3 &&
	      memcmp(got, "a\0b", 3) == 0);
	CHECK(setxattr("f", "user.u", "short", 5, XATTR_REPLACE) == 0 &&
	      getxattr("f", "user.u", got, sizeof(got)) == 5);
	CHECK(symlink("f", "s") == 0 && mkfifo("fifo", 0600) == 0);
	FAILS(EPERM, lsetxattr("s", "user.x", "", 0, 0));
	FAILS(EPERM, setxattr("fifo", "user.x", "", 0, 0));
	CHECK(link("f", "g") == 0 && getxattr("g", "user.u", got, sizeof(got)) == 5 &&
	      rename("g", "f2") == 0 && unlink("f2") == 0);
	if (geteuid() != 0)
		SKIP("the rest needs root");
	CHECK(setxattr("f", "trusted.t", "t", 1, 0) == 0 && lsetxattr("s", "trusted.t", "t", 1, 0) == 0);
	CHECK(mkdir("sticky", 0777) == 0 && chmod("sticky", 01777) == 0);
	return as_somebody(somebodys_attributes);
}

const struct check checks_xattr[] = {
	{ "extended attributes", attributes },
	{ "whose attributes, their names and kinds", whose_attributes },
	{ NULL, NULL },
};
