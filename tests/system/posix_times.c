/* SPDX-License-Identifier: MIT */
/* Time stamps: which operation changes which, and what they can hold. */
#include "posix.h"

#include <dirent.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static const char *times(void)
{
	const struct timespec set[2] = { { -86400, 123456789 }, { 4102444800, 987654321 } },
			      keep[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
	struct timespec before;
	struct statx sx;
	struct stat st;

	CHECK(made("f", "", 0644) && utimensat(AT_FDCWD, "f", set, 0) == 0);
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec == -86400 && st.st_atim.tv_nsec == 123456789 &&
	      st.st_mtim.tv_sec == 4102444800 && st.st_mtim.tv_nsec == 987654321);
	CHECK(utimensat(AT_FDCWD, "f", keep, 0) == 0 && stat_of("f").st_atim.tv_sec == -86400 &&
	      stat_of("f").st_mtim.tv_sec < 4102444800);
	before = stat_of(".").st_mtim;
	CHECK(made("g", "", 0644) && (stat_of(".").st_mtim.tv_sec != before.tv_sec ||
				      stat_of(".").st_mtim.tv_nsec != before.tv_nsec));
	before = stat_of("g").st_ctim;
	CHECK(rename("g", "h") == 0 && stat_of("h").st_ctim.tv_nsec != before.tv_nsec);
	before = stat_of("h").st_mtim;
	CHECK(chmod("h", 0600) == 0 && stat_of("h").st_mtim.tv_nsec == before.tv_nsec);
	CHECK(truncate("h", 5) == 0 && stat_of("h").st_mtim.tv_nsec != before.tv_nsec);
	CHECK(symlink("x", "s") == 0 && utimensat(AT_FDCWD, "s", set, AT_SYMLINK_NOFOLLOW) == 0 &&
	      stat_of("s").st_mtim.tv_sec == 4102444800);
	CHECK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &sx) == 0 &&
	      sx.stx_ino == stat_of("f").st_ino);
	return NULL;
}

static bool is_later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* --- which operation changes which */

static int target; /* the file f, open */

static bool do_read(void)
{
	char c;

	return pread(target, &c, 1, 0) == 1;
}

static bool do_write(void)
{
	return pwrite(target, "w", 1, 0) == 1;
}

static bool do_write_nothing(void)
{
	return pwrite(target, "", 0, 0) == 0;
}

static bool do_append(void)
{
	return pwrite(target, "a", 1, stat_of("f").st_size) == 1;
}

static bool do_grow(void)
{
	return ftruncate(target, stat_of("f").st_size + 10) == 0;
}

static bool do_shrink(void)
{
	return truncate("f", stat_of("f").st_size - 5) == 0;
}

static bool do_open_trunc(void)
{
	return close(open("f", O_WRONLY | O_TRUNC)) == 0 && pwrite(target, "0123456789", 10, 0) == 10;
}

static bool do_open_creat(void)
{
	return close(open("f", O_RDWR | O_CREAT, 0600)) == 0;
}

static bool do_fallocate(void)
{
	return fallocate(target, 0, 0, stat_of("f").st_size + 4096) == 0;
}

static bool do_punch(void)
{
	return fallocate(target, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2) == 0;
}

static bool do_mapped(void)
{
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, target, 0);
	bool good = map != MAP_FAILED;

	if (good)
		*map = 'm';
	return good && msync(map, 4096, MS_SYNC) == 0 && munmap(map, 4096) == 0;
}

static bool do_copy_to(void)
{
	int from = open("d/other", O_RDONLY);
	bool good = copy_file_range(from, &(loff_t){ 0 }, target, &(loff_t){ 0 }, 5, 0) == 5;

	return close(from) == 0 && good;
}

static bool do_copy_from(void)
{
	int to = open("d/other", O_WRONLY);
	bool good = copy_file_range(target, &(loff_t){ 0 }, to, &(loff_t){ 0 }, 1, 0) == 1;

	return close(to) == 0 && good;
}

static bool do_chmod(void)
{
	return fchmod(target, 0600) == 0;
}

static bool do_chown(void)
{
	return fchown(target, geteuid(), getegid()) == 0;
}

