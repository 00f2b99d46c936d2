/* SPDX-License-Identifier: MIT */
#include "store/replica/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "store/base/buf.h"
#include "store/crypto/crypto.h"

enum {
	CONNECT_TIMEOUT_S = 5,
	SILENCE_TIMEOUT_S = 25, /* less than a node's own, so that we say first that it is slow */
	TRANSFER_BYTES = 256 << 10,
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode once_result;

static void init(void)
{
	once_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

CURL *http_open(void)
{
	(void)pthread_once(&once, init);
	return once_result == CURLE_OK ? curl_easy_init() : NULL;
}

static int ask_whether_to_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct http_stop *stop = arg;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return stop->asked && stop->asked(stop->arg);
}

void http_set_up(CURL *c, const char *protocols, const struct http_stop *stop)
{
	curl_easy_reset(c);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(c, CURLOPT_USERAGENT, "holdfast");
	(void)curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, ask_whether_to_stop);
	(void)curl_easy_setopt(c, CURLOPT_XFERINFODATA, stop);
}

void http_set_up_transfer(CURL *c)
{
	(void)curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	(void)curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
	(void)curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_TIMEOUT_S);
	(void)curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)TRANSFER_BYTES);
	(void)curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, (long)TRANSFER_BYTES);
}

void http_set_body(CURL *c, const void *body, size_t len)
{
	(void)curl_easy_setopt(c, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
}

int http_add_header(struct curl_slist **list, const char *fmt, ...)
{
	struct curl_slist *longer = NULL;
	char *line;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&line, fmt, args);
	va_end(args);
	if (n < 0)
		return -ENOMEM;
	longer = curl_slist_append(*list, line);
	crypto_wipe(line, (size_t)n);
	free(line);
	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

void http_free_headers(struct curl_slist *list)
{
	for (struct curl_slist *one = list; one; one = one->next)
		crypto_wipe(one->data, strlen(one->data));
	curl_slist_free_all(list);
}

static int number_of(CURL *c, CURLcode code)
{
	long os_errno = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		(void)curl_easy_getinfo(c, CURLINFO_OS_ERRNO, &os_errno);
		return os_errno > 0 ? -(int)os_errno : -ECONNREFUSED;
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SSL_CONNECT_ERROR: /* closed before there was a connection; certificates have codes of
					 their own */
		return -ECONNRESET;
	default:
		return -EIO;
	}
}

int http_fault(CURL *c, CURLcode code, const char *words, const char *who, struct hf_error *err)
{
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return hf_error_set(err, -ECANCELED, "the request to %s was interrupted", who);
	if (code == CURLE_OUT_OF_MEMORY)
		return hf_error_set(err, -ENOMEM, "no memory");
	return hf_error_set(err, number_of(c, code), "%s: %s", who,
			    words[0] ? words : curl_easy_strerror(code));
}
