/* SPDX-License-Identifier: MIT */
#include "store/alarm/target.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_port_and_path(const char *text)
{
	if (*text == ':')
		text += 1 + strspn(text + 1, "0123456789");
	return *text == 0 || *text == '/' || *text == '?';
}

/* Without TLS only to this machine: alarms say what is kept here. */
static bool is_webhook(const char *url)
{
	static const char *const here[] = { "http://127.0.0.1", "http://[::1]", "http://localhost" };

	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c >= 127)
			return false;
	if (strncmp(url, "https://", 8) == 0)
		return url[8] != 0;
	for (size_t i = 0; i < sizeof(here) / sizeof(here[0]); i++)
		if (strncmp(url, here[i], strlen(here[i])) == 0 && is_port_and_path(url + strlen(here[i])))
			return true;
	return false;
}

int alarm_target_check(const char *hook, const char *url, struct hf_error *err)
{
	if (hook[0] && hook[0] != '/')
		return hf_error_set(err, -EINVAL, "%.200s: an alarm hook is the absolute path of a program",
				    hook);
	if (url[0] && !is_webhook(url))
		return hf_error_set(err, -EINVAL,
				    "%.200s: alarms are posted to an https:// URL, or an http:// one of this "
				    "machine (127.0.0.1, [::1], localhost)",
				    url);
	return 0;
}
