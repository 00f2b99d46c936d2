/* SPDX-License-Identifier: MIT */
/*
 * Where a replica is, as people hand it about (layer 4; PROTOCOL.md §6): an invitation line, a node's URL
 * with pin and key, a bucket, or a folder's path. Pure, but that a path is made absolute by the system's idea
 * of the present folder.
 */
#ifndef STORE_REPLICA_PLACE_H
#define STORE_REPLICA_PLACE_H

#include "store/replica/http_sig.h"
#include "store/replica/s3_place.h"

enum {
	PLACE_TEXT_BYTES_MAX = 4096,
	PLACE_URL_BYTES = 300, /* "https://host:port" and NUL */
	PLACE_PIN_BYTES = 48,  /* SHA-256 in base64 and NUL */
	PLACE_TOKEN_BYTES = 32,
};

enum place_kind { PLACE_NODE, PLACE_DIRECTORY, PLACE_BUCKET };

struct place {
	enum place_kind kind;
	char url[PLACE_URL_BYTES];     /* node: "https://host:port", nothing behind it */
	uint8_t pin[SHA256_BYTES];     /* node: of its certificate's SubjectPublicKeyInfo */
	uint8_t key[PUBLIC_KEY_BYTES]; /* node: its receipt key */
	bool has_token;
	uint8_t token[PLACE_TOKEN_BYTES];
	bool has_volume;
	uint8_t volume_id[VOLUME_ID_BYTES];
	char *path;          /* directory: absolute, malloc'ed */
	struct s3_place *s3; /* bucket: malloc'ed */
};
void place_release(struct place *p); /* wipes the token; safe on a zeroed place */

/* 0; -EINVAL: of no such form, the words show what is; -EPROTONOSUPPORT: a newer invitation; -ENOMEM. */
MUST_USE int place_parse(const char *text, struct place *ret, struct hf_error *err);

/* "https://host:port" alone: a host name, IPv4 or [IPv6] and a port, nothing behind. */
MUST_USE int place_check_url(const char *url);

/* "holdfast-invite:…" of a node with a token. Appended. */
MUST_USE int place_invitation(const struct place *p, struct buf *out);
/* "https://…/v1/volumes/ID#pin=…&key=…", s3://…, or the path. Appended. Requires has_volume for a node. */
MUST_USE int place_url(const struct place *p, struct buf *out);

/*
 * Is it one replica, however the two were written down? A node is its receipt key, whatever host it is
 * reached by; a bucket is server, name and prefix; a folder its path.
 */
bool place_is_same(const struct place *a, const struct place *b);

#endif
