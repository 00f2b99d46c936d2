/* SPDX-License-Identifier: MIT */
/*
 * Paths as they travel: bytes percent-encoded (RFC 3986 §2.1), "/" between names left as it is (between
 * layers 5 and 6). Pure.
 */
#ifndef FS_WEB_PERCENT_H
#define FS_WEB_PERCENT_H

#include "holdfast/error.h"

enum { PERCENT_PATH_MAX = 16384 }; /* bytes of a path, decoded */

/* malloc'ed; NULL without memory. */
char *percent_encode(const char *bytes);

/*
 * A path from the volume's root, decoded, malloc'ed; "" is the root. -EINVAL: a "%" that begins nothing, a
 * NUL, a name that is empty, "." or ".." (also when encoded, for they are looked at decoded), a "/" in front
 * or behind, or too long.
 */
int percent_decode_path(const char *text, char **ret, struct hf_error *err);

/*
 * The value of a Content-Disposition that saves under the last name of a path (RFC 6266), malloc'ed: whatever
 * the name is, it can end no header, name no folder, and hides nowhere. NULL without memory.
 */
char *percent_attachment(const char *path);

#endif
