/* SPDX-License-Identifier: MIT */
#include "store/node/gate.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/base/journal.h"

enum { ADDRESS_BYTES = 16, LOOK_EVERY_S = 1, TELL_EVERY_S = 60 };

static const uint64_t second_ns = UINT64_C(1000000000);
static const uint8_t mapped_ipv4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255 };

struct guest {
	struct guest *next; /* all of it under the gate's lock */
	int fd;
	uint8_t address[ADDRESS_BYTES]; /* IPv6: 64 bits, zeros; IPv4: mapped */
	enum gate_stage stage;
	uint64_t since_ns, deadline_ns; /* monotonic; 0: none */
	bool cut;                       /* shut down, and about to leave */
	const void *volume;             /* whose writer or owner it is known by; NULL: unknown */
	bool is_owner;
	bool proved; /* the request at hand, by that key */
	size_t body_bytes;
};

struct gate {
	const struct os *os;
	pthread_t thread;
	pthread_mutex_t lock; /* for all that follows */
	pthread_cond_t changed;
	bool stop;
	struct guest *guests;                /* the newest first */
	uint64_t told_ns;                    /* monotonic */
	unsigned slow, crowded, turned_away; /* since then */
	struct gate_stats all;               /* but for those here now */
};

static uint64_t mono_ns(const struct gate *g)
{
	return g->os->monotonic_ns(g->os->state);
}

/* --- addresses */

static void read_address(const struct sockaddr *a, uint8_t out[ADDRESS_BYTES])
{
	memset(out, 0, ADDRESS_BYTES);
	if (a->sa_family == AF_INET) {
		memcpy(out, mapped_ipv4, sizeof(mapped_ipv4));
		memcpy(out + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	} else if (a->sa_family == AF_INET6) {
		const uint8_t *ip = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;

		memcpy(out, ip, memcmp(ip, mapped_ipv4, sizeof(mapped_ipv4)) == 0 ? ADDRESS_BYTES : 8);
	}
}

static bool same_address(const struct guest *a, const struct guest *b)
{
	return memcmp(a->address, b->address, ADDRESS_BYTES) == 0;
}

/* Those that are not cut off yet. Requires g->lock, as all that follows up to gate_enter. */
static unsigned count_address(const struct gate *g, const struct guest *like)
{
	unsigned n = 0;

	for (const struct guest *x = g->guests; x; x = x->next)
		n += !x->cut && same_address(x, like);
	return n;
}

static unsigned count_all(const struct gate *g)
{
	unsigned n = 0;

	for (const struct guest *x = g->guests; x; x = x->next)
		n += !x->cut;
	return n;
}

/* --- cutting off */

static void cut(struct guest *guest)
{
	guest->cut = true;
	(void)shutdown(guest->fd, SHUT_RDWR); /* its own thread wakes, and lets go of it */
}

static bool is_untold(const struct gate *g)
{
	return g->slow + g->crowded + g->turned_away > 0;
}

/*
 * A flood must not become one of the log. What is not told now is at a later look. Without g->lock: whoever
 * takes the line may take his time over it, and nobody at the door shall wait for that.
 */
static void tell(struct gate *g, uint64_t now_ns)
{
	unsigned slow, crowded, turned_away;
	bool due;

	(void)pthread_mutex_lock(&g->lock);
	due = is_untold(g) && (g->told_ns == 0 || now_ns >= g->told_ns + TELL_EVERY_S * second_ns);
	slow = g->slow;
	crowded = g->crowded;
	turned_away = g->turned_away;
	if (due) {
		g->told_ns = now_ns;
		g->slow = g->crowded = g->turned_away = 0;
	}
	(void)pthread_mutex_unlock(&g->lock);
	if (due)
		journal_line(LOG_WARNING,
			     "connections cut off: %u for being too slow, %u unknown or idle ones to let "
			     "others in; %u turned away",
			     slow, crowded, turned_away);
}

/* Is a the better one to cut off? crowd: how many their addresses have. */
static bool goes_first(const struct guest *a, unsigned a_crowd, const struct guest *b, unsigned b_crowd)
{
	if (!a->volume != !b->volume)
		return !a->volume;
	if (a_crowd != b_crowd)
		return a_crowd > b_crowd;
	return a->since_ns <= b->since_ns;
}

/* Who goes, so that the newcomer can come in. of_address: among its neighbours. NULL: nobody. */
static struct guest *choose(const struct gate *g, const struct guest *newcomer, bool of_address)
{
	struct guest *best = NULL;
	unsigned best_crowd = 0;

	for (struct guest *x = g->guests; x; x = x->next) {
		unsigned crowd;

		if (x == newcomer || x->cut || x->proved || (of_address && !same_address(x, newcomer)))
			continue;
		crowd = of_address ? 0 : count_address(g, x);
		if (best && !goes_first(x, crowd, best, best_crowd))
			continue;
		best = x;
		best_crowd = crowd;
	}
	return best;
}

static void make_room(struct gate *g, struct guest *newcomer, bool of_address)
{
	struct guest *goes = choose(g, newcomer, of_address);

	if (goes) {
		g->crowded++;
		g->all.crowded++;
	} else {
		g->turned_away++;
		g->all.turned_away++;
	}
	cut(goes ? goes : newcomer);
}

/* --- guests */

static void set_deadline(struct gate *g, struct guest *guest, uint64_t seconds)
{
	guest->since_ns = mono_ns(g);
	guest->deadline_ns = seconds ? guest->since_ns + seconds * second_ns : 0;
}

struct guest *gate_enter(struct gate *g, int fd, const struct sockaddr *address)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest) {
		(void)shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	guest->fd = fd;
	guest->stage = GATE_HEADERS;
	read_address(address, guest->address);
	(void)pthread_mutex_lock(&g->lock);
	set_deadline(g, guest, GATE_HEADERS_S);
	if (!g->guests)
		(void)pthread_cond_broadcast(&g->changed); /* its thread looks while there is someone */
	guest->next = g->guests;
	g->guests = guest;
	g->all.entered++;
	if (count_address(g, guest) > GATE_OF_ADDRESS_MAX)
		make_room(g, guest, true);
	if (!guest->cut && count_all(g) > GATE_GUESTS_MAX)
		make_room(g, guest, false);
	(void)pthread_mutex_unlock(&g->lock);
	tell(g, mono_ns(g));
	return guest;
}

