/* SPDX-License-Identifier: MIT */
/* Setuid, setgid and capabilities go when somebody without the right to keep them changes a file. */
#include "posix.h"

#include <linux/capability.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/xattr.h>

static const char *writing_clears_setuid(void)
{
	int fd = open("tool", O_WRONLY);

	CHECK(fd >= 0 && (stat_of("tool").st_mode & 07777) == 06777 && write(fd, "x", 1) == 1 &&
	      close(fd) == 0);
	CHECK((stat_of("tool").st_mode & 07777) == 0777);
	CHECK(truncate("cut", 0) == 0 && (stat_of("cut").st_mode & 07777) == 0777);
	return NULL;
}

static const char *setuid_files(void)
{
	if (geteuid() == 0) {
		CHECK(made("tool", "", 0644) && made("cut", "text", 0644) && made("given", "", 0644));
		CHECK(chmod("tool", 06777) == 0 && chmod("cut", 06777) == 0 && chmod("given", 06755) == 0);
		CHECK(chown("given", SOMEBODY, (gid_t)-1) == 0 && (stat_of("given").st_mode & 07777) == 0755);
	}
	return as_somebody(writing_clears_setuid);
}

/* --- each way to change the contents */

static bool by_write(int fd)
{
	return write(fd, "x", 1) == 1;
}

static bool by_writev(int fd)
{
	return pwritev(fd, &(struct iovec){ (void *)(uintptr_t) "x", 1 }, 1, 100) == 1;
}

static bool by_ftruncate(int fd)
{
	return ftruncate(fd, 3) == 0;
}

static bool by_growing(int fd)
{
	return ftruncate(fd, 30000) == 0;
}

static bool by_fallocate(int fd)
{
	return fallocate(fd, 0, 0, 100000) == 0;
}

static bool by_keeping_size(int fd)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 200000) == 0;
}

static bool by_punching(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2) == 0;
}

static bool by_zeroing(int fd)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 2) == 0;
}

static bool by_copying(int fd)
{
	int from = open("from", O_RDONLY);
	bool good = copy_file_range(from, NULL, fd, NULL, 4, 0) == 4;

	return close(from) == 0 && good;
}

static bool by_open_trunc(int fd)
{
	char path[32];

	(void)fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return close(open(path, O_WRONLY | O_TRUNC)) == 0;
}

static const struct {
	const char *name;
	bool (*fn)(int fd);
} ways[] = {
	{ "write", by_write },         { "writev", by_writev },
	{ "ftruncate", by_ftruncate }, { "growing", by_growing },
	{ "fallocate", by_fallocate }, { "keeping size", by_keeping_size },
	{ "punching", by_punching },   { "zeroing", by_zeroing },
	{ "copying", by_copying },     { "open with O_TRUNC", by_open_trunc },
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static mode_t before, after;

static const char *all_the_ways(void)
{
	static char words[200];

	for (unsigned k = 0; k < WAYS; k++) {
		int fd = open(ways[k].name, O_RDWR);

		CHECK(fd >= 0 && mode_of(ways[k].name) == before && read(fd, &(char){ 0 }, 1) == 1 &&
		      ways[k].fn(fd));
		if (mode_of(ways[k].name) != after) {
			snprintf(words, sizeof(words), "%s of mode %o leaves %o, not %o", ways[k].name,
				 before, mode_of(ways[k].name), after);
			return words;
		}
		CHECK(close(fd) == 0);
	}
	return NULL;
}

/* A file of the group 4444 for each of the ways, and what is expected of its mode. */
static bool made_anew(const mode_t modes[2])
{
	bool good = true;

	for (unsigned k = 0; k < WAYS; k++) {
		(void)unlink(ways[k].name);
		good &= made(ways[k].name, "0123456789", 0644) && chown(ways[k].name, 0, 4444) == 0 &&
			chmod(ways[k].name, modes[0]) == 0;
	}
	before = modes[0];
	after = modes[1];
	return good;
}

/* Done by somebody who is neither owner nor in the group, and by root, who may leave them. */
static const char *modes_before_and_after(void)
{
	static const mode_t modes[][2] = { { 06777, 0777 }, { 04766, 0766 }, { 02777, 0777 }, { 04666, 0666 },
					   { 06666, 0666 }, { 02766, 0766 }, { 01666, 01666 } };
	/* setgid without execution for the group is a mark that its members may keep */
	static const mode_t of_members[][2] = { { 06777, 0777 }, { 06666, 02666 }, { 02766, 02766 } };

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("from", "text", 0644));
	for (unsigned m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
		CHECK(made_anew(modes[m]));
		PASS_ON(as_somebody(all_the_ways));
	}
	for (unsigned m = 0; m < sizeof(of_members) / sizeof(of_members[0]); m++) {
		CHECK(made_anew(of_members[m]));
		PASS_ON(as_user(SOMEBODY, SOMEBODY, 2, (const gid_t[]){ 7777, 4444 }, all_the_ways));
		CHECK(made_anew(of_members[m]));
		PASS_ON(as_user(SOMEBODY, 4444, 0, NULL, all_the_ways));
	}
	for (unsigned k = 0; k < WAYS; k++) {
		int fd;

		CHECK(unlink(ways[k].name) == 0 && made(ways[k].name, "0123456789", 0644) &&
		      chmod(ways[k].name, 06755) == 0);
		CHECK((fd = open(ways[k].name, O_RDWR)) >= 0 && ways[k].fn(fd) && close(fd) == 0 &&
		      mode_of(ways[k].name) == 06755);
	}
	return NULL;
}

