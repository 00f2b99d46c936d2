/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of a log its owner has let go (layer 2; FORMAT.md §14): the signed lists in a folder `prunes`
 * that stands beside the folder `log`. Where a frame is missing it must be named there. Immutable once
 * loaded.
 */
#ifndef STORE_LOG_GRANTS_H
#define STORE_LOG_GRANTS_H

#include "store/format/prune.h"
#include "store/os/os.h"

enum {
	GRANTS_MAX = 999999,     /* the highest number */
	GRANTS_LISTS_MAX = 1000, /* of a volume (PROTOCOL.md §10) */
};

struct grants {
	struct prune_list *lists;
	size_t n;
};

/*
 * All lists of DIR/prunes that the owner of this volume has signed. A file that is no such list grants
 * nothing. No folder is no list. -ENOMEM, or what the disk says.
 */
MUST_USE int grants_load(const struct os *os, const char *dir, const uint8_t volume_id[VOLUME_ID_BYTES],
			 struct grants *ret, struct hf_error *err);
void grants_release(struct grants *g);

/* The list that names these bytes; NULL: none does. */
const struct prune_list *grants_find(const struct grants *g, uint32_t segment, uint32_t offset, uint32_t len);
bool grants_cover(const struct grants *g, uint32_t segment, uint32_t offset, uint32_t len);

/* DIR/prunes/NNNNNN.ENDING into out, terminated; NULL: no memory. The number in such a name. */
const char *grants_path(const char *dir, uint32_t number, const char *ending, struct buf *out);
bool grants_file_number(const char *name, const char *ending, uint32_t *ret);
/* Numbers of the lists there are, rising, malloc'ed; however many files stand there. */
MUST_USE int grants_numbers(const struct os *os, const char *dir, uint32_t **ret, size_t *ret_n,
			    struct hf_error *err);

#endif
