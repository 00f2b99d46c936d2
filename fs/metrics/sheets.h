/* SPDX-License-Identifier: MIT */
/* What the sheets of a mount and of a node are put together from (between layers 5 and 6). */
#ifndef FS_METRICS_SHEETS_H
#define FS_METRICS_SHEETS_H

#include "fs/metrics/sheet.h"
#include "holdfast/alarm.h"

enum { SHEETS_PARTS_MAX = 8 };

/* Which parts could be read: a figure that is missing is seen to be missing. */
struct sheets_parts {
	size_t n;
	struct {
		const char *name;
		bool good;
	} v[SHEETS_PARTS_MAX];
};
void sheets_part(struct sheets_parts *p, const char *name, bool good);
void sheets_parts(struct sheet *s, const struct sheets_parts *p); /* put in, the last of all */

/* Version, and the process: its time, memory, descriptors, when it began. */
void process_sheet(struct sheet *s);

/* Open alarms by kind, if they could be read; `known` kinds, ended by NULL, are named also when none is open.
 */
void alarm_sheet(struct sheet *s, bool could_be_read, const struct hf_alarm *alarms, size_t n,
		 const char *const *known);

void replica_sheet(struct sheet *s, struct hf_store *store, struct sheets_parts *parts);
void fuse_sheet(struct sheet *s);
void drill_sheet(struct sheet *s, struct hf_store *store, struct sheets_parts *parts);
void damage_sheet(struct sheet *s, struct hf_store *store);

#endif
