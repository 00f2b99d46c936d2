/* SPDX-License-Identifier: MIT */
#include "fs/cli/qr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <qrencode.h>

#define MARGIN 4 /* modules of light around, as the standard asks */

static bool is_dark(const QRcode *code, int x, int y)
{
	return x >= 0 && y >= 0 && x < code->width && y < code->width &&
	       (code->data[y * code->width + x] & 1);
}

static void wipe(QRcode *code)
{
	if (!code)
		return;
	explicit_bzero(code->data, (size_t)code->width * (size_t)code->width);
	QRcode_free(code);
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
	wipe(code);
}

/* One path, a square a dark module. */
static void draw(const QRcode *code, FILE *f)
{
	int side = code->width + 2 * MARGIN;

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"60mm\" height=\"60mm\" viewBox=\"0 0 %d "
		"%d\" "
		"shape-rendering=\"crispEdges\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n<path "
		"d=\"",
		side, side, side, side);
	for (int y = 0; y < code->width; y++)
		for (int x = 0; x < code->width; x++)
			if (is_dark(code, x, y))
				fprintf(f, "M%d %dh1v1h-1z", x + MARGIN, y + MARGIN);
	fputs("\"/>\n</svg>\n", f);
}

int qr_write(const char *text, const char *path, struct hf_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), r;
	QRcode *code;
	FILE *f;

	if (fd < 0 && errno == EEXIST)
		return hf_error_set(err, -EEXIST,
				    "%s exists: a recovery kit is never written over another file", path);
	if (fd < 0)
		return hf_error_set(err, -errno, "cannot make %s: %s", path, strerror(errno));
	code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);
	f = code ? fdopen(fd, "w") : NULL;
	if (f) {
		(void)setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret is left in a buffer */
		draw(code, f);
		r = ferror(f) || fsync(fd) < 0 ? -EIO : 0;
		if (fclose(f) != 0)
			r = -EIO;
	} else {
		(void)close(fd);
		r = -ENOMEM;
	}
	wipe(code);
	if (r == 0)
		return 0;
	(void)unlink(path);
	return hf_error_set(err, r, "cannot write %s: %s", path, strerror(-r));
}
