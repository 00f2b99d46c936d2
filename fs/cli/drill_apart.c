/* SPDX-License-Identifier: MIT */
#include "fs/cli/drill_apart.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/harden.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

enum { TRIED_MAX = 10000, WALK_FDS = 32 };

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				 LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_TRUNCATE;
static const uint64_t first_version =
	LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |
	LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
	LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
	LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
	LANDLOCK_ACCESS_FS_MAKE_SYM;

/* What libraries look at: names and addresses, authorities, times, how many processors. */
static const char *const of_the_system[] = {
	"/usr/lib",
	"/usr/lib64",
	"/usr/share",
	"/lib",
	"/lib64",
	"/etc/ssl",
	"/etc/ca-certificates",
	"/etc/gnutls",
	"/etc/resolv.conf",
	"/etc/hosts",
	"/etc/host.conf",
	"/etc/gai.conf",
	"/etc/nsswitch.conf",
	"/etc/services",
	"/etc/localtime",
	"/dev/urandom",
	"/dev/random",
	"/proc/self",
	"/proc/meminfo",
	"/proc/cpuinfo",
	"/proc/stat",
	"/sys/devices/system/cpu",
};

/* --- Landlock */

static long landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
}

/* What is not there needs no leave. */
static int allow(int rules, const char *path, uint64_t rights, struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	struct stat st;

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0)
		return hf_error_set(err, -errno, "%s: %s", path, strerror(errno));
	rule.allowed_access = S_ISDIR(st.st_mode) ? rights : rights & of_files;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return hf_error_set(err, -errno, "cannot let the rehearsal use %s: %s", path,
				    strerror(errno));
	return 0;
}

static int fill_rules(int rules, const struct drill_apart *a, uint64_t handled, struct hf_error *err)
{
	int r = allow(rules, a->scratch, handled, err);

	for (size_t i = 0; r == 0 && i < DRILL_APART_PATHS; i++)
		if (a->readable[i])
			r = allow(rules, a->readable[i], reading, err);
	for (size_t i = 0; r == 0 && i < sizeof(of_the_system) / sizeof(of_the_system[0]); i++)
		r = allow(rules, of_the_system[i], reading, err);
	return r < 0 ? r : allow(rules, "/dev/null", reading | LANDLOCK_ACCESS_FS_WRITE_FILE, err);
}

static int shut_files(const struct drill_apart *a, struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int rules = -1;
	struct landlock_ruleset_attr attr = { .handled_access_fs = first_version };
	long version = landlock_version();
	int r;

	if (version <= 0)
		return hf_error_set(err, -EOPNOTSUPP, "this kernel has no Landlock, or it is switched off");
	if (version >= 2)
		attr.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		attr.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0)
		return hf_error_set(err, -errno, "Landlock: %s", strerror(errno));
	r = fill_rules(rules, a, attr.handled_access_fs, err);
	if (r == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		r = hf_error_set(err, -errno, "Landlock: %s", strerror(errno));
	return r;
}

/* --- sockets of this machine: the one by which a mounted store is asked, and all others */

static int shut_sockets(struct hf_error *err)
{
	/* The number of socket(2) is the same only where harden's filter lets one kind of call through. */
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return hf_error_set(err, -errno, "cannot keep it from sockets: %s", strerror(errno));
	return 0;
}

/* --- trying */

struct paths {
	char **all;
	size_t n;
};

static struct paths *listing; /* nftw(3) hands nothing on */

static void paths_add(struct paths *p, const char *path)
{
	char **more = p->n < TRIED_MAX ? reallocarray(p->all, p->n + 1, sizeof(*more)) : NULL;

	if (!more)
		return;
	p->all = more;
	p->all[p->n] = strdup(path);
	p->n += p->all[p->n] != NULL;
}

static int list_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	paths_add(listing, path);
	return listing->n < TRIED_MAX ? 0 : 1;
}

static void paths_release(struct paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->all[i]);
	free(p->all);
}

/* All of the store; of where it is mounted the root, for whoever walked it would read it. */
static void list_primary(const struct drill_apart *a, struct paths *ret)
{
	for (size_t i = 1; i < DRILL_APART_PATHS; i++)
		if (a->primary[i])
			paths_add(ret, a->primary[i]);
	listing = ret;
	if (a->primary[0])
		(void)nftw(a->primary[0], list_one, WALK_FDS, FTW_PHYS | FTW_MOUNT);
	listing = NULL;
}

static bool opens(const char *path)
{
	static const int ways[] = { O_RDONLY, O_WRONLY, O_RDONLY | O_DIRECTORY };
	bool any = false;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		int fd = open(path, ways[i] | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);

		any = any || fd >= 0;
		if (fd >= 0)
			(void)close(fd);
	}
	return any;
}

/* Descriptors that are open already are not what Landlock is about. */
static const char *kept_open(const struct drill_apart *a, int keep_fd)
{
	static char where[512];
	char link[32];

	for (int fd = 0; fd <= keep_fd; fd++) {
		ssize_t n;

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, where, sizeof(where) - 1);
		where[n > 0 ? n : 0] = 0;
		for (size_t i = 0; n > 0 && i < DRILL_APART_PATHS; i++)
			if (a->primary[i] && !strncmp(where, a->primary[i], strlen(a->primary[i])) &&
			    strchr("/", where[strlen(a->primary[i])]))
				return where;
	}
	return NULL;
}

static int try_all(const struct drill_apart *a, const struct paths *p, int keep_fd, char *words, size_t size,
		   struct hf_error *err)
{
	const char *kept = kept_open(a, keep_fd);
	int fd;

	if (kept)
		return hf_error_set(err, -EPERM,
				    "%s is open here, and is the primary's: write to another place", kept);
	for (size_t i = 0; i < p->n; i++)
		if (opens(p->all[i]))
			return hf_error_set(
				err, -EPERM,
				"%s opens, though it is the primary's: it lies in a place that the "
				"rehearsal must be able to read",
				p->all[i]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		(void)close(fd);
		return hf_error_set(err, -EPERM,
				    "the rehearsal could reach the mounted store through its socket");
	}
	if (p->n)
		(void)snprintf(
			words, size,
			"the kernel lets it open none of the primary's files: %zu of them were tried%s", p->n,
			p->n == TRIED_MAX ? ", as many as are tried at most" : "");
	else
		(void)snprintf(
			words, size,
			"the kernel lets it open nothing but its own folder, the system's libraries and the "
			"replica; there is no store here that it could be tried on");
	return 0;
}

int drill_apart(const struct drill_apart *a, int keep_fd, char *words, size_t size, struct hf_error *err)
{
	CLEANUP(paths_release) struct paths tried = { NULL, 0 };
	char missing[200];
	int r;

	(void)close_range((unsigned)keep_fd + 1, ~0u, 0);
	list_primary(a, &tried);
	if (landlock_version() <= 0)
		return hf_error_set(err, -EOPNOTSUPP, "this kernel has no Landlock, or it is switched off");
	harden(missing, sizeof(missing));
	if (*missing)
		return hf_error_set(err, -EOPNOTSUPP, "%s", missing);
	r = shut_files(a, err);
	if (r == 0)
		r = shut_sockets(err);
	return r < 0 ? r : try_all(a, &tried, keep_fd, words, size, err);
}
