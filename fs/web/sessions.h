/* SPDX-License-Identifier: MIT */
/*
 * Who may ask (between layers 5 and 6). A link is good for one session; a session is good for who shows its
 * cookie:
 *
 *   link     printed for a person, works once and for LINK_SECONDS
 *   place    the first part of every path of the session. Cookies know no ports: by its Path the cookie is
 *            sent to no other server on this machine, which cannot know the place
 *   cookie   HttpOnly, SameSite=Strict
 *   csrf     told to the page alone, and sent by it with whatever changes something
 *
 * Each is 256 random bits, compared in a time that does not depend on them, kept in memory only. Thread-safe.
 */
#ifndef FS_WEB_SESSIONS_H
#define FS_WEB_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SESSIONS_KEY_BYTES = 65, /* hexadecimal, terminated */
	SESSIONS_LINKS_MAX = 4,  /* waiting to be used; a further one ends the oldest */
	SESSIONS_MAX = 8,        /* at once; a further one ends the one used longest ago */
	LINK_SECONDS = 600,
	SESSION_SECONDS = 12 * 3600, /* without a request */
};

struct session {
	char place[SESSIONS_KEY_BYTES], cookie[SESSIONS_KEY_BYTES], csrf[SESSIONS_KEY_BYTES];
};

struct sessions;
struct sessions *sessions_new(void); /* NULL without memory */
void sessions_free(struct sessions *s);

/* now_s is any clock that only rises. 0, or -EIO: no random bytes. */
int sessions_link(struct sessions *s, uint64_t now_s, char ret[SESSIONS_KEY_BYTES]);
/* The link is used up by this. -EACCES: no such link, or its time is over. */
int sessions_open(struct sessions *s, uint64_t now_s, const char *link, struct session *ret);
/* -EACCES: no such session, or another's cookie (either may be NULL). */
int sessions_find(struct sessions *s, uint64_t now_s, const char *place, const char *cookie,
		  struct session *ret);
/* Leave: nothing opens it any more. */
void sessions_end(struct sessions *s, const struct session *session);

/* Are two keys the same? Either may be NULL, which is like nothing. */
bool sessions_same_key(const char *a, const char *b);

#endif
