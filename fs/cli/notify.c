/* SPDX-License-Identifier: MIT */
#include "fs/cli/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUSY_USEC "120000000"

static struct sockaddr_un address; /* set before there are threads; its family 0: nobody wants to know */
static socklen_t address_len;

void notify_begin(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;

	/* a path, or a name in the abstract space, written with @ for its NUL */
	if (len > 1 && len < sizeof(address.sun_path) && (path[0] == '/' || path[0] == '@')) {
		address.sun_family = AF_UNIX;
		memcpy(address.sun_path, path, len);
		if (path[0] == '@')
			address.sun_path[0] = '\0';
		address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	}
	(void)unsetenv("NOTIFY_SOCKET");
}

bool notify_wanted(void)
{
	return address.sun_family == AF_UNIX;
}

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
	char text[1024];
	va_list args;
	int fd, len;

	if (!notify_wanted())
		return;
	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(text))
		len = (int)sizeof(text) - 1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, text, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&address, address_len);
	close(fd);
}

void notify_ready(const char *words)
{
	tell("READY=1\nSTATUS=%s", words);
}

void notify_busy(const char *words)
{
	tell("EXTEND_TIMEOUT_USEC=" BUSY_USEC "\nSTATUS=%s", words);
}

void notify_stopping(const char *words)
{
	tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=" BUSY_USEC "\nSTATUS=%s", words);
}
