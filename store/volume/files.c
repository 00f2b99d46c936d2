/* SPDX-License-Identifier: MIT */
#include "store/volume/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

enum { SMALL_FILE_BYTES_MAX = 4096, LOCK_POLL_MS = 20 };

static void count_entry(void *arg, const char *name)
{
	size_t *n = arg;

	(void)name;
	++*n;
}

int files_sync_name(const struct os *os, const char *path)
{
	CLEANUP(buf_release) struct buf above = BUF_INIT;
	int r = os_join(&above, path, "..") ? os->sync_dir(os->state, (const char *)above.data) : -ENOMEM;

	return r == -EACCES || r == -EINVAL ? 0 : r;
}

int files_make_folders(const struct os *os, const char *path, struct hf_error *err)
{
	static const char *const folders[] = { "keys", "log", "replicas" };
	CLEANUP(buf_release) struct buf name = BUF_INIT;
	size_t n = 0;
	int r;

	r = os->mkdir(os->state, path, 0700 | OS_OWN);
	if (r == -EEXIST) {
		r = os->list(os->state, path, count_entry, &n);
		if (r == 0 && n > 0)
			return hf_error_set(err, -ENOTEMPTY,
					    "%s is not empty: a new store needs a new or empty folder", path);
	}
	if (r < 0)
		return hf_error_set(err, r, "cannot make the folder %s: %s", path, strerror(-r));
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (!os_join(&name, path, folders[i]))
			return hf_error_set(err, -ENOMEM, "no memory");
		r = os->mkdir(os->state, (const char *)name.data, 0700);
		if (r < 0) {
			(void)hf_error_set(err, r, "cannot make the folder %s: %s", (const char *)name.data,
					   strerror(-r));
			files_remove_unfinished(os, path); /* it was empty when this began */
			return r;
		}
	}
	r = os->sync_dir(os->state, path);
	if (r == 0)
		r = files_sync_name(os, path);
	if (r < 0) {
		(void)hf_error_set(err, r, "cannot sync the folder %s: %s", path, strerror(-r));
		files_remove_unfinished(os, path);
	}
	return r;
}

void files_remove_unfinished(const struct os *os, const char *path)
{
	static const char *const files[] = { "volume", "keys/volume.key", "keys/writer.key",
					     "log/0000000001.seg", "log/0000000002.seg" };
	static const char *const folders[] = { "keys", "log", "replicas" };
	CLEANUP(buf_release) struct buf name = BUF_INIT;

	/* Each is removed if it can be: what is left makes the next try say that the folder is not empty. */
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (os_join(&name, path, files[i]))
			(void)os->unlink(os->state, (const char *)name.data);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (os_join(&name, path, folders[i]))
			(void)rmdir((const char *)name.data);
	}
	(void)rmdir(path);
}

int files_write_small(const struct os *os, const char *path, const char *name, const struct buf *data,
		      mode_t mode, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	int r;

	if (buf_status(data) < 0 || !os_join(&full, path, name))
		return hf_error_set(err, -ENOMEM, "no memory for %s", name);
	r = os_write_file(os, (const char *)full.data, data->data, data->len, mode);
	if (r < 0)
		return hf_error_set(err, r, "cannot write %s: %s", (const char *)full.data, strerror(-r));
	return 0;
}

int files_write_new(const struct os *os, const char *file, const struct buf *data, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf dir = BUF_INIT;
	const char *slash = strrchr(file, '/');
	int fd = os->open(os->state, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600 | OS_OWN), r,
	    closed;

	if (fd == -EEXIST)
		return hf_error_set(err, fd, "%s is there already, and no secret is written over a file",
				    file);
	if (fd < 0)
		return hf_error_set(err, fd, "cannot make %s: %s", file, strerror(-fd));
	r = os_pwrite_full(os, fd, data->data, data->len, 0);
	if (r == 0)
		r = os->fsync(os->state, fd);
	closed = os->close(os->state, fd);
	buf_add(&dir, slash ? file : ".", slash ? (size_t)(slash - file) + 1 : 1);
	if (r == 0)
		r = closed;
	if (r == 0)
		r = os->sync_dir(os->state, buf_cstr(&dir));
	if (r == 0)
		return 0;
	(void)os->unlink(os->state, file);
	return hf_error_set(err, r, "cannot write %s: %s", file, strerror(-r));
}

int files_write_descriptor(const struct os *os, const char *path, const struct volume_descriptor *v,
			   struct hf_error *err)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT;

	volume_descriptor_encode(v, &data);
	return files_write_small(os, path, "volume", &data, 0644, err);
}

int files_read_small(const struct os *os, const char *path, const char *name, struct buf *out,
		     struct buf *full, struct hf_error *err)
{
	int r;

	if (!os_join(full, path, name))
		return hf_error_set(err, -ENOMEM, "no memory for %s", name);
	r = os_read_file(os, (const char *)full->data, SMALL_FILE_BYTES_MAX, out);
	if (r < 0)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)full->data, strerror(-r));
	return 0;
}

