/* SPDX-License-Identifier: MIT */
#include "fs/cli/past_print.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/colour.h"
#include "fs/cli/output.h"
#include "fs/web/utf8.h"

enum { WORDS_BYTES = 256 };

/* --- names */

/* How many bytes at p may be printed as they are; 0: an escape has to stand for the byte. */
static size_t printable(const char *p)
{
	unsigned char c = (unsigned char)*p;
	size_t len = utf8_len(p);

	if (c < 0x20 || c == 0x7f || len == 0)
		return 0;
	/* U+0080 to U+009F are control characters too */
	return c == 0xc2 && (unsigned char)p[1] < 0xa0 ? 0 : len;
}

void print_name(FILE *f, const char *path)
{
	while (*path) {
		size_t len = printable(path);

		if (len)
			fwrite(path, 1, len, f);
		else
			fprintf(f, "\\%03o", (unsigned char)*path);
		path += len ? len : 1;
	}
}

void print_path_of(const json_t *row, const char *key)
{
	CLEANUP(cli_cleanup_free) char *path = output_get_path(row, key);

	print_name(stdout, path && *path ? path : "/");
}

void print_json_line(const json_t *row)
{
	json_dumpf(row, stdout, JSON_COMPACT);
	putchar('\n');
}

char *shell_word(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./@%+:,-";
	bool odd = false;
	char *word = malloc(strlen(text) * 4 + 4), *out = word;

	if (!word)
		return NULL;
	if (*text && text[strspn(text, plain)] == '\0')
		return strcpy(word, text);
	for (const char *p = text; *p; p += printable(p) ? printable(p) : 1)
		odd |= printable(p) == 0;
	out = stpcpy(out, odd ? "$'" : "'");
	for (const char *p = text; *p;) {
		size_t len = printable(p);

		if (!len)
			out += sprintf(out, "\\%03o", (unsigned char)*p);
		else if (*p == '\'')
			out = stpcpy(out, odd ? "\\'" : "'\\''");
		else if (*p == '\\' && odd)
			out = stpcpy(out, "\\\\");
		else
			out = mempcpy(out, p, len);
		p += len ? len : 1;
	}
	strcpy(out, "'");
	return word;
}

char *restore_command(const struct location *where, const char *path, uint64_t tid)
{
	CLEANUP(cli_cleanup_free) char *seen = location_path(where, path);
	CLEANUP(cli_cleanup_free) char *whole = NULL;
	CLEANUP(cli_cleanup_free) char *word = NULL;
	CLEANUP(cli_cleanup_free) char *store = seen ? NULL : shell_word(where->store);
	char *command;

	/* what begins like an option is none after a slash */
	if (asprintf(&whole, "%s%s@tid-%" PRIu64, !seen && *path == '-' ? "/" : "", seen ? seen : path, tid) <
	    0)
		whole = NULL;
	word = whole ? shell_word(whole) : NULL;
	if (!word || (!seen && !store) ||
	    asprintf(&command, "holdfast restore %s%s%s", store ? store : "", store ? " " : "", word) < 0)
		return NULL;
	return command;
}

/* --- users */

char *print_user(const json_t *uid, char *out)
{
	static struct {
		json_int_t uid;
		char name[PRINT_USER_BYTES];
	} last = { -1, "" };
	const struct passwd *user;

	if (!json_is_integer(uid))
		return strcpy(out, "?");
	if (json_integer_value(uid) != last.uid) {
		last.uid = json_integer_value(uid);
		user = getpwuid((uid_t)last.uid);
		if (user)
			snprintf(last.name, sizeof(last.name), "%s", user->pw_name);
		else
			snprintf(last.name, sizeof(last.name), "%" JSON_INTEGER_FORMAT, last.uid);
	}
	return strcpy(out, last.name);
}

/* --- log */

