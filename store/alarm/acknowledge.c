/* SPDX-License-Identifier: MIT */
#include "store/alarm/acknowledge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/alarm/alarm_file.h"

/* Leaves the open ones of n, in their order; returns how many. */
static size_t keep_open(struct hf_alarm *all, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!all[i].acknowledged)
			all[kept++] = all[i];
	return kept;
}

int alarm_read_open(const struct os *os, const char *dir, struct hf_alarm **ret, size_t *ret_n,
		    struct hf_error *err)
{
	uint32_t next;
	int r = alarm_files_read(os, dir, ret, ret_n, &next, err);

	if (r == 0)
		*ret_n = keep_open(*ret, *ret_n);
	return r;
}

/* 0: all. */
static int parse_number(const char *text, uint32_t *ret)
{
	char end;

	*ret = 0;
	if (strcmp(text, "all") == 0)
		return 0;
	if (strspn(text, "0123456789") != strlen(text) || sscanf(text, "%9" SCNu32 "%c", ret, &end) != 1 ||
	    *ret == 0)
		return -EINVAL;
	return 0;
}

static int acknowledge(const struct os *os, const char *dir, uint32_t number, unsigned *ret_n,
		       struct hf_error *err)
{
	struct hf_alarm *alarms;
	size_t n;
	unsigned done = 0;
	int r = alarm_read_open(os, dir, &alarms, &n, err);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (number > 0 && alarms[i].number != number)
			continue;
		r = alarm_file_acknowledge(os, dir, &alarms[i]);
		if (r < 0)
			(void)hf_error_set(err, r, "cannot acknowledge alarm %" PRIu32 ": %s",
					   alarms[i].number, strerror(-r));
		else
			done++;
	}
	free(alarms);
	if (r == 0 && number > 0 && done == 0)
		r = hf_error_set(err, -ENOENT, "there is no open alarm %" PRIu32 " in %s", number, dir);
	if (r == 0)
		*ret_n = done;
	return r;
}

int alarm_acknowledge(const struct os *os, const char *dir, const char *alarm, unsigned *ret_n,
		      struct hf_error *err)
{
	uint32_t number;

	if (parse_number(alarm, &number) < 0)
		return hf_error_set(err, -EINVAL, "%.60s: an alarm is named by its number, or say all",
				    alarm);
	return acknowledge(os, dir, number, ret_n, err);
}
