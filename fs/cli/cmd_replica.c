/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/findings.h"
#include "fs/cli/output.h"
#include "fs/cli/progress.h"
#include "fs/cli/location.h"
#include "fs/cli/status.h"
#include "holdfast/replica.h"

static int list(const char *path, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	json_t *status = location_ask_take(path, json_pack("{s:s}", "do", "status"), &err);
	int code;

	if (!status)
		return cli_fail_error(&err);
	if (json)
		output_json(json_object_get(status, "replicas"));
	else
		status_print_replicas(status);
	code = status_is_bad(status) ? CLI_FOUND : CLI_FINE;
	json_decref(status);
	return code;
}

/*
 * "10M", "500K" (of 1024), "20000", or "none": bytes a second. The library says what is too low.
 */
static bool parse_limit(const char *text, uint64_t *ret)
{
	static const char units[] = "KMG";
	const char *unit;
	uint64_t n;
	char *end;

	if (!strcmp(text, "none")) {
		*ret = 0;
		return true;
	}
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (errno || (*end && (!unit || end[1])))
		return false;
	for (const char *u = units; unit && u <= unit; u++)
		if (__builtin_mul_overflow(n, UINT64_C(1024), &n))
			return false;
	*ret = n;
	return n > 0 && n <= INT64_MAX;
}

static int bad_limit(const char *text)
{
	return cli_fail("replica: %s is no limit; write bytes a second, as 500K or 10M, or none", text);
}

/* A folder is named from here, and the process that has the store mounted is somewhere else. */
static char *place_text(const char *text, bool may_be_name, struct hf_error *err)
{
	char *absolute;

	if (strstr(text, "://") || !strncmp(text, "holdfast-invite:", 16) ||
	    (may_be_name && !strchr(text, '/')))
		absolute = strdup(text);
	else if (cli_absolute(text, &absolute, err) < 0)
		return NULL;
	if (!absolute)
		hf_error_set(err, -ENOMEM, "no memory");
	return absolute;
}

struct arguments {
	const char *verb, *store, *what;
	const char *name;
	uint64_t limit;
	const char *volume;
	unsigned retention_days;
	bool without_lock, json;
};

static json_t *make_request(const struct arguments *a, const char *what)
{
	char verb[32];

	snprintf(verb, sizeof(verb), "replica-%s", a->verb);
	if (!strcmp(a->verb, "add"))
		return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:o}", "do", verb, "place", what, "name",
				 a->name ? a->name : "", "limit", output_number(a->limit), "retention_days",
				 output_number(a->retention_days), "without_lock", a->without_lock,
				 "credentials", findings_credentials());
	return json_pack("{s:s, s:s, s:o}", "do", verb, "which", what, "limit", output_number(a->limit));
}

static void tell(const struct arguments *a, const json_t *answer)
{
	char text[OUTPUT_TEXT_BYTES];

	findings_print(json_object_get(answer, "findings"));
	if (!strcmp(a->verb, "add"))
		printf("%s is a replica now, and gets the whole log; see holdfast replica list\n",
		       output_get_text(answer, "name"));
	else if (!strcmp(a->verb, "remove"))
		printf("%s is not shipped to any more. Nothing on it was removed: what it has it keeps, and "
		       "it can be recovered from.\n",
		       a->what);
	else if (!strcmp(a->verb, "limit") && a->limit)
		printf("%s is sent at most %s a second\n", a->what, output_bytes(a->limit, text));
	else if (!strcmp(a->verb, "limit"))
		printf("%s is sent as much as the line takes\n", a->what);
}

static int change(const struct arguments *a)
{
	struct hf_error err = HF_ERROR_INIT;
	char *what = place_text(a->what, strcmp(a->verb, "add") != 0, &err);
	json_t *answer;

	if (!what)
		return cli_fail_error(&err);
	answer = location_ask_take(a->store, make_request(a, what), &err);
	free(what);
	if (!answer)
		return cli_fail_error(&err);
	if (a->json)
		output_json(answer);
	else
		tell(a, answer);
	json_decref(answer);
	return CLI_FINE;
}

/* For whoever owns the bucket, from anywhere but the primary. */
static int renew(const struct arguments *a)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_renewal renewal;
	struct progress progress;
	struct hf_progress hook = progress_begin(&progress);
	int r = hf_replica_renew(a->store, a->volume, a->retention_days, &hook, &renewal, &err);

	progress_end(&progress);
	if (r < 0)
		return cli_fail_error(&err);
	if (a->json) {
		json_t *answer =
			json_pack("{s:o, s:o, s:o, s:s}", "extended", output_number(renewal.extended),
				  "longer", output_number(renewal.longer), "failed",
				  output_number(renewal.failed), "error", renewal.error);

		output_json(answer);
		json_decref(answer);
	} else {
		printf("%llu locked for %u days from now, %llu for longer already\n",
		       (unsigned long long)renewal.extended, a->retention_days,
		       (unsigned long long)renewal.longer);
		if (renewal.failed)
			printf("%llu NOT locked: %s\n", (unsigned long long)renewal.failed, renewal.error);
	}
	return renewal.failed ? CLI_FOUND : CLI_FINE;
}

