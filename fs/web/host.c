/* SPDX-License-Identifier: MIT */
#include "fs/web/host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HTTP_PORT = 80, TEXT_BYTES = 80 };

/* Digits alone, no sign, at most 65535; -1: it is none. */
static int parse_port(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 5 || strspn(text, "0123456789") != len || atoi(text) > 65535)
		return -1;
	return atoi(text);
}

/* A numeric address, an IPv6 one in brackets, into ret without a port; what follows it. NULL: it is none. */
static const char *parse_address(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	char address[TEXT_BYTES];
	const bool brackets = *text == '[';
	size_t len = strcspn(text + brackets, brackets ? "]" : ":");

	if (len >= sizeof(address) || (brackets && text[1 + len] != ']'))
		return NULL;
	memcpy(address, text + brackets, len);
	address[len] = 0;
	memset(ret, 0, sizeof(*ret));
	if (brackets && inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
		ret->ss_family = AF_INET6;
		return text + len + 2;
	}
	if (!brackets && inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		ret->ss_family = AF_INET;
		return text + len;
	}
	return NULL;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
	return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

/* An IPv4 address that came in at an IPv6 socket is an IPv4 address. */
static struct sockaddr_storage unmapped(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	struct sockaddr_storage ret = *address;
	struct sockaddr_in *four = (struct sockaddr_in *)&ret;

	if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		memset(&ret, 0, sizeof(ret));
		four->sin_family = AF_INET;
		four->sin_port = six->sin6_port;
		memcpy(&four->sin_addr, six->sin6_addr.s6_addr + 12, 4);
	}
	return ret;
}

int host_parse_listen(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len,
		      struct hf_error *err)
{
	struct sockaddr_storage address;
	const char *rest;
	char local[TEXT_BYTES];
	int port;

	if (!text)
		text = "127.0.0.1:0";
	if (parse_port(text) >= 0) {
		(void)snprintf(local, sizeof(local), "127.0.0.1:%s", text);
		text = local;
	} else if (!strncasecmp(text, "localhost:", 10) && strlen(text) < 20) {
		(void)snprintf(local, sizeof(local), "127.0.0.1%s", text + 9);
		text = local;
	}
	rest = parse_address(text, &address);
	port = rest && *rest == ':' ? parse_port(rest + 1) : -1;
	if (port < 0)
		return hf_error_set(err, -EINVAL,
				    "cannot listen at '%s': write ADDR:PORT, as 127.0.0.1:8080 or "
				    "[::1]:8080, or a port alone",
				    text);
	if (address.ss_family == AF_INET6) {
		((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(struct sockaddr_in6);
	} else {
		((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
		*ret_len = sizeof(struct sockaddr_in);
	}
	*ret = address;
	return 0;
}

bool host_is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_storage a = unmapped(address);

	if (a.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&a)->sin6_addr);
	return a.ss_family == AF_INET &&
	       ntohl(((const struct sockaddr_in *)&a)->sin_addr.s_addr) >> 24 == 127;
}

void host_format(const struct sockaddr_storage *address, char *out, size_t size)
{
	const struct sockaddr_storage a = unmapped(address);
	char text[INET6_ADDRSTRLEN] = "";

	if (a.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)&a)->sin6_addr, text, sizeof(text));
		(void)snprintf(out, size, "[%s]:%u", text, port_of(&a));
	} else {
		(void)inet_ntop(AF_INET, &((const struct sockaddr_in *)&a)->sin_addr, text, sizeof(text));
		(void)snprintf(out, size, "%s:%u", text, port_of(&a));
	}
}

static bool is_port(const char *text, const struct sockaddr_storage *local)
{
	if (!*text)
		return port_of(local) == HTTP_PORT;
	return *text == ':' && parse_port(text + 1) == (int)port_of(local);
}

bool host_is(const char *host, const struct sockaddr_storage *local)
{
	const struct sockaddr_storage here = unmapped(local);
	struct sockaddr_storage named;
	const char *rest;

	if (!host)
		return false;
	if (!strncasecmp(host, "localhost", 9))
		return host_is_loopback(&here) && is_port(host + 9, &here);
	rest = parse_address(host, &named);
	if (!rest || !is_port(rest, &here) || named.ss_family != here.ss_family)
		return false;
	if (named.ss_family == AF_INET6)
		return !memcmp(&((struct sockaddr_in6 *)&named)->sin6_addr,
			       &((const struct sockaddr_in6 *)&here)->sin6_addr, sizeof(struct in6_addr));
	return ((struct sockaddr_in *)&named)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)&here)->sin_addr.s_addr;
}

bool host_is_origin(const char *origin, const char *host)
{
	return origin && host && !strncmp(origin, "http://", 7) && !strcasecmp(origin + 7, host);
}
