/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/qr.h"
#include "holdfast/op.h"
#include "holdfast/replica.h"

#define REPLICAS_MAX 16

struct arguments {
	const char *store, *kit_file;
	const char *replicas[REPLICAS_MAX];
	size_t n_replicas;
	bool json;
};

/* The kit on stdout, once: there is no other copy of it. */
static int print_kit(const struct hf_kit *kit)
{
	char *line = hf_kit_line(kit);
	bool failed;

	if (!line)
		return cli_fail("no memory");
	printf("\n  RECOVERY KIT. Write it down now and keep it away from this machine. It is shown this "
	       "once and stored\n"
	       "  nowhere. Whoever has it can read the volume; without it nobody can recover the volume, not "
	       "even you.\n\n"
	       "  %s\n\n",
	       line);
	if (isatty(STDOUT_FILENO))
		qr_print(line);
	failed = fflush(stdout) != 0 || ferror(stdout);
	explicit_bzero(line, strlen(line));
	free(line);
	return failed ? cli_fail("the recovery kit could not be printed") : CLI_FINE;
}

static bool is_inside(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return !strncmp(path, folder, len) && path[len] == '/';
}

/* The volume's top folder is root's; it shall be his who makes the volume. */
static int own_root(const char *store, struct hf_error *err)
{
	struct hf_open_options options = { .flags = HF_OPEN_NO_REPLICATION };
	struct hf_setattr owner = { .mask = HF_SET_UID | HF_SET_GID, .uid = geteuid(), .gid = getegid() };
	struct hf_store *s;
	int r, closed;

	if (owner.uid == 0 && owner.gid == 0)
		return 0;
	r = hf_store_open(store, &options, &s, err);
	if (r < 0)
		return r;
	r = hf_setattr(s, HF_ROOT_INO, &owner, NULL, err);
	closed = hf_store_close(s, r < 0 ? NULL : err);
	return r < 0 ? r : closed;
}

/* The kit first: a volume whose kit could not be kept must not come to be. */
static int make_volume(const struct arguments *a, struct hf_kit *kit, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *store = NULL;
	CLEANUP(cli_cleanup_free) char *kit_file = NULL;
	int r;

	r = cli_absolute(a->store, &store, err);
	if (r == 0 && a->kit_file)
		r = cli_absolute(a->kit_file, &kit_file, err);
	if (r < 0)
		return r;
	if (kit_file && is_inside(kit_file, store))
		return hf_error_set(err, -EINVAL,
				    "the kit would lie in the store it is to recover; put %s elsewhere",
				    a->kit_file);
	if (kit_file) {
		r = hf_kit_write(kit, kit_file, err);
		if (r < 0)
			return r;
	}
	r = hf_store_init(store, kit, err);
	if (r < 0 && kit_file)
		(void)unlink(kit_file); /* of no volume */
	return r < 0 ? r : own_root(store, err);
}

static int add_replicas(const struct arguments *a, struct hf_error *err)
{
	int r;

	for (size_t i = 0; i < a->n_replicas; i++) {
		r = hf_replica_add(a->store, a->replicas[i], NULL, err);
		if (r < 0)
			return hf_error_prefix(
				err, r,
				"the volume is made, but not all its replicas (try again with: holdfast "
				"replica add %s): ",
				a->store);
	}
	return 0;
}

static void print_result(const struct arguments *a, const struct hf_kit *kit)
{
	char id[HF_VOLUME_ID_TEXT_BYTES];
	json_t *answer;

	hf_kit_volume_id(kit, id);
	if (a->json) {
		answer = json_pack("{s:s, s:s, s:s?, s:i}", "volume_id", id, "store", a->store, "kit_file",
				   a->kit_file, "replicas", (int)a->n_replicas);
		output_json(answer);
		json_decref(answer);
		return;
	}
	printf("volume %s made in %s\n", id, a->store);
	if (a->kit_file)
		printf("recovery kit in %s: print it, or move it to something you unplug, and delete it "
		       "here.\n"
		       "With it and one replica everything can be recovered; without it, nothing.\n",
		       a->kit_file);
	if (a->n_replicas == 0)
		printf("It has no replica yet: what happens to this machine happens to the past as well "
		       "(holdfast replica --help).\n");
	printf("Next: holdfast mount %s DIR\n", a->store);
}

static int init_volume(const struct arguments *a)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit *kit = NULL;
	int r, code = CLI_FINE;

	r = hf_kit_generate(&kit, &err);
	if (r == 0)
		r = make_volume(a, kit, &err);
	if (r == 0 && !a->kit_file)
		code = print_kit(kit);
	if (r == 0 && code == CLI_FINE)
		r = add_replicas(a, &err);
	if (r < 0)
		code = cli_fail_error(&err);
	else if (code == CLI_FINE)
		print_result(a, kit);
	hf_kit_free(kit);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "kit-file", 1, NULL, 'k' },
					       { "replica", 1, NULL, 'r' },
					       { "json", 0, NULL, 'j' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	struct arguments a = { .store = NULL };
	int o;

	while ((o = cli_option(self, argc, argv, "k:r:jh", longs)) != -1) {
		switch (o) {
		case 'k':
			a.kit_file = optarg;
			break;
		case 'r':
			if (a.n_replicas == REPLICAS_MAX)
				return cli_fail("init: at most %d replicas", REPLICAS_MAX);
			a.replicas[a.n_replicas++] = optarg;
			break;
		case 'j':
			a.json = true;
			break;
		default:
			return cli_option_code(o);
		}
	}
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	if (a.json && !a.kit_file)
		return cli_fail("init: with --json say where the kit goes, by --kit-file");
	a.store = argv[optind];
	return init_volume(&a);
}

const struct command command_init = {
	.name = "init",
	.summary = "make a volume, and its recovery kit",
	.usage = "holdfast init STORE [--kit-file KIT] [--replica INVITATION|DIR]… [--json]\n"
		 "\n"
		 "Make a volume whose log is kept in the folder STORE, and the recovery kit that\n"
		 "is the only way back to it. The kit is written to KIT (never over an existing\n"
		 "file), or else printed once, as text and as a QR code.\n"
		 "\n"
		 "  --kit-file KIT       keep it away from this machine afterwards\n"
		 "  --replica PLACE      where to ship the log: an invitation printed by holdfast\n"
		 "                       node invite on the machine that is to keep it, or a\n"
		 "                       folder (another disk: no defence against root on this\n"
		 "                       machine)\n"
		 "\n"
		 "  holdfast init /var/lib/volume --kit-file /media/stick/volume.kit --replica "
		 "holdfast-invite:…\n",
	.run = run,
};
