/* SPDX-License-Identifier: MIT */
/* Words for a moment that is not there: which are, next to it. */
#include <errno.h>
#include <string.h>

#include "store/tree/tree.h"
#include "store/volume/volume.h"

struct search {
	const char *wanted;
	char name[TAG_BYTES_MAX + 1];
	size_t distance; /* of name */
	size_t tags;
};

/* How many characters to add, take away or change to make one name of the other (Levenshtein). */
static size_t distance_of(const char *a, const char *b)
{
	const size_t b_len = strlen(b);
	size_t row[TAG_BYTES_MAX + 1], diagonal, above;

	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t least = diagonal + (a[i - 1] != b[j - 1]);

			above = row[j];
			least = above + 1 < least ? above + 1 : least;
			row[j] = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
			diagonal = above;
		}
	}
	return row[b_len];
}

static int look_at(void *arg, const char *name, uint64_t tid)
{
	struct search *search = arg;
	size_t distance = distance_of(search->wanted, name);

	(void)tid;
	if (search->tags++ == 0 || distance < search->distance) {
		search->distance = distance;
		(void)strcpy(search->name, name);
	}
	return 0;
}

#define OTHER_FORMS                                                                                          \
	". Moments are also 2026-11-21T101530Z, a date or a part of one, 10m, 2h or 3d (ago), now, tid-42, " \
	"@1795256130"

int nearest_tag(struct hf_store *s, const char *wanted, struct hf_error *err)
{
	struct search search = { .wanted = wanted };

	if (!err)
		return -ENOENT;
	if (strlen(wanted) > TAG_BYTES_MAX || tree_tags(s->index, look_at, &search, NULL) < 0)
		return hf_error_set(err, -ENOENT, "there is no tag %s" OTHER_FORMS, wanted);
	if (search.tags == 0)
		return hf_error_set(
			err, -ENOENT,
			"there is no tag %s, nor any other: holdfast snapshot makes one" OTHER_FORMS, wanted);
	return hf_error_set(err, -ENOENT, "there is no tag %s: the nearest of %zu is %s" OTHER_FORMS, wanted,
			    search.tags, search.name);
}
