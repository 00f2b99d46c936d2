/* SPDX-License-Identifier: MIT */
/* A file as it was, sent as an attachment, a piece at a time as it is taken (between layers 5 and 6). */
#ifndef FS_WEB_DOWNLOAD_H
#define FS_WEB_DOWNLOAD_H

#include <stdint.h>

#include "fs/web/request.h"

/* at: a moment; path: percent-encoded; limit: at most so many bytes of it, UINT64_MAX for all. Queues the
 * answer. */
enum MHD_Result download_send(const struct web_service *service, struct MHD_Connection *c, const char *at,
			      const char *path, uint64_t limit);

/* Base64 (RFC 4648 §4) as web-read gives it into out of at most max bytes; how many, negative: it is none.
 * Pure. */
ssize_t download_decode(const char *text, unsigned char *out, size_t max);

#endif
