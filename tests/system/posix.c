/* SPDX-License-Identifier: MIT */
/*
 * What POSIX and Linux promise of a file system, asked of a folder: `posix DIR`. Each check has a folder of
 * its own in DIR and prints one line of TAP. Some need root, to become somebody else: without it they are
 * skipped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SOMEBODY 65534

static char why[300];

static const char *failed(int line, const char *what, int error)
{
	snprintf(why, sizeof(why), "line %d: %s (errno %d, %s)", line, what, error, strerror(error));
	return why;
}

#define CHECK(cond)                                            \
	do {                                                   \
		errno = 0;                                     \
		if (!(cond))                                   \
			return failed(__LINE__, #cond, errno); \
	} while (0)
#define FAILS(error, call) CHECK((call) < 0 && errno == (error))
#define SKIP(reason) return "SKIP " reason

static int make(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, mode);

	if (fd >= 0 && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	return fd;
}

static bool made(const char *name, const char *text, mode_t mode)
{
	int fd = make(name, text, mode);

	return fd >= 0 && close(fd) == 0;
}

static bool holds(const char *name, const char *text)
{
	char got[4096] = "";
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text) && strcmp(got, text) == 0;
}

static struct stat stat_of(const char *name)
{
	struct stat st = { 0 };

	(void)lstat(name, &st);
	return st;
}

/* Run fn as somebody else: what it says, or NULL. */
static const char *as_somebody(const char *(*fn)(void))
{
	static char said[300];
	int ends[2], status;
	pid_t pid;
	ssize_t n;

	if (geteuid() != 0)
		SKIP("needs root");
	if (pipe(ends) < 0)
		return "no pipe";
	pid = fork();
	if (pid == 0) {
		const char *words;

		if (setgroups(0, NULL) < 0 || setresgid(SOMEBODY, SOMEBODY, SOMEBODY) < 0 ||
		    setresuid(SOMEBODY, SOMEBODY, SOMEBODY) < 0)
			_exit(2);
		words = fn();
		if (words && write(ends[1], words, strlen(words) + 1) < 0)
			_exit(2);
		_exit(words != NULL);
	}
	close(ends[1]);
	n = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	said[n > 0 ? n : 0] = 0;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return "the child died";
	return WEXITSTATUS(status) ? said : NULL;
}

/* --- names */

static const char *renaming(void)
{
	CHECK(made("a", "a", 0644) && made("b", "b", 0644) && mkdir("d", 0755) == 0 &&
	      mkdir("d/e", 0755) == 0 && mkdir("empty", 0755) == 0);
	FAILS(EEXIST, renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0 && holds("a", "b") &&
	      holds("b", "a"));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE) == 0 && holds("d", "b") &&
	      S_ISDIR(stat_of("a/e").st_mode));
	CHECK(renameat2(AT_FDCWD, "a", AT_FDCWD, "d", RENAME_EXCHANGE) == 0);
	FAILS(ENOENT, renameat2(AT_FDCWD, "a", AT_FDCWD, "none", RENAME_EXCHANGE));
	FAILS(EINVAL, rename("d", "d/e/f"));
	FAILS(ENOTEMPTY, rename("empty", "d"));
	FAILS(EISDIR, rename("a", "d"));
	FAILS(ENOTDIR, rename("d", "a"));
	FAILS(ENOENT, rename("none", "a"));
	CHECK(rename("d/e", "empty") == 0 && stat_of("d").st_nlink == 2 && stat_of("empty").st_nlink == 2);
	CHECK(rename("a", "b") == 0 && holds("b", "b") && access("a", F_OK) < 0);
	CHECK(link("b", "c") == 0 && rename("b", "c") == 0 &&
	      access("b", F_OK) == 0); /* one file: nothing happens */
	return NULL;
}

