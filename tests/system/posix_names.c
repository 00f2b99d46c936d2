/* SPDX-License-Identifier: MIT */
/* Links, names and the limits of both. */
#include "posix.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>

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

/* 40 links are followed, and no more. */
static const char *chains_of_links(void)
{
	char name[16], target[16] = "end";

	CHECK(made("end", "end", 0644) && mkdir("d", 0755) == 0 && made("d/f", "f", 0644));
	for (int k = 1; k <= 41; k++) {
		snprintf(name, sizeof(name), "l%d", k);
		CHECK(symlink(target, name) == 0);
		memcpy(target, name, sizeof(target));
	}
	CHECK(holds("l40", "end"));
	FAILS(ELOOP, open("l41", O_RDONLY));
	FAILS(ELOOP, chmod("l41", 0644));
	CHECK(symlink("two", "one") == 0 && symlink("one", "two") == 0);
	FAILS(ELOOP, open("one/x", O_RDWR | O_CREAT, 0644));
	FAILS(ELOOP, mkdir("one/x", 0755));
	FAILS(ELOOP, open("l1", O_RDONLY | O_NOFOLLOW));
	CHECK(symlink("d", "dl") == 0 && holds("dl/f", "f") && holds("dl/../d/./f", "f"));
	FAILS(ENOTDIR, rmdir("dl"));
	FAILS(EEXIST, mkdir("one", 0755));
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

/* Each byte but NUL and '/' is a letter like others, and comes back as it was. */
static const char *names_of_any_byte(void)
{
	bool seen[256] = { false };
	struct dirent *d;
	char name[256];
	DIR *dir;

	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		snprintf(name, sizeof(name), "n%c", c);
		CHECK(made(name, name, 0644));
	}
	memset(name, 0xfe, 255);
	name[255] = 0;
	CHECK(made(name, "long", 0644) && holds(name, "long"));
	CHECK(made("...", "", 0644) && made(" ", "", 0644) && made("\xc3\xa9", "", 0644) &&
	      made("e\xcc\x81", "", 0644));
	FAILS(EEXIST, open("\xc3\xa9", O_CREAT | O_EXCL | O_RDWR, 0644));
	CHECK(made("UP", "", 0644) && access("up", F_OK) < 0);
	CHECK((dir = opendir(".")));
	while ((d = readdir(dir)))
		if (d->d_name[0] == 'n') {
			CHECK(strlen(d->d_name) == 2 && holds(d->d_name, d->d_name));
			CHECK(!seen[(unsigned char)d->d_name[1]]);
			seen[(unsigned char)d->d_name[1]] = true;
		}
	closedir(dir);
	for (int c = 1; c < 256; c++)
		CHECK(seen[c] == (c != '/'));
	return NULL;
}

static const char *long_paths(void)
{
	enum { DEEP = 40 };
	char path[PATH_MAX + 2], name[201];
	int home = open(".", O_RDONLY | O_DIRECTORY);

	/* a path of 4,095 bytes that leads nowhere else than a short one */
	CHECK(made("f", "f", 0644));
	for (size_t k = 0; k < 4094; k += 2)
		memcpy(path + k, "./", 2);
	memcpy(path + 4094, "f", 2);
	CHECK(strlen(path) == 4095 && holds(path, "f"));
	memcpy(path + 4094, "/f", 3);
	FAILS(ENAMETOOLONG, open(path, O_RDONLY));
	FAILS(ENAMETOOLONG, unlink(path));
	FAILS(ENAMETOOLONG, symlink(path, "s"));
	/* deeper than any path can say, step by step, and back */
	memset(name, 'd', 200);
	name[200] = 0;
	for (int k = 0; k < DEEP; k++)
		CHECK(mkdir(name, 0755) == 0 && chdir(name) == 0);
	CHECK(made("bottom", "here", 0644) && holds("bottom", "here") && unlink("bottom") == 0);
	for (int k = 0; k < DEEP; k++)
		CHECK(chdir("..") == 0 && rmdir(name) == 0);
	CHECK(fchdir(home) == 0 && close(home) == 0 && holds("f", "f"));
	return NULL;
}

/* There is a limit, it is said by EMLINK, and it is of the links there are. */
static const char *many_links(void)
{
	unsigned n = 0;
	char name[16];
	int error;

	CHECK(made("f", "text", 0644));
	do
		snprintf(name, sizeof(name), "%u", ++n);
	while (link("f", name) == 0 && n < 100000);
	error = errno;
	CHECK(error == EMLINK && n >= 1000 && stat_of("f").st_nlink == n);
	FAILS(EMLINK, link("1", "one more"));
	CHECK(unlink("1") == 0 && link("f", "one more") == 0);
	FAILS(EMLINK, link("2", "1"));
	CHECK(unlink("f") == 0 && holds("one more", "text") && stat_of("2").st_nlink == n - 1);
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

static const char *text_busy(void)
{
	int ends[2], status, fd;
	pid_t pid;

	CHECK(copy_cat("tool") && pipe(ends) == 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ends[0], 0);
		close(ends[1]);
		execl("./tool", "tool", (char *)NULL);
		_exit(126);
	}
	close(ends[0]);
	for (unsigned k = 0; k < 500; k++) { /* until it runs */
		char path[64], what[256];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
		n = readlink(path, what, sizeof(what) - 1);
		if (n > 5 && memcmp(what + n - 5, "/tool", 5) == 0)
			break;
		pause_ms(10);
	}
	FAILS(ETXTBSY, open("tool", O_WRONLY));
	FAILS(ETXTBSY, open("tool", O_RDWR | O_TRUNC));
	FAILS(ETXTBSY, truncate("tool", 0));
	CHECK(rename("tool", "moved") == 0 && unlink("moved") == 0); /* but the name is free */
	close(ends[1]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK(copy_cat("tool") && (fd = open("tool", O_WRONLY)) >= 0);
	FAILS(ETXTBSY, execl("./tool", "tool", (char *)NULL));
	CHECK(close(fd) == 0);
	return NULL;
}

const struct check checks_names[] = {
	{ "hard links", linking },
	{ "symbolic links", symbolic_links },
	{ "chains of links, ELOOP", chains_of_links },
	{ "names, and errors about them", names },
	{ "names of any byte", names_of_any_byte },
	{ "paths of 4,095 bytes, and deeper trees", long_paths },
	{ "as many links as there can be, EMLINK", many_links },
	{ "fifos, sockets, devices", special_files },
	{ "running a program", executing },
	{ "ETXTBSY", text_busy },
	{ NULL, NULL },
};
