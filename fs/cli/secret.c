/* SPDX-License-Identifier: MIT */
#include "fs/cli/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bsd/readpassphrase.h>

#define PAGE_BYTES 4096

static int secret_new(struct secret *ret, struct hf_error *err)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return hf_error_set(err, -ENOMEM, "no memory");
	*ret = (struct secret){ page, 0 };
	(void)madvise(page, PAGE_BYTES, MADV_DONTDUMP);
	secret_lock(ret);
	return 0;
}

/* Where locked pages are not to be had (RLIMIT_MEMLOCK) it goes on: the passphrase is needed all the same. */
void secret_lock(const struct secret *s)
{
	if (s->text)
		(void)mlock(s->text, PAGE_BYTES);
}

void secret_release(struct secret *s)
{
	if (!s->text)
		return;
	explicit_bzero(s->text, PAGE_BYTES);
	(void)munmap(s->text, PAGE_BYTES);
	*s = (struct secret)SECRET_INIT;
}

int secret_copy(const struct secret *s, struct secret *ret, struct hf_error *err)
{
	int r = secret_new(ret, err);

	if (r < 0)
		return r;
	memcpy(ret->text, s->text, s->len);
	ret->len = s->len;
	return 0;
}

static int check_length(struct secret *s, const char *what, struct hf_error *err)
{
	if (s->len > 0 && s->len <= SECRET_BYTES_MAX)
		return 0;
	hf_error_set(err, -EINVAL, s->len ? "the %s is longer than %d bytes" : "the %s is empty", what,
		     SECRET_BYTES_MAX);
	secret_release(s);
	return -EINVAL;
}

static int read_some(int fd, bool one_line, const char *what, struct secret *ret, struct hf_error *err)
{
	struct secret s;
	ssize_t n = 1;
	int r = secret_new(&s, err);

	if (r < 0)
		return r;
	while (s.len <= SECRET_BYTES_MAX) {
		n = read(fd, s.text + s.len, one_line ? 1 : SECRET_BYTES_MAX + 1 - s.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (one_line && s.text[s.len] == '\n'))
			break;
		s.len += (size_t)n;
	}
	if (n < 0) {
		r = hf_error_set(err, -errno, "cannot read the %s from descriptor %d: %s", what, fd,
				 strerror(errno));
		secret_release(&s);
		return r;
	}
	if (one_line && s.len > 0 && s.text[s.len - 1] == '\r')
		s.len--;
	r = check_length(&s, what, err);
	if (r == 0)
		*ret = s;
	return r;
}

int secret_read_line(int fd, const char *what, struct secret *ret, struct hf_error *err)
{
	return read_some(fd, true, what, ret, err);
}

int secret_read_all(int fd, const char *what, struct secret *ret, struct hf_error *err)
{
	return read_some(fd, false, what, ret, err);
}

int secret_ask(const char *prompt, struct secret *ret, struct hf_error *err)
{
	struct secret s;
	int r = secret_new(&s, err);

	if (r < 0)
		return r;
	if (!readpassphrase(prompt, s.text, SECRET_BYTES_MAX + 2, RPP_ECHO_OFF | RPP_REQUIRE_TTY)) {
		r = errno == EINTR ? hf_error_set(err, -ECANCELED, "interrupted") :
				     hf_error_set(err, -ENOTTY, "there is no terminal to ask on");
		secret_release(&s);
		return r;
	}
	s.len = strlen(s.text);
	r = check_length(&s, "passphrase", err);
	if (r == 0)
		*ret = s;
	return r;
}
