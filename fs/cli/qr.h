/* SPDX-License-Identifier: MIT */
#ifndef FS_CLI_QR_H
#define FS_CLI_QR_H

/* A line of text as a QR code of block characters on stdout, dark on light. Nothing when it cannot be. */
void qr_print(const char *text);

#endif
