/* SPDX-License-Identifier: MIT */
#include "fs/cli/extract_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/extract.h"
#include "fs/cli/past_print.h"

/* From below the top down to the folder, NULL behind it; malloc'ed, NULL without memory. */
static const struct folder **way_of(const struct folder *f)
{
	const struct folder **way;
	size_t n = 0;

	for (const struct folder *up = f; up && up->parent; up = up->parent)
		n++;
	way = calloc(n + 1, sizeof(*way));
	for (; way && n > 0; f = f->parent)
		way[--n] = f;
	return way;
}

char *extract_path(const struct folder *f, const char *name)
{
	CLEANUP(cli_cleanup_free) const struct folder **way = way_of(f);
	char *text = NULL;
	size_t len;
	FILE *out = way ? open_memstream(&text, &len) : NULL;

	if (!out)
		return NULL;
	for (size_t i = 0; way[i]; i++) {
		print_name(out, way[i]->name);
		fputc('/', out);
	}
	print_name(out, name);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}

int extract_folder_open(int top_fd, const struct folder *f)
{
	CLEANUP(cli_cleanup_free) const struct folder **way = way_of(f);
	int fd = way ? fcntl(top_fd, F_DUPFD_CLOEXEC, 0) : -1;

	for (size_t i = 0; fd >= 0 && way[i]; i++) {
		int next = openat(fd, way[i]->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		(void)close(fd);
		fd = next;
	}
	return fd;
}

static int folder_is_empty(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	const struct dirent *d;
	int r = dir ? 1 : -errno;

	if (!dir && own >= 0)
		(void)close(own);
	while (r == 1 && (d = readdir(dir)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			r = 0;
	if (dir)
		(void)closedir(dir);
	return r;
}

/* Whose folder it is may not let us: then it is his to say who comes in, and what is not as it was is told.
 */
static void keep_others_out(int fd)
{
	if (extract_can_chown())
		(void)!fchown(fd, geteuid(), getegid());
	(void)fremovexattr(fd, "system.posix_acl_default");
	(void)fremovexattr(fd, "system.posix_acl_access");
	(void)fchmod(fd, 0700);
}

int extract_top_open(const char *to, bool whole, int *ret_fd, struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int fd = -1;
	int r = mkdir(to, whole ? 0700 : 0777) < 0 && errno != EEXIST ? -errno : 0;

	if (r == 0) {
		fd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	if (r < 0)
		return hf_error_set(err, r, "%s: %s", to, strerror(-r));
	r = folder_is_empty(fd);
	if (r <= 0)
		return hf_error_set(err, r < 0 ? r : -ENOTEMPTY,
				    r < 0 ? "%s: cannot be read" :
					    "%s is not empty: name another folder, or one that does not "
					    "exist; nothing is written over",
				    to);
	if (whole)
		keep_others_out(fd);
	*ret_fd = fd;
	fd = -1;
	return 0;
}
