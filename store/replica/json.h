/* SPDX-License-Identifier: MIT */
/*
 * Reading a peer's or a person's JSON with every field checked (layer 4). Getters give 0, or -EBADMSG when
 * the field is missing, of another type or out of range; the output is then zeroed.
 */
#ifndef STORE_REPLICA_JSON_H
#define STORE_REPLICA_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"

/* One JSON object, without duplicate keys, and nothing behind it; NULL when it is not that.
 * CLEANUP(json_decrefp). */
json_t *json_read(const void *text, size_t len);

int json_get_u32(const json_t *o, const char *key, uint32_t *ret); /* a number */
int json_get_u64(const json_t *o, const char *key, uint64_t *ret); /* decimal in a string */
int json_get_bool(const json_t *o, const char *key, bool *ret);
int json_get_text(const json_t *o, const char *key, char *ret,
		  size_t size); /* shorter than size, no NUL inside */
int json_get_hex(const json_t *o, const char *key, void *ret, size_t len); /* exactly len bytes */
bool json_has(const json_t *o, const char *key);                           /* and it is not null */

/* Compact text of o, appended. 0 or -ENOMEM. */
MUST_USE int json_write(const json_t *o, struct buf *out);

#endif