void gate_leave(struct gate *g, struct guest *guest)
{
	struct guest **at = &g->guests;

	if (!guest)
		return;
	(void)pthread_mutex_lock(&g->lock);
	while (*at != guest)
		at = &(*at)->next;
	*at = guest->next;
	(void)pthread_mutex_unlock(&g->lock);
	free(guest);
}

void gate_go(struct gate *g, struct guest *guest, enum gate_stage stage, uint64_t bytes)
{
	bool was_idle;

	if (!guest)
		return;
	(void)pthread_mutex_lock(&g->lock);
	was_idle = guest->stage == GATE_IDLE;
	guest->stage = stage;
	switch (stage) {
	case GATE_HEADERS: /* of a new connection they count from its beginning */
		if (was_idle)
			set_deadline(g, guest, GATE_HEADERS_S);
		break;
	case GATE_BODY:
	case GATE_ANSWER:
		set_deadline(g, guest, GATE_TRANSFER_S + bytes / GATE_BYTES_PER_S);
		break;
	case GATE_WORK:
		set_deadline(g, guest, 0);
		break;
	case GATE_IDLE:
		set_deadline(g, guest, GATE_IDLE_S);
		guest->proved = false;
		guest->body_bytes = 0;
	}
	(void)pthread_mutex_unlock(&g->lock);
}

bool gate_know(struct gate *g, struct guest *guest, const void *volume, bool is_owner)
{
	unsigned proved = 0, resting = 0;
	struct guest *oldest = NULL;
	bool may;

	if (!guest)
		return true;
	(void)pthread_mutex_lock(&g->lock);
	for (struct guest *x = g->guests; x; x = x->next) {
		if (x->cut || x == guest || x->volume != volume || x->is_owner != is_owner)
			continue;
		proved += x->proved;
		resting += !x->proved;
		if (!x->proved && (!oldest || x->since_ns <= oldest->since_ns))
			oldest = x;
	}
	may = proved < GATE_OF_KEY_MAX;
	if (may && oldest && proved + resting >= GATE_OF_KEY_MAX)
		oldest->volume = NULL;
	guest->volume = may ? volume : NULL;
	guest->is_owner = is_owner;
	guest->proved = may;
	(void)pthread_mutex_unlock(&g->lock);
	return may;
}

