/* SPDX-License-Identifier: MIT */
#include "fs/metrics/sheet.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "fs/web/utf8.h"

void sheet_begin(struct sheet *s)
{
	*s = (struct sheet){ .f = NULL };
	s->f = open_memstream(&s->text, &s->len);
}

char *sheet_end_take(struct sheet *s, size_t *ret_len)
{
	bool failed = !s->f || ferror(s->f);

	failed |= s->f && fclose(s->f) != 0;
	s->f = NULL;
	if (failed) {
		free(s->text);
		s->text = NULL;
		return NULL;
	}
	*ret_len = s->len;
	return s->text;
}

void sheet_metric(struct sheet *s, const char *name, enum sheet_type type, const char *help)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	s->name = name;
	if (s->f)
		fprintf(s->f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* --- labels */

static void put_escaped(FILE *f, const char *value)
{
	size_t n;

	for (const char *at = value; *at; at += n ? n : 1) {
		n = utf8_len(at);
		if (n == 0)
			fputs("\xef\xbf\xbd", f);
		else if (*at == '\n')
			fputs("\\n", f);
		else if (*at == '"' || *at == '\\')
			fprintf(f, "\\%c", *at);
		else
			fwrite(at, 1, n, f);
	}
}

/* `le`: a histogram's own label, NULL: none. */
static void put_name(struct sheet *s, const char *suffix, va_list labels, const char *le)
{
	const char *name, *open = "{";

	fprintf(s->f, "%s%s", s->name, suffix);
	while ((name = va_arg(labels, const char *))) {
		fprintf(s->f, "%s%s=\"", open, name);
		put_escaped(s->f, va_arg(labels, const char *));
		fputc('"', s->f);
		open = ",";
	}
	if (le)
		fprintf(s->f, "%sle=\"%s\"", open, le);
	fputs(le || *open == ',' ? "} " : " ", s->f);
}

/* --- values */

void sheet_count(struct sheet *s, uint64_t value, ...)
{
	va_list labels;

	if (!s->f)
		return;
	va_start(labels, value);
	put_name(s, "", labels, NULL);
	va_end(labels);
	fprintf(s->f, "%" PRIu64 "\n", value);
}

void sheet_number(struct sheet *s, double value, ...)
{
	va_list labels;

	if (!s->f)
		return;
	va_start(labels, value);
	put_name(s, "", labels, NULL);
	va_end(labels);
	fprintf(s->f, "%.12g\n", value);
}

void sheet_seconds(struct sheet *s, uint64_t ns, ...)
{
	va_list labels;

	if (!s->f)
		return;
	va_start(labels, ns);
	put_name(s, "", labels, NULL);
	va_end(labels);
	fprintf(s->f, "%" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000, ns % 1000000000);
}

void sheet_histogram(struct sheet *s, const struct hf_histogram *h, ...)
{
	uint64_t below = 0;
	char le[32];
	va_list labels;

	if (!s->f || !h->bounds)
		return;
	for (unsigned i = 0; i <= h->bounds->n; i++) {
		below += h->counts[i];
		if (i < h->bounds->n)
			(void)snprintf(le, sizeof(le), "%.10g", (double)h->bounds->at[i] / h->bounds->unit);
		va_start(labels, h);
		put_name(s, "_bucket", labels, i < h->bounds->n ? le : "+Inf");
		va_end(labels);
		fprintf(s->f, "%" PRIu64 "\n", below);
	}
	va_start(labels, h);
	put_name(s, "_sum", labels, NULL);
	va_end(labels);
	fprintf(s->f, "%.12g\n", (double)h->sum / h->bounds->unit);
	va_start(labels, h);
	put_name(s, "_count", labels, NULL);
	va_end(labels);
	fprintf(s->f, "%" PRIu64 "\n", below);
}

void sheet_one(struct sheet *s, const char *name, enum sheet_type type, uint64_t value, const char *help)
{
	sheet_metric(s, name, type, help);
	sheet_count(s, value, NULL);
}

void sheet_one_time(struct sheet *s, const char *name, uint64_t ns, const char *help)
{
	sheet_metric(s, name, SHEET_GAUGE, help);
	if (ns)
		sheet_seconds(s, ns, NULL);
}
