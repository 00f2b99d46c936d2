/* SPDX-License-Identifier: MIT */
#include "store/replica/post.h"

#include <errno.h>

#include "store/replica/http.h"

/* What it answers beyond its status is nobody's business. */
static size_t drop(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static void set_options(CURL *c, const char *url, const struct buf *text, unsigned limit_s,
			const struct http_stop *stop)
{
	http_set_up(c, "http,https", stop);
	http_set_body(c, text->data, text->len);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)limit_s);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	(void)curl_easy_setopt(c, CURLOPT_URL, url);
}

/* Without the URL: of most webhooks it is the secret by which one may post, and these words go to a log. */
static int judge(CURL *c, CURLcode code, const char *words, struct hf_error *err)
{
	long status = 0;

	if (code == CURLE_ABORTED_BY_CALLBACK)
		return hf_error_set(err, -ECANCELED, "interrupted");
	if (code == CURLE_OUT_OF_MEMORY)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (code != CURLE_OK)
		return hf_error_set(err, -EIO, "%s", words[0] ? words : curl_easy_strerror(code));
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	return status / 100 == 2 ? 0 : hf_error_set(err, -EPROTO, "it answers with status %ld", status);
}

int post_json(const char *url, const struct buf *text, unsigned limit_s, bool (*interrupted)(void *arg),
	      void *arg, struct hf_error *err)
{
	const struct http_stop stop = { interrupted, arg };
	struct curl_slist *headers = NULL;
	CURL *c = http_add_header(&headers, "Content-Type: application/json") == 0 ? http_open() : NULL;
	char words[CURL_ERROR_SIZE] = "";
	int r;

	if (c) {
		set_options(c, url, text, limit_s, &stop);
		(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
		r = judge(c, curl_easy_perform(c), words, err);
	} else {
		r = hf_error_set(err, -ENOMEM, "no memory for a connection");
	}
	curl_easy_cleanup(c);
	http_free_headers(headers);
	return r;
}
