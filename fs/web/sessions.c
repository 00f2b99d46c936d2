/* SPDX-License-Identifier: MIT */
/* Locking: `lock` protects all of it. */
#include "fs/web/sessions.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_RANDOM_BYTES ((SESSIONS_KEY_BYTES - 1) / 2)

struct sessions {
	pthread_mutex_t lock;
	struct {
		char key[SESSIONS_KEY_BYTES]; /* "": free */
		uint64_t made_s;
	} links[SESSIONS_LINKS_MAX];
	struct {
		struct session session; /* place "": free */
		uint64_t used_s;
	} open[SESSIONS_MAX];
};

static int make_key(char ret[SESSIONS_KEY_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[KEY_RANDOM_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[SESSIONS_KEY_BYTES - 1] = 0;
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

bool sessions_same_key(const char *a, const char *b)
{
	unsigned char differs = 0;

	if (!a || !b || strlen(a) != SESSIONS_KEY_BYTES - 1 || strlen(b) != SESSIONS_KEY_BYTES - 1)
		return false;
	for (size_t i = 0; i < SESSIONS_KEY_BYTES - 1; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return differs == 0;
}

struct sessions *sessions_new(void)
{
	struct sessions *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void sessions_free(struct sessions *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	explicit_bzero(s, sizeof(*s));
	free(s);
}

int sessions_link(struct sessions *s, uint64_t now_s, char ret[SESSIONS_KEY_BYTES])
{
	char key[SESSIONS_KEY_BYTES];
	size_t at = 0;

	if (make_key(key) < 0)
		return -EIO;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 1; i < SESSIONS_LINKS_MAX && s->links[at].key[0]; i++)
		if (!s->links[i].key[0] || s->links[i].made_s < s->links[at].made_s)
			at = i;
	memcpy(s->links[at].key, key, sizeof(key));
	s->links[at].made_s = now_s;
	pthread_mutex_unlock(&s->lock);
	memcpy(ret, key, sizeof(key));
	return 0;
}

/* Use a link up; requires lock. */
static bool take_link(struct sessions *s, uint64_t now_s, const char *link)
{
	bool good = false;

	for (size_t i = 0; i < SESSIONS_LINKS_MAX; i++) {
		if (!sessions_same_key(s->links[i].key, link))
			continue;
		good = now_s - s->links[i].made_s < LINK_SECONDS;
		memset(&s->links[i], 0, sizeof(s->links[i]));
	}
	return good;
}

int sessions_open(struct sessions *s, uint64_t now_s, const char *link, struct session *ret)
{
	struct session made;
	size_t at = 0;
	bool good;

	if (make_key(made.place) < 0 || make_key(made.cookie) < 0 || make_key(made.csrf) < 0)
		return -EIO;
	pthread_mutex_lock(&s->lock);
	good = take_link(s, now_s, link);
	for (size_t i = 1; good && i < SESSIONS_MAX && s->open[at].session.place[0]; i++)
		if (!s->open[i].session.place[0] || s->open[i].used_s < s->open[at].used_s)
			at = i;
	if (good) {
		s->open[at].session = made;
		s->open[at].used_s = now_s;
	}
	pthread_mutex_unlock(&s->lock);
	if (!good)
		return -EACCES;
	*ret = made;
	return 0;
}

int sessions_find(struct sessions *s, uint64_t now_s, const char *place, const char *cookie,
		  struct session *ret)
{
	int r = -EACCES;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		if (!sessions_same_key(s->open[i].session.place, place) ||
		    !sessions_same_key(s->open[i].session.cookie, cookie))
			continue;
		if (now_s - s->open[i].used_s >= SESSION_SECONDS) {
			memset(&s->open[i], 0, sizeof(s->open[i]));
			continue;
		}
		s->open[i].used_s = now_s;
		*ret = s->open[i].session;
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

void sessions_end(struct sessions *s, const struct session *session)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < SESSIONS_MAX; i++)
		if (sessions_same_key(s->open[i].session.place, session->place))
			memset(&s->open[i], 0, sizeof(s->open[i]));
	pthread_mutex_unlock(&s->lock);
}