void gate_begin_epoch(struct gate *g, const struct guest *except, const void *volume)
{
	uint64_t soon_ns = mono_ns(g) + GATE_TRANSFER_S * second_ns;

	(void)pthread_mutex_lock(&g->lock);
	for (struct guest *x = g->guests; x; x = x->next) {
		if (x == except || x->cut || x->volume != volume || x->is_owner)
			continue;
		x->volume = NULL;
		x->proved = false;
		if (x->stage != GATE_BODY && x->stage != GATE_WORK)
			cut(x);
		else if (x->deadline_ns > soon_ns)
			x->deadline_ns = soon_ns;
	}
	(void)pthread_mutex_unlock(&g->lock);
}

bool gate_reserve(struct gate *g, struct guest *guest, const void *volume, size_t bytes)
{
	size_t of_volume = 0, of_all = 0;
	bool larger = false, fits;

	if (!guest)
		return false;
	if (bytes <= GATE_SMALL_BODY_BYTES)
		return true;
	(void)pthread_mutex_lock(&g->lock);
	for (const struct guest *x = g->guests; x; x = x->next) {
		if (volume && x->volume == volume)
			of_volume += x->body_bytes;
		if (x->body_bytes > GATE_VOLUME_BODY_BYTES)
			larger = true;
		else
			of_all += x->body_bytes;
	}
	if (bytes > GATE_VOLUME_BODY_BYTES)
		fits = !larger && of_volume == 0;
	else
		fits = of_volume + bytes <= GATE_VOLUME_BODY_BYTES && of_all + bytes <= GATE_BODY_BYTES;
	if (fits)
		guest->body_bytes = bytes;
	(void)pthread_mutex_unlock(&g->lock);
	return fits;
}

/* --- time */

/* Requires g->lock. */
static unsigned look(struct gate *g, uint64_t now_ns)
{
	unsigned n = 0;

	for (struct guest *x = g->guests; x; x = x->next) {
		if (x->cut || x->deadline_ns == 0 || now_ns < x->deadline_ns)
			continue;
		cut(x);
		if (x->stage != GATE_IDLE) { /* an idle one did no harm */
			g->slow++;
			g->all.slow++;
		}
		n++;
	}
	return n;
}

unsigned gate_look(struct gate *g, uint64_t now_ns)
{
	unsigned n;

	(void)pthread_mutex_lock(&g->lock);
	n = look(g, now_ns);
	(void)pthread_mutex_unlock(&g->lock);
	tell(g, now_ns);
	return n;
}

void gate_stats(struct gate *g, struct gate_stats *ret)
{
	(void)pthread_mutex_lock(&g->lock);
	*ret = g->all;
	ret->here = count_all(g);
	(void)pthread_mutex_unlock(&g->lock);
}

/* Requires g->lock. */
static void rest(struct gate *g)
{
	struct timespec until;

	if (!g->guests && !is_untold(g)) {
		(void)pthread_cond_wait(&g->changed, &g->lock);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += LOOK_EVERY_S;
	(void)pthread_cond_timedwait(&g->changed, &g->lock, &until);
}

static void *run(void *arg)
{
	struct gate *g = arg;

	(void)pthread_mutex_lock(&g->lock);
	while (!g->stop) {
		(void)look(g, mono_ns(g));
		(void)pthread_mutex_unlock(&g->lock);
		tell(g, mono_ns(g));
		(void)pthread_mutex_lock(&g->lock);
		if (!g->stop)
			rest(g);
	}
	(void)pthread_mutex_unlock(&g->lock);
	return NULL;
}

int gate_start(const struct os *os, struct gate **ret, struct hf_error *err)
{
	struct gate *g = calloc(1, sizeof(*g));
	pthread_condattr_t attr;
	int r;

	if (!g)
		return hf_error_set(err, -ENOMEM, "no memory");
	g->os = os;
	(void)pthread_mutex_init(&g->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&g->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	r = -pthread_create(&g->thread, NULL, run, g);
	if (r < 0) {
		free(g);
		return hf_error_set(err, r, "no thread to watch over connections: %s", strerror(-r));
	}
	*ret = g;
	return 0;
}

void gate_stop(struct gate *g)
{
	if (!g)
		return;
	(void)pthread_mutex_lock(&g->lock);
	g->stop = true;
	(void)pthread_cond_broadcast(&g->changed);
	(void)pthread_mutex_unlock(&g->lock);
	(void)pthread_join(g->thread, NULL);
	(void)pthread_cond_destroy(&g->changed);
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}
