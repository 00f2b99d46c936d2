/* SPDX-License-Identifier: MIT */
/*
 * The same random system calls in two folders, which must answer alike and look alike afterwards:
 *
 *	twins SEED OPERATIONS DIR TWIN    make them; ends with a comparison
 *	twins compare DIR TWIN
 *
 * One folder is on what is tested, the other on a file system that is trusted.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { OPEN = 8, BYTES = 300000, PATHS = 40 };

static uint64_t seed;
static unsigned long operations;
static int dirs[2];
static int fds[OPEN][2];
static char doing[300];
static uint8_t data[BYTES], got[2][BYTES];
static bool has_zero_range, has_tmpfile;

static uint64_t chance(uint64_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (seed >> 33) % below;
}

__attribute__((noreturn, format(printf, 1, 2))) static void differ(const char *fmt, ...)
{
	va_list args;

	printf("operation %lu, %s: ", operations, doing);
	va_start(args, fmt);
	(void)vprintf(fmt, args);
	va_end(args);
	printf("\n");
	exit(1);
}

/* Both answers must be the same, and so must the errors. Returns whether the call succeeded. */
static bool same(const long r[2], const int error[2])
{
	if (r[0] != r[1] && (r[0] < 0 || r[1] < 0 || r[0] != r[1]))
		differ("%ld (%s) and %ld (%s)", r[0], r[0] < 0 ? strerror(error[0]) : "fine", r[1],
		       r[1] < 0 ? strerror(error[1]) : "fine");
	if (r[0] < 0 && error[0] != error[1])
		differ("%s and %s", strerror(error[0]), strerror(error[1]));
	return r[0] >= 0;
}

#define BOTH(call)                            \
	({                                    \
		long r_[2];                   \
		int error_[2];                \
		for (int w = 0; w < 2; w++) { \
			errno = 0;            \
			r_[w] = (long)(call); \
			error_[w] = errno;    \
		}                             \
		same(r_, error_);             \
	})

#define DOING(...) ((void)snprintf(doing, sizeof(doing), __VA_ARGS__))

/* a to e may be folders, two deep; all names are few, so that they meet. */
static const char *path(void)
{
	static char made[4][32];
	static unsigned next;
	char *p = made[next++ % 4];
	const char top = (char)('a' + (char)chance(8)), low = (char)('a' + (char)chance(6));

	if (chance(2))
		snprintf(p, 32, "%c", top);
	else if (chance(3))
		snprintf(p, 32, "%c/%c", top, low);
	else
		snprintf(p, 32, "%c/%c/%c", top, low, (char)('a' + (char)chance(4)));
	return p;
}

/* --- comparing */

static void compare_files(const char *name, const struct stat *st)
{
	for (off_t at = 0; at < st->st_size;) {
		ssize_t n[2];

		if (at > 8 << 20) /* the rest is sparse: its end is enough */
			at = st->st_size - at > 4096 ? st->st_size - 4096 : at;
		for (int w = 0; w < 2; w++) {
			int fd = openat(dirs[w], name, O_RDONLY);

			n[w] = fd < 0 ? -1 : pread(fd, got[w], sizeof(got[w]), at);
			if (fd >= 0)
				(void)close(fd);
		}
		if (n[0] != n[1] || n[0] <= 0)
			differ("%s is read with %zd and %zd at %lld", name, n[0], n[1], (long long)at);
		for (ssize_t k = 0; k < n[0]; k++) {
			if (got[0][k] != got[1][k])
				differ("%s (%lld bytes) differs at %lld: %02x and %02x", name,
				       (long long)st->st_size, (long long)at + k, got[0][k], got[1][k]);
		}
		at += n[0];
	}
}

