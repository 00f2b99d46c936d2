/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/cli/cli.h"
#include "fs/cli/findings.h"
#include "fs/cli/output.h"
#include "fs/cli/qr.h"
#include "fs/cli/unlock.h"
#include "holdfast/key.h"
#include "holdfast/op.h"
#include "holdfast/replica.h"

#define REPLICAS_MAX 16

struct arguments {
	const char *store, *kit_file, *kit_qr, *key_file;
	const char *replicas[REPLICAS_MAX];
	size_t n_replicas;
	unsigned retention_days;
	bool without_lock;
	bool passphrase, json;
	struct hf_keeping keeping;
	struct secret secret; /* what keeping.passphrase points into */
};

/* The kit on stdout, once: there is no other copy of it. */
static int print_kit(const struct hf_kit *kit, struct hf_error *err)
{
	char *line = hf_kit_line(kit);
	bool failed;

	if (!line)
		return hf_error_set(err, -ENOMEM, "no memory");
	errno = 0;
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
	return failed ? hf_error_set(err, -EIO,
				     "the recovery kit could not be printed (%s), and so no volume was made: "
				     "print it to where it stays, or give --kit-file",
				     strerror(errno)) :
			0;
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

/* A file that is to lie outside the store: its absolute path. NULL: none is wanted. */
static int outside(const char *file, const char *store, const char *what, char **ret, struct hf_error *err)
{
	int r = file ? cli_absolute(file, ret, err) : 0;

	if (r == 0 && file && cli_is_inside(*ret, store))
		r = hf_error_set(err, -EINVAL, "the %s would lie in the store itself; put %s elsewhere", what,
				 file);
	return r;
}

static int write_kit(const struct hf_kit *kit, const char *kit_file, const char *kit_qr, struct hf_error *err)
{
	char *line;
	int r = kit_file ? hf_kit_write(kit, kit_file, err) : 0;

	if (r < 0 || !kit_qr)
		return r;
	line = hf_kit_line(kit);
	r = line ? qr_write(line, kit_qr, err) : hf_error_set(err, -ENOMEM, "no memory");
	if (line)
		explicit_bzero(line, strlen(line));
	free(line);
	if (r < 0 && kit_file)
		(void)unlink(kit_file);
	return r;
}

/* Everything the store is made with is there before it is. */
static int prepare_keeping(struct arguments *a, const char *store, char *key_file, struct hf_error *err)
{
	int fd = unlock_passphrase_fd(), r = 0;

	a->keeping.how = key_file                 ? HF_KEY_ELSEWHERE :
			 a->passphrase || fd >= 0 ? HF_KEY_PASSPHRASE :
						    HF_KEY_PLAIN;
	a->keeping.key_file = key_file;
	if (a->passphrase || fd >= 0)
		r = unlock_new_passphrase(fd, store, true, &a->secret, err);
	if (r == -ENOTTY)
		hf_error_set(err, r,
			     "there is no terminal to ask for the passphrase on: give --passphrase-fd");
	a->keeping.passphrase = a->secret.text;
	a->keeping.passphrase_len = a->secret.len;
	return r < 0 || !key_file ? r : unlock_use_key_file(key_file, err);
}

/* What is written wrong is said before anything is made. */
static int check_replicas(const struct arguments *a, const char *store, struct hf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->n_replicas; i++)
		r = hf_replica_check_place(store, a->replicas[i], err);
	return r;
}

/* Seen to before a kit is printed, which cannot be taken back. */
static int check_folder(const char *store, struct hf_error *err)
{
	DIR *folder = opendir(store);
	int n = 0;

	if (!folder)
		return errno == ENOENT ? 0 : hf_error_set(err, -errno, "%s: %s", store, strerror(errno));
	while (n <= 2 && readdir(folder)) /* "." and ".." */
		n++;
	closedir(folder);
	return n <= 2 ? 0 :
			hf_error_set(err, -ENOTEMPTY,
				     "%s is not empty: a new store needs a new or empty folder", store);
}

/* The kit first: a volume whose kit could not be kept must not come to be. */
static int make_volume(struct arguments *a, struct hf_kit *kit, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *store = NULL;
	CLEANUP(cli_cleanup_free) char *kit_file = NULL;
	CLEANUP(cli_cleanup_free) char *kit_qr = NULL;
	CLEANUP(cli_cleanup_free) char *key_file = NULL;
	int r;

	r = cli_absolute(a->store, &store, err);
	if (r == 0)
		r = outside(a->kit_file, store, "kit", &kit_file, err);
	if (r == 0)
		r = outside(a->kit_qr, store, "kit", &kit_qr, err);
	if (r == 0)
		r = outside(a->key_file, store, "key", &key_file, err);
	if (r == 0)
		r = check_replicas(a, store, err);
	if (r == 0)
		r = prepare_keeping(a, store, key_file, err);
	if (r == 0)
		r = check_folder(store, err);
	if (r == 0)
		r = write_kit(kit, kit_file, kit_qr, err);
	if (r == 0 && !kit_file) {
		r = print_kit(kit, err);
		if (r < 0 && kit_qr)
			(void)unlink(kit_qr);
	}
	if (r < 0)
		return r;
	r = hf_store_init_kept(store, kit, &a->keeping, err);
	if (r < 0 && !kit_file)
		(void)hf_error_prefix(err, r, "no volume was made: throw the kit away that is printed above");
	if (r < 0 && kit_file)
		(void)unlink(kit_file); /* of no volume */
	if (r < 0 && kit_qr)
		(void)unlink(kit_qr);
	return r < 0 ? r : own_root(store, err);
}

