/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "holdfast/node.h"

#define LISTEN_DEFAULT "[::]:7443"
#define VALID_LONGEST_HOURS (365 * 24)

static const struct option longs[] = { { "listen", 1, NULL, 'l' },
				       { "volume", 1, NULL, 'v' },
				       { "host", 1, NULL, 'H' },
				       { "hours", 1, NULL, 't' },
				       { "json", 0, NULL, 'j' },
				       { "help", 0, NULL, 'h' },
				       { 0 } };

static int node_init(const char *dir, const char *listen)
{
	struct hf_error err = HF_ERROR_INIT;

	if (hf_node_init(dir, listen, &err) < 0)
		return cli_fail_error(&err);
	printf("a node in %s, to listen on %s\nNext: holdfast serve %s, and holdfast node invite %s for each "
	       "volume\n",
	       dir, listen, dir, dir);
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

static int run(const struct command *self, int argc, char **argv)
{
	const char *listen = LISTEN_DEFAULT, *volume = NULL, *host = NULL, *verb;
	unsigned long hours = 0;
	bool json = false;
	int o;

	while ((o = cli_option(self, argc, argv, "l:v:H:t:jh", longs)) != -1) {
		switch (o) {
		case 'l':
			listen = optarg;
			break;
		case 'v':
			volume = optarg;
			break;
		case 'H':
			host = optarg;
			break;
		case 't':
			hours = strtoul(optarg, NULL, 10);
			if (hours < 1 || hours > VALID_LONGEST_HOURS)
				return cli_fail("node: --hours takes 1 to %d", VALID_LONGEST_HOURS);
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 2, 2))
		return CLI_FAILED;
	verb = argv[optind];
	if (!strcmp(verb, "init"))
		return node_init(argv[optind + 1], listen);
	if (!strcmp(verb, "invite"))
		return node_invite(argv[optind + 1], volume, host, (unsigned)hours, json);
	return cli_fail("node: what is %s? See holdfast node --help", verb);
}

const struct command command_node = {
	.name = "node",
	.summary = "make a replica node, and invite volumes to it",
	.usage = "holdfast node init DIR [--listen HOST:PORT]\n"
		 "holdfast node invite DIR [--volume ID] [--host NAME] [--hours N] [--json]\n"
		 "\n"
		 "A node keeps other machines' logs, takes appends at the end and nothing else.\n"
		 "Run it at another provider, under another account. init makes its folder and\n"
		 "keys; invite prints one line that lets one volume in, once.\n"
		 "\n"
		 "  --listen HOST:PORT   where to listen; " LISTEN_DEFAULT " when not said;\n"
		 "                       127.0.0.1:0: loopback, any free port\n"
		 "  --volume ID          let the owner of a volume that is here already in again\n"
		 "  --host NAME          the name or address others reach this node by\n"
		 "  --hours N            how long the invitation holds; 24 when not said\n"
		 "\n"
		 "  holdfast node init /var/lib/node && holdfast serve /var/lib/node\n"
		 "  holdfast node invite /var/lib/node --host backup.example.org\n",
	.run = run,
};
