/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/control.h"
#include "fs/cli/doctor_print.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"

enum { KNOCK_MS = 5000, NAMES_MAX = 128 };

/* Names of checks, as they were given: each may be several, separated by commas. */
struct names {
	const struct doctor_check *all[NAMES_MAX];
	size_t n;
};

struct arguments {
	struct names only, ignore;
	bool json, whole, probe, offline, list;
};

static int add_names(struct names *names, char *text)
{
	char *word;

	while ((word = strsep(&text, ","))) {
		const struct doctor_check *check = doctor_find(word);

		if (!check)
			return cli_fail("doctor: there is no check %s; holdfast doctor --list shows them",
					word);
		if (names->n < NAMES_MAX)
			names->all[names->n++] = check;
	}
	return CLI_FINE;
}

static bool has(const struct names *names, const struct doctor_check *check)
{
	for (size_t i = 0; i < names->n; i++)
		if (names->all[i] == check)
			return true;
	return false;
}

static int list_checks(bool json)
{
	size_t n;
	const struct doctor_check *const *all = doctor_checks(&n);
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		if (!json)
			printf("%-20s %-13s %s\n", all[i]->id, all[i]->family, all[i]->what);
		(void)json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "id", all[i]->id, "family",
							     all[i]->family, "what", all[i]->what));
	}
	if (json)
		output_json(array);
	json_decref(array);
	return CLI_FINE;
}

/* How the process that has it mounted is; NULL: there is none, or *why says why it does not answer. */
static json_t *ask_status(const char *store, struct hf_error *why)
{
	const struct operation_listener nobody = { .arg = NULL };
	struct control control = { NULL, -1 };
	json_t *request, *answer = NULL;
	int r = control_connect(store, &control, why);

	if (r == -ENOENT || r == -ECONNREFUSED)
		*why = (struct hf_error)HF_ERROR_INIT;
	if (r < 0)
		return NULL;
	request = json_pack("{s:s}", "do", "status");
	if (request)
		answer = control_ask(&control, request, &nobody, why);
	json_decref(request);
	control_close(&control);
	return answer;
}

static size_t judge_all(const struct arguments *a, const struct facts *f, struct doctor_result *ret)
{
	size_t n, judged = 0;
	const struct doctor_check *const *all = doctor_checks(&n);

	for (size_t i = 0; i < n; i++) {
		if (a->only.n > 0 && !has(&a->only, all[i]))
			continue;
		ret[judged].check = all[i];
		ret[judged].ignored = has(&a->ignore, all[i]);
		doctor_judge(all[i], f, &ret[judged++].finding);
	}
	return judged;
}

static int tell(const struct arguments *a, const struct facts *f, const struct doctor_result *all, size_t n)
{
	json_t *answer;

	if (!a->json) {
		doctor_print(f, all, n, a->whole || a->only.n > 0);
	} else {
		answer = doctor_to_json(f, all, n);
		if (!answer)
			return cli_fail("no memory");
		output_json(answer);
		json_decref(answer);
	}
	return doctor_worst(all, n) > DOCTOR_UNKNOWN ? CLI_FOUND : CLI_FINE;
}

static int examine(const struct arguments *a, const struct location *at)
{
	struct hf_error err = HF_ERROR_INIT, why = HF_ERROR_INIT;
	struct doctor_result *results = calloc(NAMES_MAX, sizeof(*results));
	struct facts *f = calloc(1, sizeof(*f));
	json_t *status = ask_status(at->store, &why);
	const struct doctor_ask ask = {
		.store = at->store,
		.dir = at->mount,
		.status = status,
		.why_no_status = why.text,
		.knock_ms = a->offline ? 0 : KNOCK_MS,
		.probe = a->probe,
	};
	int code;

	if (!results || !f)
		code = cli_fail("no memory");
	else if (doctor_gather(&ask, f, &err) < 0)
		code = cli_fail_error(&err);
	else
		code = tell(a, f, results, judge_all(a, f, results));
	if (f)
		facts_release(f);
	json_decref(status);
	free(results);
	free(f);
	return code;
}

static int parse(const struct command *self, int argc, char **argv, struct arguments *a)
{
	static const struct option longs[] = {
		{ "all", 0, NULL, 'a' },   { "ignore", 1, NULL, 'i' },  { "json", 0, NULL, 'j' },
		{ "list", 0, NULL, 'l' },  { "offline", 0, NULL, 'O' }, { "only", 1, NULL, 'o' },
		{ "probe", 0, NULL, 'p' }, { "help", 0, NULL, 'h' },    { 0 },
	};
	int o;

	while ((o = cli_option(self, argc, argv, "ah", longs)) != -1) {
		switch (o) {
		case 'a':
			a->whole = true;
			break;
		case 'i':
		case 'o':
			if (add_names(o == 'i' ? &a->ignore : &a->only, optarg) != CLI_FINE)
				return CLI_FAILED;
			break;
		case 'j':
			a->json = true;
			break;
		case 'l':
			a->list = true;
			break;
		case 'O':
			a->offline = true;
			break;
		case 'p':
			a->probe = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (a->offline && a->probe)
		return cli_fail("doctor: --probe asks a bucket, and --offline nobody");
	return cli_operands(self, argc, 0, 1) ? -1 : CLI_FAILED;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct location location = { .store = NULL };
	struct hf_error err = HF_ERROR_INIT;
	struct arguments a = { .json = false };
	int code = parse(self, argc, argv, &a);

	if (code >= 0)
		return code;
	if (a.list)
		return list_checks(a.json);
	if (location_find(argv[optind], &location, &err) < 0)
		return cli_fail_error(&err);
	code = examine(&a, &location);
	location_release(&location);
	return code;
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "would it stand a bad day? What would hurt, and what to do",
	.usage = "holdfast doctor [STORE|DIR] [--json] [--all] [--offline] [--probe]\n"
		 "                [--only ID,...] [--ignore ID,...]\n"
		 "holdfast doctor --list [--json]\n"
		 "\n"
		 "Reviews how ready a volume is for its worst day: whether its replicas are there,\n"
		 "independent and up to date, whether a kit and a recovery were tried, who can get\n"
		 "at the keys, and what the machine, its disk and the mount are like. Each finding\n"
		 "has a reason and a remedy. Works mounted and at rest, changes nothing, asks for\n"
		 "no passphrase, and reaches nobody but the replicas. Run it as root, or as the\n"
		 "store's owner, who may see less: what cannot be seen is unknown.\n"
		 "\n"
		 "  --all            also what is well\n"
		 "  --only ID,...    these checks alone\n"
		 "  --ignore ID,...  findings that are known and meant to be so: shown as ignored,\n"
		 "                     and not counted\n"
		 "  --offline        do not knock at the replicas\n"
		 "  --probe          try anew what buckets enforce, by a few small objects each\n"
		 "  --list           the checks there are\n"
		 "\n"
		 "Exit code 0: no danger and no warning; 1: there is one; 2: it could not be looked\n"
		 "at. What is unknown does not count. Each check, and the JSON: docs/DOCTOR.md.\n"
		 "\n"
		 "  holdfast doctor /srv/files\n"
		 "  holdfast doctor /srv/files --json --ignore key-kept || tell-the-monitor\n",
	.run = run,
};
