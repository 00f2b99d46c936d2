/* SPDX-License-Identifier: MIT */
/*
 * Small files of a store that say when something was last done, for a person to be reminded (layer 4;
 * FORMAT.md §2). They prove nothing. Thread-safe; written durably, and whole.
 */
#ifndef STORE_VOLUME_NOTE_H
#define STORE_VOLUME_NOTE_H

#include "store/crypto/crypto.h"
#include "store/os/os.h"

#define NOTE_KIT "kit-check.json"
#define NOTE_HEAD "head-given.json"
#define NOTE_ALARM "alarm-test.json"

struct note {
	uint64_t time_ns;                  /* 0: never */
	char problem[HF_ERROR_TEXT_BYTES]; /* why it went wrong; "": it went well */
};

/* 0, or -ENOMEM and what the system says. */
MUST_USE int note_write(const struct os *os, const char *path, const char *name,
			const uint8_t volume_id[VOLUME_ID_BYTES], const struct note *note);
/* Zeroed when it never was, or the file is not of this volume or not readable. */
void note_read(const struct os *os, const char *path, const char *name,
	       const uint8_t volume_id[VOLUME_ID_BYTES], struct note *ret);

#endif
