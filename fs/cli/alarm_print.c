/* SPDX-License-Identifier: MIT */
#include "fs/cli/alarm_print.h"

#include <stdio.h>

#include "fs/cli/colour.h"
#include "fs/cli/output.h"

static const char *text_or_null(const char *text)
{
	return *text ? text : NULL;
}

static json_t *alarm_to_json(const struct hf_alarm *a)
{
	return json_pack("{s:I, s:s, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:b, s:s}", "alarm",
			 (json_int_t)a->number, "kind", a->kind, "volume", text_or_null(a->volume_id),
			 "replica", text_or_null(a->replica), "moment", text_or_null(a->moment), "first_time",
			 output_time(a->first_ns), "last_time", output_time(a->last_ns), "count",
			 output_number(a->count), "delivered", a->delivered, "words", a->words);
}

json_t *alarms_to_json(const struct hf_alarm *alarms, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++)
		json_array_append_new(array, alarm_to_json(&alarms[i]));
	return array;
}

static void print_subject(const json_t *a, const char *of_itself)
{
	const char *volume = output_get_text(a, "volume"), *replica = output_get_text(a, "replica");

	if (*replica)
		printf(", replica %s", replica);
	else if (of_itself)
		printf(", %s%s", *volume ? "volume " : of_itself, volume);
}

static void print_alarm(const json_t *a, const char *of_itself)
{
	const uint64_t count = output_get_number(a, "count");
	char text[OUTPUT_TEXT_BYTES];

	printf("%sALARM %-5d %s%s", colour(stdout, COLOUR_BAD), (int)output_get_number(a, "alarm"),
	       output_get_text(a, "kind"), colour(stdout, COLOUR_NONE));
	print_subject(a, of_itself);
	if (count > 1)
		printf(", %s times since %s", output_count(count, text), output_get_text(a, "first_time"));
	if (count > 0)
		printf(", %s %s", count > 1 ? "last" : "at", output_get_text(a, "last_time"));
	printf("\n            %s\n", output_get_text(a, "words"));
	if (*output_get_text(a, "moment"))
		printf("            before it began: %s%s%s\n", colour(stdout, COLOUR_NAME),
		       output_get_text(a, "moment"), colour(stdout, COLOUR_NONE));
}

void alarms_print(const json_t *alarms, const char *of_itself)
{
	const json_t *alarm;
	size_t i;

	json_array_foreach(alarms, i, alarm)
		print_alarm(alarm, of_itself);
}
