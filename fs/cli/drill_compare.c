/* SPDX-License-Identifier: MIT */
#include "fs/cli/drill_compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/extract_folder.h"

enum { STEP_BYTES = 1 << 20, LISTED_NAMES = 1024, LIST_BYTES = 64 << 10, VALUE_BYTES = 64 << 10 };

struct compare {
	const struct hf_view *view;
	const struct operation_listener *listener;
	struct compare_summary *sum;
	bool owners;
	bool whole; /* the tree, and so all names of a file */
	int top_fd;
	struct folders folders;
	char *of_view, *of_disk; /* STEP_BYTES each */
	struct named *entries;   /* LISTED_NAMES */
};

static bool stopped(const struct compare *c)
{
	return operation_is_stopped(c->listener);
}

__attribute__((format(printf, 4, 5))) static void differs(struct compare *c, const struct folder *f,
							  const char *name, const char *fmt, ...)
{
	CLEANUP(cli_cleanup_free) char *path = NULL;
	char why[200];
	va_list ap;

	if (c->sum->differ++ > 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	path = extract_path(f, name);
	(void)snprintf(c->sum->first, sizeof(c->sum->first), "%.250s: %s", path ? path : "a name", why);
}

/* --- bytes */

static bool is_zero(const char *data, size_t len)
{
	return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

static ssize_t read_disk(int fd, char *out, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, out + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* The same from `from` to `to`, which the view has as data. 1: they differ. */
static int same_data(struct compare *c, int fd, uint64_t ino, uint64_t from, uint64_t to,
		     struct hf_error *err)
{
	while (from < to && !stopped(c)) {
		const size_t want = to - from < STEP_BYTES ? (size_t)(to - from) : STEP_BYTES;
		ssize_t n = hf_view_read(c->view, ino, from, c->of_view, want, err), m;

		if (n < 0)
			return (int)n;
		m = read_disk(fd, c->of_disk, (size_t)n, from);
		if (m < 0)
			return hf_error_set(err, (int)m, "cannot be read back: %s", strerror((int)-m));
		if (n == 0 || m != n || memcmp(c->of_view, c->of_disk, (size_t)n) != 0)
			return 1;
		c->sum->bytes += (uint64_t)n;
		from += (uint64_t)n;
	}
	return 0;
}

/* A hole in the view is zeros on the disk, if anything is there. */
static int same_hole(struct compare *c, int fd, uint64_t from, uint64_t to, struct hf_error *err)
{
	while (from < to && !stopped(c)) {
		off_t data = lseek(fd, (off_t)from, SEEK_DATA);
		size_t want;
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data < 0)
			return hf_error_set(err, -errno, "cannot be looked through: %s", strerror(errno));
		if ((uint64_t)data >= to)
			return 0;
		from = (uint64_t)data;
		want = to - from < STEP_BYTES ? (size_t)(to - from) : STEP_BYTES;
		n = read_disk(fd, c->of_disk, want, from);
		if (n < 0)
			return hf_error_set(err, (int)n, "cannot be read back: %s", strerror((int)-n));
		if ((size_t)n != want || !is_zero(c->of_disk, want))
			return 1;
		from += want;
	}
	return 0;
}

static int same_contents(struct compare *c, int fd, const struct hf_attr *a, struct hf_error *err)
{
	uint64_t at = 0;
	int r = 0;

	while (r == 0 && at < a->size_bytes && !stopped(c)) {
		int64_t data = hf_view_seek(c->view, a->ino, at, SEEK_DATA, err), hole;

		if (data == -ENXIO)
			return same_hole(c, fd, at, a->size_bytes, err);
		hole = data < 0 ? data : hf_view_seek(c->view, a->ino, (uint64_t)data, SEEK_HOLE, err);
		if (hole < 0)
			return (int)hole;
		r = same_hole(c, fd, at, (uint64_t)data, err);
		if (r == 0)
			r = same_data(c, fd, a->ino, (uint64_t)data, (uint64_t)hole, err);
		at = (uint64_t)hole;
	}
	return r;
}

/* --- what is around them */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* What is not as it was; NULL: nothing. */
static const char *other_attr(const struct compare *c, const struct hf_attr *a, const struct stat *st)
{
	/* setuid and setgid of somebody else are not given to who is not root */
	const mode_t modes = c->owners ? 07777 : 01777;

	if ((a->mode & S_IFMT) != (st->st_mode & S_IFMT))
		return "type";
	if (!S_ISLNK(a->mode) && (a->mode & modes) != (st->st_mode & modes))
		return "mode";
	if (c->owners && (a->uid != st->st_uid || a->gid != st->st_gid))
		return "owner";
	if (S_ISREG(a->mode) && a->size_bytes != (uint64_t)st->st_size)
		return "size";
	if ((S_ISCHR(a->mode) || S_ISBLK(a->mode)) && a->rdev != (uint64_t)st->st_rdev)
		return "device";
	if (c->whole && !S_ISDIR(a->mode) && a->nlink != st->st_nlink)
		return "names"; /* there are more of it, or fewer */
	if (!same_time(&a->mtime, &st->st_mtim))
		return "time of change";
	return NULL;
}

/* 0; 1: they differ; negative: the view's cannot be read. `path` leads to it through /proc/self/fd. */
static int same_xattrs(struct compare *c, const char *path, const struct hf_attr *a, struct hf_error *err)
{
	char *keys = c->of_view, *value = keys + LIST_BYTES;
	ssize_t len = hf_view_listxattr(c->view, a->ino, keys, LIST_BYTES, err);

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(keys + at) + 1) {
		const char *key = keys + at;
		ssize_t n, m;

		if (!c->owners && (!strncmp(key, "trusted.", 8) || !strncmp(key, "security.", 9)))
			continue; /* those take root */
		n = hf_view_getxattr(c->view, a->ino, key, value, VALUE_BYTES, err);
		if (n < 0)
			return (int)n;
		m = lgetxattr(path, key, c->of_disk, VALUE_BYTES);
		if (m != n || memcmp(value, c->of_disk, (size_t)n) != 0)
			return 1;
	}
	return len < 0 ? (int)len : 0;
}

static int same_target(struct compare *c, int dir_fd, const char *name, const struct hf_attr *a,
		       struct hf_error *err)
{
	ssize_t n = hf_view_readlink(c->view, a->ino, c->of_view, STEP_BYTES, err), m;

	if (n < 0)
		return (int)n;
	m = readlinkat(dir_fd, name, c->of_disk, STEP_BYTES);
	return m != n || memcmp(c->of_view, c->of_disk, (size_t)n) != 0;
}

/* --- one name */

/* What is not on the disk because it could not be read there either. */
static bool is_pruned(struct compare *c, const struct hf_attr *a)
{
	for (uint64_t at = 0; S_ISREG(a->mode) && at < a->size_bytes && !stopped(c);) {
		ssize_t n = hf_view_read(c->view, a->ino, at, c->of_view, STEP_BYTES, NULL);

		if (n <= 0)
			return n == -ENODATA;
		at += (uint64_t)n;
	}
	return false;
}

/* Who is not root can keep himself out of what he has restored. Its mode has been compared. */
static void let_in(const struct compare *c, int dir_fd, const char *name, const struct stat *st)
{
	const mode_t wanted = S_ISDIR(st->st_mode) ? 0700 : 0400;

	if (!c->owners && !S_ISLNK(st->st_mode) && (st->st_mode & wanted) != wanted)
		(void)!fchmodat(dir_fd, name, (st->st_mode & 07777) | wanted, 0);
}

/* Also of a folder, as the name that it is. */
static void compare_name(struct compare *c, const struct folder *f, int dir_fd, const char *name,
			 const struct hf_attr *a)
{
	CLEANUP(cli_cleanup_fd) int fd = -1;
	struct hf_error err = HF_ERROR_INIT;
	char path[64 + NAME_MAX];
	const char *other;
	struct stat st;
	int r = 0;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT && is_pruned(c, a))
			c->sum->pruned++;
		else
			differs(c, f, name, "%s", errno == ENOENT ? "is not there" : strerror(errno));
		return;
	}
	other = other_attr(c, a, &st);
	let_in(c, dir_fd, name, &st);
	if (!other && S_ISREG(a->mode)) {
		fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) /* it is synced: what is compared is to come from the disk */
			(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		r = fd < 0 ? hf_error_set(&err, -errno, "cannot be opened: %s", strerror(errno)) :
			     same_contents(c, fd, a, &err);
		other = r == 1 ? "contents" : NULL;
	} else if (!other && S_ISLNK(a->mode)) {
		r = same_target(c, dir_fd, name, a, &err);
		other = r == 1 ? "target" : NULL;
	}
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);
	if (!other && r == 0 && !S_ISLNK(a->mode)) {
		r = same_xattrs(c, path, a, &err);
		other = r == 1 ? "attributes" : NULL;
	}
	if (r < 0)
		differs(c, f, name, "%s", err.text[0] ? err.text : hf_strerror(r));
	else if (other)
		differs(c, f, name, "its %s %s not what the log says", other,
			other[strlen(other) - 1] == 's' ? "are" : "is");
	else if (S_ISREG(a->mode))
		c->sum->files++;
	else if (!S_ISDIR(a->mode))
		c->sum->others++;
	else
		c->sum->folders++;
}