static bool has_folder(const struct os *os, const char *path, const char *name)
{
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	int fd = -1;

	if (os_join(&full, path, name))
		fd = os->open(os->state, (const char *)full.data, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

/* Why there is no descriptor: it was lost, a recovery is to write it yet, or this is something else. */
static int no_descriptor(const struct os *os, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT, full = BUF_INIT;

	if (files_read_small(os, path, "recovery", &data, &full, NULL) == 0)
		return hf_error_set(err, -ENOENT,
				    "%s is no store yet: a recovery into it was begun and not finished; run "
				    "holdfast recover again, as before, and it goes on",
				    path);
	if (has_folder(os, path, "log") && has_folder(os, path, "keys"))
		return hf_error_set(
			err, -EUCLEAN,
			"%s/volume is not there, but log and keys are; holdfast check %s --repair "
			"makes it anew",
			path, path);
	return hf_error_set(err, -ENOENT, "%s is not a holdfast store: it has no file named volume", path);
}

static int bad_descriptor(const char *path, const char *full, struct hf_error *err)
{
	const struct hf_error why = *err;

	return hf_error_set(err, -EUCLEAN,
			    "%s: %.200s; holdfast check %s --repair makes it anew from the log", full,
			    why.text, path);
}

int files_read_descriptor(const struct os *os, const char *path, struct volume_descriptor *ret,
			  struct hf_error *err)
{
	CLEANUP(buf_release) struct buf data = BUF_INIT, full = BUF_INIT;
	uint8_t id[VOLUME_ID_BYTES];
	int r;

	r = files_read_small(os, path, "volume", &data, &full, err);
	if (r == -ENOENT || r == -ENOTDIR)
		return no_descriptor(os, path, err);
	if (r == -EFBIG)
		r = hf_error_set(err, -EUCLEAN, "it is too long to be a volume descriptor");
	if (r < 0 && r != -EUCLEAN)
		return r;
	if (r == 0)
		r = volume_descriptor_decode(data.data, data.len, ret, err);
	if (r == 0) {
		volume_id_of(ret->owner_public, id);
		if (!crypto_equal(id, ret->volume_id, sizeof(id)))
			r = hf_error_set(err, -EUCLEAN, "the volume id is not that of its owner key");
	}
	if (r == -EUCLEAN && err)
		return bad_descriptor(path, (const char *)full.data, err);
	return r < 0 ? hf_error_prefix(err, r, "%s", (const char *)full.data) : 0;
}

/* Who only reads does not write his name: what is there is of one before him. */
static void name_holder(int fd, const char *path, struct hf_error *err)
{
	const bool reads = flock(fd, LOCK_SH | LOCK_NB) == 0;
	char text[256];
	ssize_t n = reads ? 0 : pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	if (!text[0])
		(void)snprintf(text, sizeof(text), "by a process that %s",
			       reads ? "reads it" : "did not say its name");
	(void)hf_error_set(err, -EBUSY, "the store %s is open already: %s", path, text);
}

static int write_holder(int fd, const char *holder)
{
	if (ftruncate(fd, 0) < 0)
		return -1;
	return dprintf(fd, "process %ld, %s\n", (long)getpid(), holder) < 0 ? -1 : 0;
}

/*
 * Where nothing can be written. -EROFS of a lock means two things: the file may not be there, as on a medium
 * that was made without it. Then nobody can lock, and nobody need: it is the folder, for what is let go of.
 */
static int open_fixed(const char *path, const char *file, bool *ret_none)
{
	int fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	*ret_none = fd < 0 && errno == ENOENT;
	if (*ret_none)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Alone; or, for who only reads, with others who do. */
static int lock_once(int fd, bool fixed, bool *ret_shared)
{
	int r = fixed ? -EWOULDBLOCK : 0;

	if (r == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = -errno;
	if (r != -EWOULDBLOCK || !ret_shared)
		return r;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return -errno;
	*ret_shared = true;
	return 0;
}

static int lock_within(int fd, bool fixed, unsigned wait_ms, bool *ret_shared)
{
	const struct timespec pause = { 0, LOCK_POLL_MS * 1000000L };
	int r = lock_once(fd, fixed, ret_shared);

	for (unsigned waited_ms = 0; r == -EWOULDBLOCK && waited_ms < wait_ms; waited_ms += LOCK_POLL_MS) {
		(void)nanosleep(&pause, NULL);
		r = lock_once(fd, fixed, ret_shared);
	}
	return r;
}

int files_lock(const char *path, const char *holder, unsigned wait_ms, bool *ret_shared, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf full = BUF_INIT;
	CLEANUP(cleanup_fd) int fd = -1;
	bool fixed, none = false;
	int r;

	if (!os_join(&full, path, "lock"))
		return hf_error_set(err, -ENOMEM, "no memory");
	fd = os_open_lock(buf_cstr(&full));
	fixed = fd == -EROFS && ret_shared;
	if (ret_shared)
		*ret_shared = fixed;
	if (fixed)
		fd = open_fixed(path, buf_cstr(&full), &none);
	if (fd == -EROFS)
		return hf_error_set(
			err, fd, "the disk that %s is on is read-only, as one becomes that fails: see dmesg",
			path);
	if (fd < 0)
		return hf_error_set(err, fd, "cannot open %s: %s", buf_cstr(&full), strerror(-fd));
	r = none ? 0 : lock_within(fd, fixed, wait_ms, ret_shared);
	if (r == -EWOULDBLOCK) {
		name_holder(fd, path, err);
		return -EBUSY;
	}
	if (r < 0)
		return hf_error_set(err, r, "cannot lock %s: %s", buf_cstr(&full), strerror(-r));
	/* Where the disk is full, the lock holds without words. */
	if (!(ret_shared && *ret_shared) && write_holder(fd, holder) < 0 && errno != ENOSPC &&
	    errno != EDQUOT)
		return hf_error_set(err, -errno, "cannot write %s: %s", buf_cstr(&full), strerror(errno));
	return TAKE_FD(fd);
}
