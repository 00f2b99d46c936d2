/* SPDX-License-Identifier: MIT */
#ifndef FS_CLI_QR_H
#define FS_CLI_QR_H

#include "holdfast/error.h"

/* A line of text as a QR code of block characters on stdout, dark on light. Nothing when it cannot be. */
void qr_print(const char *text);

/*
 * The same as a picture (SVG, 60 mm wide), to print. A new file with mode 0600, never over another; durable
 * when 0 is returned.
 */
int qr_write(const char *text, const char *path, struct hf_error *err);

#endif
