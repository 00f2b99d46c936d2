/* SPDX-License-Identifier: MIT */
#include "fs/web/percent.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/utf8.h"

static bool is_plain(unsigned char c)
{
	return c < 128 && (isalnum(c) || strchr("-._~", c)) && c != 0;
}

static char *put_byte(char *to, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	*to++ = '%';
	*to++ = digits[c >> 4];
	*to++ = digits[c & 15];
	return to;
}

char *percent_encode(const char *bytes)
{
	char *text = malloc(3 * strlen(bytes) + 1), *to = text;

	if (!text)
		return NULL;
	for (; *bytes; bytes++) {
		if (is_plain((unsigned char)*bytes) || *bytes == '/')
			*to++ = *bytes;
		else
			to = put_byte(to, (unsigned char)*bytes);
	}
	*to = 0;
	return text;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decoded into out, which has room; false: not such a text. An encoded "/" would be two names that look like
 * one. */
static bool decode(const char *text, char *out)
{
	int high, low;

	while (*text) {
		if (*text != '%') {
			*out++ = *text++;
			continue;
		}
		high = digit(text[1]);
		low = high < 0 ? -1 : digit(text[2]);
		if (low < 0 || (high == 0 && low == 0) || 16 * high + low == '/')
			return false;
		*out++ = (char)(16 * high + low);
		text += 3;
	}
	*out = 0;
	return true;
}

static bool is_path(const char *path)
{
	size_t len;

	if (!*path)
		return true;
	if (strlen(path) > PERCENT_PATH_MAX)
		return false;
	for (;; path += len + 1) {
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (!path[len])
			return true;
	}
}

int percent_decode_path(const char *text, char **ret, struct hf_error *err)
{
	char *path;

	if (strlen(text) > 3 * (size_t)PERCENT_PATH_MAX)
		return hf_error_set(err, -EINVAL, "the path is too long");
	path = malloc(strlen(text) + 1);
	if (!path)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (!decode(text, path) || !is_path(path)) {
		free(path);
		return hf_error_set(err, -EINVAL, "'%.200s' is not a path from the volume's root", text);
	}
	*ret = path;
	return 0;
}

/* What a name that arrives from elsewhere may not have in it: steering characters, and what separates folders
 * anywhere. */
static bool is_trouble(unsigned char c)
{
	return c < 32 || c == 127 || strchr("/\\:*?\"<>|", c);
}

char *percent_attachment(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char *simple, *full, *to, *header = NULL;

	while (*name == '.')
		name++;
	if (!*name)
		name = "file";
	simple = strdup(name);
	full = malloc(3 * strlen(name) + 1);
	if (simple && full) {
		for (char *c = simple; *c; c++)
			if (*c != ' ' && !is_plain((unsigned char)*c))
				*c = '_';
		to = full;
		for (const char *c = utf8_is_text(name) ? name : simple; *c; c++) {
			if (is_plain((unsigned char)*c))
				*to++ = *c;
			else
				to = put_byte(to, is_trouble((unsigned char)*c) ? '_' : (unsigned char)*c);
		}
		*to = 0;
		if (asprintf(&header, "attachment; filename=\"%s\"; filename*=UTF-8''%s", simple, full) < 0)
			header = NULL;
	}
	free(simple);
	free(full);
	return header;
}
