/* SPDX-License-Identifier: MIT */
/*
 * Mounts that are there already: those to be changed, and dead ones, left by a process that was killed. A
 * line of mountinfo(5) is: id parent major:minor root DIR options … - TYPE SOURCE superoptions, with blanks
 * and backslashes in paths as \ooo.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mount/mount_internal.h"

static void unescape(char *text)
{
	char *out = text;
	unsigned c;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && sscanf(in + 1, "%3o", &c) == 1) {
			*out++ = (char)c;
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/*
 * Type and source of what is mounted on exactly `dir`; of several on top of each other, of the uppermost.
 * malloc'ed.
 */
static int find_mounted(const char *dir, char **ret_type, char **ret_source)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t cap = 0;

	*ret_type = *ret_source = NULL;
	if (!f)
		return -errno;
	while (getline(&line, &cap, f) > 0) {
		char *path = NULL, *type = NULL, *source = NULL, *tail = strstr(line, " - ");

		if (sscanf(line, "%*d %*d %*s %*s %ms", &path) == 1 && tail &&
		    sscanf(tail, " - %ms %ms", &type, &source) == 2) {
			unescape(path);
			unescape(source);
			if (strcmp(path, dir) == 0) {
				free(*ret_type);
				free(*ret_source);
				*ret_type = type;
				*ret_source = source;
				type = source = NULL;
			}
		}
		free(path);
		free(type);
		free(source);
	}
	free(line);
	fclose(f);
	return *ret_type ? 0 : -ENOENT;
}

/* fusermount3 is setuid, so that a user may take away a mount of his own. */
static int detach_as_user(const char *dir, bool lazy)
{
	char *argv[] = { "fusermount3", "-q", "-u", lazy ? "-z" : "--", (char *)(uintptr_t)dir, NULL };
	int status = 0, r;
	pid_t pid;

	r = -posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (r < 0)
		return r;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EBUSY;
}

int mount_detach(const char *dir, bool lazy)
{
	if (geteuid() != 0)
		return detach_as_user(dir, lazy);
	return umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
}

/* Is `dir` a mount of this store? */
static bool is_mount_of(const char *dir, const char *store_path)
{
	char *type, *source;
	bool is = find_mounted(dir, &type, &source) == 0 && strcmp(type, "fuse.holdfast") == 0 &&
		  strcmp(source, store_path) == 0;

	free(type);
	free(source);
	return is;
}

int mount_again(const char *store_path, const char *dir, const struct mount_options *o, struct hf_error *err)
{
	unsigned long flags = MS_REMOUNT | MS_NOATIME;
	struct statvfs st;

	if (!is_mount_of(dir, store_path))
		return hf_error_set(err, -EINVAL, "%s is not mounted on %s", store_path, dir);
	if (statvfs(dir, &st) < 0)
		return hf_error_set(err, -errno, "%s: %s", dir, strerror(errno));
	flags |= o->read_only ? MS_RDONLY : 0;
	flags |= o->suid ? 0 : MS_NOSUID;
	flags |= o->dev ? 0 : MS_NODEV;
	flags |= o->noexec ? MS_NOEXEC : 0;
	flags |= st.f_flag & ST_SYNCHRONOUS ? MS_SYNCHRONOUS : 0; /* half of it is the process's */
	if (mount(NULL, dir, NULL, flags, NULL) == 0)
		return 0;
	if (errno == EBUSY)
		return hf_error_set(err, -EBUSY, "%s: a file is open for writing", dir);
	return hf_error_set(err, -errno, "cannot mount %s again: %s", dir, strerror(errno));
}

int mount_clear_dead(const char *dir, const char *store_path, struct hf_error *err)
{
	struct statvfs st;
	int r;

	/* Attributes of the root may be cached for ever; this is always asked. */
	if (statvfs(dir, &st) == 0 || errno != ENOTCONN)
		return 0;
	r = is_mount_of(dir, store_path) ? mount_detach(dir, true) : -ENOENT;
	if (r < 0)
		return hf_error_set(err, -ENOTCONN,
				    "%s: a mount whose process has died is in the way; take it away with: "
				    "umount -l %s",
				    dir, dir);
	return 1;
}