static void add_words(char *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_words(char *words, const char *fmt, ...)
{
	size_t len = strlen(words);
	va_list ap;

	if (len > 0 && len + 3 < WORDS_BYTES)
		len = (size_t)(stpcpy(words + len, ", ") - words);
	va_start(ap, fmt);
	vsnprintf(words + len, WORDS_BYTES - len, fmt, ap);
	va_end(ap);
}

static void say_attributes(const json_t *changes, char *words)
{
	char from[PRINT_USER_BYTES], to[PRINT_USER_BYTES];
	const json_t *pair;

	pair = json_object_get(changes, "mode");
	if (pair)
		add_words(words, "mode %s -> %s", json_string_value(json_array_get(pair, 0)),
			  json_string_value(json_array_get(pair, 1)));
	pair = json_object_get(changes, "uid");
	if (pair)
		add_words(words, "owner %s -> %s", print_user(json_array_get(pair, 0), from),
			  print_user(json_array_get(pair, 1), to));
	pair = json_object_get(changes, "gid");
	if (pair)
		add_words(words, "group %" JSON_INTEGER_FORMAT " -> %" JSON_INTEGER_FORMAT,
			  json_integer_value(json_array_get(pair, 0)),
			  json_integer_value(json_array_get(pair, 1)));
	pair = json_object_get(changes, "size");
	if (pair)
		add_words(words, "length %" JSON_INTEGER_FORMAT " -> %" JSON_INTEGER_FORMAT,
			  json_integer_value(json_array_get(pair, 0)),
			  json_integer_value(json_array_get(pair, 1)));
	if (!*words && (json_object_get(changes, "mtime") || json_object_get(changes, "atime")))
		add_words(words, "times set");
	if (!*words)
		add_words(words, "attributes set");
}

static void say(const json_t *row, char *words)
{
	const char *kind = output_get_text(row, "kind"), *type = output_get_text(row, "type");
	char bytes[OUTPUT_TEXT_BYTES];

	output_bytes(output_get_number(row, "bytes"), bytes);
	words[0] = '\0';
	if (!strcmp(kind, "create"))
		add_words(words, "made %s", type);
	else if (!strcmp(kind, "remove"))
		add_words(words, "removed %s", type);
	else if (!strcmp(kind, "link"))
		add_words(words, "given another name");
	else if (!strcmp(kind, "rename"))
		add_words(words, json_object_get(row, "replaced") ? "renamed over another" : "renamed");
	else if (!strcmp(kind, "write"))
		add_words(words, "wrote %s", bytes);
	else if (!strcmp(kind, "allocate"))
		add_words(words, "allocated or punched %s", bytes);
	else if (!strcmp(kind, "copy"))
		add_words(words, "copied %s into it", bytes);
	else if (!strcmp(kind, "xattr"))
		add_words(words, "extended attributes");
	else if (!strcmp(kind, "tag"))
		add_words(words, json_is_object(json_object_get(row, "named")) ? "named a moment" :
										 "took a name away");
	else if (!strcmp(kind, "attributes"))
		say_attributes(json_object_get(row, "changes"), words);
	else
		add_words(words, "%s", kind);
}

static enum colour colour_of(const char *kind)
{
	if (!strcmp(kind, "create") || !strcmp(kind, "link"))
		return COLOUR_GOOD;
	if (!strcmp(kind, "remove"))
		return COLOUR_BAD;
	return !strcmp(kind, "tag") ? COLOUR_STRONG : COLOUR_NONE;
}

/* The name that a moment was given or lost, and which moment it is. */
static void print_tag(const json_t *row)
{
	const json_t *named = json_object_get(row, "named");

	fputs(output_get_text(row, "tag"), stdout);
	if (json_is_object(named))
		printf(" (tid-%" PRIu64 ")", output_get_number(named, "tid"));
}

void print_log_row(const json_t *row)
{
	CLEANUP(cli_cleanup_free) char *path = output_get_path(row, "path");
	const char *kind = output_get_text(row, "kind"), *none = colour(stdout, COLOUR_NONE);
	char user[PRINT_USER_BYTES], words[WORDS_BYTES];

	say(row, words);
	printf("%s%-28s%s  %-8s  %s%-20s%s  ", colour(stdout, COLOUR_NAME), output_get_text(row, "moment"),
	       none, print_user(json_object_get(row, "uid"), user), colour(stdout, colour_of(kind)), words,
	       none);
	if (json_object_get(row, "renamed_from")) {
		print_path_of(row, "renamed_from");
		fputs(" -> ", stdout);
	}
	if (!strcmp(kind, "tag"))
		print_tag(row);
	else if (path && !*path && strcmp(output_get_text(row, "type"), "directory"))
		fputs("(a file without a name)", stdout);
	else
		print_path_of(row, "path");
	putchar('\n');
}