static const char *linking(void)
{
	struct stat st;

	CHECK(made("a", "text", 0644) && link("a", "b") == 0 && mkdir("d", 0755) == 0);
	CHECK(stat_of("a").st_nlink == 2 && stat_of("a").st_ino == stat_of("b").st_ino);
	FAILS(EPERM, link("d", "e"));
	FAILS(EEXIST, link("a", "b"));
	CHECK(unlink("a") == 0 && stat_of("b").st_nlink == 1 && holds("b", "text"));
	CHECK(symlink("b", "s") == 0 && linkat(AT_FDCWD, "s", AT_FDCWD, "t", 0) == 0 &&
	      S_ISLNK(stat_of("t").st_mode));
	CHECK(linkat(AT_FDCWD, "s", AT_FDCWD, "u", AT_SYMLINK_FOLLOW) == 0 && S_ISREG(stat_of("u").st_mode));
	CHECK(stat("t", &st) == 0 && st.st_nlink == 2);
	return NULL;
}

static const char *symbolic_links(void)
{
	char target[4097], got[4200];

	memset(target, 't', sizeof(target));
	target[4095] = 0;
	CHECK(symlink(target, "long") == 0 && readlink("long", got, sizeof(got)) == 4095 &&
	      memcmp(got, target, 4095) == 0);
	CHECK(stat_of("long").st_size == 4095);
	FAILS(EINVAL, readlink(".", got, sizeof(got)));
	FAILS(ENOENT, symlink("", "empty"));
	CHECK(symlink("loop", "loop") == 0);
	FAILS(ELOOP, open("loop", O_RDONLY));
	CHECK(symlink("made", "dangling") == 0);
	FAILS(ENOENT, open("dangling", O_RDONLY));
	FAILS(ELOOP, open("dangling", O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
	CHECK(close(open("dangling", O_RDWR | O_CREAT, 0644)) == 0 && S_ISREG(stat_of("made").st_mode));
	return NULL;
}

static const char *names(void)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	CHECK(made(name, "", 0644) && unlink(name) == 0);
	memcpy(name, "n", 1);
	name[255] = 'n';
	name[256] = 0;
	FAILS(ENAMETOOLONG, open(name, O_RDWR | O_CREAT, 0644));
	FAILS(ENAMETOOLONG, mkdir(name, 0755));
	CHECK(made("\xff\x01 \n*?", "", 0644) && unlink("\xff\x01 \n*?") == 0);
	CHECK(made("file", "", 0644));
	FAILS(ENOTDIR, open("file/x", O_RDONLY));
	FAILS(ENOTDIR, rmdir("file"));
	FAILS(EISDIR, unlink("."));
	FAILS(EINVAL, rmdir("."));
	CHECK(mkdir("d", 0755) == 0 && made("d/x", "", 0644));
	FAILS(ENOTEMPTY, rmdir("d"));
	FAILS(EEXIST, mkdir("d", 0755));
	FAILS(EISDIR, open("d", O_WRONLY));
	FAILS(ENOTDIR, open("file", O_RDONLY | O_DIRECTORY));
	FAILS(EEXIST, open("file", O_RDWR | O_CREAT | O_EXCL, 0644));
	CHECK(mkdir("d/sub", 0755) == 0 && stat_of("d").st_nlink == 3 && rmdir("d/sub") == 0 &&
	      stat_of("d").st_nlink == 2);
	return NULL;
}

static const char *special_files(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "sock" };
	int fd, peer;
	char c;

	CHECK(mkfifo("fifo", 0644) == 0);
	FAILS(ENXIO, open("fifo", O_WRONLY | O_NONBLOCK));
	fd = open("fifo", O_RDWR);
	CHECK(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, &c, 1) == 1 && c == 'x' && close(fd) == 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	peer = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	      S_ISSOCK(stat_of("sock").st_mode));
	CHECK(listen(fd, 1) == 0 && connect(peer, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(fd);
	close(peer);
	if (geteuid() == 0) {
		CHECK(mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0 &&
		      stat_of("null").st_rdev == makedev(1, 3));
		CHECK(mknod("disk", S_IFBLK | 0600, makedev(259, 70000)) == 0 &&
		      stat_of("disk").st_rdev == makedev(259, 70000));
	}
	return NULL;
}

static const char *listing(void)
{
	enum { FILES = 3000 };
	static bool seen[FILES];
	unsigned n = 0, twice = 0;
	struct dirent *d;
	long at = 0;
	char name[32];
	DIR *dir;

	for (unsigned k = 0; k < FILES; k++) {
		snprintf(name, sizeof(name), "%u", k);
		CHECK(made(name, "", 0644));
	}
	CHECK((dir = opendir(".")));
	while ((d = readdir(dir))) {
		unsigned k = (unsigned)atoi(d->d_name);

		if (d->d_name[0] == '.')
			continue;
		CHECK(k < FILES && d->d_type == DT_REG && d->d_ino == stat_of(d->d_name).st_ino);
		twice += seen[k];
		seen[k] = true;
		n++;
		if (k % 2 && k % 3 == 0)
			CHECK(unlink(d->d_name) == 0); /* while it is listed */
		if (n == 1000)
			at = telldir(dir);
	}
	CHECK(n == FILES && twice == 0);
	seekdir(dir, at);
	for (n = 1000; (d = readdir(dir)); n++)
		;
	CHECK(n > FILES / 2 && n <= FILES); /* what went meanwhile may be told of or not */
	rewinddir(dir);
	for (n = 0; (d = readdir(dir)); n++)
		;
	CHECK(n == FILES - FILES / 6 + 2);
	closedir(dir);
	return NULL;
}

static const char *removed_directory(void)
{
	char path[64];
	int fd;

	CHECK(mkdir("d", 0755) == 0 && (fd = open("d", O_RDONLY | O_DIRECTORY)) >= 0 && rmdir("d") == 0);
	FAILS(ENOENT, openat(fd, "x", O_RDWR | O_CREAT, 0644));
	FAILS(ENOENT, mkdirat(fd, "x", 0755));
	CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0 && rmdir("../d") == 0);
	CHECK(!getcwd(path, sizeof(path)) && errno == ENOENT);
	CHECK(fchdir(fd) == 0 && close(fd) == 0);
	return NULL;
}

