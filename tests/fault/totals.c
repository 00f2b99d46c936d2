/* SPDX-License-Identifier: MIT */
/* What runs have done, added up and told. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/base/buf.h"
#include "store/base/cleanup.h"
#include "tests/fault/fault.h"

static const char begin_mark[] = "<!-- faults: written by the run -->\n";
static const char end_mark[] = "<!-- faults: end -->\n";

void totals_add_sim(struct totals *t, struct sim *sim)
{
	struct sim_counts c;

	sim_counts(sim, &c);
	for (size_t i = 0; i < SIM_CALLS; i++) {
		t->calls += c.calls[i];
		t->failed[i] += c.failed[i];
	}
	t->short_reads += c.short_reads;
	t->short_writes += c.short_writes;
	t->no_space += c.no_space;
	t->cuts += c.cuts;
	t->kept += c.kept;
	t->dropped += c.dropped;
	t->torn += c.torn;
	t->names_kept += c.names_kept;
	t->names_dropped += c.names_dropped;
	t->lost += c.lost;
}

void totals_add(struct totals *to, const struct totals *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	_Static_assert(sizeof(*to) % sizeof(uint64_t) == 0, "all are counts");
	for (size_t i = 0; i < sizeof(*to) / sizeof(uint64_t); i++)
		a[i] += b[i];
}

/* "1,234,567" */
static const char *grouped(uint64_t n, char out[32])
{
	char plain[24];
	const size_t len = (size_t)snprintf(plain, sizeof(plain), "%" PRIu64, n);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = plain[i];
	}
	out[at] = 0;
	return out;
}

static const struct {
	const char *words;
	size_t offset;
	bool of_pairs;
} rows[] = {
#define ROW(words, field)                                    \
	{                                                    \
		words, offsetof(struct totals, field), false \
	}
#define FAILED(words, index)                                                               \
	{                                                                                  \
		words, offsetof(struct totals, failed) + (index) * sizeof(uint64_t), false \
	}
#define PAIR(words, field)                                  \
	{                                                   \
		words, offsetof(struct totals, field), true \
	}
	ROW("lives, each of a seed", lives),
	ROW("of them, one for each point and way to fail of a short life", points),
	ROW("of them, run a second time and compared with the first", repeated),
	ROW("operations", operations),
	ROW("operations that failed, and had done nothing", refused),
	ROW("sessions; stores opened for writing", sessions),
	ROW("reopenings held against the model", reopenings),
	ROW("complete checks of a log", checks),
	ROW("of them with an older index", index_back),
	ROW("of them with none", index_gone),
	ROW("calls of a disk that could have failed", calls),
	ROW("turns handed from thread to thread", switches),
	FAILED("open failed", 0),
	FAILED("read failed", 1),
	FAILED("write failed, having written a part or nothing", 2),
	FAILED("sync failed", 3),
	FAILED("truncate failed", 4),
	FAILED("allocate failed", 5),
	FAILED("rename failed", 6),
	FAILED("unlink failed", 7),
	FAILED("mkdir failed", 8),
	FAILED("sync of a folder failed", 9),
	FAILED("close failed", 10),
	FAILED("asking a size failed", 11),
	FAILED("listing failed", 12),
	FAILED("asking for free space failed", 13),
	ROW("read came up short", short_reads),
	ROW("write came up short", short_writes),
	ROW("no room", no_space),
	ROW("power cuts", cuts),
	ROW("writes in doubt at a cut: kept", kept),
	ROW("… dropped, so that later ones came first", dropped),
	ROW("… torn, sector by sector", torn),
	ROW("names in doubt at a cut: kept", names_kept),
	ROW("… dropped", names_dropped),
	ROW("writes lost for good by a sync that failed", lost),
	PAIR("requests that reached a node", requests),
	PAIR("requests lost, or so late that who sent them had given up", requests_lost),
	PAIR("requests that came twice", doubled),
	PAIR("requests that came again, after others", replayed),
	PAIR("requests that broke off", broken_off),
	PAIR("answers lost", answers_lost),
	PAIR("answers late", delayed),
	PAIR("connections refused", refused_connections),
	PAIR("receipts, each held against the node's disk as a cut would leave it", receipts),
	PAIR("power cuts of the node", node_cuts),
	PAIR("starts of the node", node_starts),
	PAIR("power cuts of the primary", primary_cuts),
	PAIR("recoveries from the node alone", recoveries),
};

static uint64_t value(const struct totals *t, size_t row)
{
	return *(const uint64_t *)(const void *)((const char *)t + rows[row].offset);
}

static void table(const struct totals *store, const struct totals *pair, struct buf *out)
{
	char a[32], b[32];

	buf_add_text(out, "| | a store | a store and its node |\n|---|---:|---:|\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		buf_add_text(out, "| %s | %s | %s |\n", rows[i].words,
			     rows[i].of_pairs ? "" : grouped(value(store, i), a), grouped(value(pair, i), b));
}

void totals_print(const struct totals *store, const struct totals *pair, double seconds)
{
	char a[32], b[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("# %-74s %12s %12s\n", rows[i].words,
		       rows[i].of_pairs ? "" : grouped(value(store, i), a), grouped(value(pair, i), b));
	printf("# %.0f seconds\n", seconds);
}

static int say(const char *file, const char *why)
{
	fprintf(stderr, "cannot write the totals to %s: %s\n", file, why);
	return -1;
}

static void add_run(const struct totals *store, const struct totals *pair, double seconds, const char *how,
		    struct buf *out)
{
	const time_t now = time(NULL);
	char day[16], a[32];
	struct tm tm;

	(void)strftime(day, sizeof(day), "%Y-%m-%d", gmtime_r(&now, &tm));
	buf_add_text(out, "`%s`, %s, %s seconds: no life failed.\n\n", how, day,
		     grouped((uint64_t)seconds, a));
	table(store, pair, out);
}

int totals_report(const struct totals *store, const struct totals *pair, double seconds, const char *how,
		  const char *file)
{
	CLEANUP(buf_release) struct buf text = BUF_INIT, out = BUF_INIT;
	const char *begin, *end;
	int r = os_read_file(os_posix(), file, 1 << 20, &text);

	if (r < 0)
		return say(file, strerror(-r));
	begin = strstr(buf_cstr(&text), begin_mark);
	end = begin ? strstr(begin, end_mark) : NULL;
	if (!end)
		return say(file, "the marks between which they stand are not there");
	begin += strlen(begin_mark);
	buf_add(&out, text.data, (size_t)(begin - (const char *)text.data));
	add_run(store, pair, seconds, how, &out);
	buf_add_text(&out, "%s", end);
	r = buf_status(&out);
	if (r == 0)
		r = os_write_file(os_posix(), file, out.data, out.len, 0644);
	return r < 0 ? say(file, strerror(-r)) : 0;
}
