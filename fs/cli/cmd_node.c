/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/node_budget.h"
#include "fs/cli/node_check.h"
#include "fs/cli/node_prune.h"
#include "fs/cli/node_status.h"
#include "fs/cli/output.h"
#include "holdfast/node.h"

#define LISTEN_DEFAULT "[::]:7443"
#define VALID_LONGEST_HOURS (365 * 24)
#define SILENT_LONGEST_S (366 * 86400)

static const struct option longs[] = { { "listen", 1, NULL, 'l' },       { "volume", 1, NULL, 'v' },
				       { "host", 1, NULL, 'H' },         { "hours", 1, NULL, 't' },
				       { "silent-after", 1, NULL, 's' }, { "alarm-hook", 1, NULL, 'k' },
				       { "alarm-url", 1, NULL, 'u' },    { "json", 0, NULL, 'j' },
				       { "cancel", 0, NULL, 'C' },       { "list", 0, NULL, 'L' },
				       { "repair", 0, NULL, 'R' },       { "from", 1, NULL, 'F' },
				       { "help", 0, NULL, 'h' },         { 0 } };

static int node_init(const char *dir, const struct hf_node_options *options)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_node_make(dir, options, &err) < 0)
		return cli_fail_error(&err);
	printf("a node in %s, to listen on %s\nNext: holdfast serve %s, and holdfast node invite %s for each "
	       "volume\n",
	       dir, options->listen, dir, dir);
	return CLI_FINE;
}

static int node_invite(const char *dir, const char *volume, const char *host, unsigned hours, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	char *invitation = NULL;
	json_t *answer;

	if (hf_node_invite(dir, volume, host, hours * 3600, &invitation, &err) < 0)
		return cli_fail_error(&err);
	if (json) {
		answer = json_pack("{s:s, s:i}", "invitation", invitation, "valid_hours",
				   hours ? (int)hours : 24);
		output_json(answer);
		json_decref(answer);
	} else {
		puts(invitation);
	}
	free(invitation);
	return CLI_FINE;
}

static int node_acknowledge(const char *dir, const char *alarm)
{
	struct hf_error err = HF_ERROR_INIT;
	unsigned n;

	if (hf_node_acknowledge(dir, alarm, &n, &err) < 0)
		return cli_fail_error(&err);
	printf("%u acknowledged\n", n);
	return CLI_FINE;
}

struct arguments {
	struct hf_node_options init;
	const char *volume, *host, *from;
	unsigned hours;
	bool json, cancel, list, repair;
};

/* A whole number up to max; 0 when it is not that. */
static unsigned number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	return *end || *text == '-' || n > max ? 0 : (unsigned)n;
}

static int take_option(int o, struct arguments *a)
{
	switch (o) {
	case 'l':
		a->init.listen = optarg;
		return 0;
	case 'v':
		a->volume = optarg;
		return 0;
	case 'H':
		a->host = optarg;
		return 0;
	case 't':
		a->hours = number(optarg, VALID_LONGEST_HOURS);
		return a->hours ? 0 : cli_fail("node: --hours takes 1 to %d", VALID_LONGEST_HOURS);
	case 's':
		a->init.silent_after_s = number(optarg, SILENT_LONGEST_S);
		return a->init.silent_after_s ?
			       0 :
			       cli_fail("node: --silent-after takes seconds, 1 to %d", SILENT_LONGEST_S);
	case 'k':
		a->init.alarm_hook = optarg;
		return 0;
	case 'u':
		a->init.alarm_url = optarg;
		return 0;
	case 'C':
		a->cancel = true;
		return 0;
	case 'L':
		a->list = true;
		return 0;
	case 'R':
		a->repair = true;
		return 0;
	case 'F':
		a->from = optarg;
		return 0;
	default:
		a->json = true;
		return 0;
	}
}

static int prune(const struct command *self, int argc, char **argv, const struct arguments *a)
{
	const char *dir = argv[optind + 1];

	if (a->list)
		return cli_operands(self, argc, 2, 2) ? node_prune_list(dir, a->json) : CLI_FAILED;
	if (!cli_operands(self, argc, 3, 3))
		return CLI_FAILED;
	return a->cancel ? node_prune_cancel(dir, argv[optind + 2]) : node_prune(dir, argv[optind + 2]);
}

