/* SPDX-License-Identifier: MIT */
#include "store/index/borrow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/index/borrow_folder.h"

enum { COPY_BYTES = 1 << 20 };

static void close_dir(DIR **folder)
{
	if (*folder)
		(void)closedir(*folder);
}

static DIR *open_folder(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

	if (!folder && fd >= 0)
		(void)close(fd);
	return folder;
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int copy_file(int from_dir, const char *name, int to_dir)
{
	CLEANUP(cleanup_fd) int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(cleanup_fd) int to = -1;
	ssize_t n;

	if (from >= 0)
		to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0)
		return -errno;
	while ((n = sendfile(to, from, NULL, COPY_BYTES)) > 0)
		;
	return n < 0 ? -errno : 0;
}

static bool is_table(const char *name)
{
	const char *end = strrchr(name, '.');

	return end && strcmp(end, ".sst") == 0;
}

/* What RocksDB makes anew for itself. */
static bool is_of_a_process(const char *name)
{
	return strcmp(name, "LOCK") == 0 || strncmp(name, "LOG", 3) == 0;
}

static int take_file(const char *from, int from_dir, const char *name, int to_dir)
{
	CLEANUP(cleanup_free) char *path = NULL;
	struct stat st;

	if (is_of_a_process(name))
		return 0;
	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (!is_table(name))
		return copy_file(from_dir, name, to_dir);
	if (asprintf(&path, "%s/%s", from, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return symlinkat(path, to_dir, name) < 0 ? -errno : 0;
}

static int take_files(const char *from, int to_dir)
{
	CLEANUP(cleanup_free) char *real = realpath(from, NULL);
	CLEANUP(close_dir) DIR *folder = real ? open_folder(AT_FDCWD, real) : NULL;
	struct dirent *d;
	int r = 0;

	if (!folder)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (d = readdir(folder)))
		if (!is_dots(d->d_name))
			r = take_file(real, dirfd(folder), d->d_name, to_dir);
	return r;
}

static int borrow_at(const char *place, const char *from, struct index_borrowed *b, struct hf_error *err)
{
	int r = borrow_folder_make(place, b);

	if (r == 0 && from)
		r = take_files(from, b->fd);
	if (r == 0)
		return 0;
	borrow_folder_remove(b);
	return hf_error_set(err, r, "%s: %s", place, strerror(-r));
}

/* One place that will not do is as good as none, but memory is short everywhere. */
static int borrow_anywhere(const char *from, struct index_borrowed *b, struct buf *tried)
{
	int first = 0;

	for (unsigned i = 0; i < BORROW_PLACES; i++) {
		CLEANUP(cleanup_free) char *place = NULL;
		struct hf_error why = HF_ERROR_INIT;
		int r = borrow_place(i, &place, &why);

		if (r == 0)
			r = borrow_at(place, from, b, &why);
		if (r == 0 || r == -ENOMEM)
			return r;
		if (why.code)
			buf_add_text(tried, "%s%s", tried->len > 0 ? "; " : "", why.text);
		if (why.code && first == 0)
			first = r;
	}
	return first;
}

int index_borrow(const char *from, struct index_borrowed **ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf tried = BUF_INIT;
	struct index_borrowed *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return hf_error_set(err, -ENOMEM, "no memory");
	*b = (struct index_borrowed){ .fd = -1 };
	borrow_folders_clear_up();
	r = borrow_anywhere(from, b, &tried);
	if (r < 0) {
		index_give_back(b);
		return hf_error_set(err, r,
				    "no index can be made to read with: set TMPDIR to a folder that has room "
				    "(%s)",
				    tried.len > 0 && buf_status(&tried) == 0 ? buf_cstr(&tried) :
									       strerror(-r));
	}
	*ret = b;
	return 0;
}

void index_give_back(struct index_borrowed *b)
{
	if (!b)
		return;
	borrow_folder_remove(b);
	free(b);
}
