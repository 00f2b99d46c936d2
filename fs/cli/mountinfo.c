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

#include "fs/cli/cli.h"

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

struct line {
	char *root, *dir, *store;
};

/* What of the volume is mounted, without slashes at the ends. Of a folder that was removed since the kernel
 * says so. */
static char *clean_root(char *root)
{
	static const char removed[] = "//deleted";
	size_t len = strlen(root);

	if (len >= sizeof(removed) - 1 && !strcmp(root + len - (sizeof(removed) - 1), removed))
		root[len - (sizeof(removed) - 1)] = '\0';
	return root + strspn(root, "/");
}

/* Cut a line into what we need of it, in place. */
static bool parse_line(char *text, struct line *ret)
{
	char *save = NULL, *word, *type;

	word = strtok_r(text, " ", &save);
	for (int i = 0; word && i < 3; i++)
		word = strtok_r(NULL, " ", &save);
	ret->root = word;
	ret->dir = word ? strtok_r(NULL, " ", &save) : NULL;
	if (!ret->dir)
		return false;
	while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "-"))
		;
	type = strtok_r(NULL, " ", &save);
	ret->store = strtok_r(NULL, " \n", &save);
	if (!type || !ret->store || strcmp(type, FUSE_TYPE))
		return false;
	unescape(ret->root);
	unescape(ret->dir);
	unescape(ret->store);
	ret->root = clean_root(ret->root);
	return true;
}

static int take(struct mountinfo *m, const struct line *line)
{
	mountinfo_release(m);
	m->dir = strdup(line->dir);
	m->root = strdup(line->root);
	m->store = strdup(line->store);
	return m->dir && m->root && m->store ? 0 : -ENOMEM;
}

/* What is sought: what a path is in, or a store; neither: any. */
struct sought {
	const char *path, *store;
	bool several; /* stores were found */
};

static bool is_wanted(const struct sought *sought, const struct line *line)
{
	if (sought->path)
		return cli_is_inside(sought->path, line->dir);
	return !sought->store || !strcmp(line->store, sought->store);
}

/*
 * Of what a path is in the innermost counts; of a store rather all of it than a folder. Else the longest
 * path, and of equals the last: it lies on top.
 */
static bool is_better(const struct sought *sought, const struct line *line, const struct mountinfo *than)
{
	if (!than->dir)
		return true;
	if (!sought->path && !*line->root != !*than->root)
		return !*line->root;
	return strlen(line->dir) >= strlen(than->dir);
}

static int search(struct sought *sought, struct mountinfo *ret)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	struct line line;
	char *text = NULL;
	size_t cap = 0;
	int r = 0;

	*ret = (struct mountinfo){ NULL, NULL, NULL };
	if (!f)
		return -errno;
	while (r == 0 && getline(&text, &cap, f) > 0) {
		if (!parse_line(text, &line) || !is_wanted(sought, &line))
			continue;
		sought->several |= ret->store && strcmp(ret->store, line.store) != 0;
		if (is_better(sought, &line, ret))
			r = take(ret, &line);
	}
	free(text);
	fclose(f);
	if (r == 0 && !ret->dir)
		r = -ENOENT;
	if (r < 0)
		mountinfo_release(ret);
	return r;
}

int mountinfo_find(const char *path, struct mountinfo *ret)
{
	struct sought sought = { .path = path };
	int r = search(&sought, ret);

	if (r == 0 && !path && sought.several) {
		mountinfo_release(ret);
		return -ENOTUNIQ;
	}
	return r;
}

int mountinfo_find_store(const char *store, struct mountinfo *ret)
{
	struct sought sought = { .store = store };

	return search(&sought, ret);
}

char *mountinfo_within(const struct mountinfo *m, const char *path)
{
	const char *rest = path + (strcmp(m->dir, "/") ? strlen(m->dir) : 0);
	char *within;

	rest += strspn(rest, "/");
	if (asprintf(&within, "%s%s%s", m->root, *m->root && *rest ? "/" : "", rest) < 0)
		return NULL;
	return within;
}

void mountinfo_release(struct mountinfo *m)
{
	free(m->dir);
	free(m->root);
	free(m->store);
	m->dir = m->root = m->store = NULL;
}
