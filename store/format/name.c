/* SPDX-License-Identifier: MIT */
/* Names of directory entries and of tags, FORMAT.md §1. */
#include <errno.h>
#include <string.h>

#include "store/format/format.h"

int name_check(const void *name, size_t len)
{
	const char *s = name;

	if (len > NAME_BYTES_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || memchr(s, '/', len) || memchr(s, 0, len))
		return -EINVAL;
	if (s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')))
		return -EINVAL;
	return 0;
}

static bool tag_char(char ch)
{
	return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') ||
	       ch == '.' || ch == '_' || ch == '-';
}

int tag_name_check(const void *name, size_t len)
{
	const char *s = name;

	if (len > TAG_BYTES_MAX)
		return -ENAMETOOLONG;
	if (len == 0 || s[0] == '.' || s[0] == '-')
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!tag_char(s[i]))
			return -EINVAL;
	}
	return 0;
}
