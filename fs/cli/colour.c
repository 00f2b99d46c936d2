/* SPDX-License-Identifier: MIT */
#include "fs/cli/colour.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool wanted(FILE *to)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && *term && strcmp(term, "dumb") != 0 && isatty(fileno(to));
}

const char *colour(FILE *to, enum colour c)
{
	static const char *const sequences[] = {
		[COLOUR_NONE] = "\033[0m",  [COLOUR_STRONG] = "\033[1m", [COLOUR_FAINT] = "\033[2m",
		[COLOUR_BAD] = "\033[31m",  [COLOUR_GOOD] = "\033[32m",  [COLOUR_ATTENTION] = "\033[33m",
		[COLOUR_NAME] = "\033[36m",
	};

	return wanted(to) ? sequences[c] : "";
}