static bool do_xattr(void)
{
	return fsetxattr(target, "user.t", "v", 1, 0) == 0;
}

static bool do_unxattr(void)
{
	return fremovexattr(target, "user.t") == 0;
}

static bool do_getxattr(void)
{
	char got[8];

	return fgetxattr(target, "user.none", got, sizeof(got)) < 0 && flistxattr(target, NULL, 0) >= 0;
}

static bool do_link(void)
{
	return link("f", "f2") == 0;
}

static bool do_unlink(void)
{
	return unlink("f2") == 0;
}

static bool do_rename(void)
{
	return rename("f", "g") == 0 && rename("g", "f") == 0;
}

static bool do_exchange(void)
{
	return renameat2(AT_FDCWD, "f", AT_FDCWD, "d/other", RENAME_EXCHANGE) == 0 &&
	       renameat2(AT_FDCWD, "f", AT_FDCWD, "d/other", RENAME_EXCHANGE) == 0;
}

static bool do_replace_link(void)
{
	return link("f", "f3") == 0 && made("new", "", 0644) && (pause_ms(3), rename("new", "f3") == 0);
}

static bool do_stat(void)
{
	return stat_of("f").st_nlink > 0 && access("f", R_OK) == 0 && fsync(target) == 0;
}

static bool do_make(void)
{
	return made("made", "", 0644);
}

static bool do_unmake(void)
{
	return unlink("made") == 0;
}

static bool do_mkdir(void)
{
	return mkdir("sub", 0755) == 0;
}

static bool do_rmdir(void)
{
	return rmdir("sub") == 0;
}

static bool do_symlink(void)
{
	return symlink("f", "s") == 0;
}

static bool do_readlink(void)
{
	char got[8];

	return readlink("s", got, sizeof(got)) == 1 && unlink("s") == 0 && symlink("f", "s") == 0;
}

static bool do_mkfifo(void)
{
	return mkfifo("fifo", 0600) == 0;
}

static bool do_list(void)
{
	DIR *dir = opendir(".");
	unsigned n = 0;

	while (dir && readdir(dir))
		n++;
	return dir && closedir(dir) == 0 && n > 2;
}

static bool do_change_inside_sub(void)
{
	return made("d/inside", "", 0644) && unlink("d/inside") == 0;
}

static bool do_omit(void)
{
	return futimens(target, (const struct timespec[2]){ { 0, UTIME_OMIT }, { 0, UTIME_OMIT } }) == 0;
}

enum { M = 1, C = 2, A = 4 };

/* Of f, and of the directory it is in. Nothing here sets an access time: those are set by utimensat alone. */
static const struct {
	const char *what;
	bool (*fn)(void);
	int file, dir;
} operations[] = {
	{ "read", do_read, 0, 0 },
	{ "write", do_write, M | C, 0 },
	{ "write of nothing", do_write_nothing, 0, 0 },
	{ "append", do_append, M | C, 0 },
	{ "ftruncate, growing", do_grow, M | C, 0 },
	{ "truncate, shrinking", do_shrink, M | C, 0 },
	{ "open with O_TRUNC", do_open_trunc, M | C, 0 },
	{ "open with O_CREAT of what is there", do_open_creat, 0, 0 },
	{ "fallocate", do_fallocate, M | C, 0 },
	{ "punching a hole", do_punch, M | C, 0 },
	{ "a mapping and msync", do_mapped, M | C, 0 },
	{ "copy_file_range into it", do_copy_to, M | C, 0 },
	{ "copy_file_range from it", do_copy_from, 0, 0 },
	{ "chmod", do_chmod, C, 0 },
	{ "chown", do_chown, C, 0 },
	{ "setxattr", do_xattr, C, 0 },
	{ "getxattr, listxattr", do_getxattr, 0, 0 },
	{ "removexattr", do_unxattr, C, 0 },
	{ "link", do_link, C, M | C },
	{ "unlink of another name", do_unlink, C, M | C },
	{ "rename", do_rename, C, M | C },
	{ "rename with EXCHANGE", do_exchange, C, M | C },
	{ "rename over another name of it", do_replace_link, C, M | C },
	{ "stat, access, fsync", do_stat, 0, 0 },
	{ "creat", do_make, 0, M | C },
	{ "unlink", do_unmake, 0, M | C },
	{ "mkdir", do_mkdir, 0, M | C },
	{ "rmdir", do_rmdir, 0, M | C },
	{ "symlink", do_symlink, 0, M | C },
	{ "readlink", do_readlink, 0, M | C },
	{ "mkfifo", do_mkfifo, 0, M | C },
	{ "readdir", do_list, 0, 0 },
	{ "a change in a folder of the folder", do_change_inside_sub, 0, 0 },
	{ "utimensat with OMIT twice", do_omit, 0, 0 },
};

