/* SPDX-License-Identifier: MIT */
#include "store/replica/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode once_result;

static void init(void)
{
	once_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

bool post_ready(void)
{
	(void)pthread_once(&once, init);
	return once_result == CURLE_OK;
}

struct question {
	bool (*interrupted)(void *arg);
	void *arg;
};

static int ask_interrupted(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct question *q = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return q->interrupted(q->arg);
}

/* What it answers beyond its status is nobody's business. */
static size_t drop(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

static void set_options(CURL *c, const char *url, const struct buf *text, unsigned limit_s,
			struct question *question)
{
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_USERAGENT, "holdfast");
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)limit_s);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, text->data);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)text->len);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
	(void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, ask_interrupted);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, question);
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
	struct question question = { interrupted, arg };
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	CURL *c = post_ready() && headers ? curl_easy_init() : NULL;
	char words[CURL_ERROR_SIZE] = "";
	int r;

	if (c) {
		set_options(c, url, text, limit_s, &question);
		(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
		(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, words);
		r = judge(c, curl_easy_perform(c), words, err);
	} else {
		r = hf_error_set(err, -ENOMEM, "no memory for a connection");
	}
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	return r;
}
