/* SPDX-License-Identifier: MIT */
#include "fs/cli/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"

/* sun_path holds 107 bytes; by way of a descriptor any store fits. */
int control_address(const char *store, struct sockaddr_un *ret, int *ret_dirfd)
{
	int fd = open(store, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/socket", fd);
	*ret_dirfd = fd;
	return 0;
}

char *control_line(const json_t *object, size_t *ret_len)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (!text)
		return NULL;
	*ret_len = strlen(text) + 1;
	text[*ret_len - 1] = '\n'; /* in the terminator's place */
	return text;
}

int control_send(int fd, const json_t *object)
{
	size_t len, at = 0;
	char *text = control_line(object, &len);
	ssize_t n = 0;

	if (!text)
		return -ENOMEM;
	while (at < len) {
		n = send(fd, text + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += (size_t)n;
	}
	n = n < 0 ? -errno : 0;
	free(text);
	return (int)n;
}

int control_connect(const char *store, struct control *ret, struct hf_error *err)
{
	struct sockaddr_un address;
	CLEANUP(cli_cleanup_fd) int dirfd = -1;
	CLEANUP(cli_cleanup_fd) int fd = -1;
	FILE *in;
	int r;

	r = control_address(store, &address, &dirfd);
	if (r < 0)
		return hf_error_set(err, r, "%s: %s", store, strerror(-r));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return hf_error_set(err, -errno, "%s/socket: %s", store, strerror(errno));
	in = fdopen(fd, "r");
	if (!in)
		return hf_error_set(err, -ENOMEM, "no memory");
	ret->in = in;
	ret->fd = fd;
	fd = -1;
	return 0;
}

void control_close(struct control *c)
{
	if (c->in)
		fclose(c->in);
	c->in = NULL;
	c->fd = -1;
}

static int gone(struct hf_error *err)
{
	return hf_error_set(err, -ECONNRESET,
			    "the process that has the store mounted ended before it answered");
}

static int hear_data(struct control *c, uint64_t len, const struct operation_listener *listener,
		     struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *data = NULL;

	if (len > CONTROL_DATA_BYTES)
		return gone(err);
	data = malloc(len ? len : 1);
	if (!data)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (fread(data, 1, len, c->in) != len)
		return gone(err);
	return listener->data ? listener->data(listener->arg, data, len) : 0;
}

/* A line that is not the last. Negative with words: it goes on no more; positive: the listener wants it so.
 */
static int hear(struct control *c, const json_t *line, const struct operation_listener *listener,
		struct hf_error *err)
{
	const char *found = json_string_value(json_object_get(line, "found"));
	const char *progress = json_string_value(json_object_get(line, "progress"));
	const json_t *row = json_object_get(line, "row");

	if (row)
		return listener->row ? listener->row(listener->arg, row) : 0;
	if (json_object_get(line, "data"))
		return hear_data(c, output_get_number(line, "data"), listener, err);

	if (found && listener->found)
		listener->found(listener->arg, found);
	if (progress && listener->progress.fn)
		listener->progress.fn(listener->progress.arg, progress, output_get_number(line, "done"),
				      output_get_number(line, "total"));
	return 0;
}

static json_t *read_line(struct control *c, struct hf_error *err)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t len = getline(&text, &cap, c->in);
	json_t *line = len > 0 && len <= CONTROL_LINE_BYTES ? json_loadb(text, (size_t)len, 0, NULL) : NULL;

	free(text);
	if (!line)
		gone(err);
	return line;
}

json_t *control_ask(struct control *c, const json_t *request, const struct operation_listener *listener,
		    struct hf_error *err)
{
	int r = control_send(c->fd, request);
	json_t *line, *answer = NULL;
	const json_t *ok;

	if (r < 0) {
		hf_error_set(err, r, "the process that has the store mounted cannot be reached: %s",
			     strerror(-r));
		return NULL;
	}
	while ((line = read_line(c, err))) {
		ok = json_object_get(line, "ok");
		if (!ok) {
			r = hear(c, line, listener, err);
			json_decref(line);
			if (r == 0)
				continue;
			if (r > 0)
				hf_error_set(err, -ECANCELED, "stopped");
			break;
		}
		if (json_is_true(ok))
			answer = json_incref(json_object_get(line, "answer"));
		else
			hf_error_set(err, (int)json_integer_value(json_object_get(line, "code")), "%s",
				     output_get_text(line, "error"));
		json_decref(line);
		break;
	}
	return answer;
}

int control_wait_gone(struct control *c, unsigned timeout_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	char byte;
	int r;

	do
		r = poll(&p, 1, (int)timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	return r > 0 && recv(c->fd, &byte, 1, MSG_DONTWAIT) <= 0 ? 0 : -EPROTO;
}