static int changed(const struct stat *before, const struct stat *after)
{
	return (is_later(after->st_mtim, before->st_mtim) ? M : 0) |
	       (is_later(after->st_ctim, before->st_ctim) ? C : 0) |
	       (is_later(after->st_atim, before->st_atim) ? A : 0);
}

static const char *which_changes_which(void)
{
	static char words[200];

	CHECK((target = make("f", "0123456789", 0644)) >= 0 && mkdir("d", 0755) == 0 &&
	      made("d/other", "other", 0644));
	for (unsigned k = 0; k < sizeof(operations) / sizeof(operations[0]); k++) {
		struct stat file = stat_of("f"), dir = stat_of("."), file2, dir2;
		int of_file, of_dir,
			ignored = operations[k].fn == do_read || operations[k].fn == do_list ||
						  operations[k].fn == do_copy_from ||
						  operations[k].fn == do_mapped ?
					  A :
					  0;

		pause_ms(12); /* more than a tick, where clocks are coarse */
		CHECK(operations[k].fn());
		file2 = stat_of("f");
		dir2 = stat_of(".");
		of_file = changed(&file, &file2) & ~ignored;
		of_dir = changed(&dir, &dir2) & ~ignored;
		if (of_file != operations[k].file || of_dir != operations[k].dir) {
			snprintf(words, sizeof(words), "%s: of the file %s%s%s, of the directory %s%s%s",
				 operations[k].what, of_file & M ? "m" : "", of_file & C ? "c" : "",
				 of_file & A ? "a" : "", of_dir & M ? "m" : "", of_dir & C ? "c" : "",
				 of_dir & A ? "a" : "");
			return words;
		}
	}
	CHECK(close(target) == 0);
	return NULL;
}

/* --- what can be set */

static bool set_both(const char *name, int64_t s, long ns)
{
	return utimensat(AT_FDCWD, name, (const struct timespec[2]){ { s, ns }, { s, ns } }, 0) == 0;
}

static const char *far_times(void)
{
	static const int64_t seconds[] = {
		0, -1, INT32_MAX, INT32_MIN, INT64_C(4294967296), INT64_C(15032385535)
	};
	struct stat st;

	CHECK(made("f", "", 0644));
	for (unsigned k = 0; k < sizeof(seconds) / sizeof(seconds[0]); k++) {
		CHECK(set_both("f", seconds[k], 999999999));
		st = stat_of("f");
		CHECK(st.st_atim.tv_sec == seconds[k] && st.st_mtim.tv_sec == seconds[k] &&
		      st.st_mtim.tv_nsec == 999999999 && st.st_atim.tv_nsec == 999999999);
		CHECK(st.st_ctim.tv_sec > 1600000000);
	}
	CHECK(utimensat(AT_FDCWD, "f", (const struct timespec[2]){ { 0, 1000000000 }, { 0, 0 } }, 0) < 0 &&
	      errno == EINVAL);
	CHECK(utimensat(AT_FDCWD, "f", (const struct timespec[2]){ { 0, 0 }, { 0, -1 } }, 0) < 0 &&
	      errno == EINVAL);
	return NULL;
}

