/* SPDX-License-Identifier: MIT */
#include "fs/cli/qr.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <qrencode.h>

#define MARGIN 4 /* modules of light around, as the standard asks */

static bool is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1);
}

/* Two modules a character, one above the other; light is drawn, so that it reads on a dark terminal too. */
void qr_print(const char *text)
{
	static const char *const blocks[4] = { "\xe2\x96\x88", "\xe2\x96\x80", "\xe2\x96\x84", " " };
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

	if (!code)
		return;
	for (int y = -MARGIN; y < code->width + MARGIN; y += 2) {
		fputs("\033[97;40m", stdout);
		for (int x = -MARGIN; x < code->width + MARGIN; x++)
			fputs(blocks[is_dark(code, x, y) * 2 + is_dark(code, x, y + 1)], stdout);
		fputs("\033[0m\n", stdout);
	}
	memset(code->data, 0, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
}
