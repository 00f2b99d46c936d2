/* SPDX-License-Identifier: MIT */
#include "store/replica/s3_credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/crypto/crypto.h"

enum { FILE_BYTES_MAX = 32 << 10 };

static const char key_name[] = "aws_access_key_id", secret_name[] = "aws_secret_access_key",
		  token_name[] = "aws_session_token";

/* What goes into a header and a user:password: printable, no blanks. */
static bool take(char *to, size_t size, const char *value, size_t len)
{
	if (len >= size)
		return false;
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] >= 127)
			return false;
	memcpy(to, value, len);
	to[len] = 0;
	return true;
}

static bool complete(const struct s3_credentials *c)
{
	return c->access_key[0] && c->secret_key[0] && !strchr(c->access_key, ':');
}

static void wipe(struct buf *b)
{
	if (b->data)
		crypto_wipe(b->data, b->cap);
	buf_release(b);
}

static bool take_line(struct s3_credentials *c, const char *line, size_t len)
{
	const char *equals = memchr(line, '=', len), *value;
	size_t name;

	if (!equals)
		return false;
	for (name = (size_t)(equals - line); name > 0 && strchr(" \t", line[name - 1]); name--)
		;
	for (value = equals + 1; value < line + len && strchr(" \t", *value); value++)
		;
	len -= (size_t)(value - line);
#define IS(text) (name == sizeof(text) - 1 && memcmp(line, text, name) == 0)
	if (IS(key_name))
		return take(c->access_key, sizeof(c->access_key), value, len);
	if (IS(secret_name))
		return take(c->secret_key, sizeof(c->secret_key), value, len);
	if (IS(token_name))
		return take(c->token, sizeof(c->token), value, len);
#undef IS
	return true; /* region, output and the like are somebody else's */
}

static bool parse(struct s3_credentials *c, const char *text, size_t left)
{
	bool ours = true; /* what stands before any [section] counts as well */

	while (left > 0) {
		const char *end = memchr(text, '\n', left);
		size_t line = end ? (size_t)(end - text) : left, len = line;

		while (len > 0 && strchr(" \t\r", text[len - 1]))
			len--;
		if (len > 0 && text[0] == '[')
			ours = len == 9 && memcmp(text, "[default]", 9) == 0;
		else if (len > 0 && text[0] != '#' && text[0] != ';' && ours && !take_line(c, text, len))
			return false;
		text += line + (end ? 1 : 0);
		left -= line + (end ? 1 : 0);
	}
	return complete(c);
}

int s3_credentials_read(const struct os *os, const char *path, struct s3_credentials *ret,
			struct hf_error *err)
{
	CLEANUP(wipe) struct buf text = BUF_INIT;
	struct s3_credentials c = { .access_key = "" };
	struct stat st;
	int r;

	if (stat(path, &st) == 0 && (st.st_mode & 077))
		return hf_error_set(err, -EACCES, "%s may be read by others: chmod 600 it", path);
	if (buf_reserve(&text, FILE_BYTES_MAX) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, path, FILE_BYTES_MAX, &text);
	if (r < 0)
		return hf_error_set(err, r, "cannot read the credentials in %s: %s", path, strerror(-r));
	if (!parse(&c, (const char *)text.data, text.len)) {
		r = hf_error_set(err, -EUCLEAN,
				 "%s has no [default] section with aws_access_key_id = … and "
				 "aws_secret_access_key = … in it",
				 path);
	} else {
		*ret = c;
	}
	crypto_wipe(&c, sizeof(c));
	return r < 0 ? r : 0;
}

static struct hf_credentials of_environment(void)
{
	return (struct hf_credentials){ .access_key = secure_getenv("AWS_ACCESS_KEY_ID"),
					.secret_key = secure_getenv("AWS_SECRET_ACCESS_KEY"),
					.token = secure_getenv("AWS_SESSION_TOKEN"),
					.file = secure_getenv("AWS_SHARED_CREDENTIALS_FILE") };
}

static bool is_given(const char *text)
{
	return text && *text;
}

int s3_credentials_find(const struct os *os, const struct hf_credentials *given, struct s3_credentials *ret,
			struct hf_error *err)
{
	const struct hf_credentials from = given ? *given : of_environment();

	if (is_given(from.access_key) && is_given(from.secret_key)) {
		memset(ret, 0, sizeof(*ret));
		if (take(ret->access_key, sizeof(ret->access_key), from.access_key,
			 strlen(from.access_key)) &&
		    take(ret->secret_key, sizeof(ret->secret_key), from.secret_key,
			 strlen(from.secret_key)) &&
		    (!from.token || take(ret->token, sizeof(ret->token), from.token, strlen(from.token))) &&
		    complete(ret))
			return 0;
		crypto_wipe(ret, sizeof(*ret));
		return hf_error_set(err, -EINVAL, "AWS_ACCESS_KEY_ID and the like are not well formed");
	}
	if (is_given(from.file))
		return s3_credentials_read(os, from.file, ret, err);
	return hf_error_set(
		err, -ENOKEY,
		"a bucket wants credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a "
		"file of them in AWS_SHARED_CREDENTIALS_FILE");
}

int s3_credentials_write(const struct os *os, const char *path, const struct s3_credentials *c,
			 struct hf_error *err)
{
	CLEANUP(wipe) struct buf text = BUF_INIT;
	int r;

	if (buf_reserve(&text, FILE_BYTES_MAX) == 0) {
		buf_add_text(&text, "[default]\n%s = %s\n%s = %s\n", key_name, c->access_key, secret_name,
			     c->secret_key);
		if (c->token[0])
			buf_add_text(&text, "%s = %s\n", token_name, c->token);
	}
	r = buf_status(&text);
	if (r == 0)
		r = os_write_file(os, path, text.data, text.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}