/* --- contents */

static const char *open_but_unlinked(void)
{
	struct stat st;
	char got[8];
	int fd = make("f", "hello", 0644);

	CHECK(fd >= 0 && unlink("f") == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0 && st.st_size == 5);
	CHECK(pwrite(fd, "J", 1, 0) == 1 && ftruncate(fd, 4) == 0 && pread(fd, got, 8, 0) == 4 &&
	      memcmp(got, "Jell", 4) == 0);
	CHECK(fchmod(fd, 0600) == 0 && fsync(fd) == 0);
	CHECK(made("f", "new", 0644) && pread(fd, got, 8, 0) == 4 && holds("f", "new"));
	CHECK(rename("f", "g") == 0 && made("f", "x", 0644) && rename("f", "g") == 0 && holds("g", "x"));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *temporary_files(void)
{
	char path[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	if (fd < 0 && errno == EOPNOTSUPP)
		SKIP("O_TMPFILE is not supported by this kernel's FUSE");
	CHECK(fd >= 0 && write(fd, "text", 4) == 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 && holds("named", "text"));
	CHECK(close(fd) == 0 && stat_of("named").st_nlink == 1 && (stat_of("named").st_mode & 0777) == 0640);
	fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *mapped(void)
{
	enum { LEN = 3 * 65536 + 100 };
	char *map, got[16];
	int fd = make("f", "", 0644);

	CHECK(ftruncate(fd, LEN) == 0);
	map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	memcpy(map, "begin", 5);
	memcpy(map + 65534, "across", 6);
	memcpy(map + LEN - 3, "end", 3);
	CHECK(msync(map, LEN, MS_SYNC) == 0);
	CHECK(pread(fd, got, 6, 65534) == 6 && memcmp(got, "across", 6) == 0);
	CHECK(pwrite(fd, "WRITTEN", 7, 1000) == 7 && memcmp(map + 1000, "WRITTEN", 7) == 0);
	memcpy(map + 2000, "late", 4);
	CHECK(munmap(map, LEN) == 0 && close(fd) == 0);
	fd = open("f", O_RDONLY);
	CHECK(pread(fd, got, 4, 2000) == 4 && memcmp(got, "late", 4) == 0 &&
	      pread(fd, got, 16, LEN - 3) == 3 && memcmp(got, "end", 3) == 0);
	map = mmap(NULL, LEN, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, "begin", 5) == 0 && memcmp(map + 65534, "across", 6) == 0);
	CHECK(munmap(map, LEN) == 0 && close(fd) == 0);
	return NULL;
}

static const char *allocating(void)
{
	char got[100], zeros[100] = "";
	int fd = make("f", "0123456789", 0644);
	struct stat st;

	CHECK(fallocate(fd, 0, 0, 1 << 20) == 0 && fstat(fd, &st) == 0 && st.st_size == 1 << 20 &&
	      st.st_blocks == 2048);
	CHECK(pread(fd, got, 10, 0) == 10 && memcmp(got, "0123456789", 10) == 0);
	CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 19) == 0 &&
	      fstat(fd, &st) == 0);
	CHECK(st.st_size == 1 << 20 && st.st_blocks == 1024 && pread(fd, got, 100, 0) == 100 &&
	      memcmp(got, zeros, 100) == 0);
	CHECK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20) == 0 && fstat(fd, &st) == 0 &&
	      st.st_size == 1 << 20);
	CHECK(st.st_blocks == 3072);
	CHECK(pwrite(fd, "data", 4, 100) == 4 && fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 200) == 0);
	CHECK(pread(fd, got, 4, 100) == 4 && memcmp(got, zeros, 4) == 0);
	CHECK(ftruncate(fd, 1 << 20) == 0 && fstat(fd, &st) == 0 && st.st_blocks <= 2048);
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *holes(void)
{
	int fd = make("f", "", 0644);
	struct stat st;

	CHECK(pwrite(fd, "x", 1, 1 << 20) == 1 && pwrite(fd, "y", 1, (off_t)1 << 40) == 1);
	CHECK(fstat(fd, &st) == 0 && st.st_size == ((off_t)1 << 40) + 1 && st.st_blocks <= 256);
	CHECK(lseek(fd, 0, SEEK_DATA) <= 1 << 20 && lseek(fd, 0, SEEK_HOLE) == 0);
	CHECK(lseek(fd, 1 << 20, SEEK_HOLE) > 1 << 20 && lseek(fd, 1 << 22, SEEK_DATA) > 1 << 22);
	CHECK(lseek(fd, (off_t)1 << 40, SEEK_HOLE) == st.st_size);
	FAILS(ENXIO, lseek(fd, st.st_size, SEEK_DATA));
	CHECK(close(fd) == 0);
	return NULL;
}

