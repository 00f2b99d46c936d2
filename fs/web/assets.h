/* SPDX-License-Identifier: MIT */
/* The page's files, which are part of the program (between layers 5 and 6): all of fs/web/page. */
#ifndef FS_WEB_ASSETS_H
#define FS_WEB_ASSETS_H

#include <stddef.h>

struct asset {
	const char *name, *type; /* type as in Content-Type */
	const char *begin, *end;
};

/* NULL: there is none of that name. "" is the page itself. */
const struct asset *asset_find(const char *name);

#endif
