/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/alarm_print.h"
#include "fs/cli/cli.h"
#include "fs/cli/control.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "holdfast/alarm.h"

/* All of it works on the store's files: it makes no difference whether some process has it open. */

static int list(const char *store, bool json, struct hf_error *err)
{
	struct hf_alarm *alarms;
	json_t *array;
	size_t n;

	if (hf_store_alarms(store, &alarms, &n, err) < 0)
		return CLI_FAILED;
	array = alarms_to_json(alarms, n);
	free(alarms);
	if (json)
		output_json(array);
	else if (n == 0)
		printf("none is open\n");
	else
		alarms_print(array, NULL);
	json_decref(array);
	return n > 0 ? CLI_FOUND : CLI_FINE;
}

static int acknowledge(const char *store, const char *alarm, struct hf_error *err)
{
	unsigned n;

	if (hf_store_acknowledge(store, alarm, &n, err) < 0)
		return CLI_FAILED;
	printf("%u acknowledged\n", n);
	return CLI_FINE;
}

/* By the process that has it mounted, which is the one that will have to; else from here. */
static int ask_for_test(struct control *control, struct hf_error *err)
{
	const struct operation_listener nobody = { .arg = NULL };
	json_t *request = json_pack("{s:s}", "do", "alarm-test"), *answer;

	if (!request)
		return hf_error_set(err, -ENOMEM, "no memory");
	answer = control_ask(control, request, &nobody, err);
	json_decref(request);
	json_decref(answer);
	return answer ? 0 : err->code;
}

static int test(const char *store)
{
	struct control control = { NULL, -1 };
	struct hf_error err = HF_ERROR_INIT;
	int r = control_connect(store, &control, &err);

	if (r == -EACCES)
		return cli_fail_error(&err);
	r = r == 0 ? ask_for_test(&control, &err) : hf_alarm_test(store, &err);
	control_close(&control);
	if (r == 0) {
		printf("taken\n");
		return CLI_FINE;
	}
	(void)cli_fail_error(&err);
	return r == -EDESTADDRREQ || r == -ENOMEM ? CLI_FAILED : CLI_FOUND;
}

/* --- settings */

static void print_number(const char *name, uint32_t n, const char *unit, bool may_be_off)
{
	if (n == 0 && may_be_off)
		printf("%s=off\n", name);
	else
		printf("%s=%u%s\n", name, n, unit);
}

static void print_settings(const struct hf_alarm_settings *s)
{
	printf("hook=%s\nurl=%s\n", s->hook[0] ? s->hook : "none", s->url[0] ? s->url : "none");
	print_number("lag", s->lag_s, "s", true);
	print_number("unreachable", s->unreachable_s, "s", true);
	print_number("window", s->window_s, "s", false);
	print_number("young", s->young_s, "s", false);
	print_number("files", s->files, "", false);
	print_number("deletion", s->deletion_percent, "%", true);
	print_number("overwrite", s->overwrite_percent, "%", true);
	print_number("encryption", s->encryption_files, "", true);
	print_number("drill", s->drill_s, "s", true);
}

static json_t *settings_to_json(const struct hf_alarm_settings *s)
{
	return json_pack("{s:s?, s:s?, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "hook",
			 s->hook[0] ? s->hook : NULL, "url", s->url[0] ? s->url : NULL, "lag_seconds",
			 (json_int_t)s->lag_s, "unreachable_seconds", (json_int_t)s->unreachable_s,
			 "window_seconds", (json_int_t)s->window_s, "young_seconds", (json_int_t)s->young_s,
			 "files", (json_int_t)s->files, "deletion_percent", (json_int_t)s->deletion_percent,
			 "overwrite_percent", (json_int_t)s->overwrite_percent, "encryption_files",
			 (json_int_t)s->encryption_files, "drill_seconds", (json_int_t)s->drill_s);
}

