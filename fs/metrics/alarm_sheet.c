/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "fs/metrics/sheets.h"

/* Kinds are few, and made by this program; whatever a file says, they are no more than so many. */
enum { KINDS_MAX = 48 };

struct kinds {
	size_t n;
	struct {
		const char *name;
		uint64_t open;
	} v[KINDS_MAX];
};

static void count(struct kinds *k, const char *name, uint64_t open)
{
	size_t i = 0;

	while (i < k->n && strcmp(k->v[i].name, name) != 0)
		i++;
	if (i == KINDS_MAX) /* what is left over is with the last */
		i--;
	if (i == k->n) {
		k->v[i].name = i == KINDS_MAX - 1 ? "other" : name;
		k->n++;
	}
	k->v[i].open += open;
}

void alarm_sheet(struct sheet *s, bool could_be_read, const struct hf_alarm *alarms, size_t n,
		 const char *const *known)
{
	struct kinds k = { .n = 0 };

	sheet_metric(s, "holdfast_alarms_open", SHEET_GAUGE, "Alarms that nobody has acknowledged, by kind.");
	if (!could_be_read)
		return;
	for (; *known; known++)
		count(&k, *known, 0);
	for (size_t i = 0; i < n; i++)
		count(&k, alarms[i].kind, 1);
	for (size_t i = 0; i < k.n; i++)
		sheet_count(s, k.v[i].open, "kind", k.v[i].name, NULL);
}

/* --- which parts could be read */

void sheets_part(struct sheets_parts *p, const char *name, bool good)
{
	if (p->n == SHEETS_PARTS_MAX)
		return;
	p->v[p->n].name = name;
	p->v[p->n].good = good;
	p->n++;
}

void sheets_parts(struct sheet *s, const struct sheets_parts *p)
{
	sheet_metric(s, "holdfast_collector_success", SHEET_GAUGE,
		     "1: what is read for this part of the page could be read; 0: it is missing.");
	for (size_t i = 0; i < p->n; i++)
		sheet_count(s, p->v[i].good, "collector", p->v[i].name, NULL);
}
