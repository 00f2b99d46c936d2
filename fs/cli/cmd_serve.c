/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "fs/cli/cli.h"
#include "fs/cli/daemon.h"
#include "fs/cli/harden.h"
#include "holdfast/node.h"

/* DIR/pid, by which a script stops us: kill $(cat DIR/pid). */
static int write_pid(const char *dir, char **ret_path, struct hf_error *err)
{
	char *path = NULL;
	FILE *f;

	if (asprintf(&path, "%s/pid", dir) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	f = fopen(path, "we");
	if (!f && errno == EROFS) { /* a node that lets read all the same */
		free(path);
		return 0;
	}
	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fflush(f) != 0) {
		hf_error_set(err, errno ? -errno : -EIO, "%s: %s", path, strerror(errno));
		if (f)
			fclose(f);
		free(path);
		return err->code;
	}
	fclose(f);
	*ret_path = path;
	return 0;
}

/* The node's threads inherit the mask: only sigwait here hears of these. */
static void wait_for_signal(const sigset_t *signals)
{
	int got;

	while (sigwait(signals, &got) != 0)
		;
}

/* What is less than it could be is said, and stops nothing. */
static void give_up_rights(const struct daemon *d)
{
	char missing[200], line[300];

	harden_open_files();
	harden(missing, sizeof(missing));
	if (missing[0]) {
		snprintf(line, sizeof(line), "this process is less hardened than it could be: %s", missing);
		daemon_log(d, LOG_WARNING, line);
	}
	if (geteuid() == 0)
		daemon_log(d, LOG_WARNING,
		    "running as root: a node needs none of its rights. Give it a user of its own; see holdfast(1)");
}

static int serve(struct daemon *d, const char *dir)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node *node = NULL;
	char words[HF_ERROR_TEXT_BYTES];
	char *pid_path = NULL;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (d->fd >= 0)
		(void)signal(SIGHUP, SIG_IGN);
	else
		sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	daemon_take_log(d);
	give_up_rights(d);
	if (hf_node_start(dir, &node, &err) < 0)
		return daemon_failed(d, &err);
	if (write_pid(dir, &pid_path, &err) < 0) {
		hf_node_stop(node);
		return daemon_failed(d, &err);
	}
	snprintf(words, sizeof(words), "serving %s at %s, process %d%s", dir, hf_node_url(node), (int)getpid(),
		 geteuid() == 0 ? ", as root, which it need not be" : "");
	daemon_ready(d, words);
	wait_for_signal(&signals);
	hf_node_stop(node);
	if (pid_path)
		(void)unlink(pid_path);
	free(pid_path);
	return CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "foreground", 0, NULL, 'f' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	CLEANUP(cli_cleanup_free) char *dir = NULL;
	struct hf_error err = HF_ERROR_INIT;
	bool foreground = false;
	struct daemon d;
	int o, r, code = CLI_FAILED;

	while ((o = cli_option(self, argc, argv, "fh", longs)) != -1) {
		if (o != 'f')
			return cli_option_code(o);
		foreground = true;
	}
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	if (cli_absolute(argv[optind], &dir, &err) < 0)
		return cli_fail_error(&err);
	r = daemon_start(&d, foreground, &code, &err);
	if (r < 0)
		return cli_fail_error(&err);
	return r > 0 ? code : serve(&d, dir);
}

const struct command command_serve = {
	.name = "serve",
	.summary = "run a replica node",
	.usage = "holdfast serve DIR [-f]\n"
		 "\n"
		 "Serve the node in DIR (made by holdfast node init). Returns when it listens; its\n"
		 "process id is then in DIR/pid, and SIGTERM ends it, requests at hand finished.\n"
		 "It logs to syslog, and with -f to stderr. It needs no rights: run it as a user\n"
		 "of its own. Before it listens it gives up what it does not need: new privileges,\n"
		 "core dumps, and system calls as mount and ptrace; its alarm hook inherits that.\n"
		 "\n"
		 "  -f, --foreground   stay in front, as systemd likes it\n"
		 "\n"
		 "  holdfast serve /var/lib/node\n"
		 "  kill $(cat /var/lib/node/pid)\n",
	.run = run,
};
