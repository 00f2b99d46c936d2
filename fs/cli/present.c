/* SPDX-License-Identifier: MIT */
#include "fs/cli/present.h"

#include <errno.h>
#include <time.h>

#include "fs/cli/output.h"
#include "fs/web/web.h"
#include "holdfast/moment.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Absent, empty, and what cannot be read, are not. */
static bool is_past(const json_t *request, const char *key)
{
	const char *text = output_get_text(request, key);
	const uint64_t now = now_ns();
	struct hf_moment moment;

	if (!*text || hf_moment_parse(text, now, &moment, NULL) < 0)
		return false;
	return moment.kind != HF_MOMENT_TIME || moment.time_ns < now;
}

/* PATH@TAG, and there is no such tag: it is a name, of what is there now. */
static bool is_name(struct hf_store *store, const json_t *request)
{
	struct hf_point point;

	return json_is_true(json_object_get(request, "maybe_name")) &&
	       hf_moment_find(store, output_get_text(request, "moment"), &point, NULL) == -ENOENT;
}

/* The page's "until" and "before" are numbers, of what it was told of before. */
static bool is_of_past(const json_t *request)
{
	if (web_is_request(request))
		return is_past(request, "at") || *output_get_text(request, "until") ||
		       *output_get_text(request, "before");
	return is_past(request, "moment") || is_past(request, "until");
}

bool present_is_meant(struct hf_store *store, const json_t *request)
{
	if (json_object_get(request, "a") || json_object_get(request, "b"))
		return !is_past(request, "a") || !is_past(request, "b");
	return !is_of_past(request) || is_name(store, request);
}
