/* SPDX-License-Identifier: MIT */
#include "fs/web/download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/percent.h"
#include "fs/web/reply.h"

struct download {
	const struct web_service *service;
	char *path;
	char at[32]; /* "tid-N": the same moment for all of it */
};

static int value_of(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(digits, c) : NULL;

	return found ? (int)(found - digits) : -1;
}

ssize_t download_decode(const char *text, unsigned char *out, size_t max)
{
	const size_t len = strlen(text);
	size_t n = 0;

	if (len % 4)
		return -EINVAL;
	for (size_t i = 0; i < len; i += 4) {
		const bool last = i + 4 == len;
		const size_t pads = !last || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
		unsigned group = 0;

		for (size_t k = 0; k < 4 - pads; k++) {
			if (value_of(text[i + k]) < 0)
				return -EINVAL;
			group |= (unsigned)value_of(text[i + k]) << (18 - 6 * k);
		}
		for (size_t k = 0; k < 3 - pads; k++) {
			if (n == max)
				return -EINVAL;
			out[n++] = (unsigned char)(group >> (16 - 8 * k));
		}
	}
	return (ssize_t)n;
}

static json_t *ask_piece(const struct download *d, uint64_t offset, uint64_t length, struct hf_error *err)
{
	char offset_text[24], length_text[24];
	json_t *request, *answer;

	(void)snprintf(offset_text, sizeof(offset_text), "%" PRIu64, offset);
	(void)snprintf(length_text, sizeof(length_text), "%" PRIu64, length);
	request = json_pack("{s:s, s:s, s:s, s:s, s:s}", "do", "web-read", "at", d->at, "path", d->path,
			    "offset", offset_text, "length", length_text);
	if (!request) {
		hf_error_set(err, -EINVAL, "not a path");
		return NULL;
	}
	answer = d->service->ask(d->service->arg, request, err);
	json_decref(request);
	return answer;
}

/* The status has been sent: what cannot be read any more ends the connection, and the browser says that it
 * broke off. */
static ssize_t give_piece(void *arg, uint64_t offset, char *out, size_t max)
{
	struct download *d = arg;
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer = ask_piece(d, offset, max, &err);
	const char *data = json_string_value(json_object_get(answer, "data"));
	ssize_t n = data ? download_decode(data, (unsigned char *)out, max) : -1;

	json_decref(answer);
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_download(void *arg)
{
	struct download *d = arg;

	free(d->path);
	free(d);
}

static struct download *new_download(const struct web_service *service, const char *path)
{
	struct download *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->service = service;
	d->path = strdup(path);
	if (d->path)
		return d;
	free(d);
	return NULL;
}

/* What the moment is, and that the file is there; its size. */
static int look(struct download *d, const char *at, uint64_t *ret_size, struct hf_error *err)
{
	json_t *request, *answer;

	request =
		json_pack("{s:s, s:s, s:s, s:s}", "do", "web-read", "at", at, "path", d->path, "length", "1");
	if (!request)
		return hf_error_set(err, -EINVAL, "not a path, or not a moment");
	answer = d->service->ask(d->service->arg, request, err);
	json_decref(request);
	if (!answer)
		return err->code;
	*ret_size = (uint64_t)json_integer_value(json_object_get(answer, "size"));
	(void)snprintf(d->at, sizeof(d->at), "tid-%" JSON_INTEGER_FORMAT,
		       json_integer_value(json_object_get(answer, "tid")));
	json_decref(answer);
	return 0;
}

enum MHD_Result download_send(const struct web_service *service, struct MHD_Connection *c, const char *at,
			      const char *path, uint64_t limit)
{
	struct download *d = new_download(service, path);
	struct hf_error err = HF_ERROR_INIT;
	struct MHD_Response *response;
	char *decoded = NULL, *name = NULL;
	uint64_t size = 0;

	if (!d)
		hf_error_set(&err, -ENOMEM, "no memory");
	if (!d || percent_decode_path(path, &decoded, &err) < 0 || look(d, at, &size, &err) < 0) {
		if (d)
			free_download(d);
		free(decoded);
		return reply_error(c, &err);
	}
	name = percent_attachment(decoded);
	free(decoded);
	response = name ? MHD_create_response_from_callback(size < limit ? size : limit, REQUEST_BLOCK_BYTES,
							    give_piece, d, free_download) :
			  NULL;
	if (response)
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, name);
	else
		free_download(d);
	free(name);
	return reply_response(c, MHD_HTTP_OK, response, "application/octet-stream", REPLY_FILE_POLICY);
}
