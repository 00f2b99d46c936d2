/* SPDX-License-Identifier: MIT */
#include "store/alarm/burst.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/alarm/burst_table.h"

enum {
	RING = BURST_BUCKETS * BURST_WINDOWS,
	QUIET_BUCKETS = BURST_BUCKETS / 5, /* so long a pause ends a burst that began before the window */
	TRICKLE_PART = 10,                 /* ten times less than the window has is a trickle */
	SMALL_VOLUME_PART = 4,             /* encrypted: a fourth of a small volume is enough */
	RENAMED_PART = 5,                  /* … and a fifth of the files, when they got one new ending */
	PEAK_HALVES_S = 12 * 3600,
};

static const uint64_t second_ns = UINT64_C(1000000000);

enum happening { REMOVED, REWRITTEN, RENAMED, HAPPENINGS };

struct bucket {
	uint64_t number; /* 0: unused */
	uint32_t count[HAPPENINGS];
	uint32_t pairs, judged, encrypted;
	uint32_t ending, ending_votes; /* the commonest new ending, if one has most */
	uint64_t removed_bytes, cut_bytes;
	struct burst_op first[HAPPENINGS]; /* counted or not; tid 0: none */
};

/* One kind of burst. */
struct state {
	bool active;
	uint64_t told_ns;
	struct burst_op first;
	/* the present peak of a window, and the two largest before it, which halve as time passes */
	uint64_t peak, peaks[2], halved_ns;
};

struct burst {
	uint64_t bucket_ns;
	struct bucket ring[RING];
	struct burst_table names, seen;
	struct burst_pair pairs[BURST_PAIRS_MAX];
	size_t n_pairs;
	struct state states[BURST_KINDS];
};

int burst_new(uint64_t window_ns, struct burst **ret)
{
	struct burst *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->bucket_ns = window_ns / BURST_BUCKETS + 1;
	*ret = b;
	return 0;
}

void burst_free(struct burst *b)
{
	free(b);
}

void burst_set_window(struct burst *b, uint64_t window_ns)
{
	const uint64_t bucket_ns = window_ns / BURST_BUCKETS + 1;

	if (b->bucket_ns == bucket_ns)
		return;
	memset(b, 0, sizeof(*b));
	b->bucket_ns = bucket_ns;
}

/* --- buckets */

static uint64_t number_at(const struct burst *b, uint64_t mono_ns)
{
	return mono_ns / b->bucket_ns + 1;
}

/* NULL: nothing is known of it, or no more. */
static struct bucket *bucket_find(struct burst *b, uint64_t number)
{
	struct bucket *k = &b->ring[number % RING];

	return k->number == number ? k : NULL;
}

static struct bucket *bucket_now(struct burst *b, const struct burst_when *when)
{
	const uint64_t number = number_at(b, when->mono_ns);
	struct bucket *k = &b->ring[number % RING];

	if (k->number != number) {
		memset(k, 0, sizeof(*k));
		k->number = number;
	}
	return k;
}

static struct bucket *note(struct burst *b, const struct burst_when *when, enum happening what, bool counts)
{
	struct bucket *k = bucket_now(b, when);

	if (k->first[what].tid == 0)
		k->first[what] = when->op;
	k->count[what] += counts;
	return k;
}

/* --- what happens */

static void add_pair(struct burst *b, struct bucket *k, const struct burst_pair *pair)
{
	if (pair->len == 0)
		return;
	k->pairs++;
	if (b->n_pairs == BURST_PAIRS_MAX)
		return;
	b->pairs[b->n_pairs] = *pair;
	b->pairs[b->n_pairs++].bucket = k->number;
}

/* Was this file rewritten within the window already? From now on it was. */
static bool seen_before(struct burst *b, uint64_t ino, uint64_t number)
{
	const uint64_t key = burst_key(BURST_KEY_INODE, ino, NULL, 0);
	const struct burst_slot *at = burst_table_find(&b->seen, key, number, BURST_BUCKETS);

	if (at)
		return true;
	burst_table_put(&b->seen, &(struct burst_slot){ .key = key, .bucket = number });
	return false;
}

