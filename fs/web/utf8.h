/* SPDX-License-Identifier: MIT */
/* Whether bytes are text (between layers 5 and 6). Pure. */
#ifndef FS_WEB_UTF8_H
#define FS_WEB_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes of the UTF-8 character that a text begins with (RFC 3629); 0: none (too long, a surrogate, beyond
 * U+10FFFF, cut off).
 */
size_t utf8_len(const char *text);
/* Is all of it such characters? */
bool utf8_is_text(const char *text);

#endif
