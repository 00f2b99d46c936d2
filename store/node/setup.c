/* SPDX-License-Identifier: MIT */
#include "store/node/setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/node.h"
#include "store/alarm/target.h"
#include "store/crypto/crypto.h"
#include "store/node/identity.h"
#include "store/replica/json.h"
#include "store/volume/files.h"

enum { SETUP_FILE_BYTES_MAX = 8192, LIMIT_LONGEST_S = 366 * 86400 };

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

/* Of an IPv6 address with its zone, as fe80::1%eth0, the zone may be any: it may come up later. */
static bool is_address(const char *host)
{
	char address[INET6_ADDRSTRLEN];
	const size_t len = strcspn(host, "%");
	uint8_t bytes[16];

	if (len >= sizeof(address))
		return false;
	memcpy(address, host, len);
	address[len] = 0;
	return inet_pton(AF_INET6, address, bytes) == 1 ||
	       (host[len] == 0 && inet_pton(AF_INET, address, bytes) == 1);
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
	if (!is_address(s.host) && strcmp(s.host, "localhost") != 0)
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

/* --- what alarms need */

static int read_limit(const json_t *o, const char *key, uint32_t otherwise, uint32_t *ret)
{
	*ret = otherwise;
	if (!json_has(o, key))
		return 0;
	return json_get_u32(o, key, ret) < 0 || *ret == 0 || *ret > LIMIT_LONGEST_S ? -EINVAL : 0;
}

/* There is no way below two weeks: a hurry is what an attacker has. */
static int read_prune_setup(const json_t *o, struct setup *s, struct hf_error *err)
{
	if (read_limit(o, "prune_delay_s", SETUP_PRUNE_DELAY_S, &s->prune_delay_s) < 0 ||
	    s->prune_delay_s < SETUP_PRUNE_DELAY_S)
		return hf_error_set(err, -EINVAL, "prune_delay_s is seconds, %d (two weeks) to %d",
				    SETUP_PRUNE_DELAY_S, LIMIT_LONGEST_S);
	return 0;
}

static int read_alarm_setup(const json_t *o, struct setup *s, struct hf_error *err)
{
	s->alarm_hook[0] = s->alarm_url[0] = 0;
	if (read_limit(o, "silent_after_s", SETUP_SILENT_AFTER_S, &s->silent_after_s) < 0 ||
	    read_limit(o, "stalled_after_s", SETUP_STALLED_AFTER_S, &s->stalled_after_s) < 0)
		return hf_error_set(err, -EINVAL, "silent_after_s and stalled_after_s are seconds, 1 to %d",
				    LIMIT_LONGEST_S);
	if ((json_has(o, "alarm_hook") &&
	     json_get_text(o, "alarm_hook", s->alarm_hook, sizeof(s->alarm_hook)) < 0) ||
	    (json_has(o, "alarm_url") &&
	     json_get_text(o, "alarm_url", s->alarm_url, sizeof(s->alarm_url)) < 0))
		return hf_error_set(err, -EINVAL, "alarm_hook and alarm_url are texts of less than %d bytes",
				    SETUP_TEXT_BYTES);
	return alarm_target_check(s->alarm_hook, s->alarm_url, err);
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
	if (r == 0)
		r = read_alarm_setup(o, ret, err);
	if (r == 0)
		r = read_prune_setup(o, ret, err);
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
	int r = os->mkdir(os->state, dir, 0700 | OS_OWN);

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

static json_t *describe(const struct os *os, const struct hf_node_options *o)
{
	char created[24];
	json_t *setup;

	(void)snprintf(created, sizeof(created), "%" PRIu64, os->now_ns(os->state));
	setup = json_pack("{s:i,s:s,s:s,s:s*,s:s*}", "version", 1, "listen", o->listen, "created_ns", created,
			  "alarm_hook", o->alarm_hook, "alarm_url", o->alarm_url);
	if (setup && o->silent_after_s > 0)
		(void)json_object_set_new(setup, "silent_after_s", json_integer(o->silent_after_s));
	return setup;
}

/* Last, for a folder without it is not a node. */
static int write_setup(const struct os *os, const char *dir, const struct hf_node_options *o,
		       struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	CLEANUP(json_decrefp) json_t *setup = describe(os, o);
	int r;

	if (!setup || json_write(setup, &text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	buf_add_u8(&text, '\n');
	if (!os_join(&path, dir, "node.json") || buf_status(&text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_write_file(os, (const char *)path.data, text.data, text.len, 0600);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

/* By the rules of reading it, so that no node is made that cannot be started. */
static int check_options(const struct os *os, const struct hf_node_options *o, struct hf_error *err)
{
	CLEANUP(json_decrefp) json_t *setup = describe(os, o);
	struct setup s;
	int r;

	if (!setup)
		return hf_error_set(err, -EINVAL, "the hook or URL is not UTF-8");
	r = setup_parse_listen(o->listen, &s, err);
	return r < 0 ? r : read_alarm_setup(setup, &s, err);
}

int hf_node_make(const char *dir, const struct hf_node_options *o, struct hf_error *err)
{
	static const char *const folders[] = { "invitations", "volumes", "evidence", "alarms" };
	const struct os *os = os_posix();
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes: no key can be made");
	r = check_options(os, o, err);
	if (r == 0)
		r = make_root(os, dir, err);
	for (size_t i = 0; r == 0 && i < sizeof(folders) / sizeof(folders[0]); i++)
		r = make_folder(os, dir, folders[i], err);
	if (r == 0)
		r = identity_make(os, dir, err);
	if (r == 0)
		r = write_setup(os, dir, o, err);
	if (r < 0)
		return r;
	r = files_sync_name(os, dir); /* what a receipt promises is below it */
	return r < 0 ? hf_error_set(err, r, "cannot sync the folder of %s: %s", dir, strerror(-r)) : 0;
}

int hf_node_init(const char *dir, const char *listen, struct hf_error *err)
{
	const struct hf_node_options o = { .listen = listen };

	return hf_node_make(dir, &o, err);
}
