/* SPDX-License-Identifier: MIT */
/* Who may do what: modes, groups, the sticky bit. */
#include "posix.h"

#include <linux/fs.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static const char *nobody_is_kept_out(void)
{
	FAILS(EACCES, open("secret", O_RDONLY));
	FAILS(EACCES, open("public", O_WRONLY));
	CHECK(holds("public", "public"));
	FAILS(EACCES, open("new", O_RDWR | O_CREAT, 0644));
	FAILS(EACCES, mkdir("new", 0755));
	FAILS(EACCES, unlink("public"));
	FAILS(EACCES, rename("public", "mine"));
	FAILS(EACCES, open("closed/inside", O_RDONLY));
	CHECK(link("public", "linked") < 0 && (errno == EACCES || errno == EPERM));
	FAILS(EPERM, chmod("public", 0777));
	FAILS(EPERM, chown("public", SOMEBODY, SOMEBODY));
	FAILS(EPERM, utimensat(AT_FDCWD, "public", (const struct timespec[2]){ { 1, 0 }, { 1, 0 } }, 0));
	FAILS(EACCES, utimensat(AT_FDCWD, "public", NULL, 0));
	FAILS(EPERM, mknod("open/device", S_IFCHR | 0666, makedev(1, 3)));
	FAILS(EPERM, setxattr("open", "trusted.x", "", 0, 0));
	/* the sticky bit: what is others' stays */
	CHECK(made("open/mine", "", 0644) && rename("open/mine", "open/mine too") == 0 &&
	      unlink("open/mine too") == 0);
	FAILS(EPERM, unlink("open/theirs") < 0 && errno == EACCES ? (errno = EPERM, -1) : -1);
	FAILS(EPERM, rename("open/theirs", "open/mine"));
	CHECK(holds("for the group", "group"));
	return NULL;
}

static const char *rights(void)
{
	CHECK(geteuid() != 0 ||
	      (made("secret", "secret", 0600) && made("public", "public", 0644) &&
	       mkdir("closed", 0700) == 0 && made("closed/inside", "", 0666) && mkdir("open", 0777) == 0 &&
	       chmod("open", 01777) == 0 && made("open/theirs", "", 0666) &&
	       made("for the group", "group", 0640) && chown("for the group", 0, SOMEBODY) == 0));
	return as_somebody(nobody_is_kept_out);
}

enum { GROUP = 4444, OTHER_GROUP = 5555, FRIEND = 3333 };

static const char *friend_in_a_sticky_directory(void)
{
	FAILS(EPERM, unlink("sticky/theirs"));
	FAILS(EPERM, rmdir("sticky/their folder"));
	FAILS(EPERM, rename("sticky/theirs", "sticky/x"));
	CHECK(made("sticky/mine", "", 0644) && mkdir("sticky/my folder", 0755) == 0);
	FAILS(EPERM, rename("sticky/mine", "sticky/theirs"));
	FAILS(EPERM, renameat2(AT_FDCWD, "sticky/mine", AT_FDCWD, "sticky/theirs", RENAME_EXCHANGE));
	CHECK(rename("sticky/mine", "free/mine") == 0 && rename("free/mine", "sticky/mine") == 0);
	FAILS(EPERM, rename("free/mine too", "sticky/theirs"));
	CHECK(unlink("sticky/mine") == 0 && rmdir("sticky/my folder") == 0);
	/* of a sticky directory of one's own everything may go */
	CHECK(unlink("my sticky/theirs") == 0 && rmdir("my sticky/their folder") == 0);
	/* and of one that is not sticky, what others own as well */
	CHECK(unlink("free/theirs") == 0);
	return NULL;
}

static const char *sticky(void)
{
	static const char *const dirs[] = { "sticky", "free", "my sticky" };
	char name[64];

	if (geteuid() != 0)
		SKIP("needs root");
	for (unsigned k = 0; k < 3; k++) {
		CHECK(mkdir(dirs[k], 0777) == 0 && chmod(dirs[k], k == 1 ? 0777 : 01777) == 0);
		snprintf(name, sizeof(name), "%s/theirs", dirs[k]);
		CHECK(made(name, "", 0666) && chown(name, SOMEBODY, SOMEBODY) == 0);
		snprintf(name, sizeof(name), "%s/their folder", dirs[k]);
		CHECK(mkdir(name, 0777) == 0 && chown(name, SOMEBODY, SOMEBODY) == 0);
	}
	CHECK(chown("my sticky", FRIEND, FRIEND) == 0 && made("free/mine too", "", 0644) &&
	      chown("free/mine too", FRIEND, FRIEND) == 0);
	PASS_ON(as_user(FRIEND, FRIEND, 0, NULL, friend_in_a_sticky_directory));
	CHECK(unlink("sticky/theirs") == 0); /* root may */
	return NULL;
}

static const char *with_the_groups(void)
{
	CHECK(holds("for the group", "group") && made("shared/f", "", 0644) && holds("shared/f", ""));
	FAILS(EACCES, open("for another", O_RDONLY));
	FAILS(EACCES, open("not for the group", O_RDONLY)); /* the group's bits, not the others', are asked */
	CHECK(access("for the group", R_OK) == 0 && access("for the group", W_OK) < 0 && errno == EACCES);
	CHECK(chown("mine", (uid_t)-1, GROUP) == 0 && stat_of("mine").st_gid == GROUP);
	FAILS(EPERM, chown("mine", (uid_t)-1, OTHER_GROUP));
	FAILS(EPERM, chown("mine", SOMEBODY, (gid_t)-1));
	CHECK(chown("mine", FRIEND, GROUP) == 0 && chown("mine", (uid_t)-1, (gid_t)-1) == 0);
	FAILS(EPERM, chown("for the group", (uid_t)-1, GROUP));
	return NULL;
}

