/* SPDX-License-Identifier: MIT */
#include "fs/cli/extract_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

struct folder *extract_folder_add(struct folders *all, const struct folder *parent, const char *name,
				  const struct hf_attr *attr)
{
	struct folder *f = malloc(sizeof(*f) + strlen(name) + 1);

	if (!f)
		return NULL;
	*f = (struct folder){ .parent = (struct folder *)(uintptr_t)parent,
			      .made_before = all->made,
			      .to_visit = all->to_visit,
			      .attr = *attr };
	strcpy(f->name, name);
	all->made = all->to_visit = f;
	return f;
}

struct folder *extract_folder_next(struct folders *all)
{
	struct folder *f = all->to_visit;

	if (f)
		all->to_visit = f->to_visit;
	return f;
}

void extract_folders_release(struct folders *all)
{
	while (all->made) {
		struct folder *f = all->made;

		all->made = f->made_before;
		free(f);
	}
	all->to_visit = NULL;
}

static int list_entry(void *arg, const char *name, uint64_t ino, uint32_t type, uint64_t cookie,
		      const struct hf_attr *attr)
{
	struct listing *l = arg;

	(void)ino;
	(void)type;
	if (l->n == l->max)
		return 1;
	l->entries[l->n].attr = *attr;
	(void)snprintf(l->entries[l->n].name, sizeof(l->entries[l->n].name), "%s", name);
	l->n++;
	l->cookie = cookie;
	return 0;
}

int extract_list(const struct hf_view *view, uint64_t ino, struct listing *l, struct hf_error *err)
{
	int r;

	l->n = 0;
	r = hf_view_readdir(view, ino, l->cookie, HF_READDIR_ATTR, list_entry, l, err);
	return r < 0 ? r : 0;
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
