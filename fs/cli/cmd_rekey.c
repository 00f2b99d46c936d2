/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "holdfast/key.h"

struct report {
	const char *store, *kit;
	json_t *replicas; /* with --json */
	bool missed;
};

static void told(void *arg, const char *name, enum hf_rekey_kind kind, const struct hf_error *err)
{
	struct report *report = arg;

	report->missed |= err != NULL;
	if (report->replicas)
		json_array_append_new(report->replicas, json_pack("{s:s, s:b, s:s?}", "name", name, "took_it",
								  !err, "error", err ? err->text : NULL));
	else if (err)
		printf("replica %s did NOT take it: %s\n", name, err->text);
	else if (kind == HF_REKEY_BUCKET)
		printf("replica %s has it: a bucket, which checks no keys. What the old one still puts there "
		       "is passed "
		       "over by a recovery; take its credentials away all the same\n",
		       name);
	else if (kind == HF_REKEY_FOLDER)
		printf("replica %s has it: a folder, which refuses what the old key writes, and is no "
		       "defence against "
		       "root here\n",
		       name);
	else
		printf("replica %s took it: from now on it refuses the old key\n", name);
	fflush(stdout);
}

static void print_result(const struct report *report, const struct hf_rekey *r, bool retry)
{
	json_t *answer;

	if (report->replicas) {
		answer = json_pack("{s:s, s:i, s:b, s:O}", "store", report->store, "epoch", (int)r->epoch,
				   "begun", !retry, "replicas", report->replicas);
		output_json(answer);
		json_decref(answer);
		return;
	}
	if (r->replicas == 0)
		printf("this store has no replica that would have to know\n");
	if (report->missed)
		printf("Where it was not taken the old key still writes. When that is mended:\n"
		       "  holdfast rekey %s --kit %s --retry\n",
		       report->store, report->kit);
	if (!retry)
		printf("The volume key is the same: who has that reads on whatever of this log he gets hold "
		       "of. Only "
		       "a new volume has a new one.\n");
}

static int rekey(struct report *report, bool retry)
{
	struct hf_error err = HF_ERROR_INIT;
	const struct hf_rekey_told hook = { told, report };
	struct location location = { .store = NULL };
	struct hf_rekey result = { .epoch = 0 };
	struct hf_kit *kit = NULL;
	int r;

	r = hf_kit_read(report->kit, &kit, &err);
	if (r == 0)
		r = location_find(report->store, &location, &err);
	if (r == 0)
		r = hf_rekey(location.store, kit, retry, &hook, &result, &err);
	if (r == -EBUSY && location.mount)
		hf_error_set(&err, r, "%s is mounted on %s; unmount it first: holdfast unmount %s",
			     location.store, location.mount, location.mount);
	hf_kit_free(kit);
	location_release(&location);
	if (r < 0)
		return cli_fail_error(&err);
	if (!report->replicas)
		printf("epoch %u is the present one: nothing that an earlier writer key signs is part of "
		       "this log any "
		       "more\n",
		       result.epoch);
	print_result(report, &result, retry);
	return report->missed ? CLI_FOUND : CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "kit", 1, NULL, 'k' },
					       { "retry", 0, NULL, 'r' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	struct report report = { .store = NULL };
	bool retry = false, json = false;
	int o, code;

	while ((o = cli_option(self, argc, argv, "k:rjh", longs)) != -1) {
		switch (o) {
		case 'k':
			report.kit = optarg;
			break;
		case 'r':
			retry = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	if (!report.kit)
		return cli_fail("rekey: only the owner ends an epoch: give the recovery kit, by --kit");
	report.store = argv[optind];
	if (json)
		report.replicas = json_array();
	code = rekey(&report, retry);
	json_decref(report.replicas);
	return code;
}

const struct command command_rekey = {
	.name = "rekey",
	.summary = "end the epoch: a new writer key, the old one refused everywhere",
	.usage = "holdfast rekey STORE --kit KIT [--retry] [--json]\n"
		 "\n"
		 "When the writer key may be in other hands, or by plan: make a new one, begin a new\n"
		 "epoch of the log with it, signed by the owner key in the recovery kit, and give the\n"
		 "certificate to every replica, which refuses the old key from then on. A copy of this\n"
		 "store from before can then write nothing anywhere, and a node that it tries raises an\n"
		 "alarm. The store must not be mounted. No passphrase is asked for: the kit says more.\n"
		 "\n"
		 "  --kit KIT   the kit file, or a file with its HF1- line\n"
		 "  --retry     no new epoch: give the present certificate to replicas that missed it\n"
		 "\n"
		 "Each replica is named with what it said; exit code 1 when one did not take it. Cut\n"
		 "short, run it again.\n"
		 "\n"
		 "The volume key stays the same. Who has it and a copy of the log, as far as a replica\n"
		 "or a disk gives him one, reads what is in it, from before and after. Only a new\n"
		 "volume has a new one: holdfast init, and copy the files.\n"
		 "\n"
		 "  holdfast unmount /srv/files\n"
		 "  holdfast rekey /var/lib/volume --kit /media/stick/volume.kit\n",
	.run = run,
};
