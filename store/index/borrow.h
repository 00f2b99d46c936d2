/* SPDX-License-Identifier: MIT */
/*
 * An index that is brought on without a change to the one on disk: for a store whose disk takes no writes. It
 * is a folder of its own below $TMPDIR, /var/tmp, /tmp or /dev/shm, the first of them that will do, that
 * leads to the other's tables, which RocksDB never changes, and has a copy of the small files beside them.
 * What comes to it is gone when it is given back, or, when the process has died, when the next is borrowed or
 * a store is opened to be written.
 */
#ifndef STORE_INDEX_BORROW_H
#define STORE_INDEX_BORROW_H

#include "holdfast/error.h"
#include "store/format/format.h"

struct index_borrowed {
	char *dir; /* for index_open */
	int fd;    /* of it, locked while it is used */
};

/*
 * Of the index in `from`; of none, NULL or when there is nothing: then it is empty. -EIO and the like of the
 * index itself, whose words name its file; -ELOOP: it is a symbolic link; else no folder will do.
 */
MUST_USE int index_borrow(const char *from, struct index_borrowed **ret, struct hf_error *err);
/* Those that processes which died left behind, of this user: one look over each folder where they may be. */
void index_borrowed_clear_up(void);
/* Once it is closed. NULL is fine. */
void index_give_back(struct index_borrowed *b);

#endif
