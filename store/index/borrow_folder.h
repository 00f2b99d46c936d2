/* SPDX-License-Identifier: MIT */
/*
 * Folders for indexes that are borrowed: where they may be, made, and taken away (internal to store/index,
 * layer 2). Names and sizes stand in them in clear: only places in which no other user can rename what is
 * there will do.
 */
#ifndef STORE_INDEX_BORROW_FOLDER_H
#define STORE_INDEX_BORROW_FOLDER_H

#include "store/index/borrow.h"

/* $TMPDIR, /var/tmp, /tmp, /dev/shm: in this order, whichever will do. */
enum { BORROW_PLACES = 4 };

/*
 * The real path of a place (malloc'ed). -ENOENT without words: there is none by this number, or it was one
 * before it. Else -ENOENT, -EACCES, … with words: it will not do.
 */
MUST_USE int borrow_place(unsigned i, char **ret, struct hf_error *err);

/*
 * A new folder in a place, empty, mode 0700, and locked where the file system has locks. b is as
 * borrow_folder_remove leaves it; on failure that is to be called. -ENOSPC also where there is next to no
 * room.
 */
MUST_USE int borrow_folder_make(const char *place, struct index_borrowed *b);
/* With all that is in it; its path is freed, and it is unlocked. Of none that is nothing. */
void borrow_folder_remove(struct index_borrowed *b);

#endif