static const char *truncating(void)
{
	char got[20], zeros[20] = "";
	int fd = make("f", "0123456789", 0644), ro = open("f", O_RDONLY);

	CHECK(truncate("f", 5) == 0 && truncate("f", 15) == 0 && pread(fd, got, 20, 0) == 15);
	CHECK(memcmp(got, "01234", 5) == 0 && memcmp(got + 5, zeros, 10) == 0);
	FAILS(EINVAL, ftruncate(ro, 0));
	FAILS(EISDIR, truncate(".", 0));
	FAILS(EFBIG, pwrite(fd, "xx", 2, INT64_MAX - 1) < 0 && errno == EINVAL ? (errno = EFBIG, -1) : -1);
	CHECK(close(open("f", O_WRONLY | O_TRUNC)) == 0 && stat_of("f").st_size == 0 &&
	      pread(ro, got, 20, 0) == 0);
	CHECK(close(fd) == 0 && close(ro) == 0);
	return NULL;
}

static const char *copying(void)
{
	static char data[300000], got[300000];
	loff_t in = 1000, out = 70000;
	int a, b;

	for (size_t k = 0; k < sizeof(data); k++)
		data[k] = (char)(k * 2654435761u >> 13);
	a = make("a", "", 0644);
	b = make("b", "", 0644);
	CHECK(write(a, data, sizeof(data)) == sizeof(data));
	CHECK(copy_file_range(a, &in, b, &out, 200000, 0) == 200000 && in == 201000 && out == 270000);
	CHECK(pread(b, got, sizeof(got), 70000) == 200000 && memcmp(got, data + 1000, 200000) == 0);
	CHECK(lseek(a, 0, SEEK_SET) == 0 && lseek(b, 0, SEEK_SET) == 0 &&
	      sendfile(b, a, NULL, 100000) == 100000);
	CHECK(pread(b, got, 100000, 0) == 100000 && memcmp(got, data, 100000) == 0);
	CHECK(close(a) == 0 && close(b) == 0);
	return NULL;
}

