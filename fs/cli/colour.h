/* SPDX-License-Identifier: MIT */
/*
 * Colours for what people read (layer 6): only where the stream is a terminal that knows them, and never with
 * a NO_COLOR that is not empty, nor with TERM=dumb or none. Everything printed must say the same without.
 */
#ifndef FS_CLI_COLOUR_H
#define FS_CLI_COLOUR_H

#include <stdio.h>

enum colour {
	COLOUR_NONE, /* back to ordinary */
	COLOUR_STRONG,
	COLOUR_FAINT,
	COLOUR_BAD,       /* removed, damaged: red */
	COLOUR_GOOD,      /* added, fine: green */
	COLOUR_ATTENTION, /* changed, behind: yellow */
	COLOUR_NAME,      /* moments, tags: cyan */
};

/* What to print to the stream for the colour: a borrowed constant, "" where there are none. */
const char *colour(FILE *to, enum colour c);

#endif
