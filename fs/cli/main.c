/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"
#include "fs/cli/unlock.h"
#include "holdfast/store.h"

static const struct command *const commands[] = {
	&command_init,    &command_mount,     &command_unmount, &command_status, &command_snapshot,
	&command_tags,    &command_log,       &command_diff,    &command_cat,    &command_find,
	&command_du,      &command_first_bad, &command_node,    &command_serve,  &command_replica,
	&command_recover, &command_drill,     &command_restore, &command_undo,   &command_check,
	&command_kit,     &command_doctor,    &command_head,    &command_alarms, &command_key,
	&command_rekey,   &command_prune,     &command_web,
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void print_help(void)
{
	printf("holdfast: a filesystem that cannot forget\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n"
	       "holdfast COMMAND --help tells more, with examples; holdfast --version.\n"
	       "\n"
	       "A first try:\n"
	       "  holdfast init ~/volume --kit-file ~/volume.kit    then keep the kit somewhere else\n"
	       "  mkdir ~/files && holdfast mount ~/volume ~/files\n"
	       "  ls ~/files/.history/at/10m                        the tree as it was ten minutes ago\n");
}

static int help(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_help();
		return CLI_FINE;
	}
	command = find_command(argv[1]);
	if (!command)
		return cli_fail("there is no command %s; see holdfast --help", argv[1]);
	printf("%s", command->usage);
	return CLI_FINE;
}

/* Memory holds keys: no core dumps, and no other process of the user may look in. */
static void protect_memory(void)
{
#ifndef __SANITIZE_ADDRESS__ /* whose leak check looks in */
	struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/*
 * A mount's data passes through a lot of memory, and every page that the kernel has to give costs as much as
 * a request. So its heap is of huge pages; glibc takes that wish at the start of a program only: start again,
 * once. Where that cannot be, pages stay small, and nothing else is different.
 */
static void use_huge_pages(char **argv)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	if (!getenv("GLIBC_TUNABLES") && setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0) == 0)
		(void)execv("/proc/self/exe", argv);
#else
	(void)argv;
#endif
}

static bool called_as_mount(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return !strncmp(slash ? slash + 1 : argv0, "mount.", strlen("mount."));
}

static bool is_mount(int argc, char **argv)
{
	return argc > 1 && (called_as_mount(argv[0]) || !strcmp(argv[1], "mount") || strchr(argv[1], '/'));
}

static int run_command(const struct command *command, int argc, char **argv)
{
	int code = CLI_FAILED;

	if (unlock_begin(&argc, argv, command->takes_keys) == 0)
		code = command->run(command, argc - 1, argv + 1);
	unlock_end();
	return code;
}

static int run_helper(int argc, char **argv)
{
	int code = CLI_FAILED;

	if (unlock_begin(&argc, argv, true) == 0)
		code = mount_as_helper(argc, argv);
	unlock_end();
	return code;
}

/*
 * Whoever starts us may have closed these. Then the first files that are opened would take their numbers, and
 * what is printed would go into a store.
 */
static void hold_standard_files(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* What was printed and did not get out was not said, however well the rest went. */
static int end(int code)
{
	int r = output_flush();

	if (r == 0 &&
	    close(STDOUT_FILENO) < 0) /* where a file system over the network says that it is full */
		r = -errno;
	if (r < 0 && r != -EPIPE)
		cli_fail("standard output could not be written: %s", strerror(-r));
	return r < 0 ? CLI_FAILED : code;
}

static int run(int argc, char **argv)
{
	const struct command *command;

	if (argc > 0 && called_as_mount(argv[0]))
		return run_helper(argc, argv);
	if (argc < 2) {
		print_help();
		return CLI_FAILED;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("%s\n", hf_version());
		return CLI_FINE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	command = find_command(argv[1]);
	if (command)
		return run_command(command, argc, argv);
	/* mount.fuse3 runs `holdfast STORE DIR -o …`. */
	if (argc >= 3 && strchr(argv[1], '/'))
		return run_helper(argc, argv);
	return cli_fail("there is no command %s; see holdfast --help", argv[1]);
}

int main(int argc, char **argv)
{
	if (is_mount(argc, argv))
		use_huge_pages(argv);
	(void)prctl(PR_SET_NAME, "holdfast"); /* what started again would be "exe" to ps, pgrep and killall */
	protect_memory();
	hold_standard_files();
	return end(run(argc, argv));
}