/* Two processes append lines: each line is there, whole. */
static const char *appending(void)
{
	enum { LINES = 500 };
	unsigned counts[2] = { 0 };
	char line[64];
	FILE *f;

	for (int who = 0; who < 2; who++) {
		if (fork() == 0) {
			int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);

			for (unsigned k = 0; k < LINES; k++) {
				int n = snprintf(line, sizeof(line), "process %d line %u of the log\n", who,
						 k);

				if (write(fd, line, (size_t)n) != n)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int who = 0; who < 2; who++) {
		int status;

		CHECK(wait(&status) > 0 && status == 0);
	}
	CHECK((f = fopen("log", "r")));
	while (fgets(line, sizeof(line), f)) {
		unsigned who, k;

		CHECK(sscanf(line, "process %u line %u of the log", &who, &k) == 2 && who < 2 &&
		      k == counts[who]);
		counts[who]++;
	}
	fclose(f);
	CHECK(counts[0] == LINES && counts[1] == LINES);
	return NULL;
}

static const char *direct(void)
{
	void *page;
	int fd = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644);

	if (fd < 0 && errno == EINVAL)
		SKIP("no O_DIRECT");
	CHECK(fd >= 0 && posix_memalign(&page, 4096, 8192) == 0);
	memset(page, 'd', 8192);
	CHECK(pwrite(fd, page, 8192, 4096) == 8192 && pread(fd, page, 4096, 0) == 4096 && *(char *)page == 0);
	CHECK(pread(fd, page, 4096, 8192) == 4096 && *(char *)page == 'd' && close(fd) == 0);
	free(page);
	return NULL;
}

static const char *syncing(void)
{
	int fd = make("f", "text", 0644), dir = open(".", O_RDONLY | O_DIRECTORY);

	CHECK(fsync(fd) == 0 && fdatasync(fd) == 0 && fsync(dir) == 0 && syncfs(fd) == 0);
	CHECK(close(fd) == 0 && close(dir) == 0);
	fd = open("g", O_RDWR | O_CREAT | O_DSYNC, 0644);
	CHECK(write(fd, "x", 1) == 1 && close(fd) == 0);
	return NULL;
}

static const char *executing(void)
{
	const char *const tool = access("/bin/true", X_OK) == 0 ? "/bin/true" : "/usr/bin/true";
	static char data[1 << 20];
	int from = open(tool, O_RDONLY), fd, status;
	ssize_t n;
	pid_t pid;

	CHECK(from >= 0 && (fd = open("tool", O_WRONLY | O_CREAT, 0755)) >= 0);
	while ((n = read(from, data, sizeof(data))) > 0)
		CHECK(write(fd, data, (size_t)n) == n);
	CHECK(close(fd) == 0 && close(from) == 0);
	pid = fork();
	if (pid == 0) {
		execl("./tool", "tool", (char *)NULL);
		_exit(126);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return NULL;
}

/* --- attributes */

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
	CHECK(truncate("h", 0) == 0 && stat_of("h").st_mtim.tv_nsec != before.tv_nsec);
	CHECK(symlink("x", "s") == 0 && utimensat(AT_FDCWD, "s", set, AT_SYMLINK_NOFOLLOW) == 0 &&
	      stat_of("s").st_mtim.tv_sec == 4102444800);
	CHECK(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | STATX_BTIME, &sx) == 0 &&
	      sx.stx_ino == stat_of("f").st_ino);
	return NULL;
}

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

static const char *locking(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
	int fd = make("f", "", 0644), status;
	pid_t pid;

	CHECK(flock(fd, LOCK_EX) == 0 && fcntl(fd, F_SETLK, &lock) == 0);
	pid = fork();
	if (pid == 0) {
		struct flock mine = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 15, .l_len = 10 };
		int other = open("f", O_RDWR), bad = 0;

		bad |= flock(other, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
		bad |= (fcntl(other, F_SETLK, &mine) == 0 || (errno != EAGAIN && errno != EACCES)) << 1;
		bad |= (fcntl(other, F_GETLK, &mine) < 0 || mine.l_type != F_WRLCK ||
			mine.l_pid != getppid() || mine.l_start != 10)
		       << 2;
		mine = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 20, .l_len = 5 };
		bad |= (fcntl(other, F_SETLK, &mine) < 0) << 3;
		_exit(bad);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status))
		return failed(__LINE__, "another process sees the locks wrongly", WEXITSTATUS(status));
	CHECK(flock(fd, LOCK_UN) == 0 && close(fd) == 0);
	return NULL;
}

