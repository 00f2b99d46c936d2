/* SPDX-License-Identifier: MIT */
/*
 * What the files of `posix DIR` share. A check is called in an empty folder of its own. It returns NULL when
 * all was as promised; what failed, by way of CHECK or FAILS; or "SKIP why".
 */
#ifndef TESTS_SYSTEM_POSIX_H
#define TESTS_SYSTEM_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct check {
	const char *name;
	const char *(*fn)(void);
};

/* One list a file, each ended by a name of NULL. */
extern const struct check checks_names[], checks_rename[], checks_listing[], checks_data[], checks_map[],
	checks_space[], checks_times[], checks_xattr[], checks_rights[], checks_setuid[], checks_acl[],
	checks_locks[], checks_races[], checks_handles[];

const char *failed(const char *file, int line, const char *what, int error);

#define CHECK(cond)                                                      \
	do {                                                             \
		errno = 0;                                               \
		if (!(cond))                                             \
			return failed(__FILE__, __LINE__, #cond, errno); \
	} while (0)
#define FAILS(error, call) CHECK((call) < 0 && errno == (error))
#define SKIP(reason) return "SKIP " reason
/* What another check or process said goes on. */
#define PASS_ON(call)                        \
	do {                                 \
		const char *words_ = (call); \
		if (words_)                  \
			return words_;       \
	} while (0)

#define SOMEBODY 65534

/* Make a file holding text; never in the place of another. make: it stays open, for reading and writing. */
int make(const char *name, const char *text, mode_t mode);
bool made(const char *name, const char *text, mode_t mode);
bool holds(const char *name, const char *text);
struct stat stat_of(const char *name); /* of the link itself; all zero when there is nothing */
mode_t mode_of(const char *name);      /* 07777 of it */

/* Run fn in another process, or as somebody else there (root is needed): what it says, or NULL. */
const char *in_child(const char *(*fn)(void));
const char *as_user(uid_t uid, gid_t gid, size_t n, const gid_t *groups, const char *(*fn)(void));
const char *as_somebody(const char *(*fn)(void));

/* A program that can be run, copied from the system: what it does with its arguments is `cat`'s. */
bool copy_cat(const char *name);

void pause_ms(unsigned ms);

#endif