static int set(const char *store, char **changes, size_t n, bool json, struct hf_error *err)
{
	struct hf_alarm_settings s;
	json_t *value;

	if ((n > 0 && hf_alarm_set(store, (const char *const *)changes, n, err) < 0) ||
	    hf_alarm_settings(store, &s, err) < 0)
		return CLI_FAILED;
	if (json) {
		value = settings_to_json(&s);
		output_json(value);
		json_decref(value);
	} else {
		print_settings(&s);
	}
	return CLI_FINE;
}

/* --- arguments */

static int run_in(const struct command *self, int argc, char **argv, bool json)
{
	struct location location = { .store = NULL };
	struct hf_error err = HF_ERROR_INIT;
	const char *verb = argv[optind];
	const bool acknowledging = verb && !strcmp(verb, "acknowledge");
	const bool setting = verb && !strcmp(verb, "set");
	const bool testing = verb && !strcmp(verb, "test");
	int code = CLI_FAILED;

	if (!cli_operands(self, argc,
			  acknowledging ? 3 :
			  setting       ? 2 :
			  testing       ? 1 :
					  0,
			  acknowledging ? 3 :
			  setting       ? 100 :
			  testing       ? 2 :
					  1))
		return CLI_FAILED;
	if (location_find(acknowledging || setting || testing ? argv[optind + 1] : verb, &location, &err) < 0)
		return cli_fail_error(&err);
	if (acknowledging)
		code = acknowledge(location.store, argv[optind + 2], &err);
	else if (testing)
		code = test(location.store);
	else if (setting)
		code = set(location.store, argv + optind + 2, (size_t)(argc - optind - 2), json, &err);
	else
		code = list(location.store, json, &err);
	location_release(&location);
	if (testing)
		return code;
	return code == CLI_FAILED ? cli_fail_error(&err) : code;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 } };
	bool json = false;
	int o;

	while ((o = cli_option(self, argc, argv, "jh", longs)) != -1) {
		if (o != 'j')
			return cli_option_code(o);
		json = true;
	}
	return run_in(self, argc, argv, json);
}

const struct command command_alarms = {
	.name = "alarms",
	.summary = "what a person must look at, and whom to tell",
	.usage = "holdfast alarms [STORE|DIR] [--json]\n"
		 "holdfast alarms acknowledge STORE|DIR ALARM|all\n"
		 "holdfast alarms set STORE|DIR [NAME=VALUE]... [--json]\n"
		 "holdfast alarms test [STORE|DIR]\n"
		 "\n"
		 "Shows the open alarms; exit code 1 when there is one. While a store is mounted it\n"
		 "raises them: of a replica that is away, behind, full or at odds, of mass deletion\n"
		 "and overwriting, and of files that are being encrypted. Those name a moment from\n"
		 "just before, for .history/at/. Also when no recovery was rehearsed for long. An\n"
		 "alarm stays open until it is acknowledged.\n"
		 "\n"
		 "test tells whoever is to be told that it is a test (kind test, number 0), and\n"
		 "remembers when, and whether it was taken; exit code 1 when it was not.\n"
		 "\n"
		 "set changes what is named and shows all; it holds for the mounted store at once.\n"
		 "\n"
		 "  hook=PROGRAM      absolute path; run with kind and volume as arguments and the\n"
		 "                    alarm as JSON on its standard input; none\n"
		 "  url=URL           gets that JSON by POST: https, or http to this machine; none\n"
		 "  lag=10m           a replica is behind by more; off\n"
		 "  unreachable=1h    … was not reached for longer; off\n"
		 "  window=5m         what the following is counted in\n"
		 "  files=1000        fewer files removed or overwritten are never an alarm\n"
		 "  deletion=20%      … and of all files, or all bytes; off\n"
		 "  overwrite=50%     … the same of what is overwritten or cut off; off\n"
		 "  young=60s         files made so lately are not counted\n"
		 "  encryption=50     so many files that could be read look encrypted; off\n"
		 "  drill=30d         no drill has passed for longer (holdfast drill); off\n"
		 "\n"
		 "  holdfast alarms set /srv/files hook=/usr/local/bin/tell-me lag=5m\n"
		 "  holdfast alarms test /srv/files\n"
		 "  holdfast alarms /srv/files || holdfast alarms acknowledge /srv/files 3\n",
	.run = run,
};
