/* SPDX-License-Identifier: MIT */
#include "store/base/printable.h"

void make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = ' ';
		else if (*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
}