static int check(const struct command *self, int argc, char **argv, const struct arguments *a)
{
	const char *dir = argv[optind + 1], *volume;

	if (!cli_operands(self, argc, 2, 3))
		return CLI_FAILED;
	volume = argv[optind + 2];
	if (a->repair != (a->from != NULL))
		return cli_fail("node check: --repair and --from FOLDER, with another copy of the log, "
				"belong together");
	return a->repair ? node_repair(dir, volume, a->from, a->json) : node_check(dir, volume, a->json);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct arguments a = { .init = { .listen = LISTEN_DEFAULT } };
	const char *verb, *dir;
	int o, r;

	while ((o = cli_option(self, argc, argv, "l:v:H:t:s:k:u:CLRF:jh", longs)) != -1) {
		if (o == 'h' || o == '?')
			return cli_option_code(o);
		r = take_option(o, &a);
		if (r)
			return r;
	}
	if (!cli_operands(self, argc, 2, 4))
		return CLI_FAILED;
	verb = argv[optind];
	dir = argv[optind + 1];
	if (!strcmp(verb, "acknowledge"))
		return cli_operands(self, argc, 3, 3) ? node_acknowledge(dir, argv[optind + 2]) : CLI_FAILED;
	if (!strcmp(verb, "budget"))
		return cli_operands(self, argc, 4, 4) ? node_budget(dir, argv[optind + 2], argv[optind + 3]) :
							CLI_FAILED;
	if (!strcmp(verb, "check"))
		return check(self, argc, argv, &a);
	if (!strcmp(verb, "prune"))
		return prune(self, argc, argv, &a);
	if (!cli_operands(self, argc, 2, 2))
		return CLI_FAILED;
	if (!strcmp(verb, "init"))
		return node_init(dir, &a.init);
	if (!strcmp(verb, "invite"))
		return node_invite(dir, a.volume, a.host, a.hours, a.json);
	if (!strcmp(verb, "status"))
		return node_status(dir, a.json);
	return cli_fail("node: what is %s? See holdfast node --help", verb);
}

const struct command command_node = {
	.name = "node",
	.summary = "make a replica node, invite volumes to it, see how it is",
	.usage = "holdfast node init DIR [--listen HOST:PORT] [--silent-after SECONDS]\n"
		 "                       [--alarm-hook PROGRAM] [--alarm-url URL]\n"
		 "holdfast node invite DIR [--volume ID] [--host NAME] [--hours N] [--json]\n"
		 "holdfast node status DIR [--json]\n"
		 "holdfast node acknowledge DIR ALARM|all\n"
		 "holdfast node budget DIR VOLUME|default SIZE|none\n"
		 "holdfast node check DIR [VOLUME] [--repair --from FOLDER] [--json]\n"
		 "holdfast node prune DIR LIST\n"
		 "holdfast node prune --cancel DIR N\n"
		 "holdfast node prune --list DIR [--json]\n"
		 "\n"
		 "A node keeps other machines' logs, takes appends at the end and nothing else.\n"
		 "Run it at another provider, under another account. init makes its folder and\n"
		 "keys; invite prints one line that lets one volume in, once. status shows open\n"
		 "alarms and every volume, served or not; its exit code is 1 when an alarm is open\n"
		 "or a volume cannot be read. An alarm stays open until it is acknowledged.\n"
		 "budget says how much a volume may have here, or (default) one that comes later:\n"
		 "an alarm at nine tenths, and what would go beyond is refused, from the next\n"
		 "append on, also while the node is served. Nothing is ever given up for room.\n"
		 "check reads all that is kept and verifies chain and signatures, while the node\n"
		 "is served or not; each fault is a line, and the exit code then 1. With --repair,\n"
		 "not while it is served, what is damaged is healed from another copy of the log,\n"
		 "in a folder brought here: a store, or a replica's. Nothing in it is believed: only\n"
		 "what the node's own hashes say was there is taken, so no key can alter anything.\n"
		 "\n"
		 "prune hands in a list that holdfast prune plan wrote and the owner of the volume\n"
		 "signed. The node announces it by an alarm, and after prune_delay_s of node.json\n"
		 "(two weeks, or more) of being served it takes away what the list names. While\n"
		 "another alarm is open nothing of that goes on; --cancel N ends it for good.\n"
		 "\n"
		 "  --listen HOST:PORT   where to listen; " LISTEN_DEFAULT " when not said;\n"
		 "                       127.0.0.1:0: loopback, any free port\n"
		 "  --silent-after N     seconds without a word from a volume's writer until an\n"
		 "                       alarm is raised; 86400 when not said\n"
		 "  --alarm-hook PROGRAM absolute path; run with kind and volume as arguments and\n"
		 "                       the alarm as JSON on its standard input\n"
		 "  --alarm-url URL      gets that JSON by POST: https, or http to this machine\n"
		 "  --volume ID          let the owner of a volume that is here already in again\n"
		 "  --repair             of check: heal what is damaged\n"
		 "  --from FOLDER        and from where\n"
		 "  --host NAME          the name or address others reach this node by\n"
		 "  --hours N            how long the invitation holds; 24 when not said\n"
		 "\n"
		 "  holdfast node init /var/lib/node && holdfast serve /var/lib/node\n"
		 "  holdfast node invite /var/lib/node --host backup.example.org\n"
		 "  holdfast node budget /var/lib/node default 500G\n"
		 "  holdfast node status /var/lib/node || holdfast node acknowledge /var/lib/node 3\n"
		 "\n"
		 "The last three of init are lines of DIR/node.json, read when the node starts.\n",
	.run = run,
};
