/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/location.h"

static json_t *make_request(bool remove, const char *name, const char *moment)
{
	if (remove)
		return json_pack("{s:s, s:s}", "do", "untag", "name", name);
	return json_pack("{s:s, s:s, s:s}", "do", "tag", "name", name, "moment", moment);
}

static int run_snapshot(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "at", 1, NULL, 'a' },
					       { "remove", 0, NULL, 'r' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	struct hf_error err = HF_ERROR_INIT;
	const char *moment = "", *name;
	bool remove = false, json = false;
	json_t *answer;
	int o;

	while ((o = cli_option(self, argc, argv, "a:rjh", longs)) != -1) {
		switch (o) {
		case 'a':
			moment = optarg;
			break;
		case 'r':
			remove = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 2))
		return CLI_FAILED;
	name = argv[argc - 1];
	answer = location_ask_take(argc - optind == 2 ? argv[optind] : NULL,
				   make_request(remove, name, moment), &err);
	if (!answer)
		return cli_fail_error(&err);
	if (json)
		output_json(answer);
	else if (!remove)
		printf("%s is %s (tid-%" JSON_INTEGER_FORMAT "): .history/tags/%s\n", name,
		       output_get_text(answer, "moment"), json_integer_value(json_object_get(answer, "tid")),
		       name);
	json_decref(answer);
	return CLI_FINE;
}

const struct command command_snapshot = {
	.name = "snapshot",
	.summary = "give a moment a name",
	.usage = "holdfast snapshot [STORE|DIR] NAME [--at MOMENT] [--remove] [--json]\n"
		 "\n"
		 "Name the present, or any moment: it is then at .history/tags/NAME, and NAME\n"
		 "works wherever a moment does. It is one record, whatever the volume's size;\n"
		 "every moment stays readable without a name too.\n"
		 "\n"
		 "  --at MOMENT   2026-11-21T101530Z, a date, 10m or 3d (ago), @epoch, tid-N,\n"
		 "                another name\n"
		 "  --remove      take the name away; the moment stays\n"
		 "\n"
		 "  holdfast snapshot /srv/git before-upgrade\n"
		 "  holdfast snapshot /srv/git this-morning --at 2026-11-21T08\n",
	.run = run_snapshot,
	.takes_keys = true,
};

static int run_tags(const struct command *self, int argc, char **argv)
{
	struct hf_error err = HF_ERROR_INIT;
	bool json;
	json_t *answer;
	const json_t *tag;
	size_t i;
	int code;

	code = cli_json_only(self, argc, argv, &json);
	if (code >= 0)
		return code;
	answer = location_ask_take(argv[optind], json_pack("{s:s}", "do", "tags"), &err);
	if (!answer)
		return cli_fail_error(&err);
	if (json)
		output_json(answer);
	else
		json_array_foreach(json_object_get(answer, "tags"), i, tag)
			printf("%-32s %-32s tid-%" JSON_INTEGER_FORMAT "\n", output_get_text(tag, "name"),
			       output_get_text(tag, "moment"),
			       json_integer_value(json_object_get(tag, "tid")));
	json_decref(answer);
	return CLI_FINE;
}

const struct command command_tags = {
	.name = "tags",
	.summary = "list the moments that have names",
	.usage = "holdfast tags [STORE|DIR] [--json]\n"
		 "\n"
		 "The names given by holdfast snapshot, and which moments they are.\n"
		 "\n"
		 "  holdfast tags /srv/git\n",
	.run = run_tags,
	.takes_keys = true,
};
