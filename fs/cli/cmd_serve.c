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
#include "fs/cli/log.h"
#include "fs/metrics/metrics.h"
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
static void give_up_rights(void)
{
	char missing[200];

	harden_open_files();
	harden(missing, sizeof(missing));
	if (missing[0])
		log_words(LOG_WARNING, "this process is less hardened than it could be: %s", missing);
	if (geteuid() == 0)
		log_words(LOG_WARNING, "running as root: a node needs none of its rights. Give it a user of "
				       "its own; see holdfast(1)");
}

/* metrics_at: NULL: nowhere. */
static int serve(struct daemon *d, const char *dir, const char *metrics_at)
{
	struct hf_error err = HF_ERROR_INIT;
	struct hf_node *node = NULL;
	struct metrics *metrics = NULL;
	char words[HF_ERROR_TEXT_BYTES];
	char *pid_path = NULL;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	if (!d->front)
		(void)signal(SIGHUP, SIG_IGN);
	else
		sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	daemon_take_log(d);
	give_up_rights();
	if (hf_node_start(dir, &node, &err) < 0)
		return daemon_failed(d, &err);
	if ((metrics_at && metrics_of_node(metrics_at, node, dir, &metrics, &err) < 0) ||
	    write_pid(dir, &pid_path, &err) < 0) {
		metrics_stop(metrics);
		hf_node_stop(node);
		return daemon_failed(d, &err);
	}
	if (metrics_are_reachable(metrics))
		log_words(LOG_WARNING,
			  "others than this machine can read the metrics, which are not encrypted");
	snprintf(words, sizeof(words), "serving %s at %s%s%s%s, process %d%s", dir, hf_node_url(node),
		 metrics ? ", metrics at http://" : "", metrics_address(metrics), metrics ? "/metrics" : "",
		 (int)getpid(), geteuid() == 0 ? ", as root, which it need not be" : "");
	daemon_ready(d, words);
	wait_for_signal(&signals);
	daemon_stopping(d, "finishing requests at hand");
	metrics_stop(metrics);
	hf_node_stop(node);
	if (pid_path)
		(void)unlink(pid_path);
	free(pid_path);
	return CLI_FINE;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = { { "metrics", 1, NULL, 'm' },
					       { "foreground", 0, NULL, 'f' },
					       { "log", 1, NULL, 'l' },
					       { "help", 0, NULL, 'h' },
					       { 0 } };
	CLEANUP(cli_cleanup_free) char *dir = NULL;
	struct hf_error err = HF_ERROR_INIT;
	const char *metrics_at = NULL;
	const char *level = "";
	bool foreground = false;
	struct daemon d;
	int o, r, code = CLI_FAILED;

	while ((o = cli_option(self, argc, argv, "l:fh", longs)) != -1) {
		if (o == 'l')
			level = optarg;
		else if (o == 'm')
			metrics_at = optarg;
		else if (o == 'f')
			foreground = true;
		else
			return cli_option_code(o);
	}
	if (log_set_level(level, &err) < 0)
		return cli_fail_error(&err);
	if (!cli_operands(self, argc, 1, 1))
		return CLI_FAILED;
	if (metrics_at && metrics_check(metrics_at, &err) < 0) {
		hf_error_prefix(&err, err.code, "--metrics");
		return cli_fail_error(&err);
	}
	if (cli_absolute(argv[optind], &dir, &err) < 0)
		return cli_fail_error(&err);
	r = daemon_start(&d, foreground, &code, &err);
	if (r < 0)
		return cli_fail_error(&err);
	return r > 0 ? code : serve(&d, dir, metrics_at);
}

const struct command command_serve = {
	.name = "serve",
	.summary = "run a replica node",
	.usage = "holdfast serve DIR [--metrics [HOST:]PORT] [-f] [--log LEVEL]\n"
		 "\n"
		 "Serve the node in DIR (made by holdfast node init). Returns when it listens; its\n"
		 "process id is then in DIR/pid, and SIGTERM ends it, requests at hand finished.\n"
		 "It logs to syslog, and with -f to stderr. It needs no rights: run it as a user\n"
		 "of its own. Before it listens it gives up what it does not need: new privileges,\n"
		 "core dumps, and system calls as mount and ptrace; its alarm hook inherits that.\n"
		 "\n"
		 "  --metrics [HOST:]PORT\n"
		 "                     figures for Prometheus by HTTP, at /metrics of this port of\n"
		 "                     loopback, or of HOST, an address; port 0: any that is free\n"
		 "  -f, --foreground   stay in front; systemd is told when it listens (Type=notify)\n"
		 "  --log LEVEL        what weighs less is not logged: " LOG_LEVELS ".\n"
		 "                       Else as the variable HOLDFAST_LOG says, else info\n"
		 "\n"
		 "  holdfast serve /var/lib/node --metrics 9481\n"
		 "  kill $(cat /var/lib/node/pid)\n",
	.run = run,
};
