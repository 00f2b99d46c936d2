/* SPDX-License-Identifier: MIT */
/* What is the same over every struct os. */
#include "store/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int os_pread_full(const struct os *os, int fd, void *data, size_t len, uint64_t offset)
{
	uint8_t *p = data;

	while (len > 0) {
		ssize_t n = os->pread(os->state, fd, p, len, offset);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ENODATA;
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int os_pwrite_full(const struct os *os, int fd, const void *data, size_t len, uint64_t offset)
{
	const uint8_t *p = data;

	while (len > 0) {
		ssize_t n = os->pwrite(os->state, fd, p, len, offset);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO; /* a file that takes nothing and says no error would be asked for ever */
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

int os_set_length(const struct os *os, int fd, uint64_t len)
{
	int r = os->truncate(os->state, fd, len + 1);

	/* where there is no room for a byte more the length can still be set */
	return r < 0 && r != -ENOSPC && r != -EDQUOT ? r : os->truncate(os->state, fd, len);
}

static int read_all(const struct os *os, int fd, size_t max, struct buf *out)
{
	uint64_t size;
	int r = os->size(os->state, fd, &size);

	if (r < 0)
		return r;
	if (size > max)
		return -EFBIG;
	if (size == 0)
		return 0;
	r = buf_reserve(out, (size_t)size);
	if (r < 0)
		return r;
	r = os_pread_full(os, fd, out->data + out->len, (size_t)size, 0);
	if (r < 0)
		return r;
	out->len += (size_t)size;
	return 0;
}

int os_read_file(const struct os *os, const char *path, size_t max, struct buf *out)
{
	int fd = os->open(os->state, path, O_RDONLY, 0);
	int r;

	if (fd < 0)
		return fd;
	r = read_all(os, fd, max, out);
	(void)os->close(os->state, fd);
	return r;
}

static int write_new_file(const struct os *os, const char *path, const void *data, size_t len, mode_t mode)
{
	int fd = os->open(os->state, path, O_WRONLY | O_CREAT | O_EXCL, mode);
	int r, close_r;

	if (fd < 0)
		return fd;
	r = os_pwrite_full(os, fd, data, len, 0);
	if (r == 0)
		r = os->fsync(os->state, fd);
	close_r = os->close(os->state, fd);
	return r < 0 ? r : close_r;
}

int os_write_file(const struct os *os, const char *path, const void *data, size_t len, mode_t mode)
{
	CLEANUP(buf_release) struct buf temp = BUF_INIT, dir = BUF_INIT;
	const char *slash = strrchr(path, '/');
	const char *temp_path, *dir_path;
	int r;

	buf_add_text(&temp, "%s.new", path);
	temp_path = buf_cstr(&temp);
	if (slash)
		buf_add(&dir, path, slash == path ? 1 : (size_t)(slash - path));
	else
		buf_add(&dir, ".", 1);
	dir_path = buf_cstr(&dir);
	if (buf_status(&temp) < 0 || buf_status(&dir) < 0)
		return -ENOMEM;

	r = os->unlink(os->state, temp_path); /* what an earlier crash may have left there */
	if (r < 0 && r != -ENOENT)
		return r;
	r = write_new_file(os, temp_path, data, len, mode);
	if (r == 0)
		r = os->rename(os->state, temp_path, path);
	if (r < 0) {
		(void)os->unlink(os->state, temp_path);
		return r;
	}
	return os->sync_dir(os->state, dir_path);
}

const char *os_join(struct buf *out, const char *dir, const char *name)
{
	size_t len = strlen(dir);

	buf_clear(out);
	buf_add(out, dir, len);
	if (len == 0 || dir[len - 1] != '/')
		buf_add(out, "/", 1);
	buf_add(out, name, strlen(name));
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}
