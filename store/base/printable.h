/* SPDX-License-Identifier: MIT */
#ifndef STORE_BASE_PRINTABLE_H
#define STORE_BASE_PRINTABLE_H

/*
 * Words of somebody who is not trusted, for a terminal and a log: control characters, those of UTF-8 beyond
 * ASCII (U+0080 to U+009F) as well, become blanks. In place; as long as before.
 */
void make_printable(char *text);

#endif
