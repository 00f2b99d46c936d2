/* SPDX-License-Identifier: MIT */
#include "fs/cli/unlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "holdfast/key.h"

static const char credential_name[] = "holdfast-key";

/* One thread opens stores in this process, and none before main. */
static struct {
	int passphrase_fd, key_fd; /* -1: not given, or read already */
	char *key_file;
	struct secret passphrase, key;
} given = { -1, -1, NULL, SECRET_INIT, SECRET_INIT };

/* --- what was said */

int unlock_parse_fd(const char *text, struct hf_error *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 0 || n > INT_MAX || fcntl((int)n, F_GETFD) < 0)
		return hf_error_set(err, -EINVAL, "%.40s is not the number of an open descriptor", text);
	return (int)n;
}

static int take_fd(const char *value, int *ret, struct hf_error *err)
{
	int fd = unlock_parse_fd(value, err);

	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

static int take_value(const char *name, const char *value, struct hf_error *err)
{
	if (!strcmp(name, "passphrase-fd"))
		return take_fd(value, &given.passphrase_fd, err);
	if (!strcmp(name, "key-fd"))
		return take_fd(value, &given.key_fd, err);
	free(given.key_file);
	given.key_file = strdup(value);
	return given.key_file ? 0 : hf_error_set(err, -ENOMEM, "no memory");
}

/* Which of the three a text begins with, and what is behind: "" for nothing, else "=VALUE". */
static const char *find_name(const char *text, const char **ret_rest)
{
	static const char *const names[] = { "passphrase-fd", "key-fd", "key-file" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(text, names[i], len) || (text[len] && text[len] != '='))
			continue;
		*ret_rest = text + len;
		return names[i];
	}
	return NULL;
}

/* How many words of argv from i on are one of ours: 0, 1 or 2. Negative: it is, and wrong. */
static int take_argument(int argc, char **argv, int i, bool allowed, struct hf_error *err)
{
	const char *rest, *value, *name = strncmp(argv[i], "--", 2) ? NULL : find_name(argv[i] + 2, &rest);
	int r;

	if (!name)
		return 0;
	if (!allowed)
		return hf_error_set(err, -EINVAL, "%s: --%s says nothing to this command", argv[1], name);
	value = *rest ? rest + 1 : i + 1 < argc ? argv[i + 1] : NULL;
	if (!value)
		return hf_error_set(err, -EINVAL, "%s: --%s needs a value", argv[1], name);
	r = take_value(name, value, err);
	return r < 0 ? hf_error_prefix(err, r, "--%s", name) : *rest ? 1 : 2;
}

int unlock_take_options(char *options, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *copy = strdup(options);
	char *rest = copy, *word, *out = options;
	const char *name, *value;
	int r = 0;

	if (!copy)
		return hf_error_set(err, -ENOMEM, "no memory");
	*out = '\0';
	while ((word = strsep(&rest, ","))) {
		name = find_name(word, &value);
		if (!name) {
			if (out > options)
				*out++ = ',';
			out = stpcpy(out, word);
			continue;
		}
		r = *value ? take_value(name, value + 1, err) :
			     hf_error_set(err, -EINVAL, "it needs a value");
		if (r < 0)
			return hf_error_prefix(err, r, "option %s", name);
	}
	return 0;
}

/* --- what is asked */

static int get_passphrase(const char *store, struct hf_error *err)
{
	char prompt[PATH_MAX + 64];
	int fd = given.passphrase_fd, r;

	if (given.passphrase.text)
		return 0;
	given.passphrase_fd = -1;
	if (fd >= 0)
		return secret_read_line(fd, "passphrase", &given.passphrase, err);
	(void)snprintf(prompt, sizeof(prompt), "Passphrase of %s: ", store);
	r = secret_ask(prompt, &given.passphrase, err);
	return r != -ENOTTY ?
		       r :
		       hf_error_set(
			       err, -ENOKEY,
			       "the keys of %s are wrapped by a passphrase: run this on a terminal, or give "
			       "--passphrase-fd (mount: -o passphrase-fd=N)",
			       store);
}

