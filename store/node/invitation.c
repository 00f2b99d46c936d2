/* SPDX-License-Identifier: MIT */
#include "store/node/invitation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "holdfast/node.h"
#include "store/node/identity.h"
#include "store/node/setup.h"
#include "store/replica/json.h"

enum { INVITATION_FILE_BYTES_MAX = 4096, VALID_DEFAULT_S = 86400 };

static const char *file_path(const char *dir, const uint8_t token[PLACE_TOKEN_BYTES], const char *ending,
			     struct buf *out)
{
	uint8_t hash[SHORT_HASH_BYTES];
	char name[2 * SHORT_HASH_BYTES + 1];

	hash_one("holdfast invitation", token, PLACE_TOKEN_BYTES, hash, sizeof(hash));
	wire_hex(hash, sizeof(hash), name);
	buf_add_text(out, "%s/invitations/%s%s", dir, name, ending);
	(void)buf_cstr(out);
	return buf_status(out) < 0 ? NULL : (const char *)out->data;
}

/* --- using one up */

static bool exists(const struct os *os, const char *path)
{
	int fd = os->open(os->state, path, O_RDONLY, 0);

	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

/* Is what the file says good for this volume now? */
static int judge(const struct os *os, const struct buf *data, const uint8_t volume_id[VOLUME_ID_BYTES],
		 bool is_new, struct hf_error *err)
{
	CLEANUP(json_decrefp) json_t *o = json_read(data->data, data->len);
	uint8_t id[VOLUME_ID_BYTES];
	uint32_t version;
	uint64_t expires_ns;

	if (!o || json_get_u32(o, "version", &version) < 0 || version != 1 ||
	    json_get_u64(o, "expires_ns", &expires_ns) < 0)
		return hf_error_set(err, -EACCES,
				    "the invitation's file on the node is damaged: ask for a new invitation");
	if (os->now_ns(os->state) >= expires_ns)
		return hf_error_set(err, -EACCES,
				    "the invitation has expired: ask the node's operator for a new one");
	if (!json_has(o, "volume"))
		return is_new ? 0 :
				hf_error_set(err, -EACCES,
					     "the invitation is for a new volume, and this one is here "
					     "already: ask for an invitation that names it");
	if (json_get_hex(o, "volume", id, sizeof(id)) < 0 || !crypto_equal(id, volume_id, sizeof(id)))
		return hf_error_set(err, -EACCES, "the invitation is for another volume");
	return 0;
}

int invitation_use(const struct os *os, const char *dir, const uint8_t token[PLACE_TOKEN_BYTES],
		   const uint8_t volume_id[VOLUME_ID_BYTES], bool is_new, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, used = BUF_INIT, data = BUF_INIT, folder = BUF_INIT;
	int r;

	if (!file_path(dir, token, ".json", &path) || !file_path(dir, token, ".used", &used) ||
	    !os_join(&folder, dir, "invitations"))
		return hf_error_set(err, -ENOMEM, "no memory");
	r = os_read_file(os, (const char *)path.data, INVITATION_FILE_BYTES_MAX, &data);
	if (r == -ENOENT)
		return hf_error_set(err, -EACCES,
				    exists(os, (const char *)used.data) ?
					    "the invitation has been used already: ask the node's operator "
					    "for a new one" :
					    "the node knows no such invitation");
	if (r < 0)
		return hf_error_set(err, r, "cannot read an invitation: %s", strerror(-r));
	r = judge(os, &data, volume_id, is_new, err);
	if (r < 0)
		return r;
	r = os->rename(os->state, (const char *)path.data, (const char *)used.data); /* only one caller can */
	if (r == -ENOENT)
		return hf_error_set(err, -EACCES, "the invitation has been used already");
	if (r == 0)
		r = os->sync_dir(os->state, (const char *)folder.data);
	return r < 0 ? hf_error_set(err, r, "cannot use an invitation up: %s", strerror(-r)) : 0;
}

/* --- making one */

/* Where others reach the node: as it listens, or by the name (and port) that the operator gives. */
static int find_url(const struct os *os, const char *dir, const char *host, char ret[PLACE_URL_BYTES],
		    struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, address = BUF_INIT;
	struct setup s, given;
	unsigned port;
	int r = setup_read(os, dir, &s, err);

	if (r < 0)
		return r;
	port = s.port;
	if (!os_join(&path, dir, "address"))
		return hf_error_set(err, -ENOMEM, "no memory");
	if (port == 0 && os_read_file(os, (const char *)path.data, 64, &address) == 0)
		(void)sscanf(buf_cstr(&address), "%u", &port);
	if (host && setup_parse_listen(host, &given, NULL) == 0 && given.port > 0) {
		setup_url(given.host, given.port, ret);
	} else if (host && strchr(host, ':') && host[strspn(host, "0123456789abcdefABCDEF.:")]) {
		(void)snprintf(ret, PLACE_URL_BYTES, "https://%s", host); /* name:port */
	} else {
		if (!host && (strcmp(s.host, "::") == 0 || strcmp(s.host, "0.0.0.0") == 0))
			return hf_error_set(
				err, -EINVAL,
				"the node listens at every address: say by which name others reach it");
		setup_url(host ? host : s.host, port, ret);
	}
	if (place_check_url(ret) < 0)
		return hf_error_set(err, -EINVAL,
				    "%s is not where a node can be reached: give a name or address%s", ret,
				    port == 0 ? ", and start the node first, since it takes any free port" :
						"");
	return 0;
}

static int write_invitation(const struct os *os, const char *dir, const struct place *p,
			    unsigned valid_seconds, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT, text = BUF_INIT;
	uint64_t valid_s = valid_seconds ? valid_seconds : VALID_DEFAULT_S;
	char volume[2 * VOLUME_ID_BYTES + 3] = "null";
	int r;

	if (p->has_volume) {
		volume[0] = '"';
		wire_hex(p->volume_id, VOLUME_ID_BYTES, volume + 1);
		strcat(volume, "\"");
	}
	buf_add_text(&text, "{\"version\":1,\"volume\":%s,\"expires_ns\":\"%" PRIu64 "\"}\n", volume,
		     os->now_ns(os->state) + valid_s * 1000000000u);
	if (!file_path(dir, p->token, ".json", &path) || buf_status(&text) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	/* Often by root, and read by the node's own user; the folder is closed to others. */
	r = os_write_file(os, (const char *)path.data, text.data, text.len, 0644);
	return r < 0 ? hf_error_set(err, r, "cannot write %s: %s", (const char *)path.data, strerror(-r)) : 0;
}

static int make_line(const struct os *os, const char *dir, struct place *p, unsigned valid_seconds,
		     char **ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	int r;

	crypto_random(p->token, sizeof(p->token));
	p->has_token = true;
	r = place_invitation(p, &line);
	(void)buf_cstr(&line);
	if (r < 0 || buf_status(&line) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	r = write_invitation(os, dir, p, valid_seconds, err);
	if (r == 0)
		*ret = (char *)TAKE_PTR(line.data);
	return r;
}

int hf_node_invite(const char *dir, const char *volume_id, const char *host, unsigned valid_seconds,
		   char **ret, struct hf_error *err)
{
	const struct os *os = os_posix();
	struct identity id;
	struct place p;
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	memset(&p, 0, sizeof(p));
	p.has_volume = volume_id != NULL;
	if (volume_id && wire_unhex(volume_id, strlen(volume_id), p.volume_id, VOLUME_ID_BYTES) < 0)
		return hf_error_set(err, -EINVAL,
				    "%.60s is not a volume id: 32 lower-case hexadecimal digits", volume_id);
	r = find_url(os, dir, host, p.url, err);
	if (r == 0)
		r = identity_load(os, dir, &id, err);
	if (r < 0)
		return r;
	memcpy(p.pin, id.pin, sizeof(p.pin));
	memcpy(p.key, signer_public(id.receipt_key), sizeof(p.key));
	identity_release(&id);
	r = make_line(os, dir, &p, valid_seconds, ret, err);
	place_release(&p);
	return r;
}
