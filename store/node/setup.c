/* SPDX-License-Identifier: MIT */
#include "store/node/setup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/node.h"
#include "store/crypto/crypto.h"
#include "store/node/identity.h"
#include "store/replica/json.h"

enum { SETUP_FILE_BYTES_MAX = 4096 };

static int parse_port(const char *text, unsigned *ret)
{
	unsigned port = 0;

	if (!*text || strlen(text) > 5)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		port = port * 10 + (unsigned)(*text - '0');
	}
	if (port > 65535)
		return -EINVAL;
	*ret = port;
	return 0;
}

int setup_parse_listen(const char *listen, struct setup *ret, struct hf_error *err)
{
	const char *colon = strrchr(listen, ':'), *host = listen;
	struct setup s = { .port = 0 };
	size_t len = colon ? (size_t)(colon - listen) : 0;

	if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		len = 0; /* an IPv6 address wants brackets */
	}
	if (!colon || len == 0 || len >= sizeof(s.host) || parse_port(colon + 1, &s.port) < 0)
		return hf_error_set(err, -EINVAL,
				    "%.80s: where to listen is ADDRESS:PORT, as 127.0.0.1:7443 or [::]:7443",
				    listen);
	memcpy(s.host, host, len);
	s.host[len] = 0;
	if (s.host[strspn(s.host, "0123456789abcdefABCDEF.:%")] && strcmp(s.host, "localhost") != 0)
		return hf_error_set(err, -EINVAL,
				    "%.80s: listen at a numeric address, as 127.0.0.1:7443 or [::]:7443",
				    listen);
	*ret = s;
	return 0;
}

void setup_url(const char *host, unsigned port, char ret[SETUP_ADDRESS_BYTES])
{
	(void)snprintf(ret, SETUP_ADDRESS_BYTES, strchr(host, ':') ? "https://[%s]:%u" : "https://%s:%u",
		       host, port);
}

int setup_read(const struct os *os, const char *dir, struct setup *ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, data = BUF_INIT;
	CLEANUP(json_decrefp) json_t *o = NULL;
	char listen[SETUP_ADDRESS_BYTES];
	uint32_t version;
	int r;

	if (!os_join(&path, dir, "node.json"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, SETUP_FILE_BYTES_MAX, &data);
	if (r == -ENOENT || r == -ENOTDIR)
		return hf_error_set(err, -ENOENT, "%s is not a node's folder: it has no node.json", dir);
	if (r < 0)
		return hf_error_set(err, r, "cannot read %s: %s", (const char *)path.data, strerror(-r));
	o = json_read(data.data, data.len);
	if (!o || json_get_u32(o, "version", &version) < 0 ||
	    json_get_text(o, "listen", listen, sizeof(listen)) < 0)
		return hf_error_set(err, -EUCLEAN, "%s is damaged", (const char *)path.data);
	if (version != 1)
		return hf_error_set(err, -EPROTONOSUPPORT,
				    "%s is of version %" PRIu32 ", this build knows 1: update holdfast",
				    (const char *)path.data, version);
	r = setup_parse_listen(listen, ret, err);
	return r < 0 ? hf_error_prefix(err, r, "%s", (const char *)path.data) : 0;
}

/* --- making a node */

static void count_entry(void *arg, const char *name)
{
	(void)name;
	++*(size_t *)arg;
}

static int make_root(const struct os *os, const char *dir, struct hf_error *err)
{
	size_t n = 0;
	int r = os->mkdir(os->state, dir, 0700);

	if (r == -EEXIST) {
		r = os->list(os->state, dir, count_entry, &n);
		if (r == 0 && n > 0)
			return hf_error_set(err, -EEXIST,
					    "%s is not empty: a node needs a new or empty folder", dir);
	}
	return r < 0 ? hf_error_set(err, r, "cannot make the folder %s: %s", dir, strerror(-r)) : 0;
}

static int make_folder(const struct os *os, const char *dir, const char *name, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int r;

	if (!os_join(&path, dir, name))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os->mkdir(os->state, (const char *)path.data, 0700);
	return r < 0 ? hf_error_set(err, r, "cannot make the folder %s: %s", (const char *)path.data,
				    strerror(-r)) :
		       0;
}

/* Last, for a folder without it is not a node. */
static int write_setup(const struct os *os, const char *dir, const char *listen, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	int r;

	buf_add_text(&text, "{\"version\":1,\"listen\":\"%s\",\"created_ns\":\"%" PRIu64 "\"}\n", listen,
		     os->now_ns(os->state));
	if (!os_join(&path, dir, "node.json") || buf_status(&text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, text.data, text.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

int hf_node_init(const char *dir, const char *listen, struct hf_error *err)
{
	static const char *const folders[] = { "invitations", "volumes", "evidence" };
	const struct os *os = os_posix();
	struct setup s;
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes: no key can be made");
	r = setup_parse_listen(listen, &s, err);
	if (r == 0)
		r = make_root(os, dir, err);
	for (size_t i = 0; r == 0 && i < sizeof(folders) / sizeof(folders[0]); i++)
		r = make_folder(os, dir, folders[i], err);
	if (r == 0)
		r = identity_make(os, dir, err);
	return r < 0 ? r : write_setup(os, dir, listen, err);
}
