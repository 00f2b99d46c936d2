/* SPDX-License-Identifier: MIT */
/*
 * The `holdfast` command (layer 6): one file a subcommand, cmd_NAME.c, each of which defines one `struct
 * command`.
 *
 * What a subcommand does to a store is an operation (operations.h): a request in JSON that gives an answer in
 * JSON. It runs here when the store is at rest, and in the process that has it mounted otherwise (location.h,
 * control.h); the subcommand itself only reads its arguments, asks, and prints.
 *
 * Exit codes: 0 fine, 1 found something wrong, 2 could not. Errors are one line on stderr, "holdfast: what;
 * what to do". What a command prints it need not flush: main.c does, and a command whose output did not get
 * out could not.
 */
#ifndef FS_CLI_CLI_H
#define FS_CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

#include "holdfast/error.h"

enum { CLI_FINE = 0, CLI_FOUND = 1, CLI_FAILED = 2 };

struct command {
	const char *name;
	const char *summary; /* a few words, for the list of commands */
	const char *usage;   /* synopsis, options and examples, as --help prints them */
	bool takes_keys;     /* opens stores: --passphrase-fd and the like (unlock.h) may be given */
	int (*run)(const struct command *self, int argc,
		   char **argv); /* argv[0] is the name; returns the exit code */
};

extern const struct command command_alarms, command_cat, command_check, command_diff, command_drill,
	command_du, command_find, command_first_bad, command_head, command_init, command_key, command_kit,
	command_log, command_mount, command_node, command_prune, command_recover, command_rekey,
	command_replica, command_restore, command_serve, command_snapshot, command_status, command_tags,
	command_undo, command_unmount, command_web;
extern const struct command command_doctor;

/* As mount(8) and mount.fuse3 call us: STORE DIR [-o options] [-sfnv]. cmd_mount.c. */
int mount_as_helper(int argc, char **argv);

/*
 * The next option, as getopt_long; -1 after the last. `longs` must name --help as 'h': that prints the usage
 * and gives 'h'. An option that does not exist is said on stderr and gives '?'. For both, return
 * cli_option_code.
 */
int cli_option(const struct command *self, int argc, char **argv, const char *shorts,
	       const struct option *longs);
int cli_option_code(int option);

/*
 * For commands whose one option is --json, and whose one argument may be left out. Negative: go on, *ret_json
 * says; else the exit code.
 */
int cli_json_only(const struct command *self, int argc, char **argv, bool *ret_json);

/* Whether between min and max arguments are left behind the options; says so if not. */
bool cli_operands(const struct command *self, int argc, int min, int max);

/* "holdfast: …" on stderr; returns CLI_FAILED. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int cli_fail_error(const struct hf_error *err);
/* Where rows were printed until one did not get out: that is said by main.c, and better. */
int cli_fail_rows(const struct hf_error *err);

/* An absolute path of what exists or could be made: the folder it is in must exist. malloc'ed. */
int cli_absolute(const char *path, char **ret, struct hf_error *err);
/* Is the one path, both absolute, in the folder or that itself? */
bool cli_is_inside(const char *path, const char *folder);

#define CLEANUP(f) __attribute__((cleanup(f)))
void cli_cleanup_free(void *pointer_to_pointer);
void cli_cleanup_fd(int *fd);

#endif
