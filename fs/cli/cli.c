/* SPDX-License-Identifier: MIT */
#include "fs/cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/cli/log.h"

/* The long option that was written last and has no value, NULL: none. */
static const char *missing_value(int value, const char *word, const struct option *longs)
{
	if (strncmp(word, "--", 2) != 0)
		return NULL;
	for (; longs->name; longs++)
		if (longs->has_arg == required_argument && longs->val == value &&
		    !strncmp(longs->name, word + 2, strlen(word + 2)))
			return longs->name;
	return NULL;
}

int cli_option(const struct command *self, int argc, char **argv, const char *shorts,
	       const struct option *longs)
{
	const char *long_name;
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, shorts, longs, NULL);
	if (option == 'h') {
		printf("%s", self->usage);
		return 'h';
	}
	if (option != '?' && option != ':')
		return option;
	/* of a long one optopt is what it stands for, known or not as a letter */
	long_name = missing_value(optopt, optind > 0 && optind <= argc ? argv[optind - 1] : "", longs);
	if (long_name)
		cli_fail("%s: --%s needs a value; see holdfast %s --help", self->name, long_name, self->name);
	else if (optopt > 0 && optopt < 128 && strchr(shorts, optopt))
		cli_fail("%s: -%c needs a value; see holdfast %s --help", self->name, optopt, self->name);
	else if (optind > 0 && optind <= argc && argv[optind - 1][0] == '-')
		cli_fail("%s: what is %s? See holdfast %s --help", self->name, argv[optind - 1], self->name);
	else
		cli_fail("%s: an option is not right; see holdfast %s --help", self->name, self->name);
	return '?';
}

int cli_option_code(int option)
{
	return option == 'h' ? CLI_FINE : CLI_FAILED;
}

int cli_json_only(const struct command *self, int argc, char **argv, bool *ret_json)
{
	static const struct option longs[] = { { "json", 0, NULL, 'j' }, { "help", 0, NULL, 'h' }, { 0 } };
	int o;

	*ret_json = false;
	while ((o = cli_option(self, argc, argv, "jh", longs)) != -1) {
		if (o != 'j')
			return cli_option_code(o);
		*ret_json = true;
	}
	return cli_operands(self, argc, 0, 1) ? -1 : CLI_FAILED;
}

/* The lines of a usage text before the first empty one. */
static void print_forms(const char *usage)
{
	const char *end = strstr(usage, "\n\n"), *before = "usage: ";
	size_t len;

	for (; *usage && usage < end; usage += len + 1) {
		len = strcspn(usage, "\n");
		fprintf(stderr, "%s%.*s\n", before, (int)len, usage);
		before = "       ";
	}
}

bool cli_operands(const struct command *self, int argc, int min, int max)
{
	int n = argc - optind;

	if (n >= min && n <= max)
		return true;
	cli_fail("%s: %s; see holdfast %s --help", self->name,
		 n < min ? "something is missing" : "one word too many", self->name);
	print_forms(self->usage);
	return false;
}

int cli_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%sholdfast: ", log_error_mark());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_fail_error(const struct hf_error *err)
{
	return cli_fail("%s", err->text[0] ? err->text : hf_strerror(err->code));
}

int cli_fail_rows(const struct hf_error *err)
{
	return ferror(stdout) ? CLI_FAILED : cli_fail_error(err);
}

int cli_absolute(const char *path, char **ret, struct hf_error *err)
{
	CLEANUP(cli_cleanup_free) char *copy = NULL;
	CLEANUP(cli_cleanup_free) char *folder = NULL;
	const char *name;
	char *slash;

	*ret = realpath(path, NULL);
	if (*ret)
		return 0;
	/* Not there yet, or a mount whose process died (ENOTCONN): then its folder tells. */
	copy = strdup(path);
	if (!copy)
		return hf_error_set(err, -ENOMEM, "no memory");
	while (strlen(copy) > 1 && copy[strlen(copy) - 1] == '/')
		copy[strlen(copy) - 1] = '\0';
	slash = strrchr(copy, '/');
	name = slash ? slash + 1 : copy;
	if (slash)
		*slash = '\0';
	folder = realpath(!slash ? "." : copy[0] ? copy : "/", NULL);
	if (!folder || !*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return hf_error_set(err, -errno, "%s: %s", path, strerror(errno));
	if (asprintf(ret, "%s/%s", strcmp(folder, "/") ? folder : "", name) < 0)
		return hf_error_set(err, -ENOMEM, "no memory");
	return 0;
}

bool cli_is_inside(const char *path, const char *folder)
{
	const size_t len = strlen(folder);

	return !strcmp(folder, "/") ||
	       (!strncmp(path, folder, len) && (path[len] == '/' || path[len] == '\0'));
}

void cli_cleanup_free(void *pointer_to_pointer)
{
	void **p = pointer_to_pointer;

	free(*p);
}

void cli_cleanup_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}
