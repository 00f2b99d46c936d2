/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include "fs/cli/cli.h"
#include "fs/cli/location.h"
#include "fs/cli/output.h"
#include "fs/cli/unlock.h"
#include "fs/cli/web_source.h"
#include "fs/web/web.h"

static int print_link(struct web *web, const char *store, bool json)
{
	struct hf_error err = HF_ERROR_INIT;
	char link[WEB_LINK_BYTES];
	json_t *o;

	if (web_link(web, link, &err) < 0)
		return cli_fail_error(&err);
	if (json) {
		o = json_pack("{s:s, s:s, s:b}", "link", link, "store", store, "reachable",
			      web_is_reachable(web));
		output_json(o);
		json_decref(o);
	} else {
		printf("%s\n", link);
	}
	explicit_bzero(link, sizeof(link));
	return output_flush() < 0 ? CLI_FAILED : CLI_FINE;
}

static void print_words(const struct web *web, bool asks)
{
	if (web_is_reachable(web))
		fprintf(stderr,
			"holdfast: others can reach this address, and what is sent is not encrypted: who is "
			"on the way can read all that you look at. Better is ssh -L to a page that listens on "
			"loopback. If the link has 0.0.0.0 or [::] in it, put this machine's address there\n");
	printf("The link opens the page once, within ten minutes.%s Ctrl-C ends the page.\n",
	       asks ? " Enter prints another one." : "");
}

/* Until a signal comes; a line typed in between asks for another link. */
static int wait_here(struct web *web, int signals, const char *store, bool json)
{
	struct pollfd p[2] = { { .fd = signals, .events = POLLIN },
			       { .fd = isatty(STDIN_FILENO) && !json ? STDIN_FILENO : -1,
				 .events = POLLIN } };
	char typed[256];

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return CLI_FAILED;
		if (p[0].revents)
			return CLI_FINE;
		if (!p[1].revents)
			continue;
		if (read(STDIN_FILENO, typed, sizeof(typed)) <= 0)
			p[1].fd = -1;
		else if (print_link(web, store, json) != CLI_FINE)
			return CLI_FAILED;
	}
}

/* Threads inherit the mask: only the descriptor hears of these. */
static int hear_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* Whether it can be shown is known before there is a page: a wrong passphrase is said here. */
static int try_to_ask(struct web_source *source, struct hf_error *err)
{
	json_t *request = json_pack("{s:s}", "do", "status"), *answer = NULL;

	if (request)
		answer = web_source_ask(source, request, err);
	else
		hf_error_set(err, -ENOMEM, "no memory");
	json_decref(request);
	json_decref(answer);
	return answer ? 0 : -1;
}

static int serve(struct location *location, const char *listen_at, bool json)
{
	CLEANUP(cli_cleanup_fd) int signals = hear_signals();
	CLEANUP(cli_cleanup_free) char *store = strdup(location->store);
	struct web_source *source = NULL;
	struct hf_error err = HF_ERROR_INIT;
	struct web *web = NULL;
	int code = CLI_FAILED;

	if (signals >= 0 && store)
		source = web_source_start_take(location);
	if (!source)
		return cli_fail("no memory, or no threads");
	if (try_to_ask(source, &err) < 0 || web_start(listen_at, web_source_ask, source, &web, &err) < 0) {
		cli_fail_error(&err);
	} else {
		if (!json)
			print_words(web, isatty(STDIN_FILENO));
		code = print_link(web, store, json);
		if (code == CLI_FINE)
			code = wait_here(web, signals, store, json);
	}
	web_stop(web);
	web_source_stop(source);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "listen", 1, NULL, 'l' }, { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	struct location location = { .store = NULL };
	struct hf_error err = HF_ERROR_INIT;
	const char *listen_at = NULL;
	bool json = false;
	int o, code;

	while ((o = cli_option(self, argc, argv, "l:jh", longs)) != -1) {
		if (o == 'l')
			listen_at = optarg;
		else if (o == 'j')
			json = true;
		else
			return cli_option_code(o);
	}
	if (!cli_operands(self, argc, 0, 1))
		return CLI_FAILED;
	if (location_find(argc > optind ? argv[optind] : NULL, &location, &err) < 0)
		return cli_fail_error(&err);
	code = serve(&location, listen_at, json);
	location_release(&location);
	return code;
}

const struct command command_web = {
	.name = "web",
	.summary = "a time machine in the browser",
	.usage = "holdfast web [STORE|DIR] [--listen ADDR:PORT] [--json]\n"
		 "\n"
		 "Serve a page that shows the volume at any moment: a timeline of its changes, its\n"
		 "tree and files as they were, their versions and differences. Mounted or at rest;\n"
		 "a store at rest can be mounted while the page is open.\n"
		 "\n"
		 "A file, a folder or a version of another moment has a button that restores it in\n"
		 "the volume, as holdfast restore does. First is shown what that would change; done\n"
		 "it is when you agree, and then the command is shown that takes it back. Nothing is\n"
		 "lost by it. All else on the page only looks.\n"
		 "\n"
		 "A link is printed that opens the page in one browser, once, within ten minutes;\n"
		 "on a terminal, Enter prints another. The page sees all that is in the volume,\n"
		 "whatever the files' permissions, and asks nothing of any other machine. It ends\n"
		 "with this command: Ctrl-C, or SIGTERM.\n"
		 "\n"
		 "  --listen ADDR:PORT   default 127.0.0.1 and any free port. With an address that\n"
		 "                       others can reach, who is on the way can read all that is\n"
		 "                       looked at: that is warned of. From another machine, better:\n"
		 "                       ssh -L 8080:127.0.0.1:8080 HOST, and here --listen 8080\n"
		 "  --json               the link as {link, store, reachable}\n" UNLOCK_USAGE "\n"
		 "  holdfast web ~/files\n"
		 "  holdfast web /var/lib/volume --listen 8080\n",
	.run = run,
	.takes_keys = true,
};
