/* SPDX-License-Identifier: MIT */
/*
 * Reading a server's XML by libexpat (layer 4): lists of objects and single values. Pure. The server is not
 * trusted: documents with a DTD are refused, and what is deep or long.
 */
#ifndef STORE_REPLICA_S3_XML_H
#define STORE_REPLICA_S3_XML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/cleanup.h"

enum {
	S3_XML_BYTES_MAX = 8 << 20,
	S3_XML_KEY_BYTES = 3 * 1024 + 1, /* percent-encoded */
	S3_VERSION_BYTES = 1025,
	S3_MARKER_BYTES = 4 * 1024,
};

/* One <Contents>, <Version> or <DeleteMarker>; texts as they stand there, the key percent-decoded. */
struct s3_xml_item {
	char key[S3_XML_KEY_BYTES], version[S3_VERSION_BYTES];
	uint64_t bytes;
	bool latest, marker;
};

struct s3_xml_page {
	bool more;
	size_t n;                          /* items */
	char token[S3_MARKER_BYTES];       /* of ListObjectsV2 */
	char key_marker[S3_XML_KEY_BYTES]; /* of ListObjectVersions, percent-decoded */
	char version_marker[S3_VERSION_BYTES];
};

/*
 * A page of ListObjectsV2 or ListObjectVersions asked for with encoding-type=url. each: not 0 stops, and is
 * returned. -EPROTO: not such a document, or a text in it too long; -ENOMEM.
 */
MUST_USE int s3_xml_list(const void *text, size_t len, int (*each)(void *arg, const struct s3_xml_item *item),
			 void *arg, struct s3_xml_page *ret);

/* Text of the first element of this name, cut to fit; "" and false when there is none. */
bool s3_xml_text(const void *text, size_t len, const char *name, char *out, size_t size);

#endif
