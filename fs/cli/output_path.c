/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/web/utf8.h"

static char *readable(const char *path)
{
	char *text = malloc(strlen(path) * 3 + 1), *out = text;
	size_t len;

	while (text && *path) {
		len = utf8_len(path);
		if (len) {
			out = mempcpy(out, path, len);
		} else {
			out = mempcpy(out, "\xef\xbf\xbd", 3);
			len = 1;
		}
		path += len;
	}
	if (text)
		*out = '\0';
	return text;
}

static char *hex_of(const char *path)
{
	char *hex = malloc(strlen(path) * 2 + 1);

	for (size_t i = 0; hex && path[i]; i++)
		snprintf(hex + i * 2, 3, "%02x", (unsigned char)path[i]);
	return hex; /* it is of a name that has at least one byte */
}

static char *hex_key(const char *key)
{
	char *name;

	return asprintf(&name, "%s_hex", key) < 0 ? NULL : name;
}

int output_set_path(json_t *object, const char *key, const char *path)
{
	CLEANUP(cli_cleanup_free) char *text = NULL;
	CLEANUP(cli_cleanup_free) char *hex = NULL;
	CLEANUP(cli_cleanup_free) char *name = NULL;
	json_t *value = json_string(path); /* NULL when it is no UTF-8 */

	if (value)
		return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
	text = readable(path);
	hex = hex_of(path);
	name = hex_key(key);
	if (!text || !hex || !name || json_object_set_new(object, key, json_string(text)) < 0 ||
	    json_object_set_new(object, name, json_string(hex)) < 0)
		return -ENOMEM;
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *output_get_path(const json_t *object, const char *key)
{
	CLEANUP(cli_cleanup_free) char *name = hex_key(key);
	const char *text = json_string_value(json_object_get(object, key)), *hex;
	size_t len;
	char *path;

	hex = name ? json_string_value(json_object_get(object, name)) : NULL;
	if (!hex)
		return text ? strdup(text) : NULL;
	len = strlen(hex) / 2;
	path = malloc(len + 1);
	for (size_t i = 0; path && i < len; i++) {
		int high = digit(hex[i * 2]), low = digit(hex[i * 2 + 1]);

		if (high < 0 || low < 0 || high + low == 0) {
			free(path);
			return NULL;
		}
		path[i] = (char)(high * 16 + low);
	}
	if (path)
		path[len] = '\0';
	return path;
}