/* --- a tree */

/* How many names are on the disk; negative: it cannot be read. Takes fd. */
static int64_t count_names(int fd)
{
	DIR *dir = fdopendir(fd);
	int64_t n = 0;

	if (!dir) {
		(void)close(fd);
		return -errno;
	}
	for (const struct dirent *e; (e = readdir(dir));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	(void)closedir(dir);
	return n;
}

static void show_progress(const struct compare *c)
{
	const struct hf_progress *p = &c->listener->progress;

	if (p->fn)
		p->fn(p->arg, "files compared", c->sum->files, 0);
}

static int visit(struct compare *c, const struct folder *f, struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int fd = extract_folder_open(c->top_fd, f);
	struct listing l = { .entries = c->entries, .max = LISTED_NAMES };
	const uint64_t pruned = c->sum->pruned;
	int64_t names = 0, there;
	int r = 0;

	if (fd < 0) {
		differs(c, f->parent, f->name, "%s", strerror(errno));
		return 0;
	}
	do {
		r = extract_list(c->view, f->attr.ino, &l, err);
		for (size_t i = 0; r == 0 && i < l.n && !stopped(c); i++) {
			const struct named *e = &l.entries[i];

			compare_name(c, f, fd, e->name, &e->attr);
			if (S_ISDIR(e->attr.mode) && !extract_folder_add(&c->folders, f, e->name, &e->attr))
				r = -ENOMEM;
		}
		names += (int64_t)l.n;
		show_progress(c);
	} while (r == 0 && l.n == LISTED_NAMES && !stopped(c));
	if (r < 0 || stopped(c))
		return r;
	there = count_names(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (there != names - (int64_t)(c->sum->pruned - pruned))
		differs(c, f->parent, f->parent ? f->name : ".", "%lld names are there, and %lld in the log",
			(long long)there, (long long)names);
	return 0;
}

static int visit_all(struct compare *c, const struct hf_attr *root, struct hf_error *err)
{
	const struct folder *f;
	int r = extract_folder_add(&c->folders, NULL, "", root) ? 0 : -ENOMEM;

	while (r == 0 && !stopped(c) && (f = extract_folder_next(&c->folders)))
		r = visit(c, f, err);
	extract_folders_release(&c->folders);
	return r;
}

int compare_tree(const struct hf_view *view, const struct hf_attr *what, const char *name, const char *to,
		 bool owners, const struct operation_listener *listener, struct compare_summary *ret,
		 struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int top_fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cli_cleanup_free) char *of_view = malloc(STEP_BYTES + 1);
	CLEANUP(cli_cleanup_free) char *of_disk = malloc(STEP_BYTES + 1);
	CLEANUP(cli_cleanup_free) struct named *entries = calloc(LISTED_NAMES, sizeof(*entries));
	struct compare c = { .view = view,
			     .listener = listener,
			     .sum = ret,
			     .owners = owners,
			     .whole = S_ISDIR(what->mode),
			     .top_fd = top_fd,
			     .of_view = of_view,
			     .of_disk = of_disk,
			     .entries = entries };
	int r = 0;

	if (top_fd < 0)
		return hf_error_set(err, -errno, "%s: %s", to, strerror(errno));
	if (!of_view || !of_disk || !entries)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (S_ISDIR(what->mode))
		r = visit_all(&c, what, err);
	else
		compare_name(&c, NULL, top_fd, name, what);
	if (r == -ENOMEM)
		return hf_error_set(err, r, "no memory");
	if (r >= 0 && stopped(&c))
		return hf_error_set(err, -EINTR, "stopped");
	return r;
}
