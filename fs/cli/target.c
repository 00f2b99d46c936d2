/* SPDX-License-Identifier: MIT */
#include "fs/cli/target.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/cli/cli.h"
#include "fs/cli/mountinfo.h"
#include "fs/cli/output.h"
#include "holdfast/history.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int no_memory(struct hf_error *err)
{
	return hf_error_set(err, -ENOMEM, "no memory");
}

/* By so much the clock may have been set back since the moment was printed. */
#define CLOCKS_DIFFER_NS (UINT64_C(60) * 1000000000)

/* --- text */

const char *target_split(const char *text, bool *ret_maybe)
{
	const char *at = strrchr(text, '@');
	struct hf_moment moment;

	if (!at || strchr(at, '/'))
		return NULL;
	/* PATH@@1795256130: the form of seconds since 1970 begins with an @ of its own */
	if (at > text && at[-1] == '@' && hf_moment_parse(at, now_ns(), &moment, NULL) == 0)
		at--;
	if (hf_moment_parse(at + 1, now_ns(), &moment, NULL) < 0)
		return NULL;
	*ret_maybe = moment.kind == HF_MOMENT_TAG;
	return at + 1;
}

int target_moment(const char *text, char **ret, struct hf_error *err)
{
	struct hf_moment moment;
	char canonical[40];
	int r = hf_moment_parse(text, now_ns(), &moment, err);

	if (r < 0)
		return r;
	if (moment.kind == HF_MOMENT_TIME && moment.from_ns > now_ns() + CLOCKS_DIFFER_NS)
		cli_fail("%s lies in the future: the newest moment is taken", text);
	/* "now" stays: what is under way counts, and a clock that was set back does not hide it */
	if (moment.kind == HF_MOMENT_TIME && strcmp(text, "now"))
		text = hf_moment_format(moment.time_ns, canonical, sizeof(canonical));
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

/* Takes "", "." and ".." out of a path, in place. False: it leads above where it begins. */
static bool clean(char *path)
{
	char *out = path, *in = path, *end;
	size_t len;

	while (*in) {
		in += strspn(in, "/");
		end = in + strcspn(in, "/");
		len = (size_t)(end - in);
		if (len == 2 && in[0] == '.' && in[1] == '.') {
			if (out == path)
				return false;
			while (out > path && *--out != '/')
				;
		} else if (len > 0 && !(len == 1 && in[0] == '.')) {
			if (out > path)
				*out++ = '/';
			memmove(out, in, len);
			out += len;
		}
		in = end;
	}
	*out = '\0';
	return true;
}

/* The first name of *path is this: then step behind it. */
static bool skip_name(const char **path, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(*path, name, len) || ((*path)[len] && (*path)[len] != '/'))
		return false;
	*path += len + ((*path)[len] == '/');
	return true;
}

/* @GMT-YYYY.MM.DD-HH.MM.SS is what Windows calls a previous version. */
static bool from_gmt(const char *name, size_t len, char out[static 24])
{
	static const char form[] = "@GMT-dddd.dd.dd-dd.dd.dd";

	if (len != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)name[i]) : name[i] != form[i])
			return false;
	snprintf(out, 24, "%.4s-%.2s-%.2sT%.2s%.2s%.2sZ", name + 5, name + 10, name + 13, name + 16,
		 name + 19, name + 22);
	return true;
}

/* path is behind ".history/". Steps over what names a moment, which becomes *ret_moment. */
static int take_history(const char **path, char **ret_moment, struct hf_error *err)
{
	bool gmt = false, known = skip_name(path, "at") || skip_name(path, "tags");
	size_t len;
	char time[24];

	if (!known)
		known = gmt = skip_name(path, "gmt");
	len = strcspn(*path, "/");
	if (!known || len == 0 || (gmt && !from_gmt(*path, len, time)))
		return hf_error_set(
			err, -EINVAL,
			"of .history only what lies below at/MOMENT, tags/NAME and gmt/@GMT-... is a "
			"tree: name the file by the path it had, and the moment as PATH@MOMENT");
	*ret_moment = gmt ? strdup(time) : strndup(*path, len);
	*path += len + ((*path)[len] == '/');
	return *ret_moment ? 0 : no_memory(err);
}