static int read_key_file(const char *path, struct hf_error *err)
{
	CLEANUP(cli_cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return hf_error_set(err, -errno, "cannot read the volume key %s: %s", path, strerror(errno));
	return secret_read_all(fd, "volume key", &given.key, err);
}

static int read_credential(struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *path = NULL;
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");

	if (!dir)
		return 0;
	if (asprintf(&path, "%s/%s", dir, credential_name) < 0) {
		path = NULL;
		return hf_error_set(err, -ENOMEM, "no memory");
	}
	return access(path, F_OK) < 0 ? 0 : read_key_file(path, err);
}

/* 0 also when there is none. */
static int get_key(struct hf_error *err)
{
	int fd = given.key_fd;

	if (given.key.text)
		return 0;
	given.key_fd = -1;
	if (fd >= 0)
		return secret_read_all(fd, "volume key", &given.key, err);
	return given.key_file ? read_key_file(given.key_file, err) : read_credential(err);
}

static ssize_t answer_passphrase(void *arg, const char *path, char ret[HF_PASSPHRASE_BYTES_MAX],
				 struct hf_error *err)
{
	int r = get_passphrase(path, err);

	(void)arg;
	_Static_assert(SECRET_BYTES_MAX == HF_PASSPHRASE_BYTES_MAX, "one limit");
	if (r < 0)
		return r;
	secret_lock(&given.passphrase);
	memcpy(ret, given.passphrase.text, given.passphrase.len);
	return (ssize_t)given.passphrase.len;
}

static ssize_t answer_key(void *arg, const char *path, uint8_t ret[HF_KEY_FILE_BYTES_MAX],
			  struct hf_error *err)
{
	int r = get_key(err);

	(void)arg;
	if (r == 0 && !given.key.text)
		return hf_error_set(
			err, -ENOKEY,
			"the volume key of %s is kept elsewhere: give --key-file or --key-fd (mount: -o "
			"key-file=FILE). When it is gone, recover into a new store with the kit",
			path);
	if (r == 0 && given.key.len > HF_KEY_FILE_BYTES_MAX)
		r = hf_error_set(err, -EUCLEAN, "what was given as the volume key of %s is something else",
				 path);
	if (r < 0)
		return r;
	secret_lock(&given.key);
	memcpy(ret, given.key.text, given.key.len);
	return (ssize_t)given.key.len;
}

int unlock_begin(int *argc, char **argv, bool allowed)
{
	static const struct hf_unlock answers = { answer_passphrase, answer_key, NULL };
	struct hf_error err = HF_ERROR_INIT;
	int kept = 1, n;

	for (int i = 1; i < *argc; i += n ? n : 1) {
		n = take_argument(*argc, argv, i, allowed, &err);
		if (n < 0)
			return cli_fail_error(&err), n;
		if (n == 0)
			argv[kept++] = argv[i];
	}
	*argc = kept;
	argv[kept] = NULL;
	hf_unlock_by(&answers);
	return 0;
}

/* Is the key that was handed in wrapped? Its version says so; what else is in it the library judges. */
static bool handed_in_is_wrapped(void)
{
	return given.key.len >= 10 && !memcmp(given.key.text, "HFKEYVOL\2\0", 10);
}

int unlock_prepare(const char *store, struct hf_error *err)
{
	struct hf_key_info info;
	int r = hf_key_kept(store, &info, err);

	if (r == 0 && info.how == HF_KEY_ELSEWHERE)
		r = get_key(err);
	if (r == 0 && (info.how == HF_KEY_PASSPHRASE || handed_in_is_wrapped()))
		r = get_passphrase(store, err);
	return r;
}

void unlock_end(void)
{
	secret_release(&given.passphrase);
	secret_release(&given.key);
	free(given.key_file);
	given.key_file = NULL;
	given.passphrase_fd = given.key_fd = -1;
}

/* --- a new one */

int unlock_passphrase_fd(void)
{
	int fd = given.passphrase_fd;

	given.passphrase_fd = -1;
	return fd;
}

static int ask_twice(const char *store, struct secret *ret, struct hf_error *err)
{
	struct secret first = SECRET_INIT, again = SECRET_INIT;
	char prompt[PATH_MAX + 64];
	int r;

	(void)snprintf(prompt, sizeof(prompt), "New passphrase for %s: ", store);
	r = secret_ask(prompt, &first, err);
	if (r == 0)
		r = secret_ask("The same once more: ", &again, err);
	if (r == 0 && (first.len != again.len || memcmp(first.text, again.text, first.len) != 0))
		r = hf_error_set(err, -EINVAL, "the two are not the same; nothing was changed");
	secret_release(&again);
	if (r < 0)
		secret_release(&first);
	else
		*ret = first;
	return r;
}

int unlock_new_passphrase(int fd, const char *store, bool remember, struct secret *ret, struct hf_error *err)
{
	int r = fd >= 0 ? secret_read_line(fd, "passphrase", ret, err) : ask_twice(store, ret, err);

	if (r < 0 || !remember)
		return r;
	secret_release(&given.passphrase);
	r = secret_copy(ret, &given.passphrase, err);
	if (r < 0)
		secret_release(ret);
	return r;
}

int unlock_use_key_file(const char *path, struct hf_error *err)
{
	return take_value("key-file", path, err);
}
