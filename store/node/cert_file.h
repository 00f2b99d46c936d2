/* SPDX-License-Identifier: MIT */
/* Where a node keeps the certificates of a volume's epochs (layer 4; PROTOCOL.md §8): names, not contents. */
#ifndef STORE_NODE_CERT_FILE_H
#define STORE_NODE_CERT_FILE_H

#include <stdint.h>

#include "holdfast/error.h"
#include "store/base/buf.h"
#include "store/os/os.h"

enum { CERT_FILE_NAME_BYTES = sizeof("epoch-0000000001.cert") };

/* The path of an epoch's in the volume's folder, with its NUL, into path; see buf_status. */
void cert_file_path(struct buf *path, const char *dir, uint32_t epoch);

/*
 * Names of all in the folder, CERT_FILE_NAME_BYTES each with its NUL, one behind the other, in no order. What
 * is named otherwise is not one. 0, or a failure with err set.
 */
MUST_USE int cert_file_list(const struct os *os, const char *dir, struct buf *ret_names,
			    struct hf_error *err);

#endif
