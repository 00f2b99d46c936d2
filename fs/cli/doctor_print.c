/* SPDX-License-Identifier: MIT */
#include "fs/cli/doctor_print.h"

#include <stdio.h>
#include <string.h>

#include "fs/cli/colour.h"
#include "fs/cli/output.h"

enum { VERDICTS = DOCTOR_DANGER + 1, WIDTH = 20, LINE = 98 };

struct counts {
	size_t of[VERDICTS], ignored;
};

static struct counts count(const struct doctor_result *all, size_t n)
{
	struct counts c = { .ignored = 0 };

	for (size_t i = 0; i < n; i++) {
		if (all[i].ignored)
			c.ignored++;
		else
			c.of[all[i].finding.verdict]++;
	}
	return c;
}

enum doctor_verdict doctor_worst(const struct doctor_result *all, size_t n)
{
	const struct counts c = count(all, n);

	return c.of[DOCTOR_DANGER] ? DOCTOR_DANGER : c.of[DOCTOR_WARNING] ? DOCTOR_WARNING : DOCTOR_OK;
}

/* --- JSON */

/* Words of others (a server's, a path's) may be no UTF-8. */
static json_t *text(const char *words)
{
	json_t *value = json_string(words);

	return value ? value : json_string("(not UTF-8)");
}

static json_t *text_or_null(const char *words)
{
	return words[0] ? text(words) : json_null();
}

static json_t *one_to_json(const struct doctor_result *r)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "id", r->check->id, "family",
			 r->check->family, "verdict", doctor_verdict_name(r->finding.verdict), "ignored",
			 r->ignored, "reason", text(r->finding.reason), "remedy",
			 text_or_null(r->finding.remedy), "command", text_or_null(r->finding.command));
}

json_t *doctor_to_json(const struct facts *f, const struct doctor_result *all, size_t n)
{
	const struct counts c = count(all, n);
	json_t *list = json_array(), *answer;

	for (size_t i = 0; list && i < n; i++)
		(void)json_array_append_new(list, one_to_json(&all[i]));
	answer = json_pack("{s:i, s:s, s:o, s:s, s:o, s:o, s:s}", "version", 1, "software", f->version,
			   "store", text(f->store.path), "volume_id", f->store.r.volume_id, "mounted_on",
			   f->live.mounted ? text_or_null(f->live.dir) : json_null(), "time",
			   output_time(f->now_ns), "verdict", doctor_verdict_name(doctor_worst(all, n)));
	if (!answer) {
		json_decref(list);
		return NULL;
	}
	json_object_set_new(answer, "counts",
			    json_pack("{s:I, s:I, s:I, s:I, s:I}", "ok", (json_int_t)c.of[DOCTOR_OK],
				      "unknown", (json_int_t)c.of[DOCTOR_UNKNOWN], "warning",
				      (json_int_t)c.of[DOCTOR_WARNING], "danger",
				      (json_int_t)c.of[DOCTOR_DANGER], "ignored", (json_int_t)c.ignored));
	json_object_set_new(answer, "checks", list);
	return answer;
}

/* --- for people */

/* Folded at blanks, each further line below the first word. */
static void print_folded(const char *words, size_t indent)
{
	size_t at = indent;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (at > indent && at + 1 + len > LINE) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		printf("%.*s", (int)len, words);
		at += len;
		words += len;
		words += strspn(words, " ");
	}
	putchar('\n');
}

static void print_problem(const struct doctor_result *r)
{
	static const enum colour colours[VERDICTS] = { COLOUR_GOOD, COLOUR_FAINT, COLOUR_ATTENTION,
						       COLOUR_BAD };
	static const char *const words[VERDICTS] = { "ok", "unknown", "warning", "DANGER" };
	const enum doctor_verdict v = r->finding.verdict;

	printf("%s%-8s%s %-*s ", colour(stdout, colours[v]), words[v], colour(stdout, COLOUR_NONE), WIDTH,
	       r->check->id);
	print_folded(r->finding.reason, 8 + 1 + WIDTH + 1);
	if (r->finding.remedy[0]) {
		printf("%*s", 8 + 1 + WIDTH + 1, "");
		print_folded(r->finding.remedy, 8 + 1 + WIDTH + 1);
	}
	if (r->finding.command[0])
		printf("%*s%s%s%s\n", 8 + 1 + WIDTH + 1 + 2, "", colour(stdout, COLOUR_STRONG),
		       r->finding.command, colour(stdout, COLOUR_NONE));
}

static void print_all_of(const struct doctor_result *all, size_t n, enum doctor_verdict v)
{
	for (size_t i = 0; i < n; i++)
		if (!all[i].ignored && all[i].finding.verdict == v)
			print_problem(&all[i]);
}

static void print_ignored(const struct doctor_result *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].ignored)
			printf("%-8s %-*s (%s)\n", "ignored", WIDTH, all[i].check->id,
			       doctor_verdict_name(all[i].finding.verdict));
}

void doctor_print(const struct facts *f, const struct doctor_result *all, size_t n, bool whole)
{
	const struct counts c = count(all, n);

	print_all_of(all, n, DOCTOR_DANGER);
	print_all_of(all, n, DOCTOR_WARNING);
	print_all_of(all, n, DOCTOR_UNKNOWN);
	if (whole)
		print_all_of(all, n, DOCTOR_OK);
	print_ignored(all, n);
	if (c.ignored < n)
		printf("%s%s: %zu danger, %zu warning, %zu unknown, %zu ok%s\n", n > 0 ? "\n" : "",
		       f->store.path, c.of[DOCTOR_DANGER], c.of[DOCTOR_WARNING], c.of[DOCTOR_UNKNOWN],
		       c.of[DOCTOR_OK], whole || c.of[DOCTOR_OK] == 0 ? "" : " (--all shows those as well)");
}
