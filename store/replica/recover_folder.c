/* SPDX-License-Identifier: MIT */
#include "store/replica/recover_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/replica/trail.h"
#include "store/volume/kit.h"

/* Each volume of a node has the certificate of its first epoch beside its log (store/node/cert_file.h). */
static bool is_kept_by_node(const struct os *os, const char *dir)
{
	CLEANUP(buf_release) struct buf path = BUF_INIT;
	int fd;

	if (!os_join(&path, dir, "epoch-0000000001.cert"))
		return true;
	fd = os->open(os->state, (const char *)path.data, O_RDONLY, 0);
	if (fd >= 0)
		(void)os->close(os->state, fd);
	return fd >= 0;
}

bool recover_folder_is_replica(const struct os *os, struct place *place,
			       const uint8_t volume_id[VOLUME_ID_BYTES])
{
	CLEANUP(buf_release) struct buf inside = BUF_INIT;
	char id[HF_VOLUME_ID_TEXT_BYTES];
	char *slash;

	for (size_t len = strlen(place->path); len > 1 && place->path[len - 1] == '/'; len--)
		place->path[len - 1] = 0;
	volume_id_text(volume_id, id);
	slash = strrchr(place->path, '/');
	if (slash && slash > place->path && strcmp(slash + 1, id) == 0) {
		if (is_kept_by_node(os, place->path))
			return false;
		*slash = 0;
		return true;
	}
	return directory_find(os, place->path, volume_id, false, &inside, NULL) == 0 &&
	       !is_kept_by_node(os, (const char *)inside.data);
}

int recover_folder_hold(const struct peer_options *o, struct peer **ret, struct receipt *ret_head,
			struct hf_error *err)
{
	struct peer_options writable = *o;
	struct peer *folder;
	int r;

	writable.writable = true;
	r = peer_open(&writable, &folder, err);
	if (r < 0)
		return r;
	r = peer_position(folder, ret_head, err);
	if (r < 0)
		peer_free(folder);
	else
		*ret = folder;
	return r;
}

int recover_folder_tell(struct peer *folder, const struct os *os, const char *log_dir, uint32_t first_segment,
			struct hf_error *err)
{
	const struct log_pos at = { first_segment, 0 };
	uint8_t header[SEGMENT_HEADER_BYTES];
	struct receipt receipt;
	int r = trail_read(os, log_dir, at, header, sizeof(header));

	if (r < 0)
		return hf_error_set(err, r, "cannot read segment %u in %s: %s", first_segment, log_dir,
				    strerror(-r));
	return peer_append(folder, at, header, sizeof(header), &receipt, err);
}
