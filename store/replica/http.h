/* SPDX-License-Identifier: MIT */
/*
 * libcurl, set up alike whoever is asked (layer 4; private to remote, s3 and post): one connection, TLS 1.2
 * or later, no redirect followed, no proxy of the environment used.
 */
#ifndef STORE_REPLICA_HTTP_H
#define STORE_REPLICA_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>

#include "holdfast/error.h"
#include "store/base/cleanup.h"

/* A handle of one's own, for curl_easy_cleanup; NULL: no memory, or libcurl cannot be used. Thread-safe. */
CURL *http_open(void);

struct http_stop {
	bool (*asked)(void *arg); /* about once a second; may be NULL: never */
	void *arg;
};

/* Before each request: nothing is left of the one before. stop is borrowed until it is over. */
void http_set_up(CURL *c, const char *protocols, const struct http_stop *stop);
/* One of a peer's many requests: how long it may be silent, and how much is sent and taken at once. */
void http_set_up_transfer(CURL *c);
/* The body is borrowed. */
void http_set_body(CURL *c, const void *body, size_t len);

/* "Name: value". -ENOMEM. */
MUST_USE int http_add_header(struct curl_slist **list, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void http_free_headers(struct curl_slist *list); /* wipes them: some are secret; NULL is fine */

/* Of curl_easy_perform, with its error buffer's words: -ECANCELED, -ENOMEM, or why there was no answer. */
int http_fault(CURL *c, CURLcode code, const char *words, const char *who, struct hf_error *err);

#endif