static const char *owner_gives_away(void)
{
	CHECK(mode_of("a") == 06755 && chown("a", (uid_t)-1, 4444) == 0 && mode_of("a") == 0755);
	CHECK(mode_of("b") == 06711 && chown("b", (uid_t)-1, (gid_t)-1) == 0 &&
	      (mode_of("b") == 06711 || mode_of("b") == 0711));
	CHECK(chown("d", (uid_t)-1, 4444) == 0 &&
	      mode_of("d") == 02755); /* of a directory it means something else */
	return NULL;
}

static const char *giving_away(void)
{
	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("a", "", 0644) && made("b", "", 0644) && mkdir("d", 0755) == 0 && made("r", "", 0644));
	CHECK(chown("a", 3333, 3333) == 0 && chown("b", 3333, 3333) == 0 && chown("d", 3333, 3333) == 0);
	CHECK(chmod("a", 06755) == 0 && chmod("b", 06711) == 0 && chmod("d", 02755) == 0 &&
	      chmod("r", 06755) == 0);
	CHECK(chown("r", 1, 1) == 0 && mode_of("r") == 0755); /* root's chown clears them, too */
	return as_user(3333, 3333, 1, (const gid_t[]){ 4444 }, owner_gives_away);
}

/* A capability is bound to what the program is: any change of contents or owner takes it, root's as well. */
static const char *capabilities(void)
{
	const struct vfs_cap_data cap = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
					  .data = { { .permitted = 1u << CAP_NET_RAW } } };
	const char *const name = "security.capability";
	char got[64];

	if (geteuid() != 0)
		SKIP("needs root");
	CHECK(made("from", "text", 0644));
	for (unsigned k = 0; k < WAYS; k++) {
		static char words[200];
		int fd;

		CHECK(made(ways[k].name, "0123456789", 0755) &&
		      setxattr(ways[k].name, name, &cap, sizeof(cap), 0) == 0);
		CHECK(getxattr(ways[k].name, name, got, sizeof(got)) == sizeof(cap));
		CHECK((fd = open(ways[k].name, O_RDWR)) >= 0 && ways[k].fn(fd) && close(fd) == 0);
		if (getxattr(ways[k].name, name, got, sizeof(got)) >= 0 || errno != ENODATA) {
			snprintf(words, sizeof(words), "%s leaves the capability", ways[k].name);
			return words;
		}
	}
	CHECK(made("given", "", 0755) && setxattr("given", name, &cap, sizeof(cap), 0) == 0 &&
	      chmod("given", 0700) == 0);
	CHECK(getxattr("given", name, got, sizeof(got)) == sizeof(cap) && chown("given", 1, 1) == 0);
	FAILS(ENODATA, getxattr("given", name, got, sizeof(got)));
	return NULL;
}

const struct check checks_setuid[] = {
	{ "setuid and setgid cleared by write, truncate and chown", setuid_files },
	{ "setuid and setgid, each way to write", modes_before_and_after },
	{ "setuid and setgid, given away", giving_away },
	{ "capabilities, each way to write", capabilities },
	{ NULL, NULL },
};
