/* SPDX-License-Identifier: MIT */
#include "fs/cli/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cli/cli.h"
#include "fs/cli/output.h"

enum { RETENTION_DAYS_MAX = 36500 };

static const char *const names[] = { "good", "note", "warning", "danger" };

void findings_take(void *list, enum hf_finding finding, const char *what, const char *words)
{
	(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "finding", names[finding], "what",
						    what, "words", words));
}

void findings_print(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (json_array_size(list) > 0)
		printf("what this server really enforces, tried with these credentials:\n");
	json_array_foreach(list, i, one) {
		const char *finding = output_get_text(one, "finding");

		printf("  %-8s %-24s %s\n",
		       !strcmp(finding, "good")   ? "" :
		       !strcmp(finding, "danger") ? "DANGER" :
						    finding,
		       output_get_text(one, "what"), output_get_text(one, "words"));
	}
	(void)fflush(stdout); /* before an error that may follow on the other stream */
}

bool findings_retention(const char *command, const char *text, unsigned *ret_days)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10), unit = strcmp(end, "d") == 0 ? 1 :
							  strcmp(end, "y") == 0 ? 365 :
										  0;

	if (text[0] < '0' || text[0] > '9' || unit == 0 || n == 0 || n > RETENTION_DAYS_MAX / unit) {
		cli_fail("%s: --retention %s: say days or years, as 90d or 10y, at most %d days", command,
			 text, RETENTION_DAYS_MAX);
		return false;
	}
	*ret_days = (unsigned)(n * unit);
	return true;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

json_t *findings_credentials(void)
{
	CLEANUP(cli_cleanup_free) char *file = realpath(variable("AWS_SHARED_CREDENTIALS_FILE"), NULL);

	return json_pack("{s:s, s:s, s:s, s:s}", "access_key", variable("AWS_ACCESS_KEY_ID"), "secret_key",
			 variable("AWS_SECRET_ACCESS_KEY"), "token", variable("AWS_SESSION_TOKEN"), "file",
			 file ? file : variable("AWS_SHARED_CREDENTIALS_FILE"));
}

void findings_read_credentials(const json_t *o, struct hf_credentials *ret)
{
	*ret = (struct hf_credentials){ .access_key = output_get_text(o, "access_key"),
					.secret_key = output_get_text(o, "secret_key"),
					.token = output_get_text(o, "token"),
					.file = output_get_text(o, "file") };
}
