/* SPDX-License-Identifier: MIT */
/* Lines that people copy from one machine to another: a label and base64url, with blanks let go. */
#include <errno.h>
#include <string.h>

#include "store/crypto/wire.h"
#include "store/format/format.h"

bool token_blank(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

void token_encode(const char *label, const void *data, size_t len, struct buf *out)
{
	buf_add_text(out, "%s", label);
	wire_base64(WIRE_BASE64URL, data, len, out);
}

int token_decode(const char *label, const char *text, size_t len, struct buf *out)
{
	CLEANUP(buf_release) struct buf packed = BUF_INIT;
	size_t label_len = strlen(label);
	int r;

	for (; len > 0 && token_blank(*text); text++, len--)
		;
	if (len < label_len || memcmp(text, label, label_len) != 0)
		return -ENOENT;
	for (size_t i = label_len; i < len; i++)
		if (!token_blank(text[i]))
			buf_add_u8(&packed, (uint8_t)text[i]);
	r = buf_status(&packed);
	if (r == 0)
		r = packed.len ? wire_unbase64(WIRE_BASE64URL, (const char *)packed.data, packed.len, out) :
				 -EINVAL;
	if (packed.data)
		crypto_wipe(packed.data, packed.cap);
	return r;
}