static void compare_xattrs(const char *name)
{
	char full[64], value[2][256];
	ssize_t n[2];

	for (char c = 'a'; c < 'd'; c++) {
		snprintf(full, sizeof(full), "user.%c", c);
		for (int w = 0; w < 2; w++) {
			int fd = openat(dirs[w], name, O_RDONLY | O_NONBLOCK);

			n[w] = fd < 0 ? -1 : fgetxattr(fd, full, value[w], sizeof(value[w]));
			if (fd >= 0)
				(void)close(fd);
		}
		if (n[0] != n[1] || (n[0] > 0 && memcmp(value[0], value[1], (size_t)n[0]) != 0))
			differ("%s: the attribute %s has %zd and %zd bytes", name, full, n[0], n[1]);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void compare_one(const char *name);

static void compare_folder(const char *name)
{
	char names[2][PATHS][16], below[600];
	size_t n[2] = { 0 };

	for (int w = 0; w < 2; w++) {
		int fd = openat(dirs[w], name, O_RDONLY | O_DIRECTORY);
		DIR *d = fd < 0 ? NULL : fdopendir(fd);
		struct dirent *e;

		if (!d)
			differ("%s cannot be listed", name);
		while ((e = readdir(d))) {
			if (e->d_name[0] != '.' && n[w] < PATHS)
				snprintf(names[w][n[w]++], 16, "%.15s", e->d_name);
		}
		(void)closedir(d);
		qsort(names[w], n[w], sizeof(names[w][0]), by_name);
	}
	if (n[0] != n[1])
		differ("%s has %zu and %zu names", name, n[0], n[1]);
	for (size_t k = 0; k < n[0]; k++) {
		if (strcmp(names[0][k], names[1][k]) != 0)
			differ("%s has %s, its twin %s", name, names[0][k], names[1][k]);
		snprintf(below, sizeof(below), "%s/%s", name, names[0][k]);
		compare_one(below);
	}
}

static void compare_one(const char *name)
{
	char target[2][64] = { "", "" };
	struct stat st[2];

	for (int w = 0; w < 2; w++) {
		if (fstatat(dirs[w], name, &st[w], AT_SYMLINK_NOFOLLOW) < 0)
			differ("%s is not there", name);
		if (S_ISLNK(st[w].st_mode) && readlinkat(dirs[w], name, target[w], 63) < 0)
			differ("%s cannot be read", name);
	}
	if (st[0].st_mode != st[1].st_mode || st[0].st_uid != st[1].st_uid || st[0].st_gid != st[1].st_gid)
		differ("%s has mode %o and %o, owner %u and %u", name, st[0].st_mode, st[1].st_mode,
		       st[0].st_uid, st[1].st_uid);
	if (!S_ISDIR(st[0].st_mode) && (st[0].st_size != st[1].st_size || st[0].st_nlink != st[1].st_nlink))
		differ("%s has %lld and %lld bytes, %lu and %lu links", name, (long long)st[0].st_size,
		       (long long)st[1].st_size, (unsigned long)st[0].st_nlink,
		       (unsigned long)st[1].st_nlink);
	if (strcmp(target[0], target[1]) != 0)
		differ("%s leads to %s and %s", name, target[0], target[1]);
	if (S_ISREG(st[0].st_mode))
		compare_files(name, &st[0]);
	if (S_ISREG(st[0].st_mode) || S_ISDIR(st[0].st_mode))
		compare_xattrs(name);
	if (S_ISDIR(st[0].st_mode))
		compare_folder(name);
}

/* --- operations */

static void op_open(void)
{
	static const int flags[] = { O_RDWR,
				     O_RDWR | O_CREAT,
				     O_RDWR | O_CREAT,
				     O_RDWR | O_CREAT | O_EXCL,
				     O_RDWR | O_CREAT | O_TRUNC,
				     O_RDWR | O_APPEND,
				     O_RDWR | O_CREAT | O_APPEND,
				     O_RDWR | O_NOFOLLOW };
	const int flag = flags[chance(8)];
	const size_t k = chance(OPEN);
	const char *p = path();
	long r[2];
	int error[2];

	DOING("open %s flags %o", p, flag);
	for (int w = 0; w < 2; w++) {
		if (fds[k][w] >= 0)
			(void)close(fds[k][w]);
		fds[k][w] = openat(dirs[w], p, flag | O_NONBLOCK, 0644);
		error[w] = errno;
		r[w] = fds[k][w] < 0 ? -1 : 0;
	}
	(void)same(r, error);
}

static void op_tmpfile(void)
{
	const size_t k = chance(OPEN);
	const char *p = path();
	char proc[2][64];

	if (!has_tmpfile)
		return;
	DOING("O_TMPFILE as %s", p);
	for (int w = 0; w < 2; w++) {
		if (fds[k][w] >= 0)
			(void)close(fds[k][w]);
		fds[k][w] = openat(dirs[w], ".", O_TMPFILE | O_RDWR, 0600);
		snprintf(proc[w], sizeof(proc[w]), "/proc/self/fd/%d", fds[k][w]);
	}
	(void)BOTH(write(fds[k][w], data, 5000));
	if (chance(2))
		(void)BOTH(linkat(AT_FDCWD, proc[w], dirs[w], p, AT_SYMLINK_FOLLOW));
}

static off_t offset_of(const int fd[2])
{
	struct stat st;

	if (fstat(fd[0], &st) < 0 || st.st_size == 0 || chance(10) == 0)
		return (off_t)chance(chance(20) ? 200000 : (uint64_t)1 << 35);
	return chance(3) ? (off_t)chance((uint64_t)st.st_size + 1) :
			   (off_t)(chance((uint64_t)st.st_size / 4096 + 1) * 4096);
}

static size_t length(void)
{
	return chance(3) ? 1 + chance(5000) : chance(4) ? 4096 * (1 + chance(8)) : 1 + chance(BYTES / 2);
}

static void op_mapped(const int fd[2])
{
	struct stat st;
	size_t at, n;

	DOING("mapped");
	if (fstat(fd[0], &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 100 || st.st_size > 4 << 20)
		return;
	at = chance((uint64_t)st.st_size - 50);
	n = 1 + chance(50);
	for (int w = 0; w < 2; w++) {
		uint8_t *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd[w], 0);

		if (map == MAP_FAILED)
			differ("no mapping: %s", strerror(errno));
		memcpy(map + at, data + at % 1000, n);
		if (at % 3 == 0)
			(void)msync(map, (size_t)st.st_size, MS_SYNC);
		(void)munmap(map, (size_t)st.st_size);
	}
}

static void op_file(void)
{
	int *fd = fds[chance(OPEN)], *other = fds[chance(OPEN)];
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	const off_t at = offset_of(fd), to = offset_of(other);
	const size_t n = length();
	const uint8_t *from = data + chance(1000);
	loff_t in[2] = { at, at }, out[2] = { to, to };
	int mode;

	if (fd[0] < 0)
		return;
	switch (chance(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		DOING("pwrite %zu at %lld", n, (long long)at);
		(void)BOTH(pwrite(fd[w], from, n, at));
		break;
	case 4:
		DOING("write %zu", n % 3000);
		(void)BOTH(write(fd[w], from, n % 3000));
		break;
	case 5:
	case 6:
		DOING("pread %zu at %lld", n, (long long)at);
		if (BOTH(pread(fd[w], got[w], n, at)) && memcmp(got[0], got[1], n) != 0)
			differ("different bytes");
		memset(got, 0, sizeof(got));
		break;
	case 7:
		DOING("ftruncate %lld", (long long)at);
		(void)BOTH(ftruncate(fd[w], at));
		break;
	case 8:
		mode = modes[chance(has_zero_range ? 5 : 3)];
		DOING("fallocate %d at %lld, %zu", mode, (long long)at % 1000000, n);
		(void)BOTH(fallocate(fd[w], mode, at % 1000000, (off_t)n));
		break;
	case 9:
		op_mapped(fd);
		break;
	case 10:
		if (other[0] < 0 || at > 1 << 24 || to > 1 << 24)
			return;
		DOING("copy_file_range %zu from %lld to %lld", n, (long long)at, (long long)to);
		(void)BOTH(copy_file_range(fd[w], &in[w], other[w], &out[w], n, 0));
		break;
	default:
		DOING("fsync");
		(void)BOTH(chance(2) ? fsync(fd[w]) * 0 : 0);
	}
}

static void op_name(void)
{
	static const mode_t modes[] = { 0644, 0755, 0600, 04755, 02755, 01777 };
	const char *p = path(), *q = path();
	const mode_t mode = modes[chance(6)];
	char attribute[16];
	unsigned flags;
	off_t size;
	size_t n;

	switch (chance(14)) {
	case 0:
	case 1:
		DOING("mkdir %s", p);
		(void)BOTH(mkdirat(dirs[w], p, 0755));
		break;
	case 2:
		DOING("rmdir %s", p);
		(void)BOTH(unlinkat(dirs[w], p, AT_REMOVEDIR));
		break;
	case 3:
	case 4:
		DOING("unlink %s", p);
		(void)BOTH(unlinkat(dirs[w], p, 0));
		break;
	case 5:
	case 6:
	case 7:
		flags = chance(3) ? 0 : chance(2) ? RENAME_EXCHANGE : RENAME_NOREPLACE;
		DOING("rename %s %s flags %u", p, q, flags);
		(void)BOTH(renameat2(dirs[w], p, dirs[w], q, flags));
		break;
	case 8:
		DOING("link %s %s", p, q);
		(void)BOTH(linkat(dirs[w], p, dirs[w], q, 0));
		break;
	case 9:
		DOING("symlink %s", p);
		(void)BOTH(symlinkat(q, dirs[w], p));
		break;
	case 10:
		DOING("chmod %s %o", p, mode);
		(void)BOTH(fchmodat(dirs[w], p, mode, 0));
		break;
	case 11:
		size = (off_t)chance(100000);
		DOING("truncate %s to %lld", p, (long long)size);
		(void)BOTH(({
			int fd = openat(dirs[w], p, O_WRONLY | O_NONBLOCK);
			int r = fd < 0 ? -1 : ftruncate(fd, size), error = errno;

			if (fd >= 0)
				(void)close(fd);
			errno = error;
			r;
		}));
		break;
	case 12:
		snprintf(attribute, sizeof(attribute), "user.%c", (char)('a' + (char)chance(3)));
		n = chance(200);
		DOING("attribute %s of %s, %zu", attribute, p, n);
		(void)BOTH(({
			int fd = openat(dirs[w], p, O_RDONLY | O_NONBLOCK);
			int r = fd < 0 ? -1 :
				n < 50 ? fremovexattr(fd, attribute) :
					 fsetxattr(fd, attribute, data, n, 0),
			    error = errno;

			if (fd >= 0)
				(void)close(fd);
			errno = error;
			r;
		}));
		break;
	default:
		DOING("stat %s", p);
		(void)BOTH(faccessat(dirs[w], p, F_OK, AT_SYMLINK_NOFOLLOW));
	}
}

/* What the trusted file system cannot do is not asked. */
static void probe(void)
{
	int fd = openat(dirs[1], ".probe", O_RDWR | O_CREAT, 0644), tmp[2];

	has_zero_range = fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 10) == 0;
	(void)close(fd);
	(void)unlinkat(dirs[1], ".probe", 0);
	has_tmpfile = true;
	for (int w = 0; w < 2; w++) {
		tmp[w] = openat(dirs[w], ".", O_TMPFILE | O_RDWR, 0600);
		has_tmpfile &= tmp[w] >= 0;
	}
	for (int w = 0; w < 2; w++) {
		if (tmp[w] >= 0)
			(void)close(tmp[w]);
	}
}

int main(int argc, char **argv)
{
	unsigned long most = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;

	if (argc < 4)
		return 2;
	for (int w = 0; w < 2; w++) {
		dirs[w] = open(argv[argc - 2 + w], O_RDONLY | O_DIRECTORY);
		if (dirs[w] < 0)
			return 2;
	}
	DOING("compare");
	if (strcmp(argv[1], "compare") != 0) {
		seed = strtoull(argv[1], NULL, 0);
		(void)umask(022);
		for (size_t k = 0; k < sizeof(data); k++)
			data[k] = (uint8_t)chance(256);
		memset(fds, -1, sizeof(fds));
		probe();
		for (operations = 0; operations < most; operations++) {
			switch (chance(20)) {
			case 0:
			case 1:
			case 2:
				op_open();
				break;
			case 3:
				if (chance(5) == 0)
					op_tmpfile();
				break;
			case 4:
			case 5:
			case 6:
			case 7:
			case 8:
			case 9:
			case 10:
				op_name();
				break;
			default:
				op_file();
			}
			if (operations % 1000 == 999)
				compare_one(".");
		}
	}
	DOING("compare");
	compare_one(".");
	return 0;
}
