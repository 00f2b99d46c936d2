/* SPDX-License-Identifier: MIT */
/*
 * Figures as text that Prometheus reads, its exposition format 0.0.4 (between layers 5 and 6): of each metric
 * a line of help, one of its type, and a line a value. Pure.
 *
 *	sheet_begin(&s);
 *	sheet_metric(&s, "holdfast_log_bytes", SHEET_GAUGE, "Bytes of log.");
 *	sheet_count(&s, 123, NULL);
 *	text = sheet_end_take(&s, &len);
 *
 * Labels are pairs of name and value, ended by NULL. A value may be any bytes: it is escaped, and what is no
 * UTF-8 is replaced.
 */
#ifndef FS_METRICS_SHEET_H
#define FS_METRICS_SHEET_H

#include <stdio.h>

#include "holdfast/metrics.h"

enum sheet_type { SHEET_COUNTER, SHEET_GAUGE, SHEET_HISTOGRAM };

struct sheet {
	FILE *f;
	char *text;
	size_t len;
	const char *name; /* of the metric whose values come; static */
};

void sheet_begin(struct sheet *s);
/* malloc'ed; NULL when there was no memory. */
char *sheet_end_take(struct sheet *s, size_t *ret_len);

/* What follows, up to the next one, are its values. A metric without any is there all the same. */
void sheet_metric(struct sheet *s, const char *name, enum sheet_type type, const char *help);

void sheet_count(struct sheet *s, uint64_t value, ...) __attribute__((sentinel));
void sheet_number(struct sheet *s, double value, ...) __attribute__((sentinel));
void sheet_seconds(struct sheet *s, uint64_t ns, ...) __attribute__((sentinel)); /* a time, or a duration */
void sheet_histogram(struct sheet *s, const struct hf_histogram *h, ...) __attribute__((sentinel));

/* A metric with one value, or none. */
void sheet_one(struct sheet *s, const char *name, enum sheet_type type, uint64_t value, const char *help);
/* … in seconds; 0 ns: there is none. */
void sheet_one_time(struct sheet *s, const char *name, uint64_t ns, const char *help);

#endif
