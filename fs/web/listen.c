/* SPDX-License-Identifier: MIT */
#include "fs/web/listen.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/web/host.h"

int listen_open(const char *listen_at, int queue, struct sockaddr_storage *ret, struct hf_error *err)
{
	const int on = 1;
	char text[80];
	socklen_t len;
	int fd, r = host_parse_listen(listen_at, ret, &len, err);

	if (r < 0)
		return r;
	fd = socket(ret->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, (const struct sockaddr *)ret, len) == 0 && listen(fd, queue) == 0 &&
	    getsockname(fd, (struct sockaddr *)ret, &len) == 0)
		return fd;
	r = -errno;
	if (fd >= 0)
		(void)close(fd);
	host_format(ret, text, sizeof(text));
	return hf_error_set(err, r, "cannot listen at %s: %s", text, strerror(-r));
}

bool listen_is_meant(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	memset(&local, 0, sizeof(local));
	return fd && getsockname(fd->connect_fd, (struct sockaddr *)&local, &len) == 0 &&
	       host_is(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"), &local);
}
