/* SPDX-License-Identifier: MIT */
/* Which chunks are in a frame, and which file they were written to, and when (layer 4). */
#ifndef STORE_VOLUME_ROT_NAME_H
#define STORE_VOLUME_ROT_NAME_H

#include "store/volume/volume.h"

/* The chunks of the data frame at pos: 1; 0: the index knows of none there; negative: it cannot be read. */
MUST_USE int rot_chunks(struct hf_store *s, struct log_pos pos, struct chunk_range *ret,
			struct hf_error *err);
/* Those of all frames from `from` on that begin in front of `to`, as rot_chunks. */
MUST_USE int rot_chunks_between(struct hf_store *s, struct log_pos from, struct log_pos to,
				struct chunk_range *ret, struct hf_error *err);

/*
 * "PATH as written at MOMENT (tid-N)" of the first operation that was made of it, if its group's records can
 * be read and the frame is data; and how many others there were, of other files. Else "".
 */
void rot_name(struct hf_store *s, struct log_pos pos, char *out, size_t size);

#endif