static void rewritten(struct burst *b, const struct burst_when *when, const struct burst_pair *pair,
		      bool young)
{
	const uint64_t number = number_at(b, when->mono_ns);
	bool before = seen_before(b, pair->old_ino, number);
	struct bucket *k;

	if (pair->new_ino != pair->old_ino)
		before |= seen_before(b, pair->new_ino, number);
	k = note(b, when, REWRITTEN, !before && !young);
	if (!before)
		add_pair(b, k, pair);
}

static struct burst_pair pair_of(const struct burst_when *when, uint64_t old_ino, uint64_t new_ino,
				 uint64_t offset, uint64_t len)
{
	return (struct burst_pair){
		.old_ino = old_ino, .new_ino = new_ino, .offset = offset, .len = len, .tid = when->op.tid
	};
}

void burst_written(struct burst *b, const struct burst_when *when, uint64_t ino, uint64_t offset,
		   uint64_t len, bool young)
{
	const struct burst_pair pair = pair_of(when, ino, ino, offset, len);

	rewritten(b, when, &pair, young);
}

void burst_cut(struct burst *b, const struct burst_when *when, uint64_t ino, uint64_t offset, uint64_t len,
	       bool young)
{
	const struct burst_pair pair = pair_of(when, ino, ino, offset, len);

	/* The end of a file that is cut off says nothing of the rest of it. */
	if (offset == 0)
		rewritten(b, when, &pair, young);
	else
		(void)note(b, when, REWRITTEN, false);
	if (!young)
		bucket_now(b, when)->cut_bytes += len;
}

void burst_replaced(struct burst *b, const struct burst_when *when, uint64_t old_ino, uint64_t size,
		    uint64_t new_ino, bool young)
{
	const struct burst_pair pair = pair_of(when, old_ino, new_ino, 0, size);

	rewritten(b, when, &pair, young);
}

/* How much of a name is left when its ending is taken off; 0: it has none. */
static size_t stem_len(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot > name && dot[1] ? (size_t)(dot - name) : 0;
}

/*
 * x and then x.locked, x.doc and then x.locked: what was made under a name that goes with this one. Taken: it
 * is the other half of one file only.
 */
static bool take_other(struct burst *b, enum burst_key_kind kind, uint64_t parent, const char *name,
		       size_t len, uint64_t number, struct burst_slot *ret)
{
	const struct burst_slot *at;

	if (len == 0)
		return false;
	at = burst_table_find(&b->names, burst_key(kind, parent, name, len), number, BURST_BUCKETS);
	if (!at)
		return false;
	*ret = *at;
	burst_table_drop(&b->names, at);
	return true;
}

void burst_removed(struct burst *b, const struct burst_when *when, uint64_t parent, const char *name,
		   uint64_t ino, uint64_t size, bool young)
{
	const size_t len = strlen(name), stem = stem_len(name);
	struct bucket *k = note(b, when, REMOVED, !young);
	struct burst_slot slot = {
		.ino = ino, .size = size, .op = when->op, .bucket = k->number, .young = young
	};
	struct burst_pair pair;
	struct burst_slot made;

	if (!young)
		k->removed_bytes += size;
	slot.key = burst_key(BURST_KEY_REMOVED, parent, name, len);
	burst_table_put(&b->names, &slot);
	if (take_other(b, BURST_KEY_MADE, parent, name, len, k->number, &made) ||
	    take_other(b, BURST_KEY_MADE, parent, name, stem, k->number, &made)) {
		pair = pair_of(when, ino, made.ino, 0, size);
		if (made.ino != ino)
			add_pair(b, k, &pair);
	} else if (stem) {
		slot.key = burst_key(BURST_KEY_REMOVED_STEM, parent, name, stem);
		burst_table_put(&b->names, &slot);
	}
}

