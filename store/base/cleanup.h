/* SPDX-License-Identifier: MIT */
/*
 * Scoped cleanup (layer 0). `CLEANUP(f) T x = …;` calls f(&x) when x goes out of scope, on every path.
 * f must accept a variable that was initialised and never used.
 */
#ifndef STORE_BASE_CLEANUP_H
#define STORE_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(f) __attribute__((cleanup(f)))
#define MUST_USE __attribute__((warn_unused_result))

/* For `CLEANUP(cleanup_free) char *p`: frees what the pointer points at. */
static inline void cleanup_free(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;

	free(*p);
}

/* For `CLEANUP(cleanup_fd) int fd = -1`: closes it unless negative. */
static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

/* Hand a scoped pointer or descriptor over to somebody else: returns it, and leaves nothing to clean. */
#define TAKE_PTR(p)                         \
	__extension__({                     \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
#define TAKE_FD(fd)                \
	__extension__({            \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#endif
