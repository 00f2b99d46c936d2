/* SPDX-License-Identifier: MIT */
#include "store/replica/within.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/volume/kit.h"

#define MOUNT_TYPE "fuse.holdfast"

/* Where a path is, however it is reached: which file system, and where on it. */
struct spot {
	char *device; /* "major:minor" */
	char *path;   /* from the file system's root */
	char *source; /* of a holdfast mount: the store; else NULL */
};

static void spot_release(struct spot *s)
{
	free(s->device);
	free(s->path);
	free(s->source);
	*s = (struct spot){ .device = NULL };
}

static bool is_inside(const char *path, const char *folder)
{
	const size_t len = strcmp(folder, "/") ? strlen(folder) : 0;

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == 0);
}

/* With the links followed of the part that is there; the rest goes on as text. malloc'ed. */
static char *resolve(const char *path)
{
	CLEANUP(cleanup_free) char *head = strdup(path);
	CLEANUP(cleanup_free) char *real = NULL;
	const char *rest = "";
	char *whole;

	for (size_t len = head ? strlen(head) : 0; len > 0; len = strlen(head)) {
		real = realpath(head, NULL);
		if (real)
			break;
		while (len > 0 && head[len - 1] == '/')
			len--;
		while (len > 0 && head[len - 1] != '/')
			len--;
		head[len] = 0;
		rest = path + len;
	}
	if (!real || asprintf(&whole, "%s%s%s", real, *rest && strcmp(real, "/") ? "/" : "", rest) < 0)
		return NULL;
	for (size_t len = strlen(whole); len > 1 && whole[len - 1] == '/'; len--)
		whole[len - 1] = 0;
	return whole;
}

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
	*out = 0;
}

/* proc(5): id, parent, device, root, mount point, options, optional fields, "-", type, source. */
struct line {
	char *device, *root, *dir, *type, *source;
};

static bool parse_line(char *text, struct line *ret)
{
	char *save = NULL, *word = strtok_r(text, " ", &save);

	for (int i = 0; word && i < 2; i++)
		word = strtok_r(NULL, " ", &save);
	ret->device = word;
	ret->root = word ? strtok_r(NULL, " ", &save) : NULL;
	ret->dir = ret->root ? strtok_r(NULL, " ", &save) : NULL;
	if (!ret->dir)
		return false;
	while ((word = strtok_r(NULL, " ", &save)) && strcmp(word, "-") != 0)
		;
	ret->type = strtok_r(NULL, " ", &save);
	ret->source = strtok_r(NULL, " \n", &save);
	if (!ret->type || !ret->source)
		return false;
	unescape(ret->root);
	unescape(ret->dir);
	unescape(ret->source);
	return true;
}

static bool take_line(struct spot *s, const struct line *line, const char *path)
{
	const char *rest = path + (strcmp(line->dir, "/") ? strlen(line->dir) : 0);

	spot_release(s);
	s->device = strdup(line->device);
	if (asprintf(&s->path, "%s%s", strcmp(line->root, "/") ? line->root : "", rest) < 0)
		s->path = NULL;
	s->source = strcmp(line->type, MOUNT_TYPE) ? NULL : strdup(line->source);
	return s->device && s->path && (s->source || strcmp(line->type, MOUNT_TYPE));
}

/* The innermost mount that a path is in; of equals the last, which lies on top. False: it cannot be told. */
static bool find_spot(const char *path, struct spot *ret)
{
	CLEANUP(cleanup_free) char *real = resolve(path);
	FILE *f = real ? fopen("/proc/self/mountinfo", "re") : NULL;
	struct line line;
	size_t cap = 0, best = 0;
	char *text = NULL;
	bool good = true;

	*ret = (struct spot){ .device = NULL };
	while (f && good && getline(&text, &cap, f) > 0) {
		if (!parse_line(text, &line) || !is_inside(real, line.dir) || strlen(line.dir) < best)
			continue;
		best = strlen(line.dir);
		good = take_line(ret, &line, real);
	}
	free(text);
	if (f)
		(void)fclose(f);
	if (good && ret->device)
		return true;
	spot_release(ret);
	return false;
}

static bool spot_is_inside(const struct spot *s, const struct spot *folder)
{
	return strcmp(s->device, folder->device) == 0 && is_inside(s->path, folder->path);
}

bool within_is_same(const char *a, const char *b)
{
	CLEANUP(spot_release) struct spot one, other = { .device = NULL };

	return find_spot(a, &one) && find_spot(b, &other) && spot_is_inside(&one, &other) &&
	       spot_is_inside(&other, &one);
}

static int check_path(const char *path, const char *store, struct hf_error *err)
{
	CLEANUP(spot_release) struct spot at, home = { .device = NULL };

	if (!find_spot(path, &at) || !find_spot(store, &home))
		return 0;
	if (spot_is_inside(&at, &home))
		return hf_error_set(err, -EINVAL,
				    "%s lies in the store %s itself, whose log it would copy into itself: a "
				    "replica belongs on another disk or machine",
				    path, store);
	if (at.source && within_is_same(at.source, store))
		return hf_error_set(
			err, -EINVAL,
			"%s lies in the volume itself, which is mounted there: its log would be "
			"written into it, and grow by that without end; a replica belongs on another "
			"disk or machine",
			path);
	return 0;
}

int within_check(const struct place *place, const char *store, const uint8_t volume_id[VOLUME_ID_BYTES],
		 struct hf_error *err)
{
	CLEANUP(buf_release) struct buf inside = BUF_INIT;
	char id[HF_VOLUME_ID_TEXT_BYTES];
	int r;

	if (place->kind != PLACE_DIRECTORY)
		return 0;
	r = check_path(place->path, store, err);
	if (r < 0 || !volume_id)
		return r;
	volume_id_text(volume_id, id);
	if (!os_join(&inside, place->path, id))
		return hf_error_set(err, -ENOMEM, "no memory");
	return check_path((const char *)inside.data, store, err);
}
