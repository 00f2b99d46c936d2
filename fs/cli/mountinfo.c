/* SPDX-License-Identifier: MIT */
/*
 * A line of mountinfo(5): id parent major:minor root DIR options … - TYPE SOURCE superoptions, with blanks,
 * backslashes and newlines in paths as \ooo.
 */
#include "fs/cli/mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUSE_TYPE "fuse.holdfast"

static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out++ = (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'));
			in += 3;
		} else {
			*out++ = *in;
		}
	}
	*out = '\0';
}

/* Cut a line into what we need of it, in place. */
static bool parse_line(char *line, char **ret_dir, char **ret_source)
{
	char *save = NULL, *word, *type, *source;

	word = strtok_r(line, " ", &save);
	for (int i = 0; word && i < 4; i++)
		word = strtok_r(NULL, " ", &save);
	if (!word)
		return false;
	*ret_dir = word;
	while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "-"))
		;
	type = strtok_r(NULL, " ", &save);
	source = strtok_r(NULL, " \n", &save);
	if (!type || !source || strcmp(type, FUSE_TYPE))
		return false;
	*ret_source = source;
	unescape(*ret_dir);
	unescape(*ret_source);
	return true;
}

static bool is_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strcmp(dir, "/") || (!strncmp(path, dir, len) && (path[len] == '/' || path[len] == '\0'));
}

static int take(struct mountinfo *m, const char *dir, const char *store)
{
	mountinfo_release(m);
	m->dir = strdup(dir);
	m->store = strdup(store);
	return m->dir && m->store ? 0 : -ENOMEM;
}

/* wanted tells whether a line is one; of several the longest path counts, and of equals the last: it lies on
 * top. */
static int search(bool (*wanted)(const char *dir, const char *store, const char *arg), const char *arg,
		  struct mountinfo *ret, int *ret_matches)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *dir, *store;
	size_t cap = 0;
	int r = 0;

	*ret = (struct mountinfo){ NULL, NULL };
	*ret_matches = 0;
	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &cap, f) > 0) {
		if (!parse_line(line, &dir, &store) || !wanted(dir, store, arg))
			continue;
		(*ret_matches)++;
		if (!ret->dir || strlen(dir) >= strlen(ret->dir))
			r = take(ret, dir, store);
	}
	free(line);
	fclose(f);
	if (r == 0 && *ret_matches == 0)
		r = -ENOENT;
	if (r < 0)
		mountinfo_release(ret);
	return r;
}

static bool any(const char *dir, const char *store, const char *arg)
{
	(void)dir;
	(void)store;
	(void)arg;
	return true;
}

static bool contains(const char *dir, const char *store, const char *path)
{
	(void)store;
	return is_inside(path, dir);
}

static bool is_store(const char *dir, const char *store, const char *wanted)
{
	(void)dir;
	return !strcmp(store, wanted);
}

int mountinfo_find(const char *path, struct mountinfo *ret)
{
	int matches, r;

	r = search(path ? contains : any, path, ret, &matches);
	if (r == 0 && !path && matches > 1) {
		mountinfo_release(ret);
		return -ENOTUNIQ;
	}
	return r;
}

int mountinfo_find_store(const char *store, struct mountinfo *ret)
{
	int matches;

	return search(is_store, store, ret, &matches);
}

void mountinfo_release(struct mountinfo *m)
{
	free(m->dir);
	free(m->store);
	m->dir = m->store = NULL;
}
