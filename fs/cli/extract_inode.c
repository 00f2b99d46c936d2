/* SPDX-License-Identifier: MIT */
#include "fs/cli/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/cli/cli.h"

enum { LIST_BYTES = 64 << 10, VALUE_BYTES = 64 << 10 }; /* the most that xattr(7) allows */

/* What is being made: regular files and folders are open, the rest is reached by its name. */
struct made {
	int fd; /* -1: not open */
	int dir_fd;
	const char *name;
};

bool extract_can_chown(void)
{
	return geteuid() == 0;
}

static int set_owner(const struct made *m, const struct hf_attr *a)
{
	int r = m->fd >= 0 ? fchown(m->fd, a->uid, a->gid) :
			     fchownat(m->dir_fd, m->name, a->uid, a->gid, AT_SYMLINK_NOFOLLOW);

	return r < 0 ? -errno : 0;
}

/* setuid and setgid of somebody else would be this user's here. */
static mode_t mode_of(const struct hf_attr *a)
{
	mode_t mode = a->mode & 07777;

	if (!extract_can_chown() && (a->uid != geteuid() || a->gid != getegid()))
		mode &= ~(mode_t)(S_ISUID | S_ISGID);
	return mode;
}

static int set_mode(const struct made *m, const struct hf_attr *a)
{
	int r;

	if (S_ISLNK(a->mode))
		return 0;
	r = m->fd >= 0 ? fchmod(m->fd, mode_of(a)) :
			 fchmodat(m->dir_fd, m->name, mode_of(a), AT_SYMLINK_NOFOLLOW);
	return r < 0 ? -errno : 0;
}

static int set_times(const struct made *m, const struct hf_attr *a)
{
	const struct timespec times[2] = { a->atime, a->mtime };
	int r = m->fd >= 0 ? futimens(m->fd, times) :
			     utimensat(m->dir_fd, m->name, times, AT_SYMLINK_NOFOLLOW);

	return r < 0 ? -errno : 0;
}

static int set_xattr(const struct made *m, const char *key, const void *value, size_t len)
{
	char path[64 + NAME_MAX];
	int r;

	if (m->fd >= 0) {
		r = fsetxattr(m->fd, key, value, len, 0);
	} else {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", m->dir_fd, m->name);
		r = lsetxattr(path, key, value, len, 0);
	}
	return r < 0 ? -errno : 0;
}

/* What only root may set, others leave out as they do owners. */
static bool is_for_root(const char *key)
{
	return !strncmp(key, "trusted.", 8) || !strncmp(key, "security.", 9);
}

/* 0; 1: not all of them, words in err; negative: they cannot be read. */
static int copy_xattrs(struct extract_writer *w, const struct made *m, const struct hf_attr *a,
		       struct hf_error *err)
{
	char *keys = w->buffer, *value = keys + LIST_BYTES;
	ssize_t len = hf_view_listxattr(w->view, a->ino, keys, LIST_BYTES, err);
	int left_out = 0;

	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(keys + at) + 1) {
		const char *key = keys + at;
		ssize_t n;
		int r;

		if (is_for_root(key) && !extract_can_chown())
			continue;
		n = hf_view_getxattr(w->view, a->ino, key, value, VALUE_BYTES, err);
		if (n < 0)
			return (int)n;
		r = set_xattr(m, key, value, (size_t)n);
		if (r < 0 && !left_out++)
			(void)hf_error_set(err, r, "its attribute %s cannot be set here: %s", key,
					   strerror(-r));
	}
	return len < 0 ? (int)len : left_out > 0;
}

/*
 * In this order: a change of owner takes setuid bits and capabilities away, and attributes may need a mode
 * that lets them be written; times come last.
 */
static int copy_attr(struct extract_writer *w, const struct made *m, const struct hf_attr *a,
		     struct hf_error *err)
{
	const char *what = "owner";
	int left_out, r = extract_can_chown() ? set_owner(m, a) : 0;

	left_out = r == 0 ? copy_xattrs(w, m, a, err) : 0;
	if (left_out < 0)
		return left_out;
	if (r == 0) {
		what = "mode";
		r = set_mode(m, a);
	}
	if (r == 0) {
		what = "times";
		r = set_times(m, a);
	}
	if (r < 0) {
		(void)hf_error_set(err, r, "its %s cannot be set here: %s", what, strerror(-r));
		return 1;
	}
	return left_out;
}

