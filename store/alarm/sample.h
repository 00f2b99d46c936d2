/* SPDX-License-Identifier: MIT */
/* What a stretch of a file's bytes looks like (layer 4; docs/ALARMS.md). Pure. */
#ifndef STORE_ALARM_SAMPLE_H
#define STORE_ALARM_SAMPLE_H

#include <stddef.h>

enum {
	SAMPLE_BYTES_MIN = 512,      /* less tells nothing */
	SAMPLE_BYTES_MAX = 16 << 10, /* more tells no more */
};

enum sample_look {
	SAMPLE_SHORT,
	SAMPLE_BLANK,  /* one byte over and over: laid out, and never filled */
	SAMPLE_PLAIN,  /* shrinks by a quarter or more: text, programs, tables */
	SAMPLE_MIXED,  /* in between, or memory ran out */
	SAMPLE_RANDOM, /* shrinks by less than 1/16: compressed already, or encrypted */
};

enum sample_look sample_look(const void *data, size_t len); /* of the first SAMPLE_BYTES_MAX */

#endif
