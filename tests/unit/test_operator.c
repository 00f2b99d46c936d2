/* SPDX-License-Identifier: MIT */
/* What the operator and a service manager are told: levels, the journal, datagrams. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/cli/log.h"
#include "fs/cli/notify.h"
#include "tests/unit/scratch.h"

static char *dir;

static int make_dir(void **state)
{
	(void)state;
	dir = scratch_make();
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	scratch_remove(&dir);
	return 0;
}

/* stderr goes to this file meanwhile, as that of a service goes to the journal. */
static int begin_stderr(const char *path)
{
	int before = dup(STDERR_FILENO), fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char stream[64];
	struct stat st;

	assert_true(before >= 0 && fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	close(fd);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	return before;
}

static void end_stderr(int before)
{
	dup2(before, STDERR_FILENO);
	close(before);
	unsetenv("JOURNAL_STREAM");
}

static void read_file(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, size - 1);

	assert_true(n >= 0);
	out[n] = '\0';
	close(fd);
}

static void test_levels(void **state)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
	struct hf_error err = HF_ERROR_INIT;
	char path[256], text[512], want[512] = "";
	int before;

	(void)state;
	snprintf(path, sizeof(path), "%s/journal", dir);
	before = begin_stderr(path);
	log_begin(true);
	for (int i = 0; i < 5; i++) {
		int r = log_set_level(names[i], &err);

		for (int priority = LOG_ALERT; r == 0 && priority <= LOG_DEBUG; priority++)
			log_words(priority, "%s %d", names[i], priority);
		for (int priority = LOG_ALERT; priority <= LOG_ERR + i; priority++)
			snprintf(want + strlen(want), sizeof(want) - strlen(want), "<%d>%s %d\n", priority,
				 names[i], priority);
	}
	end_stderr(before);
	read_file(path, text, sizeof(text));
	assert_string_equal(text, want);
	assert_int_equal(log_set_level("Info", &err), -EINVAL);
	assert_non_null(strstr(err.text, "Info is no level"));
	assert_int_equal(log_set_level("", &err), 0);
	setenv("HOLDFAST_LOG", "quiet", 1);
	assert_int_equal(log_set_level("", &err), -EINVAL);
	assert_non_null(strstr(err.text, "HOLDFAST_LOG: quiet"));
	assert_int_equal(log_set_level("info", &err), 0);
	unsetenv("HOLDFAST_LOG");
}

static void test_lines(void **state)
{
	char path[256], text[4096], line[3000];
	int before;

	(void)state;
	memset(line, 'w', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	snprintf(path, sizeof(path), "%s/plain", dir);
	before = begin_stderr(path);
	assert_true(log_is_journal());
	log_line(NULL, LOG_ERR, line);
	setenv("JOURNAL_STREAM", "1:1", 1);
	assert_false(log_is_journal());
	assert_string_equal(log_error_mark(), "");
	log_line(NULL, LOG_ERR, "plain");
	setenv("JOURNAL_STREAM", "x", 1);
	assert_false(log_is_journal());
	end_stderr(before);
	read_file(path, text, sizeof(text));
	assert_memory_equal(text, "<3>www", 6);
	assert_true(strlen(text) < sizeof(line)); /* a line that is too long is cut, and ends all the same */
	assert_string_equal(strchr(text, '\n'), "\nplain\n");
}

static void listen_at(const struct sockaddr_un *address, socklen_t len, const char *variable,
		      const char *want)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[256];
	ssize_t n;

	assert_int_equal(bind(fd, (const struct sockaddr *)address, len), 0);
	setenv("NOTIFY_SOCKET", variable, 1);
	notify_begin();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_true(notify_wanted());
	notify_ready(want);
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_memory_equal(text, "READY=1\nSTATUS=", 15);
	assert_string_equal(text + 15, want);
	notify_busy("a while");
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "EXTEND_TIMEOUT_USEC=120000000\nSTATUS=a while");
	close(fd);
	notify_stopping("nobody listens any more"); /* and nothing happens */
}

static void test_notify(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char variable[sizeof(address.sun_path) + 1];
	int len;

	(void)state;
	assert_false(notify_wanted());
	setenv("NOTIFY_SOCKET", "relative", 1);
	notify_begin();
	assert_false(notify_wanted());
	notify_ready("to nobody");

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", dir);
	listen_at(&address, sizeof(address), address.sun_path, "a path");

	len = snprintf(variable, sizeof(variable), "@holdfast-test-%d", (int)getpid());
	memset(address.sun_path, 0, sizeof(address.sun_path));
	memcpy(address.sun_path + 1, variable + 1, (size_t)len - 1);
	listen_at(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len), variable,
		  "an abstract name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_notify),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