int extract_folder_attr(struct extract_writer *w, int fd, const struct hf_attr *attr, struct hf_error *err)
{
	struct made m = { .fd = fd };

	return copy_attr(w, &m, attr, err);
}

static int write_out(int fd, const char *data, size_t len, uint64_t offset, struct hf_error *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return hf_error_set(err, n < 0 ? -errno : -EIO, "cannot be written: %s",
					    strerror(n < 0 ? errno : EIO));
		data += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int copy_bytes(struct extract_writer *w, int fd, uint64_t ino, uint64_t from, uint64_t to,
		      struct hf_error *err)
{
	while (from < to) {
		size_t want = to - from < EXTRACT_BUFFER_BYTES ? (size_t)(to - from) : EXTRACT_BUFFER_BYTES;
		ssize_t n = hf_view_read(w->view, ino, from, w->buffer, want, err);
		int r;

		if (operation_is_stopped(w->listener))
			return hf_error_set(err, -EINTR, "stopped");
		if (n < 0)
			return (int)n;
		if (n == 0)
			return hf_error_set(err, -EIO, "ends before its end");
		r = write_out(fd, w->buffer, (size_t)n, from, err);
		if (r < 0)
			return r;
		w->bytes += (uint64_t)n;
		from += (uint64_t)n;
	}
	return 0;
}

static int copy_contents(struct extract_writer *w, int fd, const struct hf_attr *a, struct hf_error *err)
{
	const bool has_holes = a->blocks < (a->size_bytes + 511) / 512;
	uint64_t at = 0;
	int r = 0;

	if (!has_holes)
		return copy_bytes(w, fd, a->ino, 0, a->size_bytes, err);
	while (r == 0 && at < a->size_bytes) {
		int64_t data = hf_view_seek(w->view, a->ino, at, SEEK_DATA, err), hole;

		if (data == -ENXIO)
			break;
		hole = data < 0 ? data : hf_view_seek(w->view, a->ino, (uint64_t)data, SEEK_HOLE, err);
		if (hole < 0)
			return (int)hole;
		r = copy_bytes(w, fd, a->ino, (uint64_t)data, (uint64_t)hole, err);
		at = (uint64_t)hole;
	}
	if (r == 0 && ftruncate(fd, (off_t)a->size_bytes) < 0)
		r = hf_error_set(err, -errno, "cannot be made %llu bytes long: %s",
				 (unsigned long long)a->size_bytes, strerror(errno));
	return r;
}

static int make_file(struct extract_writer *w, int dir_fd, const char *name, const struct hf_attr *a,
		     struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd)
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct made m = { fd, dir_fd, name };
	int r;

	if (fd < 0)
		return hf_error_set(err, -errno, "cannot be made: %s", strerror(errno));
	r = copy_contents(w, fd, a, err);
	if (r == 0)
		r = copy_attr(w, &m, a, err);
	if (r < 0)
		(void)unlinkat(dir_fd, name, 0); /* half a file would pass for it */
	return r;
}

static int make_link(struct extract_writer *w, int dir_fd, const char *name, const struct hf_attr *a,
		     struct hf_error *err)
{
	char *target = w->buffer;
	ssize_t n = hf_view_readlink(w->view, a->ino, target, EXTRACT_BUFFER_BYTES, err);

	if (n < 0)
		return (int)n;
	target[n] = 0;
	return symlinkat(target, dir_fd, name) < 0 ?
		       hf_error_set(err, -errno, "cannot be made: %s", strerror(errno)) :
		       0;
}

int extract_inode(struct extract_writer *w, int dir_fd, const char *name, const struct hf_attr *attr,
		  struct hf_error *err)
{
	struct made m = { -1, dir_fd, name };
	int r;

	if (S_ISREG(attr->mode))
		return make_file(w, dir_fd, name, attr, err);
	if (S_ISLNK(attr->mode))
		r = make_link(w, dir_fd, name, attr, err);
	else
		r = mknodat(dir_fd, name, (attr->mode & S_IFMT) | 0600, (dev_t)attr->rdev) < 0 ?
			    hf_error_set(err, -errno, "cannot be made: %s", strerror(errno)) :
			    0;
	if (r < 0)
		return r;
	r = copy_attr(w, &m, attr, err);
	if (r < 0)
		(void)unlinkat(dir_fd, name, 0);
	return r;
}