static bool is_change(const char *verb)
{
	return !strcmp(verb, "add") || !strcmp(verb, "remove") || !strcmp(verb, "acknowledge");
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "name", 1, NULL, 'n' },      { "limit", 1, NULL, 'l' },
		{ "retention", 1, NULL, 'R' }, { "without-lock", 0, NULL, 'L' },
		{ "volume", 1, NULL, 'V' },    { "json", 0, NULL, 'j' },
		{ "help", 0, NULL, 'h' },      { 0 }
	};
	struct arguments a = { .verb = NULL };
	int o, n;

	while ((o = cli_option(self, argc, argv, "n:l:jh", longs)) != -1) {
		switch (o) {
		case 'n':
			a.name = optarg;
			break;
		case 'l':
			if (!parse_limit(optarg, &a.limit))
				return bad_limit(optarg);
			break;
		case 'R':
			if (!findings_retention(self->name, optarg, &a.retention_days))
				return CLI_FAILED;
			break;
		case 'L':
			a.without_lock = true;
			break;
		case 'V':
			a.volume = optarg;
			break;
		case 'j':
			a.json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 4))
		return CLI_FAILED;
	n = argc - optind;
	a.verb = argv[optind];
	a.store = argv[optind + 1];
	a.what = n > 2 ? argv[optind + 2] : NULL;
	if (!strcmp(a.verb, "list") && n <= 2)
		return list(a.store, a.json);
	if (!strcmp(a.verb, "renew") && n == 2 && a.volume && a.retention_days)
		return renew(&a);
	if (is_change(a.verb) && n == 3)
		return change(&a);
	if (!strcmp(a.verb, "limit") && n == 4)
		return parse_limit(argv[optind + 3], &a.limit) ? change(&a) : bad_limit(argv[optind + 3]);
	return cli_fail("replica: that is not how; see holdfast replica --help");
}

const struct command command_replica = {
	.name = "replica",
	.summary = "say where the log is shipped to",
	.usage = "holdfast replica add STORE INVITATION|BUCKET|DIR [--name NAME] [--limit RATE]\n"
		 "                     [--retention 90d] [--without-lock]\n"
		 "holdfast replica remove STORE NAME|URL\n"
		 "holdfast replica limit STORE NAME|URL RATE|none\n"
		 "holdfast replica acknowledge STORE NAME|URL\n"
		 "holdfast replica list [STORE|DIR] [--json]\n"
		 "holdfast replica renew BUCKET --volume ID --retention 90d [--json]\n"
		 "\n"
		 "A replica takes the log as it grows and never gives anything up. Any number of\n"
		 "them may be added (64 at most), at any time, while the store is mounted too; each\n"
		 "gets the whole past. Removing stops shipping; what the replica has, it keeps.\n"
		 "\n"
		 "  INVITATION   the line holdfast node invite printed, on the machine that is to\n"
		 "               keep the copy\n"
		 "  BUCKET       s3://BUCKET[/PREFIX]?endpoint=https://HOST&region=REGION, with\n"
		 "               versioning and Object Lock. What it enforces is tried, and told.\n"
		 "               Credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the\n"
		 "               file AWS_SHARED_CREDENTIALS_FILE; they should put and get only\n"
		 "  DIR          a folder on another disk or an NFS mount: no defence against root\n"
		 "               on this machine. Not in the store, nor where it is mounted\n"
		 "  RATE         bytes a second that it is sent at most, on average, as 500K or 10M;\n"
		 "               recovering is never held back\n"
		 "  acknowledge  that it had gone back to an older copy of itself, as list says\n"
		 "\n"
		 "  --retention 90d   lock each object for so long (d or y), where the bucket has\n"
		 "                    no default retention of its own, which is better\n"
		 "  --without-lock    take a bucket that keeps nothing safe from a thief\n"
		 "  renew             lock all of a volume in a bucket for so long from now on; to\n"
		 "                    be run now and then, by the bucket's owner and on another\n"
		 "                    machine than this (exit code 1: some could not be)\n"
		 "\n"
		 "  holdfast replica add /var/lib/volume holdfast-invite:… --name elsewhere\n",
	.run = run,
	.takes_keys = true,
};