/* A kit that goes down with what it is to recover is none. */
static void warn_of_same_disk(const char *file, const char *store)
{
	struct stat kit, log;

	if (file && stat(file, &kit) == 0 && stat(store, &log) == 0 && kit.st_dev == log.st_dev)
		fprintf(stderr,
			"holdfast: %s is on the same disk as the store: until it is moved to another place, "
			"losing "
			"that disk loses both\n",
			file);
}

/* What a bucket enforces is told before it is refused. */
static int add_replica(const struct arguments *a, const char *place, struct hf_error *err)
{
	bool bucket = strncmp(place, "s3://", 5) == 0;
	json_t *findings = json_array();
	struct hf_replica_options options = { .found = findings_take,
					      .found_arg = findings,
					      .retention_days = bucket ? a->retention_days : 0,
					      .without_lock = bucket && a->without_lock };
	int r = hf_replica_add_with(a->store, place, &options, err);

	if (!a->json)
		findings_print(findings);
	json_decref(findings);
	return r;
}

static int add_replicas(const struct arguments *a, struct hf_error *err)
{
	int r;

	for (size_t i = 0; i < a->n_replicas; i++) {
		r = add_replica(a, a->replicas[i], err);
		if (r < 0)
			return hf_error_prefix(
				err, r,
				"the volume is made, but not all its replicas (try again with: holdfast "
				"replica add %s)",
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
	if (a->kit_qr)
		printf("its QR code in %s, as a picture to print: the same secret, and to be kept the same "
		       "way\n",
		       a->kit_qr);
	if (a->key_file)
		printf("volume key in %s: the store opens with it alone (-o key-file=%s)\n", a->key_file,
		       a->key_file);
	if (a->n_replicas == 0)
		printf("It has no replica yet: what happens to this machine happens to the past as well "
		       "(holdfast replica --help).\n");
	printf("Next: holdfast mount %s DIR\n", a->store);
}

/* Who reads what is printed may have gone before its end, and the kit with him. */
static int check_printed(const struct arguments *a)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CLI_FINE;
	if (a->kit_file)
		return cli_fail("the volume is made in %s, its kit is in %s, but that could not be printed",
				a->store, a->kit_file);
	return cli_fail(
		"the volume is made in %s, but not all could be printed. If its recovery kit was lost by "
		"that, there is no other copy: remove the folder %s, and make it anew",
		a->store, a->store);
}

static int init_volume(struct arguments *a)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_kit *kit = NULL;
	int r, code;

	(void)signal(SIGPIPE, SIG_IGN); /* a kit that nobody reads is to be noticed */
	r = hf_kit_generate(&kit, &err);
	if (r == 0)
		r = make_volume(a, kit, &err);
	if (r == 0) {
		warn_of_same_disk(a->kit_file, a->store);
		warn_of_same_disk(a->kit_qr, a->store);
	}
	if (r == 0)
		r = add_replicas(a, &err);
	if (r < 0) {
		code = cli_fail_error(&err);
	} else {
		print_result(a, kit);
		code = check_printed(a);
	}
	hf_kit_free(kit);
	secret_release(&a->secret);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "kit-file", 1, NULL, 'k' },   { "kit-qr", 1, NULL, 'q' },
		{ "passphrase", 0, NULL, 'p' }, { "key-out", 1, NULL, 'o' },
		{ "replica", 1, NULL, 'r' },    { "json", 0, NULL, 'j' },
		{ "retention", 1, NULL, 'R' },  { "without-lock", 0, NULL, 'L' },
		{ "help", 0, NULL, 'h' },       { 0 }
	};
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
		case 'q':
			a.kit_qr = optarg;
			break;
		case 'p':
			a.passphrase = true;
			break;
		case 'o':
			a.key_file = optarg;
			break;
		case 'R':
			if (!findings_retention(self->name, optarg, &a.retention_days))
				return CLI_FAILED;
			break;
		case 'L':
			a.without_lock = true;
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
	.usage = "holdfast init STORE [--kit-file KIT] [--kit-qr FILE.svg] [--replica PLACE]…\n"
		 "              [--retention 90d] [--without-lock]\n"
		 "              [--passphrase | --passphrase-fd N] [--key-out FILE] [--json]\n"
		 "\n"
		 "Make a volume whose log is kept in the folder STORE, and the recovery kit that\n"
		 "is the only way back to it. The kit is written to KIT (never over an existing\n"
		 "file), or else printed once, as text and as a QR code; when it cannot be, no\n"
		 "volume is made. How each PLACE is written is looked at before anything is made.\n"
		 "\n"
		 "  --kit-file KIT       keep it away from this machine afterwards\n"
		 "  --kit-qr FILE.svg    its line as a QR code too, as a picture to print; mode 0600\n"
		 "  --replica PLACE      where to ship the log: an invitation printed by holdfast\n"
		 "                       node invite on the machine that is to keep it, a\n"
		 "                       bucket (s3://…), or a folder (another disk: no defence\n"
		 "                       against root on this machine)\n"
		 "  --retention, --without-lock\n"
		 "                       of a bucket: see holdfast replica --help\n"
		 "  --passphrase         wrap the keys by a passphrase, asked for twice (or a line\n"
		 "                       read from descriptor N). To open the store it is asked for;\n"
		 "                       the kit opens without\n"
		 "  --key-out FILE       the volume key there, and not in STORE; see holdfast key\n"
		 "                       --help\n"
		 "\n"
		 "  holdfast init /var/lib/volume --kit-file /media/stick/volume.kit --replica "
		 "holdfast-invite:…\n",
	.run = run,
	.takes_keys = true,
};
