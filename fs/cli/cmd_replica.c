/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
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

/* Adding and removing is done to a store at rest. */
static int change(const char *verb, const char *path, const char *what, const char *name)
{
	struct hf_error err = HF_ERROR_INIT;
	struct location location = { NULL, NULL };
	int r;

	r = location_find(path, &location, &err);
	if (r == 0)
		r = !strcmp(verb, "add") ? hf_replica_add(location.store, what, name, &err) :
					   hf_replica_remove(location.store, what, &err);
	if (r == -EBUSY && location.mount)
		hf_error_set(&err, r, "%s is mounted on %s; unmount it first: holdfast unmount %s",
			     location.store, location.mount, location.mount);
	location_release(&location);
	return r < 0 ? cli_fail_error(&err) : CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "name", 1, NULL, 'n' }, { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	const char *verb, *name = NULL;
	bool json = false;
	int o;

	while ((o = cli_option(self, argc, argv, "n:jh", longs)) != -1) {
		switch (o) {
		case 'n':
			name = optarg;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 3))
		return CLI_FAILED;
	verb = argv[optind];
	if (!strcmp(verb, "list") && argc - optind <= 2)
		return list(argv[optind + 1], json);
	if ((!strcmp(verb, "add") || !strcmp(verb, "remove")) && argc - optind == 3)
		return change(verb, argv[optind + 1], argv[optind + 2], name);
	return cli_fail("replica: that is not how; see holdfast replica --help");
}

const struct command command_replica = {
	.name = "replica",
	.summary = "say where the log is shipped to",
	.usage = "holdfast replica add STORE INVITATION|DIR [--name NAME]\n"
		 "holdfast replica remove STORE NAME\n"
		 "holdfast replica list [STORE|DIR] [--json]\n"
		 "\n"
		 "A replica takes the log as it grows and never gives anything up. Any number may\n"
		 "be added; adding and removing is done while the store is not mounted. Removing\n"
		 "stops shipping; what the replica has, it keeps.\n"
		 "\n"
		 "  INVITATION   the line holdfast node invite printed, on the machine that is to\n"
		 "               keep the copy\n"
		 "  DIR          a folder on another disk or an NFS mount: no defence against root\n"
		 "               on this machine\n"
		 "\n"
		 "  holdfast replica add /var/lib/volume holdfast-invite:… --name elsewhere\n",
	.run = run,
};