static const char *sizes(void)
{
	struct statvfs v, w;
	static char data[1 << 20];
	int fd;

	CHECK(statvfs(".", &v) == 0 && v.f_bsize > 0 && v.f_blocks > 0 && v.f_bavail <= v.f_blocks &&
	      v.f_namemax == 255);
	memset(data, 's', sizeof(data));
	fd = make("f", "", 0644);
	for (int k = 0; k < 8; k++) {
		data[0] = (char)k;
		CHECK(write(fd, data, sizeof(data)) == sizeof(data));
	}
	CHECK(close(fd) == 0 && statvfs(".", &w) == 0 && stat_of("f").st_blocks == 8 << 11);
	CHECK(w.f_blocks - w.f_bfree >= v.f_blocks - v.f_bfree);
	return NULL;
}

/* --- rights */

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
		CHECK(chown("given", SOMEBODY, -1) == 0 && (stat_of("given").st_mode & 07777) == 0755);
	}
	return as_somebody(writing_clears_setuid);
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

static const char *masks(void)
{
	mode_t old = umask(027);
	bool good = made("f", "", 0666) && mkdir("d", 0777) == 0 && (stat_of("f").st_mode & 0777) == 0640 &&
		    (stat_of("d").st_mode & 0777) == 0750;

	(void)umask(old);
	CHECK(good);
	CHECK(chown("f", -1, -1) == 0);
	return NULL;
}

static const struct {
	const char *name;
	const char *(*fn)(void);
} checks[] = {
	{ "rename and its flags", renaming },
	{ "hard links", linking },
	{ "symbolic links", symbolic_links },
	{ "names, and errors about them", names },
	{ "fifos, sockets, devices", special_files },
	{ "a listing while entries go, seekdir", listing },
	{ "a directory that is removed while open", removed_directory },
	{ "a file that is unlinked while open", open_but_unlinked },
	{ "O_TMPFILE and linkat", temporary_files },
	{ "shared mappings", mapped },
	{ "fallocate, and st_blocks", allocating },
	{ "holes, SEEK_DATA and SEEK_HOLE", holes },
	{ "truncate", truncating },
	{ "copy_file_range, sendfile", copying },
	{ "O_APPEND of two processes", appending },
	{ "O_DIRECT", direct },
	{ "fsync of files and folders, syncfs", syncing },
	{ "running a program", executing },
	{ "times, to the nanosecond", times },
	{ "extended attributes", attributes },
	{ "flock and fcntl locks", locking },
	{ "statfs", sizes },
	{ "rights, and the sticky bit", rights },
	{ "setuid and setgid cleared by write, truncate and chown", setuid_files },
	{ "setgid of a directory", group_of_directory },
	{ "umask", masks },
};

int main(int argc, char **argv)
{
	int home, bad = 0;

	if (argc != 2 || chdir(argv[1]) < 0 || (home = open(".", O_RDONLY | O_DIRECTORY)) < 0) {
		fprintf(stderr, "posix DIR\n");
		return 2;
	}
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t k = 0; k < sizeof(checks) / sizeof(checks[0]); k++) {
		const char *words = NULL;
		char dir[32];

		snprintf(dir, sizeof(dir), "check %zu", k);
		if (fchdir(home) < 0 || mkdir(dir, 0755) < 0 || chdir(dir) < 0)
			words = "its folder cannot be made";
		else
			words = checks[k].fn();
		if (words && strncmp(words, "SKIP ", 5) == 0) {
			printf("ok %s # %s\n", checks[k].name, words);
		} else {
			printf("%s %s%s%s\n", words ? "not ok" : "ok", checks[k].name, words ? ": " : "",
			       words ? words : "");
			bad += words != NULL;
		}
		(void)fflush(stdout);
	}
	return bad != 0;
}
