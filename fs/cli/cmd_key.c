/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "fs/cli/unlock.h"
#include "holdfast/key.h"

struct arguments {
	const char *verb, *store, *file;
	int new_fd;
	bool json;
};

static int status(const struct location *location, bool json, struct hf_error *err)
{
	static const char *const names[] = { "plain", "passphrase", "elsewhere" };
	struct hf_key_info info;
	json_t *answer;
	int r = hf_key_kept(location->store, &info, err);

	if (r < 0)
		return r;
	if (json) {
		answer = json_pack("{s:s, s:s, s:i, s:i}", "store", location->store, "kept", names[info.how],
				   "passes", (int)info.passes, "memory_kib", (int)info.memory_kib);
		output_json(answer);
		json_decref(answer);
	} else if (info.how == HF_KEY_PASSPHRASE) {
		printf("wrapped by a passphrase: a try costs %u passes of Argon2id over %u MiB\n",
		       info.passes, info.memory_kib >> 10);
	} else {
		puts(info.how == HF_KEY_PLAIN ?
			     "plain: who reads the files in STORE/keys reads the volume" :
			     "elsewhere: the store has no volume key, and is handed one when it is opened");
	}
	return 0;
}

static int keep(const struct location *location, const struct hf_keeping *keeping, struct hf_error *err)
{
	int r = hf_key_keep(location->store, keeping, err);

	if (r == -EBUSY && location->mount)
		hf_error_set(err, r, "%s is mounted on %s; unmount it first: holdfast unmount %s",
			     location->store, location->mount, location->mount);
	return r;
}

/* The old one before the new one, as people are used to it. */
static int set_passphrase(const struct location *location, int new_fd, struct hf_error *err)
{
	struct hf_keeping keeping = { .how = HF_KEY_PASSPHRASE };
	struct secret passphrase = SECRET_INIT;
	int r = unlock_prepare(location->store, err);

	if (r == 0)
		r = unlock_new_passphrase(new_fd, location->store, false, &passphrase, err);
	if (r == -ENOTTY)
		hf_error_set(err, r, "there is no terminal to ask on: give --new-passphrase-fd");
	if (r < 0)
		return r;
	keeping.passphrase = passphrase.text;
	keeping.passphrase_len = passphrase.len;
	r = keep(location, &keeping, err);
	secret_release(&passphrase);
	if (r == 0)
		printf("the keys of %s are wrapped by the new passphrase. Lost, only the recovery kit "
		       "helps\n",
		       location->store);
	return r;
}

static int make_plain(const struct location *location, struct hf_error *err)
{
	const struct hf_keeping keeping = { .how = HF_KEY_PLAIN };
	int r = keep(location, &keeping, err);

	if (r == 0)
		printf("the keys of %s are plain files in it now\n", location->store);
	return r;
}

static int move(const struct location *location, const char *file, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *absolute = NULL;
	struct hf_keeping keeping = { .how = HF_KEY_ELSEWHERE };
	size_t len = strlen(location->store);
	int r = cli_absolute(file, &absolute, err);

	if (r < 0)
		return r;
	if (!strncmp(absolute, location->store, len) && absolute[len] == '/')
		return hf_error_set(err, -EINVAL, "%s is in the store: the key is to leave it", file);
	keeping.key_file = absolute;
	r = keep(location, &keeping, err);
	if (r == 0)
		printf("the volume key is in %s, and no longer in %s: neither opens anything alone\n",
		       absolute, location->store);
	return r;
}

static int change(const struct arguments *a)
{
	struct hf_error err = HF_ERROR_INIT;
	struct location location = { .store = NULL };
	int r = location_find(a->store, &location, &err);

	if (r == 0 && !strcmp(a->verb, "status"))
		r = status(&location, a->json, &err);
	else if (r == 0 && !strcmp(a->verb, "passphrase"))
		r = set_passphrase(&location, a->new_fd, &err);
	else if (r == 0 && !strcmp(a->verb, "plain"))
		r = make_plain(&location, &err);
	else if (r == 0)
		r = move(&location, a->file, &err);
	location_release(&location);
	return r < 0 ? cli_fail_error(&err) : CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "new-passphrase-fd", 1, NULL, 'n' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	struct hf_error err = HF_ERROR_INIT;
	struct arguments a = { .new_fd = -1 };
	int o;

	while ((o = cli_option(self, argc, argv, "n:jh", longs)) != -1) {
		if (o == 'j')
			a.json = true;
		else if (o != 'n')
			return cli_option_code(o);
		else if ((a.new_fd = unlock_parse_fd(optarg, &err)) < 0)
			return cli_fail_error(&err);
	}
	if (!cli_operands(self, argc, 2, 3))
		return CLI_FAILED;
	a.verb = argv[optind];
	a.store = argv[optind + 1];
	a.file = argv[optind + 2];
	if (!a.file == !strcmp(a.verb, "move") || (strcmp(a.verb, "status") && strcmp(a.verb, "passphrase") &&
						   strcmp(a.verb, "plain") && strcmp(a.verb, "move")))
		return cli_fail("key: that is not how; see holdfast key --help");
	return change(&a);
}

const struct command command_key = {
	.name = "key",
	.summary = "wrap a store's keys by a passphrase, or keep them elsewhere",
	.usage = "holdfast key passphrase STORE [--new-passphrase-fd N]\n"
		 "holdfast key plain STORE\n"
		 "holdfast key move STORE FILE\n"
		 "holdfast key status STORE [--json]\n"
		 "\n"
		 "How the keys of a store that is not mounted are kept.\n"
		 "\n"
		 "  passphrase   wrapped by one (Argon2id, 3 passes over 256 MiB), set or changed: asked\n"
		 "               for twice on the terminal, or a line read from descriptor N\n"
		 "  plain        as files that their owner can read, as init makes them. This one and\n"
		 "               passphrase also put a key back that is kept elsewhere\n"
		 "  move         the volume key to FILE, on a disk or a token that is not always there;\n"
		 "               the writer key stays, and opens with it alone\n"
		 "  status       which of these it is\n"
		 "\n"
		 "Every command that opens such a store asks for the passphrase on the terminal, and a\n"
		 "mounted one is asked through its socket, without. Any of them takes\n"
		 "\n"
		 "  --passphrase-fd N   the passphrase: a line read from descriptor N\n"
		 "  --key-fd N          the volume key, as a file, read from descriptor N\n"
		 "  --key-file FILE     … from FILE\n"
		 "\n"
		 "and mount the same as options (-o key-file=FILE). A store without a volume key also\n"
		 "takes $CREDENTIALS_DIRECTORY/holdfast-key, which is what LoadCredential= and\n"
		 "LoadCredentialEncrypted=holdfast-key:… of systemd make.\n"
		 "\n"
		 "A key that was once plain on a disk may still be found there by who searches it: to be\n"
		 "sure of that, begin with holdfast init --passphrase or --key-out.\n"
		 "\n"
		 "  holdfast key passphrase /var/lib/volume\n"
		 "  holdfast key move /var/lib/volume /media/token/volume.key\n"
		 "  pass show volume | holdfast mount /var/lib/volume /srv/files -o passphrase-fd=0\n",
	.run = run,
	.takes_keys = true,
};
