/* SPDX-License-Identifier: MIT */
/*
 * From child to parent, lines: "P done total what", "R words" (ready), "E words" (failed). A stream that ends
 * without R or E means that the child died.
 */
#include "fs/cli/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>

#include "fs/cli/cli.h"
#include "fs/cli/log.h"
#include "fs/cli/notify.h"

#define PROGRESS_EVERY_SECONDS 0.1
#define NOTIFY_EVERY_SECONDS 1.0
#define DAEMON_FD 3 /* to the parent, in the child */

static int parent_died_words(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		return cli_fail("the background process died of signal %d (%s)", WTERMSIG(status),
				strsignal(WTERMSIG(status)));
	return cli_fail("the background process ended before it was ready (exit code %d)",
			WEXITSTATUS(status));
}

static int parent_main(int fd, pid_t child)
{
	FILE *f = fdopen(fd, "r");
	struct progress progress;
	char line[HF_ERROR_TEXT_BYTES + 64];
	uint64_t done, total;
	int at, code = -1;

	progress_begin(&progress);
	while (f && code < 0 && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'P' && sscanf(line, "P %" SCNu64 " %" SCNu64 " %n", &done, &total, &at) == 2) {
			progress_show(&progress, line + at, done, total);
			continue;
		}
		progress_end(&progress);
		if (line[0] == 'E') {
			code = cli_fail("%s", line + 2);
		} else if (line[0] == 'R') {
			if (line[1] && line[2])
				puts(line + 2);
			code = CLI_FINE;
		}
	}
	progress_end(&progress);
	if (f)
		fclose(f);
	return code >= 0 ? code : parent_died_words(child);
}

/*
 * Let go of all that a process in the background has no business with: the terminal's session, the working
 * directory, and descriptors that came from whoever called us, who may wait for their end.
 */
static int child_begin(struct daemon *d, int fd, struct hf_error *err)
{
	signal(SIGPIPE, SIG_IGN); /* the parent may be gone */
	setsid();
	if (dup3(fd, DAEMON_FD, O_CLOEXEC) < 0 && fd != DAEMON_FD)
		return hf_error_set(err, -errno, "pipe: %s", strerror(errno));
	(void)close_range(DAEMON_FD + 1, ~0u, 0);
	if (chdir("/") < 0)
		return hf_error_set(err, -errno, "/: %s", strerror(errno));
	d->fd = DAEMON_FD;
	return 0;
}

int daemon_start(struct daemon *d, bool foreground, int *ret_code, struct hf_error *err)
{
	int fds[2];
	pid_t child;

	*d = (struct daemon){ .fd = -1, .front = foreground };
	progress_begin(&d->progress);
	notify_begin();
	if (foreground)
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return hf_error_set(err, -errno, "pipe: %s", strerror(errno));
	fflush(NULL);
	child = fork();
	if (child < 0) {
		close(fds[0]);
		close(fds[1]);
		return hf_error_set(err, -errno, "cannot start a background process: %s", strerror(errno));
	}
	if (child > 0) {
		close(fds[1]);
		*ret_code = parent_main(fds[0], child);
		return 1;
	}
	return child_begin(d, fds[1], err);
}

static void tell(struct daemon *d, const char *line, int len)
{
	ssize_t n;

	if (len > 0) {
		n = write(d->fd, line, (size_t)len);
		(void)n; /* a parent that left does not want to know */
	}
}

/* Building an index anew may take longer than a service manager waits for a start. */
static void tell_manager(struct daemon *d, double now, const char *what, uint64_t done, uint64_t total)
{
	char line[160];

	if (!notify_wanted() || now - d->told < NOTIFY_EVERY_SECONDS)
		return;
	d->told = now;
	progress_format(line, sizeof(line), what, done, total, 0, 0);
	notify_busy(line);
}

static void show(void *arg, const char *what, uint64_t done, uint64_t total)
{
	struct daemon *d = arg;
	double now = progress_now();
	char line[256];

	if (d->fd < 0) {
		progress_show(&d->progress, what, done, total);
		tell_manager(d, now, what, done, total);
		return;
	}
	if (now - d->told < PROGRESS_EVERY_SECONDS)
		return;
	d->told = now;
	tell(d, line, snprintf(line, sizeof(line), "P %" PRIu64 " %" PRIu64 " %.100s\n", done, total, what));
}

struct hf_progress daemon_progress(struct daemon *d)
{
	return (struct hf_progress){ .fn = show, .arg = d };
}

void daemon_take_log(const struct daemon *d)
{
	log_begin(d->front);
}

void daemon_ready(struct daemon *d, const char *words)
{
	char line[HF_ERROR_TEXT_BYTES + 64];
	int null;

	progress_end(&d->progress);
	if (d->front) {
		if (*words)
			puts(words);
		fflush(stdout);
		notify_ready(words);
		return;
	}
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	tell(d, line, snprintf(line, sizeof(line), "R %.500s\n", words));
	close(d->fd);
	d->fd = -1;
}

int daemon_failed(struct daemon *d, const struct hf_error *err)
{
	const char *words = err->text[0] ? err->text : hf_strerror(err->code);
	char line[HF_ERROR_TEXT_BYTES + 64];

	progress_end(&d->progress);
	if (d->fd >= 0) {
		tell(d, line, snprintf(line, sizeof(line), "E %s\n", words));
		close(d->fd);
		d->fd = -1;
		return CLI_FAILED;
	}
	if (d->front)
		return cli_fail("%s", words);
	log_line(NULL, LOG_ERR, words);
	return CLI_FAILED;
}

void daemon_stopping(const struct daemon *d, const char *words)
{
	if (d->front)
		notify_stopping(words);
}
