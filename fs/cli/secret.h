/* SPDX-License-Identifier: MIT */
/*
 * A passphrase or a key file in memory (layer 6): in a page of its own that is not swapped out, is in no core
 * dump, and is wiped when it is released. The page is shared with a process that is forked meanwhile: who
 * wipes it, wipes it for both.
 */
#ifndef FS_CLI_SECRET_H
#define FS_CLI_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "holdfast/error.h"

struct secret {
	char *text; /* not terminated; NULL: there is none */
	size_t len;
};

#define SECRET_BYTES_MAX 1024
#define SECRET_INIT     \
	{               \
		NULL, 0 \
	}

void secret_release(struct secret *s); /* fine when there is none */

int secret_copy(const struct secret *s, struct secret *ret, struct hf_error *err);

/* Lock its page in this process too: a lock does not outlive a fork. */
void secret_lock(const struct secret *s);

/*
 * One line from a descriptor, up to its newline or the end, byte by byte: the next line is left for whoever
 * reads it next. 1 to SECRET_BYTES_MAX bytes. -EINVAL: none, or more; or what read(2) says. `what` is for
 * words ("passphrase").
 */
int secret_read_line(int fd, const char *what, struct secret *ret, struct hf_error *err);
/* All there is, up to SECRET_BYTES_MAX bytes. */
int secret_read_all(int fd, const char *what, struct secret *ret, struct hf_error *err);

/* Ask on the controlling terminal, not echoed. -ENOTTY: there is none. -ECANCELED. */
int secret_ask(const char *prompt, struct secret *ret, struct hf_error *err);

#endif
