/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/location.h"
#include "fs/cli/target.h"

static json_t *make_request(bool remove, const char *name, const char *moment)
{
	if (remove)
		return json_pack("{s:s, s:s}", "do", "untag", "name", name);
	return json_pack("{s:s, s:s, s:s}", "do", "tag", "name", name, "moment", moment);
}

/* The names that moments have, in columns. */
static void print_tags(const json_t *tags)
{
	const json_t *tag;
	size_t i, width = 0;

	json_array_foreach(tags, i, tag)
		width = json_string_length(json_object_get(tag, "name")) > width ?
				json_string_length(json_object_get(tag, "name")) :
				width;
	json_array_foreach(tags, i, tag)
		printf("%-*s  %-30s  tid-%" JSON_INTEGER_FORMAT "\n", (int)width,
		       output_get_text(tag, "name"), output_get_text(tag, "moment"),
		       json_integer_value(json_object_get(tag, "tid")));
}

static int list_tags(const char *path, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	json_t *answer = location_ask_take(path, json_pack("{s:s}", "do", "tags"), &err);

	if (!answer)
		return cli_fail_error(&err);
	if (json)
		output_json(answer);
	else
		print_tags(json_object_get(answer, "tags"));
	json_decref(answer);
	return CLI_FINE;
}

static int run_snapshot(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "at", 1, NULL, 'a' },   { "remove", 0, NULL, 'r' },
					       { "list", 0, NULL, 'l' }, { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' }, { 0 } };
	struct hf_error err = HF_ERROR_INIT;
	CLEANUP(cli_cleanup_free) char *moment = NULL; /* as text that means the same to another process */
	const char *at = NULL, *name;
	bool remove = false, list = false, json = false;
	json_t *answer;
	int o;

	while ((o = cli_option(self, argc, argv, "a:rljh", longs)) != -1) {
		switch (o) {
		case 'a':
			at = optarg;
			break;
		case 'r':
			remove = true;
			break;
		case 'l':
			list = true;
			break;
		case 'j':
			json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, list ? 0 : 1, list ? 1 : 2))
		return CLI_FAILED;
	if (list)
		return remove || at ? cli_fail("snapshot: --list goes with no other option but --json") :
				      list_tags(argv[optind], json);
	name = argv[argc - 1];
	if (at && target_moment(at, &moment, &err) < 0)
		return cli_fail_error(&err);
	if (argc - optind == 1 && location_check_here(&err) < 0)
		return cli_fail_error(&err);
	answer = location_ask_take(argc - optind == 2 ? argv[optind] : NULL,
				   make_request(remove, name, moment ? moment : ""), &err);
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
		 "holdfast snapshot --list [STORE|DIR] [--json]\n"
		 "\n"
		 "Name the present, or any moment: it is then at .history/tags/NAME, and NAME\n"
		 "works wherever a moment does; so it cannot be what means a moment already, as 2h,\n"
		 "now, 2026 or tid-5. It is one record, whatever the volume's size; every moment\n"
		 "stays readable without a name too. Without STORE or DIR it is of the volume that\n"
		 "the working directory is in.\n"
		 "\n"
		 "  --at MOMENT   2026-11-21T101530Z, a date, 10m or 3d (ago), @epoch, tid-N,\n"
		 "                another name\n"
		 "  --remove      take the name away; the moment stays\n"
		 "  --list        the names there are, as holdfast tags\n"
		 "\n"
		 "  holdfast snapshot /srv/git before-upgrade\n"
		 "  holdfast snapshot /srv/git this-morning --at 2026-11-21T08\n",
	.run = run_snapshot,
	.takes_keys = true,
};

static int run_tags(const struct command *self, int argc, char **argv)
{
	bool json;
	int code = cli_json_only(self, argc, argv, &json);

	return code >= 0 ? code : list_tags(argv[optind], json);
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
