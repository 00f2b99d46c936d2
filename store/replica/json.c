/* SPDX-License-Identifier: MIT */
#include "store/replica/json.h"

#include <errno.h>
#include <string.h>

#include "store/crypto/wire.h"

json_t *json_read(const void *text, size_t len)
{
	json_t *o;

	if (len == 0)
		return NULL;
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	if (o && !json_is_object(o)) {
		json_decref(o);
		return NULL;
	}
	return o;
}

int json_get_u32(const json_t *o, const char *key, uint32_t *ret)
{
	const json_t *value = json_object_get(o, key);
	json_int_t n = json_integer_value(value);

	*ret = 0;
	if (!json_is_integer(value) || n < 0 || n > UINT32_MAX)
		return -EBADMSG;
	*ret = (uint32_t)n;
	return 0;
}

int json_get_u64(const json_t *o, const char *key, uint64_t *ret)
{
	const char *text = json_string_value(json_object_get(o, key));
	uint64_t n = 0;

	*ret = 0;
	if (!text || !*text)
		return -EBADMSG;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(uint8_t)*text - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return -EBADMSG;
		n = n * 10 + digit;
	}
	*ret = n;
	return 0;
}

int json_get_bool(const json_t *o, const char *key, bool *ret)
{
	const json_t *value = json_object_get(o, key);

	*ret = json_is_true(value);
	return json_is_boolean(value) ? 0 : -EBADMSG;
}

int json_get_text(const json_t *o, const char *key, char *ret, size_t size)
{
	const json_t *value = json_object_get(o, key);
	size_t len = json_string_length(value);

	memset(ret, 0, size);
	if (!json_is_string(value) || len >= size || memchr(json_string_value(value), 0, len))
		return -EBADMSG;
	memcpy(ret, json_string_value(value), len);
	return 0;
}

int json_get_hex(const json_t *o, const char *key, void *ret, size_t len)
{
	const json_t *value = json_object_get(o, key);

	memset(ret, 0, len);
	if (!json_is_string(value) ||
	    wire_unhex(json_string_value(value), json_string_length(value), ret, len) < 0) {
		memset(ret, 0, len);
		return -EBADMSG;
	}
	return 0;
}

bool json_has(const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);

	return value && !json_is_null(value);
}

static int add_part(const char *text, size_t len, void *arg)
{
	struct buf *out = arg;

	buf_add(out, text, len);
	return buf_status(out);
}

int json_write(const json_t *o, struct buf *out)
{
	return json_dump_callback(o, add_part, out, JSON_COMPACT) == 0 ? 0 : -ENOMEM;
}