/* It is there again: it was no deletion, but the first half of a rewriting. */
static void take_back(struct burst *b, const struct burst_slot *removed)
{
	struct bucket *k = bucket_find(b, removed->bucket);

	if (!k)
		return;
	if (k->first[REWRITTEN].tid == 0 || removed->op.tid < k->first[REWRITTEN].tid)
		k->first[REWRITTEN] = removed->op;
	if (removed->young)
		return;
	k->count[REMOVED]--;
	k->removed_bytes -= removed->size;
}

void burst_made(struct burst *b, const struct burst_when *when, uint64_t parent, const char *name,
		uint64_t ino)
{
	const size_t stem = stem_len(name);
	const uint64_t number = number_at(b, when->mono_ns);
	struct burst_slot removed;
	struct burst_pair pair;

	if (take_other(b, BURST_KEY_REMOVED, parent, name, strlen(name), number, &removed)) {
		take_back(b, &removed);
		pair = pair_of(when, removed.ino, ino, 0, removed.size);
		pair.tid = removed.op.tid;
		if (removed.ino != ino)
			rewritten(b, when, &pair, removed.young);
	} else if (take_other(b, BURST_KEY_REMOVED, parent, name, stem, number, &removed) ||
		   take_other(b, BURST_KEY_REMOVED_STEM, parent, name, stem, number, &removed)) {
		pair = pair_of(when, removed.ino, ino, 0, removed.size);
		pair.tid = removed.op.tid;
		if (removed.ino != ino)
			add_pair(b, bucket_now(b, when), &pair);
	}
	if (stem)
		burst_table_put(&b->names, &(struct burst_slot){
						   .key = burst_key(BURST_KEY_MADE, parent, name, stem),
						   .ino = ino,
						   .bucket = number,
					   });
}

/* Does the second name go with the first, but for a new ending? */
static bool new_ending(const char *from, const char *to)
{
	const size_t len = strlen(from), stem = stem_len(to), old_stem = stem_len(from);

	if (stem == 0)
		return false;
	if (strncmp(from, to, len) == 0 && to[len] == '.')
		return true;
	return old_stem == stem && strncmp(from, to, stem) == 0 && strcmp(from + stem, to + stem) != 0;
}

void burst_renamed(struct burst *b, const struct burst_when *when, const char *from, const char *to)
{
	struct bucket *k;
	const char *dot;
	uint32_t ending;

	if (!new_ending(from, to))
		return;
	dot = strrchr(to, '.');
	ending = (uint32_t)burst_key(BURST_KEY_ENDING, 0, dot, strlen(dot)) | 1;
	k = note(b, when, RENAMED, true);
	if (k->ending_votes == 0)
		k->ending = ending;
	if (k->ending == ending)
		k->ending_votes++;
	else
		k->ending_votes--;
}

/* --- looking at pairs */

size_t burst_take(struct burst *b, struct burst_pair *ret, size_t max)
{
	const size_t n = b->n_pairs < max ? b->n_pairs : max;

	memcpy(ret, b->pairs, n * sizeof(*ret));
	b->n_pairs -= n;
	memmove(b->pairs, b->pairs + n, b->n_pairs * sizeof(*ret));
	return n;
}

void burst_judged(struct burst *b, const struct burst_pair *pair, enum burst_outcome outcome)
{
	struct bucket *k = bucket_find(b, pair->bucket);

	if (!k)
		return;
	k->judged++;
	k->encrypted += outcome == BURST_ENCRYPTED;
}

void burst_again(struct burst *b, const struct burst_pair *pair)
{
	if (b->n_pairs < BURST_PAIRS_MAX)
		b->pairs[b->n_pairs++] = *pair;
}

/* --- judging */

struct sums {
	uint64_t count[HAPPENINGS];
	uint64_t pairs, judged, encrypted, removed_bytes, cut_bytes;
};

static void sum_up(struct burst *b, uint64_t now, struct sums *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (uint64_t i = 0; i < BURST_BUCKETS && i < now; i++) {
		const struct bucket *k = bucket_find(b, now - i);

		if (!k)
			continue;
		for (unsigned h = 0; h < HAPPENINGS; h++)
			ret->count[h] += k->count[h];
		ret->pairs += k->pairs;
		ret->judged += k->judged;
		ret->encrypted += k->encrypted;
		ret->removed_bytes += k->removed_bytes;
		ret->cut_bytes += k->cut_bytes;
	}
}