static const char *omit_and_now(void)
{
	struct stat before, st;
	int fd;

	CHECK((fd = make("f", "", 0644)) >= 0 && set_both("f", 1000, 1));
	CHECK(futimens(fd, (const struct timespec[2]){ { 7, UTIME_OMIT }, { 2000, 2 } }) == 0);
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 1 && st.st_mtim.tv_sec == 2000 &&
	      st.st_mtim.tv_nsec == 2);
	CHECK(futimens(fd, (const struct timespec[2]){ { 3000, 3 }, { 7, UTIME_OMIT } }) == 0);
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec == 3000 && st.st_mtim.tv_sec == 2000);
	before = st;
	pause_ms(12);
	CHECK(futimens(fd, (const struct timespec[2]){ { 0, UTIME_NOW }, { 0, UTIME_OMIT } }) == 0);
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec > 1600000000 && st.st_mtim.tv_sec == 2000 &&
	      is_later(st.st_ctim, before.st_ctim));
	CHECK(futimens(fd, (const struct timespec[2]){ { 0, UTIME_NOW }, { 0, UTIME_NOW } }) == 0);
	st = stat_of("f");
	CHECK(st.st_atim.tv_sec > 1600000000 && st.st_mtim.tv_sec > 1600000000);
	CHECK(futimens(fd, NULL) == 0 && close(fd) == 0 && mkdir("d", 0755) == 0 && set_both("d", 5, 5) &&
	      stat_of("d").st_mtim.tv_sec == 5);
	CHECK(made("d/f", "", 0644) && stat_of("d").st_mtim.tv_sec > 5 && stat_of("d").st_atim.tv_sec == 5);
	return NULL;
}

static const char *others_at_times(void)
{
	const struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } },
			      half[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } },
			      omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } },
			      set[2] = { { 1, 1 }, { 1, 1 } };

	CHECK(utimensat(AT_FDCWD, "writable", now, 0) == 0 && utimensat(AT_FDCWD, "writable", NULL, 0) == 0);
	FAILS(EPERM, utimensat(AT_FDCWD, "writable", set, 0));
	FAILS(EPERM, utimensat(AT_FDCWD, "writable", half, 0));
	FAILS(EACCES, utimensat(AT_FDCWD, "readable", now, 0));
	CHECK(utimensat(AT_FDCWD, "readable", omit, 0) == 0);
	CHECK(utimensat(AT_FDCWD, "own", set, 0) == 0 && utimensat(AT_FDCWD, "own", half, 0) == 0);
	return NULL;
}

static const char *whose_times(void)
{
	CHECK(made("writable", "", 0666) && chmod("writable", 0666) == 0 && made("readable", "", 0644) &&
	      made("own", "", 0400));
	CHECK(geteuid() != 0 || chown("own", SOMEBODY, SOMEBODY) == 0);
	return as_somebody(others_at_times);
}

static const char *birth(void)
{
	struct statx before, after;
	int fd = make("f", "", 0644);

	CHECK(statx(AT_FDCWD, "f", 0, STATX_BTIME | STATX_BASIC_STATS, &before) == 0);
	if (!(before.stx_mask & STATX_BTIME))
		SKIP("this kernel's FUSE does not hand on the time of birth");
	CHECK(before.stx_btime.tv_sec == before.stx_ctime.tv_sec &&
	      before.stx_btime.tv_nsec == before.stx_ctime.tv_nsec);
	pause_ms(12);
	CHECK(write(fd, "x", 1) == 1 && fchmod(fd, 0600) == 0 && set_both("f", 1, 1) &&
	      rename("f", "g") == 0);
	CHECK(statx(AT_FDCWD, "g", 0, STATX_BTIME | STATX_BASIC_STATS, &after) == 0 &&
	      after.stx_mask & STATX_BTIME);
	CHECK(after.stx_btime.tv_sec == before.stx_btime.tv_sec &&
	      after.stx_btime.tv_nsec == before.stx_btime.tv_nsec);
	CHECK(after.stx_mtime.tv_sec == 1 && after.stx_nlink == 1 && after.stx_size == 1 &&
	      (after.stx_mode & 07777) == 0600);
	CHECK(close(fd) == 0);
	return NULL;
}

const struct check checks_times[] = {
	{ "times, to the nanosecond", times },
	{ "times: which operation changes which", which_changes_which },
	{ "times far from now", far_times },
	{ "utimensat with OMIT and NOW", omit_and_now },
	{ "whose times one may set", whose_times },
	{ "the time of birth stays", birth },
	{ NULL, NULL },
};
