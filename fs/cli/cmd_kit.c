/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"

#define TEXT_BYTES_MAX (64 << 10)

/* What is typed is one line; what is piped in may be a whole kit file. */
static int read_stdin(struct hf_kit **ret, struct hf_error *err)
{
	char *text = malloc(TEXT_BYTES_MAX);
	size_t len = 0;
	int r;

	if (!text)
		return hf_error_set(err, -ENOMEM, "no memory");
	if (isatty(STDIN_FILENO)) {
		fprintf(stderr, "The kit's line, from HF1- on, then Enter: ");
		len = fgets(text, TEXT_BYTES_MAX, stdin) ? strlen(text) : 0;
	} else {
		len = fread(text, 1, TEXT_BYTES_MAX, stdin);
	}
	r = hf_kit_parse(text, len, ret, err);
	explicit_bzero(text, TEXT_BYTES_MAX);
	free(text);
	return r;
}

static int read_kit(const char *name, struct hf_kit **ret, struct hf_error *err)
{
	if (!strcmp(name, "-"))
		return read_stdin(ret, err);
	if (!strncasecmp(name, "HF1-", 4))
		return hf_error_set(
			err, -EINVAL,
			"kit: on the command line every process here can read the secret: give - and "
			"type it, or a file's name");
	return hf_kit_read(name, ret, err);
}

static int check_store(const struct hf_kit *kit, const char *place, struct location *location,
		       struct hf_kit_check *ret, struct hf_error *err)
{
	int r = location_find(place, location, err);

	return r < 0 ? r : hf_kit_check(kit, location->store, ret, err);
}

/* The kit, or the store, is not as it should be; anything else is that it could not be looked at. */
static int code_of(int r)
{
	return r == -EUCLEAN || r == -EKEYREJECTED ? CLI_FOUND : CLI_FAILED;
}

static int print_problem(const struct hf_error *err, bool json)
{
	json_t *answer;

	cli_fail_error(err);
	if (json) {
		answer = json_pack("{s:b, s:s}", "good", 0, "problem", err->text);
		output_json(answer);
		json_decref(answer);
	}
	return code_of(err->code);
}

static void print_json(const char *volume_id, const char *store, const struct hf_kit_check *c)
{
	json_t *answer = json_pack("{s:b, s:s, s:s?}", "good", 1, "volume_id", volume_id, "store", store);

	if (answer && store)
		json_object_update_new(answer,
				       json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "epoch",
						 (int)c->epoch, "certificate_segment",
						 output_number(c->cert_segment), "frame_segment",
						 output_number(c->frame_segment), "frame_offset",
						 output_number(c->frame_offset), "tid", output_number(c->tid),
						 "time", output_time(c->time_ns), "checked",
						 output_time(c->checked_ns), "remembered",
						 c->not_noted == 0));
	output_json(answer);
	json_decref(answer);
}

static void print_words(const char *volume_id, const char *store, const struct hf_kit_check *c)
{
	if (!store) {
		printf("the kit's checksum holds. It is the kit of volume %s\n"
		       "Whether it opens a store: holdfast kit check KIT STORE\n",
		       volume_id);
		return;
	}
	printf("good: this kit opens volume %s in %s\n", volume_id, store);
	printf("  owner key     that of the store\n");
	printf("  certificate   the writer of epoch %u is let in by it (segment %u)\n", c->epoch,
	       c->cert_segment);
	if (c->frame_segment)
		printf("  contents      the newest frame opens (segment %u, offset %u)\n", c->frame_segment,
		       c->frame_offset);
	else
		printf("  contents      none in the log yet, so nothing was opened\n");
}

static int check(const char *name, const char *place, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	struct location location = { .store = NULL };
	struct hf_kit_check result = { .epoch = 0 };
	struct hf_kit *kit = NULL;
	char id[HF_VOLUME_ID_TEXT_BYTES];
	int r;

	r = read_kit(name, &kit, &err);
	if (r == 0 && place)
		r = check_store(kit, place, &location, &result, &err);
	if (r == 0) {
		hf_kit_volume_id(kit, id);
		(json ? print_json : print_words)(id, location.store, &result);
		if (result.not_noted)
			cli_fail("kit: the store could not remember that (%s)",
				 hf_strerror(result.not_noted));
	}
	hf_kit_free(kit);
	location_release(&location);
	return r < 0 ? print_problem(&err, json) : CLI_FINE;
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
	if (!cli_operands(self, argc, 2, 3))
		return CLI_FAILED;
	if (strcmp(argv[optind], "check") != 0)
		return cli_fail("kit: what is %s? See holdfast kit --help", argv[optind]);
	return check(argv[optind + 1], argv[optind + 2], json);
}

const struct command command_kit = {
	.name = "kit",
	.summary = "does what is in the safe still open this volume?",
	.usage = "holdfast kit check KIT|- [STORE|DIR] [--json]\n"
		 "\n"
		 "Read a recovery kit, from a file or (-) typed or piped in, and say which volume's\n"
		 "it is; a typing error is told with its place. With a store, mounted or at rest:\n"
		 "that its owner key is the kit's, that the writer's certificate in the log is\n"
		 "signed by it, and that the newest frame opens with the keys that come from the\n"
		 "kit, as after a recovery. The store then remembers when, and status shows it.\n"
		 "\n"
		 "Exit code 1 when the kit is damaged or does not open the store, 2 when that could\n"
		 "not be found out.\n"
		 "\n"
		 "  holdfast kit check /media/stick/volume.kit /srv/files\n"
		 "  holdfast kit check - /var/lib/volume     # and type it from the paper\n",
	.run = run,
};