/* How many files got the ending that most of them got. */
static uint64_t one_ending(struct burst *b, uint64_t now)
{
	uint64_t most = 0;

	for (uint64_t i = 0; i < BURST_BUCKETS && i < now; i++) {
		const struct bucket *k = bucket_find(b, now - i);
		uint64_t votes = 0;

		for (uint64_t j = 0; k && k->ending_votes > 0 && j < BURST_BUCKETS && j < now; j++) {
			const struct bucket *other = bucket_find(b, now - j);

			votes += other && other->ending == k->ending ? other->ending_votes : 0;
		}
		most = votes > most ? votes : most;
	}
	return most;
}

/* What happenings a kind of burst is made of. */
static bool is_of(enum burst_kind kind, enum happening h)
{
	switch (kind) {
	case BURST_DELETION:
		return h == REMOVED;
	case BURST_OVERWRITE:
		return h == REWRITTEN;
	default:
		return true;
	}
}

static uint64_t count_of(const struct bucket *k, enum burst_kind kind)
{
	uint64_t n = 0;

	for (unsigned h = 0; k && h < HAPPENINGS; h++)
		n += is_of(kind, h) ? k->count[h] : 0;
	return n;
}

/* The first operation of that kind in a bucket, into *ret if it came before that. */
static bool first_of(const struct bucket *k, enum burst_kind kind, struct burst_op *ret)
{
	bool any = false;

	for (unsigned h = 0; k && h < HAPPENINGS; h++) {
		if (!is_of(kind, h) || k->first[h].tid == 0)
			continue;
		any = true;
		if (ret->tid == 0 || k->first[h].tid < ret->tid)
			*ret = k->first[h];
	}
	return any;
}

/*
 * The first operation of a burst: of all that happened within the window, whether it counted or not; of what
 * was seen encrypted before it; and of what came before that without a pause, as long as it was no mere
 * trickle. One bucket more, for a burst begins somewhere in the middle of one.
 */
static struct burst_op find_first(struct burst *b, enum burst_kind kind, uint64_t now, uint64_t total)
{
	struct burst_op first = { 0, 0, 0 };
	unsigned quiet = 0;
	bool adjacent = true; /* the bucket before this one belongs to the burst */

	for (uint64_t i = 0; i < RING && i < now; i++) {
		const struct bucket *k = bucket_find(b, now - i);
		bool belongs = i < BURST_BUCKETS ||
			       (quiet <= QUIET_BUCKETS &&
				count_of(k, kind) * TRICKLE_PART * BURST_BUCKETS >= total &&
				count_of(k, kind) > 0) ||
			       (kind == BURST_ENCRYPTION && k && k->encrypted > 0);

		if (belongs || adjacent)
			(void)first_of(k, kind, &first);
		quiet = belongs ? 0 : quiet + 1;
		adjacent = belongs;
	}
	return first;
}

static unsigned percent_of(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (unsigned)((double)part * 100 / (double)whole);
}

/* What this volume has seen twice in the last day or so is usual. */
static uint64_t usual(struct state *s, uint64_t n, uint64_t mono_ns)
{
	if (s->halved_ns == 0 || mono_ns < s->halved_ns)
		s->halved_ns = mono_ns;
	for (; mono_ns - s->halved_ns >= PEAK_HALVES_S * second_ns;
	     s->halved_ns += PEAK_HALVES_S * second_ns) {
		s->peaks[0] /= 2;
		s->peaks[1] /= 2;
	}
	if (n > s->peak)
		s->peak = n;
	if (s->peak > 0 && n < s->peak / 4 && !s->active) { /* it is over */
		uint64_t done = s->peak;

		s->peak = 0;
		if (done > s->peaks[0]) {
			s->peaks[1] = s->peaks[0];
			s->peaks[0] = done;
		} else if (done > s->peaks[1]) {
			s->peaks[1] = done;
		}
	}
	return s->peaks[1];
}

