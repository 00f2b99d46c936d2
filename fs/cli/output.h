/* SPDX-License-Identifier: MIT */
/* How numbers, times and answers are printed, for people and as JSON (layer 6). */
#ifndef FS_CLI_OUTPUT_H
#define FS_CLI_OUTPUT_H

#include <stdint.h>

#include <jansson.h>

#define OUTPUT_TEXT_BYTES 48

/* Each fills `out` of OUTPUT_TEXT_BYTES and returns it. */
char *output_bytes(uint64_t bytes, char *out);     /* "1.4 GiB" */
char *output_count(uint64_t n, char *out);         /* "1,234,567" */
char *output_duration(double seconds, char *out);  /* "0.3 s", "4 min 10 s", "2 d 3 h" */
char *output_rfc3339(uint64_t time_ns, char *out); /* "2026-11-21T10:15:30.123456789Z" */

/* RFC 3339 as a JSON string, or null for 0. New reference, NULL without memory. */
json_t *output_time(uint64_t time_ns);

/* Unsigned numbers beyond 2^63 do not exist in a store. */
json_t *output_number(uint64_t n);

/* The value and a newline on stdout. */
void output_json(const json_t *value);

/* Whether all that was printed on stdout until now got out: 0, or the negative errno of what did not. */
int output_flush(void);

/* Members that must be there, with a harmless default when they are not. Borrowed. */
const char *output_get_text(const json_t *object, const char *key);
uint64_t output_get_number(const json_t *object, const char *key);

/*
 * Names are bytes, JSON is UTF-8. One that is not is told twice: as KEY with what does not fit replaced by
 * U+FFFD, to be read, and as KEY_hex exactly. -ENOMEM.
 */
int output_set_path(json_t *object, const char *key, const char *path);
char *output_get_path(const json_t *object,
		      const char *key); /* malloc'ed; NULL: there is none, or no memory */

#endif