int target_clean(const char *within, char **ret_path, char **ret_moment, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *copy = strdup(within);
	CLEANUP(cli_cleanup_free) char *moment = NULL;
	const char *rest = copy;
	int r = 0;

	if (!copy)
		return no_memory(err);
	if (!clean(copy))
		return hf_error_set(err, -EINVAL, "%s leads out of the volume", within);
	if (skip_name(&rest, ".history"))
		r = take_history(&rest, &moment, err);
	if (r < 0)
		return r;
	*ret_path = strdup(rest);
	if (!*ret_path)
		return no_memory(err);
	*ret_moment = moment;
	moment = NULL;
	return 0;
}

/* --- the file system */

/*
 * Absolute, with the links on the way followed and the last name left as it is: what is asked about is the
 * link. Of a path that is not there any more the part that is is looked up, and the rest goes on as text.
 */
static int absolute_of(const char *path, char **ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *head = strdup(path);
	CLEANUP(cli_cleanup_free) char *real = NULL;
	const char *rest;
	size_t len = strlen(path);

	if (!head)
		return no_memory(err);
	if (!len)
		return hf_error_set(err, -ENOENT, "an empty path names nothing");
	while (len > 1 && head[len - 1] == '/')
		head[--len] = '\0';
	rest = path + len;
	/* "." and ".." mean what they lead to */
	if (len >= 1 && head[len - 1] == '.' &&
	    (len == 1 || head[len - 2] == '/' ||
	     (head[len - 2] == '.' && (len == 2 || head[len - 3] == '/'))))
		real = realpath(head, NULL);
	while (!real && len > 0) {
		while (len > 0 && head[len - 1] != '/')
			len--;
		head[len] = '\0';
		rest = path + len;
		real = realpath(len ? head : ".", NULL);
		while (!real && len > 1 && head[len - 1] == '/')
			head[--len] = '\0';
		if (!real && len == 1 && head[0] == '/')
			break;
	}
	if (!real)
		return hf_error_set(err, -ENOENT, "%s: the working directory is gone", path);
	if (asprintf(ret, "%s%s%s", real, *rest && strcmp(real, "/") ? "/" : "", rest) < 0) {
		*ret = NULL;
		return no_memory(err);
	}
	return 0;
}

/* What is at an absolute path in a mount, which is taken. */
static int take_mount(struct mountinfo *m, const char *absolute, struct target *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *within = mountinfo_within(m, absolute);
	int r = within ? target_clean(within, &ret->path, &ret->moment, err) : no_memory(err);

	ret->location = location_take_mount(m);
	return r;
}

/* A store, or the very root of a mount: all that is there, however its name reads. */
static int find_whole(const char *text, struct target *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *real = realpath(text, NULL);
	struct mountinfo m = { .dir = NULL };

	if (!real)
		return -ENOENT;
	if (location_is_store(real)) {
		ret->path = strdup("");
		return ret->path ? location_find(real, &ret->location, err) : no_memory(err);
	}
	if (mountinfo_find(real, &m) == 0 && !strcmp(m.dir, real))
		return take_mount(&m, real, ret, err);
	mountinfo_release(&m);
	return -ENOENT;
}

/* Something in a mount. -ENOENT without words: it is in none. */
static int find_inside(const char *text, struct target *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *absolute = NULL;
	struct mountinfo m = { .dir = NULL };
	int r = absolute_of(text, &absolute, err);

	if (r < 0)
		return r;
	if (mountinfo_find(absolute, &m) < 0) {
		/* a link from elsewhere into a mount */
		free(absolute);
		absolute = realpath(text, NULL);
		if (!absolute || mountinfo_find(absolute, &m) < 0)
			return -ENOENT;
	}
	return take_mount(&m, absolute, ret, err);
}

static int two_moments(const char *text, struct hf_error *err)
{
	return hf_error_set(err, -EINVAL,
			    "%s lies in .history and means a moment already: do not name another", text);
}

/* text up to where the moment begins, to find; then the moment. */
static int find_split(const char *text, const char *moment, bool maybe, struct target *ret,
		      struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *base = strndup(text, (size_t)(moment - 1 - text));
	int r;

	if (!base)
		return no_memory(err);
	if (!*base || base[strlen(base) - 1] == '/')
		return -ENOENT; /* "@home" is a name */
	r = find_whole(base, ret, err);
	if (r == -ENOENT)
		r = find_inside(base, ret, err);
	if (r < 0)
		return r;
	if (ret->moment)
		return two_moments(base, err);
	/* the name of a whole volume's folder is no name in the volume */
	ret->maybe_name = maybe && *ret->path;
	return target_moment(moment, &ret->moment, err);
}