/* A share of all files, unless that is usual; or a share of all bytes. */
static bool is_mass(struct state *s, const struct burst_limits *limits, unsigned percent, uint64_t mono_ns,
		    uint64_t live_files, uint64_t live_bytes, struct burst_alarm *a)
{
	const unsigned share = percent_of(a->files, live_files + a->files);
	const unsigned share_bytes = percent_of(a->bytes, live_bytes + a->bytes);
	const uint64_t before = usual(s, a->files, mono_ns);

	a->percent = share > share_bytes ? share : share_bytes;
	if (percent == 0)
		return false;
	if (a->bytes >= BURST_MASS_BYTES && share_bytes >= percent)
		return true;
	return a->files >= limits->files && share >= percent &&
	       (a->files >= 2 * before || share >= BURST_MASS_SHARE);
}

static bool is_encryption(const struct burst_limits *limits, const struct sums *sums, uint64_t live_files,
			  struct burst_alarm *a)
{
	const uint64_t enough = live_files / SMALL_VOLUME_PART;
	uint64_t need = limits->encryption_files;

	if (need == 0 || sums->judged == 0)
		return false;
	if (need > BURST_SURE_FILES && enough < need)
		need = enough > BURST_SURE_FILES ? enough : BURST_SURE_FILES;
	if (a->renamed >= need && need / RENAMED_PART >= BURST_SURE_FILES)
		need /= RENAMED_PART;
	a->files = (uint64_t)((double)sums->encrypted * (double)sums->pairs / (double)sums->judged);
	a->percent = percent_of(a->files, live_files);
	return a->files >= need &&
	       sums->encrypted >= (need < BURST_SURE_FILES ? need : (uint64_t)BURST_SURE_FILES);
}

/* What a kind of burst counts, and how little of it ends one. */
static bool is_over(enum burst_kind kind, const struct burst_limits *limits, const struct burst_alarm *a)
{
	const uint64_t limit = kind == BURST_ENCRYPTION ? limits->encryption_files : limits->files;

	return a->files * 10 < limit && a->bytes < BURST_MASS_BYTES / 10;
}

bool burst_judge(struct burst *b, enum burst_kind kind, const struct burst_limits *limits, uint64_t mono_ns,
		 uint64_t live_files, uint64_t live_bytes, struct burst_alarm *ret)
{
	const uint64_t now = number_at(b, mono_ns);
	struct state *s = &b->states[kind];
	struct burst_alarm a = { 0 };
	struct sums sums;
	bool burst;

	sum_up(b, now, &sums);
	if (kind == BURST_ENCRYPTION) {
		a.renamed = one_ending(b, now);
		burst = is_encryption(limits, &sums, live_files, &a);
	} else {
		const bool deletion = kind == BURST_DELETION;

		a.files = sums.count[deletion ? REMOVED : REWRITTEN];
		a.bytes = deletion ? sums.removed_bytes : sums.cut_bytes;
		/* What was overwritten is there still, as a file; what was removed is not. */
		burst = is_mass(s, limits, deletion ? limits->deletion_percent : limits->overwrite_percent,
				mono_ns, deletion || live_files < a.files ? live_files : live_files - a.files,
				live_bytes, &a);
	}
	if (!burst) {
		s->active = s->active && !is_over(kind, limits, &a);
		return false;
	}
	if (s->active && mono_ns - s->told_ns < b->bucket_ns * BURST_BUCKETS)
		return false;
	if (!s->active)
		s->first = find_first(b, kind, now,
				      sums.count[REMOVED] * is_of(kind, REMOVED) +
					      sums.count[REWRITTEN] * is_of(kind, REWRITTEN) +
					      sums.count[RENAMED] * is_of(kind, RENAMED));
	s->active = true;
	s->told_ns = mono_ns;
	a.first = s->first;
	*ret = a;
	return true;
}