static const char *without_the_groups(void)
{
	FAILS(EACCES, open("for the group", O_RDONLY));
	FAILS(EACCES, open("shared/g", O_RDWR | O_CREAT, 0644));
	CHECK(holds("not for the group", "others"));
	return NULL;
}

static const char *supplementary_groups(void)
{
	static const gid_t groups[] = { 7777, GROUP };

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("for the group", "group", 0640) && chown("for the group", 0, GROUP) == 0 &&
	      made("for another", "", 0640) && chown("for another", 0, OTHER_GROUP) == 0 &&
	      made("not for the group", "others", 0604) && chown("not for the group", 0, GROUP) == 0 &&
	      mkdir("shared", 0770) == 0 && chmod("shared", 0770) == 0 && chown("shared", 0, GROUP) == 0 &&
	      made("mine", "", 0644) && chown("mine", FRIEND, FRIEND) == 0);
	PASS_ON(as_user(FRIEND, FRIEND, 2, groups, with_the_groups));
	return as_user(FRIEND, FRIEND, 0, NULL, without_the_groups);
}

static const char *closed_directories(void)
{
	FAILS(EACCES, open("x only", O_RDONLY | O_DIRECTORY));
	CHECK(holds("x only/f", "f"));
	CHECK(open("r only", O_RDONLY | O_DIRECTORY) >= 0);
	FAILS(EACCES, open("r only/f", O_RDONLY));
	FAILS(EACCES, chdir("r only"));
	FAILS(EACCES, unlink("r only/f"));
	FAILS(EACCES, rename("r only/f", "open/f"));
	CHECK(link("x only/f", "x only/g") < 0 && (errno == EACCES || errno == EPERM));
	FAILS(EACCES, truncate("x only/f", 0));
	/* moving a directory to another one changes its "..": that takes the right to write to it */
	FAILS(EACCES, rename("open/closed", "open too/closed"));
	return NULL;
}

static const char *directories(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(mkdir("x only", 0711) == 0 && made("x only/f", "f", 0644) && mkdir("r only", 0744) == 0 &&
	      made("r only/f", "f", 0644) && mkdir("open", 0777) == 0 && chmod("open", 0777) == 0 &&
	      mkdir("open too", 0777) == 0 && chmod("open too", 0777) == 0 &&
	      mkdir("open/closed", 0755) == 0);
	return as_somebody(closed_directories);
}

/* Root reads and writes all, but runs only what somebody may run. */
static const char *root_may(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("closed", "text", 0) && holds("closed", "text") && access("closed", R_OK | W_OK) == 0);
	FAILS(EACCES, access("closed", X_OK));
	FAILS(EACCES, execl("./closed", "closed", (char *)NULL));
	CHECK(mkdir("d", 0) == 0 && made("d/f", "", 0) && chmod("closed", 0010) == 0 &&
	      access("closed", X_OK) == 0);
	return NULL;
}

static const char *group_of_directory(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(mkdir("d", 0755) == 0 && chown("d", 0, 12345) == 0 && chmod("d", 02755) == 0);
	CHECK(made("d/f", "", 0644) && mkdir("d/e", 0755) == 0);
	CHECK(stat_of("d/f").st_gid == 12345 && stat_of("d/e").st_gid == 12345 &&
	      stat_of("d/e").st_mode & S_ISGID);
	CHECK(!(stat_of("d/f").st_mode & S_ISGID));
	return NULL;
}

static const char *makes_in_the_groups_directory(void)
{
	CHECK(made("shared/f", "", 0644) && stat_of("shared/f").st_gid == GROUP);
	CHECK(mkdir("shared/d", 0700) == 0 && stat_of("shared/d").st_gid == GROUP &&
	      mode_of("shared/d") == 02700);
	CHECK(mkdir("shared/d/e", 0700) == 0 && mode_of("shared/d/e") == 02700);
	CHECK(symlink("x", "shared/s") == 0 && stat_of("shared/s").st_gid == GROUP);
	CHECK(mkfifo("shared/fifo", 0600) == 0 && stat_of("shared/fifo").st_gid == GROUP);
	/* setgid on a file is for members of its group only */
	CHECK(close(open("shared/tool", O_RDWR | O_CREAT, 02755)) == 0 && mode_of("shared/tool") == 0755);
	CHECK(chmod("shared/f", 02755) == 0 && mode_of("shared/f") == 0755);
	CHECK(made("own", "", 0644) && chmod("own", 06755) == 0 && mode_of("own") == 06755);
	return NULL;
}

static const char *setgid_inherited(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(chmod(".", 0777) == 0 && mkdir("shared", 0777) == 0 && chown("shared", 0, GROUP) == 0 &&
	      chmod("shared", 02777) == 0);
	return as_somebody(makes_in_the_groups_directory);
}

static const char *masks(void)
{
	mode_t old = umask(027);
	bool good = made("f", "", 0666) && mkdir("d", 0777) == 0 && (stat_of("f").st_mode & 0777) == 0640 &&
		    (stat_of("d").st_mode & 0777) == 0750;

	(void)umask(old);
	CHECK(good);
	CHECK(chown("f", (uid_t)-1, (gid_t)-1) == 0);
	return NULL;
}

const struct check checks_rights[] = {
	{ "rights, and the sticky bit", rights },
	{ "the sticky bit, of whose directory and whose file", sticky },
	{ "supplementary groups, and chown to them", supplementary_groups },
	{ "directories that may be listed or searched only", directories },
	{ "what root may, and may not", root_may },
	{ "setgid of a directory", group_of_directory },
	{ "setgid of a directory, handed on", setgid_inherited },
	{ "umask", masks },
	{ NULL, NULL },
};
