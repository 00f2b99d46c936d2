/* SPDX-License-Identifier: MIT */
#include "store/index/borrow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "store/index/borrow_folder.h"

enum { PIECE_BYTES = 64 << 10 };

/* From an index to a folder, and what went wrong with the former; of the latter the code says enough. */
struct taking {
	char *from; /* its real path */
	DIR *folder;
	int to_dir;
	struct hf_error *source;
};

static void taking_end(struct taking *t)
{
	if (t->folder)
		(void)closedir(t->folder);
	free(t->from);
}

static int source_failed(const struct taking *t, const char *name, int code)
{
	return hf_error_set(t->source, code, "cannot read %s/%s: %s", t->from, name, strerror(-code));
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int copy_pieces(const struct taking *t, const char *name, int from, int to)
{
	CLEANUP(cleanup_free) uint8_t *piece = malloc(PIECE_BYTES);
	ssize_t n;
	int r = piece ? 0 : -ENOMEM;

	while (r == 0 && (n = read(from, piece, PIECE_BYTES)) != 0) {
		if (n > 0)
			r = write_all(to, piece, (size_t)n);
		else if (errno != EINTR)
			r = source_failed(t, name, -errno);
	}
	return r;
}

static int copy_file(const struct taking *t, const char *name)
{
	CLEANUP(cleanup_fd) int from = openat(dirfd(t->folder), name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP(cleanup_fd) int to = -1;

	if (from < 0)
		return source_failed(t, name, -errno);
	to = openat(t->to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return to < 0 ? -errno : copy_pieces(t, name, from, to);
}

static int lead_to(const struct taking *t, const char *name)
{
	CLEANUP(cleanup_free) char *path = NULL;

	if (asprintf(&path, "%s/%s", t->from, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return symlinkat(path, t->to_dir, name) < 0 ? -errno : 0;
}

static bool ends_with(const char *name, const char *end)
{
	const char *dot = strrchr(name, '.');

	return dot && strcmp(dot, end) == 0;
}

/* What RocksDB opens a database by, and the note that damage was found. The rest it makes for itself. */
static bool is_wanted(const char *name)
{
	return strcmp(name, "CURRENT") == 0 || strncmp(name, "MANIFEST-", 9) == 0 ||
	       strncmp(name, "OPTIONS-", 8) == 0 || strcmp(name, "IDENTITY") == 0 ||
	       strcmp(name, "damaged") == 0 || ends_with(name, ".log");
}

static int take_file(const struct taking *t, const char *name)
{
	const bool table = ends_with(name, ".sst");
	struct stat st;

	if (!table && !is_wanted(name))
		return 0;
	if (fstatat(dirfd(t->folder), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return source_failed(t, name, -errno);
	if (!S_ISREG(st.st_mode))
		return 0;
	return table ? lead_to(t, name) : copy_file(t, name);
}

/* 0, and no folder where there is none. Whoever prepared the store may not lead us elsewhere. */
static int open_source(struct taking *t, const char *from)
{
	struct stat st;
	int fd;

	if (lstat(from, &st) < 0)
		return errno == ENOENT ?
			       0 :
			       hf_error_set(t->source, -errno, "cannot open the index folder %s: %s", from,
					    strerror(errno));
	if (S_ISLNK(st.st_mode))
		return hf_error_set(t->source, -ELOOP,
				    "the index folder %s is a symbolic link: remove it, and it is made anew",
				    from);
	fd = open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	t->folder = fd >= 0 ? fdopendir(fd) : NULL;
	if (!t->folder && fd >= 0)
		(void)close(fd);
	t->from = t->folder ? realpath(from, NULL) : NULL;
	if (!t->from)
		return hf_error_set(t->source, -errno, "cannot open the index folder %s: %s", from,
				    strerror(errno));
	return 0;
}

static int take_files(const char *from, int to_dir, struct hf_error *source)
{
	CLEANUP(taking_end) struct taking t = { .to_dir = to_dir, .source = source };
	struct dirent *d;
	int r = open_source(&t, from);

	if (r < 0 || !t.folder)
		return r;
	while (r == 0) {
		errno = 0;
		d = readdir(t.folder);
		if (!d)
			return errno ? source_failed(&t, ".", -errno) : 0;
		r = take_file(&t, d->d_name);
	}
	return r;
}

static int borrow_at(const char *place, const char *from, struct index_borrowed *b, struct hf_error *source,
		     struct hf_error *err)
{
	int r = borrow_folder_make(place, b);

	if (r == 0 && from)
		r = take_files(from, b->fd, source);
	if (r == 0)
		return 0;
	borrow_folder_remove(b);
	return hf_error_set(err, r, "%s: %s", place, strerror(-r));
}

/*
 * One place that will do is enough, and what each failed of is told when there is none. Memory, and an index
 * that cannot be read, are the same everywhere.
 */
static int borrow_anywhere(const char *from, struct index_borrowed *b, struct buf *tried,
			   struct hf_error *source)
{
	int first = 0;

	for (unsigned i = 0; i < BORROW_PLACES; i++) {
		CLEANUP(cleanup_free) char *place = NULL;
		struct hf_error why = HF_ERROR_INIT;
		int r = borrow_place(i, &place, &why);

		if (r == 0)
			r = borrow_at(place, from, b, source, &why);
		if (r == 0 || r == -ENOMEM || source->code)
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
	struct hf_error source = HF_ERROR_INIT;
	struct index_borrowed *b = malloc(sizeof(*b));
	int r;

	if (!b)
		return hf_error_set(err, -ENOMEM, "no memory");
	*b = (struct index_borrowed){ .fd = -1 };
	index_borrowed_clear_up();
	r = borrow_anywhere(from, b, &tried, &source);
	if (r < 0)
		index_give_back(b);
	if (source.code)
		return hf_error_set(err, r, "%s", source.text);
	if (r < 0)
		return hf_error_set(err, r,
				    "no index can be made to read with: set TMPDIR to a folder that has room "
				    "(%s)",
				    tried.len > 0 && buf_status(&tried) == 0 ? buf_cstr(&tried) :
									       strerror(-r));
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
