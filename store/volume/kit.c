/* SPDX-License-Identifier: MIT */
#include "store/volume/kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/format/format.h"
#include "store/os/os.h"
#include "store/volume/files.h"

enum { KIT_FILE_BYTES_MAX = 64 << 10 };

struct hf_kit {
	struct owner *owner; /* immutable */
};

const struct owner *kit_owner(const struct hf_kit *kit)
{
	return kit->owner;
}

void volume_id_text(const uint8_t id[VOLUME_ID_BYTES], char ret_text[HF_VOLUME_ID_TEXT_BYTES])
{
	for (int i = 0; i < VOLUME_ID_BYTES; i++)
		(void)snprintf(ret_text + 2 * i, 3, "%02x", id[i]);
}

static int kit_from_seed(const uint8_t *seed, struct hf_kit **ret, struct hf_error *err)
{
	struct hf_kit *kit;
	int r;

	kit = calloc(1, sizeof(*kit));
	if (!kit)
		return hf_error_set(err, -ENOMEM, "no memory for a recovery kit");
	r = owner_new(seed, &kit->owner);
	if (r < 0) {
		free(kit);
		return hf_error_set(err, r, "no locked memory for a recovery kit");
	}
	*ret = kit;
	return 0;
}

int hf_kit_generate(struct hf_kit **ret, struct hf_error *err)
{
	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes: no key can be made");
	return kit_from_seed(NULL, ret, err);
}

int hf_kit_parse(const char *text, size_t len, struct hf_kit **ret, struct hf_error *err)
{
	uint8_t seed[SEED_BYTES];
	int r;

	if (crypto_init() < 0)
		return hf_error_set(err, -EIO, "the system gives no random bytes");
	r = kit_text_decode(text, len, seed, err);
	if (r < 0)
		return r;
	r = kit_from_seed(seed, ret, err);
	crypto_wipe(seed, sizeof(seed));
	return r;
}

int hf_kit_read(const char *path, struct hf_kit **ret, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	int r;

	r = os_read_file(os_posix(), path, KIT_FILE_BYTES_MAX, &text);
	if (r == -EFBIG)
		return hf_error_set(err, -EUCLEAN, "%s is no recovery kit: a kit is a short text file", path);
	if (r < 0)
		return hf_error_set(err, r, "cannot read the recovery kit %s: %s", path, strerror(-r));
	r = hf_kit_parse((const char *)text.data, text.len, ret, err);
	crypto_wipe(text.data, text.len);
	return r < 0 ? hf_error_prefix(err, r, "%s", path) : 0;
}

char *hf_kit_line(const struct hf_kit *kit)
{
	CLEANUP(buf_release) struct buf line = BUF_INIT;
	uint8_t seed[SEED_BYTES];
	char *out;

	owner_seed(kit->owner, seed);
	kit_line_encode(seed, &line);
	crypto_wipe(seed, sizeof(seed));
	if (buf_status(&line) < 0)
		return NULL;
	out = strndup((const char *)line.data, line.len);
	crypto_wipe(line.data, line.len);
	return out;
}

static void kit_text(const struct hf_kit *kit, const char *line, struct buf *out)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];

	hf_kit_volume_id(kit, id);
	buf_add_text(
		out,
		"holdfast recovery kit\n"
		"=====================\n"
		"\n"
		"Volume %s\n"
		"\n"
		"%s\n"
		"\n"
		"Whoever has the line above can read everything this volume ever held, and is its owner.\n"
		"Keep this file where the computer it protects cannot reach it: on paper in a safe, on a\n"
		"stick in a drawer. Then delete it here. Without it nothing can be recovered.\n"
		"\n"
		"To get everything back on any machine with holdfast, from a replica of the volume:\n"
		"\n"
		"    holdfast recover --from INVITATION --kit THIS-FILE STORE\n"
		"    holdfast mount STORE DIR\n"
		"\n"
		"INVITATION is printed on the replica node by\n"
		"\n"
		"    holdfast node invite NODE-DIR --volume %s\n"
		"\n"
		"When typing the line from paper: capital or small letters, O for 0 and I or L for 1 are all\n"
		"understood, and a typing error is noticed.\n",
		id, line, id);
}

int hf_kit_write(const struct hf_kit *kit, const char *path, struct hf_error *err)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT;
	char *line = hf_kit_line(kit);
	int r;

	if (!line)
		return hf_error_set(err, -ENOMEM, "no memory for a recovery kit");
	kit_text(kit, line, &text);
	crypto_wipe(line, strlen(line));
	free(line);
	r = buf_status(&text) < 0 ? hf_error_set(err, -ENOMEM, "no memory for a recovery kit") :
				    files_write_new(os_posix(), path, &text, err);
	if (r == -EEXIST)
		(void)hf_error_set(err, r, "%s exists: a recovery kit is never written over another file",
				   path);
	else if (r < 0)
		(void)hf_error_prefix(err, r, "recovery kit");
	crypto_wipe(text.data, text.len);
	return r;
}

void hf_kit_volume_id(const struct hf_kit *kit, char ret_text[HF_VOLUME_ID_TEXT_BYTES])
{
	volume_id_text(owner_volume_id(kit->owner), ret_text);
}

void hf_kit_free(struct hf_kit *kit)
{
	if (!kit)
		return;
	owner_free(kit->owner);
	free(kit);
}