static int find_one(const char *text, bool split, struct target *ret, struct hf_error *err)
{
	static const char neither[] =
		"is neither a store nor inside a mounted volume; for a path in a store that "
		"is not mounted, name the store and then the path from its root";
	CLEANUP(cli_cleanup_free) char *real = NULL;
	const char *moment = NULL;
	bool maybe = false;
	int r = find_whole(text, ret, err);

	if (r != -ENOENT)
		return r;
	if (split)
		moment = target_split(text, &maybe);
	if (moment) {
		r = find_split(text, moment, maybe, ret, err);
		if (r != -ENOENT)
			return r;
		target_release(ret);
	}
	r = find_inside(text, ret, err);
	if (r != -ENOENT)
		return r;
	real = realpath(text, NULL);
	return real ? location_no_store(real, text, neither, err) :
		      hf_error_set(err, r, "%s %s", text, neither);
}

static int find_none(struct target *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *here = getcwd(NULL, 0);
	struct mountinfo m = { .dir = NULL };
	bool inside = here && mountinfo_find(here, &m) == 0;

	mountinfo_release(&m);
	if (inside)
		return find_inside(here, ret, err);
	ret->path = strdup("");
	return ret->path ? location_find(NULL, &ret->location, err) : no_memory(err);
}

/* STORE|DIR, and a path from there. */
static int find_two(const char *where, const char *text, bool split, struct target *ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *within = NULL;
	CLEANUP(cli_cleanup_free) char *dir = NULL;
	CLEANUP(cli_cleanup_free) char *moment = NULL;
	const char *at = NULL;
	bool maybe = false;
	int r = find_one(where, false, ret, err);

	if (r < 0)
		return r;
	if (split)
		at = target_split(text, &maybe);
	if (at && (at - 1 == text || at[-2] == '/'))
		at = NULL;
	within = at ? strndup(text, (size_t)(at - 1 - text)) : strdup(text);
	if (!within || asprintf(&dir, "%s/%s", ret->path, within) < 0) {
		dir = NULL;
		return no_memory(err);
	}
	free(ret->path);
	ret->path = NULL;
	r = target_clean(dir, &ret->path, &moment, err);
	if (r < 0)
		return r;
	if (ret->moment && moment)
		return two_moments(text, err);
	if (moment) {
		ret->moment = moment;
		moment = NULL;
	}
	if (at && ret->moment)
		return two_moments(ret->moment, err);
	ret->maybe_name = at && maybe;
	return at ? target_moment(at, &ret->moment, err) : 0;
}

int target_of_words(int count, char *const *words, const char *at, struct target *ret, struct hf_error *err)
{
	struct target t = { .path = NULL };
	CLEANUP(cli_cleanup_free) char *as_named = NULL;
	int r;

	if (count >= 2)
		r = find_two(words[0], words[1], !at, &t, err);
	else
		r = count == 1 ? find_one(words[0], !at, &t, err) : find_none(&t, err);
	if (r == 0 && at && t.moment)
		r = two_moments(words[0], err);
	if (r == 0 && at) {
		r = target_moment(at, &t.moment, err);
	} else if (r == 0 && t.moment && !t.maybe_name) {
		as_named = t.moment;
		t.moment = NULL;
		r = target_moment(as_named, &t.moment, err);
	}
	if (r < 0)
		target_release(&t);
	else
		*ret = t;
	return r;
}

void target_release(struct target *t)
{
	location_release(&t->location);
	free(t->path);
	free(t->moment);
	*t = (struct target){ .path = NULL };
}

int target_to_request(const struct target *t, json_t *request, struct hf_error *err)
{
	if (output_set_path(request, "path", t->path) < 0 ||
	    (t->moment && json_object_set_new(request, "moment", json_string(t->moment)) < 0) ||
	    (t->maybe_name && json_object_set_new(request, "maybe_name", json_true()) < 0))
		return no_memory(err);
	return 0;
}
