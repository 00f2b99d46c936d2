/* SPDX-License-Identifier: MIT */
#include "holdfast/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int hf_error_set(struct hf_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int hf_error_prefix(struct hf_error *err, int code, const char *fmt, ...)
{
	char front[HF_ERROR_TEXT_BYTES], whole[2 * HF_ERROR_TEXT_BYTES + 2];
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	(void)vsnprintf(front, sizeof(front), fmt, ap);
	va_end(ap);
	if (err->code == 0)
		return hf_error_set(err, code, "%s: %s", front, hf_strerror(code));
	(void)snprintf(whole, sizeof(whole), "%s: %s", front, err->text);
	memcpy(err->text, whole, sizeof(err->text) - 1);
	err->text[sizeof(err->text) - 1] = 0;
	return err->code;
}

const char *hf_strerror(int code)
{
	switch (code) {
	case -EUCLEAN:
		return "data damaged";
	case -EKEYREJECTED:
		return "wrong key";
	case -EPROTONOSUPPORT:
		return "unknown version";
	case -EBUSY:
		return "in use";
	default:
		return strerror(-code);
	}
}
